"""From receipt to backup: how own entries leave the journal, and when what is kept of them may go.

The journal lets go of nothing before it lies in a kept segment; a segment goes when every entry in it is in a backup of the server
(`safe_seq`) and was received 90 days ago. Two clocks have to say so, the server's when it was last heard of and the device's: one
alone may be a year ahead.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from fieldapp.domain.entry import Entry
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks, marks
from fieldapp.store.entries import spoiled
from fieldapp.store.journal import Journal, JournalContent, journal_line
from fieldapp.store.kept import KEPT_MS, Kept
from fieldapp.store.letting_go import files_to_go, let_files_go
from fieldapp.store.lines import Lines, Placed


class Keeping:
    """What is kept of own entries beside the database of one home.

    Args:
        both: the lock that is held while database and journal change together.
    """

    def __init__(self, db: Database, journal: Journal, lines: Lines, both: threading.RLock) -> None:
        self._db, self._journal, self._lines, self._both = db, journal, lines, both
        self._kept = Kept(journal.path.parent)

    def keep(self, left: Sequence[Placed], at: int) -> None:
        """What left the outbox stays beside the database; only then the journal lets go of it. Recording never waits for this.

        While anything is unsent the journal holds all of it anyway, so it is written once, when the outbox is empty.
        """
        if not left:
            return
        self._kept.owe([journal_line(*placed) for placed in self._sound(left)], at)
        with suppress(Problem):  # a journal that is too long does no harm: what it holds is known, and moved at the next start
            if self._has_unsent():
                return
            self._kept.append((), at)
            with self._both:
                if not self._has_unsent():
                    self._journal.replace(())

    def _sound(self, left: Sequence[Placed]) -> Sequence[Placed]:
        """The same entries; of one that a bad disk spoiled in the database, the journal's copy, while the journal still has it."""
        if not any(spoiled(entry) for _, _, entry in left):
            return left
        good = {entry.id: entry for entry in self._journal.read().entries}
        return [(epoch, seq, good.get(entry.id, entry) if spoiled(entry) else entry) for epoch, seq, entry in left]

    def write(self) -> None:
        """Write what left the outbox and is only in the journal so far: to be called before the journal is written anew.

        Raises:
            Problem: `journal-failed`.
        """
        self._kept.append((), 0)

    def _has_unsent(self) -> bool:
        with self._db.read() as conn:
            return self._lines.has_unsent(conn)

    def entries_for(self, conn: Connection, restored: bool) -> tuple[Entry, ...]:
        """What is kept of the entries that the server had received, where this database may not know all of them.

        Raises:
            Problem: `journal-failed`.
        """
        ends = self._kept.ends()
        if not restored and all(end is not None and self._lines.is_received(conn, end.id) for end in ends):
            return ()
        return self._kept.read().entries

    def keep_received(self, content: JournalContent, now: int) -> None:
        """Move what was received from the journal to what is kept (the power went between the two), and write the segments anew
        where they were lost.

        Raises:
            Problem: `journal-failed`.
        """
        contact = self._contact()
        with self._db.read() as conn:
            unsent = {entry.id for _, _, entry in self._lines.unsent(conn)}
            received = [] if self._kept.segments() else list(self._lines.received(conn))
            wanted = self._lines.not_safe(conn, [entry.id for _, _, entry, _ in received], contact - KEPT_MS)
            emptied: set[str] = set()
            for ids in chunks(sorted({entry.id for entry in content.entries})):
                rows = self._db.rows(conn, f"SELECT id FROM entries WHERE body IS NULL AND id IN ({marks(ids)})", ids)
                emptied.update(name for (name,) in rows)
        for epoch, seq, entry, at in received:
            if entry.id in wanted:
                self._kept.owe([journal_line(epoch, seq, entry)], at)
        lines = [
            journal_line(line.epoch, line.seq, Entry(entry.envelope, entry.raw, None) if entry.id in emptied else entry)
            for line, entry in zip(content.lines, content.entries, strict=True)
            if entry.id not in unsent and entry.id not in wanted and entry.envelope.author == self._lines.identity.person
        ]
        self._kept.append(lines, contact or now)

    def forget_bodies(self, ids: Collection[str]) -> None:
        """Take the content of erased entries from what is kept.

        Raises:
            Problem: `journal-failed`.
        """
        self._kept.forget_bodies(ids)

    def let_go(self, wall: int) -> None:
        """Remove the segments that nobody needs any more, and then the files of which the same is true.

        Args:
            wall: the device's own clock, as it is (ms UTC).

        Raises:
            Problem: `journal-failed`.
        """
        contact = min(self._contact(), wall)
        if contact <= 0:
            return
        self._let_segments_go(contact)
        with self._db.read() as conn:
            names = files_to_go(self._db, conn, contact - KEPT_MS, partial(self._lines.not_safe, conn), self._named_files)
        let_files_go(self._db, self._kept.folder.parent / "files", names)

    def _named_files(self) -> set[str]:
        """Files that entries of the journal and of what is kept name."""
        entries = (*self._journal.read().entries, *self._kept.read().entries)
        return {file.sha256 for entry in entries for file in entry.envelope.files}

    def _let_segments_go(self, contact: int) -> None:
        ended = self._kept.ended_before(contact - KEPT_MS)
        if not ended:
            return
        with self._db.read() as conn:
            oldest = self._lines.oldest_not_safe(conn)
            for path in ended:
                if oldest is not None and path not in self._kept.ended_before(oldest):
                    break  # without reading it: most of the time nothing may go
                ids = [entry.id for entry in self._kept.read_segment(path).entries]
                if not self._lines.not_safe(conn, ids, contact - KEPT_MS):
                    self._kept.remove([path])

    def _contact(self) -> int:
        """The server's time when it was last heard of; 0 before."""
        with self._db.read() as conn:
            found = self._db.rows(conn, "SELECT value FROM settings WHERE name = 'last_contact'")
        return int(found[0][0] or 0) if found else 0
