"""What is not settled about what this device holds: what it doubts to have lost, and where it and the server differ."""

from __future__ import annotations

import msgspec

from fieldapp.store.queries.reader import Reader


class ScopeTrouble(msgspec.Struct, frozen=True):
    """doubted: streams that were said to have left, too many at once; the server is asked again. differing: streams that fold to
    something else here than on the server though they were read again."""

    doubted: int = 0
    differing: tuple[str, ...] = ()


def scope_trouble(reader: Reader) -> ScopeTrouble:
    """As it is now. A database that an older version has left knows of none."""
    query = "SELECT count(*) AS n FROM sqlite_master WHERE name IN ('doubts', 'disagreements')"
    if reader.rows(query)[0]["n"] < 2:
        return ScopeTrouble()
    doubted = int(reader.rows("SELECT count(*) AS n FROM doubts")[0]["n"])
    rows = reader.rows("SELECT stream FROM disagreements WHERE NOT fetching ORDER BY stream")
    return ScopeTrouble(doubted, tuple(row["stream"] for row in rows))


def doubted_words(count: int) -> str:
    """What a person is told about it, for commands."""
    return (
        f"The server says that {count} jobs, customers and assets are no longer yours. That is much at once: it is asked again in "
        "a minute before anything leaves this device."
    )
