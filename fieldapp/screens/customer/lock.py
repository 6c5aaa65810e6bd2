"""The lock of the customer's pages: on from the first of them, off with the technician's PIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from fieldapp.language import _, language, set_language
from fieldapp.screens.customer.pin import NewPinScreen, PinScreen, Tries
from fieldapp.services.pin import has_pin, set_pin

if TYPE_CHECKING:
    from fieldapp.screens.customer.handover import HandoverScreen


class Locking:
    """Mixed into the handover. `locked` is what the app asks before it quits, helps or opens its palette."""

    def __init__(self) -> None:
        super().__init__()
        self.locked = False
        self.staff_language = language()
        self._tries = Tries()

    @property
    def _pages(self) -> HandoverScreen:
        return cast("HandoverScreen", self)

    def lock_up(self) -> None:
        """Lock and show the customer's first page; a PIN is chosen before that where there is none."""
        pages = self._pages
        if not has_pin(pages.field.session.reader):
            self._ask_pin(then=lambda _done: self.lock_up())
            return
        self.locked = True
        pages.show_text()

    def action_new_pin(self) -> None:
        self._ask_pin(told=_("The PIN is saved."))

    def _ask_pin(self, then: Callable[[object], object] | None = None, told: str = "") -> None:
        asked, field = NewPinScreen(), self._pages.field
        field.ask(asked, lambda pin: field.record(lambda services: set_pin(services.replica, pin), then, told, asked=asked))

    def action_unlock(self) -> None:
        set_language(self.staff_language)
        self._pages.app.push_screen(PinScreen(self._tries), self._pin_given)

    def _pin_given(self, right: bool | None) -> None:
        if right:
            self.action_leave()
        else:
            set_language(self._pages.spoken)

    def action_leave(self) -> None:
        self.locked = False
        set_language(self.staff_language)
        self._pages.app.pop_screen()
