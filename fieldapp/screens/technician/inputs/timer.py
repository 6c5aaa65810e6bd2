"""A timer that goes on while nobody looks: what is kept is when it began."""

from __future__ import annotations

import time

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import Asked, Field, StepInput

RUNNING = "since "
"""A draft that begins so is a timer under way: `since 1790000000000`, milliseconds UTC by this device's clock."""
_MINUTE = 60_000


class TimerInput(StepInput):
    """Space starts and stops; a stopped timer puts its minutes into the field, where they can also be typed."""

    DEFAULT_CSS = """
    TimerInput > Horizontal { height: 3; }
    TimerInput .clock { width: auto; min-width: 12; padding: 1 1; text-style: bold; }
    """

    def __init__(self, asked: Asked, text: str) -> None:
        super().__init__(asked, text)
        began = text.removeprefix(RUNNING) if text.startswith(RUNNING) else ""
        self._began = int(began) if began.isdigit() else None
        if self._began is not None:
            self.first = ""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Field(self.first, "", self._meant)
            yield Static(classes="clock", markup=False)

    def on_mount(self) -> None:
        self.set_interval(1, self._tick)
        self._tick()

    @property
    def running(self) -> bool:
        return self._began is not None

    @property
    def settled(self) -> bool:
        return not self.running

    @property
    def text(self) -> str:
        return str(self._minutes()) if self._began is not None else self.query_one(Field).value

    def grab(self) -> None:
        field = self.query_one(Field)
        self.screen.set_focus(field)
        field.cursor_position = len(field.value)

    def _meant(self, event: events.Key) -> bool:
        """Space turns the timer; while it runs nothing is typed, since stopping it would overwrite that."""
        if event.key == "space":
            self._turn()
            return True
        return self.running and event.is_printable

    def _turn(self) -> None:
        if self._began is None:
            self._began = _now()
            self.query_one(Field).value = ""
            self.post_message(self.Edited(f"{RUNNING}{self._began}"))
        else:
            minutes, self._began = str(self._minutes()), None
            self.query_one(Field).value = minutes
            self.query_one(Field).cursor_position = len(minutes)
        self._tick()

    def _minutes(self) -> int:
        """Whole minutes, rounded to the nearest; something that was begun took at least one."""
        return max(1, (_now() - (self._began or 0) + _MINUTE // 2) // _MINUTE)

    def _tick(self) -> None:
        clock = self.query_one(".clock", Static)
        field = self.query_one(Field)
        if self._began is None:
            field.placeholder = _("space starts it; or type minutes")
            clock.update(Content.styled(_("min"), "$text-muted"))
            return
        field.placeholder = _("running; space stops it")
        seconds = max(0, (_now() - self._began) // 1000)
        clock.update(Content.styled(f"▶ {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}", "$text-accent"))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._began is None and event.value != self.first:
            self.first = "\x00"
            self.post_message(self.Edited(event.value))


def _now() -> int:
    return time.time_ns() // 1_000_000
