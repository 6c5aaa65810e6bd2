"""A database with one way to write and one to read, on SQLite and PostgreSQL alike.

SQLite: WAL and synchronous=FULL (a commit is on disk when it returns), BEGIN IMMEDIATE, one writing connection for the process
(two writers can trip the WAL-reset bug of SQLite before 3.51.3), readers beside it.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlmodel import SQLModel

from fieldapp.domain.problem import Problem
from fieldapp.store.tables import table_of

BUSY_MS = 5000
"""How long a writer waits for another process to finish before it gives up."""


class Database:
    """Opened on a URL (`sqlite:///FILE`, `postgresql://...`). Nothing is read or written until it is used.

    Args:
        url: where the data lies. read_only: no write is possible through it (other commands beside a running app).
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._lock = threading.RLock()
        self._read_only = read_only
        if self.is_sqlite:
            self._path = url.removeprefix("sqlite:///")
            self._writer = create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
            self._readers = create_engine(
                "sqlite://", creator=self._connect_reader, poolclass=QueuePool, pool_size=4, max_overflow=12
            )
            event.listen(self._writer, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
            event.listen(self._readers, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
        else:
            if url.startswith("postgresql://"):
                url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
            self._writer = create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
            self._readers = self._writer

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations."""
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        if self._read_only:
            return self._connect_reader()
        connection = sqlite3.connect(self._path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")
        if sys.platform == "darwin":
            connection.execute("PRAGMA fullfsync=ON")
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        uri = Path(self._path).resolve().as_uri() + "?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        return connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One unit of work: committed when the block ends, rolled back whole when it raises.

        Raises:
            Problem: `disk-full`, `database-busy`, `database-damaged`, `database-failed`.
        """
        if self.is_sqlite:
            with self._lock, _clear_words(), self._writer.begin() as connection:
                yield connection
        else:
            with _clear_words(), self._writer.begin() as connection:
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; several may be open at once."""
        with _clear_words(), self._readers.begin() as connection:
            yield connection

    def upsert(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, replacing all other columns where the primary key exists."""
        if not rows:
            return
        target = table_of(table)
        insert = (sqlite.insert if self.is_sqlite else postgresql.insert)(target)
        keys = [column.name for column in target.primary_key]
        others = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        statement = insert.on_conflict_do_update(index_elements=keys, set_=others) if others else insert.on_conflict_do_nothing()
        conn.execute(statement, list(rows))

    def insert_new(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, leaving those whose key exists as they are."""
        if not rows:
            return
        insert = (sqlite.insert if self.is_sqlite else postgresql.insert)(table_of(table))
        conn.execute(insert.on_conflict_do_nothing(), list(rows))

    def close(self) -> None:
        self._writer.dispose()
        if self._readers is not self._writer:
            self._readers.dispose()


def chunks(items: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Lists of at most `size` items: both databases bound the number of parameters of a statement."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@contextmanager
def _clear_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _problem(error) from error


def _problem(error: DBAPIError) -> Problem:
    text = str(error.orig)
    if "full" in text or "No space left" in text:
        return Problem(
            "disk-full",
            "The disk is full, so this was not saved.",
            "Everything saved before is safe. Make room and save again.",
        )
    if isinstance(error, OperationalError) and ("locked" in text or "busy" in text):
        return Problem(
            "database-busy",
            "Another program is writing to this database, so this was not saved.",
            "Everything saved before is safe. Try again in a moment.",
        )
    if "malformed" in text or "not a database" in text or "disk image" in text or "disk I/O error" in text:
        return Problem(
            "database-damaged",
            f"The database cannot be read ({text}).",
            "Unsent work is also kept in the journal folder. Run `fieldapp doctor`.",
        )
    return Problem("database-failed", f"The database refused the work ({text.splitlines()[0]}).", "Nothing was half-written.")
