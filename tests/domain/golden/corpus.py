"""Reading, folding and writing the files of the golden corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from fieldapp.domain.entry import read_entry
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.fold import FOLD_VERSION, digest, empty_state, fold, folds, state_bytes

FOLDER = Path(__file__).parent


class Line(msgspec.Struct):
    """An entry as it was written, and what was decided on it. body is None where it was erased."""

    envelope: str
    body: str | None
    outcome: str = "applied"
    reason: str = ""
    role: str = ""


def line_of(fact: Fact) -> Line:
    body = fact.entry.body_raw
    return Line(fact.entry.raw.decode(), None if body is None else body.decode(), fact.outcome, fact.reason, fact.role)


def fact_of(line: Line) -> Fact:
    entry = read_entry(line.envelope.encode(), None if line.body is None else line.body.encode())
    return msgspec.convert({"entry": entry, "outcome": line.outcome, "reason": line.reason, "role": line.role}, Fact)


def fold_all(facts: list[Fact]) -> dict[str, Any]:
    """Stream to {digest, state} for every stream that the entries name and that folds."""
    found: dict[str, Any] = {}
    for stream in sorted({stream for fact in facts for stream in fact.entry.envelope.streams if folds(stream)}):
        state = empty_state(stream)
        for fact in facts:
            if stream in fact.entry.envelope.streams:
                state = fold(state, fact)
        found[stream] = {"digest": digest(state), "state": json.loads(state_bytes(state))}
    return found


def load(path: Path) -> tuple[int, list[Fact], dict[str, Any]]:
    """(fold version, entries, streams) of one file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    lines = msgspec.convert(content["entries"], list[Line])
    return content["fold_version"], [fact_of(line) for line in lines], content["streams"]


def write(path: Path, facts: list[Fact]) -> None:
    content = {
        "fold_version": FOLD_VERSION,
        "entries": [msgspec.to_builtins(line_of(fact)) for fact in facts],
        "streams": fold_all(facts),
    }
    path.write_text(json.dumps(content, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")
