"""The search index of a device: a file of its own beside the database, made from it and droppable at any time.

Texts that many jobs share (a customer's name, a step) are there once; a text's id says its rank. FTS5 knows each text by its grams.
It is no part of the database: neither recording nor sync waits for it, damage to it costs nobody anything but the time to make it
again, and what is erased leaves it with everything else in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

FORMAT = 1
"""Counted up when the tables, the folding or the grams change: an index of another format is made anew."""
EXACT, NUMBER, TITLE, AROUND, STEPS = range(5)
"""Ranks of what was found, the best first: a code that is meant exactly, a number, a title, customer and site and asset and
description, a step."""
_SHIFT = 32
_BUSY_S = 5.0
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE todo (stream TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE texts (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, words BLOB NOT NULL, folded TEXT NOT NULL)",
    "CREATE TABLE exact (code TEXT, text INTEGER, PRIMARY KEY (code, text)) WITHOUT ROWID",
    "CREATE INDEX exact_text ON exact (text)",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, closed INTEGER NOT NULL, at INTEGER NOT NULL, number TEXT NOT NULL,
        texts BLOB NOT NULL, changed_at INTEGER NOT NULL, size INTEGER NOT NULL)""",
    "CREATE INDEX jobs_order ON jobs (closed, at, number, stream, texts)",
    "CREATE TABLE links (text INTEGER, job INTEGER, PRIMARY KEY (text, job)) WITHOUT ROWID",
)
_GRAMS = "CREATE VIRTUAL TABLE grams USING fts5(listed, content='', detail=none, columnsize=0, tokenize=ascii)"


def index_file(database: Path) -> Path:
    """Where the index of a device's database lies."""
    return database.with_name("search.db")


def text_ids(rank: int) -> tuple[int, int]:
    """The first and the last id that a text of this rank may have."""
    return rank << _SHIFT, ((rank + 1) << _SHIFT) - 1


def rank_of(text: int) -> int:
    """The rank of a text, by its id."""
    return text >> _SHIFT


class IndexFile:
    """The file, and how it is opened. Args: path: of the file; its folder exists where there is a database."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def reading(self) -> sqlite3.Connection | None:
        """A connection that only reads, None where nothing was ever indexed. It may be used in any one thread at a time."""
        if not self.path.exists():
            return None
        connection = self._open()
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cache_size=-16000")
        return connection

    def writing(self) -> sqlite3.Connection:
        """A connection that writes; the tables may be missing (see `begun`). After a power cut the file is whole, if perhaps not
        the newest: it is brought up to date from the database anyway."""
        connection = self._open()
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA cache_size=-16000")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)

    def discard(self) -> None:
        """Remove an index that cannot be read. Nobody else has it open but by mistake."""
        for ending in ("-wal", "-shm", ""):
            with suppress(OSError):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)


@contextmanager
def begun(connection: sqlite3.Connection) -> Iterator[bool]:
    """A transaction that holds the index for writing, with the tables in it. Gives whether they are new: then nothing is in them.

    What is read of the database inside of it is as new as any erasure that has emptied the index before.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        fresh = connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT
        if fresh:
            _drop_tables(connection)
            for statement in _TABLES:
                connection.execute(statement)
            try:
                connection.execute(_GRAMS)
            except sqlite3.OperationalError as error:
                if "no such module" not in str(error):
                    raise
                # a SQLite without FTS5: every text is looked through instead
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        yield fresh
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def has_grams(connection: sqlite3.Connection) -> bool:
    """Whether the index was made with FTS5."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'grams'").fetchone() is not None


def forget(path: Path) -> bool:
    """Empty the index, down to the bytes of its file: content was erased in the database. It is made anew when it is needed next.

    Returns: whether nothing is left of it; it is not while somebody reads or writes it.
    """
    if not path.exists():
        return True
    file = IndexFile(path)
    try:
        with closing(file.writing()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _drop_tables(connection)
            connection.execute("PRAGMA user_version = 0")
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False  # busy, or no room
    except sqlite3.DatabaseError:  # nobody can read it: it goes whole
        file.discard()
        return not path.exists()


def _drop_tables(connection: sqlite3.Connection) -> None:
    for name in ("grams", "links", "jobs", "exact", "texts", "todo", "meta"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
