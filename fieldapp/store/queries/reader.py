"""A read-only view of a device's database, light enough for the first frame."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fieldapp.domain.problem import Problem


class Reader:
    """Reads beside a running writer (WAL). One per thread; opened when first used.

    Args:
        path: the database file of a home.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = sqlite3.connect(
                    self.path.resolve().as_uri() + "?mode=ro", uri=True, timeout=5, isolation_level=None, check_same_thread=False
                )
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA query_only=ON")
            except sqlite3.Error as error:
                self._connection = None
                raise _problem(error) from error
        return self._connection

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query.

        Raises:
            Problem: `database-damaged`, `database-missing`.
        """
        try:
            return self._open().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise _problem(error) from error

    def row(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        found = self.rows(sql, values)
        return found[0] if found else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several queries that see the same moment."""
        connection = self._open()
        try:
            connection.execute("BEGIN")
        except sqlite3.Error as error:
            raise _problem(error) from error
        try:
            yield
        finally:
            with suppress(sqlite3.Error):  # a damaged page has ended it already: what was said of that is what counts
                connection.execute("COMMIT")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _problem(error: sqlite3.Error) -> Problem:
    text = str(error)
    if "unable to open" in text or "no such table" in text:
        return Problem("database-missing", "There is no data on this device yet.", "Enrol it first: fieldapp enrol URL CODE.")
    if str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_IOERR_SHM", "SQLITE_FULL")):
        return Problem(
            "disk-full",
            "The disk is full or takes no more, so the database cannot be read now.",
            "Everything saved before is safe. Make room and look again.",
        )
    return Problem(
        "database-damaged",
        f"The database cannot be read ({text}).",
        "Unsent work is also kept in the journal folder. Run `fieldapp doctor`.",
    )
