"""Work carried on a stick: written whole, taken in once, readable where it is damaged, and never doubled."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldapp.domain.entry import FileRef, read_entry, write_entry
from fieldapp.domain.entry_types import steps
from fieldapp.domain.problem import Problem
from fieldapp.services.unsent import Exported, Imported, import_unsent, unsent_name, unsent_work, write_unsent
from fieldapp.store.database import Database
from fieldapp.store.evidence import take_in_bytes
from fieldapp.store.journal import journal_line
from fieldapp.store.migrations import migrate_device, migrate_server
from fieldapp.store.rows import Draft
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import FileRow, LogRow, OwnEntryRow
from fieldapp.store.verify import verify_server
from tests.store.devices import Device
from tests.store.pens import START_MS, created, everything

LARGE = random.Random(7).randbytes(700_000)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("templates")
    for name, migrate in (("device", migrate_device), ("server", migrate_server)):
        db = Database(f"sqlite:///{folder / name}.db")
        migrate(db)
        db.close()
    return folder / "device.db", folder / "server.db"


class Bench:
    """Homes of a person, a stick and a server."""

    def __init__(self, folder: Path, templates: tuple[Path, Path]) -> None:
        self.folder, self._template = folder, templates[0]
        self.devices: list[Device] = []
        shutil.copy(templates[1], folder / "server.db")
        self.server_db = Database(f"sqlite:///{folder / 'server.db'}")
        self.server = ServerReplica(self.server_db, lambda: START_MS)
        self.stick = folder / "stick.jsonl"

    def device(self, name: str, person: str = "p-mei") -> Device:
        self.devices.append(Device(self.folder, self._template, name, person, "supervisor"))
        return self.devices[-1]

    def export(self, device: Device) -> Exported:
        self.stick.unlink(missing_ok=True)
        return write_unsent(device.home, device.replica.identity, self.stick)

    def take_in(self, device: Device) -> Imported:
        return import_unsent(device.home, device.replica, self.stick)


@pytest.fixture
def bench(tmp_path: Path, templates: tuple[Path, Path]) -> Iterator[Bench]:
    made = Bench(tmp_path, templates)
    yield made
    for device in made.devices:
        device.close()
    made.server_db.close()


def attach(device: Device, data: bytes, name: str) -> FileRef:
    photo = take_in_bytes(device.home, data, name)
    body = steps.FileAttached(sha256=photo.sha256, size=photo.size, name=photo.name)
    device.replica.append([Draft("b1", "job:1", body, files=(photo,))])
    return photo


def worked(bench: Bench, name: str = "d-old") -> tuple[Device, list[str]]:
    """A device with a sent entry, three unsent ones in two groups, and two files; the ids of the unsent ones."""
    device = bench.device(name)
    device.say(created())
    device.push(bench.server)
    device.say(steps.NoteAdded(text="one"), steps.NoteAdded(text="two"))
    attach(device, LARGE, "large.bin")
    attach(device, b"", "empty.bin")
    return device, [entry.id for _, _, entry in unsent_work(device.home, device.replica.identity).places]


def placed(bench: Bench) -> list[str]:
    return [row["entry_id"] for row in everything(bench.server_db, LogRow) if row["kind"] == "entry"]


def test_everything_only_here_goes_over_whole_and_arrives_once(bench: Bench) -> None:
    old, ids = worked(bench)
    assert len(ids) == 4
    written = bench.export(old)
    assert (written.entries, written.files, written.missing) == (4, 2, ())
    assert old.replica.counts().unsent == 4, "an export changes nothing"
    new = bench.device("d-new")
    found = bench.take_in(new)
    assert (found.taken, found.known, found.files, found.whole) == (4, 0, 2, True)
    counts = new.replica.counts()
    assert (counts.unsent, counts.files_waiting) == (4, 2)
    assert sorted(path.stat().st_size for path in new.home.files.iterdir()) == [0, len(LARGE)]
    assert new.findings() == ()
    new.push(bench.server)
    assert placed(bench)[1:] == ids
    old.push(bench.server)
    assert placed(bench)[1:] == ids, "the device that recorded them comes second, and nothing is doubled"
    assert old.replica.counts().unsent == 0
    assert verify_server(bench.server_db) == ()


def test_the_same_file_twice_changes_nothing(bench: Bench) -> None:
    old, ids = worked(bench)
    bench.export(old)
    for device in (bench.device("d-new"), old):
        bench.take_in(device)
        before = everything(device.db, OwnEntryRow), everything(device.db, FileRow), device.home.journal_file.read_bytes()
        again = bench.take_in(device)
        assert (again.taken, again.known, again.files, again.whole) == (0, len(ids), 0, True)
        assert (everything(device.db, OwnEntryRow), everything(device.db, FileRow), device.home.journal_file.read_bytes()) == before


def test_what_was_taken_in_survives_a_lost_database(bench: Bench) -> None:
    old, ids = worked(bench)
    bench.export(old)
    new = bench.device("d-new")
    bench.take_in(new)
    new.put_database(None)
    assert [entry.id for _, _, entry in unsent_work(new.home, new.replica.identity).places] == ids


def test_a_damaged_file_costs_what_is_damaged_and_names_it(bench: Bench) -> None:
    old, ids = worked(bench)
    bench.export(old)
    lines = bench.stick.read_bytes().splitlines(keepends=True)
    broken = lines[1].replace(b"two", b"tvo", 1)
    assert broken != lines[1]
    bench.stick.write_bytes(b"".join([lines[0], broken, *lines[2:5], *lines[6:]]) + b"something else\n")
    new = bench.device("d-new")
    found = bench.take_in(new)
    assert found.taken == 2
    assert found.damaged == (2, len(lines))
    assert [entry for entry, _ in found.refused] == [ids[0]], "what was recorded together is never split"
    assert "take the file to the server" in found.refused[0][1]
    assert found.lacking == ("large.bin",)
    assert not found.whole
    assert new.replica.counts().files_waiting == 1
    assert [path.name[:1] for path in new.home.files.iterdir()] != ["."], "nothing half-written is left"
    bench.export(old)
    again = bench.take_in(new)
    assert (again.taken, again.known, again.files, again.whole) == (2, 2, 1, True)
    assert new.replica.counts().files_waiting == 2, "the file that was missing is sent now"


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_file_cut_short_gives_what_is_in_it(bench: Bench, kept: float) -> None:
    old, _ = worked(bench)
    bench.export(old)
    whole = bench.stick.read_bytes()
    bench.stick.write_bytes(whole[: int(len(whole) * kept)])
    found = bench.take_in(bench.device("d-new"))
    assert found.taken == 4
    assert "large.bin" in found.lacking


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\x00" * 10_000, b"a,b,c\n1,2,3\n", b"PK\x03\x04" + b"x" * 9_000_000])
def test_what_is_no_export_is_refused(bench: Bench, data: bytes) -> None:
    device = bench.device("d-new")
    bench.stick.write_bytes(data)
    with pytest.raises(Problem) as refused:
        bench.take_in(device)
    assert refused.value.code == "export-unreadable"
    bench.stick.unlink()
    with pytest.raises(Problem, match="cannot be read"):
        bench.take_in(device)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_not_waited_for(bench: Bench, kind: str) -> None:
    """The home is held while a file is read: whoever waited for a pipe would keep everybody from recording."""
    if kind == "pipe":
        os.mkfifo(bench.stick)
    else:
        bench.stick.symlink_to("/dev/zero")
    with pytest.raises(Problem, match="not a file") as refused:
        bench.take_in(bench.device("a"))
    assert refused.value.code == "export-unreadable"


def test_somebody_else_s_work_is_not_taken_for_one_s_own(bench: Bench) -> None:
    theirs = bench.device("d-theirs", "p-lin")
    theirs.say(created())
    bench.export(theirs)
    found = bench.take_in(bench.device("d-new"))
    assert (found.taken, found.known) == (0, 0)
    assert "p-lin recorded it" in found.refused[0][1]


def test_an_entry_with_the_same_name_and_other_bytes_is_refused(bench: Bench) -> None:
    old, new = bench.device("d-old"), bench.device("d-new")
    old.say(created())
    bench.export(old)
    bench.take_in(new)
    entry = unsent_work(new.home, new.replica.identity).places[0][2]
    other = write_entry(entry.envelope, b'{"number":"J-2"}')
    bench.stick.write_bytes(journal_line("e", 1, read_entry(other.raw, other.body_raw)))
    found = bench.take_in(new)
    assert found.taken == 0
    assert "another entry of the same name" in found.refused[0][1]


# --- Exporting when things are bad ------------------------------------------------------------------------------------------------


def test_an_export_needs_no_database(bench: Bench) -> None:
    old, ids = worked(bench)
    old.close()
    old.home.database_file.write_bytes(b"no database any more" * 1000)
    written = write_unsent(old.home, old.replica.identity, bench.stick)
    assert written.entries >= 4
    new = bench.device("d-new")
    assert bench.take_in(new).taken >= 4
    assert set(ids) <= {row["entry_id"] for row in everything(new.db, OwnEntryRow)}
    shutil.copy(new.template or "", old.home.database_file)
    for name in ("-wal", "-shm"):
        Path(f"{old.home.database_file}{name}").unlink(missing_ok=True)
    old.start()


def test_an_unsent_entry_whose_second_copy_is_missing_is_exported_too(bench: Bench) -> None:
    old, ids = worked(bench)
    old.home.journal_file.write_bytes(b"")
    assert bench.export(old).entries == len(ids)


def test_a_file_that_is_gone_is_named(bench: Bench) -> None:
    old, _ = worked(bench)
    gone = attach(old, b"gone", "gone.jpg")
    (old.home.files / gone.sha256).unlink()
    written = bench.export(old)
    assert (written.entries, written.files, written.missing) == (5, 2, ("gone.jpg",))


def test_a_file_that_waits_though_its_entry_was_sent_is_exported(bench: Bench) -> None:
    old, _ = worked(bench)
    old.push(bench.server)
    written = bench.export(old)
    assert (written.entries, written.files) == (0, 2)
    new = bench.device("d-new")
    assert bench.take_in(new).files == 0, "nothing here names them: they are for the server"


def test_without_room_nothing_is_left(bench: Bench) -> None:
    old, _ = worked(bench)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(Problem) as full:
            bench.export(old)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert full.value.code == "file-unwritable"
    assert not bench.stick.exists()
    bench.stick.write_bytes(b"somebody's")
    with pytest.raises(Problem, match="already"):
        write_unsent(old.home, old.replica.identity, bench.stick)
    assert bench.stick.read_bytes() == b"somebody's"
    assert unsent_name("A1", "20261122-0900") == "fieldapp-unsent-A1-20261122-0900.jsonl"
