"""Backup of a server, whole or not at all.

One portable archive for SQLite and PostgreSQL alike (see archive.py), read in one snapshot while the server goes on working. It is
read again, its chains are computed anew (archived_history.py) and it is restored into a temporary place (restore.py) before it
counts; so a backup that exists can be restored.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlmodel import col

from fieldapp.domain.entry import FileRef
from fieldapp.domain.problem import Problem
from fieldapp.server.accounts import INCARNATION
from fieldapp.server.archive import ArchiveReader, ArchiveWriter, Manifest, row_lines
from fieldapp.server.archived_history import check_history
from fieldapp.server.file_storage import FolderStorage, StorageFull
from fieldapp.server.files import HERE, WANTED
from fieldapp.server.lost_files import want_again
from fieldapp.server.restore import build_database
from fieldapp.server.services import wall_clock
from fieldapp.store.database import Database
from fieldapp.store.erasing import ERASED
from fieldapp.store.migrations import refuse_foreign
from fieldapp.store.tables import SERVER, Base, DeviceEpochRow, FileRow, LogHeadRow, SettingRow, table_of

_FETCH = 500


class Backup(msgspec.Struct, frozen=True):
    """A backup that was made and verified. `other_disk`: it lies on another disk than the server's data, and what it covers is
    `safe` from now on."""

    path: Path
    manifest: Manifest
    other_disk: bool

    @property
    def warning(self) -> str:
        """What there is to say about where it lies, '' where nothing."""
        return "" if self.other_disk else same_disk(self.path)


def same_disk(target: Path) -> str:
    """The sentence for a backup beside the server's own data."""
    return (
        f"{target} is on the same disk as the server's data, so it is no safety when that disk fails: devices go on keeping what "
        "they sent. Back up to another disk."
    )


def backup(
    db_url: str, files_dir: Path, target: Path, *, clock: Callable[[], int] = wall_clock, running: Database | None = None
) -> Backup:
    """Save a server, running or not, into one file, and verify it by restoring it.

    When `target` lies on another disk than the server's data, entries it covers become `safe`: devices may forget their copies.

    Raises:
        Problem: `backup-exists`, `backup-failed`, `history-damaged`, and those of Database.
    """
    if target.exists():
        raise Problem("backup-exists", f"{target} exists already.", "Name another file; nothing was changed.")
    db, storage = running or Database(db_url), FolderStorage(files_dir)
    try:
        refuse_foreign(db)
        try:
            writer = ArchiveWriter(target)
        except OSError as error:
            raise Problem("backup-failed", f"{target} cannot be written ({error.strerror}).") from None
        try:
            manifest = _write(db, storage, writer, clock())
            with ArchiveReader(writer.path) as reader:
                reader.check()
                check_history(reader)
                _try_restoring(reader, target)
            writer.publish()
        except OSError as error:
            raise Problem("backup-failed", f"{target} cannot be written ({error.strerror}).", "Nothing is left of it.") from None
        finally:
            writer.discard()
        other_disk = on_another_disk(db_url, files_dir, target)
        if other_disk:
            _mark_safe(db, target)
    finally:
        if db is not running:
            db.close()
    return Backup(target, manifest, other_disk)


def _write(db: Database, storage: FolderStorage, writer: ArchiveWriter, now: int) -> Manifest:
    counts: dict[str, int] = {}
    with db.read() as conn:
        if not db.is_sqlite:
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        incarnation = conn.execute(select(col(SettingRow.value)).where(col(SettingRow.name) == INCARNATION)).scalar()
        if incarnation is None:
            raise Problem("backup-failed", "This database holds no server.", "Run `fieldapp admin init` first.")
        heads = {row.log: (int(row.pos), str(row.chain)) for row in conn.execute(select(table_of(LogHeadRow)))}
        for name in SERVER:
            writer.add(f"tables/{name}.jsonl", row_lines(_counted(_table(conn, name), name, counts)))
        files = (
            conn.execute(select(col(FileRow.sha256)).where(col(FileRow.state) == HERE).order_by(col(FileRow.sha256)))
            .scalars()
            .all()
        )
    missing: list[str] = []
    spoiled: list[str] = []
    for name in files:  # content never changes under its name, so the snapshot may be over
        if not storage.has(name):
            missing.append(name)
        elif writer.add(f"files/{name}", storage.read(name, 0, 1 << 62), packed=False) != name:
            spoiled.append(name)
    if spoiled:
        want_again(db, storage, spoiled)
        names = ", ".join(spoiled[:3]) + (f" and {len(spoiled) - 3} more" if len(spoiled) > 3 else "")
        raise Problem(
            "history-damaged", f"Not what it was when it arrived: {names}.",
            "It lies aside among the files and is asked of the devices that recorded it; the next backup goes on without it. "
            "The disk may be failing.",
        )  # fmt: skip
    return writer.seal(created=now, incarnation=incarnation, rows=counts, heads=heads, missing=tuple(missing))


