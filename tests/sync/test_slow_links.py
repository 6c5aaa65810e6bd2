"""Files over real links that are slow, change, break off or die, while facts keep flowing."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types.steps import FileAttached
from fieldapp.store.queries.own import job_files
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft
from fieldapp.sync import messages as m
from fieldapp.sync import runner
from fieldapp.sync.file_lane import PIECE_LEAST
from fieldapp.sync.loop import SyncLoop
from fieldapp.sync.once import transport_for
from fieldapp.sync.protocol import PART_BYTES
from fieldapp.sync.status import SyncStatus
from fieldapp.sync.transport import Timeouts, Transport
from tests.commands.runs import Commands
from tests.live_server import LiveServer, live_server  # noqa: F401
from tests.sync.homes import LOG, SETTINGS, device_of, new_job, note
from tests.sync.link import link_to

T = TypeVar("T")
PATIENT = Timeouts(connect=5, read=10, total=30, piece=5)


def content(size: int) -> bytes:
    """Bytes that no part repeats and nothing compresses."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))[:size]


def attach(device: DeviceServices, data: bytes, name: str = "film.mp4", *, job: str = "1") -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    device.home.files.mkdir(exist_ok=True)
    (device.home.files / sha256).write_bytes(data)
    body = FileAttached(sha256, len(data), name, step="p/s1")
    device.replica.append([Draft(LOG, f"job:{job}", body, files=(FileRef(sha256, len(data), name),))])
    return sha256


