"""The examples of docs/protocol.md come from the corpus: `python -m tests.golden.examples` writes them, a test compares them.

A fence says what it shows: ```json EXCHANGE PATH, where the path leads into the exchange (`request`, `answer.rows.0`), or
```text hashes EXCHANGE for the hashes of a push, worked out, or
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

from fieldapp.sync.protocol import PushRequest
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
        first, second = found[2].split()
        if found[1] == "json":
            text = _json(by_name[first], second)
        else:
            text = _hashes(by_name[second]) if first == "hashes" else _exported(int(second))
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


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), exchanges()), encoding="utf-8")
