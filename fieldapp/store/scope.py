"""Who holds which streams. A technician holds the jobs given to them, those they help with, those they created that nobody has
yet, and the customers and assets these need; nothing else.

The office reads whole logs and has no memberships. Every change of scope takes a position in the log: a device learns of it in
order with everything else. Closed jobs leave by time: the server looks for them now and then (`closed_long_ago`), under the
head's lock like any other writer, so that several server processes may do so at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, func, select
from sqlmodel import col

from fieldapp.domain.job import JobState
from fieldapp.domain.outcome import Reach
from fieldapp.domain.roles import TECHNICIAN
from fieldapp.store.database import Database, chunks, marks
from fieldapp.store.heads import CLOSED
from fieldapp.store.tables import EntryRow, JobRow, LogRow, MembershipRow, NeedRow, StreamRow

KEPT_AFTER_CLOSING_MS = 90 * 86_400_000
"""Closed jobs leave the technician's device after 90 days."""


_CLOSINGS = ("job.approved", "job.cancelled", "job.declined")
"""Types of the entries after which a job asks nothing of anybody any more."""


def needs_of(job: JobState) -> dict[str, frozenset[str]]:
    """Person to the streams that this job makes them need, or once made them need (the job's own, the customer's, its assets')."""
    if not job.id:
        return {}
    people = {job.assignee or (job.created.author if job.created else ""), *job.helpers} - {""}
    streams = frozenset({f"job:{job.id}", f"customer:{job.customer}", *(f"asset:{asset}" for asset in job.assets)})
    return dict.fromkeys(sorted(people), streams)


def closed_long_ago(conn: Connection, log: str, now: int) -> list[str]:
    """Job streams that somebody still holds though what closed them was received more than KEPT_AFTER_CLOSING_MS ago."""
    held = select(col(NeedRow.job)).where(col(NeedRow.log) == log).distinct()
    query = (
        select(col(JobRow.stream))
        .join(StreamRow, and_(col(StreamRow.log) == log, col(StreamRow.stream) == col(JobRow.stream)))
        .join(LogRow, and_(col(LogRow.log) == log, col(LogRow.pos) == col(StreamRow.pos)))
        .join(EntryRow, col(EntryRow.id) == col(StreamRow.entry_id))
        .where(col(JobRow.stream).in_(held), col(JobRow.status).in_(CLOSED), col(EntryRow.type).in_(_CLOSINGS))
        .group_by(col(JobRow.stream))
        .having(func.max(col(LogRow.received_at)) < now - KEPT_AFTER_CLOSING_MS)
    )
    return sorted(conn.execute(query).scalars())


def reach_of(db: Database, conn: Connection, log: str, person: str, streams: Iterable[str]) -> dict[str, Reach]:
    """Whether each stream is in this person's scope, left it, or never was there (absent from the answer)."""
    found: dict[str, Reach] = {}
    for names in chunks(sorted(set(streams))):
        query = f"SELECT stream, until_pos FROM memberships WHERE log = ? AND person = ? AND stream IN ({marks(names)})"
        for stream, until in db.rows(conn, query, (log, person, *names)):
            if until is None or stream not in found:
                found[stream] = "in" if until is None else "left"
    return found


_OPEN = "log = ? AND person = ? AND until_pos IS NULL"
_HELD = f"SELECT stream FROM memberships WHERE {_OPEN}"
_NEEDED = "SELECT stream FROM needs WHERE log = ? AND person = ?"


