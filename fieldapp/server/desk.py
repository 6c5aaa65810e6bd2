"""What only the server knows of what is not as it should be: bytes in quarantine, devices not heard from, files missing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from fieldapp.domain.entry_types.reference import PersonRecorded
from fieldapp.domain.roles import OFFICE
from fieldapp.server.answers import Refused
from fieldapp.server.file_storage import FileStorage
from fieldapp.server.files import WANTED, part_count
from fieldapp.server.reach import ORG, Session, readable_logs, reads_whole
from fieldapp.store.database import Database
from fieldapp.store.deciding import bytes_in_quarantine
from fieldapp.store.tables import (
    DeviceRow,
    DocumentRow,
    FileRow,
    LogHeadRow,
    QuarantineRow,
    StreamStateRow,
    table_of,
)
from fieldapp.sync.protocol import DESK_ROWS, AsideBytes, DeskAnswer, KnownDevice, MissingFile

TEXT = 2000
"""Characters shown of bytes in quarantine."""

_person = msgspec.json.Decoder(PersonRecorded)


class Desk:
    """Reads only; what is decided comes as entries of the office."""

    def __init__(self, db: Database, clock: Callable[[], int], storage: FileStorage) -> None:
        self._db, self._clock, self._storage = db, clock, storage

    def answer(self, who: Session) -> DeskAnswer:
        """What concerns the branches whose logs this person reads whole.

        Raises:
            Refused: `not-your-role` (403) for who is not of the office.
        """
        if who.role not in OFFICE:
            raise Refused(403, "not-your-role", "The desk belongs to the office.")
        with self._db.read() as conn:
            known = conn.execute(select(col(LogHeadRow.log))).scalars()
            logs = [log for log in readable_logs(who.role, who.branch, known) if reads_whole(who.role, log)]
            return DeskAnswer(self._clock(), self._aside(conn, logs), self._devices(conn, logs), self._files(conn, logs))

    def _aside(self, conn: Connection, logs: list[str]) -> tuple[AsideBytes, ...]:
        query = (
            select(col(QuarantineRow.id), col(QuarantineRow.log))
            .where(col(QuarantineRow.log).in_(logs), col(QuarantineRow.decided) == "")
            .order_by(col(QuarantineRow.received_at), col(QuarantineRow.id))
            .limit(DESK_ROWS)
        )
        found = []
        for key, log in conn.execute(query).all():
            item = bytes_in_quarantine(conn, log, key)
            if item is not None and not item.said:
                text = item.raw[: 4 * TEXT].decode("utf-8", "replace")[:TEXT]
                found.append(
                    AsideBytes(
                        key, log, item.device, item.person, item.reason, item.received_at, len(item.raw), text,
                        item.why if item.entry is None or item.why else "",
                    )
                )  # fmt: skip
        return tuple(found)

    def _devices(self, conn: Connection, logs: list[str]) -> tuple[KnownDevice, ...]:
        people = select(col(DocumentRow.body)).where(col(DocumentRow.type) == PersonRecorded.NAME)
        here = {
            person.id for raw in conn.execute(people).scalars() if (person := _person.decode(raw).person).branch in logs
        }  # fmt: skip
        rows = conn.execute(select(table_of(DeviceRow)).where(col(DeviceRow.revoked_at).is_(None))).all()
        mine = [row for row in rows if row.person in here]
        mine.sort(key=lambda row: (row.last_seen or 0, row.code))
        return tuple(
            KnownDevice(row.id, row.code, row.person, row.name, row.enrolled_at, row.last_seen, row.app_version)
            for row in mine[:DESK_ROWS]
        )

    def _files(self, conn: Connection, logs: list[str]) -> tuple[MissingFile, ...]:
        query = (
            select(col(FileRow.sha256), col(FileRow.name), col(FileRow.size), col(FileRow.job))
            .join(StreamStateRow, col(StreamStateRow.stream) == col(FileRow.job))
            .where(col(FileRow.state) == WANTED, col(StreamStateRow.log).in_(log for log in logs if log != ORG))
            .order_by(col(FileRow.job), col(FileRow.name), col(FileRow.sha256))
            .limit(DESK_ROWS)
        )
        return tuple(
            MissingFile(sha256, name, size, stream, len(list(self._storage.parts(sha256))), part_count(size))
            for sha256, name, size, stream in conn.execute(query).all()
        )
