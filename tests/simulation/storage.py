"""Real databases and journals whose power can be cut at every commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from fieldapp.domain.entry import Moment
from fieldapp.store.database import Database
from fieldapp.store.journal import Journal

Boundary = Callable[[str], None]
"""Told each place where a power cut matters; raises PowerCut when it is time for one."""


class PowerCut(Exception):
    """Everything in memory is gone; what was committed stays."""


class CutDatabase(Database):
    """The real database, with a place to cut the power before and after each commit."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self.path = path
        self.boundary: Boundary = _nothing

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as conn:
            yield conn
            self.boundary("before commit")
        self.boundary("after commit")


class CutJournal(Journal):
    """The real journal, with a place to cut the power around each write, and in the middle of one."""

    def __init__(self, path: Path, boundary: Boundary) -> None:
        super().__init__(path)
        self._boundary = boundary

    def append(self, lines: Iterable[bytes]) -> None:
        written = list(lines)
        self._boundary("before journal")
        try:
            self._boundary("in journal")
        except PowerCut:
            super().append([b"".join(written)[: sum(map(len, written)) // 2]])
            raise
        super().append(written)
        self._boundary("after journal")

    def replace(self, lines: Iterable[bytes]) -> None:
        self._boundary("before new journal")
        super().replace(lines)
        self._boundary("after new journal")


class VirtualClock:
    """A device's clock: virtual time, off by `error` milliseconds; `skew` is what the device knows of that."""

    def __init__(self, now: Callable[[], int], skew: Callable[[], int | None]) -> None:
        self._now, self._skew = now, skew
        self.error = 0

    def now(self) -> int:
        return self._now() + self.error + (self._skew() or 0)

    def moment(self) -> Moment:
        return Moment(self._now() + self.error, 60, "boot", 0, self._skew())


def _nothing(place: str) -> None:
    pass


def copy_database(source: Path, target: Path) -> None:
    """Copy a database into another one that may be open."""
    with sqlite3.connect(source) as old, sqlite3.connect(target, timeout=5) as new:
        old.backup(new)
    old.close()
    new.close()
