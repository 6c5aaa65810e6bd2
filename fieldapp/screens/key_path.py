"""One key at a time: the next one is looked at when the one before has gone its whole way, and the screen it opened is there.

A key goes from the app to the widget that has the focus and bubbles from there up through the screen to the app, where the
bindings are. A screen that closes takes along whatever is on its way through its widgets, and one that opens has no field yet that
could take a letter. So a second key that came meanwhile would be lost, or would act on what nobody sees any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen

if TYPE_CHECKING:
    from fieldapp.screens.app import FieldApp


LOOK_S, LOOKS = 0.2, 10
"""A key that has not come back is looked after this often, and not waited for any longer than so many times."""


class Followed(Message):
    """Goes the way of a key right behind it: where it comes back to the app the key has been everywhere."""

    def __init__(self, key: events.Key, target: MessagePump, screen: Screen[Any]) -> None:
        super().__init__()
        self.key, self.target, self.screen = key, target, screen
        self.up = self.back = False
        self.looks = 0


class KeyPath:
    """Follows each key through the app.

    Args:
        app: its gate is told when the way is free again, and what was lost.
    """

    def __init__(self, app: FieldApp) -> None:
        self._app = app
        self._under_way: Followed | None = None
        self._watched = False

    def begins(self) -> None:
        """The app runs: from now on it is heard when a screen comes or goes."""
        self._app.screen_change_signal.subscribe(self._app, lambda screen: self._changed())

    def follow(self, key: events.Key, target: MessagePump, screen: Screen[Any]) -> None:
        """A key has been sent to `target` while `screen` was in front; or the app has acted on it already."""
        followed = self._under_way = Followed(key, target, screen)
        self._watch()
        if not key.is_forwarded:
            followed.up = True
            self.came_back(followed)
        elif not target.post_message(followed):  # it did not take the key either
            self._when_painted(self._settle, followed)

    @contextmanager
    def comes_up(self, key: events.Key) -> Iterator[None]:
        """A key has come up to the app, which acts on it."""
        followed = self._under_way
        if followed is None or key is not followed.key:
            yield
            return
        followed.up = True
        yield
        self.came_back(followed)

    def came_back(self, followed: Followed) -> None:
        """The key has been everywhere. Where another screen is in front since, the next key waits until that is painted."""
        if followed is not self._under_way or followed.back:
            return
        followed.back = True
        if self._app.screen_stack[-1:] == [followed.screen]:
            self._settle(followed)
        else:
            self._when_painted(self._settle, followed)

    def _changed(self) -> None:
        """A screen comes or goes while a key is on its way: looked at when the app has taken down the one that goes."""
        if self._under_way is not None:
            self._app.call_later(self._when_painted, self._after_change_later, self._under_way)

    def _when_painted(self, then: Callable[[Followed], object], followed: Followed) -> None:
        """When the screen in front has been painted; never where the app is ending, and none is there any more."""
        for screen in self._app.screen_stack[-1:]:
            screen.call_after_refresh(then, followed)

    def _after_change_later(self, followed: Followed) -> None:
        self._app.call_later(self._after_change, followed)

    def _after_change(self, followed: Followed) -> None:
        if followed.back or followed.screen not in self._app.screen_stack:
            self._settle(followed)

    def _settle(self, followed: Followed) -> None:
        """The way is free. What was taken away with the screen or field it was for goes to the one that is there now."""
        if followed is not self._under_way:
            return
        self._under_way = None
        if followed.up or followed.back or followed.key._stop_propagation:  # acted on by a binding, or by a field
            self._app.keys.passed()
        else:
            self._app.keys.lost(followed.key)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._app.set_timer(LOOK_S, self._look)

    def _look(self) -> None:
        """A field that is taken away while the screen stays takes along what was on its way through it."""
        self._watched = False
        followed = self._under_way
        if followed is None:
            return
        followed.looks += 1
        if followed.looks >= LOOKS:
            followed.back = True
        if followed.looks >= LOOKS or not (followed.back or followed.target.is_running):
            self._settle(followed)
        else:
            self._watch()
