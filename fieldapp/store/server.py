"""The replica on the server: it receives entries, decides on each once, and gives them their places in the log.

One transaction: epoch row locked, entries stored, touched streams locked (sorted) and folded, then the log's head row locked and
positions taken under it, commit. Never a sequence and never a timestamp for order: a follower of a database sequence misses rows
that commit late.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.orm import aliased
from sqlmodel import col

from fieldapp.domain.decision_words import STANDS, decision_words, read_decision
from fieldapp.domain.entry import Entry, chain_hash, read_entry
from fieldapp.domain.entry_types import ENTRY_TYPES, office
from fieldapp.domain.entry_types.reference import PersonRecorded
from fieldapp.domain.job import JobState
from fieldapp.domain.outcome import APPLIED, Outcome
from fieldapp.domain.problem import Problem
from fieldapp.store.bulk import many_at_once
from fieldapp.store.database import Columns, Database, chunks, marks
from fieldapp.store.deciding import Bytes, Decided, readable
from fieldapp.store.entries import LOG_COLUMNS, STREAM_COLUMNS, entry_rows, facts_of
from fieldapp.store.erasing import ERASED, Erased, carry_out, concerned, lock_streams
from fieldapp.store.heads import StreamHeads, job_row, save_jobs
from fieldapp.store.import_words import ARRIVED, BY_FILE
from fieldapp.store.importing import Line, TakenIn, keys_of, sort_out
from fieldapp.store.judge import Judge, Writer, fact_of, home_of, streams_of
from fieldapp.store.rows import Head, PositionProblem, Run
from fieldapp.store.scope import ScopeChanges, closed_long_ago
from fieldapp.store.tables import (
    AwaitedFileRow,
    DeviceEpochRow,
    DocumentRow,
    EntryRow,
    FileRow,
    FileStreamRow,
    JobRow,
    LogHeadRow,
    LogRow,
    PositionRow,
    QuarantineRow,
    StreamRow,
    StreamStateRow,
)  # fmt: skip

_P = ParamSpec("_P")
_T = TypeVar("_T")
Status = Literal["received", "duplicate"]
HELD_ROUNDS = 20
"""How deep held entries may build on one another within one push; what is deeper is freed by the next one."""
BUSY_TRIES = 4
"""How often a write is tried where another one was in its way (on PostgreSQL: two that waited for each other, or stored the same
entry at once)."""


_POSITION = ("epoch", "seq", "entry_id", "hash", "received_at")
_EPOCH = "SELECT device, log, seq, hash, safe_seq FROM device_epochs WHERE epoch = ?"


class Receipted(msgspec.Struct, frozen=True):
    """What was received: the epoch's new head, a status for each entry, files the server has not got, logs that moved."""

    head: Head
    statuses: tuple[Status, ...]
    wanted: tuple[str, ...]
    moved: dict[str, int]


def row_chain(previous: str, pos: int, kind: str, entry_hash: str, outcome: str) -> str:
    """Hash of a row of a log: SHA-256 over `previous pos kind entry_hash outcome` as ASCII text."""
    return hashlib.sha256(f"{previous} {pos} {kind} {entry_hash} {outcome}".encode("ascii")).hexdigest()


def _again_where_busy(write: Callable[Concatenate[ServerReplica, _P], _T]) -> Callable[Concatenate[ServerReplica, _P], _T]:
    """A write of one transaction, or of several that may be repeated, tried again where another one was in its way."""

    @functools.wraps(write)
    def tried(self: ServerReplica, /, *args: _P.args, **named: _P.kwargs) -> _T:
        for _ in range(BUSY_TRIES - 1):
            try:
                return write(self, *args, **named)
            except Problem as problem:
                if problem.code != "database-busy" or self._db.is_sqlite:
                    raise
        return write(self, *args, **named)

    return tried


