"""The customer's questions: a scale to choose a number on, and a line to tick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from fieldapp.language import _


class Scale(Widget, can_focus=True):
    """One question with its numbers. Left and Right or a digit choose, Backspace leaves it unanswered, Enter and Down go on.

    Args:
        question: in the customer's language. low, high: the ends of the scale. words: for each number, or for the two ends.
        stars: drawn as stars. score: None where not answered.
    """

    DEFAULT_CSS = """
    Scale { height: 4; padding: 0 2; margin-bottom: 1; border-left: wide transparent; }
    Scale:focus { border-left: wide $border; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "shift(-1)", show=False),
        Binding("right", "shift(1)", show=False),
        Binding("backspace,delete", "clear", show=False),
        Binding("enter", "go_on", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]
    score: reactive[int | None] = reactive(None, init=False)

    class Answered(Message):
        """Another score, or none."""

        def __init__(self, scale: Scale) -> None:
            super().__init__()
            self.scale = scale

        @property
        def control(self) -> Scale:
            return self.scale

    def __init__(
        self, question: str, low: int, high: int, words: Sequence[str], *, score: int | None, stars: bool = False, id: str  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(id=id)
        self._question, self._low, self._high, self._words, self._stars = question, low, high, tuple(words), stars
        self._after_one = False
        self.set_reactive(Scale.score, score)

    def watch_score(self) -> None:
        self.refresh()
        self.post_message(self.Answered(self))

    def render(self) -> RenderResult:
        return Content("\n").join([Content.styled(self._question, "bold"), Content(""), self._numbers(), self._caption()])

    def _numbers(self) -> Content:
        parts = []
        for number in range(self._low, self._high + 1):
            chosen = self.score is not None and (number <= self.score if self._stars else number == self.score)
            text = f" {('★' if chosen else '☆') if self._stars else number} "
            parts.append(Content.styled(text, self._style(chosen)))
        return Content.assemble(
            *parts, ("" if self.score is None else f"  {self.score}" if self._stars else f"   → {self.score}", "bold")
        )

    def _style(self, chosen: bool) -> str:
        if self._stars:
            return "bold $text-accent" if chosen else "$text-muted"
        return "bold reverse" if chosen else ""

    def _caption(self) -> Content:
        if self.score is not None and len(self._words) > 2:
            return Content.styled(f" {self._words[self.score - self._low]}", "$text-accent")
        ends = f" {self._low} = {self._words[0]}   {self._high} = {self._words[-1]}"
        if self.score is None:
            ends += "   " + _("(no answer)")
        return Content.styled(ends, "$text-muted")

    def action_shift(self, by: int) -> None:
        start = self._low - 1 if self.score is None else self.score
        if self.score is None and by < 0:
            return
        self._after_one = False
        self.score = max(self._low, min(self._high, start + by))

    def action_clear(self) -> None:
        self.score = None

    async def action_go_on(self) -> None:
        """To the question below it, or from the last one to the next page."""
        below = list(self.screen.query(Scale))
        at = below.index(self)
        if at + 1 < len(below):
            below[at + 1].focus()
        else:
            await self.run_action("screen.page_on")

    def on_key(self, event: events.Key) -> None:
        if event.character is None or event.character not in "0123456789":
            self._after_one = False
            return
        event.stop()
        number = int(event.character)
        if self._after_one and number == 0 and self._high == 10:
            self._after_one, self.score = False, 10
            return
        self._after_one = number == 1
        if self._low <= number <= self._high:
            self.score = number

    def on_click(self, event: events.Click) -> None:
        x, y = event.x - self.styles.gutter.left, event.y
        if y == 2 and x >= 0:
            at = 0
            for number in range(self._low, self._high + 1):
                at += 3 if self._stars or number < 10 else 4
                if x < at:
                    self.score = number
                    return


class Tick(Widget, can_focus=True):
    """A line that is ticked with Space.

    Args:
        words: in the customer's language.
    """

    DEFAULT_CSS = """
    Tick { height: auto; padding: 0 2; border-left: wide transparent; }
    Tick:focus { border-left: wide $border; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]
    ticked: reactive[bool] = reactive(False, init=False)

    class Ticked(Message):
        """Ticked, or not any more."""

        def __init__(self, tick: Tick) -> None:
            super().__init__()
            self.tick = tick

        @property
        def control(self) -> Tick:
            return self.tick

    def __init__(self, words: str, *, ticked: bool, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._words = words
        self.set_reactive(Tick.ticked, ticked)

    def watch_ticked(self) -> None:
        self.refresh()
        self.post_message(self.Ticked(self))

    def render(self) -> RenderResult:
        box = Content.styled("[x] ", "bold $text-accent") if self.ticked else Content("[ ] ")
        return Content.assemble(box, self._words)

    def action_tick(self) -> None:
        self.ticked = not self.ticked

    def on_click(self) -> None:
        self.action_tick()
