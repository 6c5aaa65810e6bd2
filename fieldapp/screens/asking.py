"""Small questions over a screen: a note, a yes or no, a few lines. Each gives a typed result, None for going back.

What is typed in the larger ones is kept as a draft, so that Escape never loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldapp.domain.problem import Problem
from fieldapp.domain.safe import plain_text
from fieldapp.language import _
from fieldapp.screens.base import FieldModal
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.inputs.long_text import Sheet
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.screens.technician.drafting import DraftKeeper


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
            yield Static(self._hint or _("Enter saves. Ctrl+J begins a new line."), classes="muted", markup=False, id="hint")

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.move_cursor(sheet.document.end)
        sheet.focus()

    @on(Sheet.Changed)
    def _changed(self) -> None:
        if self._drafts is not None and self._answered is None:  # what is being recorded is no draft any more
            self._drafts.typed(self._field_name, 0, self.query_one(Sheet).text)

    def action_record(self) -> None:
        if self._answered is not None:
            return
        text = self.query_one(Sheet).text.strip()
        if not text:
            self.query_one("#hint", Static).update(_("Nothing is written yet. Esc goes back."))
            return
        if self._drafts is not None:
            self._drafts.drop()
        self.answer(text)

    def recording(self) -> AbstractContextManager[None]:
        return super().recording() if self._drafts is None else self._drafts.recording(self._field_name, 0)

    def not_saved(self) -> None:
        super().not_saved()
        if self._drafts is not None:
            self._drafts.typed(self._field_name, 0, self.query_one(Sheet).text)

    def action_back(self) -> None:
        if self._drafts is not None:
            self._drafts.flush()
        super().action_back()


class ConfirmScreen(FieldModal[bool]):
    """A text and one answer: Enter agrees, Escape does not.

    Args:
        title: what it is about. text: what happens. agree: what Enter does, in words.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "agree", show=False), Binding("y", "agree", show=False)]
    DEFAULT_CSS = """
    ConfirmScreen Static { height: auto; margin: 1 1; width: 60; max-width: 100%; }
    """

    def __init__(self, title: str, text: Content | str, agree: str = "") -> None:
        super().__init__()
        self._title, self._text, self._agree = title, text, agree

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self._title)
            window.border_subtitle = safe_text(_("Enter: {agree} · Esc: back").format(agree=self._agree or _("yes")))
            yield Static(self._text, markup=False)

    def on_mount(self) -> None:
        self.field.keys.forget()

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
        self.title_text, self._questions = title, tuple(questions)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = safe_text(self.title_text)
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
            self.answer(tuple(text for text in texts if text is not None))

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
