"""The log of one stream: every entry once, in the order of the log, then own work that has no place yet."""

from __future__ import annotations

from typing import Any

import msgspec

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.entry_types.base import read_body
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.reader import Reader


class LogLine(msgspec.Struct, frozen=True):
    """One entry. pos, received_at (server's clock, ms UTC) and outcome are None while the server has not decided on it.

    outcome: the latest decision. `lane` of own work without a place: `unsent`, `received`, `refused`; '' for all else.
    """

    entry: Entry
    pos: int | None
    received_at: int | None
    outcome: str | None
    reason: str = ""
    lane: str = ""

    @property
    def summary(self) -> str:
        """What it says, in one line."""
        try:
            body = read_body(self.entry)
        except Problem as problem:
            return problem.message
        return body.summary() if body is not None else ""

    def body_value(self) -> Any:
        """The body as plain values; None where it was erased or cannot be read."""
        if self.entry.body_raw is None:
            return None
        try:
            return msgspec.json.decode(self.entry.body_raw)
        except msgspec.MsgspecError:
            return None


_PLACED = """
SELECT s.pos, l.kind, l.outcome, l.reason, l.received_at, e.id, e.raw, e.body
FROM stream_rows s
JOIN log_rows l ON l.log = s.log AND l.pos = s.pos
JOIN entries e ON e.id = s.entry_id
WHERE s.log = ? AND s.stream = ? ORDER BY s.pos
"""
_OWN = """
SELECT o.lane, o.reason, o.received_at, e.id, e.raw, e.body
FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE o.outcome = '' AND o.lane != 'settled' ORDER BY o.saved_at, o.epoch, o.seq
"""


def log_of(reader: Reader, log: str, stream: str) -> tuple[LogLine, ...]:
    """Everything recorded in a stream. A later decision changes the outcome of its entry, not its place."""
    lines: dict[str, LogLine] = {}
    with reader.snapshot():
        placed = reader.rows(_PLACED, (log, stream))
        own = reader.rows(_OWN)
    for row in placed:
        earlier = lines.get(row["id"])
        if earlier is not None:
            lines[row["id"]] = msgspec.structs.replace(earlier, outcome=row["outcome"], reason=row["reason"])
            continue
        entry = read_entry(row["raw"], row["body"], trusted=True)
        lines[row["id"]] = LogLine(entry, row["pos"], row["received_at"], row["outcome"], row["reason"])
    for row in own:
        if row["id"] in lines:
            continue
        entry = read_entry(row["raw"], row["body"], trusted=True)
        if stream in entry.envelope.streams:
            outcome = "quarantined" if row["lane"] == "refused" else None
            lines[row["id"]] = LogLine(entry, None, row["received_at"], outcome, row["reason"], row["lane"])
    return tuple(lines.values())