class ScopeChanges:
    """What a transaction changes in the scopes of people: collected while it folds, written under the log's head lock."""

    def __init__(
        self, db: Database, conn: Connection, log: str, now: int, roles: Mapping[str, str], received: Mapping[str, int]
    ) -> None:
        """
        Args:
            now: the server's time, milliseconds UTC. roles: the role in which each `job.created` of this transaction was recorded,
                by entry id. received: when each entry of this transaction was received.
        """
        self._db, self._conn, self._log, self._now, self._roles, self._received = db, conn, log, now, roles, received
        self._before: dict[str, dict[str, frozenset[str]]] = {}
        self._after: dict[str, dict[str, frozenset[str]]] = {}

    def note(self, job_stream: str, before: JobState, after: JobState) -> None:
        had, has = self._needs(before), self._needs(after)
        if had != has and (had := self._held(before, had)) != (has := self._held(after, has)):
            self._before[job_stream], self._after[job_stream] = self._held(before, needs_of(before)), has

    def end(self, job_stream: str, job: JobState) -> None:
        """Nobody needs this job any more, unless it was opened again meanwhile."""
        if not self._needs(job):
            self._before[job_stream], self._after[job_stream] = self._held(job, needs_of(job)), {}

    def _needs(self, job: JobState) -> dict[str, frozenset[str]]:
        """What it makes people need now: nothing where it was closed long ago."""
        return {} if job.status in CLOSED and self._closed_at(job) < self._now - KEPT_AFTER_CLOSING_MS else needs_of(job)

    def _closed_at(self, job: JobState) -> int:
        """When the server heard that a job was closed: the clock of whoever closed it may be a year off."""
        entry = job.history[-1].by.entry if job.history else ""
        if entry in self._received:
            return self._received[entry]
        found = self._db.rows(self._conn, "SELECT max(received_at) FROM log_rows WHERE entry_id = ?", (entry,))
        return self._now if found[0][0] is None else int(found[0][0])

    def _held(self, job: JobState, needs: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        """Whoever was given a job holds it; who only created it does as a technician, the office reads it anyhow."""
        made = job.created
        if made is None or job.assignee or made.author in job.helpers or self._role_at(made.entry) in TECHNICIAN:
            return needs
        return {person: streams for person, streams in needs.items() if person != made.author}

    def _role_at(self, entry: str) -> str:
        if entry in self._roles:
            return self._roles[entry]
        found = self._db.rows(self._conn, "SELECT role FROM log_rows WHERE entry_id = ? AND kind = 'entry'", (entry,))
        return str(found[0][0]) if found else ""

    def plan(self) -> dict[str, tuple[set[str], set[str]]]:
        """Person to (streams that come, streams that go), after writing the needs."""
        pairs: set[tuple[str, str]] = set()
        dropped: list[str] = []
        fresh: list[dict[str, Any]] = []
        for job, had in self._before.items():
            has = self._after[job]
            pairs |= {(person, stream) for side in (had, has) for person, streams in side.items() for stream in streams}
            if had:
                dropped.append(job)  # also of one that is opened again after its needs have ended: none is left then
            fresh += [
                {"log": self._log, "job": job, "person": person, "stream": stream}
                for person, streams in sorted(has.items())
                for stream in sorted(streams)
            ]
        for names in chunks(dropped):
            self._db.run(self._conn, f"DELETE FROM needs WHERE log = ? AND job IN ({marks(names)})", (self._log, *names))
        self._db.insert(self._conn, NeedRow, fresh)
        return self._differences(pairs)

    def _differences(self, pairs: set[tuple[str, str]]) -> dict[str, tuple[set[str], set[str]]]:
        changes: dict[str, tuple[set[str], set[str]]] = {}
        by_person: dict[str, set[str]] = {}
        for person, stream in pairs:
            by_person.setdefault(person, set()).add(stream)
        for person in sorted(by_person):
            needed, held = set[str](), set[str]()
            for names in chunks(sorted(by_person[person])):
                for query, into in ((_NEEDED, needed), (_HELD, held)):
                    found = self._db.rows(self._conn, f"{query} AND stream IN ({marks(names)})", (self._log, person, *names))
                    into.update(stream for (stream,) in found)
            if needed != held:
                changes[person] = (needed - held, held - needed)
        return changes

    def write(self, changes: dict[str, tuple[set[str], set[str]]], positions: dict[str, int]) -> None:
        """Open and close memberships at each person's position."""
        opened = [
            {"log": self._log, "person": person, "stream": stream, "since_pos": positions[person], "until_pos": None}
            for person, (come, _) in changes.items()
            for stream in sorted(come)
        ]
        self._db.insert(self._conn, MembershipRow, opened)
        for person, (_, go) in changes.items():
            for names in chunks(sorted(go)):
                ended = f"UPDATE memberships SET until_pos = ? WHERE {_OPEN} AND stream IN ({marks(names)})"
                self._db.run(self._conn, ended, (positions[person], self._log, person, *names))
