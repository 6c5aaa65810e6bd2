"""Files that the server has not got, though the device has every reason to think so."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from fieldapp.domain.documents import Customer
from fieldapp.domain.entry_types.lifecycle import JobCancelled
from fieldapp.domain.entry_types.reference import CustomerRecorded
from fieldapp.server.backup import backup
from fieldapp.server.erasing import erase_customer
from fieldapp.store.home import Home
from fieldapp.store.tables import DeviceEpochRow
from fieldapp.sync import runner
from fieldapp.sync.once import sync_once, transport_for
from tests.live_server import LiveServer, serving
from tests.server.test_backup import other_disk  # noqa: F401
from tests.store.pens import everything
from tests.sync.homes import LOG, SETTINGS, device_of, note
from tests.sync.test_live import with_photo
from tests.sync.test_scope_changes import Rules, synced


def marks(server: LiveServer) -> list[tuple[int, int]]:
    return [(row["seq"], row["safe_seq"]) for row in everything(server.services.db, DeviceEpochRow)]


def moved(home: Path, url: str) -> None:
    place = Home(home)
    identity = place.identity()
    assert identity is not None
    place.save_identity(msgspec.structs.replace(identity, url=url))


def test_a_server_put_back_to_before_a_photo_came_asks_for_it_though_its_log_is_what_it_was(tmp_path: Path) -> None:
    folder, home = tmp_path / "server", tmp_path / "a"
    with serving(folder) as server:
        server.people()
        Rules(server).job("1")
        with device_of(server, "tech-1", home) as device:
            synced(device)
            name = with_photo(device, b"a leaking valve")
            transport = transport_for(device, SETTINGS)
            assert runner.sync_once(device.replica, transport).problem is None  # facts alone
            transport.close()
    shutil.copytree(folder, tmp_path / "image")
    with serving(folder) as server:
        moved(home, server.url)
        with device_of(server, "tech-1", home) as device:
            synced(device)
            assert server.services.storage.has(name)
            assert device.replica.counts().safe_to_leave
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "image", folder)
    with serving(folder) as server:
        moved(home, server.url)
        with device_of(server, "tech-1", home) as device:
            synced(device)
            assert server.services.storage.has(name)
            assert server.services.files.missing() == []
            assert device.replica.counts().safe_to_leave


def test_what_was_erased_with_one_customer_is_taken_again_for_another(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        server.people()
        rules = Rules(server)
        for customer in ("c-1", "c-2"):
            rules.record(f"customer:{customer}", CustomerRecorded(Customer(customer, {"en": customer}, LOG)))
        rules.job("1")
        rules.job("2", customer="c-2")
        with device_of(server, "tech-1", tmp_path / "a") as device:
            synced(device)
            name = with_photo(device, b"data sheet of the pump", "1")
            synced(device)
            rules.record("job:1", JobCancelled("closed"))
            assert erase_customer(server.services, "c-1").files == 1
            synced(device)
            synced(device)
            assert not server.services.storage.has(name)
            assert not (device.home.files / name).exists()
            with_photo(device, b"data sheet of the pump", "2")
            synced(device)
            assert server.services.storage.has(name)
            assert server.services.files.missing() == []


def test_what_was_erased_keeps_nothing_else_from_being_safe(tmp_path: Path, other_disk: Path) -> None:  # noqa: F811
    with serving(tmp_path / "server") as server:
        server.people()
        rules = Rules(server)
        rules.record("customer:c-1", CustomerRecorded(Customer("c-1", {"en": "c-1"}, LOG)))
        rules.job("1")
        rules.job("2", customer="c-2")
        settings = server.services.settings
        with device_of(server, "tech-1", tmp_path / "a") as device:
            synced(device)
            with_photo(device, b"photo", "1")
            synced(device)
            rules.record("job:1", JobCancelled("closed"))
            assert erase_customer(server.services, "c-1").files == 1
            device.replica.append([note("2", "afterwards")])
            synced(device)
            backup(settings.database_url, settings.files_dir, other_disk / "one.zip")
            assert marks(server) == [(2, 2)]
            assert sync_once(device, SETTINGS).problem is None


def test_what_is_erased_while_its_last_answer_is_on_the_way_goes_from_the_device(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        server.people()
        rules = Rules(server)
        rules.record("customer:c-1", CustomerRecorded(Customer("c-1", {"en": "c-1"}, LOG)))
        rules.job("1")
        with device_of(server, "tech-1", tmp_path / "a") as device:
            synced(device)
            name = with_photo(device, b"photo", "1")
            synced(device)
            rules.record("job:1", JobCancelled("closed"))
            erase_customer(server.services, "c-1")
            transport = transport_for(device, SETTINGS)
            assert runner.sync_once(device.replica, transport).problem is None  # facts alone: the erasure is known
            transport.close()
            device.replica.mark_file(name, "sent", 1)  # the answer to `complete` comes only now
            synced(device)
            assert not (device.home.files / name).exists()


def test_an_erased_entry_that_comes_again_asks_for_no_file(tmp_path: Path) -> None:
    """A server put back to before the entry and its erasure gets it from the device as it is now: without content."""
    folder, home = tmp_path / "server", tmp_path / "a"
    with serving(folder) as server:
        server.people()
        rules = Rules(server)
        rules.record("customer:c-1", CustomerRecorded(Customer("c-1", {"en": "c-1"}, LOG)))
        rules.job("1")
        with device_of(server, "tech-1", home) as device:
            synced(device)
    shutil.copytree(folder, tmp_path / "image")
    with serving(folder) as server:
        moved(home, server.url)
        rules = Rules(server)
        with device_of(server, "tech-1", home) as device:
            with_photo(device, b"photo", "1")
            synced(device)
            rules.record("job:1", JobCancelled("closed"))
            assert erase_customer(server.services, "c-1").files == 1
            synced(device)
            synced(device)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "image", folder)
    with serving(folder) as server:
        moved(home, server.url)
        with device_of(server, "tech-1", home) as device:
            synced(device)
            synced(device)
            assert server.services.files.missing() == []
