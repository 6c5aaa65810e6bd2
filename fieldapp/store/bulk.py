"""Many rows at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_settled = threading.Event()


@contextmanager
def many_at_once() -> Iterator[None]:
    """For work on some hundred rows whose objects are all needed until it ends and never form a cycle: Python's collector would
    look through them again and again for nothing, which is a third of the time of a page.

    What the program had loaded before the first such work stays as long as the program runs, so from then on it is not looked
    through either: one look at all of it costs more than a page.
    """
    if not _settled.is_set():
        _settled.set()
        gc.freeze()
    was_on = gc.isenabled()  # whoever finds it on puts it on again, so that two threads do not leave it off
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
