"""Databases and journals whose power can be cut at every commit, whose disks fill up, and that can go back to an earlier time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from fieldapp.domain.entry import Moment
from fieldapp.store.database import Database, clear_words
from fieldapp.store.journal import Journal
from tests.simulation.statements import ThinConnection

Boundary = Callable[[str], None]
"""Told each place where a power cut matters; raises PowerCut when it is time for one."""
_ENOUGH = 1_073_741_823


class PowerCut(Exception):
    """Everything in memory is gone; what was committed stays."""


class Disk(Database):
    """The real database code on a real SQLite database that lies in memory: no fsync is missed, for a power cut comes at a commit,
    before it or after it. An image is what a copy of the file would be."""

    def __init__(self, boundary: Boundary | None = None) -> None:
        self.url, self.is_sqlite = "sqlite://", True
        self._lock = threading.RLock()
        self._inserts: dict[Any, str] = {}
        self._full = False
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.raw.execute("PRAGMA temp_store=MEMORY")
        self._thin: Any = ThinConnection(self.raw)
        self.boundary: Boundary = boundary or _nothing
        self._reading, self._writing = _Reading(self), _Writing(self)

    def image(self) -> bytes:
        return self.raw.serialize()

    def load(self, image: bytes) -> None:
        self.room()
        # Statements that were kept are prepared anew, but for those on virtual tables (json_each), over which SQLite 3.40 falls
        # then: no check may use one. Page by page, by backup(), would cost a sixteenth of a run.
        self.raw.deserialize(image)

    def fill(self) -> None:
        """The disk is full: not a page more."""
        (pages,) = self.raw.execute("PRAGMA page_count").fetchone()
        self.raw.execute(f"PRAGMA max_page_count={pages}")
        self._full = True

    def room(self) -> None:
        if self._full:
            self.raw.execute(f"PRAGMA max_page_count={_ENOUGH}")
            self._full = False

    def write(self) -> AbstractContextManager[Any]:
        return self._writing

    def read(self) -> AbstractContextManager[Any]:
        return self._reading

    def scrub(self) -> bool:
        return True  # what lies in free pages of memory is in no file

    def close(self) -> None:
        self.raw.close()


class _Reading:
    """Reads what was committed. One thread: nobody writes meanwhile, so there is nothing to hold still."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __enter__(self) -> Any:
        return self._disk._thin

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            with clear_words():
                raise error


class _Writing(_Reading):
    """One transaction, with a place to cut the power before and after its commit."""

    def __enter__(self) -> Any:
        with clear_words():
            self._disk.raw.execute("BEGIN IMMEDIATE")
        return self._disk._thin

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        raw = self._disk.raw
        try:
            if error is None:
                self._disk.boundary("before commit")
                raw.execute("COMMIT")
        except BaseException as failure:
            error = failure
            if not isinstance(failure, sqlite3.Error):
                raise
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            with clear_words():
                raise error
        if error is None:
            self._disk.boundary("after commit")


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
