"""Erasure carried out in a database, the same on a device and on the server: content goes, envelopes and hashes stay.

An erasure covers what stands before it in its stream. Bodies become NULL, documents go, and every stream that an erased entry
stood in is folded again from what is left, so that device and server come to the same state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlmodel import col

from fieldapp.domain.decision_words import without_why
from fieldapp.domain.entry import Entry, FileRef, read_entry
from fieldapp.domain.entry_types.erasure import ERASURES
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks, plain
from fieldapp.store.heads import StreamHeads, job_row, save_jobs
from fieldapp.store.tables import (
    DocumentRow,
    EntryRow,
    ErasureRow,
    FileRow,
    FileStreamRow,
    LogRow,
    QuarantineRow,
    StreamRow,
    StreamStateRow,
)  # fmt: skip

ERASED = "erased"
"""State of a file whose content is to go, or has gone, with the entries that named it."""


_ANYWHERE = 1 << 62


class Erased(msgspec.Struct, frozen=True):
    """What lost its content: entries by id, the streams that they or rows about them name, and files that no other entry names."""

    entries: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


def drop_whys(conn: Connection, log: str, where: ColumnElement[bool], before: int) -> Erased:
    """Take what people gave as the reasons of decisions out of the rows of some entries; who decided what stays. Reasons are in no
    chain, but in what is folded.

    Args:
        where: which entries. before: of their rows, those below this position.
    """
    entries: set[str] = set()
    streams: set[str] = set()
    for pos, reason, name, raw, stream in _whys(conn, log, where, before):
        conn.execute(update(LogRow).where(col(LogRow.log) == log, col(LogRow.pos) == pos).values(reason=reason))
        named = named_in(raw, stream)
        entries.add(name)
        streams.update((named.stream, *named.also))
    return Erased(frozenset(entries), frozenset(streams))


def _whys(conn: Connection, log: str, where: ColumnElement[bool], before: int) -> Iterator[tuple[int, str, str, bytes, str]]:
    """(position, what stays of the reason, entry, its envelope, its stream) of the rows in which somebody said why."""
    query = select(col(LogRow.pos), col(LogRow.reason), col(EntryRow.id), col(EntryRow.raw), col(EntryRow.stream))
    query = query.join(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
    for pos, reason, name, raw, stream in conn.execute(
        query.where(where, col(LogRow.log) == log, col(LogRow.pos) < before, col(LogRow.reason) != "")
    ).all():
        if (kept := without_why(reason)) != reason:
            yield pos, kept, name, raw, stream


def drop_bodies(conn: Connection, ids: Iterable[str], still_named: Callable[[str], bool]) -> Erased:
    """Take the content from these entries, but for erasures themselves.

    Args:
        still_named: whether an entry that keeps its content names a file (hash); asked when the others have lost theirs.
    """
    entries: set[str] = set()
    streams: set[str] = set()
    files: set[str] = set()
    for names in chunks(sorted(set(ids))):
        query = select(col(EntryRow.id), col(EntryRow.raw), col(EntryRow.stream)).where(
            col(EntryRow.id).in_(names), col(EntryRow.body).is_not(None), col(EntryRow.type).not_in(sorted(ERASURES))
        )
        for name, raw, stream in conn.execute(query):
            named = named_in(raw, stream)
            entries.add(name)
            streams.update((named.stream, *named.also))
            files.update(file.sha256 for file in named.files)
        conn.execute(delete(DocumentRow).where(col(DocumentRow.entry_id).in_(names)))  # also of one that came without its content
    for names in chunks(sorted(entries)):
        conn.execute(update(EntryRow).where(col(EntryRow.id).in_(names)).values(body=None))
    return Erased(frozenset(entries), frozenset(streams), frozenset(name for name in sorted(files) if not still_named(name)))


class Named(msgspec.Struct):
    """What an envelope says the entry is about, and its files."""

    stream: str
    also: tuple[str, ...] = ()
    files: tuple[FileRef, ...] = ()


_named = msgspec.json.Decoder(Named)
_HASHES = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def named_in(raw: bytes, stream: str) -> Named:
    """Read from an envelope; from one that a bad disk has spoiled as much as can be. stream: as its row has it."""
    try:
        return _named.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Named(stream, (), tuple(FileRef(name.decode(), 0, "") for name in _HASHES.findall(raw)))


# --- On a device ------------------------------------------------------------------------------------------------------------------


def live_files(conn: Connection) -> frozenset[str]:
    """Files (hashes) that an entry with content names, found in one reading of all entries."""
    query = "SELECT raw FROM entries WHERE body IS NOT NULL AND instr(raw, CAST('\"files\":' AS BLOB))"
    return frozenset(file.sha256 for (raw,) in plain(conn).execute(query) for file in named_in(raw, "").files)


def own_file_rows(entry: Entry) -> list[dict[str, Any]]:
    """The files of an own entry, as they lie here: to be sent, or to go with the content of the entry that named them."""
    state, names = ("here", True) if entry.body_raw is not None else (ERASED, False)
    return [
        {"sha256": file.sha256, "size": file.size, "name": file.name if names else "", "media": file.media, "state": state,
         "job": entry.envelope.stream}
        for file in entry.envelope.files
    ]  # fmt: skip


# --- On the server ----------------------------------------------------------------------------------------------------------------


def concerned(conn: Connection, log: str, streams: Sequence[str]) -> tuple[set[str], set[str]]:
    """(ids of the entries of these streams that still have content, streams that these entries name)."""
    ids: set[str] = set()
    named: set[str] = set()
    for where in _about(log, streams):
        query = select(col(EntryRow.id), col(EntryRow.raw), col(EntryRow.stream)).where(
            where, col(EntryRow.body).is_not(None), col(EntryRow.type).not_in(sorted(ERASURES))
        )
        found = [(name, raw, stream) for name, raw, stream in conn.execute(query)]
        ids.update(name for name, _, _ in found)
        found += [row[2:] for row in _whys(conn, log, where, _ANYWHERE)]  # decided on since it was erased
        for _, raw, stream in found:
            about = named_in(raw, stream)
            named.update((about.stream, *about.also))
    return ids, named


def _about(log: str, streams: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Which entries are about these streams: those that stand there, and those that stand nowhere."""
    for names in chunks(sorted(streams), 200):
        standing = select(col(StreamRow.entry_id)).where(col(StreamRow.log) == log, col(StreamRow.stream).in_(names))
        yield col(EntryRow.id).in_(standing)
        yield col(EntryRow.stream).in_(names)


