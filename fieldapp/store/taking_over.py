"""Own entries that another home of the same person recorded: which of them can be taken into this one's outbox."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from fieldapp.domain.entry import Entry
from fieldapp.store.database import chunks
from fieldapp.store.exported import whole_groups
from fieldapp.store.tables import EntryRow


class TakenOver(msgspec.Struct, frozen=True):
    """What became of entries from outside. taken: how many are new here; known: were here already; refused: (entry, why);
    lacking: (hash, name) of files that the new ones name and that are not here."""

    taken: int
    known: int
    refused: tuple[tuple[str, str], ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()


def sort_out(conn: Connection, entries: Sequence[Entry], person: str) -> tuple[list[Entry], int, list[tuple[str, str]]]:
    """(new entries of this person in their order, how many are known, those that cannot be taken with the reason)."""
    listed = {(entry.id, entry.hash): entry for entry in entries}
    known: dict[str, str] = {}
    for ids in chunks(sorted({entry.id for entry in entries})):
        query = select(col(EntryRow.id), col(EntryRow.hash)).where(col(EntryRow.id).in_(ids))
        known |= {row.id: row.hash for row in conn.execute(query)}
    fresh: list[Entry] = []
    refused: list[tuple[str, str]] = []
    for entry in listed.values():
        first = known.get(entry.id)
        if first == entry.hash:
            continue
        if first is not None:
            refused.append((entry.id, "another entry of the same name is here already"))
        elif entry.envelope.author != person:
            refused.append((entry.id, f"{entry.envelope.author} recorded it: take it to a device of theirs, or to the server"))
        else:
            known[entry.id] = ""  # of two that share a name, the first one counts
            fresh.append(entry)
    whole, parts = whole_groups(fresh)
    refused += [(entry.id, "what was recorded together with it is damaged: take the file to the server") for entry in parts]
    return whole, len(listed) - len(fresh) - len(refused) + len(parts), refused
