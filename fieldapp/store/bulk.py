"""Many rows at once."""

from __future__ import annotations

import gc
import threading

_settled = threading.Event()


class many_at_once:
    """For work on some hundred rows whose objects are all needed until it ends and never form a cycle: Python's collector would
    look through them again and again for nothing, which is a third of the time of a page.

    What the program had loaded before the first such work stays as long as the program runs, so from then on it is not looked
    through either: one look at all of it costs more than a page.
    """

    __slots__ = ("_was_on",)

    def __enter__(self) -> None:
        if not _settled.is_set():
            _settled.set()
            gc.freeze()
        self._was_on = gc.isenabled()  # whoever finds it on puts it on again, so that two threads do not leave it off
        gc.disable()

    def __exit__(self, *error: object) -> None:
        if self._was_on:
            gc.enable()
