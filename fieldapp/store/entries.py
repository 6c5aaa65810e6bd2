"""Entries as rows of the entries table, and the facts of streams in the log's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import Connection

from fieldapp.domain.entry import Entry, read_entry, sha256
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.job import OutcomeName
from fieldapp.store.database import Columns, Database, chunks, marks

LOG_COLUMNS = ("log", "pos", "kind", "entry_id", "device", "outcome", "reason", "role", "received_at", "chain")
STREAM_COLUMNS = ("log", "stream", "pos", "entry_id", "device", "touch")
_COLUMNS = ("id", "log", "stream", "type", "author", "device", "group_id", "hash", "recorded_at", "raw", "body")


def entry_rows(entries: Iterable[Entry]) -> Columns:
    """The rows of the entries table."""
    return Columns(_COLUMNS, [_values(entry) for entry in entries])


def _values(entry: Entry) -> tuple[Any, ...]:
    of = entry.envelope
    return (
        of.id, of.log, of.stream, of.type, of.author, of.device, of.group, entry.hash, of.corrected, entry.raw, entry.body_raw
    )  # fmt: skip


def entry_row(entry: Entry) -> dict[str, Any]:
    """One of them, by the names of its columns."""
    return dict(zip(_COLUMNS, _values(entry), strict=True))


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
