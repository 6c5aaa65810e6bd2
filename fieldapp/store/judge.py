"""Deciding on the entries of one push: each group against the streams as they stand, in scope, role and order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from fieldapp.domain.decided import why_not_decided, why_not_released
from fieldapp.domain.decision_words import REASON_LIMIT, STANDS
from fieldapp.domain.entry import Entry
from fieldapp.domain.entry_types import office
from fieldapp.domain.entry_types.base import ENTRY_TYPES, Body, Fact, read_body
from fieldapp.domain.entry_types.reference import SHARED, PersonRecorded
from fieldapp.domain.fold import kind_of
from fieldapp.domain.outcome import APPLIED, Outcome, Reach, decide, heavier
from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import WHOLE_LOG
from fieldapp.store.database import marks
from fieldapp.store.deciding import Decided, Undecided, Waiting, readable
from fieldapp.store.heads import StreamHeads
from fieldapp.store.scope import reach_of

_person_decoder = msgspec.json.Decoder(PersonRecorded)
_PLACED = "SELECT pos, entry_id, device, touch FROM stream_rows WHERE log = ? AND stream = ? ORDER BY pos"
_STANDING = (
    "SELECT e.author, e.type FROM entries e JOIN log_rows r ON r.entry_id = e.id "
    "WHERE r.log = ? AND r.pos = ? AND r.outcome = 'applied'"
)

UNKNOWN_BASE = "it builds on something that this server has not received"
_ABOUT = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64})\Z")


class Writer(msgspec.Struct, frozen=True):
    """Who sends: an enrolled device and its person."""

    device: str
    person: str
    role: str
    branch: str


class Placed(NamedTuple):
    """A row of a stream that this transaction places: later than all that are there. `stands`: who recorded what, '' where it does
    not stand."""

    entry_id: str
    device: str
    touches: frozenset[str]
    author: str
    type: str
    stands: bool


class Judge:
    """Decides on groups of one push against the heads as they are folded."""

    def __init__(self, conn: Connection, log: str, heads: StreamHeads, who: Writer | None) -> None:
        self._conn, self._log, self._heads, self._who = conn, log, heads, who
        self.undecided = Undecided(heads.db, conn, log)
        self._reach: dict[str, Reach] | None = None
        self._branches: frozenset[str] | None = None
        self._placed: dict[str, Sequence[Any]] = {}
        self._others: dict[tuple[str, str, str], tuple[bool, list[tuple[frozenset[str], int]]]] = {}
        self._fresh: dict[str, list[Placed]] = {}

    def decide_group(self, group: list[Decided]) -> None:
        """Give all items of a group their common outcome, and fold them. Each is judged after those before it, the heaviest
        outcome counts."""
        worst = self._faults(group)
        sound = worst.name == "applied"
        if sound:
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
            item.streams = item.entry.envelope.streams if sound else streams_of(self._heads, self._log, item.entry)
            fact = fact_of(item)
            if worst.name != "applied":
                self._heads.fold_states(fact, item.streams)
            self._heads.mark(fact, item.streams)
            self.note(item)

    def note(self, item: Decided) -> None:
        """A row that was decided on: what comes after it in this transaction is judged with it in view."""
        self.undecided.note(item)
        item.touches = item.body.touches() if item.body else item.touches
        envelope = item.entry.envelope
        stands = item.outcome.name == "applied"
        placed = Placed(envelope.id, item.sender, item.touches, envelope.author, envelope.type, stands)
        for stream in item.streams:
            self._fresh.setdefault(stream, []).append(placed)

    def decide_again(self, group: list[Waiting]) -> list[Decided]:
        """A held group once more, now that something has arrived: its outcome rows, folded; none while it stays held.

        Its roles were recorded when it arrived, and its scope was judged then.
        """
        before = self._heads.states({stream for item in group for stream in item.entry.envelope.streams})
        worst = APPLIED
        for item in group:
            try:
                worst = heavier(worst, self._again(item))
                self._heads.fold_states(Fact(item.entry, "applied", "", item.role), item.entry.envelope.streams, item.body)
            except Exception as error:  # as for what arrives: it is kept and shown
                worst = heavier(worst, Outcome("quarantined", f"it could not be understood ({type(error).__name__})"))
        self._heads.restore(before)
        if worst.name == "held":
            return []
        return self.settle([item.row(worst) for item in group])

    def settle(self, rows: list[Decided]) -> list[Decided]:
        """Fold outcome rows as they were decided."""
        for row in rows:
            row.streams = streams_of(self._heads, self._log, row.entry)
            fact = fact_of(row)
            self._heads.fold_states(fact, row.streams, row.body if row.outcome.name == "applied" else None)
            self._heads.mark(fact, row.streams, is_entry=False)
            self.note(row)
        return rows

    def _again(self, item: Waiting) -> Outcome:
        envelope, known = item.entry.envelope, item.entry.envelope.type in ENTRY_TYPES
        if isinstance(item.body, office.Decision):
            return self._decision_fault(item.body, item.role)
        if known and item.body is None:
            return Outcome("quarantined", "its content cannot be read")
        why = self._clash(item.entry, item.body, item.device, again=True)
        if why == UNKNOWN_BASE:
            return Outcome("held", why)
        state = self._heads[envelope.stream].state
        return decide(envelope, item.body, item.role, self._reach_when_it_came(item), state, why, known)

    def _reach_when_it_came(self, item: Waiting) -> Reach:
        """Whether a stream of a held entry had left its author's scope before it arrived."""
        streams = item.entry.envelope.streams
        query = f"SELECT stream, until_pos FROM memberships WHERE log = ? AND person = ? AND stream IN ({marks(streams)})"
        spans: dict[str, list[int | None]] = {}
        for stream, until in self._heads.db.rows(self._conn, query, (self._log, item.entry.envelope.author, *streams)):
            spans.setdefault(stream, []).append(until)
        left = any(all(until is not None and until < item.pos for until in found) for found in spans.values())
        return "left" if left and item.role not in WHOLE_LOG else "in"

    def _decision_fault(self, body: office.Decision, role: str) -> Outcome:
        """Why a decision cannot be followed; APPLIED where it can."""
        verb = body.verb()
        if not _ABOUT.match(body.about):
            return Outcome("quarantined", "what it decides on has no name that anything here can have")
        group = self.undecided.group_of(body.about)
        if not group:
            found = self.undecided.bytes_of(body.about)
            if found is None:
                return Outcome("held", "what it decides on has not arrived yet")
            fault = why_not_decided(verb, "quarantined", found.said)
            if fault is None and verb in STANDS and not found.said:
                if found.entry is None or found.why:
                    return Outcome("conflict", f"the bytes cannot stand: {found.why}"[:REASON_LIMIT])
                entry = found.entry
                self._heads.load((stream, home_of(stream, self._log)) for stream in entry.envelope.streams)
                fault = why_not_released(role, entry.envelope, readable(entry), self._heads[entry.envelope.stream].state)
            return fault or APPLIED
        for item in group:
            envelope = item.entry.envelope
            fault = why_not_decided(verb, item.outcome, item.said)
            if fault is None and verb in STANDS and not item.said and envelope.log != self._log:
                fault = Outcome("conflict", "it names another log than the one it was sent to")
            if fault is not None:
                return fault
        if verb not in STANDS or group[0].outcome == "applied":
            return APPLIED
        for item in group:
            self._heads.load((stream, home_of(stream, self._log)) for stream in item.entry.envelope.streams)
        before = self._heads.states({stream for item in group for stream in item.entry.envelope.streams})
        try:
            for item in group:
                fault = why_not_released(role, item.entry.envelope, item.body, self._heads[item.entry.envelope.stream].state)
                if fault is not None:
                    return fault
                self._heads.fold_states(Fact(item.entry, "applied", "", item.role), item.entry.envelope.streams, item.body)
        finally:
            self._heads.restore(before)
        return APPLIED

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
        found = self._heads.db.rows(self._conn, "SELECT person FROM devices WHERE id = ?", (device,))
        return not found or found[0][0] == who.person

    def _decide(self, item: Decided) -> Outcome:
        envelope = item.entry.envelope
        head = self._heads[envelope.stream]
        clash = self._clash(item.entry, item.body, item.sender) if self._who else ""
        found = decide(envelope, item.body, item.role, self._reach_for(item), head.state, clash, envelope.type in ENTRY_TYPES)
        if isinstance(item.body, office.Decision) and found.name == "applied":
            return self._decision_fault(item.body, item.role)
        return found

    def _reach_for(self, item: Decided) -> Reach:
        """The narrowest reach over the entry's streams; a stream nobody has written to yet is open to whoever
        begins it in the own branch."""
        who = self._who
        if who is None or who.role in ("admin", "rule"):
            return "in"
        if who.role in WHOLE_LOG:
            return "in" if self._log in (who.branch, "org") else "left" if self._was_of(who.person) else "never"
        if self._reach is None:
            self._reach = {}
        streams = item.entry.envelope.streams
        unknown = [stream for stream in streams if stream not in self._reach]
        if unknown:
            found = reach_of(self._heads.db, self._conn, self._log, who.person, unknown)
            home = self._log == who.branch or self._was_of(who.person)  # then it was begun before the branch was changed
            self._reach |= {s: found.get(s, "in" if home and self._heads[s].pos == 0 else "never") for s in unknown}
        reaches = {self._reach[stream] for stream in streams}
        return "never" if "never" in reaches else "left" if "left" in reaches else "in"

    def _was_of(self, person: str) -> bool:
        """Whether this log's branch was the person's once."""
        if self._branches is None:
            query = (
                "SELECT body FROM entries WHERE id IN (SELECT entry_id FROM stream_rows WHERE log = 'org' AND stream = ?) "
                "AND type = ? AND body IS NOT NULL"
            )
            found = self._heads.db.rows(self._conn, query, (f"person:{person}", PersonRecorded.NAME))
            bodies = [body for (body,) in found]
            self._branches = frozenset(_person_decoder.decode(body).person.branch for body in bodies)
        return self._log in self._branches

    def _clash(self, entry: Entry, body: Body | None, device: str, *, again: bool = False) -> str:
        """Why another line's entry, placed after the last one this person had seen, stands in the way; '' where none does.

        Args:
            device: who sent it. again: it was held until now; then the job it waited for is no obstacle.
        """
        envelope = entry.envelope
        touches = body.touches() if body else frozenset()
        base = envelope.base or ""
        if again and base and not self._is_here(envelope.stream, base):
            return UNKNOWN_BASE
        if not touches or (self._heads[envelope.stream].last_entry == base and not again):
            return ""
        key = (envelope.stream, base, device)
        if key not in self._others:
            self._others[key] = self._written_by_others(envelope.stream, base, device)
        known, others = self._others[key]
        if not known and not self._is_here(envelope.stream, base):
            return UNKNOWN_BASE
        for touched, pos in others:
            if not touches.isdisjoint(touched) and (why := self._in_the_way(pos, again)):
                return why
        seen = not base or known
        for placed in self._fresh.get(envelope.stream, ()):
            seen_now, seen = seen, seen or placed.entry_id == base
            in_the_way = placed.stands and placed.device != device and not touches.isdisjoint(placed.touches)
            if seen_now and in_the_way and not (again and placed.type == "job.created"):
                return f"{placed.author} recorded {placed.type} meanwhile"
        return ""

    def _is_here(self, stream: str, base: str) -> bool:
        """Whether an entry has a place in a stream, or gets one in this transaction."""
        return any(entry == base for _, entry, _, _ in self._rows(stream)) or any(
            placed.entry_id == base for placed in self._fresh.get(stream, ())
        )

    def _rows(self, stream: str) -> Sequence[Any]:
        if stream not in self._placed:
            known = self._heads[stream].pos > 0
            self._placed[stream] = self._heads.db.rows(self._conn, _PLACED, (self._log, stream)) if known else []
        return self._placed[stream]

    def _written_by_others(self, stream: str, base: str, device: str) -> tuple[bool, list[tuple[frozenset[str], int]]]:
        """Whether `base` has a place here, and (single values set, position) of what other devices wrote after it, the newest
        first."""
        rows, after = self._rows(stream), 0
        if base:
            found = next((pos for pos, entry, _, _ in rows if entry == base), None)
            if found is None:
                return False, []
            after = found
        return True, [
            (frozenset(touch.split()), pos) for pos, _, by, touch in reversed(rows) if pos > after and touch and by != device
        ]

    def _in_the_way(self, pos: int, again: bool = False) -> str:
        """What stands at a position, in words; '' where it does not stand."""
        for author, kind in self._heads.db.rows(self._conn, _STANDING, (self._log, pos)):
            return "" if again and kind == "job.created" else f"{author} recorded {kind} meanwhile"
        return ""


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
