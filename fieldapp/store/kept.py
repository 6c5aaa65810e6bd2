"""What a receipt names stays beside the database too, until a backup of the server holds it and 90 days have passed.

Where the server is restored from an old backup and the device's database is rolled back or lost, nobody else has what came between.
Segments `kept-YYYY-MM.jsonl` lie in the journal's folder, lines as in the journal, one segment for each month of receipts by the
server's clock. They are only appended to (fsynced), read when the database turns out to be another one, and removed whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from fieldapp.domain.entry import Entry
from fieldapp.store.journal import JournalContent, JournalLine, make_folder, not_written, parse_journal, sync_folder, without_bodies

KEPT_MS = 90 * 86_400_000
"""Own entries and their files are kept at least so long after their receipt."""
_SEGMENT = re.compile(r"kept-(\d{4})-(\d{2})\.jsonl\Z")
_TAIL = 16 * 1024


class Kept:
    """The kept segments of one home. One process holds them open (the home's lock)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._owed: list[tuple[int, bytes]] = []
        """(time, line) that could not be written: they go before the next ones."""

    def append(self, lines: Iterable[bytes], at: int) -> None:
        """Write lines received at `at` (ms UTC by the server's clock) and fsync.

        Raises:
            Problem: `journal-failed`; they follow with the next ones.
        """
        self.owe(lines, at)
        with self._lock:
            while self._owed:
                month = _month(self._owed[0][0])
                count = next((n for n, (when, _) in enumerate(self._owed) if _month(when) != month), len(self._owed))
                try:
                    self._write(self.folder / f"kept-{month}.jsonl", b"".join(line for _, line in self._owed[:count]))
                except OSError as error:
                    raise not_written(error) from error
                del self._owed[:count]

    def owe(self, lines: Iterable[bytes], at: int) -> None:
        """Hand lines in for the next `append`."""
        with self._lock:
            self._owed += [(at, line) for line in lines]

    def _write(self, path: Path, data: bytes) -> None:
        make_folder(self.folder, 0o700)
        new = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            size = _whole_lines(handle)
            os.ftruncate(handle, size)  # a torn line was not called kept: the journal still has it
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
        if new:
            sync_folder(self.folder)

    def segments(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.iterdir() if _SEGMENT.match(path.name)) if self.folder.is_dir() else []

    def read(self) -> JournalContent:
        """Everything kept, in the order of its receipts.

        Raises:
            Problem: `journal-failed`.
        """
        lines: list[JournalLine] = []
        entries: list[Entry] = []
        damaged: dict[int, bytes] = {}
        for path in self.segments():
            content = self.read_segment(path)
            lines += content.lines
            entries += content.entries
            damaged |= {len(damaged) + n: row for n, row in enumerate(content.damaged.values(), start=1)}
        return JournalContent(tuple(lines), tuple(entries), damaged)

    def read_segment(self, path: Path) -> JournalContent:
        """One segment. Raises `journal-failed`."""
        try:
            return parse_journal(path.read_bytes())
        except OSError as error:
            raise not_written(error) from error

    def ends(self) -> list[Entry | None]:
        """The entry received last of each segment, None where that line cannot be read: then all of it has to be.

        A database that has these as received has all that is kept: each was received there before its line was written. Not only
        the newest segment counts: where the server's clock was ahead for a while, later entries lie in an earlier one.

        Raises:
            Problem: `journal-failed`.
        """
        try:
            return [_end(path) for path in self.segments() if path.stat().st_size]
        except OSError as error:
            raise not_written(error) from error

    def ended_before(self, instant: int) -> list[Path]:
        """Segments of months that were over at this instant (ms UTC)."""
        month = _month(instant)
        return [path for path in self.segments() if path.name[5:12] < month]

    def forget_bodies(self, ids: Collection[str]) -> None:
        """Take the content of erased entries from everything that is kept, and from what waits to be.

        Raises:
            Problem: `journal-failed`.
        """
        with self._lock:
            self._owed = [(at, without_bodies(line, ids)) for at, line in self._owed]
            for path in (*self.segments(), *self.folder.glob("damaged*.jsonl")):
                try:
                    data = path.read_bytes()
                    fresh = without_bodies(data, ids)
                    if fresh == data:
                        continue
                    beside = path.with_suffix(".new")
                    with beside.open("wb") as file:
                        file.write(fresh)
                        file.flush()
                        os.fsync(file.fileno())
                    beside.replace(path)
                    sync_folder(self.folder)
                except OSError as error:
                    raise not_written(error) from error

    def remove(self, segments: Sequence[Path]) -> None:
        """Let go of segments that nobody needs any more. One that cannot be removed now is tried again at the next start."""
        for path in segments:
            with contextlib.suppress(OSError):
                path.unlink()
        if segments:
            with contextlib.suppress(OSError):
                sync_folder(self.folder)


def _end(path: Path) -> Entry | None:
    with path.open("rb") as file:
        size, length = os.fstat(file.fileno()).st_size, _TAIL
        while True:
            file.seek(max(0, size - length))
            tail = file.read(length)
            if length >= size or tail.rstrip(b"\n").count(b"\n"):
                content = parse_journal(tail.rstrip(b"\n").rpartition(b"\n")[2] + b"\n")
                return content.entries[-1] if content.entries and tail.endswith(b"\n") else None
            length *= 4


def _whole_lines(handle: int) -> int:
    """Bytes up to the last line's end."""
    size = os.fstat(handle).st_size
    while size:
        start = max(0, size - _TAIL)
        os.lseek(handle, start, os.SEEK_SET)
        end = os.read(handle, size - start).rfind(b"\n")
        if end >= 0:
            return start + end + 1
        size = start
    return 0


def _month(instant: int) -> str:
    moment = time.gmtime(min(max(instant, 0), 253_370_764_800_000) // 1000)
    return f"{moment.tm_year:04}-{moment.tm_mon:02}"
