"""One entry of a log, whole: who recorded it on what, when, what the server made of it, and every word of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.instant import iso_utc
from fieldapp.language import _
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.jobcards import labelled
from fieldapp.screens.story import Story
from fieldapp.store.queries.log import LogLine
from fieldapp.widgets.safe_text import safe_text

_WIDTH = 70


class EntryScreen(FieldModal[None]):
    """Args: line: the entry. story: the words of its job."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back"), Binding("enter", "back", show=False)]
    CSS_PATH = "entry.tcss"

    def __init__(self, line: LogLine, story: Story) -> None:
        super().__init__()
        self._line, self._story = line, story

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window") as window:
            window.border_title = _("One entry of the log")
            window.border_subtitle = _("Esc closes")
            yield Static(Content("\n").join(self._lines()), markup=False)

    def _lines(self) -> list[Content]:
        line, envelope = self._line, self._line.entry.envelope
        at = envelope.at
        doubtful = "  ◷ " + _("too far off: its times are doubtful") if envelope.doubtful else ""
        skew = _("not known") if at.skew is None else _("{seconds} s").format(seconds=f"{at.skew / 1000:+.1f}")
        body = self._line.entry.body_raw
        rows = [
            (_("Who"), Content(self._story.who(line))),
            (_("What"), self._story.what(line)),
            (_("When"), self._story.when(line)),
            (_("Outcome"), self._story.outcome(line)),
            (_("Device"), safe_text(envelope.device)),
            (_("Wall clock"), safe_text(iso_utc(at.wall) or "")),
            (_("Clock skew"), Content(skew + doubtful)),
            (_("Received"), safe_text(iso_utc(line.received_at) or _("not yet"))),
            (_("Position"), Content(str(line.pos) if line.pos is not None else _("none yet"))),
            (_("Type"), safe_text(envelope.type)),
            (_("Entry"), safe_text(envelope.id)),
            (_("As recorded"), safe_text(_pretty(body), lines=True) if body is not None else Content(_("erased"))),
        ]
        return [shown for label, value in rows for shown in labelled(label, value, _WIDTH, 13)]


def _pretty(body: bytes) -> str:
    try:
        return msgspec.json.format(body, indent=1).decode("utf-8", "replace")
    except msgspec.MsgspecError:
        return body.decode("utf-8", "replace")
