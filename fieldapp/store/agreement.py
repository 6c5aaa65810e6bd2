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
from fieldapp.store.database import Database, chunks
from fieldapp.store.rows import Row
from fieldapp.store.tables import DisagreementRow, EntryRow, LogRow, OwnEntryRow, StreamRow, StreamStateRow, table_of


class Disagreement(msgspec.Struct, frozen=True):
    """A stream that folds to something else here than on the server. fetching: its rows are being read again; else they were,
    and it still differs. `at`: milliseconds UTC when that was last seen."""

    stream: str
    fetching: bool
    at: int


class Agreement:
    """Compares and notes, in the transaction of one page."""

    def __init__(self, db: Database, conn: Connection, now: int) -> None:
        self._db, self._conn, self._now = db, conn, now
        query = select(col(DisagreementRow.stream)).where(col(DisagreementRow.fetching).is_(True))
        self.fetching = frozenset(conn.execute(query).scalars())

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
            query = select(table_of(StreamStateRow)).where(col(StreamStateRow.stream).in_(names))
            ours = {row.stream: row for row in self._conn.execute(query)}
            noted = {
                row.stream: row
                for row in self._conn.execute(select(table_of(DisagreementRow)).where(col(DisagreementRow.stream).in_(names)))
            }
            for stream, pos, digest in part:
                own = ours.get(stream)
                if own is None or own.pos > pos or own.fold_version != FOLD_VERSION or not shows(own.log, stream):
                    continue
                before = noted.get(stream)
                if (own.pos, own.digest) == (pos, digest):
                    if before is not None:
                        self._conn.execute(delete(DisagreementRow).where(col(DisagreementRow.stream) == stream))
                elif before is None or before.theirs != digest:
                    note = {"stream": stream, "theirs": digest, "ours": own.digest, "at": self._now, "fetching": True}
                    self._db.upsert(self._conn, DisagreementRow, [note])
                    self._conn.execute(delete(StreamRow).where(col(StreamRow.stream) == stream))
                    found.append((stream, str(own.log)))
        return found


def disagreements(conn: Connection) -> tuple[Disagreement, ...]:
    """What differs from the server now, by stream."""
    rows = conn.execute(select(table_of(DisagreementRow)).order_by(col(DisagreementRow.stream)))
    return tuple(Disagreement(row.stream, row.fetching, row.at) for row in rows)
