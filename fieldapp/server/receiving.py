"""A push, from its wire form to what the replica takes."""

from __future__ import annotations

from collections.abc import Collection

from fieldapp.domain.problem import Problem
from fieldapp.server.answers import Refused
from fieldapp.server.reach import Session
from fieldapp.store.exported import read_line
from fieldapp.store.importing import Line
from fieldapp.store.judge import Writer
from fieldapp.store.rows import Run, UnreadableEntry
from fieldapp.sync.protocol import PUSH_BYTES, PUSH_ENTRIES, ImportRequest, PushRequest, from_wire


def writer(who: Session) -> Writer:
    return Writer(who.device, who.person, who.role, who.branch)


def read_run(wire: PushRequest, logs: Collection[str]) -> Run:
    """The entries of a push, each read from its exact bytes.

    Args:
        logs: the logs there are. An entry for one of them is always taken, even if its author may not write there any more.

    Raises:
        Refused: `push-too-large` (413: send half), `log-unknown` (422). UnreadableEntry: with the position of the first bad one.
    """
    if len(wire.entries) > PUSH_ENTRIES or sum(_size(entry.raw) + _size(entry.body) for entry in wire.entries) > PUSH_BYTES:
        raise Refused(
            413, "push-too-large", f"One push holds {PUSH_ENTRIES} entries or {PUSH_BYTES:,} bytes.", "Send less at a time."
        )
    if wire.log not in logs:
        raise Refused(422, "log-unknown", f"There is no log {wire.log!r} here.")
    entries = []
    for seq, item in enumerate(wire.entries, wire.from_seq):
        try:
            entries.append(from_wire(item))
        except Problem as problem:
            raise UnreadableEntry(seq, problem.message) from None
    parent = (wire.parent.epoch, wire.parent.seq) if wire.parent else None
    return Run(wire.epoch, wire.log, wire.from_seq, wire.prev_hash, tuple(entries), parent)


def read_lines(wire: ImportRequest) -> tuple[list[Line], tuple[int, ...]]:
    """The entries of an import, and the numbers of lines that are none or are damaged.

    Raises:
        Refused: `push-too-large` (413: send half).
    """
    if len(wire.lines) > PUSH_ENTRIES or sum(_size(line) for line in wire.lines) > 2 * PUSH_BYTES:
        raise Refused(
            413, "push-too-large", f"One import holds {PUSH_ENTRIES} lines or {2 * PUSH_BYTES:,} bytes.", "Send less at a time."
        )
    lines: list[Line] = []
    damaged: list[int] = []
    for number, text in enumerate(wire.lines, start=1):
        found = read_line(text.encode("utf-8", "surrogatepass"), number)
        if isinstance(found, tuple):
            lines.append(Line.of(found[0].epoch, found[0].seq, found[1]))
        else:
            damaged.append(number)
    return lines, tuple(damaged)


def _size(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
