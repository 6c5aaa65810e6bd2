"""What is only on a device, in one file for a stick: the way out when the network, or the machine, gives up.

Lines as in the journal (`checksum<space>json`): first the entries, then their files in pieces. Each line stands for itself, so that
of a damaged file everything readable can still be taken. A copy of a journal is such a file too.
"""

from __future__ import annotations

import base64
import errno
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from fieldapp.domain.entry import Entry
from fieldapp.domain.problem import Problem
from fieldapp.store.journal import JournalLine

PIECE = 256 * 1024
"""Bytes of a file in one line."""
LINE_LIMIT = 4 * 1024 * 1024
"""No line of ours is longer; what is longer is no export."""


class Piece(msgspec.Struct, frozen=True):
    """Bytes of a file from `offset` on; `size` is the whole file's."""

    file: str
    offset: int
    size: int
    data: bytes


class Damaged(msgspec.Struct, frozen=True):
    """A line that cannot be read, by its number (from 1)."""

    number: int


def read_export(source: Path) -> Iterator[tuple[JournalLine, Entry] | Piece | Damaged]:
    """The lines of an export one after the other, entries checked; what cannot be read is named and passed over.

    Raises:
        Problem: `export-unreadable` where the file cannot be opened or read.
    """
    try:
        if source.exists() and not stat.S_ISREG(source.stat().st_mode) and not source.is_dir():
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")  # which may wait, or go on, for ever
        with source.open("rb") as file:
            number = 0
            while row := file.readline(LINE_LIMIT):
                number += 1
                if row.strip():
                    yield read_line(row.rstrip(b"\r\n"), number)
    except OSError as error:
        raise Problem(
            "export-unreadable", f"{source} cannot be read ({error.strerror}).", "Nothing was changed. Take another copy of it."
        ) from error


def read_line(row: bytes, number: int) -> tuple[JournalLine, Entry] | Piece | Damaged:
    """One line of an export, without its end."""
    checksum, text = row[:8], row[9:]
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return Damaged(number)
        if text.startswith(b'{"file":'):
            return msgspec.json.decode(text, type=Piece)
        line = msgspec.json.decode(text, type=JournalLine)
        return line, line.entry()
    except (ValueError, RecursionError, msgspec.MsgspecError, Problem):  # lists without end inside lists are none of ours
        return Damaged(number)


def file_lines(path: Path, name: str) -> Iterator[bytes]:
    """A file as lines of an export. `name`: its hash. Raises OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for offset in range(0, max(size, 1), PIECE):
            data = base64.b64encode(file.read(PIECE))
            text = b'{"file":"%s","offset":%d,"size":%d,"data":"%s"}' % (name.encode("ascii"), offset, size, data)
            yield b"%08x %s\n" % (zlib.crc32(text), text)


def whole_groups(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """(entries of groups that are whole, entries of which others of their group are missing), both in their order. What one action
    recorded is never split."""
    members: dict[tuple[str, str], set[int]] = {}
    listed = list(entries)
    for entry in listed:
        members.setdefault((entry.envelope.author, entry.envelope.group), set()).add(entry.envelope.n)
    whole: list[Entry] = []
    parts: list[Entry] = []
    for entry in listed:
        envelope = entry.envelope
        complete = len(members[envelope.author, envelope.group]) == envelope.of
        (whole if complete else parts).append(entry)
    return whole, parts
