"""Files that were here and that the storage has lost: they are asked once more of the devices that recorded them.

A device keeps its own copy until a backup holds the file and 90 days have passed, so what a disk or a careless hand took from the
folder comes back by itself. A folder that is not mounted looks like one that has lost everything: much at once is not believed.
"""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.problem import Problem
from fieldapp.server.file_storage import FileStorage
from fieldapp.server.files import HERE, WANTED, arrived
from fieldapp.store.database import Database
from fieldapp.store.tables import AwaitedFileRow, EntryRow

_HASH = re.compile(r"[0-9a-f]{64}")
BELIEVED = 5
"""So many lost files are believed whatever their share."""
SHARE = 10
"""More are believed where they are less than one in so many."""


def want_lost_files(db: Database, storage: FileStorage) -> tuple[str, ...]:
    """Look for every file that should be here; ask for those that are gone. What lies here again, though it was asked for (a folder
    that is mounted again, a copy that somebody put back), is here.

    Returns: the hashes of what is asked for from now on.

    Raises:
        Problem: `storage-doubted` where so much is gone that the storage itself is more likely to be away; nothing is changed.
    """
    with db.read() as conn:
        states = dict(db.rows(conn, "SELECT sha256, state FROM files WHERE state IN (?, ?)", (HERE, WANTED)))
    found = sorted(name for name, state in states.items() if state == WANTED and storage.has(name))
    for name in found:
        with db.write() as conn:
            arrived(db, conn, name)
    names = [name for name, state in states.items() if state == HERE]
    lost = sorted(name for name in names if not storage.has(name))
    if len(lost) > BELIEVED and len(lost) * SHARE > len(names):
        raise Problem(
            "storage-doubted",
            f"{len(lost):,} of {len(names):,} files are not in the storage: it may not be mounted.",
            "Nothing was changed. Put the folder of files right, or restore it from a backup.",
        )
    if lost:
        _want(db, lost)
    return tuple(lost)


def want_again(db: Database, storage: FileStorage, spoiled: list[str]) -> None:
    """Ask for files whose content the storage has spoiled; what is left of them is put aside.

    Raises:
        Problem: `storage-doubted` where so many are that the storage itself is more likely to fail; nothing is changed.
    """
    with db.read() as conn:
        (count,) = db.rows(conn, "SELECT count(*) FROM files WHERE state = ?", (HERE,))[0]
    if len(spoiled) > BELIEVED and len(spoiled) * SHARE > count:
        raise Problem(
            "storage-doubted",
            f"{len(spoiled):,} of {count:,} files are not what they were: their disk is failing.",
            "Nothing was changed. Put the files right, or restore them from a backup.",
        )
    for name in spoiled:
        storage.put_aside(name)
    _want(db, spoiled)


def _want(db: Database, lost: list[str]) -> None:
    sought = frozenset(lost)
    devices: set[tuple[str, str]] = set()
    with db.read() as conn:
        for device, raw in conn.execute(select(col(EntryRow.device), col(EntryRow.raw))):
            if b'"files"' in raw:
                devices.update((device, sha256) for sha256 in sought.intersection(_HASH.findall(raw.decode("utf-8", "replace"))))
    with db.write() as conn:
        for name in lost:
            db.run(conn, "UPDATE files SET state = ? WHERE sha256 = ? AND state = ?", (WANTED, name, HERE))
        db.insert_new(conn, AwaitedFileRow, [{"device": device, "sha256": sha256} for device, sha256 in sorted(devices)])
