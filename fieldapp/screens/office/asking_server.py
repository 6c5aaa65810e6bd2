"""Screens of the office that show what only the server knows: what it said last at once, what it says now once it has answered."""

from __future__ import annotations

from collections.abc import Callable

from textual import on, work
from textual.message import Message

from fieldapp.screens.base import FieldScreen
from fieldapp.sync.asked import Asked, kept_desk
from fieldapp.sync.protocol import DeskAnswer

ASK_EVERY_S = 300


class AsksServer(FieldScreen):
    """Asked when it opens and now and then while it is open; nobody waits for the answer."""

    class Answered(Message):
        """The server was asked, or could not be."""

        def __init__(self, asked: Asked) -> None:
            super().__init__()
            self.asked = asked

    def __init__(self) -> None:
        super().__init__()
        self._asked: Asked | None = None

    @property
    def answer(self) -> DeskAnswer | None:
        """What it said when it was last asked."""
        return self._asked.answer if self._asked else None

    def on_mount(self) -> None:
        first = self._asked is None  # Textual calls it for each base class as well
        if first:
            self._asked = Asked(kept_desk(self.field.session.home))
        super().on_mount()
        if first and self.field.ask_desk is not None:
            self._ask_now()
            self.set_interval(ASK_EVERY_S, self._ask_now)

    def asks(self) -> bool:
        """Whether there is anything that the server could know more of."""
        return True

    def _ask_now(self) -> None:
        if self.field.ask_desk is not None and self.asks():
            self._ask(self.field.ask_desk)

    @work(thread=True, group="desk", exclusive=True, exit_on_error=False)
    def _ask(self, ask: Callable[[], Asked]) -> None:
        self.post_message(self.Answered(ask()))

    @on(Answered)
    def _hear(self, event: Answered) -> None:
        self._asked = event.asked
        self.reload()
