"""The screens in a real terminal: the first frame, what a key costs with 10,000 jobs and with 100, and memory.

Each program runs in a process and a pseudo-terminal of its own. Ours and its reference take turns, so that whatever else the
machine does meets both alike. A key's time goes on to the last byte that it made the program write.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.many_jobs import for_the_office, make_home
from benchmarks.pty_window import PtyWindow
from benchmarks.table import Figure
from fieldapp.store.home import Home

ROUNDS = 15
FEW, SOME, MANY = 100, 1_000, 10_000
KEY_MS, MEMORY_MIB = 50.0, 200.0

_LIST = ("down",) * 30 + ("pagedown", "pageup") * 8 + ("pagedown",) * 4 + ("up",) * 12 + ("end", "home") * 4
_IN_AND_OUT = ("enter", "escape") * 15


@dataclass(frozen=True)
class Walk:
    """Keys pressed on one screen. way: leads there, not measured; its last key is repeated until `sight` is seen, where given."""

    name: str
    keys: Sequence[str]
    way: Sequence[str] = ()
    sight: str = ""


TECHNICIAN = (
    Walk("Today: moving in the list", _LIST * 2),
    Walk("Today: a job opened and left", ("down", *_IN_AND_OUT)),
    Walk("Job: its four parts", ("]",) * 40 + ("[",) * 20, ("enter",)),
    Walk("Step runner: opened and left", _IN_AND_OUT),
    Walk("Step runner: from step to step", (*("f8",) * 5, *("f7",) * 5) * 5, ("enter",)),
    Walk("Step runner: typing in a field", ("J", "o", "h", "n", *("backspace",) * 4) * 15, ("f8",), " (name of the person"),
)
OFFICE = (
    Walk("Board: moving in the list", _LIST * 2),
    Walk("Board: a job opened and left", _IN_AND_OUT),
    Walk("Board: grouped by state, technician, promise", ("g",) * 24),
    Walk("Review: the queue opened and left", ("f4", "escape") * 10),
    Walk("Review: moving in the queue", ("down", "down", "down", "up", "up", "up") * 10, ("f4",)),
    Walk("Review: a finished job opened and left", _IN_AND_OUT),
    Walk("Review: moving in a job's steps", ("down",) * 15 + ("up",) * 15, ("enter",)),
)


def run(folder: Path) -> list[Figure]:
    """First frame, keys and memory."""
    few, some, many = (make_home(folder / f"{jobs}", jobs) for jobs in (FEW, SOME, MANY))
    figures = [first_frame(some)]
    for walks, homes in (
        (TECHNICIAN, (few, many)),
        (OFFICE, tuple(for_the_office(home, folder / f"{home.path.name}-office") for home in (few, many))),
    ):
        figures += keys(walks, *homes)
    return figures


def first_frame(home: Home, rounds: int = ROUNDS) -> Figure:
    """From the start of the process to a frame with header, jobs and footer; against an empty application's only word."""
    from benchmarks.bare_app import WORD

    ours, bare = [], []
    for _ in range(rounds):
        with PtyWindow(["benchmarks.bare_app"], {}) as window:
            bare.append(window.first_sight(WORD))
        with window_on(home) as window:
            ours.append(window.first_sight("Bremen", "B-00", "help"))
    return Figure(
        f"first frame, {SOME:,} jobs", statistics.median(ours) * 1000, statistics.median(bare) * 1000, 1.5, note="empty app"
    )


def window_on(home: Home) -> PtyWindow:
    return PtyWindow(["fieldapp", "--home", str(home.path)], {"FIELDAPP_LANGUAGE": "en"})


def keys(walks: Sequence[Walk], few: Home, many: Home) -> list[Figure]:
    """The same keys in two windows, one after another: p95 with many jobs against 50 ms and against few jobs. Then memory."""
    figures = []
    with window_on(few) as small, window_on(many) as large:
        for window in (small, large):
            window.wait_for("Bremen", "help", "offline")
        for walk in walks:
            for window in (small, large):
                go(window, walk)
            in_few, in_many = [], []
            for key in walk.keys:
                in_few.append(small.press(key) * 1000)
                in_many.append(large.press(key) * 1000)
            ours, reference = p95(in_many), p95(in_few)
            figures.append(Figure(f"{walk.name}, p95 of {len(walk.keys)} keys", ours, KEY_MS, 1.0, note="50 ms"))
            figures.append(Figure(f"  against {FEW} jobs", ours, reference, 1.5))
        figures.append(Figure(f"memory with {MANY:,} jobs", large.memory_mib(), MEMORY_MIB, 1.0, unit="MiB", note="200 MiB"))
    return figures


def go(window: PtyWindow, walk: Walk) -> None:
    for key in walk.way:
        window.press(key)
    for _ in range(60):
        if walk.sight in window.text():
            return
        window.press(walk.way[-1])
    raise SystemExit(f"{walk.sight!r} is nowhere to be seen:\n{window.text()}")


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
