"""Pull: what a device has not seen yet, of what it may see.

The office, and everybody in `org`, reads logs whole: rows after the cursor. A technician reads the rows of streams in scope, and
all rows of the own device, so that the outcomes of own entries always come. A log never read is read from 0 by the same rules:
for a technician that makes every stream in scope `added`, and the cursor jumps to the head at once.

Scope is judged as it is now, by the server, at every pull: a stream that left is never served again, whatever is asked for. Of the
log of a branch that a person has left, only own rows are served.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from fieldapp.domain.fold import FOLD_VERSION, folds
from fieldapp.domain.job import OutcomeName
from fieldapp.server.answers import Refused
from fieldapp.server.cursors import NEVER, Cursor, read_cursor
from fieldapp.server.reach import Session, readable_logs, reads_whole
from fieldapp.store.bulk import many_at_once
from fieldapp.store.database import Database, marks
from fieldapp.store.rows import WHOLE_LOG
from fieldapp.sync.protocol import (
    PROTOCOL,
    PULL_BYTES,
    Backfill,
    BackfillDone,
    EpochHead,
    PullAnswer,
    PullRequest,
    RowKind,
    StreamAdded,
    StreamDigest,
    StreamRemoved,
    WireEntry,
    WireRow,
)  # fmt: skip

BACKFILLS = 1000
"""Streams looked at in one answer; the device asks again for the others."""
DIGESTS = 50
"""Digests in one answer."""
WANTED_FILES = 32
"""Files asked for in one answer."""
ROWS = 5000
"""Rows looked at for one answer, whatever the budget."""
_OVERHEAD = 120
"""Bytes of a row besides its entry, about."""


class _Streams(msgspec.Struct):
    """The streams an entry names, read from its envelope."""

    stream: str
    also: tuple[str, ...] = ()


_streams_decoder = msgspec.json.Decoder(_Streams)


class _Read(NamedTuple):
    """A row of a log with its entry, as selected."""

    pos: int
    kind: RowKind
    outcome: OutcomeName
    reason: str
    role: str
    received_at: int
    chain: str
    raw: bytes | None
    body: bytes | None


class Feed:
    """Answers pulls. Reads only."""

    def __init__(self, db: Database, clock: Callable[[], int], *, incarnation: str, oldest_version: str = "") -> None:
        self._db, self._clock = db, clock
        self._incarnation, self._oldest = incarnation, oldest_version

    def pull(self, who: Session, request: PullRequest) -> PullAnswer:
        """One page. Positions within a log come in order; the new cursor is the last position looked at.

        Raises:
            Refused: `upgrade-needed` (426), `bad-request` (400), `cursor-diverged` (410, with the heads of the logs concerned).
        """
        self._check_version(request)
        with many_at_once(), self._db.read() as conn:
            found = self._db.rows(conn, "SELECT log, pos, chain FROM log_heads")
            heads = {log: Cursor(pos, chain[:8]) for log, pos, chain in found}
            logs = readable_logs(who.role, who.branch, heads)
            former = _former_logs(self._db, conn, who, request, logs)
            cursors = {log: read_cursor(request.cursors.get(log, "")) for log in (*logs, *former)}
            cursors |= {log: NEVER for log in logs if cursors[log].own}
            _check_cursors(self._db, conn, who, cursors, heads, former)
            page = _Page(self._db, conn, who, request, former)
            for log, cursor in cursors.items():
                page.follow(log, cursor, heads.get(log, NEVER))
            page.backfill(logs, heads)
            return PullAnswer(
                incarnation=self._incarnation,
                time=self._clock(),
                cursors=page.cursors,
                rows=tuple(page.in_order()),
                added=tuple(page.added),
                removed=tuple(page.removed),
                backfilled=tuple(page.backfilled),
                epochs=(standing := _epoch_heads(self._db, conn, who, request)),
                aside=_aside(self._db, conn, request, standing),
                wanted=_wanted(self._db, conn, who.person, self._clock()),
                digests=page.digests(),
                fold=FOLD_VERSION,
                more=page.more,
                logs=logs,
                oldest_version=self._oldest,
            )

    def heads(self, who: Session) -> dict[str, int]:
        """Where the logs of a reader stand."""
        with self._db.read() as conn:
            heads: dict[str, int] = dict(self._db.rows(conn, "SELECT log, pos FROM log_heads"))
        return {log: heads.get(log, 0) for log in readable_logs(who.role, who.branch, heads)}

    def _check_version(self, request: PullRequest) -> None:
        if PROTOCOL not in request.protocols or (self._oldest and _version(request.app_version) < _version(self._oldest)):
            raise Refused(
                426, "upgrade-needed", "This version can no longer read from the server.",
                f"Upgrade to {self._oldest or 'a newer version'}. What you record is still sent.",
            )  # fmt: skip


class _Page:
    """One answer while it is being put together, within a budget of bytes."""

    def __init__(self, db: Database, conn: Connection, who: Session, request: PullRequest, former: Collection[str]) -> None:
        """former: logs of which only own rows are read."""
        self._db = db
        self._conn, self._who, self._request, self._former = conn, who, request, former
        self._left = max(1, min(request.budget, 4 * PULL_BYTES))
        self._looked_at = 0
        self._rows: dict[str, dict[int, WireRow]] = {}
        self._fresh: dict[str, str] = {}  # streams that this page brings up to the cursor, with their log
        self._starts: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self.cursors: dict[str, str] = {}
        self.added: list[StreamAdded] = []
        self.removed: list[StreamRemoved] = []
        self.backfilled: list[BackfillDone] = []
        self.more = False

    def in_order(self) -> Iterator[WireRow]:
        """The rows by log and position, each once, whichever way they came in."""
        for log in self.cursors:
            rows = self._rows.get(log, {})
            for pos in sorted(rows):
                yield rows[pos]

    # --- After the cursor ------------------------------------------------------------------------------------------------------

    def follow(self, log: str, cursor: Cursor, head: Cursor) -> None:
        """Rows after the cursor as far as the budget goes, and the changes of scope up to there."""
        own = log in self._former
        whole = reads_whole(self._who.role, log) and not own
        end = cursor
        if cursor.pos < head.pos:
            span = (log, cursor.pos, head.pos)
            person, device = self._who.person, self._who.device
            values: tuple[object, ...] = span
            query = _ALL_ROWS
            if own:
                query, values = _OWN_ROWS, (*span, device, *span, *span, log, person)
            elif not whole:
                query, values = _ROWS_IN_SCOPE, (*span, *span, log, person, cursor.pos, device, *span, *span)
            for read in self._db.stream(self._conn, query, values):
                if not self._room():
                    self.more = True
                    break
                row = _Read(*read)
                end = Cursor(row.pos, row.chain[:8])
                self._take(log, row, fresh=True)
            else:
                end = head
            if not whole and not own:
                self._scope_changes(log, cursor.pos, end.pos)
        if whole and not cursor.pos:
            self.added.append(StreamAdded(log, WHOLE_LOG, end.pos))
        self._starts[log], self._ends[log] = cursor.pos, end.pos
        self.cursors[log] = end.text(filtered=not whole, own=own, head=None if whole or own else head)

    def _scope_changes(self, log: str, after: int, upto: int) -> None:
        mine = (log, self._who.person)
        found = self._db.rows(self._conn, _SCOPE_CHANGES, (*mine, after, upto, *mine, after, upto, *mine, upto))
        for stream, comes in sorted(set(found)):
            if comes:
                self.added.append(StreamAdded(log, stream, upto))
            else:
                self.removed.append(StreamRemoved(log, stream))

    # --- Backfill --------------------------------------------------------------------------------------------------------------

    def backfill(self, logs: tuple[str, ...], heads: dict[str, Cursor]) -> None:
        """Rows of streams asked for, several streams an answer.

        A stream that is out of scope is answered as done and removed, with no row: the device stops asking and drops it.
        """
        asked = self._request.backfills[:BACKFILLS]
        self.more |= len(self._request.backfills) > len(asked)
        runs: dict[tuple[str, int, int], list[str]] = {}
        held = self._held(logs, asked)
        for item in asked:
            if (item.log, item.stream) not in held:
                self.backfilled.append(BackfillDone(item.stream, item.upto, True))
                self.removed.append(StreamRemoved(item.log, item.stream))
                continue
            upto = min(item.upto, heads.get(item.log, NEVER).pos)
            runs.setdefault((item.log, item.after, upto), []).append(item.stream)
        for (log, after, upto), streams in runs.items():
            if not self._backfill_run(log, after, upto, sorted(set(streams))):
                self.more = True
                return

    def _held(self, logs: tuple[str, ...], asked: Iterable[Backfill]) -> set[tuple[str, str]]:
        held: set[tuple[str, str]] = set()
        for log in logs:
            streams = sorted({item.stream for item in asked if item.log == log})
            if not streams:
                continue
            if reads_whole(self._who.role, log):
                held |= {(log, stream) for stream in streams}
                continue
            query = _HELD + f" AND stream IN ({marks(streams)})"
            held |= {(log, stream) for (stream,) in self._db.rows(self._conn, query, (log, self._who.person, *streams))}
        return held

    def _backfill_run(self, log: str, after: int, upto: int, streams: list[str]) -> bool:
        """All streams that ask for the same range, in one statement; False when the budget ended it."""
        query = _BACKFILL.format(marks(streams))
        reached: dict[str, int] = {}
        current, cut = "", False
        for stream, *read in self._db.stream(self._conn, query, (log, *streams, after, upto)):
            if not self._room():
                cut = True
                break
            if stream != current and current:
                reached[current] = upto
            current = stream
            row = _Read(*read)
            reached[stream] = row.pos
            self._take(log, row, fresh=False)
        for stream in streams if not cut else reached:
            whole = not cut or stream != current
            self.backfilled.append(BackfillDone(stream, upto if whole else reached[stream], whole))
            if whole:
                self._fresh[stream] = log
        return not cut

    # --- Digests ---------------------------------------------------------------------------------------------------------------

    def digests(self) -> tuple[StreamDigest, ...]:
        """Digests of states that this page brings the device to, for a device that folds as this server does."""
        if self._request.fold != FOLD_VERSION:
            return ()
        streams = [stream for stream in self._fresh if folds(stream)][:DIGESTS]
        if not streams:
            return ()
        done = {item.stream for item in self.backfilled if item.done}
        ends = [value for end in self._ends.items() for value in end]
        further_on = " OR ".join(["x.log = ? AND x.pos > ?"] * len(self._ends))
        query = (  # after an erasure that comes with a later page, states lack already what the device is still to forget
            f"SELECT stream, log, pos, digest FROM stream_states s WHERE fold_version = ? AND stream IN ({marks(streams)}) "
            f"AND NOT EXISTS (SELECT 1 FROM erasures x WHERE x.log = s.log AND ({further_on}))"
        )
        found = {row[0]: row[1:] for row in self._db.rows(self._conn, query, (FOLD_VERSION, *streams, *ends))}
        tailed = self._tailed([stream for stream in streams if stream in found and stream not in done])
        return tuple(
            StreamDigest(stream, pos, digest)
            for stream in streams
            if stream in done or stream in tailed
            for log, pos, digest in (found.get(stream, _NO_STATE),)
            if log and pos <= self._ends.get(log, 0)
        )

    def _tailed(self, streams: list[str]) -> set[str]:
        """Streams the device follows since before this page: it has all of them, not only what is in this answer."""
        tailed = {stream for stream in streams if reads_whole(self._who.role, self._fresh[stream])}
        rest = [stream for stream in streams if stream not in tailed]
        if rest:
            starts = [value for start in self._starts.items() for value in start]
            since = " OR ".join(["log = ? AND since_pos <= ?"] * len(self._starts))
            query = f"SELECT stream FROM memberships WHERE ({since}) AND person = ? AND until_pos IS NULL "
            query += f"AND stream IN ({marks(rest)})"
            tailed.update(stream for (stream,) in self._db.rows(self._conn, query, (*starts, self._who.person, *rest)))
        return tailed

    # --- Rows ------------------------------------------------------------------------------------------------------------------

    def _room(self) -> bool:
        return self._left > 0 and self._looked_at < ROWS

    def _take(self, log: str, row: _Read, *, fresh: bool) -> None:
        self._looked_at += 1
        rows = self._rows.setdefault(log, {})
        if row.raw is None or row.pos in rows:
            return  # a change of scope is delivered as `added` and `removed`
        entry = WireEntry(row.raw.decode("utf-8"), None if row.body is None else row.body.decode("utf-8"))
        at, outcome = row.received_at, row.outcome
        rows[row.pos] = WireRow(log, row.pos, at, entry, row.kind, outcome, row.reason, row.role)
        self._left -= len(row.raw) + len(row.body or b"") + len(row.reason) + _OVERHEAD
        if fresh:
            named = _streams_decoder.decode(row.raw)
            for stream in (named.stream, *named.also):
                self._fresh.setdefault(stream, log)


_NO_STATE = ("", 0, "")
# Statements of every pull, as text: building one each time costs more than running it.
_ROW = "r.pos, r.kind, r.outcome, r.reason, r.role, r.received_at, r.chain, e.raw, e.body"
_JOINED = f"SELECT {_ROW} FROM log_rows r LEFT JOIN entries e ON e.id = r.entry_id WHERE r.log = ? AND r.pos > ? AND r.pos <= ?"
_ALL_ROWS = f"{_JOINED} ORDER BY r.pos LIMIT {ROWS + 1}"
_OF_THE_DEVICE = "SELECT pos FROM log_rows WHERE device = ? AND log = ? AND pos > ? AND pos <= ?"
_ROWS_IN_SCOPE = (
    f"{_JOINED} AND r.pos IN ("
    "SELECT s.pos FROM stream_rows s JOIN memberships m ON m.log = s.log AND m.stream = s.stream "
    "WHERE s.log = ? AND s.pos > ? AND s.pos <= ? AND m.log = ? AND m.person = ? AND m.until_pos IS NULL AND m.since_pos <= ? "
    f"UNION {_OF_THE_DEVICE} "
    "UNION SELECT pos FROM erasures WHERE log = ? AND pos > ? AND pos <= ?) "
    f"ORDER BY r.pos LIMIT {ROWS + 1}"
)
"""Rows of streams that are in scope now and were so at the cursor (later ones are backfilled), of the own device, and what was
erased: a device may have own entries that it concerns, whatever it holds now."""
_OWN_ROWS = (
    f"{_JOINED} AND r.pos IN ({_OF_THE_DEVICE} "
    "UNION SELECT x.pos FROM erasures x JOIN entries o ON o.id = x.entry_id WHERE x.log = ? AND x.pos > ? AND x.pos <= ? "
    "AND EXISTS (SELECT 1 FROM stream_rows s JOIN entries c ON c.id = s.entry_id "
    "WHERE s.log = ? AND s.stream = o.stream AND c.author = ?)) "
    f"ORDER BY r.pos LIMIT {ROWS + 1}"
)
"""Rows of the own device in a log that its person does not read, and the erasures of what the person has recorded there: of the
others' customers nobody outside hears, not even that they were forgotten."""
_HELD = "SELECT stream FROM memberships WHERE log = ? AND person = ? AND until_pos IS NULL"
_SCOPE_CHANGES = (
    "SELECT stream, 1 FROM memberships WHERE log = ? AND person = ? AND since_pos > ? AND since_pos <= ? AND until_pos IS NULL "
    "UNION ALL SELECT stream, 0 FROM memberships WHERE log = ? AND person = ? AND until_pos > ? AND until_pos <= ? "
    f"AND stream NOT IN ({_HELD} AND since_pos <= ?)"
)
"""Streams that came (1) and that went (0)."""
_BACKFILL = (
    f"SELECT s.stream, {_ROW} FROM stream_rows s JOIN log_rows r ON r.log = s.log AND r.pos = s.pos "
    "LEFT JOIN entries e ON e.id = r.entry_id WHERE s.log = ? AND s.stream IN ({}) AND s.pos > ? AND s.pos <= ? "
    f"ORDER BY s.stream, s.pos LIMIT {ROWS + 1}"
)


