"""A diagnosis of this device in plain words: shown, and copied for whoever is asked for help."""

from __future__ import annotations

import platform
import time
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from fieldapp.language import _, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.widgets.safe_text import safe_text

TITLES = {
    "settings": later("settings"),
    "home": later("folder"),
    "identity": later("device"),
    "database": later("database"),
    "journal": later("second copy"),
    "outbox": later("unsent"),
    "decisions": later("decisions"),
    "scope": later("what is yours"),
    "agreement": later("agreement"),
    "files": later("files"),
    "clock": later("clock"),
    "disk": later("disk"),
    "server": later("server"),
}
"""The checks of `fieldapp doctor`, as people call what is checked."""


class DiagnosisScreen(FieldModal[None]):
    """Looks, shows, copies."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back"), Binding("d,enter", "back", show=False)]
    DEFAULT_CSS = """
    DiagnosisScreen > .window { width: 76; }
    DiagnosisScreen Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window") as window:
            window.border_title = _("Diagnosis")
            window.border_subtitle = _("Esc closes")
            yield Static(_("Looking ..."), id="text", markup=False)

    def on_mount(self) -> None:
        self._look()

    @work(group="diagnosis", exclusive=True, exit_on_error=False, thread=True)
    def _look(self) -> None:
        """In a thread: a thorough look at a large database takes a while."""
        from fieldapp.checks import checks

        found = checks(str(self.field.session.home.path), ask_server=False)
        self.app.call_from_thread(self._show, [(check.name, check.ok, check.words) for check in found])

    def _show(self, found: list[tuple[str, bool, str]]) -> None:
        from fieldapp.version import version

        status = self.field.sync_status
        facts = [("Fieldapp", True, f"{version()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")]
        facts += [(_("time"), True, time.strftime("%Y-%m-%d %H:%M:%S %z"))]
        if status is not None:
            words = status.sentence + (f" [{'; '.join(status.files)}]" if status.files else "")
            facts.append((_("connection"), status.connection in ("online", "unknown"), words))
        facts += [(_(TITLES.get(name, name)), well, words) for name, well, words in found]
        width = max(len(name) for name, _well, _words in facts)
        plain = "\n".join(
            f"{'ok ' if well else 'NOT'} {safe_text(name + ':').plain:<{width + 1}} {safe_text(words).plain}"
            for name, well, words in facts
        )
        lines = []
        for name, well, words in facts:
            glyph = Content.styled("✓ ", "$text-success") if well else Content.styled("✗ ", "$text-error")
            lines.append(Content.assemble(glyph, safe_text(name, "bold"), ": ", safe_text(words)))
        self.app.copy_to_clipboard(plain)
        lines += [Content(""), Content.styled(_("Copied to the clipboard, where the terminal allows it."), "$text-muted")]
        self.query_one("#text", Static).update(Content("\n").join(lines))
