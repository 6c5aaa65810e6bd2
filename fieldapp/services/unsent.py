"""What is only on a device, written to a file and taken in from one: the way out when the network, or the machine, gives up.

The screens and the command line both go through here, so that the office, and the next device, get one and the same kind of file
(store/exported.py).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sqlite3
from pathlib import Path

import msgspec

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.store.exported import Damaged, Piece, file_lines, read_export
from fieldapp.store.home import Home, Identity
from fieldapp.store.journal import Journal, journal_line, sync_folder
from fieldapp.store.queries.own import GONE, file_state
from fieldapp.store.queries.reader import Reader

_UNSENT = """
SELECT o.epoch, o.seq, e.raw, e.body FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE o.lane = 'unsent' ORDER BY o.saved_at, o.epoch, o.seq
"""


_HASH = re.compile(r"[0-9a-f]{64}\Z")


class Unsent(msgspec.Struct, frozen=True):
    """What is only on this device: entries with their places, and the hashes of files."""

    places: tuple[tuple[str, int, Entry], ...] = ()
    files: tuple[str, ...] = ()


class Exported(msgspec.Struct, frozen=True):
    """What an export holds. `missing`: names of files that are not on this device any more."""

    path: Path
    entries: int
    files: int
    missing: tuple[str, ...] = ()


class Imported(msgspec.Struct, frozen=True):
    """What came of a file that was taken in. taken: new entries; known: were here already; files: that were new here; refused:
    (entry, why it was not taken); lacking: names of files that the new entries name and that are not here, or not whole; damaged:
    numbers of lines that cannot be read."""

    taken: int
    known: int
    files: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    lacking: tuple[str, ...] = ()
    damaged: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Everything in the file is here now."""
        return not (self.refused or self.lacking or self.damaged)


def unsent_name(device: str, moment: str) -> str:
    """A file's name that says whose work it holds and from when, so that none is taken for another.

    Args:
        device: short code of the device. moment: local date and time, such as `20261120-0942`.
    """
    return f"fieldapp-unsent-{device}-{moment}.jsonl"


def unsent_work(home: Home, identity: Identity) -> Unsent:
    """Everything that is only on this device, from the database and the journal; from the journal alone where the database cannot
    be read. It may be asked for while the app runs.

    Raises:
        Problem: `journal-failed`.
    """
    content = Journal(home.journal_file).read()
    mine = [
        (line.epoch, line.seq, entry)
        for line, entry in zip(content.lines, content.entries, strict=True)
        if entry.envelope.author == identity.person
    ]
    files: dict[str, None] = {}
    reader = Reader(home.database_file)
    try:
        with reader.snapshot():
            rows = reader.rows(_UNSENT)
            known = {row[0] for row in reader.rows("SELECT entry_id FROM own_entries")}
            files |= {row[0]: None for row in reader.rows("SELECT sha256 FROM files WHERE state = 'here' AND job <> ''")}
        places = [(row[0], row[1], read_entry(row[2], row[3], trusted=True)) for row in rows]
        places += [place for place in mine if place[2].id not in known]
    except (Problem, sqlite3.Error):
        places = list({place[2].id: place for place in mine}.values())
    finally:
        reader.close()
    files |= {file.sha256: None for _, _, entry in places for file in entry.envelope.files}
    return Unsent(tuple(places), tuple(files))


