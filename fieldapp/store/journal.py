"""The journal: every own entry that the server has not acknowledged, line by line, fsynced, with a checksum each.

It lies in another folder than the database. A damaged, lost or restored database is made whole from it, and from what is kept of
entries that a receipt names (kept.py). A line is `checksum<space>json`; a torn last line (power cut while writing) is ignored, a
damaged one is reported.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.problem import Problem


class JournalLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A position and the exact texts of the entry there."""

    epoch: str
    seq: int
    raw: str
    body: str | None = None

    def entry(self) -> Entry:
        return read_entry(self.raw.encode(), None if self.body is None else self.body.encode())


class JournalContent(msgspec.Struct, frozen=True):
    """Readable lines in order with their entries, and the damaged ones by number (from 1)."""

    lines: tuple[JournalLine, ...]
    entries: tuple[Entry, ...]
    damaged: dict[int, bytes]


def journal_line(epoch: str, seq: int, entry: Entry) -> bytes:
    line = JournalLine(epoch, seq, entry.raw.decode(), None if entry.body_raw is None else entry.body_raw.decode())
    text = msgspec.json.encode(line)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def parse_journal(data: bytes) -> JournalContent:
    """Read journal bytes, from this device or exported from another one."""
    lines: list[JournalLine] = []
    entries: list[Entry] = []
    damaged: dict[int, bytes] = {}
    rows = data.split(b"\n")
    whole = data.endswith(b"\n")
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        try:
            checksum, text = row[:8], row[9:]
            if int(checksum, 16) != zlib.crc32(text):
                raise ValueError("checksum")
            line = msgspec.json.decode(text, type=JournalLine)
            entries.append(line.entry())
            lines.append(line)
        except (ValueError, RecursionError, msgspec.MsgspecError, Problem):
            if whole or number < len(rows):  # else: torn by a power cut before it was called saved
                damaged[number] = row
    return JournalContent(tuple(lines), tuple(entries), damaged)


def without_bodies(data: bytes, ids: Collection[str]) -> bytes:
    """Journal bytes in which the lines of these entries have no content any more. A line that cannot be read and names one of
    them goes whole."""
    kept = []
    for row in data.splitlines(keepends=True):
        if any(name.encode() in row for name in ids):
            try:
                line = msgspec.json.decode(row[9:])
                entry = read_entry(line["raw"].encode(), None, trusted=True)
            except (msgspec.MsgspecError, Problem, KeyError, TypeError, AttributeError, RecursionError):
                continue
            if entry.id in ids:
                line.pop("body", None)
                text = msgspec.json.encode(line)
                row = b"%08x %s\n" % (zlib.crc32(text), text)
        kept.append(row)
    return b"".join(kept)


class Journal:
    """The journal file of one home. One process holds it open (the home's lock)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_file = path.with_name("damaged.jsonl")
        self._file: int | None = None
        self._size = 0
        self._owed = b""
        """What could not be written: it goes before the next lines."""

    def read(self) -> JournalContent:
        """
        Raises:
            Problem: `journal-failed`.
        """
        return parse_journal(self.content())

    def content(self) -> bytes:
        """All of it, as it lies there: what "export unsent work" writes."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Problem(
                "journal-failed",
                f"The second copy of unsent work cannot be read ({error.strerror}).",
                f"Nothing was changed. See to the rights of {self.path}.",
            ) from error

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines and fsync once.

        Raises:
            Problem: `journal-failed`; what the database committed is saved there all the same, and follows with the next line.
        """
        data = self._owed + b"".join(lines)
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
            self._size += len(data)
            self._owed = b""
        except OSError as error:
            self._owed = data
            self._mend()
            raise not_written(error) from error

    def replace(self, lines: Iterable[bytes]) -> None:
        """Write a new journal beside the old one and put it in its place, so that no moment is without one.

        Raises:
            Problem: `journal-failed`; the old one is still there.
        """
        fresh = self.path.with_suffix(".new")
        try:
            make_folder(self.path.parent)
            with fresh.open("wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            self.close()
            fresh.replace(self.path)
            sync_folder(self.path.parent)
            self._owed = b""
        except OSError as error:
            raise not_written(error) from error

    def keep_damaged(self, lines: Iterable[bytes]) -> None:
        """Put damaged lines, and those of another person, aside for somebody to look at: a new journal will not hold them.

        Raises:
            Problem: `journal-failed`.
        """
        try:
            with self.damaged_file.open("ab") as file:
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.path.parent)
        except OSError as error:
            raise not_written(error) from error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        make_folder(self.path.parent)
        new = not self.path.exists()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            os.write(self._file, b"\n")  # a torn line must not swallow the next one
            self._size += 1
        if new:
            sync_folder(self.path.parent)

    def _mend(self) -> None:
        """Cut off what a failed write left, so that later lines stay readable."""
        if self._file is not None:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                self.close()


def not_written(error: OSError) -> Problem:
    return Problem(
        "journal-failed",
        f"The second copy of unsent work could not be written ({error.strerror}).",
        "It is saved in the database; make room on the disk so that the second copy can follow.",
    )


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it. To look first costs a tenth of being told that it is there."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=mode)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file in `folder` durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
