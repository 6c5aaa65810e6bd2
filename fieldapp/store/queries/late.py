"""Late work: recorded by somebody whom the job had left before it arrived. It stands; it is shown, and asks for no decision."""

from __future__ import annotations

import msgspec

from fieldapp.domain.entry import read_entry
from fieldapp.domain.entry_types import lifecycle
from fieldapp.domain.entry_types.base import read_body
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.log import LogLine
from fieldapp.store.queries.reader import Reader

LATE_SHOWN_MS = 14 * 24 * 3_600_000
"""Two weeks: what arrived longer ago and nobody looked at is news to nobody."""


class LateLine(msgspec.Struct, frozen=True):
    """An entry that came late. given_to: who had got the job before; '' where that is not the reason, or not known here."""

    line: LogLine
    given_to: str


_LATE = """
SELECT l.pos, l.received_at, l.reason, e.raw, e.body, e.author FROM stream_rows s
JOIN log_rows l ON l.entry_id = s.entry_id AND l.kind = 'entry' AND l.log = s.log
JOIN log_rows said ON said.log = s.log AND said.pos = s.pos AND said.outcome = 'late'
JOIN entries e ON e.id = s.entry_id
WHERE s.log = ? AND s.stream = ? AND e.stream = s.stream ORDER BY l.pos
"""
_GIVEN = """
SELECT e.raw, e.body FROM stream_rows s
JOIN log_rows l ON l.log = s.log AND l.pos = s.pos JOIN entries e ON e.id = s.entry_id
WHERE s.log = ? AND s.stream = ? AND s.pos < ? AND l.outcome = 'applied' AND e.type IN ('job.assigned', 'job.helpers_named')
ORDER BY s.pos DESC LIMIT 1
"""
_CLOSED = """
SELECT e.raw, e.body FROM stream_rows s
JOIN log_rows l ON l.log = s.log AND l.pos = s.pos JOIN entries e ON e.id = s.entry_id
WHERE s.log = ? AND s.stream = ? AND s.pos > ? AND l.outcome = 'applied' AND e.type IN ('job.approved', 'job.cancelled')
"""
_PLACE = "SELECT max(s.pos) AS pos FROM stream_rows s WHERE s.log = ? AND s.stream = ? AND s.entry_id = ?"


def late_of(reader: Reader, log: str, stream: str) -> tuple[LateLine, ...]:
    """Everything in a job's log that came late, in the order it arrived."""
    with reader.snapshot():
        found = []
        for row in reader.rows(_LATE, (log, stream)):
            line = LogLine(read_entry(row["raw"], row["body"], trusted=True), row["pos"], row["received_at"], "late", row["reason"])
            found.append(LateLine(line, given_to(reader, log, stream, row["author"], row["pos"])))
    return tuple(found)


def given_to(reader: Reader, log: str, stream: str, author: str, pos: int) -> str:
    """Who had got the job when an entry of `author` took its place in the log; '' where the job did not go to somebody else."""
    row = reader.row(_GIVEN, (log, stream, pos))
    if row is None:
        return ""
    try:
        body = read_body(read_entry(row["raw"], row["body"], trusted=True))
    except Problem:
        return ""
    return body.person if isinstance(body, lifecycle.JobAssigned) and body.person != author else ""


def seen_by_office(reader: Reader, log: str, stream: str, pos: int) -> bool:
    """Whether the job was approved or cancelled by somebody who had the entry at this place before them: a decision made without
    the server may come after it in the log, and know nothing of it."""
    for row in reader.rows(_CLOSED, (log, stream, pos)):
        base = read_entry(row["raw"], row["body"], trusted=True).envelope.base
        place = reader.row(_PLACE, (log, stream, base)) if base else None
        if place is not None and place["pos"] is not None and place["pos"] >= pos:
            return True
    return False
