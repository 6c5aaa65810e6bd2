"""Taking in one page of rows on a device: rows, backfill progress, scope and cursors in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlmodel import col

from fieldapp.domain.entry import read_entry
from fieldapp.domain.entry_types.base import Fact
from fieldapp.store.database import Database, chunks
from fieldapp.store.entries import entry_row, facts_of
from fieldapp.store.heads import StreamHeads
from fieldapp.store.pending import refresh_jobs
from fieldapp.store.rows import WHOLE_LOG, Page, Row
from fieldapp.store.tables import (
    CursorRow,
    DocumentRow,
    EntryRow,
    FileRow,
    JobRow,
    LogRow,
    OwnEntryRow,
    ScopeRow,
    StreamRow,
    StreamStateRow,
    table_of,
)  # fmt: skip

LEAVING = -1
"""`ScopeRow.upto` of a stream that left the scope while own work on it is still unsent: it goes when that was received."""


def whole_log(log: str) -> str:
    """The scope row's name for a whole log."""
    return f"{WHOLE_LOG}:{log}"


class Receiver:
    """One page into one transaction of one device."""

    def __init__(self, db: Database, conn: Connection, device: str, role: str) -> None:
        self._db, self._conn, self._device, self._role = db, conn, device, role
        self._scope: dict[str, ScopeRow] = {row.stream: row for row in map(_scope_row, conn.execute(select(table_of(ScopeRow))))}
        self._scope_changed: set[str] = set()

    def receive(self, page: Page) -> frozenset[str]:
        """Write a page. Returns the streams whose view changed."""
        changed = self._remove(page.removed)
        self._add(page.added)
        live_before = {stream for stream, row in self._scope.items() if row.live}
        rows = sorted(page.rows, key=lambda row: (row.log, row.pos))
        self._store(rows)
        became_live = self._progress(page.backfilled)
        heads = StreamHeads(self._db, self._conn)
        self._fold_tail(heads, rows, live_before)
        self._refold(heads, became_live)
        heads.save()
        changed |= {head.stream for head in heads.changed()}
        self._settle(rows)
        logs = {head.stream: head.log for head in heads.changed()}
        logs |= {
            stream: row.log for row in rows for stream in row.entry.envelope.streams if row.entry.envelope.device == self._device
        }
        refresh_jobs(self._db, self._conn, logs, self._role)
        self._save_scope()
        self._db.upsert(self._conn, CursorRow, [{"log": log, "cursor": cursor} for log, cursor in page.cursors.items()])
        return frozenset(changed | set(logs))

    # --- Scope ------------------------------------------------------------------------------------------------------------------

    def _holds(self, log: str, stream: str) -> ScopeRow | None:
        return self._scope.get(stream) or self._scope.get(whole_log(log))

    def _add(self, added: Iterable[tuple[str, str, int]]) -> None:
        for log, stream, upto in added:
            name = whole_log(log) if stream == WHOLE_LOG else stream
            had = self._scope.get(name)
            after = had.after if had else 0
            self._scope[name] = ScopeRow(stream=name, log=log, after=after, upto=upto, live=upto <= after or stream == WHOLE_LOG)
            self._scope_changed.add(name)

    def _remove(self, removed: Iterable[tuple[str, str]]) -> set[str]:
        names = {stream for _, stream in removed if stream in self._scope}
        names |= {stream for stream, row in self._scope.items() if row.upto == LEAVING}
        if not names:
            return set()
        unsent = self._unsent_streams()
        leaving = sorted(names & unsent)
        for stream in leaving:
            self._scope[stream].upto = LEAVING
            self._scope_changed.add(stream)
        going = sorted(names - unsent)
        for part in chunks(going):
            for table in (StreamRow, StreamStateRow, JobRow, DocumentRow, ScopeRow):
                self._conn.execute(delete(table).where(col(table.stream).in_(part)))
        for stream in going:
            del self._scope[stream]
        if going:
            self._forget_rows()
        return set(going)

    def _unsent_streams(self) -> set[str]:
        query = (
            select(col(EntryRow.raw), col(EntryRow.body))
            .join(OwnEntryRow, col(OwnEntryRow.entry_id) == col(EntryRow.id))
            .where(col(OwnEntryRow.lane) == "unsent")
        )
        return {
            stream for raw, body in self._conn.execute(query) for stream in read_entry(raw, body, trusted=True).envelope.streams
        }

    def _forget_rows(self) -> None:
        """Rows and entries of others that no held stream shows any more."""
        shown = select(col(StreamRow.entry_id))
        own = select(col(OwnEntryRow.entry_id))
        self._conn.execute(delete(LogRow).where(col(LogRow.entry_id).not_in(shown), col(LogRow.entry_id).not_in(own)))
        self._conn.execute(delete(EntryRow).where(col(EntryRow.id).not_in(shown), col(EntryRow.id).not_in(own)))

    def _progress(self, backfilled: Iterable[tuple[str, int, bool]]) -> list[str]:
        live: list[str] = []
        for stream, after, done in backfilled:
            row = self._scope.get(stream)
            if row is None or row.live or row.upto == LEAVING:
                continue
            row.after = max(row.after, after)
            if done and row.after >= row.upto:  # else it left and came back meanwhile: there is more to fetch
                row.live = True
                live.append(stream)
            self._scope_changed.add(stream)
        return live

    def _save_scope(self) -> None:
        rows = [self._scope[name].model_dump() for name in sorted(self._scope_changed) if name in self._scope]
        for part in chunks(rows):
            self._db.upsert(self._conn, ScopeRow, part)

    # --- Rows -------------------------------------------------------------------------------------------------------------------

    def _store(self, rows: list[Row]) -> None:
        files: list[dict[str, Any]] = []
        for part in chunks(rows):
            self._db.insert_new(self._conn, EntryRow, [entry_row(row.entry) for row in part])
            self._db.insert_new(self._conn, LogRow, [_log_row(row) for row in part])
            places = [
                {"log": row.log, "stream": stream, "pos": row.pos, "entry_id": row.entry.id, "device": row.entry.envelope.device,
                 "touch": ""}
                for row in part for stream in row.entry.envelope.streams if self._holds(row.log, stream)
            ]  # fmt: skip
            for some in chunks(places):
                self._db.insert_new(self._conn, StreamRow, some)
            files += [
                {"sha256": file.sha256, "size": file.size, "name": file.name, "media": file.media, "state": "wanted", "job": ""}
                for row in part if row.entry.envelope.type == "procedure.published" for file in row.entry.envelope.files
            ]  # fmt: skip
        self._db.insert_new(self._conn, FileRow, files)

    def _fold_tail(self, heads: StreamHeads, rows: list[Row], live: set[str]) -> None:
        def shown(row: Row, stream: str) -> bool:
            return stream in live or (stream not in self._scope and whole_log(row.log) in self._scope)

        names = [(stream, row.log) for row in rows for stream in row.entry.envelope.streams if shown(row, stream)]
        heads.load(names)
        wanted = {stream for stream, _ in names}
        for row in rows:
            streams = [s for s in row.entry.envelope.streams if s in wanted and row.pos > heads[s].pos]
            if streams:
                heads.fold(Fact(row.entry, row.outcome, row.reason, row.role), row.pos, streams, is_entry=row.kind == "entry")

    def _refold(self, heads: StreamHeads, streams: list[str]) -> None:
        for stream in streams:
            heads.reset(stream, self._scope[stream].log)
        for stream, pos, is_entry, fact in facts_of(self._conn, streams):
            heads.fold(fact, pos, [stream], is_entry=is_entry)

    def _settle(self, rows: list[Row]) -> None:
        for row in rows:
            if row.entry.envelope.device != self._device:
                continue
            mine = col(OwnEntryRow.entry_id) == row.entry.id
            self._conn.execute(update(OwnEntryRow).where(mine).values(outcome=row.outcome, reason=row.reason))
            self._conn.execute(update(OwnEntryRow).where(mine, col(OwnEntryRow.lane) == "received").values(lane="settled"))


def _scope_row(row: Any) -> ScopeRow:
    return ScopeRow(stream=row.stream, log=row.log, after=row.after, upto=row.upto, live=row.live)


def _log_row(row: Row) -> dict[str, Any]:
    return {
        "log": row.log, "pos": row.pos, "kind": row.kind, "entry_id": row.entry.id, "device": row.entry.envelope.device,
        "outcome": row.outcome, "reason": row.reason, "role": row.role, "received_at": row.at, "chain": "",
    }  # fmt: skip
