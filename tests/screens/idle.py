"""When an app under a pilot has done what it was asked for: it has nothing left to run, to lay out or to work on.

Textual waits for its processor time instead: 20 ms and more after each key and in each pause, up to a second where another thread
is busy; and on a loaded machine it takes an app that was not let run for one that has finished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
import textual.app
import textual.pilot
from textual._context import active_app
from textual.screen import Screen
from textual.worker import WorkerState

WORK_S = 0.02
"""Work in the background is waited for so long; some of it goes on as long as the app does."""


async def idle(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Let the app go on until it is idle; what it would do at its next frame it does now.

    Stands in the place of Textual's own wait, with its arguments.
    """
    app = active_app.get()
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    begun = monotonic()
    while monotonic() - begun < max_sleep:
        await asyncio.sleep(0)
        if ready:
            continue
        if app._resize_event is not None:
            app._check_resize()
        elif due := [screen for screen in app.screen_stack if _is_due(screen)] if app.is_running else []:
            for screen in due:
                screen._on_timer_update()
        elif any(worker.state in (WorkerState.PENDING, WorkerState.RUNNING) for worker in app.workers):
            if monotonic() - begun > WORK_S:
                return
            await asyncio.sleep(0.001)
        else:
            return


def _is_due(screen: Screen[object]) -> bool:
    """Whether the screen's next frame does more than paint. One that is not in front is not laid out, but calls back."""
    due = screen._layout_required or screen._scroll_required or screen._recompose_required or screen._dirty_widgets
    return bool(screen._callbacks or (screen.is_current and due))


@contextmanager
def waiting_for_idle() -> Iterator[None]:
    """Pilots wait by `idle`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (textual.app, textual.pilot):
            patch.setattr(module, "wait_for_idle", idle)
        yield
