"""Files that were here and that the storage has lost: they are asked once more of the devices that recorded them.

A device keeps its own copy until a backup holds the file and 90 days have passed, so what a disk or a careless hand took from the
folder comes back by itself. A folder that is not mounted looks like one that has lost everything: much at once is not believed.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.problem import Problem
from fieldapp.server.file_storage import FileStorage
from fieldapp.server.files import HERE, WANTED
from fieldapp.store.database import Database, chunks
from fieldapp.store.tables import AwaitedFileRow, EntryRow, FileRow, FileStreamRow

BELIEVED = 5
"""So many lost files are believed whatever their share."""
SHARE = 10
"""More are believed where they are less than one in so many."""


def want_lost_files(db: Database, storage: FileStorage) -> tuple[str, ...]:
    """Look for every file that should be here; ask for those that are gone.

    Returns: the hashes of what is asked for from now on.

    Raises:
        Problem: `storage-doubted` where so much is gone that the storage itself is more likely to be away; nothing is changed.
    """
    with db.read() as conn:
        names = list(conn.execute(select(col(FileRow.sha256)).where(col(FileRow.state) == HERE)).scalars())
    lost = sorted(name for name in names if not storage.has(name))
    if len(lost) > BELIEVED and len(lost) * SHARE > len(names):
        raise Problem(
            "storage-doubted",
            f"{len(lost):,} of {len(names):,} files are not in the storage: it may not be mounted.",
            "Nothing was changed. Put the folder of files right, or restore it from a backup.",
        )
    for name in lost:
        _want(db, name)
    return tuple(lost)


def _want(db: Database, sha256: str) -> None:
    with db.write() as conn:
        db.run(conn, "UPDATE files SET state = ? WHERE sha256 = ? AND state = ?", (WANTED, sha256, HERE))
        streams = conn.execute(select(col(FileStreamRow.stream)).where(col(FileStreamRow.sha256) == sha256)).scalars().all()
        devices = set()
        for part in chunks(sorted(streams)):
            query = select(col(EntryRow.device), col(EntryRow.raw)).where(col(EntryRow.stream).in_(part))
            devices |= {device for device, raw in conn.execute(query) if sha256.encode() in raw}
        db.insert_new(conn, AwaitedFileRow, [{"device": device, "sha256": sha256} for device in sorted(devices)])
