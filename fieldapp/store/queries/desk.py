"""What the office has to decide on: entries of its logs that do not stand, a group as one item, the oldest first; and what came
late, stands, and is only to be seen (store/queries/late.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from fieldapp.domain.decision_words import read_decision
from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.entry_types import steps
from fieldapp.domain.entry_types.base import read_body
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.late import LATE_SHOWN_MS, given_to, seen_by_office
from fieldapp.store.queries.log import LogLine
from fieldapp.store.queries.reader import Reader

Kind = Literal["conflict", "quarantined", "held", "late"]
KINDS: tuple[Kind, ...] = ("conflict", "quarantined", "held", "late")
HELD_TOO_LONG_MS = 24 * 3_600_000
"""What is held longer than a day is shown as waiting for a person."""
_DECISIONS = ("conflict.decided", "entry.released", "entry.dismissed")


class DeskItem(msgspec.Struct, frozen=True):
    """A group of entries that does not stand, or what one person recorded on one job and came late. `id`, `line`: its weightiest
    entry (of late ones the newest); `lines`: all of them, in their order.

    number: of the job, '' where it is none. decided: verb of an own decision that is not settled yet, '' where there is none.
    given_to: of late work, the person who had got the job before it arrived; '' where that is not the reason, or not known here.
    """

    id: str
    kind: Kind
    log: str
    stream: str
    number: str
    line: LogLine
    lines: tuple[LogLine, ...]
    decided: str = ""
    given_to: str = ""

    @property
    def reason(self) -> str:
        return self.line.reason

    @property
    def since(self) -> int:
        """When it was received, milliseconds UTC."""
        return self.line.received_at or 0

    def overdue(self, now_ms: int) -> bool:
        """Held for more than a day: a person has to look at it."""
        return self.kind == "held" and now_ms - self.since > HELD_TOO_LONG_MS


class OnDesk(msgspec.Struct, frozen=True):
    """`waiting` for a decision, conflicts first, then the oldest; `late`: stands and is only shown, the newest first."""

    waiting: tuple[DeskItem, ...]
    late: tuple[DeskItem, ...] = ()


_OPEN = """
SELECT l.log, l.pos, l.outcome, l.reason, l.received_at, e.id, e.raw, e.body, e.stream, e.group_id, e.author, j.number,
    (SELECT o.pos FROM log_rows o WHERE o.entry_id = l.entry_id AND o.kind = 'outcome' ORDER BY o.pos DESC LIMIT 1) AS later
