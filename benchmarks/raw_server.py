"""The bare reference: a server that moves and inserts the same bytes and does nothing else.

`python -m benchmarks.raw_server DATABASE PORT`: POST / takes gzipped NDJSON and answers after one executemany transaction has been
committed (WAL, synchronous=FULL); GET / gives all rows back as gzipped NDJSON.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def open_raw(path: str) -> sqlite3.Connection:
    """A bare table of entries with the guarantees that Fieldapp gives."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, raw TEXT, body TEXT)")
    return connection


def insert_all(connection: sqlite3.Connection, packed: bytes) -> int:
    """Inflate NDJSON lines [id, raw, body] and insert them in one transaction."""
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return len(rows)


def pack(rows: list[tuple[str, str, str]]) -> bytes:
    return gzip.compress(b"\n".join(json.dumps(row).encode() for row in rows), compresslevel=6)


def application(connection: sqlite3.Connection) -> Callable[..., Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            parts, more = [], True
            while more:
                message = await receive()
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            answer = str(insert_all(connection, b"".join(parts))).encode()
        else:
            answer = pack(connection.execute("SELECT id, raw, body FROM entries").fetchall())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(answer)).encode())]})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(application(open_raw(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="critical", lifespan="off")
