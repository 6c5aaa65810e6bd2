"""Files named by entries: photos, signatures, documents. Addressed by the SHA-256 of their content, sent in parts.

Every call can be repeated. What decides is the hash: only a file that a received entry names is taken, with the size it names, and
what arrives is that content or is thrown away. So it does not matter which device brings it: the one that recorded it may have
lost the job since, and must still be able to finish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from fieldapp.server.answers import Refused
from fieldapp.server.file_storage import FileStorage, StorageFull
from fieldapp.server.reach import Session, readable_logs, reads_whole
from fieldapp.store.database import Database
from fieldapp.store.erasing import ERASED
from fieldapp.store.tables import EntryRow, FileRow, FileStreamRow, LogHeadRow, MembershipRow, StreamStateRow, table_of
from fieldapp.sync.protocol import PART_BYTES, FileState

_HASH = re.compile(r"[0-9a-f]{64}\Z")
_PART = re.compile(r"(0|[1-9][0-9]{0,8})\Z")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,16})-([0-9]{1,16})/([0-9]{1,16})\Z")
_RANGE = re.compile(r"bytes=([0-9]{0,16})-([0-9]{0,16})\Z")
HERE, WANTED = "here", "wanted"


class Stretch(msgspec.Struct, frozen=True):
    """A part of a file to send: bytes start to start+length of `size`."""

    start: int
    length: int
    size: int
    partial: bool


class _Known(NamedTuple):
    """A file that some entry names."""

    sha256: str
    size: int
    state: str


class JobFiles(msgspec.Struct, frozen=True):
    """The files that a stream's entries name: how many are here, how many there are, and the names of those that are missing."""

    stream: str
    arrived: int
    total: int
    missing: tuple[str, ...]
    devices: tuple[str, ...]


class Files:
    """The file side of the server, over any storage."""

    def __init__(self, db: Database, storage: FileStorage, *, largest: int) -> None:
        self._db, self._storage, self._largest = db, storage, largest

    def state(self, sha256: str) -> FileState:
        """Which parts are here.

        Raises:
            Refused: `bad-request`, `file-unknown` where no received entry names it.
        """
        return self._state(self._row(sha256))

    def _state(self, row: _Known) -> FileState:
        if self._here(row):
            return FileState(row.sha256, (), True)
        parts = tuple(self._storage.parts(row.sha256))
        first = next((number for number, part in enumerate(parts) if number != part), len(parts))
        return FileState(row.sha256, parts, False, self._storage.began(row.sha256, first))

    def missing(self) -> list[JobFiles]:
        """Streams of which some files have not arrived, with the devices that recorded one of those: they are still there."""
        names = select(col(FileRow.job)).where(col(FileRow.state) == WANTED)
        query = select(table_of(FileRow)).where(col(FileRow.job).in_(names)).order_by(col(FileRow.job), col(FileRow.name))
        found: dict[str, list[Any]] = {}
        with self._db.read() as conn:
            for row in conn.execute(query):
                found.setdefault(row.job, []).append(row)
            return [self._of_stream(conn, stream, rows) for stream, rows in found.items()]

    def _of_stream(self, conn: Connection, stream: str, rows: list[Any]) -> JobFiles:
        wanted = {row.sha256: row.name for row in rows if row.state == WANTED}
        devices = set()
        for device, raw in conn.execute(select(col(EntryRow.device), col(EntryRow.raw)).where(col(EntryRow.stream) == stream)):
            if any(sha256.encode() in raw for sha256 in wanted):
                devices.add(device)
        return JobFiles(stream, len(rows) - len(wanted), len(rows), tuple(wanted.values()), tuple(sorted(devices)))

    def put_part(self, sha256: str, part: str, data: bytes, content_range: str = "", *, cut_off: bool = False) -> FileState:
        """Keep a part, or a piece of one. Every part has PART_BYTES but the last.

        Args:
            content_range: `bytes first-last/size`, counted in the whole file, where `data` is a piece; '' for a whole part.
            cut_off: the connection ended before the announced end: what came of a piece is kept, of a part nothing.

        Raises:
            Refused: `file-unknown`, `file-too-large`, `wrong-part`, `storage-full`, `request-cut-off`.
        """
        row = self._row(sha256)
        if self._here(row):
            return FileState(sha256, (), True)
        if row.size > self._largest:
            raise Refused(413, "file-too-large", f"This server takes files of at most {self._largest:,} bytes.")
        number, count = int(part) if _PART.match(part) else -1, part_count(row.size)
        if not 0 <= number < count:
            raise Refused(400, "wrong-part", f"This file has the parts 0 to {count - 1}.")
        whole = row.size - number * PART_BYTES if number == count - 1 else PART_BYTES
        start, end = (0, whole) if not content_range else _piece(content_range, number, whole, row.size)
        if len(data) != end - start and not (cut_off and len(data) < end - start):
            raise Refused(400, "wrong-part", f"{end - start:,} bytes were announced; {len(data):,} came.", "Send it again.")
        try:
            if len(data) == whole:
                self._storage.put_part(sha256, number, data)
            elif content_range and data and number not in self._storage.parts(sha256):
                self._storage.put_piece(sha256, number, start, data, whole)
        except StorageFull:
            raise _full() from None
        if cut_off:
            raise Refused(400, "request-cut-off", "The connection ended in the middle of the request.")
        return self._state(row)

    def complete(self, sha256: str) -> FileState:
        """Put the parts together and check the content; from then on the file is served.

        Raises:
            Refused: `file-unknown`, `parts-missing` (409), `wrong-hash` (422; the parts were dropped), `storage-full`.
        """
        row = self._row(sha256)
        if not self._here(row):
            missing = sorted(set(range(part_count(row.size))) - set(self._storage.parts(sha256)))
            if missing and not self._storage.has(sha256):
                raise Refused(409, "parts-missing", f"{len(missing)} parts are missing, the first is number {missing[0]}.")
            try:
                whole = self._storage.has(sha256) or self._storage.assemble(sha256, part_count(row.size))
            except StorageFull:
                raise _full() from None
            if not whole:
                self._storage.drop_parts(sha256)
                raise Refused(422, "wrong-hash", "What arrived is not the file that was announced.", "Send it from the start.")
            with self._db.write() as conn:
                if not arrived(self._db, conn, sha256):  # erased while it was put together
                    self._storage.remove(sha256)
            self._storage.drop_parts(sha256)
        return FileState(sha256, (), True)

    def open(self, who: Session, sha256: str, range_header: str) -> tuple[Stretch, Iterator[bytes]]:
        """A whole file, or the one range asked for.

        Raises:
            Refused: `file-unknown` where it is not known or out of this person's scope (no telling which), `file-missing` while
                it is still on the device that recorded it, `wrong-range` (416).
        """
        row = self._row(sha256)
        if row.state == ERASED or not self._may_see(who, sha256):
            raise _unknown()
        if not self._here(row):
            raise Refused(404, "file-missing", "This file has not arrived at the server yet.", "It is still on the device.")
        stretch = stretch_of(range_header, row.size)
        return stretch, self._storage.read(sha256, stretch.start, stretch.length)

    def _row(self, sha256: str) -> _Known:
        if not _HASH.match(sha256):
            raise Refused(400, "bad-request", "A file is named by its SHA-256 in 64 small hex digits.")
        with self._db.read() as conn:
            found = self._db.rows(conn, "SELECT sha256, size, state FROM files WHERE sha256 = ?", (sha256,))
        if not found:
            raise _unknown()
        return _Known(*found[0])

    def _here(self, row: _Known) -> bool:
        """What the database says and the storage has lost is wanted again; what was erased is never."""
        return row.state == ERASED or (row.state == HERE and self._storage.has(row.sha256))

    def _may_see(self, who: Session, sha256: str) -> bool:
        """Whoever may read one of the entries that name a file may read the file."""
        named = select(col(FileStreamRow.stream)).where(col(FileStreamRow.sha256) == sha256)
        with self._db.read() as conn:
            logs = readable_logs(who.role, who.branch, conn.execute(select(col(LogHeadRow.log))).scalars())
            whole = [log for log in logs if reads_whole(who.role, log)]
            of_logs = select(col(StreamStateRow.stream)).where(
                col(StreamStateRow.stream).in_(named), col(StreamStateRow.log).in_(whole)
            )
            mine = select(col(MembershipRow.stream)).where(
                col(MembershipRow.log) == who.branch, col(MembershipRow.person) == who.person,
                col(MembershipRow.stream).in_(named), col(MembershipRow.until_pos).is_(None),
            )  # fmt: skip
            return any(conn.execute(query.limit(1)).first() is not None for query in (of_logs, mine))


