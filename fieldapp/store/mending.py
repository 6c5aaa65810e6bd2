"""A database that cannot be read is put aside and deleted by nobody but an erasure; what only it had is saved from it as far as it
can be read.

A new one is made from the journal, from what is kept of received entries, and by the next exchange from the server.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.problem import Problem
from fieldapp.store.home import Home, Identity
from fieldapp.store.journal import Journal, journal_line, sync_folder
from fieldapp.store.queries.reader import Reader

_NAME = re.compile(rb'"id\\":\\"([0-9a-f-]{36})')
"""An entry's id, as it stands in a line of the journal."""
PUT_ASIDE = "damaged-*.db"
"""How databases that were put aside are called, beside the new one."""


class Draft(msgspec.Struct, frozen=True):
    """Text that was typed and not recorded yet."""

    job: str
    step: str
    version: int
    text: str
    at: int


class Mended(msgspec.Struct, frozen=True):
    """What became of a home whose database was lost or damaged. `aside`: where the damaged one lies now; None: it was missing."""

    aside: Path | None
    drafts: tuple[Draft, ...] = ()

    def told(self, entries: int) -> Problem:
        """What happened, what is safe, what to do. `entries`: how many were taken into the new one."""
        count = "1 entry was" if entries == 1 else f"{entries} entries were"
        saved = f"{count} taken from the second copy" if entries else "nothing unsent was in it"
        what = "was missing" if self.aside is None else f"could not be read and lies at {self.aside} now"
        return Problem(
            "database-made-anew",
            f"The database {what}; a new one was made and {saved}.",
            "Jobs come back with the next sync: fieldapp sync",
        )


def check_place(home: Home) -> None:
    """
    Raises:
        Problem: `database-no-file` where something else than a file lies at the database's place: no waiting helps.
    """
    place = home.database_file
    if place.exists() and not place.is_file():
        raise Problem(
            "database-no-file",
            f"Something else lies where the database has to be: {place} is no file.",
            "Nothing was deleted, and unsent work is in the journal folder too. Move it away, then start again: a new database is "
            "made.",
        )


def was_lost(home: Home, identity: Identity) -> bool:
    """Whether a home that has been written in has no database any more, or one of no length."""
    return bool(identity.epochs) and (not home.database_file.exists() or home.database_file.stat().st_size == 0)


def is_damaged(path: Path) -> bool:
    """Whether a database has a page that does not agree with the others, a text that is none, or an entry that is not what its
    hashes say. It reads all of it."""
    try:
        with closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)) as connection:
            connection.text_factory = bytes  # what is wrong may be named in bytes that are no text
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != (b"ok",):
                return True
            tables = [name.decode() for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            connection.text_factory = str
            for table in tables:
                for _row in connection.execute(f'SELECT * FROM "{table}"'):
                    pass
            entries = connection.execute("SELECT raw, body, hash FROM entries") if "entries" in tables else ()
            return any(_is_spoiled(*row) for row in entries)
    except sqlite3.OperationalError as error:
        return any(words in str(error) for words in ("malformed", "Could not decode to UTF-8"))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return True


def _is_spoiled(raw: bytes, body: bytes | None, name: str) -> bool:
    try:
        return read_entry(raw, body, judged=True).hash != name
    except (Problem, TypeError, AttributeError):  # bytes that are no entry any more
        return True


def lost_lines(home: Home, reader: Reader) -> Problem | None:
    """Lines of the journal that were put aside, as damaged or another person's, and whose entry the database has not either. None
    where there is no such line: what is whole in the database is written into the journal anew.

    Raises:
        Problem: those of the reader.
    """
    place = Journal(home.journal_file).damaged_file
    try:
        rows = set(place.read_bytes().split(b"\n"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(
            "home-unusable", f"The file {place} cannot be read ({error.strerror}).", "Nothing was changed. See to its rights.",
        ) from error  # fmt: skip
    named = [_NAME.search(row) for row in rows if row.strip()]
    known = "SELECT 1 FROM entries WHERE id = ?"
    lost = sum(1 for name in named if name is None or reader.row(known, (name[1].decode(),)) is None)
    if not lost:
        return None
    return Problem(
        "journal-damaged",
        f"Damaged lines of the second copy whose entries are not in the database either: {lost}, in {place}.",
        "All other work is safe. Show that file to the office, which may still read them; then remove it.",
    )


def put_aside(home: Home, stamp: str) -> Mended:
    """Move the database away, after what is unsent in it was brought into the journal. Nobody has it open.

    Args:
        stamp: date and time for its new name, such as `20261122-090000`.

    Raises:
        Problem: `journal-failed`, `home-unusable`; the database is still where it was.
    """
    entries, drafts = _saved_from(home.database_file)
    journal = Journal(home.journal_file)
    known = {entry.id for entry in journal.read().entries}
    try:
        journal.append(journal_line(epoch, seq, entry) for epoch, seq, entry in entries if entry.id not in known)
    finally:
        journal.close()
    aside = home.database_file.with_name(f"damaged-{stamp}.db")
    try:
        for ending in ("-wal", "-shm", ""):  # the database itself last: until then the next start does the same again
            source = Path(f"{home.database_file}{ending}")
            if source.exists():
                source.replace(f"{aside}{ending}")
        sync_folder(aside.parent)
    except OSError as error:
        raise Problem(
            "home-unusable", f"The damaged database {home.database_file} cannot be moved away ({error.strerror}).",
            "Nothing was deleted. See to the rights of that folder.",
        ) from error  # fmt: skip
    return Mended(aside, tuple(drafts))


def forget_put_aside(home: Home) -> None:
    """A customer is to be forgotten: who knows what stands in databases that nobody can read. What could be read of them was taken
    into the present one. What was last said of the desk goes as well: it shows bytes in quarantine, and is asked for again.

    Raises:
        OSError: one of them cannot be removed.
    """
    for path in (home.desk_file, *home.database_file.parent.glob(f"{PUT_ASIDE}*")):
        path.unlink(missing_ok=True)


def _saved_from(path: Path) -> tuple[list[tuple[str, int, Entry]], list[Draft]]:
    """Unsent entries and drafts that can still be read, each by itself: one bad page does not hide the others."""
    entries: list[tuple[str, int, Entry]] = []
    drafts: list[Draft] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)) as connection:
        unsent = "SELECT epoch, seq, entry_id FROM own_entries WHERE lane = 'unsent' ORDER BY seq"
        for epoch, seq, name in _rows(connection, unsent):
            for raw, body in _rows(connection, "SELECT raw, body FROM entries WHERE id = ?", name):
                with suppress(Problem, TypeError, AttributeError):  # bytes that are no entry any more
                    entries.append((epoch, seq, read_entry(raw, body)))
        for row in _rows(connection, "SELECT job, step, version, text, at FROM drafts"):
            with suppress(msgspec.ValidationError):
                drafts.append(msgspec.convert(dict(zip(Draft.__struct_fields__, row, strict=True)), Draft))
    return entries, drafts


def _rows(connection: sqlite3.Connection, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows up to the first that cannot be read."""
    found: list[tuple[Any, ...]] = []
    with suppress(sqlite3.Error):
        cursor = connection.execute(sql, values)
        while (row := cursor.fetchone()) is not None:
            found.append(row)
    return found
