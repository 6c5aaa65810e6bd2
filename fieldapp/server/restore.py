"""Restore of a server from a backup, whole or not at all.

Everything is checked first, then all of it changes at once, and the server gets a new incarnation: devices notice, read again and
offer what the backup had not seen yet.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update
from sqlmodel import col

from fieldapp.domain.problem import Problem
from fieldapp.server.accounts import INCARNATION
from fieldapp.server.archive import ArchiveReader, Manifest
from fieldapp.server.archived_history import check_history
from fieldapp.server.file_storage import FolderStorage, StorageFull
from fieldapp.server.files import WANTED
from fieldapp.server.relay import AT_WORK
from fieldapp.store.database import Database, chunks, clear_words
from fieldapp.store.journal import sync_folder
from fieldapp.store.migrations import migrate_server, refuse_foreign
from fieldapp.store.tables import SERVER, Base, EntryRow, FileRow, FileStreamRow, SettingRow

KEPT, LOG_KEPT = ".before-restore", ".before-restore.log"
"""Behind the database's name: the one from before, and the write-ahead log that was left of it."""
_ROWS = 500
"""Inserted at once."""


def restore(source: Path, db_url: str, files_dir: Path, *, replace: bool = False) -> Manifest:
    """Make a server of a backup. The server must not run.

    Args:
        replace: also where the database holds a server already. On SQLite the old database stays beside the new one, as
            `NAME.before-restore`, and what is left of its write-ahead log as `NAME.before-restore.log`.

    Raises:
        Problem: `backup-unreadable`, `backup-newer`, `history-damaged`, `database-in-use`, `database-foreign`,
            `database-not-empty`; nothing was changed then.
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


def _restore_sqlite(reader: ArchiveReader, path: Path, files_dir: Path, replace: bool) -> None:
    """Build the new database beside the old one, then let it take the old one's name in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        _close_down(path)
        _refuse_foreign(path)
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
            build_database(reader, fresh)
            if path.exists():
                kept = path.with_name(f"{path.name}{KEPT}")
                kept.unlink(missing_ok=True)
                _keep(path, kept)
            _put_log_aside(path)
            fresh.replace(path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            _drop(fresh)


def build_database(reader: ArchiveReader, fresh: Path) -> None:
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


def _put_log_aside(path: Path) -> None:
    """A write-ahead log whose database was moved away, or cannot be read any more, would be read into the new one and spoil it. It
    stays beside it, for it may hold what was written last, under a name by which no other database takes it for its own."""
    left, kept = Path(f"{path}-wal"), path.with_name(f"{path.name}{LOG_KEPT}")
    kept.unlink(missing_ok=True)
    if left.exists():
        left.replace(kept)
    Path(f"{path}-shm").unlink(missing_ok=True)


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


def _refuse_foreign(path: Path) -> None:
    """What cannot be read is what a restore is for; what can be read must have been a server."""
    old = Database(f"sqlite:///{path}")
    try:
        refuse_foreign(old)
    except Problem as problem:
        if problem.code == "database-foreign":
            raise
    finally:
        old.close()


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
        for part in chunks(reader.rows(name), _ROWS):
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