class Watched(Transport):
    """The real transport, which remembers what it was asked."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.asked: list[m.Request] = []

    def ask(self, request: m.Request) -> m.Answer:
        answer = super().ask(request)
        self.asked.append(request)
        return answer


def watched(device: DeviceServices, url: str, timeouts: Timeouts = PATIENT) -> Watched:
    replica = device.replica
    return Watched(
        url, device=replica.identity.device, secret=replica.identity.secret, token=lambda: replica.setting("token") or "",
        timeouts=timeouts,
    )  # fmt: skip


class Waiting:
    """Wakes whoever waits whenever the loop says that something changed."""

    def __init__(self) -> None:
        self._moved = threading.Condition()

    def __call__(self, status: SyncStatus) -> None:
        with self._moved:
            self._moved.notify_all()

    def until(self, is_so: Callable[[], T], seconds: float) -> T:
        end = time.monotonic() + seconds
        with self._moved:
            while not (found := is_so()):
                assert time.monotonic() < end, "it did not come in time"
                self._moved.wait(0.1)
        return found


@contextmanager
def syncing(device: DeviceServices, transport: Transport) -> Iterator[tuple[SyncLoop, Waiting]]:
    waiting = Waiting()
    loop = SyncLoop(device.replica, lambda: transport, files=device.home.files, app_version="1", publish=waiting)
    loop.start()
    try:
        yield loop, waiting
    finally:
        loop.stop(10)


def test_a_large_film_crosses_a_link_from_2_kb_to_20_mb_a_second_while_facts_flow(
    live_server: LiveServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    live_server.people()
    data = content(6_000_000)
    with device_of(live_server, "tech-1", tmp_path / "a") as device, link_to(live_server.port) as link:
        device.replica.append([new_job("1")])
        sha256 = attach(device, data)
        transport = watched(device, link.url)
        with syncing(device, transport) as (loop, waiting):
            waiting.until(lambda: device.replica.counts().settled == 2, 20)
            for rate in (2_000, 20_000, 2_000, 200_000, 20_000_000):
                link.rate = rate
                began, before = len(transport.asked), device.replica.counts().settled
                device.replica.append([note("1", f"at {rate} bytes a second")])
                loop.hurry("saved")
                waiting.until(lambda: device.replica.counts().settled == before + 1, 40)  # noqa: B023
                asked = transport.asked[began:]
                facts = [request for request in asked if isinstance(request, m.AskPush | m.AskPull)]
                assert len(facts) <= 5, asked
                assert len(asked) - len(facts) <= (3 if rate <= 20_000 else 12), asked  # where a piece takes no time, more fit in
            waiting.until(lambda: device.replica.counts().files_waiting == 0, 40)
        assert live_server.services.files.state(sha256).complete
        assert hashlib.sha256(live_server.services.storage.path(sha256).read_bytes()).hexdigest() == sha256
        assert link.up.carried < len(data) * 1.1 + 200_000


@pytest.mark.parametrize("point", [0, 1, 300, 15_000, 16_384, 70_000, 500_000, PART_BYTES - 1, PART_BYTES + 1, 1_700_000])
def test_a_file_goes_on_where_it_broke_off(point: int, live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    """The connection ends, and with it the process that sent, after so many bytes; a new one sends the rest and little more."""
    live_server.people()
    data = content(2 * PART_BYTES + 77)
    with device_of(live_server, "tech-1", tmp_path / "a") as device, link_to(live_server.port) as link:
        device.replica.append([new_job("1")])
        sha256 = attach(device, data)
        transport = transport_for(device, SETTINGS)
        assert runner.sync_once(device.replica, transport).problem is None
        transport.close()
        link.rate = None
        link.cut_after(point)
        transport = watched(device, link.url)
        broken = threading.Thread(target=runner.sync_once, args=(device.replica, transport), kwargs={"files": device.home.files})
        broken.start()
        broken.join(60)
        transport.close()
        if point % 2:  # and the server's process with it
            live_server.stop()
            live_server.start()
        again = watched(device, link.url)
        assert runner.sync_once(device.replica, again, files=device.home.files).problem is None
        again.close()
        assert live_server.services.files.state(sha256).complete
        assert live_server.services.storage.path(sha256).read_bytes() == data
        assert link.up.carried < len(data) + 150_000, "what had come through was sent again"


def test_a_file_is_fetched_over_a_link_that_breaks_and_no_byte_twice(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    data = content(400_000)
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1")])
        sha256 = attach(device, data)
        transport = transport_for(device, SETTINGS)
        assert runner.sync_once(device.replica, transport, files=device.home.files).problem is None
        transport.close()
        (device.home.files / sha256).unlink()
        with device.database.write() as conn:
            conn.exec_driver_sql("UPDATE files SET state = 'wanted'")
        with link_to(live_server.port) as link:
            quick = watched(device, link.url, Timeouts(connect=5, read=5, total=10))
            link.rate = 200_000
            with syncing(device, quick) as (_, waiting):
                waiting.until(lambda: link.down.carried > 100_000, 30)
                link.cut()
                waiting.until(lambda: device.replica.counts().files_waiting == 0 and not device.replica.files_waiting("wanted"), 60)
            fetched = [request for request in quick.asked if isinstance(request, m.FetchPart)]
            assert len(fetched) > 3
            assert link.down.carried < len(data) + 60_000
        assert (device.home.files / sha256).read_bytes() == data


def test_a_link_that_dies_in_the_middle_is_left_and_the_rest_sent_later(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    data = content(300_000)
    with device_of(live_server, "tech-1", tmp_path / "a") as device, link_to(live_server.port) as link:
        device.replica.append([new_job("1")])
        sha256 = attach(device, data)
        impatient = watched(device, link.url, Timeouts(connect=1, read=0.5, total=2, piece=1))
        link.rate = 100_000
        with syncing(device, impatient) as (loop, waiting):
            waiting.until(lambda: link.up.carried > 50_000, 20)
            link.dead = True
            waiting.until(lambda: loop.status.connection == "offline" or loop.status.files, 20)
            link.cut()
            link.dead, link.rate = False, None
            loop.hurry("network")
            waiting.until(lambda: device.replica.counts().files_waiting == 0, 40)
        assert live_server.services.storage.path(sha256).read_bytes() == data


def test_pieces_get_as_small_as_the_link_wants_and_as_large_as_it_allows(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    data = content(1_500_000)
    with device_of(live_server, "tech-1", tmp_path / "a") as device, link_to(live_server.port) as link:
        device.replica.append([new_job("1")])
        attach(device, data)
        transport = watched(device, link.url)
        assert runner.sync_once(device.replica, transport, files=device.home.files).problem is None
        transport.close()
        sent = [request.length for request in transport.asked if isinstance(request, m.SendPart)]
        assert sent[0] == 4 * PIECE_LEAST
        assert max(sent) > 400_000
        assert len(sent) < 10


def test_what_is_missing_is_listed_on_both_sides(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    """Two of three photos arrive; the third has vanished from the device's disk."""
    live_server.people()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1")])
        names = [attach(device, content(1_000 + number), f"photo {number}.jpg") for number in range(3)]
        (device.home.files / names[2]).unlink()
        transport = transport_for(device, SETTINGS)
        report = runner.sync_once(device.replica, transport, files=device.home.files)
        transport.close()
        assert "cannot be read here" in str(report.problem)
        reader = Reader(device.home.database_file)
        (here,) = job_files(reader)
        assert job_files(reader, "job:1") == [here]
        reader.close()
        assert (here.arrived, here.total, here.missing) == (2, 3, ("photo 2.jpg",))
        assert here.words == "2 of 3 files arrived at the server; only here: photo 2.jpg"
        (there,) = live_server.services.files.missing()
        assert (there.stream, there.arrived, there.total, there.missing) == ("job:1", 2, 3, ("photo 2.jpg",))
        assert there.devices == (device.identity.device,)
        admin = Commands("--server-home", str(live_server.settings.home))
        assert admin("admin", "files", "--json").json[0]["devices"] == [device.identity.code]
        assert "2 of 3" in admin("admin", "files").good().out
        attach(device, content(1_002), "photo 2.jpg")
        transport = transport_for(device, SETTINGS)
        assert runner.sync_once(device.replica, transport, files=device.home.files).problem is None
        transport.close()
        assert live_server.services.files.missing() == []
        assert "has arrived" in admin("admin", "files").good().out


def test_the_same_photo_twice_is_sent_once(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    data = content(100_000)
    for person in ("tech-1", "tech-2"):
        with device_of(live_server, person, tmp_path / person) as device, link_to(live_server.port) as link:
            job = "1" if person == "tech-1" else "2"
            device.replica.append([new_job(job)])
            attach(device, data, job=job)
            transport = watched(device, link.url)
            assert runner.sync_once(device.replica, transport, files=device.home.files).problem is None
            transport.close()
            sent = [request for request in transport.asked if isinstance(request, m.SendPart)]
            assert bool(sent) is (person == "tech-1")
