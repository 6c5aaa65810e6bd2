"""Memory is tidied up while nobody types.

A full collection of what is loaded goes through 130,000 objects and takes 20 to 90 ms; left to itself it comes every dozen keys, in
the middle of one of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

PAUSE_S = 1.0
"""Nobody types for so long: nobody waits now."""
EVERY_S = 2.0
_THRESHOLDS = (5_000, 10, 50)
"""Newer objects are collected as before; all of them by themselves only where somebody never pauses."""


def put_off() -> None:
    """What is loaded for the first frame stays: looking through it again and again takes a twentieth of the time until then."""
    gc.disable()


class Tidying:
    """One for a running program; tests leave the collector as it is. clock: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last, self._due = clock, 0.0, False

    def begin(self) -> None:
        """What is loaded by now stays for good: it is not looked at any more."""
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()

    def key(self) -> None:
        """Somebody pressed a key."""
        self._last, self._due = self._clock(), True

    def tick(self) -> None:
        """Tidy up, where something happened and nobody waits."""
        if self._due and self._clock() - self._last > PAUSE_S:
            self._due = False
            gc.collect()
