"""A signature under a step: the text that is signed, the name, and a line drawn with the mouse.

Whoever signs types the name; the drawing may be left out, since many a laptop has no mouse. Both are recorded with the hash of
exactly the text that stands above them.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from fieldapp.domain.signing import read_signature, signature_typed
from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import RECORD, Asked, Field, StepInput
from fieldapp.widgets.drawing import Drawing
from fieldapp.widgets.safe_text import safe_text


class SignHere(Drawing, can_focus=True):
    """Drawn on with the mouse; Enter records, Delete clears."""

    DEFAULT_CSS = """
    SignHere { width: 100%; max-width: 60; height: 6; border: round $panel; }
    SignHere:focus { border: round $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*RECORD, Binding("delete,backspace", "clear", show=False)]

    def action_clear(self) -> None:
        self.clear()


class Again(Static):
    """What becomes of the drawing, in words; a click clears it."""

    def on_click(self, event: events.Click) -> None:
        self.screen.query_one(SignHere).clear()


class SignatureInput(StepInput):
    """Name and drawing; kept as one text (domain/signing.py)."""

    DEFAULT_CSS = """
    SignatureInput .to-sign { height: auto; max-height: 8; scrollbar-size-vertical: 1; }
    SignatureInput .signed { height: auto; padding: 0 1; border-left: wide $panel; color: $text-muted; }
    SignatureInput Again { height: 1; color: $text-muted; }
    """

    def __init__(self, asked: Asked, text: str) -> None:
        super().__init__(asked, text)
        self._signer, self._strokes = read_signature(self.first)

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False, classes="to-sign"):
            yield Static(safe_text(self.asked.shown, lines=True), classes="signed", markup=False)
        yield Field(self._signer, _("name of the person who signs"))
        yield SignHere(self._strokes, hint=_("Draw here with the mouse, if you have one"))
        yield Again(self._again(), markup=False)

    def _again(self) -> str:
        return _("Drawn. Delete, or a click here, clears it.") if self._strokes else ""

    @property
    def text(self) -> str:
        return signature_typed(self._signer, self._strokes)

    @property
    def more(self) -> bool:
        return bool(self._strokes)

    def grab(self) -> None:
        field = self.query_one(Field)
        self.screen.set_focus(field)
        field.cursor_position = len(field.value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._signer:
            self._signer = event.value
            self.post_message(self.Edited(self.text))

    def on_key(self, event: events.Key) -> None:
        """Whoever has drawn and goes on typing means the name."""
        field = self.query_one(Field)
        if not field.has_focus and event.is_printable and event.character:
            event.stop()
            self.grab()
            field.insert_text_at_cursor(event.character)

    @on(Drawing.Drawn)
    def _drawn(self, event: Drawing.Drawn) -> None:
        event.stop()
        self._strokes = event.strokes
        self.query_one(Again).update(self._again())
        self.post_message(self.Edited(self.text))
