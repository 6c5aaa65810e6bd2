"""Choosing a reason: from the company's lists, those of a step or of a promise, or in own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from fieldapp.domain.job import JobState
from fieldapp.domain.words import say
from fieldapp.language import _, language, later
from fieldapp.screens.list_and_line import ListAndLine
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList
from fieldapp.widgets.wrapping import wrap

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp

_ASKED = {
    "decline": later("Why is the job declined?"),
    "pause": later("Why is the work paused?"),
    "cannot_complete": later("Why can the job not be completed?"),
    "not_applicable": later("Why does this step not apply?"),
    "not_done": later("Why is this step not done?"),
    "amend": later("Why does the recorded value change?"),
    "cancel": later("Why is the job cancelled?"),
    "reschedule": later("Why another time?"),
}


@dataclass(frozen=True)
class Reason:
    """A reason that can be chosen. code: what is recorded; '' stands for own words. stops: it stops a promise's clock."""

    code: str
    title: str
    stops: bool = False


def reasons_for(field: FieldApp, use: str) -> list[Reason]:
    """Reasons of the lists that are meant for this use (`pause`, `not_done`, ...); those without a use are for all."""
    found = []
    for pack in field.session.documents.packs("reasons"):
        for item in pack.items:
            uses = item.columns.get("use", "").split()
            if not uses or use in uses:
                found.append(Reason(item.code, say(item.title, language()) or item.code))
    return found


class ReasonScreen(ListAndLine[tuple[str, str]]):
    """Choose a reason, or say it in own words: gives (code or words, remark).

    Args:
        question: the title. reasons: to choose from. free: whether own words are taken as well. known: said below, safe text.
    """

    DEFAULT_CSS = """
    ReasonScreen > .window { width: 64; }
    ReasonScreen WindowList { height: auto; max-height: 12; background: $surface; }
    ReasonScreen .muted { height: auto; }
    ReasonScreen .-known { margin-top: 1; }
    """

    MOVING = "jk "

    def __init__(self, question: str, reasons: Sequence[Reason], *, free: bool = True, known: str = "") -> None:
        super().__init__()
        self._question, self._free, self._known = question, free, known
        self._reasons = [*reasons, *([Reason("", _("In own words, typed below"))] if free and reasons else [])]

    @classmethod
    def for_move(cls, field: FieldApp, job: JobState, action: str, known: str = "") -> ReasonScreen:
        """For declining, pausing or giving up a job. Of the reasons for pausing, those that stop a promise's clock come first."""
        stopping = {code for promise in job.promises for code in promise.pause_reasons} if action == "pause" else set()
        reasons = {reason.code: reason for reason in reasons_for(field, action)}
        titles = {reason.code: reason.title for use in ("pause", "cannot_complete") for reason in reasons_for(field, use)}
        first = [Reason(code, titles.get(code, code), stops=True) for code in sorted(stopping)]
        listed = [*first, *(reason for code, reason in reasons.items() if code not in stopping)]
        return cls(_(_ASKED[action]), listed, known=known)

    @classmethod
    def for_step(cls, field: FieldApp, codes: Sequence[str], action: str) -> ReasonScreen:
        """For leaving a step out. Where the step has reasons of its own only these are taken."""
        titles = {
            item.code: say(item.title, language()) for pack in field.session.documents.packs("reasons") for item in pack.items
        }
        if codes:
            return cls(_(_ASKED[action]), [Reason(code, titles.get(code) or code) for code in codes], free=False)
        return cls(_(_ASKED[action]), reasons_for(field, action))

    @classmethod
    def for_amend(cls, field: FieldApp) -> ReasonScreen:
        """For changing a value that is recorded."""
        return cls(_(_ASKED["amend"]), reasons_for(field, "amend"))

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self._question)
            window.border_subtitle = _("Esc goes back, nothing is recorded")
            if self._reasons:
                yield WindowList(self._draw)
            yield Field("", self._hint())
            yield Static(_("Enter takes the reason. Tab goes to the remark."), classes="muted", markup=False)
            if self._known:
                yield Paragraphs(lambda width: Content("\n").join(wrap(Content(self._known), width)), classes="muted -known")

    def on_mount(self) -> None:
        if self._reasons:
            listed = self.query_one(WindowList)
            listed.show(Rows[object](self._reasons, lambda row: row.code if isinstance(row, Reason) else ""))
            listed.focus()
        else:
            self.query_one(Field).focus()

    def entered(self) -> dict[str, Any]:
        row = self.query_one(WindowList).row if self._reasons else None
        return super().entered() | {"code": row.code if isinstance(row, Reason) else ""}

    def put_back(self, entered: dict[str, Any]) -> None:
        super().put_back(entered)
        if self._reasons:
            self.query_one(WindowList).go_to(entered["code"])

    def _hint(self) -> str:
        if not self._reasons:
            return _("your reason")
        return _("own words, or a remark (optional)") if self._free else _("a remark (optional)")

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Reason)
        stops = Content.styled(_("  stops the clock"), "$text-muted") if row.stops else Content("")
        return Content.assemble(" ", safe_text(row.title), stops)

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        self._answer()

    def action_record(self) -> None:
        """Enter in the line: own words where the cursor is on them or no reason is listed, else a remark to the reason."""
        self._answer()

    def _answer(self) -> None:
        said = self.query_one(Field).value.strip()
        row = self.query_one(WindowList).row if self._reasons else Reason("", "")
        assert isinstance(row, Reason)
        if row.code:
            self.answer((row.code, said))
        elif said:
            self.answer((said, ""))
        else:
            self.query_one(Field).focus()

    def line_begun(self, field: Field, listed: WindowList) -> None:
        """Typing on the list begins own words."""
        if self._free and not field.value:
            listed.go_to("")