def lock_streams(db: Database, conn: Connection, log: str, streams: Iterable[str]) -> None:
    """Hold every stream of the log that is going to be folded anew, in the order in which writers take them."""
    StreamHeads(db, conn, lock=True).load((stream, log) for stream in sorted(set(streams)))


def carry_out(db: Database, conn: Connection, log: str, erasures: Sequence[Entry]) -> Erased:
    """Erase what stands before these entries, which have just taken their places; in the same transaction."""
    from fieldapp.store.server import refold  # it calls this module

    homes = [entry.envelope.stream for entry in erasures]
    ids, _ = concerned(conn, log, homes)
    erased = drop_bodies(conn, ids, lambda sha256: _still_named(conn, sha256, ids))
    places = {row[0]: row[1] for row in conn.execute(
        select(col(LogRow.entry_id), col(LogRow.pos)).where(
            col(LogRow.log) == log, col(LogRow.kind) == "entry", col(LogRow.entry_id).in_([entry.id for entry in erasures])
        )
    )}  # fmt: skip
    db.insert(conn, ErasureRow, [{"log": log, "pos": places[entry.id], "entry_id": entry.id} for entry in erasures])
    gone = [drop_whys(conn, log, where, _ANYWHERE) for where in _about(log, homes)]
    aside, kept = _quarantined(conn, frozenset(homes))
    files = erased.files | {sha256 for sha256 in sorted(aside) if not _still_named(conn, sha256, ids)}
    streams = erased.streams.union(*(found.streams for found in gone))
    erased = msgspec.structs.replace(erased, streams=streams, files=frozenset(files - kept))
    for names in chunks(sorted(erased.files)):
        conn.execute(update(FileRow).where(col(FileRow.sha256).in_(names)).values(state=ERASED, name=""))
    query = select(col(StreamStateRow.stream)).where(col(StreamStateRow.log) == log)
    for names in chunks(sorted(erased.streams | set(homes)), 200):
        heads = StreamHeads(db, conn)
        refold(conn, heads, log, sorted(conn.execute(query.where(col(StreamStateRow.stream).in_(names))).scalars()))
        heads.save()
        jobs = [(head.stream, head.state) for head in heads.changed() if isinstance(head.state, JobState)]
        save_jobs(db, conn, (job_row(stream, log, job, b"") for stream, job in jobs if job.id))
    return erased


def _still_named(conn: Connection, sha256: str, going: set[str]) -> bool:
    streams = select(col(FileStreamRow.stream)).where(col(FileStreamRow.sha256) == sha256)
    query = (
        select(col(EntryRow.id), col(EntryRow.raw))
        .join(StreamRow, col(StreamRow.entry_id) == col(EntryRow.id))
        .where(col(StreamRow.stream).in_(streams), col(EntryRow.body).is_not(None))
    )
    return any(name not in going and sha256.encode() in raw for name, raw in conn.execute(query))


def in_quarantine(conn: Connection, streams: Iterable[str]) -> set[str]:
    """Those of these streams that bytes in quarantine are about which still have content: they arrived after an earlier erasure."""
    wanted = frozenset(streams)
    return {name for _, _, entry in _bytes_with_content(conn) for name in wanted.intersection(entry.envelope.streams)}


def _quarantined(conn: Connection, streams: frozenset[str]) -> tuple[set[str], set[str]]:
    """Bytes in quarantine are an envelope, a line feed and a body: the body of what names one of the streams goes, and why somebody
    decided on it as they did.

    Returns: the files that those name, and the files that others name.
    """
    gone: set[str] = set()
    kept: set[str] = set()
    for key, envelope, entry in _bytes_with_content(conn):
        goes = not streams.isdisjoint(entry.envelope.streams)
        (gone if goes else kept).update(file.sha256 for file in entry.envelope.files)
        if goes:
            conn.execute(update(QuarantineRow).where(col(QuarantineRow.id) == key).values(raw=envelope))
    for key, raw, decided in conn.execute(
        select(col(QuarantineRow.id), col(QuarantineRow.raw), col(QuarantineRow.decided)).where(col(QuarantineRow.decided) != "")
    ).all():
        with suppress(Problem):
            if not streams.isdisjoint(read_entry(raw.partition(b"\n")[0], None, trusted=True).envelope.streams):
                conn.execute(update(QuarantineRow).where(col(QuarantineRow.id) == key).values(decided=without_why(decided)))
    return gone, kept


def _bytes_with_content(conn: Connection) -> Iterator[tuple[str, bytes, Entry]]:
    """(key, bytes of the envelope, the entry without its body) of what is aside and can be read; of the rest nobody can say whose
    it is."""
    for key, raw in conn.execute(select(col(QuarantineRow.id), col(QuarantineRow.raw))).all():
        envelope, _, body = raw.partition(b"\n")
        with suppress(Problem):
            if body:
                yield key, envelope, read_entry(envelope, None, trusted=True)
