"""The whole way over real HTTP on loopback: real server, real homes, real files."""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path

import msgspec
import pytest

from fieldapp.bootstrap import DeviceServices, reading
from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types.lifecycle import JobAssigned
from fieldapp.domain.entry_types.steps import FileAttached
from fieldapp.domain.problem import Problem
from fieldapp.server.backup import backup
from fieldapp.server.restore import restore
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.store.verify import verify_device
from fieldapp.sync import runner
from fieldapp.sync.asked import keep_desk
from fieldapp.sync.enrol import enrol
from fieldapp.sync.once import sync_loop, sync_once, transport_for
from fieldapp.sync.protocol import PART_BYTES, DeskAnswer
from fieldapp.sync.status import SyncStatus
from tests.live_server import LiveServer, live_server, serving  # noqa: F401
from tests.sync.homes import LOG, SETTINGS, device_of, new_job, note


def test_what_is_recorded_arrives_once_and_is_settled(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        saved = device.replica.append([new_job("1"), note("1"), note("1", "x" * 5000)])
        report = sync_once(device, SETTINGS)
        assert (report.online, report.sent, report.problem) == (True, 3, None)
        counts = device.replica.counts()
        assert (counts.unsent, counts.received, counts.settled) == (0, 0, 3)
        again = sync_once(device, SETTINGS)
        assert (again.online, again.sent, again.received, again.problem) == (True, 0, 0, None)
        assert int(device.replica.setting("skew_ms") or 99_999) < 5_000
    with device_of(live_server, "super", tmp_path / "b") as office:
        report = sync_once(office, SETTINGS)
        assert report.problem is None
        with office.database.read() as conn:
            ids = [row[0] for row in conn.exec_driver_sql("SELECT entry_id FROM log_rows WHERE log = 'north' ORDER BY pos")]
        assert ids == list(saved.entries)


def test_a_stopped_server_loses_nothing(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        live_server.stop()
        device.replica.append([new_job("1")])
        report = sync_once(device, SETTINGS)
        assert not report.online
        assert report.problem is not None
        assert "not running" in report.problem
        assert device.replica.counts().unsent == 1
        live_server.start()
        assert sync_once(device, SETTINGS).problem is None
        assert device.replica.counts().settled == 1


def test_a_large_file_goes_in_parts_after_its_fact(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    data = bytes(range(256)) * (PART_BYTES // 256 * 2) + b"the rest"
    name = hashlib.sha256(data).hexdigest()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.home.files.mkdir(exist_ok=True)
        (device.home.files / name).write_bytes(data)
        file = FileRef(name, len(data), "photo.bin")
        body = FileAttached(name, len(data), "photo.bin", step="p/s1")
        device.replica.append([new_job("1")])
        device.replica.append([Draft(LOG, "job:1", body, files=(file,))])
        report = sync_once(device, SETTINGS)
        assert report.problem is None
        assert device.replica.counts().files_waiting == 0
        assert live_server.services.files.state(name).complete


def with_photo(device: DeviceServices, data: bytes, job: str = "1") -> str:
    """A photo recorded on a job; its hash."""
    name = hashlib.sha256(data).hexdigest()
    device.home.files.mkdir(exist_ok=True)
    (device.home.files / name).write_bytes(data)
    body = FileAttached(name, len(data), "photo.bin", step="p/s1")
    device.replica.append([Draft(LOG, f"job:{job}", body, files=(FileRef(name, len(data), "photo.bin"),))])
    return name


def test_a_lost_database_does_not_forget_a_photo_that_is_only_here(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1"), Draft(LOG, "job:1", JobAssigned("tech-1"))])
        name = with_photo(device, b"a leaking valve")
        transport = transport_for(device, SETTINGS)
        assert runner.sync_once(device.replica, transport).problem is None  # facts alone: the way broke off before the photo
        transport.close()
        assert device.replica.counts().files_waiting == 1
    shutil.rmtree(tmp_path / "a" / "data")
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        assert sync_once(device, SETTINGS).problem is None
        assert live_server.services.files.state(name).complete
        assert device.replica.counts().files_waiting == 0


def test_a_server_without_room_for_files_takes_facts_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    with serving(tmp_path / "server", reserve_bytes=1 << 60) as full:
        facts_go_though_files_find_no_room(full, tmp_path)


def facts_go_though_files_find_no_room(full: LiveServer, tmp_path: Path) -> None:
    full.people()
    with device_of(full, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1")])
        with_photo(device, b"no room")
        report = sync_once(device, SETTINGS)
        assert report.problem is not None
        assert "no room for files" in report.problem
        assert (device.replica.counts().unsent, device.replica.counts().files_waiting) == (0, 1)


def test_a_restored_server_gets_the_photos_that_came_after_the_backup(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    settings = live_server.settings
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1")])
        assert sync_once(device, SETTINGS).problem is None
        backup(settings.database_url, settings.files_dir, tmp_path / "backup.zip")
        name = with_photo(device, b"after the backup")
        assert sync_once(device, SETTINGS).problem is None
        live_server.stop()
        shutil.rmtree(settings.files_dir)
        restore(tmp_path / "backup.zip", settings.database_url, settings.files_dir, replace=True)
        live_server.start()
        assert sync_once(device, SETTINGS).problem is None
        assert live_server.services.files.state(name).complete
        assert device.replica.counts().files_waiting == 0


def test_a_device_enrolled_after_the_backup_is_enrolled_again(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    settings, folder = live_server.settings, tmp_path / "a"
    backup(settings.database_url, settings.files_dir, tmp_path / "backup.zip")
    with device_of(live_server, "tech-1", folder) as device:
        sent = device.replica.append([new_job("1"), note("1", "sent")])
        assert sync_once(device, SETTINGS).problem is None
    live_server.stop()
    restore(tmp_path / "backup.zip", settings.database_url, settings.files_dir, replace=True)
    live_server.start()
    with device_of(live_server, "tech-1", folder) as device:
        unsent = device.replica.append([note("1", "unsent")])
        assert sync_once(device, SETTINGS).connection == "other_server"
    code = live_server.services.accounts.issue_code("tech-1").code
    enrol(live_server.url, code, Home(folder), device_name="laptop", again=True)
    with device_of(live_server, "tech-1", folder) as device:
        assert sync_once(device, SETTINGS).problem is None
        counts = device.replica.counts()
        assert (counts.unsent, counts.received, counts.settled) == (0, 0, 3)
        assert verify_device(device.database, "technician", files=device.home.files, journal=device.journal) == ()
    with live_server.services.db.read() as conn:
        rows = conn.exec_driver_sql(
            "SELECT entry_id, outcome FROM log_rows WHERE log = 'north' AND kind = 'entry' ORDER BY pos"
        ).all()
    assert [tuple(row) for row in rows] == [(name, "applied") for name in (*sent.entries, *unsent.entries)]


def test_a_revoked_device_hands_over_and_stops(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        sync_once(device, SETTINGS)
        live_server.services.accounts.revoke(device.identity.device)
        device.replica.append([new_job("1"), note("1")])
        report = sync_once(device, SETTINGS)
        assert report.connection == "revoked"
        assert report.problem is not None
        assert "revoked" in report.problem
        assert device.replica.counts().refused == 2
        with live_server.services.db.read() as conn:
            assert conn.exec_driver_sql("SELECT count(*) FROM quarantine").scalar() == 2


def test_the_loop_sends_by_itself_and_hears_hints(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    settled, heard = threading.Event(), threading.Event()
    with device_of(live_server, "tech-1", tmp_path / "a") as first, device_of(live_server, "super", tmp_path / "b") as second:

        def first_says(status: SyncStatus) -> None:
            if first.replica.counts().settled == 1:
                settled.set()

        def second_says(status: SyncStatus) -> None:
            if "job:1" in status.streams:
                heard.set()

        one = sync_loop(first, SETTINGS, first_says)
        two = sync_loop(second, SETTINGS, second_says)
        try:
            first.replica.append([new_job("1")])
            one.hurry("saved")
            assert settled.wait(20)
            assert heard.wait(20)
            assert one.status.connection == two.status.connection == "online"
        finally:
            one.stop()
            two.stop()


def test_a_revoked_device_is_sealed_once_everything_was_handed_over(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    folder = tmp_path / "a"
    with device_of(live_server, "tech-1", folder) as device:
        device.replica.append([new_job("1")])
        assert sync_once(device, SETTINGS).problem is None
        live_server.services.accounts.revoke(device.identity.device)
        photo = with_photo(device, b"the last photo")
        device.replica.append([note("1", "the last words")])
        report = sync_once(device, SETTINGS)
        assert report.problem is not None
        assert "was revoked by the office" in report.problem
        with pytest.raises(Problem, match="was revoked by the office"):
            device.replica.append([note("1", "too late")])
    assert b"".join(live_server.services.storage.read(photo, 0, 1000)) == b"the last photo"
    with live_server.services.db.read() as conn:
        handed = b"".join(row[0] for row in conn.exec_driver_sql("SELECT raw FROM quarantine"))
    assert b"the last words" in handed
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert all(b"Found on site" not in path.read_bytes() for path in left)
    assert {path.name for path in left} <= {"device.json", "enrolling.json", "lock"}
    with pytest.raises(Problem) as refused, device_of(live_server, "tech-1", folder):
        pytest.fail("a sealed home was opened")
    assert refused.value.code == "device-sealed"
    code = live_server.services.accounts.issue_code("tech-1").code
    enrol(live_server.url, code, Home(folder), device_name="laptop", again=True)
    with device_of(live_server, "tech-1", folder) as device:
        assert sync_once(device, SETTINGS).problem is None


def test_a_revoked_device_is_not_sealed_while_something_is_only_there(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    folder = tmp_path / "a"
    with device_of(live_server, "tech-1", folder) as device:
        sync_once(device, SETTINGS)
        live_server.services.accounts.revoke(device.identity.device)
        photo = with_photo(device, b"a photo")
        assert not device.seal(), "an entry is unsent"
        transport = transport_for(device, SETTINGS)
        assert "revoked" in (runner.sync_once(device.replica, transport, seal=device.seal).problem or "")  # facts alone
        transport.close()
        assert device.replica.counts().unsent == 0
        assert not device.seal(), "the photo is only here"
    assert (folder / "files" / photo).exists()
    with device_of(live_server, "tech-1", folder) as device:
        assert "was revoked by the office" in (sync_once(device, SETTINGS).problem or "")
    assert not (folder / "files" / photo).exists()
    assert live_server.services.files.state(photo).complete


def test_what_a_crash_left_of_a_sealed_device_goes_at_the_next_look(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    folder = tmp_path / "a"
    with device_of(live_server, "tech-1", folder) as device:
        device.replica.append([new_job("1")])
        sync_once(device, SETTINGS)
        identity = device.identity
    home = Home(folder)
    home.save_identity(msgspec.structs.replace(identity, sealed=True))
    assert home.database_file.exists()
    keep_desk(home, DeskAnswer(1))
    (folder / "desk photos").mkdir()
    with pytest.raises(Problem, match="was revoked by the office"), reading(str(folder)):
        pytest.fail("a sealed home was read")
    assert not home.database_file.exists()
    assert not home.desk_file.exists(), "it shows bytes in quarantine"
    assert (folder / "desk photos").exists(), "what is not ours stays"
    assert list(home.journal_file.parent.iterdir()) == []
