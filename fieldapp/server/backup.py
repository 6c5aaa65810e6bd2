"""Backup and restore of a server, whole or not at all.

One portable archive for SQLite and PostgreSQL alike (see archive.py), read in one snapshot while the server goes on working. It is
read again, its chains are computed anew and it is restored into a temporary place before it counts; so a backup that exists can be
restored.
A restore checks everything first, then changes all of it at once, and gives the server a new incarnation: devices notice, read
again and offer what the backup had not seen yet.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlmodel import col

from fieldapp.domain.entry import FileRef, chain_hash, sha256
from fieldapp.domain.problem import Problem
from fieldapp.server.accounts import INCARNATION
from fieldapp.server.archive import ArchiveReader, ArchiveWriter, Manifest, row_lines
from fieldapp.server.file_storage import FolderStorage, StorageFull
from fieldapp.server.files import HERE, WANTED
from fieldapp.server.relay import AT_WORK
from fieldapp.server.services import wall_clock
from fieldapp.store.database import Database, chunks, clear_words
from fieldapp.store.journal import sync_folder
from fieldapp.store.migrations import migrate_server
from fieldapp.store.server import row_chain
from fieldapp.store.tables import SERVER, Base, DeviceEpochRow, EntryRow, FileRow, FileStreamRow, LogHeadRow, SettingRow, table_of

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


def restore(source: Path, db_url: str, files_dir: Path, *, replace: bool = False) -> Manifest:
    """Make a server of a backup. The server must not run.

    Args:
        replace: also where the database holds a server already. On SQLite the old database stays beside the new one, as
            `NAME.before-restore`.

    Raises:
        Problem: `backup-unreadable`, `backup-newer`, `history-damaged`, `database-in-use`, `database-not-empty`; nothing was
            changed then.
    """
    with ArchiveReader(source) as reader:
        reader.check()
        check_history(reader)
        if db_url.startswith("sqlite:///"):
            _restore_sqlite(reader, Path(db_url.removeprefix("sqlite:///")), files_dir, replace)
        else:
            db = Database(db_url)
            try:
                migrate_server(db)
                with db.write() as conn:
                    _refuse_running(conn)
                    _refuse_full(conn, replace)
                    _restore_files(reader, files_dir)
                    _load(conn, reader)
            finally:
                db.close()
        return reader.manifest


# --- Saving ----------------------------------------------------------------------------------------------------------------------


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
    for name in files:  # content never changes under its name, so the snapshot may be over
        if not storage.has(name):
            missing.append(name)
        elif writer.add(f"files/{name}", storage.read(name, 0, 1 << 62), packed=False) != name:
            raise Problem(
                "history-damaged", f"The file {name} is not what it was.", "Its disk may be failing: look before you go on."
            )
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
        _build(reader, fresh)
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
    lacking = {row["sha256"] for row in reader.rows("files") if row["state"] != HERE} | set(reader.manifest.missing)
    waiting = {row["id"] for row in reader.rows("entries") if lacking and lacking & _files_of(row["raw"])}
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
    return {file.sha256 for file in msgspec.json.decode(raw, type=_Named).files}


# --- Checking --------------------------------------------------------------------------------------------------------------------


def check_history(reader: ArchiveReader) -> None:
    """Compute every hash and chain anew: of entries, of logs and of the devices' lines of writing.

    Raises:
        Problem: `history-damaged`, naming the place.
    """
    try:
        _check_history(reader)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(f"a row has another shape ({error})") from None


def _check_history(reader: ArchiveReader) -> None:
    hashes: dict[str, str] = {}
    for row in reader.rows("entries"):
        if sha256(row["raw"]) != row["hash"]:
            raise _damaged(f"the entry {row['id']} is not what was written")
        hashes[row["id"]] = row["hash"]
    reached: dict[str, tuple[int, str]] = {}
    for row in reader.rows("log_rows"):
        pos, chain = reached.get(row["log"], (0, ""))
        about = hashes[row["entry_id"]] if row["entry_id"] else ""
        if row["pos"] != pos + 1 or row_chain(chain, row["pos"], row["kind"], about, row["outcome"]) != row["chain"]:
            raise _damaged(f"the log {row['log']} is broken at position {pos + 1}")
        reached[row["log"]] = (row["pos"], row["chain"])
    for log, head in reader.manifest.heads.items():
        if reached.get(log, (0, "")) != tuple(head):
            raise _damaged(f"the log {log} does not reach its head")
    lines: dict[str, tuple[int, str]] = {}
    aside = [row["id"] for row in reader.rows("quarantine")]
    for row in reader.rows("positions"):
        seq, chain = lines.get(row["epoch"], (0, ""))
        if row["seq"] != seq + 1 or not _continues(chain, row, hashes, aside):
            raise _damaged(f"the line {row['epoch']} is broken at {seq + 1}")
        lines[row["epoch"]] = (row["seq"], row["hash"])
    for row in reader.rows("device_epochs"):
        if lines.get(row["epoch"], (0, "")) != (row["seq"], row["hash"]):
            raise _damaged(f"the line {row['epoch']} does not reach its head")


def _continues(chain: str, row: dict[str, Any], hashes: dict[str, str], aside: list[str]) -> bool:
    """Whether a position follows from the chain before it. Bytes handed over as quarantine have a position, but were never read as
    an entry; what came under the id of another entry lies aside under its own hash."""
    about = hashes.get(row["entry_id"])
    if about is None or chain_hash(chain, row["seq"], about) == row["hash"]:
        return True
    return any(chain_hash(chain, row["seq"], other) == row["hash"] for other in aside)


def _damaged(reason: str) -> Problem:
    return Problem("history-damaged", f"The history does not verify: {reason}.", "Nothing was changed. Use an earlier backup.")


# --- Restoring -------------------------------------------------------------------------------------------------------------------


def _restore_sqlite(reader: ArchiveReader, path: Path, files_dir: Path, replace: bool) -> None:
    """Build the new database beside the old one, then let it take the old one's name in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        _close_down(path)
        if not replace:
            old = Database(f"sqlite:///{path}")
            try:
                migrate_server(old)
                with old.read() as conn:
                    _refuse_full(conn, replace)
            finally:
                old.close()
    fresh = path.with_name(f".{path.name}.restoring")
    try:
        with _no_room(path):
            _drop(fresh)
            _restore_files(reader, files_dir)
            _build(reader, fresh)
            if path.exists():
                kept = path.with_name(f"{path.name}.before-restore")
                kept.unlink(missing_ok=True)
                _keep(path, kept)
            fresh.replace(path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            _drop(fresh)


def _build(reader: ArchiveReader, fresh: Path) -> None:
    """A whole database of the backup's rows in one file, on the disk when this returns."""
    db = Database(f"sqlite:///{fresh}")
    try:
        migrate_server(db)
        with db.write() as conn:
            _load(conn, reader)
    finally:
        db.close()
    with clear_words(), closing(sqlite3.connect(fresh)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise Problem(
                "database-damaged", "The restored database does not verify.", "Nothing was changed; the disk may be failing."
            )
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())


def _drop(fresh: Path) -> None:
    for name in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
        name.unlink(missing_ok=True)


@contextmanager
def _no_room(path: Path) -> Iterator[None]:
    """The old server stays as it was whatever the disk says."""
    try:
        yield
    except OSError as error:
        raise Problem(
            "disk-full", f"The backup could not be restored to {path.parent} ({error.strerror}).", "The old server is as it was."
        ) from error


def _keep(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)
    except OSError:  # a file system without links
        shutil.copy2(path, kept)


def _close_down(path: Path) -> None:
    """Take what waits in the old write-ahead log into the old database, and make sure that nobody has it open: a log left over
    would be read into the new database."""
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError:
        raise Problem("database-in-use", f"{path} is in use.", "Stop the server first. Nothing was changed.") from None
    except sqlite3.DatabaseError:
        return  # not a database any more: that is what a restore is for
    for name in (Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


def _refuse_running(conn: Connection) -> None:
    """On PostgreSQL: a server that goes on after a restore would speak for the history that was replaced."""
    if not conn.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({AT_WORK})").scalar():
        raise Problem("database-in-use", "A server works on this database.", "Stop the server first. Nothing was changed.")


def _refuse_full(conn: Connection, replace: bool) -> None:
    if not replace and conn.execute(select(col(EntryRow.id)).limit(1)).first() is not None:
        raise Problem(
            "database-not-empty", "There is a server in this database already.", "Say --replace to put the backup in its place."
        )


def _restore_files(reader: ArchiveReader, files_dir: Path) -> None:
    storage = FolderStorage(files_dir)
    for name in reader.manifest.members:
        folder, _, digest = name.partition("/")
        if folder == "files" and not storage.has(digest):
            try:
                storage.put_whole(digest, reader.chunks(name))
            except StorageFull:
                hint = "Nothing else was changed. Make room and restore again."
                raise Problem("disk-full", f"There is no room for the files of the backup in {files_dir}.", hint) from None


def _load(conn: Connection, reader: ArchiveReader) -> None:
    """All rows, in the transaction that is open."""
    for name in reversed(SERVER):
        conn.execute(delete(Base.metadata.tables[name]))
    for name in SERVER:
        table = Base.metadata.tables[name]
        if f"tables/{name}.jsonl" not in reader.manifest.members:
            continue  # an older version did not have it
        for part in chunks(reader.rows(name), _FETCH):
            unknown = part[0].keys() - table.columns.keys()
            if unknown:
                raise Problem("backup-newer", f"A newer version wrote this backup ({name} has {', '.join(sorted(unknown))}).")
            conn.execute(insert(table), part)
    if "tables/file_streams.jsonl" not in reader.manifest.members:
        known = select(col(FileRow.sha256), col(FileRow.job)).where(col(FileRow.job) != "")
        conn.execute(insert(FileStreamRow).from_select(["sha256", "stream"], known))
    conn.execute(update(SettingRow).where(col(SettingRow.name) == INCARNATION).values(value=secrets.token_hex(16)))
    for names in chunks(reader.manifest.missing):
        conn.execute(update(FileRow).where(col(FileRow.sha256).in_(names)).values(state=WANTED))
