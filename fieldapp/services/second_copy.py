"""What the second copy of unsent work has and the database has not, for whoever only looks."""

from __future__ import annotations

from fieldapp.store.home import Home, Identity
from fieldapp.store.journal import Journal
from fieldapp.store.queries.reader import Reader


def only_in_journal(home: Home, identity: Identity, reader: Reader) -> int:
    """How many own entries the journal has and the database has not: somebody has put an older database into its place. The next
    program that writes takes them in (`DeviceReplica.start`).

    Raises:
        Problem: `journal-failed`, and those of Reader.
    """
    listed = {entry.id for entry in Journal(home.journal_file).read().entries if entry.envelope.author == identity.person}
    if not listed:
        return 0
    return len(listed - {row[0] for row in reader.rows("SELECT entry_id FROM own_entries")})