def arrived(db: Database, conn: Connection, sha256: str) -> bool:
    """The content is in the storage: from now on it is served, and asked of nobody. False where it was erased meanwhile."""
    db.run(conn, "UPDATE files SET state = ? WHERE sha256 = ? AND state <> ?", (HERE, sha256, ERASED))
    db.run(conn, "DELETE FROM awaited_files WHERE sha256 = ?", (sha256,))
    return not db.rows(conn, "SELECT 1 FROM files WHERE sha256 = ? AND state = ?", (sha256, ERASED))


def part_count(size: int) -> int:
    """Parts of a file; an empty one has none."""
    return -(-size // PART_BYTES)


def _piece(header: str, part: int, whole: int, size: int) -> tuple[int, int]:
    """Where a piece begins and ends in its part, of a Content-Range counted in the file (RFC 9110, section 14.4).

    Raises:
        Refused: `wrong-part`.
    """
    found = _CONTENT_RANGE.match(header.strip())
    first, last, total = (int(found[1]), int(found[2]), int(found[3])) if found else (0, -1, -1)
    start, end = first - part * PART_BYTES, last + 1 - part * PART_BYTES
    if total != size or not 0 <= start < end <= whole:
        raise Refused(400, "wrong-part", "The bytes announced do not lie in this part of this file.")
    return start, end


def stretch_of(header: str, size: int) -> Stretch:
    """The one range of a Range header (RFC 9110, section 14); several ranges or other units mean the whole.

    Raises:
        Refused: `wrong-range` (416).
    """
    found = _RANGE.match(header.replace(" ", "").lower())
    if not found or not (found[1] or found[2]):
        return Stretch(0, size, size, False)
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
        if found[2] and int(found[2]) < start:
            return Stretch(0, size, size, False)
    else:
        start, end = max(0, size - int(found[2])), size - 1
    if start > end:
        raise Refused(416, "wrong-range", f"The file has {size:,} bytes.")
    return Stretch(start, end - start + 1, size, True)


def _unknown() -> Refused:
    hint = "It is known once the entry that names it has arrived."
    return Refused(404, "file-unknown", "No file of this name is known here.", hint)


def _full() -> Refused:
    hint = "Facts are still taken; the file is tried again later."
    return Refused(507, "storage-full", "The server has no room for files.", hint, retry_after=300)
