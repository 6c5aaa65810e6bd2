"""Entries as rows of the entries table, and the facts of streams in the log's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import Connection

from fieldapp.domain.entry import Entry, read_entry, sha256
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.job import OutcomeName
from fieldapp.store.database import Database, chunks, marks


def entry_row(entry: Entry) -> dict[str, Any]:
    """The row of the entries table."""
    envelope = entry.envelope
    return {
        "id": envelope.id, "log": envelope.log, "stream": envelope.stream, "type": envelope.type, "author": envelope.author,
        "device": envelope.device, "group_id": envelope.group, "hash": entry.hash, "recorded_at": envelope.corrected,
        "raw": entry.raw, "body": entry.body_raw,
    }  # fmt: skip


def spoiled(entry: Entry) -> bool:
    """Whether a bad disk (or memory) has made something else of the body than the one that was recorded."""
    return entry.body_raw is not None and sha256(entry.body_raw) != entry.envelope.body


_FACTS = (
    "SELECT s.stream, r.pos, r.kind, r.outcome, r.reason, r.role, e.id, e.raw, e.body FROM stream_rows s "
    "JOIN log_rows r ON r.log = s.log AND r.pos = s.pos JOIN entries e ON e.id = r.entry_id "
    "WHERE {}s.stream IN ({}) ORDER BY s.stream, s.pos"
)


def facts_of(
    db: Database, conn: Connection, streams: Sequence[str], known: Mapping[str, Entry] = MappingProxyType({}), *, log: str = ""
) -> Iterator[tuple[str, int, bool, Fact]]:
    """(stream, position, is it an entry rather than a later outcome, fact) of these streams, each in the order of its log.

    Args:
        known: entries by id that were read already and are stored with the same bytes. log: that they all belong to, where that is
            known: their rows are found by it.
    """
    for names in chunks(sorted(streams), 200):
        query = _FACTS.format("s.log = ? AND " if log else "", marks(names))
        for stream, pos, kind, outcome, reason, role, name, raw, body in db.rows(conn, query, [log, *names] if log else names):
            named = cast(OutcomeName, outcome)
            entry = known.get(name)
            if entry is None or entry.raw != raw or entry.body_raw != body:
                entry = read_entry(raw, body, trusted=True)
            yield stream, pos, kind == "entry", Fact(entry, named, reason, role)
