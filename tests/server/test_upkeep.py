"""What a server does by the clock."""

from __future__ import annotations

import pytest

from fieldapp.domain.entry import Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types import lifecycle
from fieldapp.server.services import ServerServices
from fieldapp.server.upkeep import Upkeep
from fieldapp.sync.protocol import StreamRemoved
from tests.server.conftest import Clock
from tests.server.office import LOG, Office
from tests.server.test_feed import Reader

DAY_MS, HOUR_MS = 86_400_000, 3_600_000


def test_a_job_that_was_closed_long_ago_leaves_the_devices(office: Office, services: ServerServices, clock: Clock) -> None:
    closed, open_ = office.job(1, "tech-1"), office.job(2, "tech-1")
    office.record(closed, lifecycle.JobCancelled("sold"))
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    upkeep = Upkeep(services)
    told: list[object] = []
    services.hints.relay = told.append
    upkeep.round()
    for _ in range(89):
        clock.now += DAY_MS
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


@pytest.mark.parametrize("days", [365, 91])
def test_a_clock_that_leaps_takes_nothing_away_before_somebody_could_set_it_right(
    office: Office, services: ServerServices, clock: Clock, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    closed = office.job(1, "tech-1")
    office.record(closed, lifecycle.JobCancelled("sold"))
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    Upkeep(services).round()
    right = clock.now
    clock.now += days * DAY_MS
    for _ in range(23):
        Upkeep(services).round()  # also of a process that was started just now
        clock.now += HOUR_MS
    assert reader.pull().removed == ()
    assert "set it right" in caplog.text
    clock.now = right + DAY_MS  # somebody did
    for _ in range(48):
        Upkeep(services).round()
        clock.now += HOUR_MS
    assert reader.pull().removed == ()
    clock.now = right + days * DAY_MS  # now it is so
    for _ in range(25):
        Upkeep(services).round()
        clock.now += HOUR_MS
    assert StreamRemoved(LOG, closed) in reader.pull().removed


@pytest.mark.parametrize("error", [-365 * DAY_MS, 365 * DAY_MS])
def test_the_90_days_are_the_servers(office: Office, services: ServerServices, clock: Clock, error: int) -> None:
    """A clock that is a year off neither takes a job away at once nor keeps it for a year."""
    closed = office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    body = encode(lifecycle.JobCancelled("sold"))
    envelope = Envelope(
        id="0190aaaa-0000-7000-8000-00000000c105", log=LOG, stream=closed, type="job.cancelled", author="super", device="office",
        group="0190aaaa-0000-7000-8000-00000000c106", at=Moment(clock.now + error), body="",
    )  # fmt: skip
    services.replica.record([write_entry(envelope, body)], {"super": "supervisor"})
    clock.now += 89 * DAY_MS
    assert services.replica.let_old_jobs_go() == {}
    assert reader.pull().removed == ()
    clock.now += 2 * DAY_MS
    assert set(services.replica.let_old_jobs_go()) == {LOG}
    assert StreamRemoved(LOG, closed) in reader.pull().removed