def _former_logs(db: Database, conn: Connection, who: Session, request: PullRequest, logs: tuple[str, ...]) -> tuple[str, ...]:
    """Logs that the person reads no more (the branch was changed) but this device has written to: the outcomes of own entries
    still come, and what was erased."""
    others = sorted(set(request.cursors) - set(logs))[:100]
    if not others:
        return ()
    query = f"SELECT DISTINCT log FROM device_epochs WHERE device = ? AND log IN ({marks(others)})"
    return tuple(sorted(log for (log,) in db.rows(conn, query, (who.device, *others))))


def _check_cursors(
    db: Database, conn: Connection, who: Session, cursors: dict[str, Cursor], heads: dict[str, Cursor], former: Collection[str]
) -> None:
    """The device's past must be a part of this server's: the same chain at its position, read the same way (but for own rows,
    which are a part of any)."""
    known = [(log, cursor.pos, cursor.chain) for log, cursor in cursors.items() if cursor.pos]
    known += [(log, *cursor.judged) for log, cursor in cursors.items() if cursor.judged]
    there = {(log, head.pos, head.chain) for log, head in heads.items()}
    behind = [value for log, pos, _ in known if pos < heads.get(log, NEVER).pos for value in (log, pos)]
    if behind:
        places = " OR ".join(["log = ? AND pos = ?"] * (len(behind) // 2))
        there.update(
            tuple(row) for row in db.rows(conn, f"SELECT log, pos, substr(chain, 1, 8) FROM log_rows WHERE {places}", behind)
        )
    strange = {place[0] for place in known if place not in there}
    diverged = {
        log: heads.get(log, NEVER).text(filtered=not reads_whole(who.role, log))
        for log, cursor in cursors.items()
        if log in strange or (cursor.pos and log not in former and cursor.filtered == reads_whole(who.role, log))
    }
    if diverged:
        raise Refused(
            410, "cursor-diverged", "What this device has read is not this server's history.",
            "It reads again from the start; what was not sent yet is kept.", logs=diverged,
        )  # fmt: skip


def _epoch_heads(db: Database, conn: Connection, who: Session, request: PullRequest) -> tuple[EpochHead, ...]:
    asked = [head.epoch for head in request.epochs[:100]]
    if not asked:
        return ()
    query = f"SELECT epoch, seq, hash, safe_seq FROM device_epochs WHERE epoch IN ({marks(asked)}) AND device = ?"
    found = {row[0]: EpochHead(*row) for row in db.rows(conn, query, (*asked, who.device))}
    return tuple(found.get(epoch, EpochHead(epoch, 0, "")) for epoch in asked)


def _aside(db: Database, conn: Connection, request: PullRequest, heads: Sequence[EpochHead]) -> dict[str, tuple[int, ...]]:
    """Positions that somebody else handed over as bytes for this device (a copy of its disk), where it has no receipt for them."""
    asked = {head.epoch: head.seq for head in request.epochs}
    query = (
        "SELECT p.seq FROM positions p JOIN quarantine q ON q.id = p.entry_id "
        "WHERE p.epoch = ? AND p.seq > ? AND q.decided = '' ORDER BY p.seq"
    )
    further = [head.epoch for head in heads if head.seq > asked[head.epoch]]
    found = {epoch: tuple(seq for (seq,) in db.rows(conn, query, (epoch, asked[epoch]))) for epoch in further}
    return {epoch: seqs for epoch, seqs in found.items() if seqs}


def _wanted(db: Database, conn: Connection, person: str, now: int) -> tuple[str, ...]:
    """Files that devices of this person have recorded (a home may have been enrolled again), for the one that counts them as sent:
    WANTED_FILES at most, from another place each minute, so that those which nobody can send do not stand before the others."""
    query = (
        "SELECT DISTINCT w.sha256, w.sha256 < ? AS later FROM awaited_files w JOIN devices d ON d.id = w.device "
        "JOIN files f ON f.sha256 = w.sha256 WHERE d.person = ? AND f.state = 'wanted' ORDER BY later, w.sha256 LIMIT ?"
    )
    first = f"{now // 60_000 * 2_654_435_761 % 2**32:08x}"  # Knuth's multiplicative hashing: minutes lie far apart
    return tuple(sha256 for sha256, _ in db.rows(conn, query, (first, person, WANTED_FILES)))


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split("."):
        digits = "".join(letter for letter in part[:9] if letter in "0123456789")
        numbers.append(int(digits or "0"))
    return tuple(numbers)
