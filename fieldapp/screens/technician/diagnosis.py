"""A diagnosis of this device in plain words: shown, and copied for whoever is asked for help."""

from __future__ import annotations

import platform
import time
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from fieldapp.language import _, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.cause_words import cause_shown, cause_words
from fieldapp.screens.technician.sync_centre import SENTENCES
from fieldapp.settings import shown_path
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.wrapping import wrap

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
    "history": later("history"),
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
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window") as window:
            window.border_title = _("Diagnosis")
            window.border_subtitle = _("Esc closes")
            yield Paragraphs(lambda width: Content(_("Looking ...")), id="text")

    def on_mount(self) -> None:
        self._look()

    @work(group="diagnosis", exclusive=True, exit_on_error=False, thread=True)
    def _look(self) -> None:
        """In a thread: a thorough look at a large database takes a while."""
        from fieldapp.checks import checks

        found = checks(str(self.field.session.home.path), ask_server=False)
        place = self.field.session.home.path
        short = [check._replace(words=check.words.replace(str(place), shown_path(place))) for check in found]
        self.app.call_from_thread(self._show, [(check.name, check.ok, check.words) for check in short])

    def _show(self, found: list[tuple[str, bool, str]]) -> None:
        from fieldapp.version import version

        status = self.field.sync_status
        facts = [("Fieldapp", True, f"{version()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")]
        facts += [(_("time"), True, time.strftime("%Y-%m-%d %H:%M:%S %z"))]
        if status is not None:
            cause = cause_shown(status.connection, status.words)
            causes = "; ".join(words for words in (cause, *(cause_words(words) for words in status.files)) if words)
            said = _(SENTENCES[status.connection]) + (f" [{causes}]" if causes else "")
            facts.append((_("connection"), status.connection in ("online", "unknown"), said))
        facts += [(_(TITLES.get(name, name)), well, cause_words(words)) for name, well, words in found]
        plain = (f"{'ok ' if well else 'NOT'} {name}{_(': ')}{words}" for name, well, words in facts)
        self.app.copy_to_clipboard("\n".join(safe_text(line).plain for line in plain))
        self.query_one("#text", Paragraphs).show(partial(_lines, facts))


def _lines(facts: list[tuple[str, bool, str]], width: int) -> Content:
    """Name, whether it is well, and what was found, each beside its name."""
    room = max(Content(name).cell_length for name, _well, _words in facts) + 4
    lines: list[Content] = []
    for name, well, words in facts:
        glyph = Content.styled("✓ ", "$text-success") if well else Content.styled("✗ ", "$text-error")
        first, *more = wrap(safe_text(words), max(8, width - room))
        lines.append(Content.assemble(glyph, safe_text(name, "bold").truncate(room - 2, pad=True), first))
        lines += [Content.assemble(" " * room, line) for line in more]
    copied = Content.styled(_("Copied to the clipboard, where the terminal allows it."), "$text-muted")
    return Content("\n").join([*lines, Content(""), *wrap(copied, width)])
