"""Absence is never deletion: when much of what a device holds leaves at once, the server is asked a second time before it goes.

A slip of the office, a restored server, a mistake in a program: each would empty a device within seconds. What is doubted stays
as it is shown, and goes when the server says the same again after DOUBT_MS.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete
from sqlmodel import col

from fieldapp.store.database import Database, chunks, plain
from fieldapp.store.rows import WHOLE_LOG
from fieldapp.store.tables import DoubtRow

DOUBT_MS = 60_000
"""So much later the server is asked again."""
MANY = 5
"""Fewer streams than this may all leave at once."""


def too_many(leaving: int, held: int) -> bool:
    """Whether so many of the streams held are too many to go at one word."""
    return held >= MANY and 2 * leaving > held


class Doubts:
    """The streams that leave only if the server says so again; in the transaction of one page. `now`: milliseconds UTC."""

    def __init__(self, db: Database, conn: Connection, now: int) -> None:
        self._db, self._conn, self._now = db, conn, now
        self._since: dict[str, int] = dict(plain(conn).execute("SELECT stream, since FROM doubts"))

    def __contains__(self, name: str) -> bool:
        return name in self._since

    def asked_again(self, name: str) -> bool:
        """Whether an answer that comes now is the second one."""
        return name in self._since and is_due(self._since[name], self._now)

    def believed(self, names: set[str]) -> set[str]:
        """Those of the streams that the server says have left which may go: all, unless they are too many and this is the first
        time that they are named. The others are doubted from now on."""
        second = {name for name in names if self.asked_again(name)}
        self.forget(second)
        first = {name for name in names - second if name not in self._since}
        if not first:
            return second
        whole = any(name.startswith(f"{WHOLE_LOG}:") for name in first)  # a log that was read whole: everything there is
        if not whole and not too_many(len(first) + len(self._since), self.held()):
            return second | first
        self.note(first)
        return second

    def held(self) -> int:
        """Streams in scope, one by one."""
        query = "SELECT count(*) FROM scope WHERE stream NOT LIKE ?"
        return int(plain(self._conn).execute(query, (f"{WHOLE_LOG}:%",)).fetchone()[0])

    def note(self, names: set[str]) -> None:
        self._db.insert_new(self._conn, DoubtRow, [{"stream": name, "since": self._now} for name in sorted(names)])
        self._since |= dict.fromkeys(names, self._now)

    def forget(self, names: set[str]) -> None:
        for part in chunks(sorted(names & set(self._since))):
            self._conn.execute(delete(DoubtRow).where(col(DoubtRow.stream).in_(part)))
            for name in part:
                del self._since[name]


def is_due(since: int, now: int) -> bool:
    """Whether it is time to ask again. A clock that was set back does not make anybody wait for a year."""
    return not since <= now < since + DOUBT_MS
