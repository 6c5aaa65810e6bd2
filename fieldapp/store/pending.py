"""Own work that the server has not decided on yet, folded on top of the server's order: what the person sees."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import msgspec
from sqlalchemy import Connection

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.entry_types.erasure import kept_of
from fieldapp.domain.fold import State, empty_state, fold, folds, read_state, state_bytes
from fieldapp.domain.job import JobState, OutcomeName
from fieldapp.store.database import Database, chunks, marks, plain
from fieldapp.store.heads import StreamHead, job_row, save_jobs

REFUSED = "the server could not read it; it waits for a decision"


def pending_facts(conn: Connection, role: str, streams: Iterable[str] | None = None) -> list[Fact]:
    """Own entries without an outcome, in the order they were recorded: all, or those that concern some of these streams."""
    wanted = None if streams is None else frozenset(streams)
    names = sorted(wanted) if wanted is not None and len(wanted) <= 500 else []
    narrow = f"AND (o.stream IN ({marks(names)}) OR o.also <> '')" if names else ""
    query = (
        "SELECT e.raw, e.body, o.lane, o.stream, o.also FROM own_entries o JOIN entries e ON e.id = o.entry_id "
        f"WHERE o.lane IN ('unsent', 'received', 'refused') AND o.outcome = '' {narrow} ORDER BY o.saved_at, o.epoch, o.seq"
    )
    facts = []
    for raw, body, lane, stream, also in plain(conn).execute(query, names).fetchall():
        if wanted is not None and stream not in wanted and wanted.isdisjoint(also.split()):
            continue
        entry = read_entry(raw, body, trusted=True)
        facts.append(_undecided(entry, lane, role))
    return facts


def _undecided(entry: Entry, lane: str, role: str) -> Fact:
    return Fact(entry, "quarantined", REFUSED, role) if lane == "refused" else Fact(entry, role=role)


def _own_facts(conn: Connection, role: str, streams: Sequence[str]) -> list[Fact]:
    """Own entries about these streams that have their content, decided on or not: a server that is put back may make any of them
    undecided again."""
    query = (
        "SELECT e.raw, e.body, o.lane, o.outcome, o.reason FROM own_entries o JOIN entries e ON e.id = o.entry_id "
        f"WHERE e.body IS NOT NULL AND (o.stream IN ({marks(streams)}) OR o.also <> '') ORDER BY o.saved_at, o.epoch, o.seq"
    )
    facts = []
    for raw, body, lane, outcome, reason in plain(conn).execute(query, streams).fetchall():
        entry = read_entry(raw, body, trusted=True)
        if outcome:
            facts.append(Fact(entry, cast(OutcomeName, outcome), reason, role))
        else:
            facts.append(_undecided(entry, lane, role))
    return facts


def view_of(settled: State, stream: str, pending: Iterable[Fact]) -> State:
    """A state in the server's order with own unsettled facts of that stream on top."""
    for fact in pending:
        if stream in fact.entry.envelope.streams:
            settled = fold(settled, fact)
    return settled


def settled_states(db: Database, conn: Connection, streams: Sequence[str]) -> dict[str, State]:
    """States in the server's order; streams without one are absent."""
    found: dict[str, State] = {}
    for names in chunks(sorted(streams)):
        query = f"SELECT stream, state FROM stream_states WHERE stream IN ({marks(names)})"
        found |= {stream: read_state(stream, raw) for stream, raw in db.rows(conn, query, names) if raw}
    return found


