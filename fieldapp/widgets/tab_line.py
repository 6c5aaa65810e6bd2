"""Tabs in one line: the names of the parts of a screen, the open one marked; a click opens one."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from fieldapp.language import _


class TabLine(Widget):
    """Args: names: (id, label for the catalogue) of each tab."""

    DEFAULT_CSS = """
    TabLine { height: 1; background: $surface; }
    """
    active: reactive[str] = reactive("")

    class Picked(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, names: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._names = tuple(names)
        self.set_reactive(TabLine.active, self._names[0][0])

    def neighbour(self, step: int) -> str:
        """Id of the tab so many places on, round and round."""
        ids = [name for name, _label in self._names]
        return ids[(ids.index(self.active) + step) % len(ids)]

    def render(self) -> RenderResult:
        chips = [
            Content.styled(f" {_(label)} ", "bold reverse $text-primary" if name == self.active else "$text-muted")
            for name, label in self._names
        ]
        return Content.assemble(" ", Content(" ").join(chips))

    def on_click(self, event: events.Click) -> None:
        x = 1
        for name, label in self._names:
            end = x + Content(f" {_(label)} ").cell_length
            if x <= event.x < end:
                self.post_message(self.Picked(name))
                return
            x = end + 1
