"""Photos and files: those that are attached, and the way to more."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult, RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import RECORD, Asked, StepInput
from fieldapp.widgets.safe_text import safe_text


class Attachments(Widget, can_focus=True):
    """The attached files by name. Enter picks one more while some are wanted, then goes on; F6 always picks."""

    DEFAULT_CSS = """
    Attachments { height: auto; min-height: 3; border: tall $border-blurred; padding: 0 1; background: $surface; }
    Attachments:focus { border: tall $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = RECORD

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def render(self) -> RenderResult:
        files, wanted = self._asked.files, self._asked.wanted
        lines = [Content.assemble(("▣ ", "$text-success"), safe_text(name)) for name in files]
        if len(files) < wanted:
            count = _("{count} of {wanted} attached. Enter opens the inbox.").format(count=len(files), wanted=wanted)
            lines.append(Content.styled(count, "$text-warning"))
        else:
            lines.append(Content.styled(_("Enough attached. Enter goes on, F6 adds another."), "$text-muted"))
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        self.call_later(self.run_action, "screen.step_file")


class FileInput(StepInput):
    """A step that is answered by what is attached to it."""

    def compose(self) -> ComposeResult:
        yield Attachments(self.asked)

    @property
    def text(self) -> str:
        return ""

    def grab(self) -> None:
        self.screen.set_focus(self.query_one(Attachments))