def _table(conn: Connection, name: str) -> Iterator[dict[str, Any]]:
    table = Base.metadata.tables[name]
    options = {"stream_results": True, "max_row_buffer": _FETCH}
    result = conn.execute(select(table).order_by(*table.primary_key.columns), execution_options=options).mappings()
    while rows := result.fetchmany(_FETCH):
        for row in rows:
            yield dict(row)


def _counted(rows: Iterator[dict[str, Any]], name: str, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    counts[name] = 0
    for row in rows:
        counts[name] += 1
        yield row


def on_another_disk(db_url: str, files_dir: Path, target: Path) -> bool:
    """Whether a file at `target` outlives the disk of the server's data, as far as the system tells one disk from another (st_dev).
    Of a database on PostgreSQL only the files' disk is known here."""
    data = [files_dir]
    if db_url.startswith("sqlite:///"):
        data.append(Path(db_url.removeprefix("sqlite:///")))
    return all(_disk_of(place) != _disk_of(target) for place in data)


def _disk_of(place: Path) -> int:
    while not place.exists():
        place = place.parent
    return place.stat().st_dev


def _try_restoring(reader: ArchiveReader, target: Path) -> None:
    """Restore the archive into a temporary place beside it, as `restore` would, and look whether all of it is there.

    Raises:
        Problem: `backup-failed`, `backup-unreadable`. OSError: no room for it.
    """
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        fresh, files = Path(name) / "server.db", FolderStorage(Path(name) / "files")
        build_database(reader, fresh)
        restored = Database(f"sqlite:///{fresh}")
        try:
            with restored.read() as conn:
                counts = {
                    table: conn.execute(select(func.count()).select_from(Base.metadata.tables[table])).scalar_one()
                    for table in SERVER
                }
                heads = {row.log: (int(row.pos), str(row.chain)) for row in conn.execute(select(table_of(LogHeadRow)))}
        finally:
            restored.close()
        if counts != reader.manifest.rows or heads != {log: tuple(head) for log, head in reader.manifest.heads.items()}:
            raise Problem("backup-failed", f"What was restored from {target} is not what was saved.", "Nothing is left of it.")
        for member in reader.manifest.members:
            folder, _, digest = member.partition("/")
            if folder != "files":
                continue
            try:
                files.put_whole(digest, reader.chunks(member))
            except StorageFull:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            with files.path(digest).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise Problem("backup-failed", f"The file {digest} comes back from {target} as another one.")
            files.path(digest).unlink()


def _mark_safe(db: Database, target: Path) -> None:
    """What the backup holds with all its files is safe. An entry whose file has not arrived yet is not, nor is what comes after it:
    the device has to keep the file."""
    with ArchiveReader(target) as reader:
        safe = _safe_heads(reader)
    with db.write() as conn:
        for epoch, seq in safe.items():
            mark = update(DeviceEpochRow).where(col(DeviceEpochRow.epoch) == epoch, col(DeviceEpochRow.safe_seq) < seq)
            conn.execute(mark.values(safe_seq=seq))


def _safe_heads(reader: ArchiveReader) -> dict[str, int]:
    lacking = {row["sha256"]: row["state"] for row in reader.rows("files") if row["state"] != HERE}
    lacking |= dict.fromkeys(reader.manifest.missing, WANTED)

    def lacks(envelope: bytes, body: bytes | None) -> bool:
        """Whether a file is missing that is still named: what was erased with its entry is missed by nobody."""
        return any(lacking.get(sha256, ERASED) != ERASED or (body and sha256 in lacking) for sha256 in _files_of(envelope))

    waiting = {row["id"] for row in reader.rows("entries") if lacks(row["raw"], row["body"])} if lacking else set()
    if lacking:  # bytes that were handed over name files as well, and have their positions under their own name
        parted = [(row["id"], *row["raw"].partition(b"\n")[::2]) for row in reader.rows("quarantine")]
        waiting |= {name for name, envelope, body in parted if lacks(envelope, body)}
    first: dict[str, int] = {}
    for row in reader.rows("positions") if waiting else ():
        if row["entry_id"] in waiting:
            first.setdefault(row["epoch"], row["seq"])
    epochs = {row["epoch"]: row for row in reader.rows("device_epochs")}
    safe = {}
    for name, row in epochs.items():
        earlier, known = row["parent"], set[str]()
        while earlier in epochs and earlier not in first and earlier not in known:
            known.add(earlier)
            earlier = epochs[earlier]["parent"]
        if earlier not in first:  # a device takes a later epoch's word for the earlier ones
            safe[name] = min(row["seq"], first.get(name, row["seq"] + 1) - 1)
    return safe


class _Named(msgspec.Struct):
    files: tuple[FileRef, ...] = ()


def _files_of(raw: bytes) -> set[str]:
    try:
        return {file.sha256 for file in msgspec.json.decode(raw, type=_Named).files}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return set()  # bytes that are no entry
