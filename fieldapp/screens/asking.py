"""Small questions over a screen: a reason, a note, a yes or no, a few lines. Each gives a typed result, None for going back.

What is typed in the larger ones is kept as a draft, so that Escape never loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.domain.safe import plain_text
from fieldapp.domain.words import say
from fieldapp.language import _, language, later
from fieldapp.screens.base import FieldModal
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.inputs.long_text import Sheet
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp
    from fieldapp.screens.technician.drafting import DraftKeeper

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


class ReasonScreen(FieldModal[tuple[str, str]]):
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
                yield Static(self._known, classes="muted -known", markup=False)

    def on_mount(self) -> None:
        if self._reasons:
            listed = self.query_one(WindowList)
            listed.show(Rows[object](self._reasons, lambda row: row.code if isinstance(row, Reason) else ""))
            listed.focus()
        else:
            self.query_one(Field).focus()

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
            self.dismiss((row.code, said))
        elif said:
            self.dismiss((said, ""))
        else:
            self.query_one(Field).focus()

    def on_key(self, event: events.Key) -> None:
        """Typing on the list begins own words."""
        listed = self.focused
        if isinstance(listed, WindowList) and event.is_printable and event.character and event.character not in "jk ":
            event.stop()
            field = self.query_one(Field)
            field.focus()
            field.insert_text_at_cursor(event.character)
            row = listed.row
            if self._free and isinstance(row, Reason) and not field.value.strip(event.character):
                listed.go_to("")


class NoteScreen(FieldModal[str]):
    """A text of several lines.

    Args:
        question: the title. drafts, name: where half-typed text is kept meanwhile, under which name; None keeps nothing.
    """

    DEFAULT_CSS = """
    NoteScreen > .window { width: 72; }
    NoteScreen Sheet { height: 8; }
    """

    def __init__(self, question: str, drafts: DraftKeeper | None = None, name: str = "", hint: str = "") -> None:
        super().__init__()
        self._question, self._drafts, self._field_name, self._hint = question, drafts, name, hint

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self._question)
            window.border_subtitle = _("Esc goes back and keeps the text")
            draft = self._drafts.read(self._field_name, 0) if self._drafts else None
            yield Sheet(plain_text(draft or "", lines=True), highlight_cursor_line=False)
            yield Static(self._hint or _("Enter saves. Ctrl+J begins a new line."), classes="muted", markup=False)

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.move_cursor(sheet.document.end)
        sheet.focus()

    @on(Sheet.Changed)
    def _changed(self) -> None:
        if self._drafts is not None:
            self._drafts.typed(self._field_name, 0, self.query_one(Sheet).text)

    def action_record(self) -> None:
        text = self.query_one(Sheet).text.strip()
        if not text:
            return
        if self._drafts is not None:
            self._drafts.forget(self._field_name, 0)
        self.dismiss(text)

    def action_back(self) -> None:
        if self._drafts is not None:
            self._drafts.flush()
        self.dismiss(None)


class ConfirmScreen(FieldModal[bool]):
    """A text and one answer: Enter agrees, Escape does not.

    Args:
        title: what it is about. text: what happens. agree: what Enter does, in words.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "agree", show=False), Binding("y", "agree", show=False)]
    DEFAULT_CSS = """
    ConfirmScreen Static { height: auto; margin: 1 1; width: 60; }
    """

    def __init__(self, title: str, text: Content | str, agree: str = "") -> None:
        super().__init__()
        self._title, self._text, self._agree = title, text, agree

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self._title)
            window.border_subtitle = safe_text(_("Enter: {agree} · Esc: back").format(agree=self._agree or _("yes")))
            yield Static(self._text, markup=False)

    def action_agree(self) -> None:
        self.dismiss(True)


@dataclass(frozen=True)
class Question:
    """One line of a form. check: the text as it is kept; it raises a Problem where the text will not do."""

    label: str
    hint: str = ""
    value: str = ""
    check: Callable[[str], str] = str.strip
    needed: bool = True


class AskScreen(FieldModal[tuple[str, ...]]):
    """A few lines to fill in: gives their texts as checked.

    Args:
        title: what it is about. questions: one for each line.
    """

    DEFAULT_CSS = """
    AskScreen > .window { width: 68; }
    AskScreen .label { height: 1; color: $text-muted; }
    AskScreen .wrong { height: auto; color: $text-error; }
    """

    def __init__(self, title: str, questions: Sequence[Question]) -> None:
        super().__init__()
        self._title, self._questions = title, tuple(questions)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self._title)
            window.border_subtitle = _("Enter: next, then save · Esc: back")
            for question in self._questions:
                yield Static(safe_text(question.label), classes="label", markup=False)
                yield Field(plain_text(question.value), question.hint)
            yield Static(classes="wrong", markup=False)

    def on_mount(self) -> None:
        self.query(Field).first().focus()

    def action_record(self) -> None:
        fields = list(self.query(Field))
        place = fields.index(self.focused) if isinstance(self.focused, Field) else 0
        if self._checked(place) is None:
            return
        if place + 1 < len(fields):
            fields[place + 1].focus()
            return
        texts = [self._checked(number) for number in range(len(fields))]
        if all(text is not None for text in texts):
            self.dismiss(tuple(text for text in texts if text is not None))

    def _checked(self, place: int) -> str | None:
        question, field = self._questions[place], list(self.query(Field))[place]
        wrong = self.query_one(".wrong", Static)
        typed = field.value.strip()
        try:
            if not typed and question.needed:
                raise Problem("bad-value", _("Something has to stand here."))
            text = question.check(typed) if typed else ""
        except Problem as problem:
            wrong.update(safe_text(" ".join(part for part in (_(problem.message), _(problem.hint)) if part)))
            field.focus()
            return None
        wrong.update("")
        return text

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(".wrong", Static).update("")
