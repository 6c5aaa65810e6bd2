"""Folding inside a transaction: the states of the streams that work touches, loaded once, folded in memory, saved once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from fieldapp.domain.entry_types import reference
from fieldapp.domain.entry_types.base import Body, Fact, read_body
from fieldapp.domain.fold import FOLD_VERSION, State, digest_of, empty_state, fold, folds, read_state, stands, state_bytes
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.domain.promise import clocks
from fieldapp.store.database import Database, chunks, marks
from fieldapp.store.tables import DocumentRow, JobRow, StreamStateRow

CLOSED = ("approved", "cancelled", "declined")
"""Statuses of jobs that ask nothing of anybody any more."""


_HEAD = "stream, log, pos, last_entry, held, state"


class StreamHead:
    """The head of one stream while it is being folded. `before` is the state it was loaded with."""

    __slots__ = ("_bytes", "_bytes_of", "before", "changed", "held", "last_entry", "log", "pos", "state", "stream")

    def __init__(
        self, stream: str, log: str, pos: int = 0, last_entry: str = "", held: int = 0, state: State | None = None
    ) -> None:
        self.stream, self.log, self.pos, self.last_entry, self.held = stream, log, pos, last_entry, held
        self.before = self.state = state
        self.changed = False
        self._bytes = b""
        self._bytes_of: State | None = None

    def bytes(self) -> bytes:
        """The canonical bytes of the state; b'' where there is none."""
        if self.state is None:
            return b""
        if self._bytes_of is not self.state:
            self._bytes, self._bytes_of = state_bytes(self.state), self.state
        return self._bytes


class StreamHeads:
    """Heads by stream. `lock` takes row locks in the order of names (PostgreSQL): no two writers wait for each other."""

    def __init__(self, db: Database, conn: Connection, *, lock: bool = False) -> None:
        self.db, self._conn, self._lock = db, conn, lock and not db.is_sqlite
        self._heads: dict[str, StreamHead] = {}
        self._documents: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._unplaced: dict[str, dict[str, Any]] = {}

    def load(self, streams: Iterable[tuple[str, str]]) -> None:
        """Read the heads of these (stream, log) that are not loaded yet; unknown ones start empty."""
        wanted = {stream: log for stream, log in sorted(set(streams)) if stream not in self._heads}
        if self._lock and wanted:
            empty = [_row(StreamHead(stream, log, state=_empty(stream))) for stream, log in wanted.items()]
            self.db.insert_new(self._conn, StreamStateRow, empty)
        for names in chunks(sorted(wanted)):
            query = f"SELECT {_HEAD} FROM stream_states WHERE stream IN ({marks(names)}) ORDER BY stream"
            for stream, log, pos, last, held, raw in self.db.rows(
                self._conn, query + (self.db.for_update if self._lock else ""), names
            ):
                state = read_state(stream, raw) if raw else None
                self._heads[stream] = StreamHead(stream, log, pos, last, held, state)
        for stream, log in wanted.items():
            if stream not in self._heads:
                self._heads[stream] = StreamHead(stream, log, state=_empty(stream))

    def reset(self, stream: str, log: str) -> None:
        """Start a stream anew, to fold all its rows again."""
        self._heads[stream] = StreamHead(stream, log, state=_empty(stream))
        self._documents.pop(stream, None)  # what was folded of it may have been erased since

    def __getitem__(self, stream: str) -> StreamHead:
        return self._heads[stream]

    def __contains__(self, stream: str) -> bool:
        return stream in self._heads

    def changed(self) -> list[StreamHead]:
        return [head for head in self._heads.values() if head.changed]

    def fold(self, fact: Fact, pos: int, streams: Iterable[str], *, is_entry: bool = True) -> None:
        """Fold a fact at a position into the named (loaded) streams."""
        self.fold_states(fact, streams)
        self.mark(fact, streams, is_entry=is_entry)
        self.place(fact.id, pos, streams)

    def fold_states(self, fact: Fact, streams: Iterable[str], body: Body | None = None) -> None:
        """Fold a fact into the states alone, as a trial that `restore` may undo. `body`: where it was read already."""
        for stream in streams:
            head = self._heads[stream]
            if head.state is not None:
                head.state = fold(head.state, fact, body)

    def states(self, streams: Iterable[str]) -> dict[str, State | None]:
        return {stream: self._heads[stream].state for stream in streams}

    def restore(self, states: dict[str, State | None]) -> None:
        for stream, state in states.items():
            self._heads[stream].state = state

    def mark(self, fact: Fact, streams: Iterable[str], *, is_entry: bool = True) -> None:
        """Note that a fact has been folded for good; its position follows with `place`."""
        home = fact.entry.envelope.stream
        for stream in streams:
            head = self._heads[stream]
            if stream == home and not stream.startswith("job:"):
                self._document(head, fact)
            head.changed = True
            if is_entry:
                head.last_entry = fact.id
                if fact.outcome == "held":
                    head.held += 1

    def place(self, entry_id: str, pos: int, streams: Iterable[str]) -> None:
        """Give what an entry changed its position."""
        for stream in streams:
            self._heads[stream].pos = pos
        if entry_id in self._unplaced:  # placed twice where it arrives and is released at once: the later one counts
            self._unplaced[entry_id]["pos"] = pos

    def _document(self, head: StreamHead, fact: Fact) -> None:
        """Customers, sites, contracts and assets are documents as well as part of a state."""
        try:
            body = read_body(fact.entry)
        except Problem:
            return
        if not isinstance(body, reference.Reference) or not stands(fact, body):
            return
        entry = fact.entry
        row = {
            "stream": head.stream, "type": entry.envelope.type, "key": body.key(), "log": head.log, "pos": 0,
            "entry_id": entry.id, "entry_hash": entry.hash, "body": entry.body_raw or b"",
        }  # fmt: skip
        self._unplaced[entry.id] = row
        self._documents.setdefault(head.stream, {})[entry.envelope.type, body.key()] = row

    def save(self) -> None:
        """Write what changed: states with their digests, and documents."""
        for part in chunks(self.rows()):
            self.db.upsert(self._conn, StreamStateRow, part)
        for part in chunks(self.documents()):
            self.db.upsert(self._conn, DocumentRow, part)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the streams that changed."""
        return [_row(head) for head in self._heads.values() if head.changed]

    def documents(self) -> list[dict[str, Any]]:
        """Rows of the documents that were folded, the newest of each kind and key."""
        return [row for documents in self._documents.values() for row in documents.values()]


