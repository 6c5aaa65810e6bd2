"""A window with a list and one line below it: what is typed or pasted while the cursor is on the list goes into the line.

Keys that came in the same instant were sent to the list before the line had the focus; they follow into the line, whole and in
order, and letters that move the cursor are letters there. A file dropped onto a terminal comes as its pasted path.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.screen import ScreenResultType as ResultT

from fieldapp.domain.safe import plain_text
from fieldapp.screens.base import FieldModal
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.widgets.window_list import WindowList


class ListAndLine(FieldModal[ResultT]):
    """The subclass composes one `WindowList` and one `Field`."""

    MOVING: ClassVar[str] = "jk"
    """What moves on the list as long as nothing is typed."""

    def line_begun(self, field: Field, listed: WindowList) -> None:
        """The line is about to get its first letter from the list, and the focus."""

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character:
            if isinstance(self.focused, WindowList) and event.character in self.MOVING:
                return
            event.stop()
            self._into_line(event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        lines = event.text.strip().splitlines()
        if lines:
            self._into_line(plain_text(lines[0]))

    def _into_line(self, text: str) -> None:
        field, listed = self.query_one(Field), self.focused
        if isinstance(listed, WindowList):
            keys = self.field.keys
            keys.hold()  # what comes now waits behind what is still on its way through the list
            listed.call_later(self.call_later, keys.release)
            self.line_begun(field, listed)
            self.set_focus(field)
        field.insert_text_at_cursor(text)