def refresh_jobs(
    db: Database, conn: Connection, logs: dict[str, str], role: str, heads: Mapping[str, StreamHead] = MappingProxyType({})
) -> None:
    """Write the rows that lists show, for these job streams (to their logs), from settled state and pending facts.

    Args:
        heads: of streams that were folded and saved just now, so that nobody reads and writes their states once more.

    A row whose stream is being fetched again stays as it is until that has come, and so does one that carries unsettled work
    of our own though its stream has left.
    """
    jobs = [stream for stream in logs if stream.startswith("job:")]
    if not jobs:
        return
    pending = facts_by_stream(pending_facts(conn, role, jobs))
    settled: dict[str, State] = {stream: heads[stream].state for stream in jobs if stream in heads}  # type: ignore[misc]
    settled |= settled_states(db, conn, [stream for stream in jobs if stream not in settled])
    waiting = frozenset[str]() if all(stream in heads for stream in jobs) else waiting_streams(conn)
    rows: list[dict[str, Any]] = []
    gone: list[str] = []
    for stream in jobs:
        if stream not in heads and stream in waiting and _is_shown(conn, stream):
            continue  # what it folded to before lacks own work whose outcome has come already
        facts = pending.get(stream, [])
        view = view_of(settled.get(stream) or empty_state(stream), stream, facts)
        assert isinstance(view, JobState)
        if view.id:
            raw = heads[stream].bytes() if stream in heads and not facts else state_bytes(view)
            rows.append(job_row(stream, logs[stream], view, raw))
            continue
        if not facts and not shown_as_it_was(stream, settled, facts, waiting):  # a restored server may lack what created it
            gone.append(stream)
    save_jobs(db, conn, rows)
    for names in chunks(gone):
        db.run(conn, f"DELETE FROM jobs WHERE stream IN ({marks(names)})", names)


def forget_views(db: Database, conn: Connection, streams: Sequence[str], role: str) -> None:
    """Take the content out of what lists show of erased jobs whose rows are not here: their numbers and dates stay, and own work
    that has its content. One that is neither waited for nor carries work that is not decided on goes."""
    waiting = waiting_streams(conn)
    rows: list[dict[str, Any]] = []
    for part in chunks(streams):
        open_, own = facts_by_stream(pending_facts(conn, role, part)), facts_by_stream(_own_facts(conn, role, part))
        query = f"SELECT stream, log, view FROM jobs WHERE stream IN ({marks(part)})"
        shown = db.rows(conn, query, part)
        db.run(conn, f"DELETE FROM jobs WHERE stream IN ({marks(part)})", part)
        for stream, log, raw in shown:
            if stream not in open_ and stream not in waiting:
                continue
            job, facts = read_state(stream, raw), own.get(stream, [])
            assert isinstance(job, JobState)
            view = view_of(_without(kept_of(job), {fact.entry.id for fact in facts}), stream, facts)
            assert isinstance(view, JobState)
            rows.append(job_row(stream, log, view, state_bytes(view)))
    save_jobs(db, conn, rows)


def _without(job: JobState, entries: Container[str]) -> JobState:
    """A job without what these entries added to what stays of it: they are folded again."""
    return msgspec.structs.replace(
        job,
        history=tuple(change for change in job.history if change.by.entry not in entries),
        parts=tuple(part for part in job.parts if part.by.entry not in entries),
        times=tuple(time for time in job.times if time.by.entry not in entries),
        expenses=tuple(expense for expense in job.expenses if expense.by.entry not in entries),
    )


def _is_shown(conn: Connection, stream: str) -> bool:
    return plain(conn).execute("SELECT 1 FROM jobs WHERE stream = ?", (stream,)).fetchone() is not None


def waiting_streams(conn: Connection) -> frozenset[str]:
    """Streams in scope whose rows are not all here yet."""
    return frozenset(stream for (stream,) in plain(conn).execute("SELECT stream FROM scope WHERE NOT live"))


def shown_as_it_was(stream: str, settled: Mapping[str, State], facts: Sequence[Fact], waiting: Container[str]) -> bool:
    """Whether what is shown of a stream cannot be made anew now: its rows are not here, but it waits for them or for our own."""
    if stream in settled:
        return False
    return bool(facts) or stream in waiting  # also where the entry that created it was refused: the work on it stays in view


def facts_by_stream(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        for stream in fact.entry.envelope.streams:
            found.setdefault(stream, []).append(fact)
    return found


def views(db: Database, conn: Connection, streams: Sequence[str], role: str) -> dict[str, State]:
    """Current views of folding streams (assets, customers, jobs)."""
    pending = facts_by_stream(pending_facts(conn, role, streams))
    settled = settled_states(db, conn, streams)
    return {
        stream: view_of(settled.get(stream) or empty_state(stream), stream, pending.get(stream, []))
        for stream in streams
        if folds(stream)
    }
