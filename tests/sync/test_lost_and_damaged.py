"""Databases that are lost or damaged, and servers that are not the one they were: named, and nothing that was recorded is lost."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fieldapp.bootstrap import DeviceServices, put_damaged_aside, writing
from fieldapp.domain.entry_types.lifecycle import JobAssigned
from fieldapp.server.settings import ServerSettings
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.store.verify import verify_device, verify_server
from fieldapp.sync.enrol import enrol
from fieldapp.sync.once import sync_loop, sync_once
from fieldapp.sync.status import SyncStatus
from tests.live_server import LiveServer, live_server  # noqa: F401
from tests.sync.homes import LOG, SETTINGS, device_of, new_job, note
from tests.sync.test_live import with_photo


def worked(server: LiveServer, folder: Path) -> list[str]:
    """A device with received and unsent work, and a draft. Returns everything it recorded."""
    server.people()
    with device_of(server, "tech-1", folder) as device:
        ids = device.replica.append([new_job("1"), Draft(LOG, "job:1", JobAssigned("tech-1"))]).entries
        assert sync_once(device, SETTINGS).problem is None
        ids += device.replica.append([note("1", "unsent")]).entries
        device.drafts.save("job:1", "p/s1", 1, "half a sent", 5)
    return list(ids)


def damage(database: Path, how: str) -> None:
    raw = bytearray(database.read_bytes())
    match how:
        case "no database any more":
            raw[:] = b"\x00" * len(raw)
        case "cut in its middle":
            del raw[len(raw) // 2 :]
        case "its header":
            raw[:100] = b"\xff" * 100
        case "its tables":
            raw[100:4096] = b"\xff" * 3996
    database.write_bytes(raw)
    for name in ("-wal", "-shm"):
        Path(f"{database}{name}").unlink(missing_ok=True)


def whole(device: DeviceServices) -> bool:
    found = verify_device(device.database, device.identity.role, files=device.home.files, journal=device.journal)
    assert found == ()
    return True


def arrived(server: LiveServer) -> list[str]:
    with server.services.db.read() as conn:
        query = "SELECT entry_id FROM log_rows WHERE log = 'north' AND kind = 'entry' ORDER BY pos"
        return list(conn.exec_driver_sql(query).scalars())


@pytest.mark.parametrize("how", ["no database any more", "cut in its middle", "its header", "its tables"])
def test_a_damaged_database_is_put_aside_and_made_anew(live_server: LiveServer, tmp_path: Path, how: str) -> None:  # noqa: F811
    ids = worked(live_server, tmp_path / "a")
    home = Home(tmp_path / "a")
    damage(home.database_file, how)
    before = home.database_file.read_bytes()
    with device_of(live_server, "tech-1", home.path) as device:
        (notice,) = device.notices
        assert "could not be read and lies at" in notice.message
        (aside,) = home.database_file.parent.glob("damaged-*.db")
        assert str(aside) in notice.message
        assert aside.read_bytes() == before
        assert device.started.recovered == 3, "unsent from the journal, received from what is kept"
        assert sync_once(device, SETTINGS).problem is None
        counts = device.replica.counts()
        assert (counts.unsent, counts.settled) == (0, 3)
        assert whole(device)
    assert sorted(arrived(live_server)) == sorted(ids)
    with device_of(live_server, "tech-1", home.path) as device:
        assert device.notices == ()


@pytest.mark.parametrize(
    "flipped",
    [
        "UPDATE own_entries SET entry_id = 'x' || substr(entry_id, 2) WHERE lane = 'unsent'",
        "UPDATE own_entries SET epoch = 'x' || substr(epoch, 2) WHERE lane = 'unsent'",
        "UPDATE own_entries SET stream = CAST(x'6a6f62ba31' AS TEXT) WHERE lane = 'unsent'",
        "UPDATE epochs SET log = CAST(x'6efff2746800' AS TEXT)",
        "UPDATE settings SET value = CAST(x'ff00' AS TEXT)",
    ],
)
def test_one_flipped_bit_hides_no_unsent_work(live_server: LiveServer, tmp_path: Path, flipped: str) -> None:  # noqa: F811
    ids = worked(live_server, tmp_path / "a")
    home = Home(tmp_path / "a")
    with closing(sqlite3.connect(home.database_file)) as connection:
        connection.execute(flipped)
        connection.commit()
    with device_of(live_server, "tech-1", home.path) as device:
        report = sync_once(device, SETTINGS)
    with device_of(live_server, "tech-1", home.path) as device:
        report = sync_once(device, SETTINGS)
        assert report.problem is None
        assert device.replica.counts().unsent == 0
        assert whole(device)
    assert sorted(arrived(live_server)) == sorted(ids)


def test_a_missing_database_is_named(live_server: LiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    worked(live_server, tmp_path / "a")
    Home(tmp_path / "a").database_file.unlink()
    with writing("test", str(tmp_path / "a")) as device:
        assert device.replica.counts().unsent == 3
    assert "The database was missing; a new one was made and 3 entries" in capsys.readouterr().err
    with device_of(live_server, "tech-2", tmp_path / "new") as device:
        assert device.notices == (), "a new home misses nothing"


def test_what_only_the_damaged_database_had_is_saved_from_it(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    """The journal is gone as well, but the pages with unsent entries and drafts can still be read."""
    ids = worked(live_server, tmp_path / "a")
    home = Home(tmp_path / "a")
    home.journal_file.write_bytes(b"")
    with closing(sqlite3.connect(home.database_file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'stream_states'").fetchone()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    raw = bytearray(home.database_file.read_bytes())
    raw[(page - 1) * size : page * size] = b"\xff" * size
    home.database_file.write_bytes(raw)
    with device_of(live_server, "tech-1", home.path) as device:
        assert device.made_anew is not None
        assert device.replica.counts().unsent == 3
        assert device.drafts.load("job:1", "p/s1", 1) == "half a sent"
        assert sync_once(device, SETTINGS).problem is None
    assert sorted(arrived(live_server)) == sorted(ids)


def test_repair_reads_every_page(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    """Damage that no start comes across is found by asking for it."""
    ids = worked(live_server, tmp_path / "a")
    home = Home(tmp_path / "a")
    assert put_damaged_aside(str(home.path)) is None
    with closing(sqlite3.connect(home.database_file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log_rows'").fetchone()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    raw = bytearray(home.database_file.read_bytes())
    raw[(page - 1) * size : page * size] = b"\xff" * size
    home.database_file.write_bytes(raw)
    aside = put_damaged_aside(str(home.path))
    assert aside is not None
    assert aside.exists()
    with device_of(live_server, "tech-1", home.path) as device:
        assert device.drafts.load("job:1", "p/s1", 1) == "half a sent"
        assert sync_once(device, SETTINGS).problem is None
        assert whole(device)
    assert sorted(arrived(live_server)) == sorted(ids)
    assert verify_server(live_server.services.db) == ()


# --- Another server at the same address -------------------------------------------------------------------------------------------


def content(device: DeviceServices) -> dict[str, list[tuple[object, ...]]]:
    """What the person has on this device: entries, own places, jobs, files, drafts, and what lies in its folders."""
    tables = ("entries", "own_entries", "jobs", "files", "drafts", "log_rows", "stream_states")
    with device.database.read() as conn:
        found = {name: [tuple(row) for row in conn.exec_driver_sql(f"SELECT * FROM {name}")] for name in tables}
    folders = (device.home.files, device.home.journal_file.parent)
    return found | {"disk": [(path.name, path.read_bytes()) for folder in folders for path in sorted(folder.iterdir())]}


@contextmanager
def instead_of(server: LiveServer, folder: Path) -> Iterator[LiveServer]:
    """Another server at the address of one that is stopped."""
    server.stop()
    other = LiveServer(ServerSettings(home=folder, port=0, reserve_bytes=0))
    other.port = server.port
    with other:
        assert other.url == server.url
        yield other
    server.start()


@pytest.mark.parametrize("kind", ["empty", "foreign"])
def test_another_server_at_the_address_changes_nothing_here(live_server: LiveServer, tmp_path: Path, kind: str) -> None:  # noqa: F811
    ids = worked(live_server, tmp_path / "a")
    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        name = with_photo(device, b"a photo")
        before = content(device)
        with instead_of(live_server, tmp_path / "other") as other:
            if kind == "foreign":
                other.people("south")
                other.enrol("tech-1")
            for _ in range(2):
                report = sync_once(device, SETTINGS)
                assert report.connection == "other_server"
                said = report.problem or ""
                assert "The server does not know this device." in said, "what happened"
                assert "Everything is saved here" in said, "what is safe"
                assert "ask the office for a new code" in said, "what to do"
                assert content(device) == before
            with other.services.db.read() as conn:
                assert conn.exec_driver_sql("SELECT count(*) FROM entries WHERE type = 'note.added'").scalar() == 0
                assert conn.exec_driver_sql("SELECT count(*) FROM quarantine").scalar() == 0
        assert sync_once(device, SETTINGS).problem is None, "the right one is back"
        assert live_server.services.files.state(name).complete
        assert device.replica.counts().safe_to_leave
    assert sorted(arrived(live_server)[:-1]) == sorted(ids)


def test_the_loop_waits_for_the_right_server_and_goes_on(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    worked(live_server, tmp_path / "a")
    told, back = threading.Event(), threading.Event()

    def publish(status: SyncStatus) -> None:
        if status.connection == "other_server":
            told.set()
        elif status.connection == "online" and device.replica.counts().unsent == 0:
            back.set()

    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        with instead_of(live_server, tmp_path / "other"):
            loop = sync_loop(device, SETTINGS, publish)
            assert told.wait(20)
            assert device.replica.counts().unsent == 1
        try:
            loop.hurry("asked")
            assert back.wait(20)
        finally:
            loop.stop()


def test_enrolled_at_the_new_server_everything_recorded_is_offered_to_it(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    """The old server is gone for good; the office begins anew."""
    ids = worked(live_server, tmp_path / "a")
    home = Home(tmp_path / "a")
    with device_of(live_server, "tech-1", home.path) as device:
        name = with_photo(device, b"a photo")
        assert sync_once(device, SETTINGS).problem is None
    with instead_of(live_server, tmp_path / "other") as other:
        other.people()
        code = other.services.accounts.issue_code("tech-1").code
        enrol(other.url, code, home, device_name="laptop", again=True)
        with device_of(other, "tech-1", home.path) as device:
            assert sync_once(device, SETTINGS).problem is None
            counts = device.replica.counts()
            assert (counts.unsent, counts.received, counts.settled) == (0, 0, 4)
            assert whole(device)
        assert sorted(arrived(other)[:-1]) == sorted(ids)
        assert other.services.files.state(name).complete
        assert verify_server(other.services.db) == ()
