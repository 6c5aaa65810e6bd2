"""Taking in one page of rows on a device: rows, backfill progress, scope and cursors in one transaction."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlmodel import col

from fieldapp.domain.decision_words import without_why
from fieldapp.domain.entry import Entry
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.entry_types.erasure import ERASURES
from fieldapp.store.agreement import Agreement
from fieldapp.store.database import Columns, Database, chunks, marks, plain
from fieldapp.store.doubts import Doubts, too_many
from fieldapp.store.entries import LOG_COLUMNS, STREAM_COLUMNS, entry_rows, facts_of
from fieldapp.store.erasing import ERASED, drop_bodies, drop_whys, live_files, named_in, own_file_rows
from fieldapp.store.heads import StreamHeads
from fieldapp.store.judge import home_of
from fieldapp.store.pending import forget_views, refresh_jobs
from fieldapp.store.rows import WHOLE_LOG, Page, Row
from fieldapp.store.tables import (
    CursorRow,
    DraftRow,
    EntryRow,
    FileRow,
    LogRow,
    OwnEntryRow,
    ScopeRow,
    SettingRow,
    StreamRow,
    StreamStateRow,
)  # fmt: skip

AGAIN = 0
"""`ScopeRow.upto` of a stream to be read again that the server has not named yet since; it is shown as it was meanwhile."""
LOGS = "logs"
"""A setting: the logs that the person reads, as the server last said."""
ERASING = "erasing"
"""A setting while content was erased in the database and not yet everywhere beside it."""
FORGOTTEN = "forgotten"
"""Settings by stream: when the office had erased it while something about it was unsent here, by the server's clock (ms UTC)."""
READING = "reading"
"""A setting while there is more to read: a file of what was erased may be named further on by something that was not."""
LEAVING = -1
"""`ScopeRow.upto` of a stream that left the scope while own work on it is still unsent: it goes when that was received."""


_OF_A_STREAM = ("stream_rows", "stream_states", "jobs", "documents", "scope")
"""Tables that hold something of a stream."""


def whole_log(log: str) -> str:
    """The scope row's name for a whole log."""
    return f"{WHOLE_LOG}:{log}"


@dataclass(slots=True)
class Held:
    """How far a stream in scope has come (see ScopeRow)."""

    log: str
    after: int
    upto: int
    live: bool


