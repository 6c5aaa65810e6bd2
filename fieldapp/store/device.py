"""The replica on a device: the only code that writes its entries and projections.

What a person records is committed (database), then fsynced once more in the journal, and only then called saved. What the server
sends is written, folded and marked with its cursor in one transaction. Own work that the server has not decided on yet is folded on
top of the server's order, so it never leaves the view.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, select, update
from sqlmodel import col

from fieldapp.domain.entry import (
    GROUP_BYTES_LIMIT,
    GROUP_LIMIT,
    Entry,
    Envelope,
    encode,
    write_entry,
)  # fmt: skip
from fieldapp.domain.entry_types.base import Fact, read_body
from fieldapp.domain.entry_types.reference import PersonRecorded
from fieldapp.domain.fold import FOLD_VERSION, State, fold, read_state, state_bytes
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem, RecordedAnyway
from fieldapp.store.agreement import Disagreement, disagreements
from fieldapp.store.bulk import many_at_once
from fieldapp.store.database import Database, chunks, marks, plain
from fieldapp.store.doubts import is_due
from fieldapp.store.drafts import forget_recorded
from fieldapp.store.entries import entry_rows, facts_of, spoiled
from fieldapp.store.erasing import ERASED, drop_bodies, live_files, own_file_rows
from fieldapp.store.heads import StreamHeads, job_row
from fieldapp.store.home import Clock, Home, Identity
from fieldapp.store.journal import Journal, journal_line
from fieldapp.store.keeping import Keeping
from fieldapp.store.letting_go import AWAY
from fieldapp.store.lines import Lines
from fieldapp.store.mending import forget_put_aside
from fieldapp.store.pending import refresh_jobs
from fieldapp.store.queries.search_file import forget, index_file
from fieldapp.store.receiving import AGAIN, ERASING, FORGOTTEN, LEAVING, READING, Receiver, whole_log
from fieldapp.store.rows import WHOLE_LOG, Draft, Head, Page, Run, Saved, Standing
from fieldapp.store.sealing import sealed
from fieldapp.store.tables import (
    DocumentRow,
    DoubtRow,
    EntryRow,
    FileRow,
    JobRow,
    OwnEntryRow,
    ScopeRow,
    SettingRow,
    StreamRow,
    StreamStateRow,
    table_of,
)  # fmt: skip
from fieldapp.store.taking_over import TakenOver, sort_out

ResultT = TypeVar("ResultT")
_JOB_COLUMNS = tuple(column.name for column in table_of(JobRow).columns)
_JOB = f"SELECT {', '.join(_JOB_COLUMNS)} FROM jobs WHERE stream = ?"


_MARKS = 100_000
"""Marks of changes that are kept for the search index; one that has missed some looks at everything."""


class SyncCounts(msgspec.Struct, frozen=True):
    """How much is where. `received`: the server has it, its outcome was not pulled yet; `refused`: waits for a person."""

    unsent: int = 0
    received: int = 0
    settled: int = 0
    refused: int = 0
    files_waiting: int = 0
    file_bytes: int = 0

    @property
    def safe_to_leave(self) -> bool:
        """Nothing that was recorded here is only here."""
        return not (self.unsent or self.files_waiting)


class Started(msgspec.Struct, frozen=True):
    """What the start found: entries taken from the journal, whether the database is of another time (restored, new), and
    the numbers of journal lines that were damaged (put aside in journal/damaged.jsonl)."""

    recovered: int = 0
    restored: bool = False
    damaged: tuple[int, ...] = ()


class WaitingFile(msgspec.Struct, frozen=True):
    sha256: str
    size: int
    name: str


class DeviceReplica:
    """Everything that is written on a device goes through here.

    Args:
        identity: who writes. clock: where time comes from. ids: makes UUIDv7 texts. remember: called with the identity when a new
        line of writing was opened, to be kept beside the journal.
    """

    def __init__(
        self,
        db: Database,
        journal: Journal,
        identity: Identity,
        clock: Clock,
        ids: Callable[[], str],
        remember: Callable[[Identity], None] = lambda identity: None,
    ) -> None:
        self._db, self._journal, self._clock, self._ids = db, journal, clock, ids
        self._lines = Lines(db, identity, ids, remember)
        self._both = threading.RLock()
        """Held while database and journal change together: the app records in one thread and hears of receipts in another."""
        self._keeping = Keeping(db, journal, self._lines, self._both)
        self._sent_at: dict[str, int] = {}
        """When files were sent, by the clock of sync: an answer to a question asked before that says nothing of them."""
        self._shown: tuple[bytes, State] | None = None
        """The view that was written last, as bytes and as a value: step after step is recorded on one job."""

    @property
    def identity(self) -> Identity:
        """Who writes, with the epochs that are open now."""
        return self._lines.identity

    @property
    def clock(self) -> Clock:
        return self._clock

    # --- Recording ----------------------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft]) -> Saved:
        """Record what one action of a person says, as one group. Durable, twice, when it returns.

        Raises:
            Problem: `group-too-large`, `body-too-large`, `disk-full`, `database-busy`; then nothing of it was recorded.
            RecordedAnyway: `journal-failed`: it is recorded, its second copy is not.
        """
        with self._both:
            self._refuse_sealed()
            with self._db.write() as conn:
                entries = self._write_group(conn, drafts)
                self._store(conn, entries)
                lines = self._lines.take(conn, entries, self._clock.now())
                self._show(conn, entries)
                forget_recorded(conn)
            streams = frozenset(stream for entry in entries for stream in entry.envelope.streams)
            try:
                self._journal.append(lines)
            except Problem as problem:
                raise RecordedAnyway(problem, streams) from problem
        return Saved(tuple(entry.id for entry in entries), streams)

    def _write_group(self, conn: Connection, drafts: Sequence[Draft]) -> list[Entry]:
        if not 0 < len(drafts) <= GROUP_LIMIT:
            raise Problem("group-too-large", f"One action records 1 to {GROUP_LIMIT} facts; this has {len(drafts)}.")
        if len({draft.log for draft in drafts}) != 1:
            raise Problem("group-too-large", "One action writes to one log.")
        bases = self._last_seen(conn, {draft.stream for draft in drafts})
        moment, group = self._clock.moment(), self._ids()
        entries = [
            write_entry(
                Envelope(
                    id=self._ids(), log=draft.log, stream=draft.stream, also=draft.also, type=draft.body.NAME,
                    schema=draft.body.SCHEMA, author=self.identity.person, device=self.identity.device, group=group, n=n,
                    of=len(drafts), base=bases.get(draft.stream), at=moment, files=draft.files, body="",
                ),
                encode(draft.body),
            )
            for n, draft in enumerate(drafts)
        ]  # fmt: skip
        if sum(entry.size for entry in entries) > GROUP_BYTES_LIMIT:
            raise Problem("group-too-large", "This is too much for one action.", "Nothing of it was saved; record it in parts.")
        return entries

    def _last_seen(self, conn: Connection, streams: set[str]) -> dict[str, str]:
        """The last entry of each stream in the server's order that this device has folded: what the person built on. Own work
        on top needs no mention, one line of writing never conflicts with itself."""
        query = "SELECT stream, last_entry FROM stream_states WHERE stream = ? AND last_entry != ''"
        return dict(row for stream in streams for row in plain(conn).execute(query, (stream,)))

    def _store(self, conn: Connection, entries: Sequence[Entry]) -> None:
        self._db.insert(conn, EntryRow, entry_rows(entries))
        files = [file for entry in entries for file in own_file_rows(entry)]
        self._db.insert_new(conn, FileRow, files)
        for file in files:  # one that had left with its job, or was erased with another customer, is here again
            if file["state"] == ERASED:
                continue
            again = "UPDATE files SET state = 'here', name = ?, job = ? WHERE sha256 = ? AND state IN (?, ?)"
            self._db.run(conn, again, (file["name"], file["job"], file["sha256"], AWAY, ERASED))

    def _show(self, conn: Connection, entries: Sequence[Entry]) -> None:
        """Fold own new facts into the views that lists and screens show."""
        jobs = sorted({s for entry in entries for s in entry.envelope.streams if s.startswith("job:")})
        if not jobs:
            return
        for stream in jobs:
            found = plain(conn).execute(_JOB, (stream,)).fetchone()
            if found is None:  # the job is not here yet, or is just being created: something recorded earlier may wait for it
                refresh_jobs(self._db, conn, {stream: entries[0].envelope.log}, self.identity.role)
                continue
            row = dict(zip(_JOB_COLUMNS, found, strict=True))
            known = self._shown
            before = view = known[1] if known is not None and known[0] == row["view"] else read_state(stream, row["view"])
            for entry in entries:
                if stream in entry.envelope.streams:
                    view = fold(view, Fact(entry, role=self.identity.role))
            assert isinstance(view, JobState)
            assert isinstance(before, JobState)
            timeless = view.history is before.history and view.feedback is before.feedback  # then no promise has moved
            due = (row["due"], row["due_name"]) if timeless else None
            raw = state_bytes(view)
            self._shown = (raw, view)  # never more than a guess: what lies in the database decides
            now = job_row(stream, row["log"], view, raw, due)
            changed = {name: value for name, value in now.items() if value != row[name]}  # indexes of the others stay untouched
            sets = ", ".join(f"{name} = ?" for name in changed)
            plain(conn).execute(f"UPDATE jobs SET {sets} WHERE stream = ?", (*changed.values(), stream))

    def take_over(self, entries: Sequence[Entry], has_file: Callable[[str], bool], arrived: Iterable[str]) -> TakenOver:
        """Take entries that the same person recorded on another device, as if they had been recorded here: they are sent from here
        too, and whichever comes second is a duplicate. Entries that are here already stay as they are.

        Args:
            has_file: whether a file is in this home; those that are not are asked of the server once it has them. arrived: files
                that were missing here until now; they are sent like those recorded here.

        Raises:
            Problem: as for `append`.
        """
        lines: list[bytes] = []
        with self._both:
            self._refuse_sealed()
            with self._db.write() as conn:
                fresh, known, refused = sort_out(conn, entries, self.identity.person)
                self._store(conn, fresh)
                whole = [entry for entry in fresh if entry.body_raw is not None]  # of the others nothing is to be fetched
                lacking = {file.sha256: file.name for entry in whole for file in entry.envelope.files if not has_file(file.sha256)}
                for names in chunks(sorted(lacking)):
                    conn.execute(update(FileRow).where(col(FileRow.sha256).in_(names)).values(state="wanted"))
                for names in chunks(sorted(arrived)):
                    missed = (col(FileRow.sha256).in_(names), col(FileRow.state) == "wanted", col(FileRow.job) != "")
                    conn.execute(update(FileRow).where(*missed).values(state="here"))
                for log in sorted({entry.envelope.log for entry in fresh}):
                    lines += self._lines.take(conn, [entry for entry in fresh if entry.envelope.log == log], self._clock.now())
                logs = {stream: entry.envelope.log for entry in fresh for stream in entry.envelope.streams}
                refresh_jobs(self._db, conn, logs, self.identity.role)
            if lines:
                self._journal.append(lines)
        return TakenOver(len(fresh), known, tuple(refused), tuple(lacking.items()))

    def without_content(self, entries: Iterable[Entry]) -> set[str]:
        """Ids of those of these entries that are here and were erased: what is brought of them from outside is not kept."""
        found: set[str] = set()
        with self._db.read() as conn:
            for part in chunks(sorted({entry.id for entry in entries})):
                query = select(col(EntryRow.id)).where(col(EntryRow.id).in_(part), col(EntryRow.body).is_(None))
                found.update(conn.execute(query).scalars())
        return found

    def known_files(self, names: Iterable[str]) -> set[str]:
        """Those of the files that some entry here names and that were not erased."""
        found: set[str] = set()
        with self._db.read() as conn:
            for part in chunks(sorted(names)):
                query = select(col(FileRow.sha256)).where(col(FileRow.sha256).in_(part), col(FileRow.state) != ERASED)
                found.update(conn.execute(query).scalars())
        return found

    def seal(self) -> bool:
        """Mark this device as handed over: nothing is recorded on it any more. False where something unsent is left; nothing is
        changed then."""
        with self._both:
            with self._db.read() as conn:
                if self._lines.has_unsent(conn):
                    return False
            self._lines.seal()
        return True

    def _refuse_sealed(self) -> None:
        if self.identity.sealed:
            raise sealed()

    # --- Sending ----------------------------------------------------------------------------------------------------

    def outgoing(self, entries: int, size: int) -> Run | None:
        """The next run of unsent entries of one log: at most so many entries and bytes, whole groups, at least one group. One
        that a bad disk spoiled in the database is mended from the journal first."""
        run = self._outgoing(entries, size)
        return self._outgoing(entries, size) if run is not None and self._mended(run.entries) else run

    def _outgoing(self, entries: int, size: int) -> Run | None:
        return self._reading(lambda conn, checked: self._lines.outgoing(conn, entries, size, checked=checked))

    def _reading(self, look: Callable[[Connection, bool], ResultT]) -> ResultT:
        """What `look` finds; where it comes across an envelope that a bad disk spoiled, after that was mended from the journal.
        What nothing mends is offered as it is, as far as it can be read."""
        try:
            with many_at_once(), self._db.read() as conn:
                return look(conn, True)
        except Problem as problem:
            if problem.code != "bad-entry":
                raise
        with suppress(Problem), self._both, self._db.write() as conn:
            healed = self._heal(conn, self._journal.read().entries)
            logs = {stream: entry.envelope.log for entry in healed for stream in entry.envelope.streams}
            refresh_jobs(self._db, conn, logs, self.identity.role)
        with many_at_once(), self._db.read() as conn:
            return look(conn, False)

    def following(self, run: Run, entries: int, size: int) -> Run | None:
        """What is to be sent after a run that is on its way, as `outgoing` will say once that is received; None where that is
        nothing, or something of another log."""
        with many_at_once(), self._db.read() as conn:
            found = self._lines.following(conn, run, entries, size)
            if found is not None and not self._lines.fits(conn, found):
                return None
        # what a bad disk spoiled is mended by the look that comes to it, as `standing` does
        return None if found is None or any(spoiled(entry) for entry in found.entries) else found

    def standing(self, entries: int, size: int, backfills: int, settings: Sequence[str]) -> Standing:
        """All that one pass of sync looks at: arguments as for `outgoing`, `backfills` with `doubted`, and `settings`."""
        found = self._standing(entries, size, backfills, settings)
        if found.run is not None and self._mended(found.run.entries):
            return self._standing(entries, size, backfills, settings)
        return found

    def _standing(self, entries: int, size: int, backfills: int, settings: Sequence[str]) -> Standing:
        def look(conn: Connection, checked: bool) -> Standing:
            return Standing(
                self._lines.outgoing(conn, entries, size, checked=checked), self._lines.heads(conn), self._cursors(conn),
                (*self._doubted(conn, backfills), *self._backfills(conn, backfills)), self._settings(conn, settings),
            )  # fmt: skip

        return self._reading(look)

    def _mended(self, entries: Iterable[Entry]) -> bool:
        """Put the journal's copy in the place of those of these entries that no longer fit their hash: no server could read them.
        False where there is nothing to mend, or nothing to mend it with."""
        bad = {entry.id for entry in entries if spoiled(entry)}
        if not bad:
            return False
        with suppress(Problem), self._both:  # then it is handed over as it is
            good = [entry for entry in self._journal.read().entries if entry.id in bad]
            if good:
                with self._db.write() as conn:
                    self._heal(conn, good)
                    logs = {stream: entry.envelope.log for entry in good for stream in entry.envelope.streams}
                    refresh_jobs(self._db, conn, logs, self.identity.role)
                return True
        return False

    def heads(self) -> tuple[Head, ...]:
        """Own open epochs, as far as receipts name them."""
        with self._db.read() as conn:
            return self._lines.heads(conn)

    def acknowledge(self, head: Head, time: int) -> Saved:
        """A receipt: everything of the epoch up to `head.seq` is durable at the server.

        Raises:
            Problem: `receipt-foreign` where the receipt's hash is not the one this device wrote there; nothing is moved.
        """
        with many_at_once(), self._both, self._db.write() as conn:
            left, refused = self._lines.acknowledge(conn, head, time)
            refresh_jobs(self._db, conn, {s: self._log_of(conn, s) for s in refused}, self.identity.role)
        self._keeping.keep(left, time)
        return Saved(tuple(entry.id for _, _, entry in left), frozenset())

    def rewind(self, head: Head) -> bool:
        """After a gap: offer again from the server's head. False where what follows it is no longer kept here."""
        with self._db.write() as conn:
            return self._lines.rewind(conn, head)

    def fork(self, log: str) -> None:
        """After a fork: a new line of writing, in which everything that no outcome has come for is chained anew.

        What a receipt names as well: the server's history of the old line is not the one the receipt spoke of (a restored server
        that was told nothing, and a copy of this disk that was faster), so what it named may be gone. Known entries are duplicates.
        """
        with self._both:
            with self._db.write() as conn:
                self._lines.doubt(conn, log)
                self._lines.open(conn, log)
            self._rewrite_journal()

    def log_of(self, epoch: str) -> str:
        """The log that an epoch of this device writes to; the own branch's for one that is not known."""
        with self._db.read() as conn:
            return self._lines.log_of(conn, epoch) or self.identity.log

    def hand_over(self, epoch: str, seq: int, reason: str) -> None:
        """The entry at this position is about to be handed over as quarantine: a receipt for it, whichever way it comes, says that
        it lies there, until an outcome says otherwise."""
        with self._db.write() as conn:
            self._lines.hand_over(conn, epoch, seq, reason)

    def refuse(self, epoch: str, seq: int, reason: str, time: int) -> None:
        """The entry at this position was handed over as quarantine: it stays in view, marked, and waits for a person. time: of the
        receipt, by the server's clock (ms UTC)."""
        with self._db.write() as conn:
            stream, left = self._lines.refuse(conn, epoch, seq, reason, time)
            forgotten = self._forget_handed_over(conn, epoch, seq, time)
            shown = {stream, *forgotten} if stream else forgotten
            refresh_jobs(self._db, conn, {name: self._log_of(conn, name) for name in shown}, self.identity.role)
        self._keeping.keep(left, self._clock.now())
        if forgotten:
            with suppress(Problem):  # it is tried again at the next start
                self._erase_beside()

    def _forget_handed_over(self, conn: Connection, epoch: str, seq: int, time: int) -> frozenset[str]:
        """Take the content from what the server had before it was told to erase it, and this device heard only now that it had.
        Returns the streams that showed it."""
        query = "SELECT entry_id, stream, also FROM own_entries WHERE epoch = ? AND seq = ? AND lane = 'refused'"
        for name, home, also in self._db.rows(conn, query, (epoch, seq)):
            told = self._settings(conn, [f"{FORGOTTEN} {stream}" for stream in (home, *also.split())])
            if any(time <= int(at) for at in told.values()):
                erased = drop_bodies(conn, [name], lambda sha256: sha256 in live_files(conn))
                for sha256 in sorted(erased.files):
                    self._db.run(conn, "UPDATE files SET state = ?, name = '' WHERE sha256 = ?", (ERASED, sha256))
                self._db.upsert(conn, SettingRow, [{"name": ERASING, "value": "1"}])
                return erased.streams
        return frozenset()

    def entry_at(self, epoch: str, seq: int) -> tuple[Entry, str, str] | None:
        """(entry, chain before it, chain at it) of an own position, for handing it over as quarantine."""
        with self._db.read() as conn:
            return self._lines.entry_at(conn, epoch, seq)

    # --- Reading ----------------------------------------------------------------------------------------------------

    def cursors(self) -> dict[str, str]:
        """Cursor of each log that this device reads, also of those that the server has added since it was enrolled; `0:` for one
        never read."""
        with self._db.read() as conn:
            return self._cursors(conn)

    def _cursors(self, conn: Connection) -> dict[str, str]:
        known: dict[str, str] = dict(plain(conn).execute("SELECT log, cursor FROM cursors"))
        return dict.fromkeys(self.identity.logs, "0:") | known

    def backfills(self, limit: int) -> tuple[tuple[str, str, int, int], ...]:
        """(log, stream, after, upto) of streams whose rows are not all here."""
        with self._db.read() as conn:
            return self._backfills(conn, limit)

    def _backfills(self, conn: Connection, limit: int) -> tuple[tuple[str, str, int, int], ...]:
        query = "SELECT log, stream, after, upto FROM scope WHERE NOT live AND upto > 0 ORDER BY stream LIMIT ?"
        return tuple(plain(conn).execute(query, (limit,)))

    def doubted(self, limit: int) -> tuple[tuple[str, str, int, int], ...]:
        """(log, stream, after, upto) of streams that were said to have left and are to be asked for whole once more: the server
        says so again, or sends them."""
        with self._db.read() as conn:
            return self._doubted(conn, limit)

    def _doubted(self, conn: Connection, limit: int) -> tuple[tuple[str, str, int, int], ...]:
        query = "SELECT s.log, d.stream, d.since FROM doubts d JOIN scope s ON s.stream = d.stream ORDER BY d.stream"
        rows = plain(conn).execute(query).fetchall()
        now = self._clock.now()
        due = [(log, stream) for log, stream, since in rows if is_due(since, now)][:limit]
        read = {log: int(cursor.partition(":")[0]) for log, cursor in self._cursors(conn).items()} if due else {}
        return tuple((log, WHOLE_LOG if stream == whole_log(log) else stream, 0, read.get(log, 0)) for log, stream in due)

    def doubts(self) -> int:
        """How many streams were said to have left, too many at once to be believed at one word."""
        with self._db.read() as conn:
            return int(conn.execute(select(func.count()).select_from(DoubtRow)).scalar_one())

    def disagreements(self) -> tuple[Disagreement, ...]:
        """Streams that fold to something else here than on the server."""
        with self._db.read() as conn:
            return disagreements(conn)

    def receive(self, page: Page) -> Saved:
        """Rows, backfill progress, scope and cursors of one answer, in one transaction."""
        with many_at_once(), self._db.write() as conn:
            receiver = Receiver(self._db, conn, self.identity.device, self.identity.role, self._clock.now())
            changed = receiver.receive(page)
            self._follow_person(page)  # before the commit: a page that is not kept comes again
            if receiver.ordered:
                with suppress(OSError):
                    forget_put_aside(Home(self._journal.path.parents[1]))
        again = receiver.ordered and self.setting(ERASING) is not None and self.setting(READING) is None
        if receiver.erased or again:
            with suppress(Problem):  # it is tried again at the next start
                self._erase_beside()
        return Saved(tuple(row.entry.id for row in page.rows), changed)

    def _follow_person(self, page: Page) -> None:
        """The person has another role or branch now: what is recorded from here on is theirs."""
        identity = self.identity
        own = f"person:{identity.person}"
        for row in page.rows:
            if row.entry.envelope.stream == own and row.entry.envelope.type == PersonRecorded.NAME and row.outcome == "applied":
                body = read_body(row.entry)
                if isinstance(body, PersonRecorded):
                    person = body.person
                    identity = msgspec.structs.replace(identity, role=person.role, log=person.branch, name=person.name)
        if page.logs:
            identity = msgspec.structs.replace(identity, logs=page.logs)
        if identity != self.identity:
            self._lines.become(identity)

    def _erase_beside(self) -> None:
        """What was erased in the database goes from the journal and from what is kept too, and from the database's free pages.

        Raises:
            Problem: `journal-failed`; the next start goes on.
        """
        with self._both:
            query = select(col(EntryRow.id)).join(OwnEntryRow, col(OwnEntryRow.entry_id) == col(EntryRow.id))
            with self._db.read() as conn:
                ids = frozenset(conn.execute(query.where(col(EntryRow.body).is_(None))).scalars())
            self._rewrite_journal()
            self._keeping.forget_bodies(ids)
        searched = forget(index_file(Home(self._journal.path.parents[1]).database_file))
        if self._db.scrub() and searched:
            with self._db.write() as conn:
                conn.execute(delete(SettingRow).where(col(SettingRow.name) == ERASING))

    def forget_file(self, sha256: str) -> None:
        """An erased file is gone from the disk too."""
        with self._db.write() as conn:
            conn.execute(delete(FileRow).where(col(FileRow.sha256) == sha256, col(FileRow.state) == ERASED))

    def send_files_again(self, files: Sequence[str], asked: int) -> bool:
        """The server had not got these, though it may have said so on a day that is no more: those that are here are sent again.

        Args:
            asked: when the question was asked that this is the answer to, by the clock of `mark_file`.

        Returns: whether any of them had been sent before that.
        """
        with self._db.read() as conn:
            query = f"SELECT sha256 FROM files WHERE state = 'sent' AND sha256 IN ({marks(files)})"
            sent = [sha256 for (sha256,) in self._db.rows(conn, query, files)]
        lost = [sha256 for sha256 in sent if self._sent_at.get(sha256, asked) <= asked]
        if lost:
            with self._db.write() as conn:
                self._db.run(conn, f"UPDATE files SET state = 'here' WHERE state = 'sent' AND sha256 IN ({marks(lost)})", lost)
        return bool(lost)

    def forget_cursors(self) -> None:
        """The server's history is not the one this device saw: read everything again."""
        with self._both:
            self._forget_cursors()
            self._rewrite_journal()

    def _forget_cursors(self) -> None:
        """Jobs stay in view as they were until they have come again; of logs that are read whole, those with own unsettled work."""
        with self._db.write() as conn:
            run = partial(self._db.run, conn)
            whole = [log for log in self.identity.logs if self._reads_whole(conn, log)]
            for table in ("cursors", "stream_rows", "stream_states", "log_rows"):
                run(f"DELETE FROM {table}")
            run(f"DELETE FROM scope WHERE log IN ({marks(whole)})", whole)
            run('UPDATE scope SET "after" = 0, live = 0, upto = CASE upto WHEN ? THEN upto ELSE ? END', (LEAVING, AGAIN))
            others = "device <> ? AND id NOT IN (SELECT entry_id FROM own_entries)"  # no erasure would find them any more
            run(f"DELETE FROM entries WHERE {others}", [self.identity.device])
            self._db.upsert(conn, SettingRow, [{"name": ERASING, "value": "1"}])  # with the next erasure free pages are emptied
            run("UPDATE own_entries SET lane = 'unsent', outcome = '', reason = ''")  # also what its quarantine held
            run("UPDATE files SET state = 'here' WHERE state = 'sent' AND job <> ''")  # the server says which of them it has
            run(f"DELETE FROM jobs WHERE log IN ({marks(whole)}) AND stream NOT IN (SELECT stream FROM own_entries)", whole)
            written = {log for (log,) in self._db.rows(conn, "SELECT log FROM epochs")}  # also to a branch that was left since
            for log in (*self.identity.logs, *sorted(written - set(self.identity.logs))):
                self._lines.open(conn, log)

    def _reads_whole(self, conn: Connection, log: str) -> bool:
        return bool(self._db.rows(conn, "SELECT 1 FROM scope WHERE stream = ?", (whole_log(log),)))

    # --- Keeping ----------------------------------------------------------------------------------------------------

    def start(self) -> Started:
        """Make database and journal agree, both ways: called once, first, by the process that holds the home.

        Raises:
            Problem: `journal-failed`, `disk-full`, `database-damaged`; what was saved is still where it was.
        """
        content = self._journal.read()
        with self._db.write() as conn:
            self._lines.check_unsent(conn)
            restored = self._lines.is_from_another_time(conn, content.lines)
            missing = self._missing(conn, (*self._keeping.entries_for(conn, restored), *content.entries))
            if missing:
                self._store(conn, missing)
            self._heal(conn, content.entries)
            if missing or restored:
                self._lines.adopt(conn, missing, self._clock.now())
                for log in sorted({entry.envelope.log for entry in missing}):  # on top of what is shown, also where its rows wait
                    self._show(conn, [entry for entry in missing if entry.envelope.log == log])
            if self._db.rows(conn, "SELECT 1 FROM stream_states WHERE fold_version <> ? LIMIT 1", (FOLD_VERSION,)):
                self._rebuild(conn)  # the rules of folding have changed with the program
        foreign = [
            journal_line(line.epoch, line.seq, entry).rstrip()
            for line, entry in zip(content.lines, content.entries, strict=True)
            if entry.envelope.author != self.identity.person
        ]
        if content.damaged or foreign:
            self._journal.keep_damaged([*content.damaged.values(), *foreign])
        with suppress(Problem):  # then the journal keeps what it has
            self._keeping.keep_received(content, self._clock.now())
            self._rewrite_journal()
        self._keeping.let_go(self._clock.moment().wall)
        with self._db.write() as conn:
            self._db.run(conn, "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?", (_MARKS,))
        if self.setting(ERASING) is not None:
            with suppress(Problem):  # the power went before; it is tried again at the next start
                self._erase_beside()
        return Started(len(missing), restored, tuple(content.damaged))

    def _heal(self, conn: Connection, entries: Iterable[Entry]) -> list[Entry]:
        """What a bad disk made of an unsent entry in the database gives way to the journal's, which fits its hashes. Returns those
        that were mended. A line without content is of one that was erased; a restored server may have brought it back since."""
        healed = []
        read = "SELECT raw, body FROM entries WHERE id = ?"
        for entry in (entry for entry in entries if entry.body_raw is not None):
            for raw, body in self._db.rows(conn, read, (entry.id,)):
                if (raw, body) != (entry.raw, entry.body_raw) and body is not None:
                    changed = (entry.raw, entry.body_raw, entry.hash, entry.id)
                    self._db.run(conn, "UPDATE entries SET raw = ?, body = ?, hash = ? WHERE id = ?", changed)
                    healed.append(entry)
        return healed

    def _missing(self, conn: Connection, entries: Iterable[Entry]) -> list[Entry]:
        wanted = {entry.id: entry for entry in entries}
        for ids in chunks(sorted(wanted)):
            for (found,) in self._db.rows(conn, f"SELECT id FROM entries WHERE id IN ({marks(ids)})", ids):
                del wanted[found]
        return [entry for entry in wanted.values() if entry.envelope.author == self.identity.person]

    def _rewrite_journal(self) -> None:
        self._keeping.write()  # before the journal lets go of it
        written = [entry for entry in self._journal.read().entries if entry.body_raw is not None]
        known = {entry.id: entry for entry in written}  # held against their hashes, unlike the database's
        with self._db.read() as conn:
            lines = [
                journal_line(epoch, seq, known.get(entry.id, entry) if entry.body_raw is not None else entry)  # None: erased
                for epoch, seq, entry in self._lines.unsent(conn)
            ]
        if b"".join(lines) != self._journal.content():
            self._journal.replace(lines)

    def rebuild(self) -> int:
        """Drop every projection and fold it again from the rows. Returns the number of streams."""
        with self._db.write() as conn:
            return self._rebuild(conn)

    def _rebuild(self, conn: Connection) -> int:
        logs: dict[str, str] = {s: log for s, log in conn.execute(select(col(StreamRow.stream), col(StreamRow.log)).distinct())}
        waiting = set(conn.execute(select(col(ScopeRow.stream)).where(col(ScopeRow.live).is_(False))).scalars())
        streams = sorted(set(logs) - waiting)
        for table in (StreamStateRow, DocumentRow):
            kept = select(col(ScopeRow.stream)).where(col(ScopeRow.live).is_(False))
            conn.execute(delete(table).where(col(table.stream).not_in(kept)))
        for names in chunks(streams, 200):
            heads = StreamHeads(self._db, conn)
            for stream in names:
                heads.reset(stream, logs[stream])
            for stream, pos, is_entry, fact in facts_of(self._db, conn, names):
                heads.fold(fact, pos, [stream], is_entry=is_entry)
            heads.save()
        own = conn.execute(
            select(col(EntryRow.stream), col(EntryRow.log)).join(OwnEntryRow, col(OwnEntryRow.entry_id) == col(EntryRow.id))
        )
        shown = {**{s: log for s, log in own}, **logs}
        gone = set(conn.execute(select(col(JobRow.stream))).scalars()) - set(shown) - waiting
        for names in chunks(sorted(gone)):
            conn.execute(delete(JobRow).where(col(JobRow.stream).in_(names)))
        refresh_jobs(self._db, conn, shown, self.identity.role)
        return len(streams)

    def counts(self) -> SyncCounts:
        with self._db.read() as conn:
            lanes: dict[str, int] = dict(self._db.rows(conn, "SELECT lane, count(*) FROM own_entries GROUP BY lane"))
            files, size = self._db.rows(conn, "SELECT count(*), coalesce(sum(size), 0) FROM files WHERE state = 'here'")[0]
        return SyncCounts(
            lanes.get("unsent", 0), lanes.get("received", 0), lanes.get("settled", 0), lanes.get("refused", 0), files, int(size)
        )

    def files_waiting(self, state: str = "here") -> tuple[WaitingFile, ...]:
        """Files that are only here (`here`), or that are named but have not come yet (`wanted`)."""
        query = "SELECT sha256, size, name FROM files WHERE state = ? ORDER BY size"
        with self._db.read() as conn:
            return tuple(WaitingFile(*row) for row in plain(conn).execute(query, (state,)))

    def files_to_erase(self) -> tuple[WaitingFile, ...]:
        """Files that nothing names any more; none while there is more to read, which may name them (of a new database all)."""
        with self._db.read() as conn:
            begun = {int(cursor.partition(":")[0]) > 0 for cursor in self._cursors(conn).values()}
            reading = bool(self._settings(conn, [READING])) or True not in begun
        return () if reading else self.files_waiting(ERASED)

    def mark_file(self, sha256: str, state: str, at: int | None = None) -> None:
        """A file has arrived at the server (`sent`) or here (`sent` as well: it is at both ends). `at`: by the clock of sync."""
        with self._db.write() as conn:
            update_ = "UPDATE files SET state = ? WHERE sha256 = ? AND state <> ?"  # what was erased meanwhile is to go
            self._db.run(conn, update_, (state, sha256, ERASED))
        if at is not None:
            self._sent_at[sha256] = at

    def setting(self, name: str) -> str | None:
        return self.settings(name).get(name)

    def settings(self, *names: str) -> dict[str, str]:
        """Those of the named settings that are there."""
        with self._db.read() as conn:
            return self._settings(conn, names)

    def _settings(self, conn: Connection, names: Sequence[str]) -> dict[str, str]:
        return dict(self._db.rows(conn, f"SELECT name, value FROM settings WHERE name IN ({marks(names)})", names))

    def set_settings(self, **values: str) -> None:
        with self._db.write() as conn:
            self._db.upsert(conn, SettingRow, [{"name": name, "value": value} for name, value in values.items()])

    def _log_of(self, conn: Connection, stream: str) -> str:
        found = self._db.rows(conn, "SELECT log FROM jobs WHERE stream = ?", (stream,))
        return found[0][0] if found else self.identity.log
