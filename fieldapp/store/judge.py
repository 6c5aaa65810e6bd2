"""Deciding on the entries of one push: each group against the streams as they stand, in scope, role and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select
from sqlmodel import col

from fieldapp.domain.entry import Entry
from fieldapp.domain.entry_types.base import ENTRY_TYPES, Body, Fact, read_body
from fieldapp.domain.entry_types.reference import SHARED
from fieldapp.domain.fold import kind_of
from fieldapp.domain.outcome import APPLIED, Outcome, Reach, decide, heavier
from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import WHOLE_LOG
from fieldapp.store.heads import StreamHeads
from fieldapp.store.scope import reach_of
from fieldapp.store.tables import DeviceRow, EntryRow, LogRow, StreamRow

_PLACED = (
    select(col(StreamRow.pos), col(StreamRow.entry_id), col(StreamRow.device), col(StreamRow.touch))
    .where(col(StreamRow.log) == bindparam("log"), col(StreamRow.stream) == bindparam("stream"))
    .order_by(col(StreamRow.pos))
)
_STANDING = (
    select(col(EntryRow.author), col(EntryRow.type))
    .join(LogRow, col(LogRow.entry_id) == col(EntryRow.id))
    .where(col(LogRow.log) == bindparam("log"), col(LogRow.pos) == bindparam("pos"), col(LogRow.outcome) == "applied")
)


class Writer(msgspec.Struct, frozen=True):
    """Who sends: an enrolled device and its person."""

    device: str
    person: str
    role: str
    branch: str


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

    @property
    def sender(self) -> str:
        return self.device or self.entry.envelope.device


class Judge:
    """Decides on groups of one push against the heads as they are folded."""

    def __init__(self, conn: Connection, log: str, heads: StreamHeads, who: Writer | None) -> None:
        self._conn, self._log, self._heads, self._who = conn, log, heads, who
        self._reach: dict[str, Reach] | None = None
        self._placed: dict[str, Sequence[Any]] = {}
        self._others: dict[tuple[str, str], list[tuple[frozenset[str], int]] | None] = {}

    def decide_group(self, group: list[Decided]) -> None:
        """Give all items of a group their common outcome, and fold them. Each is judged after those before it, the heaviest
        outcome counts."""
        worst = self._faults(group)
        if worst.name == "applied":
            before = self._heads.states({stream for item in group for stream in item.entry.envelope.streams})
            for item in group:
                try:
                    item.body = read_body(item.entry)
                    worst = heavier(worst, self._decide(item))
                    self._heads.fold_states(fact_of(item), item.entry.envelope.streams, item.body)
                except Problem as problem:
                    worst = heavier(worst, Outcome("quarantined", problem.message))
                except Exception as error:  # a fold must never fail; if one does, the entry is kept and shown, not refused
                    worst = heavier(worst, Outcome("quarantined", f"it could not be understood ({type(error).__name__})"))
            if worst.name != "applied":
                self._heads.restore(before)
        for item in group:
            item.outcome = worst
            item.streams = streams_of(self._heads, self._log, item.entry)
            fact = fact_of(item)
            if worst.name != "applied":
                self._heads.fold_states(fact, item.streams)
            self._heads.mark(fact, item.streams)

    def decide_again(self, item: Decided) -> Outcome:
        """A held entry once more. Its role was recorded when it arrived; its scope was judged then."""
        envelope = item.entry.envelope
        state = self._heads[envelope.stream].state
        return decide(envelope, item.body, item.role, "in", state, "", envelope.type in ENTRY_TYPES)

    def _faults(self, group: list[Decided]) -> Outcome:
        who, heads, log = self._who, self._heads, self._log
        of = group[0].entry.envelope.of
        for n, item in enumerate(group):
            envelope = item.entry.envelope
            if envelope.log != log:
                return Outcome("quarantined", "it names another log than the one it was sent to")
            for stream in envelope.streams:
                if heads[stream].log != log:
                    return Outcome("quarantined", "it names something that belongs to another log")
            if len(group) != of or envelope.of != of or envelope.n != n:
                return Outcome("quarantined", "the group it belongs to is not complete")
            if who and (envelope.author != who.person or not self._is_of(who, envelope.device)):
                return Outcome("quarantined", "its author is not the person this device belongs to")
        return APPLIED

    def _is_of(self, who: Writer, device: str) -> bool:
        """Whether a device that an entry names is this person's: the one that sends it, an earlier one of the same home, or one
        that a restored server knows no more."""
        if device == who.device:
            return True
        person = self._conn.execute(select(col(DeviceRow.person)).where(col(DeviceRow.id) == device)).scalar()
        return person is None or person == who.person

    def _decide(self, item: Decided) -> Outcome:
        envelope = item.entry.envelope
        head = self._heads[envelope.stream]
        clash = self._clash(item) if self._who else ""
        return decide(envelope, item.body, item.role, self._reach_for(item), head.state, clash, envelope.type in ENTRY_TYPES)

    def _reach_for(self, item: Decided) -> Reach:
        """The narrowest reach over the entry's streams; a stream nobody has written to yet is open to whoever
        begins it in the own branch."""
        who = self._who
        if who is None or who.role in ("admin", "rule"):
            return "in"
        if who.role in WHOLE_LOG:
            return "in" if self._log in (who.branch, "org") else "never"
        if self._reach is None:
            self._reach = {}
        streams = item.entry.envelope.streams
        unknown = [stream for stream in streams if stream not in self._reach]
        if unknown:
            found = reach_of(self._conn, self._log, who.person, unknown)
            home = self._log == who.branch
            self._reach |= {s: found.get(s, "in" if home and self._heads[s].pos == 0 else "never") for s in unknown}
        reaches = {self._reach[stream] for stream in streams}
        return "never" if "never" in reaches else "left" if "left" in reaches else "in"

    def _clash(self, item: Decided) -> str:
        """Why another line's entry, placed after the last one this person had seen, stands in the way; '' where none does."""
        envelope, body = item.entry.envelope, item.body
        touches = body.touches() if body else frozenset()
        base = envelope.base or ""
        if not touches or self._heads[envelope.stream].last_entry == base:
            return ""
        key = (envelope.stream, base)
        if key not in self._others:
            self._others[key] = self._written_by_others(envelope.stream, base)
        others = self._others[key]
        if others is None:
            return "it builds on something that this server has not received"
        for touched, pos in others:
            if not touches.isdisjoint(touched) and (why := self._in_the_way(pos)):
                return why
        return ""

    def _written_by_others(self, stream: str, base: str) -> list[tuple[frozenset[str], int]] | None:
        """(single values set, position) of what other devices wrote after `base`, the newest first; None where base is unknown."""
        if stream not in self._placed:
            known = self._heads[stream].pos > 0
            self._placed[stream] = self._conn.execute(_PLACED, {"log": self._log, "stream": stream}).all() if known else []
        rows, after = self._placed[stream], 0
        if base:
            found = next((row.pos for row in rows if row.entry_id == base), None)
            if found is None:
                return None
            after = found
        device = self._who.device if self._who else ""
        return [
            (frozenset(row.touch.split()), row.pos)
            for row in reversed(rows)
            if row.pos > after and row.touch and row.device != device
        ]

    def _in_the_way(self, pos: int) -> str:
        """What stands at a position, in words; '' where it does not stand."""
        row = self._conn.execute(_STANDING, {"log": self._log, "pos": pos}).first()
        return f"{row.author} recorded {row.type} meanwhile" if row else ""


def fact_of(item: Decided) -> Fact:
    return Fact(item.entry, item.outcome.name, item.outcome.reason, item.role)


def home_of(stream: str, log: str) -> str:
    """The log that a stream named in `log` belongs to, where nobody has written to it yet: what all branches share cannot be
    taken by one of them, nor by a technician who names it."""
    return "org" if kind_of(stream) in SHARED else log


def streams_of(heads: StreamHeads, log: str, entry: Entry) -> tuple[str, ...]:
    """The streams of this log that an entry is part of. What names another log, or streams of one, is kept and shown to the
    office, but stands in no stream here."""
    if entry.envelope.log != log:
        return ()
    return tuple(stream for stream in entry.envelope.streams if heads[stream].log == log)
