"""What is known here of another person's device: when it was last heard from. What it has not sent, nobody else can know."""

from __future__ import annotations

from fieldapp.store.queries.reader import Reader

_BACK = 20_000
"""Positions of the log looked back through: who is silent for longer counts as never heard from, and the answer stays instant."""


def last_heard(reader: Reader, log: str, person: str) -> int | None:
    """When the server received the latest entry that this person recorded, in milliseconds UTC."""
    row = reader.row(
        """
        SELECT l.received_at AS at FROM log_rows l JOIN entries e ON e.id = l.entry_id
        WHERE l.log = ? AND l.pos > (SELECT coalesce(max(pos), 0) FROM log_rows WHERE log = ?) - ? AND e.author = ?
        ORDER BY l.pos DESC LIMIT 1
        """,
        (log, log, _BACK, person),
    )
    return int(row["at"]) if row else None


def unsent_about(reader: Reader, stream: str) -> int:
    """How many entries about this stream are only on this device."""
    row = reader.row("SELECT count(*) AS n FROM own_entries WHERE stream = ? AND lane = 'unsent'", (stream,))
    return int(row["n"]) if row else 0
