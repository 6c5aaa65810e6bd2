"""Entries that do not stand and wait for something: for a person's decision, or for what they build on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.entry_types.base import Body, read_body
from fieldapp.domain.job import OutcomeName
from fieldapp.domain.outcome import Outcome
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks, marks
from fieldapp.store.import_words import ARRIVED, IMPORTED
from fieldapp.store.tables import DeviceRow, EntryRow, QuarantineRow, table_of


class Decided(msgspec.Struct):
    """A row on its way into the log."""

    entry: Entry
    body: Body | None
    outcome: Outcome
    role: str
    kind: str = "entry"
    streams: tuple[str, ...] = ()
    """Those of this log that it is part of."""
    received: int = 0
    """When it was received, where that was not now (history that is taken over)."""
    device: str = ""
    """Who sent it, where that is not the device it names: the same home, enrolled again."""
    touches: frozenset[str] = frozenset()
    """The single values that it sets."""

    @property
    def sender(self) -> str:
        return self.device or self.entry.envelope.device


class Waiting(msgspec.Struct):
    """An entry of the log as it stands now. `said`: reason of its latest outcome row, '' where there is none."""

    entry: Entry
    body: Body | None
    role: str
    device: str
    pos: int
    outcome: OutcomeName
    said: str = ""

    def row(self, outcome: Outcome) -> Decided:
        """The outcome row that says what became of it."""
        return Decided(self.entry, self.body, outcome, self.role, "outcome", device=self.device)


class Bytes(msgspec.Struct):
    """Bytes in quarantine. `entry`: what they are, where they can be read as one; `why`: why not."""

    key: str
    device: str
    person: str
    raw: bytes
    reason: str
    received_at: int
    said: str
    entry: Entry | None = None
    why: str = ""


# As text: looked up for every decision and every held entry, and building a statement costs more than running it.
_GROUP = "SELECT e.group_id FROM entries e JOIN log_rows r ON r.entry_id = e.id WHERE e.id = ? AND r.log = ? AND r.kind = 'entry'"
_WAITING = (
    "SELECT e.id, e.raw, e.body, r.role, r.device, r.pos, r.outcome FROM entries e "
    "JOIN log_rows r ON r.entry_id = e.id AND r.kind = 'entry' WHERE {} ORDER BY r.pos"
)
_LATER = "SELECT entry_id, outcome, reason FROM log_rows WHERE entry_id IN ({}) AND log = ? AND kind = 'outcome' ORDER BY pos"


class Undecided:
    """Looks entries of one log up, also those of the transaction that is going on (`note`)."""

    def __init__(self, db: Database, conn: Connection, log: str) -> None:
        self._db, self._conn, self._log = db, conn, log
        self._fresh: dict[str, Waiting] = {}
        self._later: dict[str, Outcome] = {}

    def note(self, item: Decided) -> None:
        """A row that gets its position at the end of this transaction."""
        if item.kind == "entry":
            found = Waiting(item.entry, item.body, item.role, item.sender, 0, item.outcome.name)
            self._fresh[item.entry.id] = found
            return
        self._later[item.entry.id] = item.outcome
        if item.entry.id in self._fresh:
            fresh = self._fresh[item.entry.id]
            fresh.outcome, fresh.said = item.outcome.name, item.outcome.reason

    def group_of(self, about: str) -> list[Waiting]:
        """The entry and the others of its group, in their order; empty where this log has no such entry."""
        group: str | None
        if about in self._fresh:
            group = self._fresh[about].entry.envelope.group
        else:
            known = self._db.rows(self._conn, _GROUP, (about, self._log))
            group = known[0][0] if known else None
        if group is None:
            return []
        found = self._read("e.group_id = ? AND r.log = ?", (group, self._log))
        found += [item for item in self._fresh.values() if item.entry.envelope.group == group]
        author = next(item.entry.envelope.author for item in found if item.entry.id == about)
        return [item for item in found if item.entry.envelope.author == author]

    def held_groups(self, streams: Iterable[str]) -> list[list[Waiting]]:
        """Groups of entries of these streams that are held, in the order they arrived."""
        names = sorted(streams)
        held_here = f"e.stream IN ({marks(names)}) AND r.log = ? AND e.log = ? AND r.outcome = 'held'"
        first = self._read(held_here, (*names, self._log, self._log))
        first += [
            item for item in self._fresh.values() if item.entry.envelope.stream in names and item.entry.envelope.log == self._log
        ]
        held = [item for item in first if item.outcome == "held" and not item.said]
        found = []
        for _, members in groupby(held, key=lambda item: item.entry.envelope.group):
            found.append(list(members))
        return found

    def bytes_of(self, key: str) -> Bytes | None:
        """Bytes in quarantine by their SHA-256, where they came for this log."""
        return bytes_in_quarantine(self._conn, self._log, key)

    def _read(self, where: str, values: Sequence[str]) -> list[Waiting]:
        found = []
        for name, raw, body, role, device, pos, outcome in self._db.rows(self._conn, _WAITING.format(where), values):
            if name in self._fresh:
                continue
            entry = read_entry(raw, body, trusted=True)
            found.append(Waiting(entry, readable(entry), role, device, pos, outcome))
        later = self._latest([item.entry.id for item in found])
        for item in found:
            newest = later.get(item.entry.id)
            if newest is not None:
                item.outcome, item.said = newest.name, newest.reason
        return found

    def _latest(self, ids: list[str]) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for names in chunks(ids):
            rows = self._db.rows(self._conn, _LATER.format(marks(names)), (*names, self._log))
            found |= {name: Outcome(outcome, reason) for name, outcome, reason in rows}
        return found | {name: self._later[name] for name in ids if name in self._later}


def bytes_in_quarantine(conn: Connection, log: str, key: str) -> Bytes | None:
    """Bytes in quarantine by their SHA-256, read as an entry where that is possible."""
    table = table_of(QuarantineRow)
    query = (
        select(table, col(DeviceRow.person).label("person"))
        .outerjoin(DeviceRow, col(DeviceRow.id) == col(QuarantineRow.device))
        .where(col(QuarantineRow.id) == key, col(QuarantineRow.log) == log)
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    found = Bytes(row.id, row.device, row.person or "", row.raw, row.reason, row.received_at, row.decided)
    envelope, _, body = row.raw.partition(b"\n")
    try:
        found.entry = read_entry(envelope, body or None)
    except Problem as problem:
        found.why = problem.message
        return found
    named = found.entry.envelope
    if not found.person and found.reason == IMPORTED:
        found.person = named.author  # its device is not known here, and never will be: whoever decides on it vouches for it
    if named.log != log:
        found.why = "it names another log than the one it was sent to"
    elif named.author != found.person:
        found.why = "its author is not the person this device belongs to"
    elif (received := conn.execute(select(col(EntryRow.hash)).where(col(EntryRow.id) == named.id)).scalar()) is not None:
        if received == found.entry.hash:  # it came from its device at the same moment as in the file
            found.said = found.said or ARRIVED
        found.why = "another entry with the same id was received before"
    elif not body:
        found.why = "its content is missing"
    return found


def readable(entry: Entry) -> Body | None:
    """The body as far as this version can read it."""
    try:
        return read_body(entry)
    except Problem:
        return None
