"""Pull: what a device has not seen yet, of what it may see.

The office, and everybody in `org`, reads logs whole: rows after the cursor. A technician reads the rows of streams in scope, and
all rows of the own device, so that the outcomes of own entries always come. A log never read is read from 0 by the same rules:
for a technician that makes every stream in scope `added`, and the cursor jumps to the head at once.

Scope is judged as it is now, by the server, at every pull: a stream that left is never served again, whatever is asked for. Of the
log of a branch that a person has left, only own rows are served.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, func, literal, or_, select, tuple_, union, union_all
from sqlalchemy.orm import aliased
from sqlmodel import col

from fieldapp.domain.fold import FOLD_VERSION, folds
from fieldapp.domain.job import OutcomeName
from fieldapp.server.answers import Refused
from fieldapp.server.cursors import NEVER, Cursor, read_cursor
from fieldapp.server.reach import Session, readable_logs, reads_whole
from fieldapp.store.database import Database
from fieldapp.store.rows import WHOLE_LOG
from fieldapp.store.tables import (
    DeviceEpochRow,
    EntryRow,
    ErasureRow,
    LogHeadRow,
    LogRow,
    MembershipRow,
    StreamRow,
    StreamStateRow,
    table_of,
)  # fmt: skip
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
ROWS = 5000
"""Rows looked at for one answer, whatever the budget."""
_OVERHEAD = 120
"""Bytes of a row besides its entry, about."""
_FETCH = 64


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
        with self._db.read() as conn:
            heads = {row.log: Cursor(row.pos, row.chain[:8]) for row in conn.execute(_HEADS, {})}
            logs = readable_logs(who.role, who.branch, heads)
            former = _former_logs(conn, who, request, logs)
            cursors = {log: read_cursor(request.cursors.get(log, "")) for log in (*logs, *former)}
            cursors |= {log: NEVER for log in logs if cursors[log].own}
            _check_cursors(conn, who, cursors, heads, former)
            page = _Page(conn, who, request, former)
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
                epochs=_epoch_heads(conn, who, request),
                digests=page.digests(),
                fold=FOLD_VERSION,
                more=page.more,
                logs=logs,
                oldest_version=self._oldest,
            )

    def heads(self, who: Session) -> dict[str, int]:
        """Where the logs of a reader stand."""
        with self._db.read() as conn:
            heads = {row.log: int(row.pos) for row in conn.execute(select(col(LogHeadRow.log), col(LogHeadRow.pos)))}
        return {log: heads.get(log, 0) for log in readable_logs(who.role, who.branch, heads)}

    def _check_version(self, request: PullRequest) -> None:
        if PROTOCOL not in request.protocols or (self._oldest and _version(request.app_version) < _version(self._oldest)):
            raise Refused(
                426, "upgrade-needed", "This version can no longer read from the server.",
                f"Upgrade to {self._oldest or 'a newer version'}. What you record is still sent.",
            )  # fmt: skip


class _Page:
    """One answer while it is being put together, within a budget of bytes."""

    def __init__(self, conn: Connection, who: Session, request: PullRequest, former: Collection[str]) -> None:
        """former: logs of which only own rows are read."""
        self._conn, self._who, self._request, self._former = conn, who, request, former
        self._left = max(1, min(request.budget, 4 * PULL_BYTES))
        self._looked_at = 0
        self._rows: dict[tuple[str, int], WireRow] = {}
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
        order = {log: number for number, log in enumerate(self.cursors)}
        for key in sorted(self._rows, key=lambda key: (order[key[0]], key[1])):
            yield self._rows[key]

    # --- After the cursor ------------------------------------------------------------------------------------------------------

    def follow(self, log: str, cursor: Cursor, head: Cursor) -> None:
        """Rows after the cursor as far as the budget goes, and the changes of scope up to there."""
        own = log in self._former
        whole = reads_whole(self._who.role, log) and not own
        end = cursor
        if cursor.pos < head.pos:
            query = _ALL_ROWS if whole else _OWN_ROWS if own else _ROWS_IN_SCOPE
            values = {"log": log, "after": cursor.pos, "upto": head.pos}
            if not whole:
                values |= {"person": self._who.person, "device": self._who.device}
            for row in self._fetch(query, values):
                if not self._room():
                    self.more = True
                    break
                end = Cursor(row.pos, row.chain[:8])
                self._take(log, row, fresh=True)
            else:
                end = head
            if not whole and not own:
                self._scope_changes(log, cursor.pos, end.pos)
        if whole and not cursor.pos:
            self.added.append(StreamAdded(log, WHOLE_LOG, end.pos))
        self._starts[log], self._ends[log] = cursor.pos, end.pos
        self.cursors[log] = end.text(filtered=not whole, own=own)

    def _scope_changes(self, log: str, after: int, upto: int) -> None:
        values = {"log": log, "person": self._who.person, "after": after, "upto": upto}
        for stream, comes in sorted({(str(row[0]), bool(row[1])) for row in self._conn.execute(_SCOPE_CHANGES, values)}):
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
            query = select(col(MembershipRow.stream)).where(
                col(MembershipRow.log) == log, col(MembershipRow.person) == self._who.person,
                col(MembershipRow.stream).in_(streams), col(MembershipRow.until_pos).is_(None),
            )  # fmt: skip
            held |= {(log, stream) for stream in self._conn.execute(query).scalars()}
        return held

    def _backfill_run(self, log: str, after: int, upto: int, streams: list[str]) -> bool:
        """All streams that ask for the same range, in one statement; False when the budget ended it."""
        values = {"log": log, "streams": streams, "after": after, "upto": upto}
        reached: dict[str, int] = {}
        current, cut = "", False
        for stream, *read in self._fetch(_BACKFILL, values, plain=True):
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
        query = select(
            col(StreamStateRow.stream), col(StreamStateRow.log), col(StreamStateRow.pos), col(StreamStateRow.digest)
        ).where(col(StreamStateRow.stream).in_(streams), col(StreamStateRow.fold_version) == FOLD_VERSION)
        found = {row.stream: row for row in self._conn.execute(query)}
        tailed = self._tailed([stream for stream in streams if stream in found and stream not in done])
        return tuple(
            StreamDigest(stream, found[stream].pos, found[stream].digest)
            for stream in streams
            if stream in found
            and found[stream].pos <= self._ends.get(found[stream].log, 0)
            and (stream in done or stream in tailed)
        )

    def _tailed(self, streams: list[str]) -> set[str]:
        """Streams the device follows since before this page: it has all of them, not only what is in this answer."""
        tailed = {stream for stream in streams if reads_whole(self._who.role, self._fresh[stream])}
        rest = [stream for stream in streams if stream not in tailed]
        if rest:
            since = or_(
                *(and_(col(MembershipRow.log) == log, col(MembershipRow.since_pos) <= pos) for log, pos in self._starts.items())
            )
            query = select(col(MembershipRow.stream)).where(
                since, col(MembershipRow.person) == self._who.person, col(MembershipRow.stream).in_(rest),
                col(MembershipRow.until_pos).is_(None),
            )  # fmt: skip
            tailed |= set(self._conn.execute(query).scalars())
        return tailed

    # --- Rows ------------------------------------------------------------------------------------------------------------------

    def _room(self) -> bool:
        return self._left > 0 and self._looked_at < ROWS

    def _take(self, log: str, row: _Read, *, fresh: bool) -> None:
        self._looked_at += 1
        if row.raw is None or (log, row.pos) in self._rows:
            return  # a change of scope is delivered as `added` and `removed`
        entry = WireEntry(row.raw.decode("utf-8"), None if row.body is None else row.body.decode("utf-8"))
        at, outcome = row.received_at, row.outcome
        self._rows[log, row.pos] = WireRow(log, row.pos, at, entry, row.kind, outcome, row.reason, row.role)
        self._left -= len(row.raw) + len(row.body or b"") + len(row.reason) + _OVERHEAD
        if fresh:
            named = _streams_decoder.decode(row.raw)
            for stream in (named.stream, *named.also):
                self._fresh.setdefault(stream, log)

    def _fetch(self, query: Select[*tuple[Any, ...]], values: dict[str, Any], *, plain: bool = False) -> Iterator[Any]:
        """Rows a few at a time, so that a small budget never loads a large log (a named cursor on PostgreSQL)."""
        options = {"stream_results": True, "max_row_buffer": _FETCH}
        result = self._conn.execute(query, values, execution_options=options)
        try:
            while rows := result.fetchmany(_FETCH):
                for row in rows:
                    yield row if plain else _Read(*row)
        finally:
            result.close()


_ROW: tuple[Any, ...] = (
    col(LogRow.pos), col(LogRow.kind), col(LogRow.outcome), col(LogRow.reason), col(LogRow.role), col(LogRow.received_at),
    col(LogRow.chain), col(EntryRow.raw), col(EntryRow.body),
)  # fmt: skip


def _in_order(query: Select[*tuple[Any, ...]], *order: Any) -> Select[*tuple[Any, ...]]:
    return query.order_by(*order).limit(ROWS + 1)


# Statements of every pull, built once: building one each time costs more than running it.
_LOG: Any = bindparam("log")
_PERSON: Any = bindparam("person")
_AFTER: Any = bindparam("after")
_UPTO: Any = bindparam("upto")
_HEADS = select(table_of(LogHeadRow))
_JOINED = (
    select(*_ROW)
    .select_from(LogRow)
    .outerjoin(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
    .where(col(LogRow.log) == _LOG, col(LogRow.pos) > _AFTER, col(LogRow.pos) <= _UPTO)
)
_ALL_ROWS = _in_order(_JOINED, col(LogRow.pos))
_OF_STREAMS = (
    select(col(StreamRow.pos))
    .join(MembershipRow, (col(MembershipRow.log) == col(StreamRow.log)) & (col(MembershipRow.stream) == col(StreamRow.stream)))
    .where(
        col(StreamRow.log) == _LOG,
        col(StreamRow.pos) > _AFTER,
        col(StreamRow.pos) <= _UPTO,
        col(MembershipRow.log) == _LOG,
        col(MembershipRow.person) == _PERSON,
        col(MembershipRow.until_pos).is_(None),
        col(MembershipRow.since_pos) <= _AFTER,
    )
)
_OWN = select(col(LogRow.pos)).where(
    col(LogRow.log) == _LOG, col(LogRow.device) == bindparam("device"), col(LogRow.pos) > _AFTER, col(LogRow.pos) <= _UPTO
)
_ERASURES = select(col(ErasureRow.pos)).where(
    col(ErasureRow.log) == _LOG, col(ErasureRow.pos) > _AFTER, col(ErasureRow.pos) <= _UPTO
)
_ROWS_IN_SCOPE = _in_order(_JOINED.where(col(LogRow.pos).in_(union(_OF_STREAMS, _OWN, _ERASURES))), col(LogRow.pos))
"""Rows of streams that are in scope now and were so at the cursor (later ones are backfilled), of the own device, and what was
erased: a device may have own entries that it concerns, whatever it holds now."""
_ERASING, _CONCERNED = aliased(EntryRow), aliased(EntryRow)
_OWN_ERASURES = (
    select(col(ErasureRow.pos))
    .join(_ERASING, col(_ERASING.id) == col(ErasureRow.entry_id))
    .where(
        col(ErasureRow.log) == _LOG, col(ErasureRow.pos) > _AFTER, col(ErasureRow.pos) <= _UPTO,
        select(col(StreamRow.pos))
        .join(_CONCERNED, col(_CONCERNED.id) == col(StreamRow.entry_id))
        .where(
            col(StreamRow.log) == _LOG, col(StreamRow.stream) == col(_ERASING.stream), col(_CONCERNED.author) == _PERSON
        )
        .exists(),
    )
)  # fmt: skip
_OWN_ROWS = _in_order(_JOINED.where(col(LogRow.pos).in_(union(_OWN, _OWN_ERASURES))), col(LogRow.pos))
"""Rows of the own device in a log that its person does not read, and the erasures of what the person has recorded there: of the
others' customers nobody outside hears, not even that they were forgotten."""
_MINE = and_(col(MembershipRow.log) == _LOG, col(MembershipRow.person) == _PERSON)
_CAME = select(col(MembershipRow.stream), literal(1).label("comes")).where(
    _MINE, col(MembershipRow.since_pos) > _AFTER, col(MembershipRow.since_pos) <= _UPTO, col(MembershipRow.until_pos).is_(None)
)
_BACK = select(col(MembershipRow.stream)).where(
    _MINE, col(MembershipRow.until_pos).is_(None), col(MembershipRow.since_pos) <= _UPTO
)
_WENT = select(col(MembershipRow.stream), literal(0).label("comes")).where(
    _MINE, col(MembershipRow.until_pos) > _AFTER, col(MembershipRow.until_pos) <= _UPTO, col(MembershipRow.stream).not_in(_BACK)
)
_SCOPE_CHANGES = union_all(_CAME, _WENT)
_BACKFILL = _in_order(
    select(col(StreamRow.stream), *_ROW)
    .select_from(StreamRow)
    .join(LogRow, (col(LogRow.log) == col(StreamRow.log)) & (col(LogRow.pos) == col(StreamRow.pos)))
    .outerjoin(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
    .where(
        col(StreamRow.log) == _LOG,
        col(StreamRow.stream).in_(bindparam("streams", expanding=True)),
        col(StreamRow.pos) > _AFTER,
        col(StreamRow.pos) <= _UPTO,
    ),
    col(StreamRow.stream),
    col(StreamRow.pos),
)


def _former_logs(conn: Connection, who: Session, request: PullRequest, logs: tuple[str, ...]) -> tuple[str, ...]:
    """Logs that the person reads no more (the branch was changed) but this device has written to: the outcomes of own entries
    still come, and what was erased."""
    others = sorted(set(request.cursors) - set(logs))[:100]
    if not others:
        return ()
    query = select(col(DeviceEpochRow.log)).where(col(DeviceEpochRow.device) == who.device, col(DeviceEpochRow.log).in_(others))
    return tuple(sorted(set(conn.execute(query).scalars())))


def _check_cursors(
    conn: Connection, who: Session, cursors: dict[str, Cursor], heads: dict[str, Cursor], former: Collection[str]
) -> None:
    """The device's past must be a part of this server's: the same chain at its position, read the same way (but for own rows,
    which are a part of any)."""
    behind = [(log, cursor.pos) for log, cursor in cursors.items() if 0 < cursor.pos < heads.get(log, NEVER).pos]
    chains = {log: Cursor(head.pos, head.chain) for log, head in heads.items()}
    if behind:
        query = select(col(LogRow.log), col(LogRow.pos), func.substr(col(LogRow.chain), 1, 8).label("chain")).where(
            tuple_(col(LogRow.log), col(LogRow.pos)).in_(behind)
        )
        chains |= {row.log: Cursor(row.pos, row.chain) for row in conn.execute(query)}
    diverged = {
        log: heads.get(log, NEVER).text(filtered=not reads_whole(who.role, log))
        for log, cursor in cursors.items()
        if cursor.pos
        and (
            (cursor.pos, cursor.chain) != (chains.get(log, NEVER).pos, chains.get(log, NEVER).chain)
            or (log not in former and cursor.filtered == reads_whole(who.role, log))
        )
    }
    if diverged:
        raise Refused(
            410, "cursor-diverged", "What this device has read is not this server's history.",
            "It reads again from the start; what was not sent yet is kept.", logs=diverged,
        )  # fmt: skip


def _epoch_heads(conn: Connection, who: Session, request: PullRequest) -> tuple[EpochHead, ...]:
    asked = [head.epoch for head in request.epochs[:100]]
    if not asked:
        return ()
    query = select(table_of(DeviceEpochRow)).where(col(DeviceEpochRow.epoch).in_(asked), col(DeviceEpochRow.device) == who.device)
    found = {row.epoch: EpochHead(row.epoch, row.seq, row.hash, row.safe_seq) for row in conn.execute(query)}
    return tuple(found.get(epoch, EpochHead(epoch, 0, "")) for epoch in asked)


def _version(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split("."):
        digits = "".join(letter for letter in part[:9] if letter in "0123456789")
        numbers.append(int(digits or "0"))
    return tuple(numbers)
