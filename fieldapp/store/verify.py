"""Checking a database against itself: every hash, every chain, every projection. It only reads.

What a log says is proven by its hashes; what screens show is proven by folding again. The first bad entry of each chain is named:
all after it hang on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Select, select
from sqlmodel import SQLModel, col

from fieldapp.domain.entry import chain_hash, read_entry, sha256
from fieldapp.domain.fold import FOLD_VERSION, empty_state, state_bytes
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks
from fieldapp.store.entries import entry_row
from fieldapp.store.heads import StreamHeads, job_row
from fieldapp.store.journal import Journal
from fieldapp.store.kept import Kept
from fieldapp.store.pending import facts_by_stream, pending_facts, settled_states, shown_as_it_was, view_of, waiting_streams
from fieldapp.store.server import refold, row_chain
from fieldapp.store.tables import (
    DeviceEpochRow,
    DocumentRow,
    EntryRow,
    EpochRow,
    FileRow,
    JobRow,
    LogHeadRow,
    LogRow,
    OwnEntryRow,
    PositionRow,
    QuarantineRow,
    StreamRow,
    StreamStateRow,
    table_of,
)  # fmt: skip

_PAGE = 1000
Content = Callable[[str], Iterable[bytes] | None]

Kind = Literal["entry", "log", "epoch", "stream", "state", "document", "job", "file", "journal"]


class Finding(msgspec.Struct, frozen=True):
    """Something that does not agree. `where` names the place (a log's or epoch's position, a stream, a file), `entry` the entry's
    id where one is concerned."""

    kind: Kind
    where: str
    message: str
    entry: str = ""


def verify_server(db: Database, *, content: Content | None = None) -> tuple[Finding, ...]:
    """Everything in a server's database that does not agree with its hashes and its log; empty where all is well.

    Args:
        content: gives the bytes of a file by its hash, None where it is not there; None leaves files alone.

    Raises:
        Problem: `database-damaged` where the database itself cannot be read.
    """
    with db.read() as conn:
        found = (*_entries(conn), *_logs(conn), *_device_epochs(conn), *_server_streams(db, conn))
        return found if content is None else (*found, *_server_files(conn, content))


def verify_device(db: Database, role: str, *, files: Path | None = None, journal: Journal | None = None) -> tuple[Finding, ...]:
    """The same for a device's database.

    Args:
        role: the person's. files: the home's folder of files, to look for those that are only here. journal: of the home.
    """
    found: list[Finding] = []
    with db.read() as conn:
        found += _entries(conn)
        found += _own_epochs(conn)
        found += _device_streams(db, conn, role)
        if files is not None:
            found += _files(conn, files)
        if journal is not None:
            found += _journal(conn, journal)
    return tuple(found)


# --- Entries ----------------------------------------------------------------------------------------------------------


def _entries(conn: Connection) -> Iterator[Finding]:
    for row in _pages(conn, EntryRow, "id"):
        reason = _fault(row)
        if reason:
            yield Finding("entry", _place_of(conn, row["id"]), reason, row["id"])


def _place_of(conn: Connection, entry: str) -> str:
    """Where an entry stands: in its log, else in this device's line of writing, else only by its id."""
    places = (
        select(col(LogRow.log), col(LogRow.pos)).where(col(LogRow.entry_id) == entry).order_by(col(LogRow.pos)),
        select(col(OwnEntryRow.epoch), col(OwnEntryRow.seq)).where(col(OwnEntryRow.entry_id) == entry),
    )
    for query in places:
        if row := conn.execute(query.limit(1)).first():
            return f"{row[0]}:{row[1]}"
    return entry


def _fault(row: dict[str, Any]) -> str:
    if not isinstance(row["raw"], bytes) or not isinstance(row["body"], bytes | None):
        return "its bytes were replaced by text"
    if sha256(row["raw"]) != row["hash"]:
        return "its bytes are not the ones that were recorded: the hash differs"
    try:
        entry = read_entry(row["raw"], row["body"], trusted=True)
    except Problem as problem:
        return problem.message
    if row["body"] is not None and sha256(row["body"]) != entry.envelope.body:
        return "its content is not the one that was recorded: the hash differs"
    differ = [name for name, value in entry_row(entry).items() if row[name] != value]
    return f"its row says something else than its bytes ({', '.join(differ)})" if differ else ""


# --- Chains -----------------------------------------------------------------------------------------------------------


