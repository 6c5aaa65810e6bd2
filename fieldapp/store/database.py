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
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlmodel import SQLModel

from fieldapp.domain.problem import Problem
from fieldapp.store.full_disk import not_saved
from fieldapp.store.tables import table_of

BUSY_MS = 5000
"""How long a writer waits for another process to finish before it gives up."""
_FETCH = 64
"""Rows read at a time from a large answer."""
_STATEMENTS = 512
"""Statements of a connection that SQLite keeps ready."""


class Columns(NamedTuple):
    """Rows as tuples of values, with the names of their columns: where there are thousands, making a mapping of each costs as much
    as inserting it."""

    names: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> Columns:
        """Rows that all name the same columns."""
        names = tuple(rows[0]) if rows else ()
        return cls(names, list(map(itemgetter(*names), rows)) if len(names) > 1 else [tuple(row.values()) for row in rows])


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
        self._inserts: dict[tuple[type[SQLModel], str, tuple[str, ...]], str] = {}
        self._held: Connection | None = None
        """The writing connection, kept from one unit of work to the next: SQLAlchemy's taking and giving back costs as much as the
        commit of one recorded step."""
        if self.is_sqlite:
            self._path = url.removeprefix("sqlite:///")
            self._writer = create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
            self._readers = create_engine(
                "sqlite://", creator=self._connect_reader, poolclass=QueuePool, pool_size=4, max_overflow=12
            )
            event.listen(self._writer, "begin", lambda conn: plain(conn).execute("BEGIN IMMEDIATE"))
            event.listen(self._readers, "begin", lambda conn: plain(conn).execute("BEGIN"))
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
        connection = self._opened(self._path)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-16000")
            if sys.platform == "darwin":
                connection.execute("PRAGMA fullfsync=ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        uri = Path(self._path).resolve().as_uri() + "?mode=ro"
        connection = self._opened(uri)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _opened(self, place: str) -> sqlite3.Connection:
        return sqlite3.connect(
            place, uri=place.startswith("file:"), timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False,
            cached_statements=_STATEMENTS,
        )  # fmt: skip

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One unit of work: committed when the block ends, rolled back whole when it raises.

        Raises:
            Problem: `disk-full`, `database-busy`, `database-damaged`, `database-away`, `database-failed`.
        """
        if self.is_sqlite:
            with self._lock, clear_words():
                held, self._held = self._held or self._writer.connect(), None
                try:
                    with held.begin():
                        yield held
                except BaseException:
                    held.close()  # whatever state it is in: the next unit of work begins with a fresh one
                    raise
                self._held = held
        else:
            with clear_words(), self._writer.begin() as connection:
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; several may be open at once."""
        with clear_words(), self._readers.begin() as connection:
            yield connection

    def rows(self, conn: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Rows of a statement on a hot path, as plain tuples: its text as it is, `?` for each value, on both databases. Building a
        statement anew costs more than running it."""
        if self.is_sqlite:
            return plain(conn).execute(sql, parameters).fetchall()
        return list(conn.exec_driver_sql(sql.replace("?", "%s"), tuple(parameters)).all())

    def run(self, conn: Connection, sql: str, parameters: Sequence[Any] = ()) -> None:
        """A statement on a hot path that gives no rows; otherwise as `rows`."""
        if self.is_sqlite:
            plain(conn).execute(sql, parameters)
        else:
            conn.exec_driver_sql(sql.replace("?", "%s"), tuple(parameters))

    def stream(self, conn: Connection, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """As `rows`, but a few at a time, so that whoever stops early never loads a large log (a named cursor on PostgreSQL)."""
        if self.is_sqlite:
            cursor = plain(conn).execute(sql, parameters)
            try:
                yield from cursor
            finally:
                cursor.close()
            return
        few = {"stream_results": True, "max_row_buffer": _FETCH}
        result = conn.exec_driver_sql(sql.replace("?", "%s"), tuple(parameters), execution_options=few)
        try:
            while found := result.fetchmany(_FETCH):
                yield from found
        finally:
            result.close()

    @property
    def for_update(self) -> str:
        """What a SELECT ends with that locks its rows; SQLite has one writer anyway."""
        return "" if self.is_sqlite else " FOR UPDATE"

    def insert(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]] | Columns) -> None:
        """Insert rows that all name the same columns; a key that exists is an error."""
        self._insert(conn, table, rows, "")

    def insert_new(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]] | Columns) -> None:
        """Insert rows, leaving those whose key exists as they are."""
        self._insert(conn, table, rows, "new")

    def upsert(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows (each key once), replacing all other columns where the primary key exists."""
        self._insert(conn, table, rows, "replace")

    def _insert(self, conn: Connection, table: type[SQLModel], rows: Sequence[dict[str, Any]] | Columns, existing: str) -> None:
        """Statements as text and values as they are: SQLAlchemy's own way costs three times as much a row."""
        if not isinstance(rows, Columns):
            rows = Columns.of(rows)
        if not rows.values:
            return
        names = rows.names
        key = (table, existing, names)
        sql = self._inserts.get(key)
        if sql is None:
            sql = self._inserts[key] = _insert_sql(table_of(table), names, existing, self.is_sqlite)
        if self.is_sqlite:
            plain(conn).executemany(sql, rows.values)
        else:
            named = [dict(zip(names, row, strict=True)) for row in rows.values]
            conn.exec_driver_sql(sql, (msgspec.json.encode(named).decode(),))

    def scrub(self) -> bool:
        """On SQLite: leave nothing of what was deleted in free pages and in the write-ahead log. Whether it worked; it does not
        while somebody else reads or writes, or where the disk has no room for a copy. PostgreSQL does so by itself (VACUUM)."""
        if not self.is_sqlite:
            return True
        with self._lock:
            connection = self._writer.raw_connection()
            under: Any = connection.driver_connection
            try:
                under.execute("VACUUM")
                return not under.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error:
                return False
            finally:
                connection.close()

    def close(self) -> None:
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None
        if self._readers is not self._writer:
            self._readers.dispose()  # first: the last one to close folds the write-ahead log into the file, and only a writer can
        self._writer.dispose()


def plain(conn: Connection) -> sqlite3.Connection:
    """The sqlite3 connection under a connection of a device, inside its transaction: for the few statements on the way of one
    recorded step, where SQLAlchemy costs more than SQLite. What it raises, `write` and `read` put into the same words."""
    under: sqlite3.Connection = conn.connection.driver_connection  # type: ignore[assignment]
    return under


def marks(values: Sequence[Any]) -> str:
    """The question marks of a list of values: `IN (?, ?, ?)` without the brackets."""
    return _marks(len(values))


@lru_cache(1024)
def _marks(count: int) -> str:
    return ", ".join("?" * count)


def chunks(items: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Lists of at most `size` items: both databases bound the number of parameters of a statement."""
    if type(items) is list and len(items) <= size:
        return iter([items] if items else [])
    return _chunks(items, size)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _insert_sql(table: Table, names: Sequence[str], existing: str, is_sqlite: bool) -> str:
    """INSERT of rows: on SQLite one at a time; on PostgreSQL all at once from one JSON text (its driver dumps arrays slowly), in
    which bytes are base64."""
    listed = ", ".join(f'"{name}"' for name in names)
    if is_sqlite:
        source = f"VALUES ({', '.join('?' for _ in names)})"
    else:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        types = {name: table.c[name].type.compile(dialect=dialect) for name in names}
        values = ", ".join(f"decode(\"{name}\", 'base64')" if kind == "BYTEA" else f'"{name}"' for name, kind in types.items())
        columns = ", ".join(f'"{name}" {"text" if kind == "BYTEA" else kind}' for name, kind in types.items())
        source = f"SELECT {values} FROM json_to_recordset(%s::json) AS rows({columns})"
    sql = f"INSERT INTO {table.name} ({listed}) {source}"
    if not existing:
        return sql
    keys = [column.name for column in table.primary_key]
    others = [f"{name} = excluded.{name}" for name in names if name not in keys]
    if existing == "new" or not others:
        return f"{sql} ON CONFLICT DO NOTHING"
    return f"{sql} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(others)}"


class clear_words:
    """What a database raises, in words: the problems of `write`."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DBAPIError):
            raise _problem(error.orig or error, isinstance(error, OperationalError)) from error
        if isinstance(error, sqlite3.Error):
            raise _problem(error, isinstance(error, sqlite3.OperationalError)) from error


def _problem(error: BaseException, operational: bool) -> Problem:
    text = str(error)
    state = getattr(error, "sqlstate", None)  # PostgreSQL
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith(_NO_ROOM) or state == "53100":
        return not_saved()
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or state in _IN_THE_WAY:
        return Problem(
            "database-busy",
            "Another program is writing to this database, so this was not saved.",
            "Everything saved before is safe. Try again in a moment.",
        )
    spoiled = operational and "Could not decode to UTF-8" in text  # Python's words for a text that is none
    if spoiled or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):  # what the bytes say; a disk that is silent is no damage
        return Problem(
            "database-damaged",
            f"The database cannot be read ({text}).",
            "Unsent work is also kept in the journal folder. Run `fieldapp doctor`.",
        )
    reason = (text.splitlines() or [type(error).__name__])[0]
    lost = operational and not name and (state is None or state[:2] in ("08", "57"))
    if lost or name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR")):
        return Problem("database-away", f"The database cannot be reached ({reason}).", "Nothing was changed. Try again later.")
    return Problem("database-failed", f"The database refused the work ({reason}).", "Nothing was half-written.")


_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_SHMSIZE")
_IN_THE_WAY = ("40P01", "40001", "55P03", "23505")
"""PostgreSQL: deadlock, serialization failure, lock not available, the same key stored by two at once."""
