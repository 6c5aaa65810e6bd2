"""The examples of docs/protocol.md come from the corpus: `python -m tests.golden.examples` writes them, a test compares them.

A fence says what it shows: ```json EXCHANGE PATH, where the path leads into the exchange (`request`, `answer.rows.0`), or
```text hashes EXCHANGE for the hashes of a push, worked out, or
```text chain EXCHANGE LOG for the chain of a log that a pull reads whole, or
```text digest EXCHANGE STREAM for the digest of a state that a pull brings, or
```text export LINE for a line of the exported file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.fold import empty_state, fold, state_bytes
from fieldapp.sync.protocol import PullAnswer, PushRequest, from_wire
from tests.golden.corpus import PROTOCOL1, Exchange, exchanges

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
_FENCE = re.compile(r"^```(json|text) ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHORT = 100


def filled(text: str, corpus: Iterable[Exchange]) -> str:
    """The text with every example as the corpus has it.

    Raises:
        KeyError: an example of something that the corpus does not hold.
    """
    by_name = {exchange.name: exchange for exchange in corpus}

    def example(found: re.Match[str]) -> str:
        match (found[1], *found[2].split()):
            case "json", name, path:
                text = _json(by_name[name], path)
            case "text", "hashes", name:
                text = _hashes(by_name[name])
            case "text", "chain", name, log:
                text = _chain(by_name[name], log)
            case "text", "digest", name, stream:
                text = _digest(by_name[name], stream)
            case _, _, line:
                text = _exported(int(line))
        return f"```{found[1]} {found[2]}\n{text}\n```"

    return _FENCE.sub(example, text)


def examples(text: str) -> list[tuple[str, str]]:
    """(what it shows, its text) of every example."""
    return [(found[2], found[3]) for found in _FENCE.finditer(text)]


def _json(exchange: Exchange, path: str) -> str:
    value: Any = msgspec.to_builtins(exchange)
    for key in path.split("."):
        value = value[int(key)] if key.isdigit() else value[key]
    return _written(value, "")


def _written(value: Any, indent: str) -> str:
    """JSON that puts on one line what is short, so that it reads well in a page."""
    flat = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or len(indent) + len(flat) <= _SHORT:
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        parts = [_written(part, inner) for part in value]
        opening, closing = "[", "]"
    else:
        parts = [f"{json.dumps(name)}: {_written(part, inner)}" for name, part in value.items()]
        opening, closing = "{", "}"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _exported(line: int) -> str:
    """A line of the export, by its number from 1."""
    return (PROTOCOL1 / "export.jsonl").read_text(encoding="utf-8").splitlines()[line - 1]


def _hashes(exchange: Exchange) -> str:
    """Every step from the bytes of the entries of a push to the hash of its receipt."""
    push = msgspec.convert(exchange.request, PushRequest)
    chain, lines = push.prev_hash, []
    for seq, entry in enumerate(push.entries, push.from_seq):
        body = hashlib.sha256((entry.body or "").encode()).hexdigest()
        assert json.loads(entry.raw)["body"] == body
        hashed = hashlib.sha256(entry.raw.encode()).hexdigest()
        before, chain = chain, hashlib.sha256(f"{chain} {seq} {hashed}".encode()).hexdigest()
        lines += [
            f"body       = SHA-256({entry.body})",
            f"           = {body}",
            f"entry_hash = SHA-256(raw of entry {seq})",
            f"           = {hashed}",
            f'hash[{seq}]    = SHA-256("{before} {seq} {hashed}")',
            f"           = {chain}",
        ]
    assert exchange.answer["receipt"]["hash"] == chain
    return "\n".join(lines)


def _chain(exchange: Exchange, log: str) -> str:
    """Every step from nothing to the cursor of a log without changes of scope."""
    page = msgspec.convert(exchange.answer, PullAnswer)
    chain, lines = "", []
    for pos, row in enumerate((row for row in page.rows if row.log == log), start=1):
        assert row.pos == pos
        hashed = hashlib.sha256(row.entry.raw.encode()).hexdigest()
        before, chain = chain, hashlib.sha256(f"{chain} {pos} {row.kind} {hashed} {row.outcome}".encode()).hexdigest()
        lines += [f'chain[{pos}] = SHA-256("{before} {pos} {row.kind} {hashed} {row.outcome}")', f"         = {chain}"]
    cursor = page.cursors[log]
    assert cursor == f"{pos}:{chain[:8]}"
    return "\n".join([*lines, f"cursor   = {cursor}"])


def _digest(exchange: Exchange, stream: str) -> str:
    """The state that the rows of a page fold to, and its digest."""
    page, state = msgspec.convert(exchange.answer, PullAnswer), empty_state(stream)
    for row in page.rows:
        entry = from_wire(row.entry)
        if stream in entry.envelope.streams:
            state = fold(state, Fact(entry, row.outcome, row.reason, row.role))
    (said,) = (item for item in page.digests if item.stream == stream)
    text = state_bytes(state).decode()
    assert said.digest == hashlib.sha256(f"{page.fold}:{text}".encode()).hexdigest()
    return f'state  = {text}\ndigest = SHA-256("{page.fold}:" and the state)\n       = {said.digest}'


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), exchanges()), encoding="utf-8")
