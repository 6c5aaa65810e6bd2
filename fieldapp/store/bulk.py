"""Many rows at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def many_at_once() -> Iterator[None]:
    """For work on some hundred rows whose objects are all needed until it ends and never form a cycle: Python's collector would
    look through them again and again for nothing, which is a third of the time of a page."""
    was_on = gc.isenabled()  # whoever finds it on puts it on again, so that two threads do not leave it off
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
