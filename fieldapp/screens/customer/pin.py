"""The technician's PIN: asked for to leave the customer's pages, chosen at the first handover. In the technician's language."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from fieldapp.language import _
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.services.pin import LONGEST, SHORTEST, is_pin

_TRIES = 5
_PAUSE_S = 30


class Tries:
    """Wrong PINs in a row, and until when (seconds of the monotonic clock) none is looked at."""

    def __init__(self) -> None:
        self.wrong, self.until = 0, 0.0

    def missed(self) -> None:
        self.wrong += 1
        if self.wrong % _TRIES == 0:
            self.until = time.monotonic() + _PAUSE_S

    @property
    def pausing(self) -> bool:
        return time.monotonic() < self.until


class PinScreen(FieldModal[bool]):
    """Gives True for the right PIN. After five wrong ones none is looked at for half a minute.

    Args:
        tries: kept by the screen that is locked, so that opening this window anew does not help.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "pin.tcss"

    def __init__(self, tries: Tries) -> None:
        super().__init__()
        self._tries = tries

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("For staff")
            window.border_subtitle = _("Esc: back to the customer's pages")
            yield Static(_("Your PIN:"), markup=False)
            yield Input(password=True, max_length=LONGEST)
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self._check(event.value)

    @work(group="pin", exclusive=True, exit_on_error=False)
    async def _check(self, typed: str) -> None:
        if self._tries.pausing:
            self._say(_("Too many wrong PINs. Wait half a minute."))
            return
        if await asyncio.to_thread(is_pin, self.field.session.reader, typed):
            self.dismiss(True)
            return
        self._tries.missed()
        self.query_one(Input).value = ""
        self._say(_("That is not the PIN."))

    def _say(self, words: str) -> None:
        self.query_one("#wrong", Static).update(words)


class NewPinScreen(FieldModal[str]):
    """Gives the PIN that was typed twice."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "pin.tcss"

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = _("Choose a PIN")
            window.border_subtitle = _("Enter goes on, Esc closes")
            yield Static(_("The customer's pages are locked until this PIN is typed. It stays on this device."), markup=False)
            yield Static(_("PIN, at least {count} characters:").format(count=SHORTEST), markup=False)
            yield Input(password=True, max_length=LONGEST, id="first")
            yield Static(_("Once more:"), markup=False)
            yield Input(password=True, max_length=LONGEST, id="second")
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        self.query_one("#first", Input).focus()

    @on(Input.Submitted, "#first")
    def _first(self, event: Input.Submitted) -> None:
        if len(event.value.strip()) >= SHORTEST:
            self._say("")
            self.query_one("#second", Input).focus()
        else:
            self._say(_("Too short."))

    @on(Input.Submitted, "#second")
    def _second(self, event: Input.Submitted) -> None:
        first = self.query_one("#first", Input)
        if len(first.value.strip()) >= SHORTEST and first.value == event.value:
            self.answer(first.value.strip())
        else:
            self._say(_("The two are not the same."))
            event.input.value = ""

    def _say(self, words: str) -> None:
        self.query_one("#wrong", Static).update(words)
