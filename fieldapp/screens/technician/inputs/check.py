"""Yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import RECORD, StepInput


class YesNo(Widget, can_focus=True):
    """Two boxes beside each other: y and n choose, space changes over, Enter records."""

    DEFAULT_CSS = """
    YesNo { height: 3; border: tall $border-blurred; padding: 0 1; background: $surface; }
    YesNo:focus { border: tall $border; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *RECORD,
        Binding("y", "pick('yes')", show=False),
        Binding("n", "pick('no')", show=False),
        Binding("left", "pick('yes')", show=False),
        Binding("right", "pick('no')", show=False),
        Binding("space", "turn", show=False),
        Binding("backspace,delete", "pick('')", show=False),
    ]
    value: reactive[str] = reactive("")

    def __init__(self, value: str) -> None:
        super().__init__()
        self.set_reactive(YesNo.value, value if value in ("yes", "no") else "")

    def render(self) -> RenderResult:
        yes, no = self._boxes()
        return Content.assemble(yes, "   ", no, Content.styled(_("     y / n, or space"), "$text-muted"))

    def _boxes(self) -> tuple[Content, Content]:
        return self._box("yes", _("yes")), self._box("no", _("no"))

    def _box(self, name: str, word: str) -> Content:
        chosen = self.value == name
        return Content.styled(f"({'●' if chosen else ' '}) {word}", "bold" if chosen else "")

    def action_pick(self, value: str) -> None:
        self.value = value
        self.post_message(StepInput.Edited(value))

    def action_turn(self) -> None:
        self.action_pick("no" if self.value == "yes" else "yes")

    def on_click(self, event: events.Click) -> None:
        yes, no = (box.cell_length for box in self._boxes())
        x = event.x - 2
        if 0 <= x < yes:
            self.action_pick("yes")
        elif yes + 3 <= x < yes + 3 + no:
            self.action_pick("no")


class CheckInput(StepInput):
    """A check: done and in order, or not."""

    def compose(self) -> ComposeResult:
        yield YesNo(self.first)

    @property
    def text(self) -> str:
        return self.query_one(YesNo).value

    def grab(self) -> None:
        self.screen.set_focus(self.query_one(YesNo))