FROM log_rows l JOIN entries e ON e.id = l.entry_id LEFT JOIN jobs j ON j.stream = e.stream
WHERE l.kind = 'entry' AND (l.outcome IN ('conflict', 'held', 'quarantined') OR (l.outcome = 'late' AND l.received_at > ?))
ORDER BY l.log, l.pos
"""
_OUTCOME = "SELECT outcome, reason FROM log_rows WHERE log = ? AND pos = ?"
_OWN_DECISIONS = f"""
SELECT e.type, e.body FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE o.outcome = '' AND o.lane <> 'settled' AND e.type IN ({", ".join("?" for _ in _DECISIONS)})
ORDER BY o.saved_at, o.epoch, o.seq
"""


_Found = tuple[LogLine, str, str]
"""An entry, its stream, the number of its job."""
_NEVER = 1 << 62
"""A time after which nothing arrives."""


class _About(msgspec.Struct):
    about: str
    side: str = ""


_about = msgspec.json.Decoder(_About)


def desk_items(reader: Reader) -> tuple[DeskItem, ...]:
    """Everything that waits for a decision in the logs that this device reads, conflicts first, then the oldest."""
    return _read(reader, None).waiting


def on_desk(reader: Reader, now_ms: int) -> OnDesk:
    """The same, and what came late and stands: what a person recorded on a job is one item.

    Late work is listed for LATE_SHOWN_MS after it arrived, and no longer once somebody in the office who had it before them has
    approved or cancelled the job. The job's own log and `fieldapp job` name it for as long as the job is here.
    """
    return _read(reader, now_ms)


def _read(reader: Reader, now_ms: int | None) -> OnDesk:
    """One look at the log for both. Late work is left out where `now_ms` is None."""
    since = now_ms - LATE_SHOWN_MS if now_ms is not None else _NEVER
    groups: dict[tuple[str, ...], list[_Found]] = {}
    late: dict[tuple[str, ...], list[_Found]] = {}
    with reader.snapshot():
        for row in reader.rows(_OPEN, (since,)):
            outcome, reason = row["outcome"], row["reason"]
            if row["later"] is not None:
                later = reader.rows(_OUTCOME, (row["log"], row["later"]))[0]
                if later["outcome"] == "applied" or read_decision(later["reason"]):
                    continue
                outcome, reason = later["outcome"], later["reason"]
            entry = read_entry(row["raw"], row["body"], trusted=True)
            line = LogLine(entry, row["pos"], row["received_at"], outcome, reason)
            found: _Found = (line, row["stream"], row["number"] or "")
            if outcome != "late":
                groups.setdefault((row["log"], row["group_id"], row["author"]), []).append(found)
            elif row["received_at"] > since and not seen_by_office(reader, row["log"], row["stream"], row["pos"]):
                late.setdefault((row["log"], row["stream"], row["author"]), []).append(found)
        decided = own_decisions(reader)
        items = [_item(log, found, found[0], decided) for (log, *_), found in groups.items()]
        shown = [
            _item(log, found, found[-1], {}, given_to(reader, log, stream, author, found[-1][0].pos or 0))
            for (log, stream, author), found in late.items()
        ]
    return OnDesk(
        tuple(sorted(items, key=lambda item: (bool(item.decided), KINDS.index(item.kind), item.since, item.id))),
        tuple(sorted(shown, key=lambda item: (-item.since, item.id))),
    )


def _item(log: str, found: list[_Found], first: _Found, decided: dict[str, str], given: str = "") -> DeskItem:
    line, stream, number = first
    kind = line.outcome
    verb = next((decided[one.entry.id] for one, _, _ in found if one.entry.id in decided), "")
    assert kind in KINDS
    return DeskItem(line.entry.id, kind, log, stream, number, line, tuple(one for one, _, _ in found), verb, given)


def own_decisions(reader: Reader) -> dict[str, str]:
    """Entry (or bytes) to what was decided on it here, as long as the server has not taken it in."""
    found: dict[str, str] = {}
    for row in reader.rows(_OWN_DECISIONS, _DECISIONS):
        if row["body"] is not None:
            body = _about.decode(row["body"])
            verb = row["type"].partition(".")[2] if row["type"].startswith("entry.") else body.side or "keep"
            found.setdefault(body.about, verb)
    return found


_PLACED_TYPES = """
SELECT l.pos, l.outcome, l.reason, l.received_at, e.raw, e.body FROM stream_rows s
JOIN log_rows l ON l.log = s.log AND l.pos = s.pos JOIN entries e ON e.id = s.entry_id
WHERE s.log = ? AND s.stream = ? AND l.outcome = 'applied' ORDER BY s.pos DESC
"""


def standing_side(reader: Reader, item: DeskItem) -> tuple[LogLine, ...]:
    """What stands in the way of a conflict: the newest entries of others that set the same values, one for each value."""
    wanted = frozenset(value for line in item.lines for value in touches_of(line.entry))
    own = {line.entry.id for line in item.lines}
    found: list[LogLine] = []
    for row in reader.rows(_PLACED_TYPES, (item.log, item.stream)):
        if not wanted:
            break
        entry = read_entry(row["raw"], row["body"], trusted=True)
        touched = touches_of(entry)
        if entry.id not in own and wanted & touched:
            found.append(LogLine(entry, row["pos"], row["received_at"], row["outcome"], row["reason"]))
            wanted -= touched
    return tuple(found)


def touches_of(entry: Entry) -> frozenset[str]:
    """The single values that an entry sets, as far as it can be read."""
    try:
        body = read_body(entry)
    except Problem:
        return frozenset()
    return body.touches() if body is not None else frozenset()


def item_named(items: Sequence[DeskItem], typed: str) -> list[DeskItem]:
    """The items that a text names: by id of any of their entries, or by how one begins or ends."""
    wanted = typed.strip().casefold()
    whole = [item for item in items if any(line.entry.id == wanted for line in item.lines)]
    if whole or len(wanted) < 4:
        return whole
    return [
        item for item in items if any(line.entry.id.endswith(wanted) or line.entry.id.startswith(wanted) for line in item.lines)
    ]  # fmt: skip


def step_of(item: DeskItem) -> str:
    """Key of the step that a conflict is about, '' where it is about something else or about several."""
    keys = set()
    for line in item.lines:
        try:
            body = read_body(line.entry)
        except Problem:
            return ""
        if isinstance(body, steps.StepResult) and not getattr(body, "calculated", False):
            keys.add(body.step)
    return keys.pop() if len(keys) == 1 else ""
