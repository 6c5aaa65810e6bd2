"""A text of several lines."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from fieldapp.domain.safe import plain_text
from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import RECORD, StepInput, erasing


class Sheet(TextArea):
    """Enter records, Ctrl+J begins a new line; the F-keys stay with the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *RECORD,
        *erasing("delete_word_left", "erase_text"),
        Binding("ctrl+j,shift+enter,alt+enter", "new_line", show=False),
    ]

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.prevent_default()
            return
        await super()._on_key(event)
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.text = plain_text(event.text, lines=True)

    def action_erase_text(self) -> None:
        """Everything before the cursor, over all lines; Ctrl+Z brings it back."""
        self.delete((0, 0), self.cursor_location)

    def action_new_line(self) -> None:
        self.insert("\n")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("select_line", "select_all"):  # on F6 and F7, which belong to the step
            return False
        return super().check_action(action, parameters)


class LongTextInput(StepInput):
    """A remark as long as it needs to be."""

    DEFAULT_CSS = """
    LongTextInput Sheet { height: 7; }
    """

    def compose(self) -> ComposeResult:
        sheet = Sheet(self.first, placeholder=_("your words; Ctrl+J begins a new line"), highlight_cursor_line=False)
        sheet.move_cursor(sheet.document.end)
        yield sheet

    @property
    def text(self) -> str:
        return self.query_one(Sheet).text

    def grab(self) -> None:
        sheet = self.query_one(Sheet)
        self.screen.set_focus(sheet)
        sheet.move_cursor(sheet.document.end)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if event.text_area.text != self.first:
            self.first = "\x00"
            self.post_message(self.Edited(event.text_area.text))