class ServerReplica:
    """The only writer of the server's log and projections."""

    def __init__(self, db: Database, clock: Callable[[], int]) -> None:
        self._db, self._clock = db, clock

    @_again_where_busy
    def receive(self, who: Writer, run: Run) -> Receipted:
        """Store a run of a device's entries durably and decide on the new ones.

        Raises:
            PositionProblem: `gap` or `fork`; nothing was stored.
        """
        now = self._clock()
        with many_at_once(), self._db.write() as conn:
            head = self._lock_epoch(conn, who, run)
            fresh, statuses, head = self._take_positions(conn, who, run, head, now)
            moved = self._place(conn, run.log, _groups(fresh, who), who, now) if fresh else {}
            self._arrived(conn, fresh, now)
            wanted = self._wanted(conn, run.entries)
            self._save_epoch(conn, head)
        return Receipted(head, statuses, wanted, moved)

    def record(
        self, entries: Sequence[Entry], roles: Mapping[str, str], received: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Entries the server itself makes (fixtures, administration): no epoch, no scope to check. Known ids are left out.

        Args:
            roles: role of each author. received: entry id to when it was received, for history that is taken over.
        Returns: logs that moved, with their new heads.
        """
        moved: dict[str, int] = {}
        by_log: dict[str, list[Entry]] = {}
        for entry in entries:
            by_log.setdefault(entry.envelope.log, []).append(entry)
        for log, of_log in by_log.items():
            for part in _whole_groups(of_log, 400):
                with self._db.write() as conn:
                    known = self._known(conn, part)
                    fresh = [entry for entry in part if entry.id not in known]
                    self._store(conn, fresh)
                    groups = [
                        [
                            Decided(
                                entry,
                                None,
                                APPLIED,
                                roles.get(entry.envelope.author, "rule"),
                                received=(received or {}).get(entry.id, 0),
                            )
                            for entry in group
                        ]
                        for group in _by_group(fresh)
                    ]
                    if groups:
                        moved |= self._place(conn, log, groups, None, self._clock())
        return moved

    @_again_where_busy
    def take_in(self, lines: Sequence[Line], who: Writer | None, logs: Collection[str]) -> TakenIn:
        """Take entries from a file that a device exported: their content, never their positions. Done twice it changes nothing.

        Args:
            who: the device that sends them; None for an administrator. logs: those there are.
        """
        now, moved = self._clock(), dict[str, int]()
        with self._db.write() as conn:
            found = sort_out(conn, lines, who, logs)
            self._store(conn, found.vouched)
            for log in sorted({entry.envelope.log for entry in found.vouched}):
                assert who is not None  # nobody else vouches
                named = [entry for entry in found.vouched if entry.envelope.log == log]
                moved |= self._place(conn, log, _groups(named, who, by_file=True), who, now)
            for line, reason in found.aside:
                of = line.entry.envelope
                self._quarantine_row(conn, line.key, of.device, of.log, line.epoch, line.seq, reason, line.raw, now)
                self._want_files(conn, line.raw)
            wanted = self._wanted(conn, [line.entry for line in lines])
        return TakenIn(len(found.vouched), len(found.aside), found.known, wanted, moved)

    def _arrived(self, conn: Connection, fresh: Sequence[Entry], now: int) -> None:
        """What was put aside as bytes (from a file, or in another line of writing) and now comes as it was recorded waits for
        nobody any more."""
        if fresh and self._db.rows(conn, "SELECT 1 FROM quarantine WHERE decided = '' LIMIT 1"):
            for keys in chunks(keys_of(fresh)):
                arrived = update(QuarantineRow).where(col(QuarantineRow.id).in_(keys), col(QuarantineRow.decided) == "")
                conn.execute(arrived.values(decided=ARRIVED, decided_at=now))

    @_again_where_busy
    def quarantine(
        self,
        who: Writer,
        *,
        epoch: str,
        log: str,
        seq: int,
        prev_hash: str,
        chain: str,
        raw: bytes,
        reason: str,
        logs: Collection[str] = (),
    ) -> Head:
        """Keep bytes that could not be received as an entry, and advance the epoch past their position.

        Args:
            logs: those there are, where that is known. What is for another one waits in the shared log: in a log that nobody
                reads nobody would ever find it.

        Raises:
            PositionProblem: `gap` or `fork`.
        """
        now = self._clock()
        with self._db.write() as conn:
            head = self._lock_epoch(conn, who, Run(epoch, log, seq, prev_hash, ()))
            if seq <= head.seq:
                if self._stored_positions(conn, epoch, seq, seq).get(seq, ("", ""))[0] != chain:
                    raise PositionProblem("fork", "The server has another history of this device's entries.", head)
                return head
            if seq != head.seq + 1:
                raise PositionProblem("gap", "Entries before this one have not arrived yet.", head)
            if prev_hash != head.hash:
                raise PositionProblem("fork", "The server has another history of this device's entries.", head)
            waits_in = log if log in logs or not logs else "org"
            name = self._known_by(conn, raw, prev_hash, seq, chain) or self._put_aside(conn, who, waits_in, epoch, seq, reason, raw)
            conn.execute(insert(PositionRow), {"epoch": epoch, "seq": seq, "entry_id": name, "hash": chain, "received_at": now})
            head = Head(epoch, seq, chain, head.safe_seq)
            self._save_epoch(conn, head)
        return head

    def had_since(self, raw: bytes) -> int | None:
        """Since when these bytes wait here (ms UTC), where they do. They may have been emptied since: whoever hands them over once
        more is told this time and not the present, so that a device knows whether an erasure took them."""
        with self._db.read() as conn:
            key = hashlib.sha256(raw).hexdigest()
            found = self._db.rows(conn, "SELECT received_at FROM quarantine WHERE id = ?", (key,))
        return int(found[0][0]) if found else None

    def _known_by(self, conn: Connection, raw: bytes, prev_hash: str, seq: int, chain: str) -> str:
        """The entry that these bytes are, where it was received before, in another line of writing: nothing is to be decided. One
        whose place does not follow from it stays bytes: no backup would verify."""
        try:
            entry = read_entry(raw.partition(b"\n")[0], None)
        except Problem:
            return ""
        if chain != chain_hash(prev_hash, seq, entry.hash):
            return ""
        return entry.id if self._known(conn, [entry]).get(entry.id) == entry.hash else ""

    def _put_aside(self, conn: Connection, who: Writer, log: str, epoch: str, seq: int, reason: str, raw: bytes) -> str:
        """Keep bytes for a person to decide on; returns their name. The same, brought by somebody else first, are the author's."""
        key, now = hashlib.sha256(raw).hexdigest(), self._clock()
        said = "" if reason.startswith(BY_FILE) else reason
        self._quarantine_row(conn, key, who.device, log, epoch, seq, said, raw, now)
        if _author_of(raw) == who.person:
            mine = {"device": who.device, "log": log, "epoch": epoch, "seq": seq, "reason": said.replace("\x00", "")[:500]}
            foreign = (col(QuarantineRow.id) == key, col(QuarantineRow.device) != who.device, col(QuarantineRow.decided) == "")
            conn.execute(update(QuarantineRow).where(*foreign).values(**mine))
        (kept,) = self._db.rows(conn, "SELECT raw FROM quarantine WHERE id = ?", (key,))[0]  # an erasure may have emptied it since
        self._want_files(conn, kept)
        return key

    @_again_where_busy
    def try_held(self) -> dict[str, int]:
        """Try held entries again whose type this version knows: called when a server starts, which may be a newer one.

        Returns: logs that moved, with their new heads.
        """
        later = aliased(LogRow)
        query = (
            select(col(LogRow.log), col(EntryRow.stream))
            .join(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
            .where(
                col(LogRow.kind) == "entry", col(LogRow.outcome) == "held", col(EntryRow.type).in_(sorted(ENTRY_TYPES)),
                col(LogRow.reason).like("this server does not know the type%"),
                ~select(later).where(col(later.entry_id) == col(EntryRow.id), col(later.kind) == "outcome").exists(),
            )
            .distinct()
        )  # fmt: skip
        with self._db.read() as conn:
            found = [(log, stream) for log, stream in conn.execute(query)]
        moved: dict[str, int] = {}
        for log in sorted({log for log, _ in found}):
            with self._db.write() as conn:
                heads = StreamHeads(self._db, conn, lock=True)
                streams = {stream for of, stream in found if of == log}
                heads.load((stream, home_of(stream, log)) for stream in streams)
                rows = self._try_held(heads, Judge(conn, log, heads, None), streams)
                if rows:
                    moved[log] = self._append(conn, log, heads, rows, self._clock())
        return moved

    def _want_files(self, conn: Connection, raw: bytes) -> None:
        """The files that these bytes name, where they are an entry: they are taken too, for the person who decides on it."""
        envelope, _, body = raw.partition(b"\n")
        try:
            entry = read_entry(envelope, None)
        except Problem:
            return
        self._db.insert_new(conn, FileRow, _file_rows([entry], of_bytes=bool(body)))
        self._await_files(conn, [entry], of_bytes=bool(body))

    def rebuild(self, log: str) -> int:
        """Drop the projections of a log and fold them again from its rows, as they were decided. Nobody writes to the log
        meanwhile.

        Returns: the number of streams.
        """
        with self._db.write() as conn:
            self._lock_log(conn, log)
            for table in (StreamStateRow, JobRow, DocumentRow):
                conn.execute(delete(table).where(col(table.log) == log))
            streams = list(conn.execute(select(col(StreamRow.stream)).where(col(StreamRow.log) == log).distinct()).scalars())
            for names in chunks(sorted(streams), 200):
                heads = StreamHeads(self._db, conn)
                refold(conn, heads, log, names)
                heads.save()
                jobs = [(head.stream, head.state) for head in heads.changed() if isinstance(head.state, JobState)]
                save_jobs(self._db, conn, (job_row(stream, log, job, b"") for stream, job in jobs if job.id))
        return len(streams)

    @_again_where_busy
    def erase(self, erasures: Sequence[Entry]) -> tuple[Erased, dict[str, int]]:
        """Record erasures (domain/entry_types/erasure.py) of one log and carry them out, in one transaction.

        Returns: what lost its content, and the logs that moved with their new heads.
        """
        log, homes = erasures[0].envelope.log, [entry.envelope.stream for entry in erasures]
        with self._db.write() as conn:
            _, named = concerned(conn, log, homes)
            lock_streams(self._db, conn, log, {*homes, *named})
            self._store(conn, erasures)
            moved = self._place(conn, log, [[Decided(entry, None, APPLIED, "rule")] for entry in erasures], None, self._clock())
            return carry_out(self._db, conn, log, erasures), moved

    @_again_where_busy
    def let_old_jobs_go(self) -> dict[str, int]:
        """Let jobs that were closed long ago leave the scopes of their people. To be called now and then; what has left already
        changes nothing, so several server processes may do so.

        Returns: logs that moved, with their new heads.
        """
        now = self._clock()
        with self._db.read() as conn:
            logs = list(conn.execute(select(col(LogHeadRow.log))).scalars())
            old = {log: closed_long_ago(conn, log, now) for log in sorted(logs)}
        moved: dict[str, int] = {}
        for log, streams in old.items():
            for names in chunks(streams, 200):
                with self._db.write() as conn:
                    heads = StreamHeads(self._db, conn, lock=True)
                    heads.load((stream, log) for stream in names)
                    moved[log] = self._append(conn, log, heads, [], now, ended=names)
        return moved

    # --- Positions in the device's epoch -------------------------------------------------------------------------------------

    def _lock_epoch(self, conn: Connection, who: Writer, run: Run) -> Head:
        query = _EPOCH + self._db.for_update
        found = self._db.rows(conn, query, (run.epoch,))
        if not found:
            parent, parent_seq = run.parent or ("", 0)
            self._db.insert_new(
                conn,
                DeviceEpochRow,
                [
                    {
                        "epoch": run.epoch, "device": who.device, "log": run.log, "parent": parent, "parent_seq": parent_seq,
                        "seq": 0, "hash": "", "safe_seq": 0,
                    }
                ],
            )  # fmt: skip
            found = self._db.rows(conn, query, (run.epoch,))
        device, log, seq, chain, safe_seq = found[0]
        head = Head(run.epoch, seq, chain, safe_seq)
        if device != who.device or log != run.log:
            raise PositionProblem("fork", "This line of writing belongs to another device.", head)
        return head

    def _take_positions(
        self, conn: Connection, who: Writer, run: Run, head: Head, now: int
    ) -> tuple[list[Entry], tuple[Status, ...], Head]:
        if not 1 <= run.from_seq <= head.seq + 1:
            raise PositionProblem("gap", "Entries before these have not arrived yet.", head)
        last = run.from_seq + len(run.entries) - 1
        known = self._stored_positions(conn, run.epoch, run.from_seq - 1, min(last, head.seq))
        before, _ = known.get(run.from_seq - 1, ("" if run.from_seq == 1 else head.hash, ""))
        if run.prev_hash != before:
            raise PositionProblem("fork", "The server has another history of this device's entries.", head)
        chain, seq, positions, offered = run.prev_hash, run.from_seq, [], []
        good: list[tuple[str, int, Entry]] = []
        for entry in run.entries:
            chain = chain_hash(chain, seq, entry.hash)
            if seq <= head.seq:
                there, name = known.get(seq, ("", ""))
                if there != chain:
                    raise PositionProblem("fork", "The server has another history of this device's entries.", head)
                if name != entry.id:
                    good.append((name, seq, entry))
            else:
                positions.append((run.epoch, seq, entry.id, chain, now))
                offered.append((seq, entry))
            seq += 1
        offered = [*(self._undecided(conn, good, now) if good else ()), *offered]
        if not offered:
            return [], tuple("duplicate" for _ in run.entries), head
        self._db.insert(conn, PositionRow, Columns(_POSITION, positions))
        already = self._known(conn, [entry for _, entry in offered])
        fresh: dict[str, Entry] = {}
        statuses: dict[int, Status] = dict.fromkeys(range(run.from_seq, seq), "duplicate")
        for seq, entry in offered:
            other = already.get(entry.id) or (fresh[entry.id].hash if entry.id in fresh else None)
            if other is None:
                fresh[entry.id] = entry
                statuses[seq] = "received"
            elif other != entry.hash:
                raw = entry.raw + b"\n" + (entry.body_raw or b"")
                reason = "another entry with the same id was received before"
                self._quarantine_row(conn, entry.hash, who.device, run.log, run.epoch, seq, reason, raw, now)
        self._store(conn, list(fresh.values()))
        if last > head.seq:
            head = Head(run.epoch, last, chain, head.safe_seq)
        return list(fresh.values()), tuple(statuses.values()), head

    def _undecided(self, conn: Connection, good: Sequence[tuple[str, int, Entry]], now: int) -> list[tuple[int, Entry]]:
        """Of entries that were handed over as bytes before (by a copy of the device's disk, or on a way that let nothing larger
        through) and now come as they were recorded: those on whose bytes nobody has decided yet. They wait for nobody any more.

        Args:
            good: the bytes' name, position and entry.
        """
        found: set[str] = set()
        waits = (col(QuarantineRow.decided) == "",)
        for names in chunks(sorted({name for name, _, _ in good})):
            found.update(conn.execute(select(col(QuarantineRow.id)).where(col(QuarantineRow.id).in_(names), *waits)).scalars())
            arrived = update(QuarantineRow).where(col(QuarantineRow.id).in_(names), *waits)
            conn.execute(arrived.values(decided=ARRIVED, decided_at=now))
        return [(seq, entry) for name, seq, entry in good if name in found]

    def _stored_positions(self, conn: Connection, epoch: str, first: int, last: int) -> dict[int, tuple[str, str]]:
        """(chain, name of the entry or of the bytes there) of positions."""
        query = "SELECT seq, hash, entry_id FROM positions WHERE epoch = ? AND seq >= ? AND seq <= ?"
        return {seq: (chain, name) for seq, chain, name in self._db.rows(conn, query, (epoch, first, max(first, last)))}

    def _save_epoch(self, conn: Connection, head: Head) -> None:
        self._db.run(conn, "UPDATE device_epochs SET seq = ?, hash = ? WHERE epoch = ?", (head.seq, head.hash, head.epoch))

    def _quarantine_row(
        self, conn: Connection, key: str, device: str, log: str, epoch: str, seq: int, reason: str, raw: bytes, now: int
    ) -> None:
        row = {
            "id": key, "device": device, "log": log, "epoch": epoch, "seq": seq, "decided": "", "decided_at": None,
            "reason": reason.replace("\x00", "")[:500], "raw": raw[: 1 << 20], "received_at": now,
        }  # fmt: skip
        self._db.insert_new(conn, QuarantineRow, [row])

    # --- Content --------------------------------------------------------------------------------------------------------------

    def _known(self, conn: Connection, entries: Sequence[Entry]) -> dict[str, str]:
        found: dict[str, str] = {}
        for ids in chunks(entry.id for entry in entries):
            found |= dict(self._db.rows(conn, f"SELECT id, hash FROM entries WHERE id IN ({marks(ids)})", ids))
        return found

    def _store(self, conn: Connection, entries: Sequence[Entry]) -> None:
        self._db.insert(conn, EntryRow, entry_rows(entries))
        self._db.insert_new(conn, FileRow, _file_rows(entries))
        named = {(file.sha256, name) for entry in entries for file in entry.envelope.files for name in entry.envelope.streams}
        self._db.insert_new(conn, FileStreamRow, [{"sha256": sha256, "stream": name} for sha256, name in sorted(named)])
        self._await_files(conn, entries)

    def _await_files(self, conn: Connection, entries: Sequence[Entry], *, of_bytes: bool = False) -> None:
        """What has not arrived is asked of the devices that name it. Content that was erased and is recorded once more, of another
        customer, is wanted like any other."""
        naming = [(entry, file) for entry in entries for file in entry.envelope.files]
        if not naming:
            return
        for entry, file in sorted(naming, key=lambda item: item[1].sha256):  # so that no two writers wait for each other
            if of_bytes or entry.body_raw is not None:
                again = "UPDATE files SET state = 'wanted', name = ?, job = ? WHERE sha256 = ? AND state = ?"
                self._db.run(conn, again, (file.name, entry.envelope.stream, file.sha256, ERASED))
        wanted = set(self._wanted(conn, entries))
        rows = sorted({(entry.envelope.device, file.sha256) for entry, file in naming if file.sha256 in wanted})
        self._db.insert_new(conn, AwaitedFileRow, [{"device": device, "sha256": sha256} for device, sha256 in rows])

    def _wanted(self, conn: Connection, entries: Sequence[Entry]) -> tuple[str, ...]:
        hashes = sorted({file.sha256 for entry in entries for file in entry.envelope.files})
        if not hashes:
            return ()
        query = f"SELECT sha256 FROM files WHERE state = 'wanted' AND sha256 IN ({marks(hashes)})"
        return tuple(sorted(sha256 for (sha256,) in self._db.rows(conn, query, hashes)))

    # --- Decisions and places in the log ----------------------------------------------------------------------------------------

    def _place(self, conn: Connection, log: str, groups: list[list[Decided]], who: Writer | None, now: int) -> dict[str, int]:
        """Decide on groups, fold them, and append them to the log. `who` is None for what the server itself records."""
        heads = StreamHeads(self._db, conn, lock=True)
        mine = [item.entry for group in groups for item in group if item.entry.envelope.log == log]
        heads.load((stream, home_of(stream, log)) for entry in mine for stream in entry.envelope.streams)
        judge = Judge(conn, log, heads, who)
        rows: list[Decided] = []
        for group in groups:
            judge.decide_group(group)
            rows += group
            rows += self._consequences(conn, log, heads, judge, group, now)
        return {log: self._append(conn, log, heads, rows, now)}

    def _consequences(
        self, conn: Connection, log: str, heads: StreamHeads, judge: Judge, group: list[Decided], now: int
    ) -> list[Decided]:
        """Rows that follow: what becomes of the entries that were decided on, and of held ones now that something has arrived."""
        if not any(isinstance(item.body, office.Decision) or any(heads[s].held for s in item.streams) for item in group):
            return []
        rows: list[Decided] = []
        news = group
        for _ in range(HELD_ROUNDS):  # what was held may be what another held one waits for, and may be a decision
            applied = [item for item in news if item.outcome.name == "applied"]
            if not applied:
                break
            news = []
            for item in applied:
                if isinstance(item.body, office.Decision):
                    news += self._follow(conn, log, heads, judge, item, now)
            news += self._try_held(heads, judge, {stream for item in (*applied, *news) for stream in item.streams})
            rows += news
        return rows

    def _try_held(self, heads: StreamHeads, judge: Judge, streams: set[str]) -> list[Decided]:
        waiting = sorted(stream for stream in streams if heads[stream].held)
        if not waiting:
            return []
        rows: list[Decided] = []
        left = dict.fromkeys(waiting, 0)
        for held in judge.undecided.held_groups(waiting):
            heads.load(
                (stream, home_of(stream, item.entry.envelope.log)) for item in held for stream in item.entry.envelope.streams
            )
            freed = judge.decide_again(held)
            rows += freed
            for item in held if not freed else ():
                for stream in item.entry.envelope.streams:
                    left[stream] = left.get(stream, 0) + 1
        for stream in waiting:
            heads[stream].held = left[stream]
        return rows

    def _follow(self, conn: Connection, log: str, heads: StreamHeads, judge: Judge, decision: Decided, now: int) -> list[Decided]:
        """The outcome rows of what a decision is about, unless it was decided already."""
        body = decision.body
        assert isinstance(body, office.Decision)
        words = decision_words(body.verb(), decision.entry.envelope.author, body.reason)
        group = judge.undecided.group_of(body.about)
        if group:
            if any(item.outcome == "applied" or read_decision(item.said) for item in group):
                return []
            heads.load((stream, home_of(stream, log)) for item in group for stream in item.entry.envelope.streams)
            stands = body.verb() in STANDS
            return judge.settle([item.row(Outcome("applied" if stands else item.outcome, words)) for item in group])
        found = judge.undecided.bytes_of(body.about)
        if found is None or found.said:
            return []
        conn.execute(update(QuarantineRow).where(col(QuarantineRow.id) == found.key).values(decided=words, decided_at=now))
        if found.entry is None or found.why:
            return []
        return self._place_bytes(
            conn, log, heads, judge, found, Outcome("applied" if body.verb() in STANDS else "quarantined", words)
        )

    def _place_bytes(
        self, conn: Connection, log: str, heads: StreamHeads, judge: Judge, found: Bytes, outcome: Outcome
    ) -> list[Decided]:
        """Bytes that a person has decided on and that are an entry after all: they get their place, and what was decided."""
        entry = found.entry
        assert entry is not None
        self._store(conn, [entry])
        heads.load((stream, home_of(stream, log)) for stream in entry.envelope.streams)
        arrived = Decided(
            entry, readable(entry), Outcome("quarantined", found.reason or "it could not be received as it was"),
            role_of(conn, found.person), received=found.received_at, device=found.device,
        )  # fmt: skip
        arrived.streams = streams_of(heads, log, entry)
        heads.fold_states(fact_of(arrived), arrived.streams)
        heads.mark(fact_of(arrived), arrived.streams)
        judge.note(arrived)
        later = Decided(entry, arrived.body, outcome, arrived.role, "outcome", device=found.device)
        return [arrived, *judge.settle([later])]

    def _append(
        self, conn: Connection, log: str, heads: StreamHeads, rows: list[Decided], now: int, *, ended: Sequence[str] = ()
    ) -> int:
        """Take positions under the head row's lock and write everything that carries one. The last thing before the commit.

        Args:
            ended: loaded job streams that may have been closed long enough to leave all scopes.
        """
        pos, chain = self._lock_log(conn, log)
        roles = {item.entry.id: item.role for item in rows if item.entry.envelope.type == "job.created"}
        received = {item.entry.id: item.received or now for item in rows}
        scope = ScopeChanges(
            self._db, conn, log, now, roles, received
        )  # judged under the lock: two jobs of one person may change at once
        for head in heads.changed():
            if isinstance(head.before, JobState) and isinstance(head.state, JobState):
                scope.note(head.stream, head.before, head.state)
        for stream in ended:
            job = heads[stream].state
            if isinstance(job, JobState):
                scope.end(stream, job)
        changes = scope.plan()
        log_rows: list[tuple[Any, ...]] = []
        stream_rows: list[tuple[Any, ...]] = []
        for item in rows:
            pos += 1
            envelope, outcome = item.entry.envelope, item.outcome
            chain = row_chain(chain, pos, item.kind, item.entry.hash, outcome.name)
            sender, received_at = item.sender, item.received or now
            log_rows.append((log, pos, item.kind, envelope.id, sender, outcome.name, outcome.reason, item.role, received_at, chain))
            touch = " ".join(sorted(item.touches)) if item.touches else ""
            stream_rows += [(log, stream, pos, envelope.id, sender, touch) for stream in item.streams]
            heads.place(envelope.id, pos, item.streams)
        positions: dict[str, int] = {}
        for person in changes:
            pos += 1
            positions[person] = pos
            chain = row_chain(chain, pos, "scope", "", "applied")
            log_rows.append((log, pos, "scope", None, "", "applied", person, "", now, chain))
        self._db.insert(conn, LogRow, Columns(LOG_COLUMNS, log_rows))
        self._db.insert(conn, StreamRow, Columns(STREAM_COLUMNS, stream_rows))
        scope.write(changes, positions)
        heads.save()
        jobs = [head for head in heads.changed() if isinstance(head.state, JobState) and head.state.id]
        save_jobs(self._db, conn, (job_row(head.stream, log, head.state, b"") for head in jobs if isinstance(head.state, JobState)))
        self._db.run(conn, "UPDATE log_heads SET pos = ?, chain = ? WHERE log = ?", (pos, chain, log))
        return pos

    def _lock_log(self, conn: Connection, log: str) -> tuple[int, str]:
        """Position and chain of the log's head, its row locked until the commit."""
        query = "SELECT pos, chain FROM log_heads WHERE log = ?" + self._db.for_update
        found = self._db.rows(conn, query, (log,))
        if not found:
            self._db.insert_new(conn, LogHeadRow, [{"log": log, "pos": 0, "chain": ""}])
            found = self._db.rows(conn, query, (log,))
        pos, chain = found[0]
        return int(pos), str(chain)


def refold(conn: Connection, heads: StreamHeads, log: str, streams: Sequence[str]) -> None:
    """Fold all rows of these streams of a log, each from nothing."""
    for stream in streams:
        heads.reset(stream, log)
    for stream, pos, is_entry, fact in facts_of(heads.db, conn, streams):
        heads.fold(fact, pos, [stream], is_entry=is_entry)


def role_of(conn: Connection, person: str) -> str:
    """The role that a person has now; a technician's where they are not known."""
    query = select(col(DocumentRow.body)).where(
        col(DocumentRow.stream) == f"person:{person}", col(DocumentRow.type) == PersonRecorded.NAME
    )
    raw = conn.execute(query).scalar()
    return msgspec.json.decode(raw, type=PersonRecorded).person.role if raw else "technician"


def _author_of(raw: bytes) -> str:
    """Who recorded bytes that can be read as an entry; '' of others."""
    try:
        return read_entry(raw.partition(b"\n")[0], None).envelope.author
    except Problem:
        return ""


def _file_rows(entries: Sequence[Entry], *, of_bytes: bool = False) -> list[dict[str, Any]]:
    """The files that entries name, as wanted, or as erased where the entry was; sorted, so that no two writers wait for each other.
    of_bytes: only envelopes were read."""
    files = [
        {"sha256": file.sha256, "size": file.size, "name": file.name if keeps else "", "media": file.media,
         "state": "wanted" if keeps else ERASED, "job": entry.envelope.stream}
        for entry in entries for keeps in (of_bytes or entry.body_raw is not None,) for file in entry.envelope.files
    ]  # fmt: skip
    return sorted(files, key=itemgetter("sha256"))


def _by_group(entries: Sequence[Entry]) -> list[list[Entry]]:
    groups: list[list[Entry]] = []
    for entry in entries:
        if groups and groups[-1][0].envelope.group == entry.envelope.group:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _groups(entries: Sequence[Entry], who: Writer, *, by_file: bool = False) -> list[list[Decided]]:
    """What comes in a file counts as sent by the device that recorded it: that one waits for the outcomes."""
    device = "" if by_file else who.device
    return [[Decided(entry, None, APPLIED, who.role, device=device) for entry in group] for group in _by_group(entries)]


def _whole_groups(entries: Sequence[Entry], size: int) -> list[list[Entry]]:
    parts: list[list[Entry]] = [[]]
    for group in _by_group(entries):
        if parts[-1] and len(parts[-1]) + len(group) > size:
            parts.append([])
        parts[-1] += group
    return [part for part in parts if part]