def _logs(conn: Connection) -> Iterator[Finding]:
    heads = {row.log: row for row in conn.execute(select(table_of(LogHeadRow)))}
    for log in sorted({*heads, *conn.execute(select(col(LogRow.log)).distinct()).scalars()}):
        pos, chain, broken = 0, "", False
        for row in _log_rows(conn, log):
            pos += 1
            chain = row_chain(chain, pos, row.kind, row.hash or "", row.outcome)
            if row.pos != pos or row.chain != chain or (row.kind != "scope" and row.hash is None):
                why = "a position before it is missing" if row.pos != pos else "the chain of the log does not lead to it"
                yield Finding("log", f"{log}:{row.pos}", why, row.entry_id or "")
                broken = True
                break
        head = heads.get(log)
        if not broken and (head is None or (head.pos, head.chain) != (pos, chain)):
            yield Finding("log", log, f"its head is not its last row ({pos})")


def _log_rows(conn: Connection, log: str) -> Iterator[Any]:
    query = (
        select(col(LogRow.pos), col(LogRow.kind), col(LogRow.outcome), col(LogRow.chain), col(LogRow.entry_id), col(EntryRow.hash))
        .outerjoin(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
        .where(col(LogRow.log) == log)
        .order_by(col(LogRow.pos))
        .limit(_PAGE)
    )
    after = -1
    while rows := conn.execute(query.where(col(LogRow.pos) > after)).all():
        yield from rows
        after = rows[-1].pos


def _device_epochs(conn: Connection) -> Iterator[Finding]:
    refused = set(conn.execute(select(col(QuarantineRow.id))).scalars())
    places: Any = select(
        col(PositionRow.seq), col(PositionRow.hash), col(PositionRow.entry_id), col(EntryRow.hash).label("content")
    )
    query: Select[Any] = places.outerjoin(EntryRow, col(EntryRow.id) == col(PositionRow.entry_id))
    for epoch in conn.execute(select(table_of(DeviceEpochRow)).order_by(col(DeviceEpochRow.epoch))).all():
        of_epoch = query.where(col(PositionRow.epoch) == epoch.epoch).order_by(col(PositionRow.seq)).limit(_PAGE)
        yield from _chain(conn, epoch.epoch, of_epoch, col(PositionRow.seq), refused, (epoch.seq, epoch.hash))


def _own_epochs(conn: Connection) -> Iterator[Finding]:
    places: Any = select(
        col(OwnEntryRow.seq), col(OwnEntryRow.hash), col(OwnEntryRow.entry_id), col(EntryRow.hash).label("content")
    )
    query: Select[Any] = places.outerjoin(EntryRow, col(EntryRow.id) == col(OwnEntryRow.entry_id))
    for epoch in conn.execute(select(table_of(EpochRow)).order_by(col(EpochRow.epoch))).all():
        of_epoch = query.where(col(OwnEntryRow.epoch) == epoch.epoch).order_by(col(OwnEntryRow.seq)).limit(_PAGE)
        end = None if epoch.closed else (epoch.head_seq, epoch.head_hash)  # what was unsent left a closed one
        yield from _chain(conn, epoch.epoch, of_epoch, col(OwnEntryRow.seq), set(), end)


def _chain(
    conn: Connection, epoch: str, query: Select[Any], seq_of: Any, refused: set[str], end: tuple[int, str] | None
) -> Iterator[Finding]:
    """Walk an epoch. `refused`: hashes of what took a position without becoming an entry (their chain is the device's word)."""
    seq, chain = 0, ""
    while rows := conn.execute(query.where(seq_of > seq)).all():
        for row in rows:
            seq += 1
            candidates = {row.content, *(refused if row.entry_id in refused or row.content is not None else ())} - {None}
            follows = any(chain_hash(chain, seq, content) == row.hash for content in sorted(candidates))
            if row.seq != seq or not (follows or row.entry_id in refused):
                why = (
                    "a position before it is missing" if row.seq != seq else "the chain of its line of writing does not lead to it"
                )
                yield Finding("epoch", f"{epoch}:{row.seq}", why, row.entry_id)
                return
            chain = row.hash
    if end is not None and end != (seq, chain):
        yield Finding("epoch", epoch, f"its head is not its last position ({seq})")


# --- Streams and what they fold to ------------------------------------------------------------------------------------


def _server_streams(db: Database, conn: Connection) -> Iterator[Finding]:
    yield from _places(conn)
    for log in sorted(conn.execute(select(col(StreamStateRow.log)).distinct()).scalars()):
        yield from _states(db, conn, log, frozenset())
        jobs = select(table_of(JobRow)).where(col(JobRow.log) == log)
        for part in chunks(conn.execute(jobs).mappings().all(), 200):
            states = settled_states(db, conn, [row["stream"] for row in part])
            for row in part:
                state = states.get(row["stream"])
                wanted = job_row(row["stream"], log, state, b"") if isinstance(state, JobState) else None
                if wanted != dict(row):
                    yield Finding("job", row["stream"], "what lists show of it is not what its state says")


def _places(conn: Connection) -> Iterator[Finding]:
    """Every row of a log stands in the streams that its entry names."""
    for log in sorted(conn.execute(select(col(LogHeadRow.log))).scalars()):
        query = (
            select(col(LogRow.pos), col(LogRow.entry_id), col(LogRow.outcome), col(EntryRow.raw))
            .join(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
            .where(col(LogRow.log) == log)
            .order_by(col(LogRow.pos))
            .limit(_PAGE)
        )
        after = 0
        while rows := conn.execute(query.where(col(LogRow.pos) > after)).all():
            placed: dict[int, set[str]] = {}
            stands = select(col(StreamRow.pos), col(StreamRow.stream)).where(
                col(StreamRow.log) == log, col(StreamRow.pos) > after, col(StreamRow.pos) <= rows[-1].pos
            )
            for pos, stream in conn.execute(stands):
                placed.setdefault(pos, set()).add(stream)
            for row in rows:
                try:
                    envelope = read_entry(row.raw, None, trusted=True).envelope
                except Problem:
                    continue  # named among the entries already
                found = placed.get(row.pos, set())
                whole = envelope.log == log and row.outcome != "quarantined"  # what names another log stands in no stream here
                if not found <= set(envelope.streams) or (whole and found != set(envelope.streams)):
                    yield Finding("stream", f"{log}:{row.pos}", "it does not stand in the streams that it names", row.entry_id)
            after = rows[-1].pos


def _device_streams(db: Database, conn: Connection, role: str) -> Iterator[Finding]:
    waiting = waiting_streams(conn)
    for log in sorted(conn.execute(select(col(StreamStateRow.log)).distinct()).scalars()):
        yield from _states(db, conn, log, waiting)
    pending = facts_by_stream(pending_facts(conn, role))
    for part in chunks(sorted(conn.execute(select(col(JobRow.stream))).scalars()), 200):
        settled = settled_states(db, conn, part)
        query = select(col(JobRow.stream), col(JobRow.view)).where(col(JobRow.stream).in_(part))
        for stream, raw in conn.execute(query):
            facts = pending.get(stream, [])
            if stream in waiting or shown_as_it_was(stream, settled, facts, waiting):
                continue
            if state_bytes(view_of(settled.get(stream) or empty_state(stream), stream, facts)) != raw:
                yield Finding("job", stream, "what is shown of it is not what its log and own unsent work say")


def _states(db: Database, conn: Connection, log: str, waiting: frozenset[str]) -> Iterator[Finding]:
    in_rows = set(conn.execute(select(col(StreamRow.stream)).where(col(StreamRow.log) == log).distinct()).scalars())
    kept = set(conn.execute(select(col(StreamStateRow.stream)).where(col(StreamStateRow.log) == log)).scalars())
    for streams in chunks(sorted((in_rows | kept) - waiting), 200):
        heads = StreamHeads(db, conn)
        try:
            refold(conn, heads, log, streams)
        except Problem:
            yield from _one_by_one(db, conn, log, streams)
            continue
        yield from _compared(conn, heads, streams)


def _one_by_one(db: Database, conn: Connection, log: str, streams: Sequence[str]) -> Iterator[Finding]:
    for stream in streams:
        heads = StreamHeads(db, conn)
        try:
            refold(conn, heads, log, [stream])
        except Problem as problem:
            yield Finding("state", stream, f"it cannot be folded again: {problem.message}")
        else:
            yield from _compared(conn, heads, [stream])


def _compared(conn: Connection, heads: StreamHeads, streams: Sequence[str]) -> Iterator[Finding]:
    wanted = {row["stream"]: row for row in heads.rows()}
    query = select(table_of(StreamStateRow)).where(col(StreamStateRow.stream).in_(streams))
    stored = {row["stream"]: row for row in conn.execute(query).mappings()}
    for stream in streams:
        ours, theirs = wanted.get(stream), stored.get(stream)
        if ours is None:
            if theirs is not None and theirs["pos"]:
                yield Finding("state", stream, "it has a state but no rows")
        elif theirs is None:
            yield Finding("state", stream, "its state is missing")
        else:
            differ = [name for name in ("pos", "last_entry", "digest", "state") if ours[name] != theirs[name]]
            if theirs["fold_version"] != FOLD_VERSION:
                yield Finding("state", stream, f"it was folded by version {theirs['fold_version']} of the rules: rebuild it")
            elif differ:
                yield Finding("state", stream, f"its rows fold to something else ({', '.join(differ)})")
    documents = {(row["stream"], row["type"], row["key"]): row for row in heads.documents()}
    query = select(table_of(DocumentRow)).where(col(DocumentRow.stream).in_(streams))
    kept = {(row["stream"], row["type"], row["key"]): dict(row) for row in conn.execute(query).mappings()}
    for key in sorted({*documents, *kept}):
        if documents.get(key) != kept.get(key):
            entry = str((documents.get(key) or kept[key])["entry_id"])
            yield Finding("document", " ".join(key).strip(), "the document kept is not the newest of its stream", entry)


# --- Beside the database ----------------------------------------------------------------------------------------------


def _files(conn: Connection, folder: Path) -> Iterator[Finding]:
    for sha, size, name in conn.execute(
        select(col(FileRow.sha256), col(FileRow.size), col(FileRow.name)).where(col(FileRow.state) == "here")
    ):
        path = folder / sha
        try:
            right = path.stat().st_size == size and _hash_of(path) == sha
        except OSError as error:
            yield Finding("file", sha, f"{name} has not reached the server and cannot be read here ({error.strerror})")
        else:
            if not right:
                yield Finding("file", sha, f"{name} has not reached the server and is not what was recorded: the hash differs")


def _server_files(conn: Connection, content: Content) -> Iterator[Finding]:
    """Files that are said to be here. The first entry that names one is named."""
    here = select(col(FileRow.sha256), col(FileRow.name), col(FileRow.job)).where(col(FileRow.state) == "here")
    for sha, name, stream in conn.execute(here.order_by(col(FileRow.sha256))).all():
        chunks_of, reason = content(sha), ""
        if chunks_of is None:
            reason = f"{name} is missing"
        else:
            digest = hashlib.sha256()
            try:
                for chunk in chunks_of:
                    digest.update(chunk)
                if digest.hexdigest() != sha:
                    reason = f"{name} is not what was received: the hash differs"
            except OSError as error:
                reason = f"{name} cannot be read ({error.strerror})"
        if reason:
            yield Finding("file", sha, reason, _entry_naming(conn, stream, sha))


def _entry_naming(conn: Connection, stream: str, sha256: str) -> str:
    """The id of the first entry of a stream that names a file."""
    query = select(col(EntryRow.id), col(EntryRow.raw)).where(col(EntryRow.stream) == stream).order_by(col(EntryRow.id))
    return next((name for name, raw in conn.execute(query) if sha256.encode("ascii") in raw), "")


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _journal(conn: Connection, journal: Journal) -> Iterator[Finding]:
    content = journal.read()
    for number in content.damaged:
        yield Finding("journal", f"line {number}", "it is damaged")
    written = {entry.id for entry in content.entries}
    unsent = select(col(OwnEntryRow.entry_id)).where(col(OwnEntryRow.lane) == "unsent").order_by(col(OwnEntryRow.seq))
    for entry in conn.execute(unsent).scalars():
        if entry not in written:
            yield Finding("journal", str(journal.path), "an unsent entry has no second copy", entry)
    kept = Kept(journal.path.parent)
    for path in kept.segments():
        for number in kept.read_segment(path).damaged:
            yield Finding("journal", f"{path.name} line {number}", "it is damaged; the server has received that entry")


def _pages(conn: Connection, table: type[SQLModel], key: str) -> Iterator[dict[str, Any]]:
    column = table_of(table).c[key]
    query, after = select(table_of(table)).order_by(column).limit(_PAGE), ""
    while rows := conn.execute(query.where(column > after)).mappings().all():
        yield from (dict(row) for row in rows)
        after = rows[-1][key]
