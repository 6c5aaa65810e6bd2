"""An exported file read into the server: entries first, then the files that entries here name."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import msgspec
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.problem import Problem
from fieldapp.server.file_storage import StorageFull
from fieldapp.server.files import arrived
from fieldapp.server.reach import ORG
from fieldapp.server.services import ServerServices
from fieldapp.store.erasing import ERASED
from fieldapp.store.exported import PIECE, Damaged, Piece, read_export
from fieldapp.store.importing import Line
from fieldapp.store.tables import FileRow, LogHeadRow

_AT_ONCE = 200


class Imported(msgspec.Struct, frozen=True):
    """What came of a file. held: new entries that wait for a person; known: were here already; files: that were missing here;
    broken_files: hashes of those not whole in it; damaged: numbers of lines that cannot be read."""

    held: int = 0
    known: int = 0
    files: int = 0
    broken_files: tuple[str, ...] = ()
    damaged: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Everything in the file is here now."""
        return not (self.broken_files or self.damaged)


def import_export(services: ServerServices, source: Path) -> Imported:
    """Take in what a device exported, as the administrator of the server.

    Raises:
        Problem: `export-unreadable` where nothing in it is ours; `disk-full`, and those of the database: what was taken until then
            stays, and the import can be done again.
    """
    lines: list[Line] = []
    damaged: list[int] = []
    files: dict[str, int] = {}
    for item in read_export(source):
        match item:
            case Piece():
                files[item.file] = item.size
            case Damaged():
                damaged.append(item.number)
            case (line, entry):
                lines.append(Line.of(line.epoch, line.seq, entry))
    if not lines and not files:
        raise Problem("export-unreadable", f"{source} holds nothing that a device of Fieldapp exported.", "Nothing was changed.")
    with services.db.read() as conn:
        logs = {ORG, *conn.execute(select(col(LogHeadRow.log))).scalars()}
    held = known = 0
    for part in _parts(lines):
        found = services.replica.take_in(part, None, logs)
        held, known = held + found.held, known + found.known
    came, broken = _take_files(services, source, set(files))
    return Imported(held, known, came, tuple(broken), tuple(damaged))


def _parts(lines: list[Line]) -> list[list[Line]]:
    """So many lines at a time, groups whole."""
    parts: list[list[Line]] = []
    for line in lines:
        same = parts and parts[-1][-1].entry.envelope.group == line.entry.envelope.group
        if not parts or (len(parts[-1]) >= _AT_ONCE and not same):
            parts.append([])
        parts[-1].append(line)
    return parts


def _take_files(services: ServerServices, source: Path, named: set[str]) -> tuple[int, list[str]]:
    """Keep the files that are wanted here. Returns how many, and the hashes of those that are not whole in the file."""
    with services.db.read() as conn:
        query = select(col(FileRow.sha256)).where(col(FileRow.sha256).in_(sorted(named)[:10_000]), col(FileRow.state) != ERASED)
        known = set(conn.execute(query).scalars())
    missing = {name for name in known if not services.storage.has(name)}
    with services.db.write() as conn:
        for name in sorted(known - missing):
            arrived(services.db, conn, name)
    if not missing:
        return 0, []
    came, broken = 0, []
    services.settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=services.settings.home) as folder:
        try:
            for item in read_export(source):
                if isinstance(item, Piece) and item.file in missing:
                    with (Path(folder) / item.file).open("ab") as out:
                        if out.tell() == item.offset:  # else one before it is missing: the hash will say so
                            out.write(item.data)
            for name in sorted(missing):
                with (Path(folder) / name).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != name:
                        broken.append(name)
                        continue
                    file.seek(0)
                    services.storage.put_whole(name, iter(lambda: file.read(PIECE), b""))
                with services.db.write() as conn:
                    arrived(services.db, conn, name)
                came += 1
        except (OSError, StorageFull) as error:
            raise Problem(
                "disk-full", f"The files of {source} could not be kept ({getattr(error, 'strerror', None) or 'no room'}).",
                "Its entries are taken in. Make room and import it again.",
            ) from error  # fmt: skip
    return came, broken
