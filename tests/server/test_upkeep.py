"""What a server does by the clock."""

from __future__ import annotations

import hashlib

import pytest

from fieldapp.domain.entry import Envelope, FileRef, Moment, encode, write_entry
from fieldapp.domain.entry_types import lifecycle
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.server.services import ServerServices
from fieldapp.server.upkeep import Upkeep
from fieldapp.sync.protocol import StreamRemoved
from tests.server.conftest import Clock
from tests.server.office import LOG, Office, entry_of
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


def with_photos(office: Office, services: ServerServices, count: int) -> tuple[Reader, list[str]]:
    """A device whose photos have arrived; their hashes."""
    stream, names = office.job(1, "tech-1"), []
    who = office.enrol("tech-1")
    for number in range(count):
        photo = b"photo %d" % number
        names.append(hashlib.sha256(photo).hexdigest())
        named = FileRef(names[-1], len(photo), "a.jpg", "image/jpeg")
        office.push(who, entry_of(who, stream, NoteAdded(f"note {number}"), files=(named,)))
        services.files.put_part(names[-1], "0", photo)
        services.files.complete(names[-1])
    reader = Reader(office, who)
    reader.drain()
    return reader, names


def test_a_file_that_the_storage_lost_is_asked_of_the_device_that_recorded_it(
    office: Office, services: ServerServices, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    reader, names = with_photos(office, services, 3)
    upkeep = Upkeep(services)
    upkeep.round()
    assert reader.pull().wanted == ()
    services.storage.path(names[1]).unlink()  # type: ignore[attr-defined]
    upkeep.round()
    assert reader.pull().wanted == (), "it was looked today already"
    clock.now += DAY_MS
    upkeep.round()
    assert reader.pull().wanted == (names[1],)
    assert Reader(office, office.enrol("tech-2")).pull().wanted == (), "it is asked of nobody else"
    assert names[1] in caplog.text
    assert [missing.missing for missing in services.files.missing()] == [("a.jpg",)]
    services.files.put_part(names[1], "0", b"photo 1")
    services.files.complete(names[1])
    assert reader.pull().wanted == ()


def test_a_lost_file_that_somebody_put_back_is_here(office: Office, services: ServerServices, clock: Clock) -> None:
    reader, names = with_photos(office, services, 2)
    lying = services.storage.path(names[0])  # type: ignore[attr-defined]
    content = lying.read_bytes()
    lying.unlink()
    Upkeep(services).round()
    assert reader.pull().wanted == (names[0],)
    lying.write_bytes(content)
    clock.now += DAY_MS
    Upkeep(services).round()
    assert reader.pull().wanted == ()
    assert services.files.missing() == []
    assert services.files.state(names[0]).complete


def test_a_file_is_asked_of_whoever_was_enrolled_again(office: Office, services: ServerServices) -> None:
    _, names = with_photos(office, services, 1)
    services.storage.path(names[0]).unlink()  # type: ignore[attr-defined]
    Upkeep(services).round()
    assert Reader(office, office.enrol("tech-1")).pull().wanted == (names[0],)


def test_a_storage_that_is_away_loses_nothing(office: Office, services: ServerServices, caplog: pytest.LogCaptureFixture) -> None:
    reader, names = with_photos(office, services, 8)
    for name in names[:6]:
        services.storage.path(name).unlink()  # type: ignore[attr-defined]
    with pytest.raises(Problem) as caught:
        Upkeep(services).round()
    assert caught.value.code == "storage-doubted"
    assert reader.pull().wanted == ()
