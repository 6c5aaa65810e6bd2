"""What of this device's work is where: only here, at the server, settled, or waiting for a person's decision."""

from __future__ import annotations

import msgspec

from fieldapp.store.queries.reader import Reader


class RefusedEntry(msgspec.Struct, frozen=True):
    """Own work that does not stand and waits for a person: it was not taken, or is in conflict, held or put aside."""

    id: str
    reason: str
    stream: str
    type: str
    outcome: str = ""


class Outbox(msgspec.Struct, frozen=True):
    """Entries by lane, files that are only here (with their bytes), and the verdict. `sending` is counted by a running loop."""

    unsent: int
    received: int
    settled: int
    refused: tuple[RefusedEntry, ...]
    files_waiting: int
    file_bytes: int
    sending: int = 0
    last_contact: int | None = None

    @property
    def safe_to_leave(self) -> bool:
        """Nothing that was recorded here is only here."""
        return not (self.unsent or self.sending or self.files_waiting)


class BackedUp(msgspec.Struct, frozen=True):
    """How many of the entries recorded on this device (`of`) a verified backup of the server holds, as far as it was heard here."""

    entries: int
    of: int


_BACKED_UP = """
SELECT count(DISTINCT o.entry_id) AS n,
    count(DISTINCT CASE WHEN o.lane <> 'unsent' AND o.seq <= e.safe_seq THEN o.entry_id END) AS safe
FROM own_entries o JOIN epochs e ON e.epoch = o.epoch
"""
_REFUSED = """
SELECT o.entry_id, o.reason, o.outcome, e.stream, e.type FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE (o.lane = 'refused' AND o.outcome = '') OR (
    o.outcome IN ('conflict', 'held', 'quarantined')
    AND NOT (o.reason LIKE 'dismissed by %' OR o.reason LIKE 'not taken by %' OR o.reason LIKE 'merged by %')
) ORDER BY o.saved_at, o.seq
"""


def outbox(reader: Reader) -> Outbox:
    """The lanes as they are now."""
    with reader.snapshot():
        lanes = {row["lane"]: row["n"] for row in reader.rows("SELECT lane, count(*) AS n FROM own_entries GROUP BY lane")}
        refused = tuple(
            RefusedEntry(row["entry_id"], row["reason"], row["stream"], row["type"], row["outcome"])
            for row in reader.rows(_REFUSED)
        )
        files = reader.rows("SELECT count(*) AS n, coalesce(sum(size), 0) AS size FROM files WHERE state = 'here'")[0]
        contact = setting(reader, "last_contact")
    return Outbox(
        lanes.get("unsent", 0), lanes.get("received", 0), lanes.get("settled", 0), refused, files["n"], files["size"],
        last_contact=int(contact) if contact and contact.lstrip("-").isdigit() else None,
    )  # fmt: skip


def backed_up(reader: Reader) -> BackedUp:
    """How far the server's verified backup goes for own entries: what lies beyond it is kept on this device.

    What is to be sent once more (the server was restored, or another one answers) counts as not backed up, whatever was said of it
    before.
    """
    row = reader.rows(_BACKED_UP)[0]
    return BackedUp(row["safe"], row["n"])


def setting(reader: Reader, name: str) -> str | None:
    """A small fact about this database (`skew`, `last_contact`, `incarnation`)."""
    row = reader.row("SELECT value FROM settings WHERE name = ?", (name,))
    return None if row is None else str(row["value"])