def _empty(stream: str) -> State | None:
    return empty_state(stream) if folds(stream) else None


def _row(head: StreamHead) -> dict[str, Any]:
    raw = head.bytes()
    return {
        "stream": head.stream, "log": head.log, "pos": head.pos, "last_entry": head.last_entry, "held": head.held,
        "fold_version": FOLD_VERSION, "digest": digest_of(raw) if raw else "", "state": raw,
    }  # fmt: skip


def next_due(view: JobState) -> tuple[int | None, str]:
    """(due in milliseconds UTC, promise name) of the undecided promise that is due first; (None, '') where nothing is.

    A promise whose clock stands still is due at no instant: kept here it would be overdue in the lists while nothing is late.
    """
    if view.status in CLOSED or not view.history:
        return None, ""
    open_ = [
        (clock.due_ms, clock.name)
        for clock in clocks(view, view.history[-1].by.at)
        if clock.due_ms is not None and clock.state in ("not_started", "running", "at_risk")
    ]
    return min(open_, default=(None, ""))


def job_row(stream: str, log: str, view: JobState, raw: bytes, due: tuple[int | None, str] | None = None) -> dict[str, Any]:
    """The row that lists of jobs show; a pure function of the view. `due`: what `next_due` gives, where it is known already."""
    due_at, due_name = next_due(view) if due is None else due
    return {
        "stream": stream, "log": log, "number": view.number, "status": view.status, "assignee": view.assignee,
        "customer": view.customer, "site": view.site, "product": view.product, "kind": view.kind,
        "window_start": view.window_start, "window_end": view.window_end,
        "due": due_at, "due_name": due_name, "changed_at": view.history[-1].by.at if view.history else 0,
        "steps_done": sum(1 for step in view.steps.values() if step.result and not step.result.calculated),
        "unresolved": sum(1 for item in view.unresolved if not item.decided), "view": raw,
    }  # fmt: skip


def save_jobs(db: Database, conn: Connection, rows: Iterable[dict[str, Any]]) -> None:
    for part in chunks(rows):
        db.upsert(conn, JobRow, part)