def write_unsent(home: Home, identity: Identity, target: Path) -> Exported:
    """Write everything that is only on this device to a new file, durably.

    Raises:
        Problem: `journal-failed`; `file-exists`; `file-unwritable`: nothing is left of it then.
    """
    found = unsent_work(home, identity)
    names = {file.sha256: file.name for _, _, entry in found.places for file in entry.envelope.files}
    there = [name for name in found.files if (home.files / name).is_file()]
    missing = tuple(names.get(name, name) for name in found.files if name not in there)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        with os.fdopen(handle, "wb") as out:
            out.writelines(journal_line(*place) for place in found.places)
            for name in there:
                out.writelines(file_lines(home.files / name, name))
            out.flush()
            os.fsync(out.fileno())
        sync_folder(target.absolute().parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            target.unlink()
        raise _unwritable(error) from error
    return Exported(target, len(found.places), len(there), missing)


def import_unsent(home: Home, replica: DeviceReplica, source: Path) -> Imported:
    """Take in what another device of the same person exported. Done twice it changes nothing.

    Files come first, then the entries that name them; what is damaged is named, the rest is taken.

    Raises:
        Problem: `export-unreadable` where nothing in the file is ours; `disk-full`, and those of the replica: what was taken until
            then stays, and the import can be done again.
    """
    entries: list[Entry] = []
    damaged: list[int] = []
    files = _Incoming(home)
    try:
        for item in read_export(source):
            match item:
                case Piece():
                    files.take(item)
                case Damaged():
                    damaged.append(item.number)
                case _:
                    entries.append(item[1])
        if not entries and not files.seen:
            raise Problem(
                "export-unreadable", f"{source} holds nothing that a device of Fieldapp exported.", "Nothing was changed."
            )
        erased = replica.without_content(entries)
        kept = [entry for entry in entries if entry.id not in erased]
        names = {file.sha256: file.name for entry in kept for file in entry.envelope.files}
        own = [entry for entry in kept if entry.envelope.author == replica.identity.person]  # the others are not taken
        arrived = files.keep({file.sha256 for entry in own for file in entry.envelope.files} | replica.known_files(files.seen))
    except OSError as error:
        hint = "Nothing was taken in. Make room and import it again."
        raise Problem("disk-full", f"The files of {source} could not be kept ({error.strerror}).", hint) from error
    finally:
        files.close()
    found = replica.take_over(entries, lambda name: (home.files / name).is_file(), arrived)
    reader = Reader(home.database_file)
    try:
        for name in sorted(name for name in arrived if file_state(reader, name) == GONE):
            replica.mark_file(name, "here")  # given up here, and found elsewhere
    finally:
        reader.close()
    lacking = dict(found.lacking) | {name: names.get(name, name) for name in files.broken}
    return Imported(found.taken, found.known, len(arrived), found.refused, tuple(lacking.values()), tuple(damaged))


class _Incoming:
    """Files that come in pieces: each grows under a name of its own, and gets its place when its hash is right."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._coming: dict[str, Path] = {}
        self.seen: set[str] = set()
        self.broken: list[str] = []

    def take(self, piece: Piece) -> None:
        name = piece.file
        if not _HASH.match(name):
            return
        self.seen.add(name)
        if (self._home.files / name).is_file():
            return
        if name not in self._coming:
            self._home.files.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._coming[name] = self._home.files / f".coming-{os.getpid()}-{name}"
            self._coming[name].write_bytes(b"")
        with self._coming[name].open("ab") as file:
            if piece.offset == file.tell():  # else one before it is missing: the hash will say so
                file.write(piece.data)

    def keep(self, wanted: set[str]) -> set[str]:
        """Give those that are whole and wanted their places. Returns which are new here."""
        kept = set()
        for name, path in self._coming.items():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
                whole = hashlib.file_digest(file, "sha256").hexdigest() == name
            if not whole:
                self.broken.append(name)
            elif name in wanted:
                path.replace(self._home.files / name)
                kept.add(name)
        if kept:
            sync_folder(self._home.files)
        return kept

    def close(self) -> None:
        for path in self._coming.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _unwritable(error: OSError) -> Problem:
    if error.errno == errno.EEXIST:
        return Problem("file-exists", "There is a file of that name already.", "Nothing was written; give another name.")
    return Problem(
        "file-unwritable", f"The file cannot be written there ({error.strerror}).", "Nothing was lost; choose another place."
    )
