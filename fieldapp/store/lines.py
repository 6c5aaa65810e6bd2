"""Lines of writing: the epochs of a device, one open for each log, and the positions of its own entries in them.

A position (epoch, seq, chain hash) is never used for two entries. When the server's view of an epoch differs from ours, a new epoch
is opened that names its parent, and what no receipt covers is chained again there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlmodel import col

from fieldapp.domain.entry import Entry, chain_hash, read_entry
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks, marks, plain
from fieldapp.store.home import Identity
from fieldapp.store.journal import JournalLine, journal_line
from fieldapp.store.rows import Head, Run
from fieldapp.store.tables import EpochRow, OwnEntryRow, table_of

_OPEN_EPOCH = (
    "SELECT e.epoch, e.head_seq, e.head_hash, o.saved_at FROM epochs e "
    "LEFT JOIN own_entries o ON o.epoch = e.epoch AND o.seq = e.head_seq WHERE e.log = ? AND NOT e.closed"
)
"""Text, as are the others on the way of one recorded step: building a statement costs more than running it."""
_HEAD_AT = "UPDATE epochs SET head_seq = ?, head_hash = ? WHERE epoch = ?"
_RECEIPT = (
    "UPDATE own_entries SET lane = CASE WHEN outcome <> '' THEN 'settled' WHEN reason <> '' THEN 'refused' ELSE 'received' END, "
    "received_at = ? "
    "WHERE epoch = ? AND seq > ? AND seq <= ? AND lane = 'unsent'"
)
"""An unsent entry has a reason and no outcome where it was being handed over as quarantine (`hand_over`)."""
_HANDED_OVER = (
    "SELECT DISTINCT stream FROM own_entries WHERE epoch = ? AND seq > ? AND seq <= ? AND lane = 'refused' AND received_at = ?"
)
_ACKED = "UPDATE epochs SET acked_seq = ?, safe_seq = ? WHERE epoch = ?"
_EARLIER_SAFE = "UPDATE epochs SET safe_seq = acked_seq WHERE log = ? AND closed AND safe_seq < acked_seq"
"""The backup that holds some of an epoch was made after everything received in those before it."""
_ALL_RECEIVED = (
    "SELECT o.epoch, o.seq, e.raw, e.body, coalesce(o.received_at, o.saved_at) AS at FROM own_entries o "
    "JOIN entries e ON e.id = o.entry_id WHERE o.lane <> 'unsent' ORDER BY at, o.saved_at, o.epoch, o.seq"
)
_ENTRIES = "SELECT o.epoch, o.seq, e.raw, e.body, o.saved_at FROM own_entries o JOIN entries e ON e.id = o.entry_id"
_OLDEST_UNSENT = (
    "SELECT e.epoch, (SELECT o.saved_at FROM own_entries o WHERE o.epoch = e.epoch AND o.seq > e.acked_seq AND o.lane = 'unsent' "
    "ORDER BY o.seq LIMIT 1) FROM epochs e WHERE NOT e.closed"
)

_RECEIVED = func.coalesce(col(OwnEntryRow.received_at), col(OwnEntryRow.saved_at))
"""When an own entry was received; what came before one that was handed over as quarantine has no such time of its own."""
Placed = tuple[str, int, Entry]
"""An own entry with its place: epoch and seq."""

_HEADS = (
    "SELECT e.epoch, e.acked_seq, CASE e.acked_seq WHEN 0 THEN '' ELSE coalesce(o.hash, '?') END, e.safe_seq FROM epochs e "
    "LEFT JOIN own_entries o ON o.epoch = e.epoch AND o.seq = e.acked_seq WHERE NOT e.closed "
    "OR e.epoch IN (SELECT epoch FROM own_entries WHERE lane = 'received') ORDER BY e.log, e.epoch"
)
"""Open epochs, and closed ones of which something was received whose outcome was not read yet: no cursor vouches for that."""


class Lines:
    """Positions of own entries. All work happens in the caller's transaction."""

    def __init__(self, db: Database, identity: Identity, ids: Callable[[], str], remember: Callable[[Identity], None]) -> None:
        self._db, self.identity, self._ids, self._remember = db, identity, ids, remember

    def become(self, identity: Identity) -> None:
        """The same device and person, in another role or branch."""
        self._remember(identity)  # first: where the disk does not take it, it is told once more
        self.identity = identity

    def take(self, conn: Connection, entries: Sequence[Entry], now: int) -> list[bytes]:
        """Give entries of one log the next positions of its open epoch. Returns their journal lines."""
        log = entries[0].envelope.log
        found = plain(conn).execute(_OPEN_EPOCH, (log,)).fetchone()
        if found is None:
            self.open(conn, log)
            found = plain(conn).execute(_OPEN_EPOCH, (log,)).fetchone()
        epoch, seq, chain, last = found
        if last is None:
            (last,) = plain(conn).execute("SELECT max(saved_at) FROM own_entries").fetchone()
        now = max(now, last or 0)  # never earlier than the one before, though the clock may have been set back
        rows, lines = [], []
        for entry in entries:
            seq += 1
            chain = chain_hash(chain, seq, entry.hash)
            rows.append(_own_row(epoch, seq, chain, entry, now))
            lines.append(journal_line(epoch, seq, entry))
        self._db.insert(conn, OwnEntryRow, rows)
        plain(conn).execute(_HEAD_AT, (seq, chain, epoch))
        return lines

    def open(self, conn: Connection, log: str) -> str:
        """Open a new epoch for a log; the present one is closed, and its entries without a receipt are chained anew."""
        execute = plain(conn).execute
        old = execute("SELECT epoch, acked_seq FROM epochs WHERE log = ? AND NOT closed", (log,)).fetchone()
        name = self._ids()
        of_log = self._epochs_in_order(conn, log)
        unsent = f"epoch IN ({marks(of_log)}) AND lane = 'unsent'"
        moving = self._entries(conn, f"o.{unsent}", of_log)
        moving.sort(key=lambda row: (of_log.index(row[0]), row[1]))
        execute("UPDATE epochs SET closed = 1 WHERE log = ?", (log,))
        decided = self._decided_unsent(conn, of_log)
        for ids in chunks(entry.id for _, _, entry, _ in moving):
            execute(f"DELETE FROM own_entries WHERE {unsent} AND entry_id IN ({marks(ids)})", (*of_log, *ids))
        parent, parent_seq = old or ("", 0)
        row = {
            "epoch": name, "log": log, "parent": parent, "parent_seq": parent_seq, "head_seq": 0, "head_hash": "", "acked_seq": 0,
            "safe_seq": 0, "closed": False,
        }  # fmt: skip
        self._db.insert(conn, EpochRow, [row])
        self._chain_again(conn, name, [(entry, saved_at) for _, _, entry, saved_at in moving])
        for entry, outcome, reason in decided:
            known = (outcome, reason, name, entry)
            execute("UPDATE own_entries SET outcome = ?, reason = ? WHERE epoch = ? AND entry_id = ?", known)
        self.become(msgspec.structs.replace(self.identity, epochs={**self.identity.epochs, log: name}))
        return name

    def doubt(self, conn: Connection, log: str) -> None:
        """Receipts of the open epoch of a log are not believed any more, where no outcome has come since; nor are those for bytes
        that were handed over, which no cursor vouches for."""
        plain(conn).execute(
            "UPDATE own_entries SET lane = 'unsent', reason = '' WHERE lane IN ('received', 'refused') AND outcome = '' "
            "AND epoch IN (SELECT epoch FROM epochs WHERE log = ? AND NOT closed)",
            (log,),
        )

    def seal(self) -> None:
        """Nothing is written after this."""
        self.become(msgspec.structs.replace(self.identity, sealed=True))

    def _epochs_in_order(self, conn: Connection, log: str) -> list[str]:
        """Epochs of a log, each after the one it followed."""
        query = "SELECT parent, epoch FROM epochs WHERE log = ? ORDER BY epoch"
        followers: dict[str, list[str]] = {}
        names = set()
        for parent, epoch in plain(conn).execute(query, (log,)):
            followers.setdefault(parent, []).append(epoch)
            names.add(epoch)
        ordered: list[str] = []
        for parent in ["", *sorted(set(followers) - names - {""})]:  # a restored database may have lost a parent
            line = list(followers.get(parent, ()))
            while line:
                ordered.append(line.pop(0))
                line += followers.get(ordered[-1], ())
        return ordered

    def _decided_unsent(self, conn: Connection, epochs: Sequence[str]) -> list[tuple[str, str, str]]:
        """(entry, outcome, reason) of what is unsent by this device's account, but was decided on already: a copy of it (a cloned
        disk, an answer that was lost) has reached the server. The outcome has been read and does not come a second time."""
        query = "SELECT entry_id, outcome, reason FROM own_entries WHERE lane = 'unsent' AND outcome <> '' "
        return plain(conn).execute(query + f"AND epoch IN ({marks(epochs)})", epochs).fetchall()

    def _chain_again(self, conn: Connection, epoch: str, entries: Sequence[tuple[Entry, int]]) -> None:
        seq, chain, rows = 0, "", []
        for entry, saved_at in entries:
            seq += 1
            chain = chain_hash(chain, seq, entry.hash)
            rows.append(_own_row(epoch, seq, chain, entry, saved_at))
        if rows:
            self._db.insert(conn, OwnEntryRow, rows)
            plain(conn).execute(_HEAD_AT, (seq, chain, epoch))

    def is_from_another_time(self, conn: Connection, lines: Sequence[JournalLine]) -> bool:
        """True where the database is older than what lies beside it: it was restored, or is new."""
        known: dict[str, tuple[str, int]] = {
            log: (epoch, seq) for log, epoch, seq in plain(conn).execute("SELECT log, epoch, head_seq FROM epochs WHERE NOT closed")
        }
        if any(log in known and known[log][0] != epoch for log, epoch in self.identity.epochs.items()):
            return True
        heads = {epoch: seq for epoch, seq in known.values()}
        return any(line.seq > heads.get(line.epoch, line.seq) for line in lines)

    def adopt(self, conn: Connection, entries: Sequence[Entry], now: int) -> None:
        """Take entries that only the journal held, and go on in new epochs: the old positions may be known to the server."""
        by_log: dict[str, list[Entry]] = {log: [] for log in self.identity.epochs}
        for entry in entries:
            by_log.setdefault(entry.envelope.log, []).append(entry)
        for log, found in by_log.items():
            self.open(conn, log)
            if found:
                self.take(conn, found, now)

    # --- On the way to the server -----------------------------------------------------------------------------------------------

    def outgoing(self, conn: Connection, limit: int, size: int, *, checked: bool = True) -> Run | None:
        """
        Args:
            checked: hold the entries against the chain that was written with them.

        Raises:
            Problem: `bad-entry`, of one whose envelope a bad disk has spoiled.
        """
        name = self._oldest_unsent(conn)
        if name is None:
            return None
        (acked,) = plain(conn).execute("SELECT acked_seq FROM epochs WHERE epoch = ?", (name,)).fetchone()
        run = self._run(conn, name, acked, limit, size)
        if checked and not self.fits(conn, run):
            raise Problem("bad-entry", "An entry that is to be sent is not what was recorded: the disk may be failing.")
        return run

    def fits(self, conn: Connection, run: Run) -> bool:
        """Whether the entries of a run are what the chain says: one flipped bit could make it the work of another job."""
        chain, seq = run.prev_hash, run.from_seq - 1
        for entry in run.entries:
            seq += 1
            chain = chain_hash(chain, seq, entry.hash)
        return chain == self._hash_at(conn, run.epoch, seq)

    def following(self, conn: Connection, run: Run, limit: int, size: int) -> Run | None:
        """What `outgoing` will give once this run is received; None where that is nothing, or of another epoch."""
        found = plain(conn).execute(_OLDEST_UNSENT).fetchall()
        last = run.from_seq + len(run.entries) - 1
        next_ = (
            plain(conn).execute("SELECT saved_at FROM own_entries WHERE epoch = ? AND seq = ?", (run.epoch, last + 1)).fetchone()
        )
        open_ = {epoch: saved_at for epoch, saved_at in found if saved_at is not None}
        if next_ is None or run.epoch not in open_:
            return None
        if any((saved_at, epoch) < (next_[0], run.epoch) for epoch, saved_at in open_.items() if epoch != run.epoch):
            return None
        return self._run(conn, run.epoch, last, limit, size)

    def check_unsent(self, conn: Connection) -> None:
        """Hold what is to be sent against what it names: a flipped bit in one of these words and it would never be offered.

        Raises:
            Problem: `database-damaged`.
        """
        query = (
            "SELECT 1 FROM own_entries o LEFT JOIN entries e ON e.id = o.entry_id LEFT JOIN epochs p ON p.epoch = o.epoch "
            "WHERE o.lane = 'unsent' AND (e.id IS NULL OR p.epoch IS NULL) LIMIT 1"
        )
        if plain(conn).execute(query).fetchone():
            raise _torn_apart()

    def _run(self, conn: Connection, name: str, after: int, limit: int, size: int) -> Run:
        query = "SELECT log, parent, parent_seq FROM epochs WHERE epoch = ?"
        log, parent, parent_seq = plain(conn).execute(query, (name,)).fetchone()
        rows = self._entries(conn, "o.epoch = ? AND o.seq > ?", (name, after), limit=limit + 50)
        if not rows:
            raise _torn_apart()
        first = rows[0][1]
        chosen: list[Entry] = []
        total = 0
        for group in _groups(rows, cut_off=len(rows) == limit + 50):
            amount = sum(entry.size for _, _, entry, _ in group)
            if chosen and (len(chosen) + len(group) > limit or total + amount > size):
                break
            chosen += [entry for _, _, entry, _ in group]
            total += amount
        before = (parent, parent_seq) if parent else None
        return Run(name, log, first, self._hash_at(conn, name, first - 1), tuple(chosen), before)

    def _oldest_unsent(self, conn: Connection) -> str | None:
        """The open epoch whose first unsent entry is the oldest. Looks at one entry of each, however full the outbox is."""
        found = plain(conn).execute(_OLDEST_UNSENT).fetchall()
        return min(((saved_at, epoch) for epoch, saved_at in found if saved_at is not None), default=(0, None))[1]

    def acknowledge(self, conn: Connection, head: Head, time: int) -> tuple[list[Placed], list[str]]:
        """Take a receipt. Returns what left the outbox by it, and the streams of what of that lies in the server's quarantine."""
        query = "SELECT log, acked_seq, safe_seq, closed FROM epochs WHERE epoch = ?"
        found = plain(conn).execute(query, (head.epoch,)).fetchone()
        if found is None or head.seq < found[1] or (found[3] and head.seq > found[1]):
            return [], []  # also where a copy of this device went on with a line that was closed here
        log, acked, safe, closed = found
        if self._hash_at(conn, head.epoch, head.seq) != head.hash:
            raise Problem(
                "receipt-foreign",
                "The server acknowledged something that this device did not write.",
                "Nothing is marked as sent; it will be offered again.",
            )
        mine = "o.epoch = ? AND o.seq > ? AND o.seq <= ? AND o.lane = 'unsent'"
        leaving = self._entries(conn, mine, (head.epoch, acked, head.seq))
        plain(conn).execute(_RECEIPT, (time, head.epoch, acked, head.seq))
        refused = plain(conn).execute(_HANDED_OVER, (head.epoch, acked, head.seq, time)).fetchall() if leaving else []
        plain(conn).execute(_ACKED, (head.seq, max(safe, head.safe_seq), head.epoch))
        if head.safe_seq and not closed:
            plain(conn).execute(_EARLIER_SAFE, (log,))
        return [(name, seq, entry) for name, seq, entry, _ in leaving], [stream for (stream,) in refused]

    def rewind(self, conn: Connection, head: Head) -> bool:
        epoch = conn.execute(select(table_of(EpochRow)).where(col(EpochRow.epoch) == head.epoch)).first()
        if epoch is None or (head.seq and self._hash_at(conn, head.epoch, head.seq) != head.hash):
            return False
        kept = conn.execute(
            select(func.count()).where(col(OwnEntryRow.epoch) == head.epoch, col(OwnEntryRow.seq) > head.seq)
        ).scalar_one()
        if not epoch.closed and kept != epoch.head_seq - head.seq:  # of a closed one, what was unsent has moved on
            return False
        conn.execute(
            update(OwnEntryRow)
            .where(col(OwnEntryRow.epoch) == head.epoch, col(OwnEntryRow.seq) > head.seq)  # what was refused is forgotten as well
            .values(lane="unsent")  # its outcome stays, as the row that brought it: a restored server may decide the same again
        )
        undecided = (col(OwnEntryRow.epoch) == head.epoch, col(OwnEntryRow.seq) > head.seq, col(OwnEntryRow.outcome) == "")
        conn.execute(update(OwnEntryRow).where(*undecided).values(reason=""))
        conn.execute(update(EpochRow).where(col(EpochRow.epoch) == head.epoch).values(acked_seq=head.seq))
        if epoch.closed:
            self.open(conn, epoch.log)  # nothing is sent in a closed line
        return True

    def hand_over(self, conn: Connection, epoch: str, seq: int, reason: str) -> None:
        """Note why an unsent entry is about to be handed over as quarantine."""
        query = "UPDATE own_entries SET reason = ? WHERE epoch = ? AND seq = ? AND lane = 'unsent' AND outcome = ''"
        plain(conn).execute(query, (reason or "it could not be sent", epoch, seq))

    def refuse(self, conn: Connection, epoch: str, seq: int, reason: str, time: int) -> tuple[str | None, list[Placed]]:
        """Mark what was handed over as quarantine: the server has had it since `time`. Returns its stream, and what left the outbox
        by it. What has an outcome already, of an earlier line of writing, waits for nobody."""
        leaving = self._entries(conn, "o.epoch = ? AND o.seq <= ? AND o.lane = 'unsent'", (epoch, seq))
        at = (col(OwnEntryRow.epoch) == epoch, col(OwnEntryRow.seq) == seq)
        stream = conn.execute(select(col(OwnEntryRow.stream)).where(*at)).scalar()
        before = (col(OwnEntryRow.epoch) == epoch, col(OwnEntryRow.seq) < seq, col(OwnEntryRow.lane) == "unsent")
        decided, open_ = col(OwnEntryRow.outcome) != "", col(OwnEntryRow.outcome) == ""
        conn.execute(update(OwnEntryRow).where(*before, open_).values(lane="received"))  # the server took those first
        conn.execute(update(OwnEntryRow).where(*at, open_).values(lane="refused", reason=reason, received_at=time))
        conn.execute(update(OwnEntryRow).where(*before, decided).values(lane="settled"))
        conn.execute(update(OwnEntryRow).where(*at, decided).values(lane="settled"))
        conn.execute(update(EpochRow).where(col(EpochRow.epoch) == epoch, col(EpochRow.acked_seq) < seq).values(acked_seq=seq))
        return stream, [(name, place, entry) for name, place, entry, _ in leaving]

    def log_of(self, conn: Connection, epoch: str) -> str | None:
        return conn.execute(select(col(EpochRow.log)).where(col(EpochRow.epoch) == epoch)).scalar()

    def entry_at(self, conn: Connection, epoch: str, seq: int) -> tuple[Entry, str, str] | None:
        rows = self._entries(conn, "o.epoch = ? AND o.seq = ?", (epoch, seq))
        if not rows:
            return None
        return rows[0][2], self._hash_at(conn, epoch, seq - 1), self._hash_at(conn, epoch, seq)

    def heads(self, conn: Connection) -> tuple[Head, ...]:
        return tuple(Head(*row) for row in plain(conn).execute(_HEADS))

    def unsent(self, conn: Connection) -> Iterator[Placed]:
        for epoch, seq, entry, _ in self._entries(conn, "o.lane = 'unsent'"):
            yield epoch, seq, entry

    def received(self, conn: Connection) -> Iterator[tuple[str, int, Entry, int]]:
        """What the server has and this device has to keep: (epoch, seq, entry, when it was received)."""
        rows = plain(conn).execute(_ALL_RECEIVED).fetchall()
        for epoch, seq, raw, body, at in rows:
            yield epoch, seq, read_entry(raw, body, trusted=True), at

    def is_received(self, conn: Connection, entry: str) -> bool:
        """Whether the server has this own entry, as far as this database knows."""
        query = "SELECT 1 FROM own_entries WHERE entry_id = ? AND lane <> 'unsent' LIMIT 1"
        return plain(conn).execute(query, (entry,)).fetchone() is not None

    def oldest_not_safe(self, conn: Connection) -> int | None:
        """When the first of those was received that no backup of the server is known to hold."""
        query = select(func.min(_RECEIVED)).join(EpochRow, col(EpochRow.epoch) == col(OwnEntryRow.epoch))
        return conn.execute(query.where(col(OwnEntryRow.lane) != "unsent", col(OwnEntryRow.seq) > col(EpochRow.safe_seq))).scalar()

    def not_safe(self, conn: Connection, entries: Sequence[str], before: int) -> set[str]:
        """Those of the own entries that no backup of the server holds yet, as far as this device has heard, or that were received
        at `before` (ms UTC) or later. What this database does not know at all is among them."""
        wanted = set(entries)
        for ids in chunks(sorted(wanted)):
            query = (
                select(col(OwnEntryRow.entry_id))
                .join(EpochRow, col(EpochRow.epoch) == col(OwnEntryRow.epoch))
                .where(
                    col(OwnEntryRow.entry_id).in_(ids), col(OwnEntryRow.lane) != "unsent",
                    col(OwnEntryRow.seq) <= col(EpochRow.safe_seq), before > _RECEIVED,
                )
            )  # fmt: skip
            wanted.difference_update(conn.execute(query).scalars())
        return wanted

    def has_unsent(self, conn: Connection) -> bool:
        return bool(plain(conn).execute("SELECT EXISTS (SELECT 1 FROM own_entries WHERE lane = 'unsent')").fetchone()[0])

    def _hash_at(self, conn: Connection, epoch: str, seq: int) -> str:
        if seq == 0:
            return ""
        found = plain(conn).execute("SELECT hash FROM own_entries WHERE epoch = ? AND seq = ?", (epoch, seq)).fetchone()
        return str(found[0]) if found and found[0] else "?"

    def _entries(
        self, conn: Connection, where: str, values: Sequence[object] = (), *, limit: int = -1
    ) -> list[tuple[str, int, Entry, int]]:
        """(epoch, seq, entry, saved_at) in the order they were written; never by time: a clock may be set back."""
        query = f"{_ENTRIES} WHERE {where} ORDER BY o.epoch, o.seq LIMIT ?"
        return [
            (epoch, seq, read_entry(raw, body, trusted=True), saved_at)
            for epoch, seq, raw, body, saved_at in plain(conn).execute(query, (*values, limit)).fetchall()
        ]


