"""Ending when told, or when nobody can see the screen any more: everything is finished and let go, as by a key.

Textual waits for its terminal for ever: where that is gone while something is being written, the loop stands, hears no signal,
and the app would go on holding the home against everybody else. What was called saved is on the disk, so it may then end at once.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

GRACE_S = 5.0
"""What is being finished gets so long."""
LOOK_S = 1.0
"""How often the terminal is looked for."""


class Leaving:
    """Hears SIGTERM and SIGHUP (the window is closed, the machine goes down), and notices a terminal that is gone without a word.

    Args:
        leave: ends the app in its own time; called in `loop`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, leave: Callable[[], object]) -> None:
        self._loop, self._leave = loop, leave
        self._told = threading.Event()

    def begin(self) -> None:
        """To be called in the main thread."""
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                signal.signal(getattr(signal, name), lambda number, frame: self._end())
        if hasattr(select, "poll") and sys.__stdin__ is not None and sys.__stdin__.isatty():
            threading.Thread(target=self._watch, args=(sys.__stdin__.fileno(),), name="terminal-watch", daemon=True).start()

    def _end(self) -> None:
        if self._told.is_set():
            return
        self._told.set()
        last = threading.Timer(GRACE_S, os._exit, (0,))
        last.daemon = True
        last.start()
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._leave)

    def _watch(self, terminal: int) -> None:
        looking = select.poll()
        looking.register(terminal, 0)  # nothing is asked for: what is wrong is told all the same
        while not self._told.wait(LOOK_S):
            if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in looking.poll(0)):
                self._end()
