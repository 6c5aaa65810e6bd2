"""Entries that come to the server by hand, from a file that a device exported: content without positions.

What the person of the sending device recorded is vouched for and decided on like a push. Everything else is put aside, readable and
with the files it names, until its own device sends it or the office decides on it. What is known already stays as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from fieldapp.domain.entry import Entry
from fieldapp.store.database import chunks
from fieldapp.store.exported import whole_groups
from fieldapp.store.import_words import IMPORTED, IMPORTED_IN_PART, IMPORTED_OTHER
from fieldapp.store.judge import Writer
from fieldapp.store.tables import DeviceRow, EntryRow, QuarantineRow

_EPOCH = re.compile(r"[A-Za-z0-9._\-]{1,80}\Z")


class Line(msgspec.Struct, frozen=True):
    """An entry with the place that its device gave it, which is kept for people to see and never taken."""

    epoch: str
    seq: int
    entry: Entry

    @classmethod
    def of(cls, epoch: str, seq: int, entry: Entry) -> Line:
        """A line as a file says it; a place that no device can have given is left out."""
        good = _EPOCH.match(epoch) is not None and 0 < seq < 1 << 53
        return cls(epoch if good else "", seq if good else 0, entry)

    @property
    def raw(self) -> bytes:
        """The bytes as they are put aside: envelope, line feed, body."""
        return self.entry.raw + b"\n" + (self.entry.body_raw or b"")

    @property
    def key(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


class Sorted(msgspec.Struct, frozen=True):
    """What is to become of imported entries. vouched: decided on now; aside: put aside, with the reason; known: how many are
    here."""

    vouched: tuple[Entry, ...]
    aside: tuple[tuple[Line, str], ...]
    known: int


class TakenIn(msgspec.Struct, frozen=True):
    """What became of imported entries. taken: decided on and in the log; held: put aside until a person decides; known: were here;
    wanted: files the server has not got; moved: logs that moved, with their new heads."""

    taken: int = 0
    held: int = 0
    known: int = 0
    wanted: tuple[str, ...] = ()
    moved: dict[str, int] = {}


def sort_out(conn: Connection, lines: Iterable[Line], who: Writer | None, logs: Collection[str]) -> Sorted:
    """Sort imported entries.

    Args:
        who: the device that sends them; None for an administrator's file. logs: those there are.
    """
    listed = {line.key: line for line in lines}
    ids = {line.entry.id for line in listed.values()}
    known: dict[str, str] = {}
    aside_before: set[str] = set()
    for part in chunks(sorted(ids)):
        query = select(col(EntryRow.id), col(EntryRow.hash)).where(col(EntryRow.id).in_(part))
        known |= {row.id: row.hash for row in conn.execute(query)}
    for part in chunks(sorted(listed)):
        aside_before.update(conn.execute(select(col(QuarantineRow.id)).where(col(QuarantineRow.id).in_(part))).scalars())
    fresh: dict[str, Line] = {}
    aside: list[tuple[Line, str]] = []
    for key, line in listed.items():
        first = known.get(line.entry.id)
        if first == line.entry.hash or (key in aside_before and first is None):
            continue
        if first is not None or line.entry.id in fresh:
            if key not in aside_before:
                aside.append((line, IMPORTED_OTHER))
        else:
            fresh[line.entry.id] = line
    whole, parts = whole_groups(line.entry for line in fresh.values())
    vouched = [entry for entry in whole if who is not None and entry.envelope.log in logs and _is_of(conn, who, entry)]
    good = {entry.id for entry in vouched}
    aside += [(fresh[entry.id], IMPORTED) for entry in whole if entry.id not in good]
    aside += [(fresh[entry.id], IMPORTED_IN_PART) for entry in parts]
    return Sorted(tuple(vouched), tuple(aside), len(listed) - len(vouched) - len(aside))


def _is_of(conn: Connection, who: Writer, entry: Entry) -> bool:
    """Whether the person who sends an entry recorded it, on a device of theirs."""
    named = entry.envelope
    if named.author != who.person:
        return False
    person = conn.execute(select(col(DeviceRow.person)).where(col(DeviceRow.id) == named.device)).scalar()
    return named.device == who.device or person == who.person


def keys_of(entries: Sequence[Entry]) -> list[str]:
    """Under what names these entries would lie aside."""
    return [Line("", 0, entry).key for entry in entries]
