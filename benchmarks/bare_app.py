"""The bare reference for the first frame: `python -m benchmarks.bare_app`, an empty Textual application that says one word."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

WORD = "empty"


class BareApp(App[None]):
    """One Static, nothing else."""

    def compose(self) -> ComposeResult:
        yield Static(WORD)


if __name__ == "__main__":
    BareApp().run()
