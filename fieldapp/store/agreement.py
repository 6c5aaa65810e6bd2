"""Whether this device and the server agree on what a stream folds to, told by digests.

A device that differs reads the stream once more from the server, with every row of it replaced, and goes on. It does so once for
each digest of the server, so that two programs that fold differently for good do not talk for ever; that it differs stays
written down until it agrees again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, delete, select, tuple_, update
from sqlmodel import col

from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.store.database import Database, chunks, marks, plain
from fieldapp.store.rows import Row
from fieldapp.store.tables import DisagreementRow, EntryRow, LogRow, OwnEntryRow, table_of


class Disagreement(msgspec.Struct, frozen=True):
    """A stream that folds to something else here than on the server. fetching: its rows are being read again; else they were,
    and it still differs. `at`: milliseconds UTC when that was last seen."""

    stream: str
    fetching: bool
    at: int


_NO_STATE = ("", 0, "")


class Agreement:
    """Compares and notes, in the transaction of one page."""

    def __init__(self, db: Database, conn: Connection, now: int) -> None:
        self._db, self._conn, self._now = db, conn, now
        noted = plain(conn).execute("SELECT stream, theirs, fetching FROM disagreements").fetchall()
        self._noted: dict[str, str] = {stream: theirs for stream, theirs, _ in noted}
        self.fetching = frozenset(stream for stream, _, fetching in noted if fetching)

    def make_room(self, rows: Iterable[Row]) -> None:
        """Let go of what is kept of these rows where they belong to a stream that is read again: the server's take their place.
        Own entries stay as they were recorded."""
        again = [row for row in rows if not self.fetching.isdisjoint(row.entry.envelope.streams)] if self.fetching else []
        for part in chunks(again, 200):
            places = [(row.log, row.pos) for row in part]
            self._conn.execute(delete(LogRow).where(tuple_(col(LogRow.log), col(LogRow.pos)).in_(places)))
            own = select(col(OwnEntryRow.entry_id))
            ids = [row.entry.id for row in part]
            self._conn.execute(delete(EntryRow).where(col(EntryRow.id).in_(ids), col(EntryRow.id).not_in(own)))

    def fetched(self, streams: Iterable[str]) -> list[str]:
        """Those of these streams that were read again, and now are whole."""
        whole = sorted(self.fetching.intersection(streams))
        for names in chunks(whole):
            self._conn.execute(update(DisagreementRow).where(col(DisagreementRow.stream).in_(names)).values(fetching=False))
        return whole

    def differing(self, digests: Sequence[tuple[str, int, str]], shows: Callable[[str, str], bool]) -> list[tuple[str, str]]:
        """(stream, log) of those to be read again, among the streams that are shown.

        Args:
            digests: (stream, position, digest) as the server has them. shows: whether the rows of (log, stream) are all here.
        """
        found: list[tuple[str, str]] = []
        for part in chunks(digests):
            names = [stream for stream, _, _ in part]
            query = f"SELECT stream, log, pos, digest FROM stream_states WHERE fold_version = ? AND stream IN ({marks(names)})"
            ours = {row[0]: row[1:] for row in plain(self._conn).execute(query, (FOLD_VERSION, *names))}
            for stream, pos, digest in part:
                log, own_pos, own_digest = ours.get(stream, _NO_STATE)
                if not log or own_pos > pos or not shows(log, stream):
                    continue
                if (own_pos, own_digest) == (pos, digest):
                    if stream in self._noted:
                        plain(self._conn).execute("DELETE FROM disagreements WHERE stream = ?", (stream,))
                elif self._noted.get(stream) != digest:
                    note = {"stream": stream, "theirs": digest, "ours": own_digest, "at": self._now, "fetching": True}
                    self._db.upsert(self._conn, DisagreementRow, [note])
                    plain(self._conn).execute("DELETE FROM stream_rows WHERE stream = ?", (stream,))
                    found.append((stream, log))
        return found


def disagreements(conn: Connection) -> tuple[Disagreement, ...]:
    """What differs from the server now, by stream."""
    rows = conn.execute(select(table_of(DisagreementRow)).order_by(col(DisagreementRow.stream)))
    return tuple(Disagreement(row.stream, row.fetching, row.at) for row in rows)
