"""What moves between a log and its readers: rows, pages of rows, and runs of own entries on their way out."""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.domain.entry import Entry, FileRef
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.job import OutcomeName
from fieldapp.domain.problem import Problem

WHOLE_LOG = "*"
"""As a stream: every stream of the log (reference documents for all; a branch's log for its office)."""


class Row(msgspec.Struct, frozen=True):
    """One row of a log as its readers get it. kind `entry`: with its outcome; `outcome`: a later decision on `entry`."""

    log: str
    pos: int
    at: int
    entry: Entry
    kind: Literal["entry", "outcome"] = "entry"
    outcome: OutcomeName = "applied"
    reason: str = ""
    role: str = ""


class Page(msgspec.Struct, frozen=True):
    """One answer to a pull, in the store's words. added: (log, stream, upto); removed: (log, stream);
    backfilled: (stream, after, done); cursors: log to `pos:chain8`; digests: (stream, pos, digest) of a server that folds as this
    program does; logs: those that the person reads now, the shared one first, () where nothing is said of it; more: whether the
    server has more to say."""

    rows: tuple[Row, ...] = ()
    cursors: dict[str, str] = {}
    added: tuple[tuple[str, str, int], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    backfilled: tuple[tuple[str, int, bool], ...] = ()
    digests: tuple[tuple[str, int, str], ...] = ()
    logs: tuple[str, ...] = ()
    more: bool = False


class Draft(msgspec.Struct, frozen=True):
    """A fact about to be recorded: where it belongs and what it says. The replica gives it an id, a time and a place."""

    log: str
    stream: str
    body: Body
    also: tuple[str, ...] = ()
    files: tuple[FileRef, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """Consecutive entries of one epoch: `entries[0]` has position `from_seq`; `prev_hash` is the epoch's chain before it."""

    epoch: str
    log: str
    from_seq: int
    prev_hash: str
    entries: tuple[Entry, ...]
    parent: tuple[str, int] | None = None


class Saved(msgspec.Struct, frozen=True):
    """What a write changed: the ids recorded, in order, and the streams that any screen showing them should refresh."""

    entries: tuple[str, ...]
    streams: frozenset[str]


class Head(msgspec.Struct, frozen=True):
    """Where an epoch stands at the server."""

    epoch: str
    seq: int
    hash: str
    safe_seq: int = 0


class Standing(msgspec.Struct, frozen=True):
    """How far a device is with its server, all as of one moment: the next unsent run, own open epochs, the cursor of each log,
    (log, stream, after, upto) of what is to be fetched, and the settings asked for."""

    run: Run | None
    heads: tuple[Head, ...]
    cursors: dict[str, str]
    backfills: tuple[tuple[str, str, int, int], ...]
    settings: dict[str, str]


class PositionProblem(Problem):
    """`gap` or `fork`: the run does not continue what the server has. `head` says where the server stands."""

    def __init__(self, code: Literal["gap", "fork"], message: str, head: Head) -> None:
        super().__init__(code, message, "Nothing is lost; the device offers the entries again from there.")
        self.head = head


class UnreadableEntry(Problem):
    """One entry of a run cannot be read as an entry at all; `seq` is its position."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__("unreadable-entry", reason, "It goes to quarantine with its position; the rest goes on.")
        self.seq = seq
