"""Nothing to enter: a text to read, or a value that the procedure works out."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult, RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import RECORD, Asked, StepInput
from fieldapp.widgets.safe_text import safe_text


class Shown(Widget, can_focus=True):
    """Enter goes on."""

    DEFAULT_CSS = """
    Shown { height: auto; border: tall $border-blurred; padding: 0 1; background: $surface; }
    Shown:focus { border: tall $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = RECORD

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def render(self) -> RenderResult:
        if self._asked.place.step.type == "note":
            return Content.styled(_("Read it; Enter goes on."), "$text-muted")
        value = safe_text(self._asked.shown, "bold") if self._asked.shown else Content.styled(_("not known yet"), "$text-muted")
        return Content.assemble(value, Content.styled("   " + _("worked out by the procedure; Enter goes on"), "$text-muted"))


class ShownInput(StepInput):
    """A note, a calculated step or a read-only one."""

    def compose(self) -> ComposeResult:
        yield Shown(self.asked)

    @property
    def text(self) -> str:
        return ""

    def grab(self) -> None:
        self.screen.set_focus(self.query_one(Shown))