class Receiver:
    """One page into one transaction of one device."""

    def __init__(self, db: Database, conn: Connection, device: str, role: str, now: int) -> None:
        self._db, self._conn, self._device, self._role = db, conn, device, role
        self._doubts, self._agreement = Doubts(db, conn, now), Agreement(db, conn, now)
        self._strays: frozenset[tuple[str, str]] = frozenset()
        self.erased = False
        """Whether content was taken with this page: beside the database it has to go as well."""
        self.ordered = False
        """Whether this page says that something is to be forgotten."""
        self._scope: dict[str, Held] = {}
        self._scope_changed: set[str] = set()

    def receive(self, page: Page) -> frozenset[str]:
        """Write a page. Returns the streams whose view changed."""
        self._load_scope(page)
        changed = self._remove(self._told_to_leave(page))
        self._add(page.added)
        rows = sorted(page.rows, key=lambda row: (row.log, row.pos))
        self._strays = self._find_strays(rows)
        self._agreement.make_room(rows)
        self._store(rows)
        heads = StreamHeads(self._db, self._conn)
        self._fold_tail(heads, rows)
        became_live = self._progress(page.backfilled)
        self._refold(heads, became_live, rows)
        heads.save()
        changed |= {head.stream for head in heads.changed()}
        self._erase(heads, rows)
        again = self._agreement.fetched(became_live)
        self._read_again(page)
        earlier = self._of_earlier_devices(rows)
        own = [row for row in rows if row.entry.envelope.device == self._device or row.entry.id in earlier]
        self._settle({row.entry.id for row in own})
        logs = {head.stream: head.log for head in heads.changed()}
        logs |= {stream: row.log for row in own for stream in row.entry.envelope.streams}
        self._save_scope()  # first: what is to be fetched now stays in view as it is
        refresh_jobs(self._db, self._conn, logs, self._role, {head.stream: head for head in heads.changed()})
        self._part_of_the_whole_again(again)
        if page.cursors and not (page.rows or page.added or page.backfilled):  # an answer with nothing new: all has been said
            self._forget_what_did_not_come_back()
        self._put_off(page)
        known = dict(self._db.rows(self._conn, "SELECT log, cursor FROM cursors"))
        moved = [{"log": log, "cursor": cursor} for log, cursor in page.cursors.items() if known.get(log) != cursor]
        self._db.upsert(self._conn, CursorRow, moved)  # an answer with nothing new writes nothing
        return frozenset(changed | set(logs))

    # --- Scope ------------------------------------------------------------------------------------------------------------------

    def _load_scope(self, page: Page) -> None:
        """What is held of the streams that the page names, and what is about to leave: never the whole scope."""
        names = {stream for row in page.rows for stream in row.entry.envelope.streams}
        names |= {stream for _, stream, _ in page.added} | {stream for _, stream in page.removed}
        names |= {stream for stream, _, _ in page.backfilled}
        names |= {whole_log(log) for log in {row.log for row in page.rows} | {log for log, _, _ in page.added} | set(page.cursors)}
        names |= {whole_log(log) for log, stream in page.removed if stream == WHOLE_LOG}
        for part in chunks(sorted(names)):
            self._take_scope(f"stream IN ({marks(part)})", part)
        self._take_scope("upto = ?", [LEAVING])

    def _take_scope(self, where: str, values: list[Any]) -> None:
        query = f'SELECT stream, log, "after", upto, live FROM scope WHERE {where}'
        for stream, log, after, upto, live in self._db.rows(self._conn, query, values):
            self._scope[stream] = Held(log, after, upto, bool(live))

    def _holds(self, log: str, stream: str) -> bool:
        if (log, stream) in self._strays:
            return False
        return stream in self._scope or whole_log(log) in self._scope

    def _add(self, added: Iterable[tuple[str, str, int]]) -> None:
        for log, stream, upto in added:
            name = whole_log(log) if stream == WHOLE_LOG else stream
            had = self._scope.get(name)
            after = had.after if had else 0
            self._scope[name] = Held(log, after, upto, upto <= after or stream == WHOLE_LOG)
            self._doubts.forget({name})
            self._scope_changed.add(name)

    def _told_to_leave(self, page: Page) -> set[str]:
        """What the server says has left, as far as it is believed at once."""
        told = {whole_log(log) if stream == WHOLE_LOG else stream for log, stream in page.removed} & set(self._scope)
        told |= self._of_lost_logs(page.logs)
        gone = {name for name in told if self._scope[name].upto == LEAVING and name not in self._doubts}
        believed = gone | self._doubts.believed(told - gone)
        for name in told - believed:
            self._scope[name].upto = LEAVING
            self._scope_changed.add(name)
        return believed

    def _of_lost_logs(self, logs: tuple[str, ...]) -> set[str]:
        """Everything held of logs that the person reads no more: the branch was changed."""
        now = " ".join(logs)
        known = self._db.rows(self._conn, "SELECT value FROM settings WHERE name = ?", (LOGS,)) if logs else []
        if not logs or known == [(now,)]:
            return set()
        self._db.upsert(self._conn, SettingRow, [{"name": LOGS, "value": now}])
        query = f"SELECT stream FROM scope WHERE log NOT IN ({marks(logs)}) AND upto <> ? ORDER BY stream"
        names = [stream for (stream,) in self._db.rows(self._conn, query, (*logs, LEAVING))]
        for part in chunks([stream for stream in names if stream not in self._scope]):
            self._take_scope(f"stream IN ({marks(part)})", part)
        return set(names)

    def _remove(self, names: set[str]) -> set[str]:
        names |= {stream for stream, row in self._scope.items() if row.upto == LEAVING and stream not in self._doubts}
        if not names:
            return set()
        unsent = self._unsent_streams()
        leaving = sorted(names & unsent)
        for stream in leaving:
            self._scope[stream].upto = LEAVING
            self._scope_changed.add(stream)
        going = sorted(names - unsent)
        for part in chunks(going):
            for table in _OF_A_STREAM:
                self._db.run(self._conn, f"DELETE FROM {table} WHERE stream IN ({marks(part)})", part)
        lost = [self._scope[name].log for name in going if name.startswith(f"{WHOLE_LOG}:")]
        for log in lost:
            for table in _OF_A_STREAM:
                self._db.run(self._conn, f"DELETE FROM {table} WHERE log = ?", (log,))
        for stream in going:
            del self._scope[stream]
        if going:
            self._forget_rows()
        return set(going)

    def _unsent_streams(self) -> set[str]:
        query = (
            "SELECT DISTINCT o.stream, o.also, e.log FROM own_entries o JOIN epochs e ON e.epoch = o.epoch WHERE o.lane = 'unsent'"
        )
        found = self._db.rows(self._conn, query)
        streams = {name for stream, also, _ in found for name in (stream, *also.split())}
        return streams | {whole_log(log) for _, _, log in found}

    def _forget_rows(self) -> None:
        """Rows and entries of others that no held stream shows any more."""
        unneeded = "NOT IN (SELECT entry_id FROM stream_rows UNION ALL SELECT entry_id FROM own_entries)"
        self._db.run(self._conn, f"DELETE FROM log_rows WHERE entry_id {unneeded}")
        self._db.run(self._conn, f"DELETE FROM entries WHERE id {unneeded}")

    def _progress(self, backfilled: Iterable[tuple[str, int, bool]]) -> list[str]:
        live: list[str] = []
        for stream, after, done in backfilled:
            row = self._scope.get(stream)
            if row is not None and self._doubts.asked_again(stream):  # it was asked for again, and has not left
                self._doubts.forget({stream})
                row.after, row.upto, row.live = 0, self._cursor(row.log), False
            if row is None or row.live or row.upto == LEAVING:
                continue
            row.after = max(row.after, after)
            if done and row.after >= row.upto:  # else it left and came back meanwhile: there is more to fetch
                row.live = True
                live.append(stream)
            self._scope_changed.add(stream)
        return live

    def _save_scope(self) -> None:
        rows = [
            {"stream": name, "log": held.log, "after": held.after, "upto": held.upto, "live": held.live}
            for name, held in sorted(self._scope.items())
            if name in self._scope_changed
        ]
        for part in chunks(rows):
            self._db.upsert(self._conn, ScopeRow, part)

    def _forget_what_did_not_come_back(self) -> None:
        """Once everything was read again: what was shown meanwhile of streams that are no longer in scope."""
        lost = "SELECT stream FROM scope WHERE NOT live AND upto = ?"
        names = {name for (name,) in self._db.rows(self._conn, lost, (AGAIN,))}
        if not names:
            return
        if too_many(len(names), self._doubts.held()):
            self._doubts.note(names)
            self._db.run(self._conn, "UPDATE scope SET upto = ? WHERE NOT live AND upto = ?", (LEAVING, AGAIN))
            return
        own = "SELECT stream FROM own_entries WHERE lane <> 'settled'"
        self._db.run(self._conn, f"DELETE FROM jobs WHERE stream IN ({lost}) AND stream NOT IN ({own})", (AGAIN,))
        for table in ("stream_rows", "documents", "scope"):
            self._db.run(self._conn, f"DELETE FROM {table} WHERE stream IN ({lost})", (AGAIN,))
        self._forget_rows()

    # --- Erasure ----------------------------------------------------------------------------------------------------------------

    def _erase(self, heads: StreamHeads, rows: list[Row]) -> None:
        """Take the content from what an erasure comes after, and from what the server sends without any."""
        ids = {row.entry.id for row in rows if row.entry.body_raw is None}
        orders = [row for row in rows if row.entry.envelope.type in ERASURES and row.kind == "entry" and row.outcome == "applied"]
        self.ordered = bool(orders)
        if not ids and not orders:
            return
        refused = self._refused() if orders else []
        concerned = self._concerned(orders)
        decided: set[str] = set()
        self._note_for_later(orders)
        for row in orders:
            stream = row.entry.envelope.stream
            there = {name for name, at, streams in refused if at <= row.at and stream in streams}
            there |= {name for name, pos in concerned.get((row.log, stream), ()) if pos < row.pos}
            ids |= there
            decided |= self._forget_whys(row, there)
            self._conn.execute(delete(DraftRow).where(col(DraftRow.job) == stream))
        erased = drop_bodies(self._conn, ids, lambda sha256: sha256 in self._live_files)
        for names in chunks(sorted(erased.files | self._files_of(orders, erased.files))):
            self._conn.execute(update(FileRow).where(col(FileRow.sha256).in_(names)).values(state=ERASED, name=""))
        homes = sorted({row.entry.envelope.stream for row in orders})
        here = "SELECT 1 FROM entries e WHERE e.id = documents.entry_id AND e.body IS NOT NULL"
        for names in chunks(homes):  # what is left of a history that was read anew since
            self._db.run(self._conn, f"DELETE FROM documents WHERE stream IN ({marks(names)}) AND NOT EXISTS ({here})", names)
        streams = erased.streams | decided | self._known(homes)
        self.erased = bool(streams) or any(self._cursor(row.log) for row in orders)  # free pages may hold what has left before
        if not self.erased:
            return
        self._db.upsert(self._conn, SettingRow, [{"name": ERASING, "value": "1"}])
        shown = [place for name in sorted(streams) if (place := self._shown_stream(name)) is not None]
        for stream, log in shown:
            heads.reset(stream, log)
        for stream, pos, is_entry, fact in facts_of(self._db, self._conn, [stream for stream, _ in shown]):
            heads.fold(fact, pos, [stream], is_entry=is_entry)
        heads.save()
        kept = {stream for stream, _ in shown}
        gone = sorted(streams - kept)
        for names in chunks(gone):  # it is shown as it was, from a time when it was held, or until it has been read again
            self._conn.execute(delete(StreamStateRow).where(col(StreamStateRow.stream).in_(names)))
        forget_views(self._db, self._conn, [stream for stream in gone if stream.startswith("job:")], self._role)

    def _put_off(self, page: Page) -> None:
        """While there is more to read, what has to go beside the database waits: it goes once, with the last page."""
        known = {
            name for (name,) in self._db.rows(self._conn, "SELECT name FROM settings WHERE name IN (?, ?)", (READING, ERASING))
        }
        unread = "SELECT 1 FROM scope WHERE NOT live AND upto > 0 LIMIT 1"
        if page.more or self._db.rows(self._conn, unread):
            self.erased = False
            if READING not in known:
                self._db.upsert(self._conn, SettingRow, [{"name": READING, "value": "1"}])
        elif READING in known:
            self._db.run(self._conn, "DELETE FROM settings WHERE name = ?", (READING,))
            self.erased = ERASING in known

    def _forget_whys(self, order: Row, entries: set[str]) -> set[str]:
        """What people said about their decisions on what is erased. Returns the streams of these entries."""
        streams: set[str] = set()
        for names in chunks(sorted(entries)):
            streams |= drop_whys(self._conn, order.log, col(EntryRow.id).in_(names), order.pos).streams
            own = select(col(OwnEntryRow.entry_id), col(OwnEntryRow.reason)).where(col(OwnEntryRow.entry_id).in_(names))
            for name, reason in self._conn.execute(own.where(col(OwnEntryRow.reason) != "")).all():
                of = col(OwnEntryRow.entry_id) == name
                self._conn.execute(update(OwnEntryRow).where(of).values(reason=without_why(reason)))
        return streams

    def _known(self, names: Sequence[str]) -> set[str]:
        """Those of these streams that are shown in a list or folded here, whether or not their rows are here."""
        query = "SELECT stream FROM {} WHERE stream IN (" + marks(names) + ")"
        return {name for table in ("jobs", "stream_states") for (name,) in self._db.rows(self._conn, query.format(table), names)}

    def _note_for_later(self, orders: Sequence[Row]) -> None:
        """What is unsent may be with the server all the same, as bytes whose receipt was lost, and be emptied there: when the
        receipt comes, it says since when the server had them (see `DeviceReplica.refuse`)."""
        query = "SELECT DISTINCT stream, also FROM own_entries WHERE lane = 'unsent'"
        rows = self._db.rows(self._conn, query) if orders else []
        unsent = {name for stream, also in rows for name in (stream, *also.split())}
        noted = {row.entry.envelope.stream: row.at for row in orders if row.entry.envelope.stream in unsent}
        self._db.upsert(self._conn, SettingRow, [{"name": f"{FORGOTTEN} {s}", "value": str(at)} for s, at in noted.items()])

    def _files_of(self, orders: Sequence[Row], known: Container[str]) -> frozenset[str]:
        """Files of the jobs to be forgotten that no entry here names: a copy of this disk recorded them, or the entry has left."""
        jobs = sorted({row.entry.envelope.stream for row in orders})
        query = f"SELECT sha256 FROM files WHERE state <> ? AND job IN ({marks(jobs)})"
        found = [sha256 for (sha256,) in self._db.rows(self._conn, query, (ERASED, *jobs))] if jobs else []
        return frozenset(sha256 for sha256 in found if sha256 not in known and sha256 not in self._live_files)

    def _concerned(self, orders: Sequence[Row]) -> dict[tuple[str, str], list[tuple[str, int]]]:
        """(entry, position) of what is here of the streams to be forgotten, by (log, stream). Whatever is held: an asset that is
        held brings what was recorded about it on jobs that are not. Where a log is read whole, every stream is."""
        streams = {row.entry.envelope.stream for row in orders}
        found: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for log in sorted({row.log for row in orders}):
            query = "SELECT r.pos, e.id, e.raw, e.stream FROM log_rows r JOIN entries e ON e.id = r.entry_id WHERE r.log = ?"
            values = [log]
            if whole_log(log) in self._scope:
                standing = f"SELECT pos FROM stream_rows WHERE log = ? AND stream IN ({marks(list(streams))})"
                query += f" AND (r.device = ? OR r.pos IN ({standing}))"
                values += [self._device, log, *sorted(streams)]
            for pos, name, raw, home in plain(self._conn).execute(query, values):
                named = named_in(raw, home)
                for stream in streams.intersection((named.stream, *named.also)):
                    found.setdefault((log, stream), []).append((name, pos))
        return found

    def _refused(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """(entry, when the server had it by its clock, streams) of what has no place in a log here: handed over as bytes, or
        recorded on an earlier device of this person."""
        query = (
            "SELECT o.entry_id, coalesce(o.received_at, 0), o.stream, o.also "
            "FROM own_entries o JOIN entries e ON e.id = o.entry_id "
            "WHERE o.outcome = '' AND (o.lane = 'refused' OR (o.lane = 'received' AND e.device <> ?)) "
            "AND NOT EXISTS (SELECT 1 FROM log_rows r WHERE r.entry_id = o.entry_id)"
        )
        rows = self._db.rows(self._conn, query, (self._device,))
        return [(name, at, (home, *also.split())) for name, at, home, also in rows]

    def _shown_stream(self, stream: str) -> tuple[str, str] | None:
        """(stream, log) where its rows are folded here. What was erased in one log may name what belongs to another."""
        log = self._conn.execute(select(col(StreamRow.log)).where(col(StreamRow.stream) == stream).limit(1)).scalar()
        waits = select(col(ScopeRow.stream)).where(col(ScopeRow.stream) == stream, col(ScopeRow.live).is_(False))
        waiting = not self._scope[stream].live if stream in self._scope else self._conn.execute(waits).first() is not None
        return None if log is None or waiting else (stream, str(log))

    @cached_property
    def _live_files(self) -> frozenset[str]:
        """Files that an entry with content names. Looked up once a page, after the content of others has gone."""
        return live_files(self._conn)

    # --- Agreement --------------------------------------------------------------------------------------------------------------

    def _read_again(self, page: Page) -> None:
        """Streams that fold to something else than on the server are to be fetched from their beginning."""
        for stream, log in self._agreement.differing(page.digests, self._shows):
            upto = int(page.cursors[log].partition(":")[0]) if log in page.cursors else self._cursor(log)
            self._scope[stream] = Held(log, 0, upto, False)
            self._scope_changed.add(stream)

    def _part_of_the_whole_again(self, streams: list[str]) -> None:
        """Of a log that is read whole, a stream that has come again needs no place of its own in the scope any more."""
        parts = [stream for stream in streams if whole_log(self._scope[stream].log) in self._scope and self._scope[stream].live]
        for names in chunks(parts):
            self._conn.execute(delete(ScopeRow).where(col(ScopeRow.stream).in_(names)))

    def _cursor(self, log: str) -> int:
        """Up to where a log had been read before this page."""
        found = self._db.rows(self._conn, "SELECT cursor FROM cursors WHERE log = ?", (log,))
        return int(found[0][0].partition(":")[0]) if found else 0

    # --- Rows -------------------------------------------------------------------------------------------------------------------

    def _store(self, rows: list[Row]) -> None:
        files: list[dict[str, Any]] = []
        for part in chunks(rows):
            here = self._own_here(part)
            self._bring_back([row.entry for row in part])
            self._db.insert_new(self._conn, EntryRow, entry_rows(row.entry for row in part if row.entry.id not in here))
            self._db.insert_new(self._conn, LogRow, Columns(LOG_COLUMNS, [_log_row(row) for row in part]))
            places = [
                (row.log, stream, row.pos, row.entry.id, row.entry.envelope.device, "")
                for row in part for stream in row.entry.envelope.streams if self._holds(row.log, stream)
            ]  # fmt: skip
            for some in chunks(places):
                self._db.insert_new(self._conn, StreamRow, Columns(STREAM_COLUMNS, some))
            files += [row for entry in part for row in self._file_rows(entry)]
        self._db.insert_new(self._conn, FileRow, files)
        for file in (file for file in files if file["state"] != ERASED):  # erased with another customer, and named by this one
            again = "UPDATE files SET state = ?, name = ?, job = ? WHERE sha256 = ? AND state = ?"
            self._db.run(self._conn, again, (file["state"], file["name"], file["job"], file["sha256"], ERASED))

    def _bring_back(self, entries: list[Entry]) -> None:
        """What was erased here and has content at the server, which was put back to before that: its history is what people see."""
        bodies = {entry.id: entry.body_raw for entry in entries if entry.body_raw is not None}
        query = f"SELECT id FROM entries WHERE body IS NULL AND id IN ({marks(list(bodies))})"
        for (name,) in self._db.rows(self._conn, query, list(bodies)):
            self._db.run(self._conn, "UPDATE entries SET body = ? WHERE id = ?", (bodies[name], name))

    def _own_here(self, rows: list[Row]) -> frozenset[str]:
        """Own entries among these that lie here already, as most do: their outcome is what is new."""
        ids = [row.entry.id for row in rows if row.entry.envelope.device == self._device]
        if not ids:
            return frozenset()
        found = self._db.rows(self._conn, f"SELECT id FROM entries WHERE id IN ({marks(ids)})", ids)
        return frozenset(name for (name,) in found)

    def _find_strays(self, rows: list[Row]) -> frozenset[tuple[str, str]]:
        """(log, stream) of streams that rows of this page name though they belong to another log: the server kept such entries,
        but they stand in no stream there, nor may they here."""
        suspects = [row for row in rows if row.outcome == "quarantined" or row.kind == "outcome"]
        known: dict[str, str] = {}
        for names in chunks(sorted({stream for row in suspects for stream in row.entry.envelope.streams})):
            query = f"SELECT stream, log FROM stream_states WHERE stream IN ({marks(names)})"
            known.update(self._db.rows(self._conn, query, names))
        pairs = {(row.log, stream) for row in suspects for stream in row.entry.envelope.streams}
        return frozenset((log, stream) for log, stream in pairs if known.get(stream, home_of(stream, log)) != log)

    def _file_rows(self, row: Row) -> list[dict[str, Any]]:
        """Files to fetch; and those of own entries, which a database that was lost and is made anew does not know: they may be
        only here, or are to go, where the entry was erased meanwhile."""
        envelope = row.entry.envelope
        if envelope.device == self._device:
            return own_file_rows(row.entry)
        if envelope.type != "procedure.published":
            return []
        return [
            {"sha256": file.sha256, "size": file.size, "name": file.name, "media": file.media, "state": "wanted", "job": ""}
            for file in envelope.files
        ]

    def _fold_tail(self, heads: StreamHeads, rows: list[Row]) -> None:
        names = [(stream, row.log) for row in rows for stream in row.entry.envelope.streams if self._shows(row.log, stream)]
        heads.load(names)
        wanted = {stream for stream, _ in names}
        for row in rows:
            streams = [s for s in row.entry.envelope.streams if s in wanted and row.pos > heads[s].pos]
            if streams:
                heads.fold(Fact(row.entry, row.outcome, row.reason, row.role), row.pos, streams, is_entry=row.kind == "entry")

    def _shows(self, log: str, stream: str) -> bool:
        """Whether the stream's rows are folded as they come; those of a stream that is still being fetched wait."""
        if (log, stream) in self._strays:
            return False
        held = self._scope.get(stream)
        return held.live if held else whole_log(log) in self._scope

    def _refold(self, heads: StreamHeads, streams: list[str], rows: list[Row]) -> None:
        known = {row.entry.id: row.entry for row in rows}
        for stream in streams:
            heads.reset(stream, self._scope[stream].log)
        for log in sorted({self._scope[stream].log for stream in streams}):
            of_log = [stream for stream in streams if self._scope[stream].log == log]
            for stream, pos, is_entry, fact in facts_of(self._db, self._conn, of_log, known, log=log):
                heads.fold(fact, pos, [stream], is_entry=is_entry)

    def _of_earlier_devices(self, rows: list[Row]) -> frozenset[str]:
        """Those of these entries that are own ones without an outcome, which this home wrote before it was enrolled again."""
        found: set[str] = set()
        if not rows or not self._db.rows(self._conn, "SELECT 1 FROM own_entries LIMIT 1"):
            return frozenset()
        for ids in chunks(sorted({row.entry.id for row in rows if row.entry.envelope.device != self._device})):
            query = (
                f"SELECT entry_id FROM own_entries WHERE entry_id IN ({marks(ids)}) AND lane IN ('unsent', 'received', 'refused')"
            )
            found.update(name for (name,) in self._db.rows(self._conn, query, ids))
        return frozenset(found)

    def _settle(self, own: set[str]) -> None:
        """Give own entries the newest outcome that has come for them."""
        for ids in chunks(sorted(own)):
            query = f"SELECT entry_id, outcome, reason FROM log_rows WHERE entry_id IN ({marks(ids)}) ORDER BY pos"
            found = self._db.rows(self._conn, query, ids)
            newest = {entry: (outcome, reason) for entry, outcome, reason in found}
            for said in sorted(set(newest.values())):  # nearly all were applied without a word: one statement
                alike = [entry for entry, decided in newest.items() if decided == said]
                self._db.run(self._conn, _SETTLE.format(marks(alike)), (*said, *alike))


_SETTLE = (
    "UPDATE own_entries SET outcome = ?, reason = ?, lane = CASE WHEN lane IN ('received', 'refused') THEN 'settled' ELSE lane END "
    "WHERE entry_id IN ({})"
)


def _log_row(row: Row) -> tuple[Any, ...]:
    of = row.entry.envelope
    return row.log, row.pos, row.kind, of.id, of.device, row.outcome, row.reason, row.role, row.at, ""
