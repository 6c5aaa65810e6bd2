"""What `fieldapp outbox` says of own work: how far a verified backup goes."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from fieldapp.store.tables import DeviceEpochRow
from tests.commands.runs import Device
from tests.commands.test_shapes import documented
from tests.commands.work import JOB
from tests.live_server import LiveServer


def test_how_far_a_verified_backup_goes_is_said(server: LiveServer, technician: Device) -> None:
    assert technician("outbox", "--json").json["backed_up"] == {"entries": 0, "of": 0}
    assert "backup" not in technician("outbox").good().out
    for text in ("one", "two", "three"):
        technician("note", JOB, text).good()
    technician("sync").good()
    assert "In a verified backup  0 of 3 entries; the others are kept here" in technician("outbox").good().out
    mine = col(DeviceEpochRow.seq) == 3
    with server.services.db.write() as conn:
        conn.execute(update(DeviceEpochRow).where(mine).values(safe_seq=2))
    technician("sync").good()
    assert documented("outbox", technician("outbox", "--json", "--all").json)["backed_up"] == {"entries": 2, "of": 3}
    with server.services.db.write() as conn:
        conn.execute(update(DeviceEpochRow).where(mine).values(safe_seq=3))
    technician("sync").good()
    assert "In a verified backup  3 of 3 entries\n" in technician("outbox").good().out