def _own_row(epoch: str, seq: int, chain: str, entry: Entry, saved_at: int) -> dict[str, Any]:
    return {
        "epoch": epoch, "seq": seq, "entry_id": entry.id, "stream": entry.envelope.stream,
        "also": " ".join(entry.envelope.also), "hash": chain, "lane": "unsent",
        "outcome": "", "reason": "", "saved_at": saved_at, "received_at": None,
    }  # fmt: skip


def _torn_apart() -> Problem:
    return Problem(
        "database-damaged",
        "The database names unsent work that is not in it.",
        "Unsent work is also kept in the journal folder. Run `fieldapp doctor --repair`.",
    )


def _groups(rows: Sequence[tuple[str, int, Entry, int]], *, cut_off: bool) -> Iterator[list[tuple[str, int, Entry, int]]]:
    """Entries by group. cut_off: more follow, so that the last group may not be whole. Otherwise a part is all there is of it, as
    after a power cut in the middle of the journal's lines: the server says what becomes of that."""
    group: list[tuple[str, int, Entry, int]] = []
    for row in rows:
        if group and group[-1][2].envelope.group != row[2].envelope.group:
            yield group
            group = []
        group.append(row)
    if group and (not cut_off or group[-1][2].envelope.n == group[-1][2].envelope.of - 1):
        yield group
