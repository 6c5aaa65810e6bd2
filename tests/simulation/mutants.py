"""Deliberate mistakes in the protocol. Each must be noticed: a simulation that finds nothing proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
from sqlalchemy import delete, update

from fieldapp.domain.entry import Entry, chain_hash
from fieldapp.server import feed
from fieldapp.store import device, lines, receiving, server
from fieldapp.store.rows import Head, Page
from fieldapp.store.tables import CursorRow, EntryRow, EpochRow, LogRow, OwnEntryRow, ScopeRow, StreamRow, StreamStateRow
from fieldapp.sync import answers, engine
from fieldapp.sync import messages as m
from fieldapp.sync.machine import State, Step, look, new, progress
from tests.simulation import server as sim_server
from tests.simulation.storage import PowerCut

Patch = tuple[Any, str, Any]


def _end_of(state: State) -> Head:
    assert isinstance(state.request, m.AskPush)
    run = state.request.run
    chain = run.prev_hash
    for seq, entry in enumerate(run.entries, run.from_seq):
        chain = chain_hash(chain, seq, entry.hash)
    return Head(run.epoch, run.from_seq + len(run.entries) - 1, chain)


def _silence_is_consent() -> list[Patch]:
    real = answers._fault

    def fault(state: State, now: int, answer: m.Fault) -> Step:
        if isinstance(state.request, m.AskPush):
            return look(progress(state), m.Acknowledge(_end_of(state), 1))
        return real(state, now, answer)

    return [(answers, "_fault", fault)]


def _delete_on_401() -> list[Patch]:
    real = answers._refused

    def refused(state: State, now: int, answer: m.Refused) -> Step:
        if answer.status == 401 and isinstance(state.request, m.AskPush):
            return look(new(state, renew=True), m.Acknowledge(_end_of(state), 1))
        return real(state, now, answer)

    return [(answers, "_refused", refused)]


def _receipt_before_commit() -> list[Patch]:
    real = sim_server.SimServer.answer

    def answer(self: sim_server.SimServer, person: str, token: str, request: m.Request) -> m.Answer:
        try:
            return real(self, person, token, request)
        except PowerCut:
            if not isinstance(request, m.AskPush):
                raise
            run = request.run
            head = _end_of(new(State(0), request=request))
            receipt = m.Receipt(head.epoch, head.seq, head.hash, 0, self._clock())
            return m.Good(m.PushAnswer(receipt, ("received",) * len(run.entries), str(self.incarnation)))

    return [(sim_server.SimServer, "answer", answer)]


def _cursor_before_rows() -> list[Patch]:
    real = device.DeviceReplica.receive

    def receive(self: device.DeviceReplica, page: Page) -> Any:
        with self._db.write() as conn:
            rows = [{"log": log, "cursor": cursor} for log, cursor in page.cursors.items()]
            self._db.upsert(conn, CursorRow, rows)
        return real(self, page)

    return [(device.DeviceReplica, "receive", receive)]


def _complete_too_early() -> list[Patch]:
    def apply(self: receiving.Receiver, backfilled: Any) -> list[str]:
        live = []
        for stream, after, done in backfilled:
            row = self._scope.get(stream)
            if row is None or row.live or row.upto == receiving.LEAVING:
                continue
            row.after = max(row.after, after)
            if done:
                row.live = True
                live.append(stream)
            self._scope_changed.add(stream)
        return live

    return [(receiving.Receiver, "_progress", apply)]


def _cursor_at_the_head() -> list[Patch]:
    real = feed._Page.follow

    def follow(self: Any, log: str, cursor: Any, head: Any) -> None:
        real(self, log, cursor, head)
        whole = not self.cursors[log].endswith("f") and feed.reads_whole(self._who.role, log)
        self.cursors[log] = head.text(filtered=not whole)

    return [(feed._Page, "follow", follow)]


def _everything_is_new() -> list[Patch]:
    return [(server.ServerReplica, "_known", lambda self, conn, entries: {})]


def _old_line_after_a_rollback_and_no_fork() -> list[Patch]:
    """The device goes on where its old database stood, and the server takes a known position for a known entry."""
    real = server.ServerReplica._take_positions

    def take(self: Any, conn: Any, who: Any, run: Any, head: Head, now: int) -> Any:
        fresh = max(0, head.seq + 1 - run.from_seq)
        if fresh and fresh <= len(run.entries):
            rest = run.entries[fresh:]
            if not rest:
                return [], ("duplicate",) * len(run.entries), Head(head.epoch, head.seq, _end_hash(run, head.seq), head.safe_seq)
            run = msgspec.structs.replace(run, entries=rest, from_seq=head.seq + 1, prev_hash=head.hash)
            taken, statuses, after = real(self, conn, who, run, head, now)
            return taken, ("duplicate",) * fresh + statuses, after
        return real(self, conn, who, run, head, now)

    return [
        (lines.Lines, "is_from_another_time", lambda self, conn, found: False),
        (server.ServerReplica, "_take_positions", take),
        (answers, "_heads", lambda asked, body: ()),
    ]


def _end_hash(run: Any, upto: int) -> str:
    chain: str = run.prev_hash
    for seq, entry in enumerate(run.entries, run.from_seq):
        if seq <= upto:
            chain = chain_hash(chain, seq, entry.hash)
    return chain


def _journal_never_read() -> list[Patch]:
    return [(device.DeviceReplica, "start", lambda self: None)]


def _kept_entries_not_offered_again() -> list[Patch]:
    def forget(self: device.DeviceReplica) -> None:
        with self._db.write() as conn:
            for table in (CursorRow, ScopeRow, StreamRow, StreamStateRow, LogRow):
                conn.execute(delete(table))

    return [(device.DeviceReplica, "forget_cursors", forget), (answers, "_heads", lambda asked, body: ())]


def _no_poll() -> list[Patch]:
    real = engine.rest

    def rest(state: State, now: int) -> Step:
        state, _ = real(state, now)
        return new(state, wake=now + 10**9), (m.Arm(now + 10**9),)

    return [(engine, "rest", rest)]


def _groups_torn_apart() -> list[Patch]:
    real = lines.Lines.outgoing

    def outgoing(self: lines.Lines, conn: Any, limit: int, size: int) -> Any:
        run = real(self, conn, limit, size)
        return run and msgspec.structs.replace(run, entries=run.entries[:1])

    return [(lines.Lines, "outgoing", outgoing)]


def _received_twice() -> list[Patch]:
    """A known entry in a new line of writing gets a second place in the log."""

    def known(self: Any, conn: Any, entries: Sequence[Entry]) -> dict[str, str]:
        return {}

    def store(self: Any, conn: Any, entries: Sequence[Entry]) -> None:
        self._db.insert_new(conn, EntryRow, [server.entry_row(entry) for entry in entries])

    return [(server.ServerReplica, "_known", known), (server.ServerReplica, "_store", store)]


def _acknowledged_beyond() -> list[Patch]:
    """A receipt moves everything that is unsent, also what was recorded meanwhile."""
    real = lines.Lines.acknowledge

    def acknowledge(self: lines.Lines, conn: Any, head: Head, time: int) -> list[str]:
        ids = real(self, conn, head, time)
        conn.execute(update(OwnEntryRow).where(OwnEntryRow.epoch == head.epoch).values(lane="received"))  # type: ignore[arg-type]
        conn.execute(update(EpochRow).where(EpochRow.epoch == head.epoch).values(acked_seq=EpochRow.head_seq))  # type: ignore[arg-type]
        return ids

    return [(lines.Lines, "acknowledge", acknowledge)]


MUTANTS: dict[str, Callable[[], list[Patch]]] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _silence_is_consent, _delete_on_401, _receipt_before_commit, _cursor_before_rows, _complete_too_early,
        _cursor_at_the_head, _everything_is_new, _old_line_after_a_rollback_and_no_fork, _journal_never_read,
        _kept_entries_not_offered_again, _no_poll, _groups_torn_apart, _received_twice, _acknowledged_beyond,
    )
}  # fmt: skip


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The program with this mistake in it."""
    with ExitStack() as stack:
        for target, attribute, value in MUTANTS[name]():
            stack.enter_context(patch.object(target, attribute, value))
        yield
