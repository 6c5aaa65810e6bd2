"""Work dealt out to processes that end with it: when all is done, when something breaks, and when a person presses Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_stop: Any = None
"""A byte that all processes share, without a lock: whoever looks at it all the time keeps nobody from writing it."""


def stopped() -> bool:
    """Whether the work is to end: to be asked between two runs."""
    return _stop is not None and bool(_stop.value)


def _begin(stop: Any) -> None:
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who deals out the work says when it ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def spread(jobs: int, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `work` gives for each item, as it comes. `work` asks `stopped` now and then.

    Raises:
        Whatever `work` raises, or KeyboardInterrupt; what is under way has ended by then, and what was not begun never is.
    """
    if jobs < 2:
        yield from map(work, items)
        return
    context = get_context("spawn")
    stop = context.RawValue("b", 0)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(stop,))
    try:
        waiting: set[Future[Result]] = {pool.submit(work, item) for item in items}
        while waiting:
            # not for ever: a signal that comes just before a thread sleeps does not wake it
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        stop.value = 1
        pool.shutdown(wait=True, cancel_futures=True)


def interruptible() -> None:
    """A request to terminate ends the work as Ctrl-C does, so that no process stays behind; also where a shell that put the
    command into the background had it ignore Ctrl-C."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.default_int_handler)
