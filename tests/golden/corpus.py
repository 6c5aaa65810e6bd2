"""What the corpus of a protocol holds, and how it is read and written.

`exchanges/`: every call and every refusal of the protocol as it went over the wire, in order, one file each. `server.sql`: the
server's database before the first of them; `server-after.sql`: after the last. `home/`: a device's home with unsent work and kept
entries, its database as `database.sql`. `export.jsonl`: exported unsent work. `entries.json`: entries of every type.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from fieldapp.sync.protocol import INCARNATION_HEADER, NONCE_HEADER

PROTOCOL1 = Path(__file__).parent / "protocol1"
HEADERS = ("Authorization", "Content-Type", "Content-Range", "Range", NONCE_HEADER)
ANSWER_HEADERS = (
    "Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Cache-Control", "Retry-After", "WWW-Authenticate", "Allow",
    NONCE_HEADER, INCARNATION_HEADER,
)  # fmt: skip


class Exchange(msgspec.Struct, omit_defaults=True):
    """One request and its answer. at: the server's clock, ms UTC. Bodies in JSON stand as values, others as base64.

    lines: how many lines of an endless answer were read. kind: of the device that asked.
    """

    name: str
    what: str
    at: int
    method: str
    path: str
    headers: dict[str, str]
    status: int
    answer_headers: dict[str, str]
    request: Any = None
    request_base64: str = ""
    answer: Any = None
    answer_base64: str = ""
    lines: int = 0

    @property
    def content(self) -> bytes | None:
        """The request's body."""
        if self.request is not None:
            return json.dumps(self.request, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.b64decode(self.request_base64) if self.request_base64 else None

    @property
    def answered(self) -> bytes:
        """The answer's body."""
        if self.answer is not None:
            return json.dumps(self.answer, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.b64decode(self.answer_base64)


def body_of(media: str, content: bytes) -> tuple[Any, str]:
    """(value, base64) of a body: one of them."""
    if not content:
        return None, ""
    if media.partition(";")[0].endswith("json"):
        return json.loads(content), ""
    return None, base64.b64encode(content).decode()


def write_exchange(folder: Path, number: int, exchange: Exchange) -> None:
    path = folder / "exchanges" / f"{number:02}-{exchange.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(msgspec.to_builtins(exchange), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def exchanges(folder: Path = PROTOCOL1) -> list[Exchange]:
    """All of them, in the order in which they happened."""
    found = sorted((folder / "exchanges").glob("*.json"))
    return [msgspec.json.decode(path.read_bytes(), type=Exchange) for path in found]


def dump(database: Path, target: Path) -> None:
    """A SQLite database as SQL, with the number of its schema."""
    connection = sqlite3.connect(database)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        text = "\n".join([*connection.iterdump(), f"PRAGMA user_version = {version};", ""])
    finally:
        connection.close()
    target.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(target, "wb", mtime=0) as file:
        file.write(text.encode())


def restore(source: Path, database: Path) -> None:
    """The database of a dump."""
    database.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(database)
    try:
        connection.executescript(gzip.decompress(source.read_bytes()).decode())
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
