"""What a server does by the clock."""

from __future__ import annotations

from fieldapp.domain.entry_types import lifecycle
from fieldapp.server.services import ServerServices
from fieldapp.server.upkeep import Upkeep
from fieldapp.sync.protocol import StreamRemoved
from tests.server.conftest import Clock
from tests.server.office import LOG, Office
from tests.server.test_feed import Reader

DAY_MS = 86_400_000


def test_a_job_that_was_closed_long_ago_leaves_the_devices(office: Office, services: ServerServices, clock: Clock) -> None:
    closed, open_ = office.job(1, "tech-1"), office.job(2, "tech-1")
    office.record(closed, lifecycle.JobCancelled("sold"))
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    upkeep = Upkeep(services)
    told: list[object] = []
    services.hints.relay = told.append
    clock.now += 89 * DAY_MS
    upkeep.round()
    assert (reader.pull().removed, told) == ((), [])
    clock.now += 2 * DAY_MS
    upkeep.round()
    assert [*told[0]] == [LOG]  # type: ignore[misc]
    assert reader.pull().removed == (StreamRemoved(LOG, closed),)
    upkeep.round()
    assert len(told) == 1
    assert reader.pull().removed == ()
    assert {entry.envelope.stream for entry in reader.rows.values()} >= {closed, open_}
