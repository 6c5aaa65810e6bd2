"""A backup that exists can be restored; one that is damaged changes nothing."""

from __future__ import annotations

import hashlib
import os
import resource
import sqlite3
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.entry import FileRef, chain_hash
from fieldapp.domain.entry_types import steps
from fieldapp.domain.problem import Problem
from fieldapp.server import restore as restoring
from fieldapp.server.archive import ArchiveReader, ArchiveWriter
from fieldapp.server.backup import backup
from fieldapp.server.file_storage import FolderStorage
from fieldapp.server.receiving import writer
from fieldapp.server.relay import PostgresRelay
from fieldapp.server.restore import restore
from fieldapp.server.scheduled_backup import NO_BACKUPS, ScheduledBackups
from fieldapp.server.services import ServerServices, open_server
from fieldapp.server.settings import ServerSettings
from fieldapp.store.tables import SERVER, Base, DeviceEpochRow, JobRow
from fieldapp.store.verify import verify_server
from tests.live_server import serving
from tests.server.conftest import Clock
from tests.server.office import Line, Office, entry_of
from tests.store.pens import everything

PHOTO = b"photo " * 1000
NAME = hashlib.sha256(PHOTO).hexdigest()


def contents(services: ServerServices) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a server but its incarnation, in an order of its own."""
    with services.db.read() as conn:
        return {
            name: sorted(
                (tuple(row) for row in conn.execute(select(Base.metadata.tables[name])) if row[0] != "incarnation"), key=repr
            )
            for name in SERVER
        }


@pytest.fixture
def busy(office: Office) -> ServerServices:
    """A server with history of every kind: entries, outcomes, scope, quarantine, a file that is here and one that is not."""
    services, stream = office.services, office.job(1, "tech-1")
    who = office.enrol("tech-1")
    here = FileRef(NAME, len(PHOTO), "a.jpg", "image/jpeg")
    gone = FileRef("0" * 64, 7, "b.jpg", "image/jpeg")
    first = entry_of(who, stream, steps.NoteAdded("é中\U0001f600"), files=(here, gone))
    office.push(who, first)
    second = entry_of(who, "job:j-9", steps.NoteAdded("too early"))
    office.push(who, second)
    line = office.lines[who.device]
    services.replica.quarantine(
        writer(who), epoch=line.epoch, log="north", seq=3, prev_hash=line.hash, chain="a" * 64, raw=b"\xff\x00", reason="x"
    )
    services.files.put_part(NAME, "0", PHOTO)
    services.files.complete(NAME)
    return services


def saved(services: ServerServices, target: Path) -> Path:
    backup(services.settings.database_url, services.settings.files_dir, target)
    return target


def test_a_restored_server_is_the_same_but_for_its_incarnation(busy: ServerServices, tmp_path: Path) -> None:
    archive = saved(busy, tmp_path / "one.zip")
    settings = ServerSettings(home=tmp_path / "other", reserve_bytes=0)
    restore(archive, settings.database_url, settings.files_dir)
    opened = open_server(settings)
    try:
        assert contents(opened) == contents(busy)
        assert opened.incarnation != busy.incarnation
        assert b"".join(opened.storage.read(NAME, 0, 10**6)) == PHOTO
        device = busy.accounts.devices()[0]
        assert opened.accounts.devices() == [device]
    finally:
        opened.close()


def test_from_sqlite_to_postgresql_and_back(tmp_path: Path, postgres_url: str, request: pytest.FixtureRequest) -> None:
    settings = ServerSettings(home=tmp_path / "small", reserve_bytes=0)
    small = open_server(settings)
    office = Office(small)
    office.found()
    office.job(1, "tech-1")
    before = contents(small)
    archive = saved(small, tmp_path / "small.zip")
    small.close()
    large_settings = ServerSettings(home=tmp_path / "large", database=postgres_url, reserve_bytes=0)
    restore(archive, postgres_url, large_settings.files_dir)
    large = open_server(large_settings)
    try:
        assert contents(large) == before
        with pytest.raises(Problem, match="already"):
            restore(archive, postgres_url, large_settings.files_dir)
        Office(large).job(2, "tech-1")
        back = saved(large, tmp_path / "large.zip")
        restore(archive, postgres_url, large_settings.files_dir, replace=True)
        assert contents(large) == before
    finally:
        large.close()
    restore(back, settings.database_url, settings.files_dir, replace=True)
    again = open_server(settings)
    try:
        assert len(contents(again)["log_rows"]) > len(before["log_rows"])
    finally:
        again.close()


def test_a_damaged_archive_is_refused_before_anything_is_touched(busy: ServerServices, tmp_path: Path) -> None:
    archive = saved(busy, tmp_path / "one.zip")
    whole, other = archive.read_bytes(), tmp_path / "other"
    settings = ServerSettings(home=other)
    for place in [*range(0, len(whole), max(1, len(whole) // 150)), len(whole) - 1]:
        broken = tmp_path / "broken.zip"
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        code = code_of_restoring(broken, settings)
        if code:
            assert code in ("backup-unreadable", "backup-newer", "history-damaged")
            assert not other.exists()
        else:  # a byte of the zip that says nothing, such as a time of day: what was restored is still whole
            opened = open_server(settings)
            assert contents(opened) == contents(busy)
            opened.close()
            other.rename(tmp_path / f"fine-{place}")
    for place in range(len(whole) - 4000, len(whole), 7):  # where the zip says what is in it
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert code_of_checking(broken) in ("", "backup-unreadable")
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        broken.write_bytes(whole[:size])
        with pytest.raises(Problem, match="not a whole backup"):
            restore(broken, settings.database_url, settings.files_dir)
    with pytest.raises(Problem, match="no file"):
        restore(tmp_path / "none.zip", settings.database_url, settings.files_dir)
    assert not other.exists()


def code_of_restoring(archive: Path, settings: ServerSettings) -> str:
    try:
        restore(archive, settings.database_url, settings.files_dir)
    except Problem as problem:
        return problem.code
    return ""


def code_of_checking(archive: Path) -> str:
    try:
        with ArchiveReader(archive) as reader:
            reader.check()
    except Problem as problem:
        return problem.code
    return ""


def test_a_forged_history_is_refused(busy: ServerServices, tmp_path: Path) -> None:
    archive = saved(busy, tmp_path / "one.zip")
    for table, old, new in (
        ("log_rows", b'"outcome":"held"', b'"outcome":"late"'),
        ("entries", b'"raw":{"b":"e', b'"raw":{"b":"f'),
    ):
        forged = tmp_path / f"{table}.zip"
        forge(archive, forged, f"tables/{table}.jsonl", old, new)
        with pytest.raises(Problem, match="does not verify"):
            restore(forged, f"sqlite:///{tmp_path / 'x.db'}", tmp_path / "x")
        assert not (tmp_path / "x.db").exists()


def forge(source: Path, target: Path, member: str, old: bytes, new: bytes) -> None:
    """Change a member and seal the archive again, as somebody would who knows how."""
    writer = ArchiveWriter(target)
    with ArchiveReader(source) as reader, zipfile.ZipFile(source) as zipped:
        for name in reader.manifest.members:
            raw = zipped.read(name)
            assert name != member or old in raw
            writer.add(name, [raw.replace(old, new, 1) if name == member else raw])
        facts = {name: getattr(reader.manifest, name) for name in ("created", "incarnation", "rows", "heads", "missing")}
    writer.seal(**facts)
    writer.publish()


@pytest.mark.parametrize("name", ["files/../../../outside", f"files/{'0' * 64}", "outside", "tables/../x.jsonl"])
def test_a_backup_holds_nothing_but_tables_and_files_under_their_hashes(tmp_path: Path, name: str) -> None:
    services = open_server(ServerSettings(home=tmp_path / "small", reserve_bytes=0))
    archive = saved(services, tmp_path / "one.zip")
    services.close()
    forged = tmp_path / "forged.zip"
    sealed_again(archive, forged, {name: b"from outside"})
    with pytest.raises(Problem, match="no backup holds"):
        restore(forged, f"sqlite:///{tmp_path / 'x' / 'x.db'}", tmp_path / "x" / "files")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.zip", "one.zip", "small"]


@pytest.mark.parametrize("row", [b"[1]\n", b"{\n", b'{"id":{"c":1}}\n', b"\xff\n"])
def test_rows_of_another_shape_change_nothing(tmp_path: Path, row: bytes) -> None:
    services = open_server(ServerSettings(home=tmp_path / "small", reserve_bytes=0))
    archive = saved(services, tmp_path / "one.zip")
    services.close()
    forged = tmp_path / "forged.zip"
    sealed_again(archive, forged, {"tables/devices.jsonl": row})
    with pytest.raises(Problem) as caught:
        restore(forged, f"sqlite:///{tmp_path / 'x' / 'x.db'}", tmp_path / "x" / "files")
    assert caught.value.code == "backup-unreadable"
    assert list((tmp_path / "x").iterdir()) == []


def sealed_again(source: Path, target: Path, members: dict[str, bytes]) -> None:
    """The archive with these members put in, or in the place of others, sealed as if it were whole."""
    writer = ArchiveWriter(target)
    with ArchiveReader(source) as reader, zipfile.ZipFile(source) as zipped:
        for name in reader.manifest.members.keys() | members.keys():
            writer.add(name, [members[name] if name in members else zipped.read(name)])
        facts = {name: getattr(reader.manifest, name) for name in ("created", "incarnation", "rows", "heads", "missing")}
    writer.seal(**facts)
    writer.publish()


def test_no_restore_under_a_running_server_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    settings = ServerSettings(home=tmp_path / "large", database=postgres_url, reserve_bytes=0)
    running = open_server(settings)
    archive = saved(running, tmp_path / "one.zip")
    relay = PostgresRelay(postgres_url, running.hints)
    relay.start()
    try:
        assert relay.wait_until_listening(20)
        with pytest.raises(Problem, match="Stop the server first"):
            restore(archive, postgres_url, settings.files_dir, replace=True)
    finally:
        relay.stop()
        running.close()
    restore(archive, postgres_url, settings.files_dir, replace=True)


def test_a_backup_that_finds_no_room_leaves_nothing(busy: ServerServices, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(Problem, match="cannot be written"):
            saved(busy, tmp_path / "one.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir() if "one.zip" in path.name] == []


def test_a_failed_restore_leaves_the_old_server(busy: ServerServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = saved(busy, tmp_path / "one.zip")
    settings = ServerSettings(home=tmp_path / "old", reserve_bytes=0)
    old = open_server(settings)
    Office(old).found()
    before = contents(old)
    with pytest.raises(Problem, match="in use"):
        restore(archive, settings.database_url, settings.files_dir, replace=True)
    old.close()
    with pytest.raises(Problem, match="already"):
        restore(archive, settings.database_url, settings.files_dir)

    def pulled_the_plug(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_keep", pulled_the_plug)
        with pytest.raises(KeyboardInterrupt):
            restore(archive, settings.database_url, settings.files_dir, replace=True)
    old = open_server(settings)
    assert contents(old) == before
    old.close()
    restore(archive, settings.database_url, settings.files_dir, replace=True)
    new = open_server(settings)
    assert contents(new) == contents(busy)
    new.close()
    kept = open_server(ServerSettings(home=tmp_path / "old", database=f"{settings.database_url}.before-restore"))
    assert contents(kept) == before
    kept.close()


def test_a_broken_history_is_not_saved_as_if_it_were_whole(tmp_path: Path) -> None:
    settings = ServerSettings(home=tmp_path / "small")
    services = open_server(settings)
    Office(services).found()
    services.close()
    with sqlite3.connect(settings.home / "server.db") as conn:
        conn.execute("UPDATE log_rows SET chain = ? WHERE log = 'org' AND pos = 2", ("0" * 64,))
    conn.close()
    with pytest.raises(Problem, match="log org is broken at position 2"):
        backup(settings.database_url, settings.files_dir, tmp_path / "one.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_backup_does_not_overwrite_and_says_where_it_cannot_write(busy: ServerServices, tmp_path: Path) -> None:
    archive = saved(busy, tmp_path / "one.zip")
    with pytest.raises(Problem, match="exists already"):
        saved(busy, archive)
    with pytest.raises(Problem, match="cannot be written"):
        saved(busy, tmp_path / "nowhere" / "one.zip")


def test_bytes_that_name_a_missing_photo_are_not_safe(office: Office, other_disk: Path) -> None:
    """Nor is the entry that they were, once it comes as it was recorded: the photo is still on the device alone."""
    services, stream = office.services, office.job(1, "tech-1")
    who, settings = office.enrol("tech-1"), services.settings
    entry = entry_of(who, stream, steps.NoteAdded("two"), files=(FileRef(NAME, len(PHOTO), "a.jpg", "image/jpeg"),))
    line = office.lines[who.device] = Line()
    services.replica.quarantine(
        writer(who), epoch=line.epoch, log="north", seq=1, prev_hash="", chain=chain_hash("", 1, entry.hash),
        raw=entry.raw + b"\n" + (entry.body_raw or b""), reason="too large",
    )  # fmt: skip
    backup(settings.database_url, settings.files_dir, other_disk / "one.zip")
    assert marks(services) == [(1, 0)]
    services.replica.receive(writer(who), line.run([entry]))
    backup(settings.database_url, settings.files_dir, other_disk / "two.zip")
    assert marks(services) == [(1, 0)]


def marks(services: ServerServices) -> list[tuple[int, int]]:
    """(seq, safe_seq) of each epoch."""
    with services.db.read() as conn:
        query = select(col(DeviceEpochRow.seq), col(DeviceEpochRow.safe_seq)).order_by(col(DeviceEpochRow.epoch))
        return [(seq, safe) for seq, safe in conn.execute(query)]


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another disk than the tests' own: memory, as far as the system tells them apart."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        assert Path(name).stat().st_dev != Path(tempfile.gettempdir()).stat().st_dev
        yield Path(name)


def test_only_a_backup_on_another_disk_makes_entries_safe(office: Office, tmp_path: Path, other_disk: Path) -> None:
    services = office.services
    who, stream = office.enrol("tech-1"), office.job(1, "tech-1")
    office.push(who, entry_of(who, stream, steps.NoteAdded("one")), entry_of(who, stream, steps.NoteAdded("two")))
    settings = services.settings
    beside = backup(settings.database_url, settings.files_dir, tmp_path / "same-disk.zip")
    assert (beside.other_disk, marks(services)) == (False, [(2, 0)])
    assert "same disk" in beside.warning
    away = backup(settings.database_url, settings.files_dir, other_disk / "other-disk.zip")
    assert (away.other_disk, away.warning, marks(services)) == (True, "", [(2, 2)])
    office.push(who, entry_of(who, stream, steps.NoteAdded("three")))
    assert marks(services) == [(3, 2)]
    assert [path.name for path in other_disk.iterdir()] == ["other-disk.zip"]


def test_an_entry_whose_file_has_not_arrived_is_not_safe_yet(office: Office, other_disk: Path) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who, settings = office.enrol("tech-1"), services.settings
    photo = FileRef(NAME, len(PHOTO), "a.jpg", "image/jpeg")
    noted = entry_of(who, stream, steps.NoteAdded("one"))
    office.push(who, noted, entry_of(who, stream, steps.NoteAdded("two"), files=(photo,)))
    first = office.lines[who.device]
    later = office.lines[who.device] = Line()
    run = later.run([entry_of(who, stream, steps.NoteAdded("three"))])
    services.replica.receive(writer(who), msgspec.structs.replace(run, parent=(first.epoch, 2)))
    backup(settings.database_url, settings.files_dir, other_disk / "one.zip")
    assert marks(services) == [(2, 1), (1, 0)], "a device takes a later epoch's word for the earlier ones"
    services.files.put_part(NAME, "0", PHOTO)
    services.files.complete(NAME)
    backup(settings.database_url, settings.files_dir, other_disk / "two.zip")
    assert marks(services) == [(2, 2), (1, 1)]
    services.storage.path(NAME).unlink()
    office.lines[who.device] = first
    office.push(who, entry_of(who, stream, steps.NoteAdded("four"), files=(photo,)))
    made = backup(settings.database_url, settings.files_dir, other_disk / "three.zip")
    assert made.manifest.missing == (NAME,)
    assert marks(services) == [(3, 2), (1, 1)]


def test_a_backup_that_cannot_be_restored_counts_for_nothing(
    busy: ServerServices, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk gives back other bytes than were written to it: only for what is restored, so the archive itself looks well."""
    whole = FolderStorage.put_whole

    def failing_disk(storage: FolderStorage, sha256: str, chunks: Iterable[bytes]) -> None:
        whole(storage, sha256, (chunk[:-1] + b"?" for chunk in chunks))

    before = marks(busy)
    monkeypatch.setattr(FolderStorage, "put_whole", failing_disk)
    with pytest.raises(Problem, match="another one"):
        saved(busy, other_disk / "one.zip")
    assert list(other_disk.iterdir()) == []
    assert marks(busy) == before


# --- By the clock -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def scheduled(tmp_path: Path, server_url: str, clock: Clock, other_disk: Path) -> Iterator[ServerServices]:
    """A server that backs itself up every 6 hours and keeps 3, on each kind of database."""
    settings = ServerSettings(
        home=tmp_path / "server",
        database=server_url,
        reserve_bytes=0,
        backup_dir=other_disk / "backups",
        backup_hours=6,
        backup_keep=3,
    )
    services = open_server(settings, clock)
    Office(services).found()
    yield services
    services.close()


def test_backups_are_made_when_they_are_due_and_the_newest_stay(scheduled: ServerServices, clock: Clock, other_disk: Path) -> None:
    office = Office(scheduled)
    who, stream = office.enrol("tech-1"), office.job(1, "tech-1")
    backups_of, made = ScheduledBackups(scheduled), []
    folder = other_disk / "backups"
    folder.mkdir()
    (folder / "fieldapp.zip").write_bytes(b"made by hand")
    for hour in range(25):
        office.push(who, entry_of(who, stream, steps.NoteAdded(f"at {hour}")))
        if done := backups_of.round():
            made.append(hour)
            assert marks(scheduled) == [(hour + 1, hour + 1)]
            assert done.path.parent == folder
        clock.now += 3_600_000
    assert made == [0, 6, 12, 18, 24]
    assert len(list(folder.glob("fieldapp-*.zip"))) == 3
    assert (folder / "fieldapp.zip").read_bytes() == b"made by hand"
    newest = max(folder.glob("fieldapp-*.zip"))
    settings = ServerSettings(home=other_disk / "restored", reserve_bytes=0)
    restore(newest, settings.database_url, settings.files_dir)
    opened = open_server(settings)
    try:
        before, after = contents(scheduled), contents(opened)
        assert after.pop("device_epochs") != before.pop("device_epochs"), "the mark is set after the backup was made"
        assert after == before
    finally:
        opened.close()


def test_one_of_several_processes_makes_the_backup(scheduled: ServerServices, clock: Clock, other_disk: Path) -> None:
    one, two = ScheduledBackups(scheduled), ScheduledBackups(scheduled)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda backups_of: backups_of.round(), (one, two)))
    assert len([done for done in made if done]) == 1
    assert len(list((other_disk / "backups").glob("*.zip"))) == 1
    clock.now -= 10 * 86_400_000  # a clock that was set back: the backup from the future counts for nothing
    assert one.due()
    assert one.round() is not None
    assert not two.due()


def test_backups_of_a_clock_that_was_ahead_never_push_out_the_one_just_made(
    scheduled: ServerServices, clock: Clock, other_disk: Path
) -> None:
    backups_of, right = ScheduledBackups(scheduled), clock.now
    clock.now += 365 * 86_400_000
    for _ in range(3):  # as many as are kept
        assert backups_of.round() is not None
        clock.now += 6 * 3_600_000
    clock.now = right
    made = backups_of.round()
    assert made is not None
    assert made.path.exists(), "what devices are told is safe must be there"
    assert not backups_of.due()
    assert len(list((other_disk / "backups").glob("*.zip"))) == 4


def test_what_a_killed_backup_left_goes_with_the_next_one(scheduled: ServerServices, other_disk: Path) -> None:
    folder = other_disk / "backups"
    (folder / ".fieldapp-20261101T000000Z.zip.x1" / "files").mkdir(parents=True)
    (folder / ".fieldapp-20261101T000000Z.zip.part").write_bytes(b"half")
    (folder / ".other").write_bytes(b"not ours")
    assert ScheduledBackups(scheduled).round() is not None
    assert sorted(path.name[:20] for path in folder.iterdir()) == [".lock", ".other", "fieldapp-20261123T08"]


@pytest.mark.parametrize("manifest", [b"nope", b"[" * 100_000, b'{"format":1e400}', b"\xff"])
def test_a_manifest_that_nobody_wrote_is_said(tmp_path: Path, manifest: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr("manifest.json", manifest)
        made.comment = hashlib.sha256(manifest).hexdigest().encode()
    with pytest.raises(Problem) as refused:
        ArchiveReader(tmp_path / "x.zip")
    assert refused.value.code == "backup-unreadable"


def test_a_pipe_is_no_backup_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Problem, match="not a file"):
        ArchiveReader(tmp_path / "pipe")


def test_a_server_without_a_folder_for_backups_makes_none(busy: ServerServices) -> None:
    backups_of = ScheduledBackups(busy)
    assert not backups_of.due()
    assert backups_of.round() is None


def test_a_lost_disk_is_said_with_each_backup_that_falls_onto_the_servers_own(
    scheduled: ServerServices, clock: Clock, other_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fieldapp.server.scheduled_backup")
    (other_disk / "disk").mkdir()
    folder = other_disk / "backups"
    folder.symlink_to(other_disk / "disk")
    backups_of = ScheduledBackups(scheduled)
    assert backups_of.round() is not None
    assert [record.levelname for record in caplog.records] == ["INFO"]
    folder.unlink()
    (tmp_path / "empty").mkdir()
    folder.symlink_to(tmp_path / "empty")  # where a disk was mounted there is a folder of the server's own disk
    clock.now += 6 * 3_600_000
    assert backups_of.round() is not None
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING"]
    assert "on the same disk as the server's data" in caplog.records[-1].getMessage()


def test_nobody_else_may_read_a_backup(busy: ServerServices, tmp_path: Path) -> None:
    left_over = tmp_path / ".one.zip.part"
    left_over.write_bytes(b"half of one")
    left_over.chmod(0o644)
    assert saved(busy, tmp_path / "one.zip").stat().st_mode & 0o777 == 0o600


def test_that_there_are_no_backups_is_said_at_the_start(busy: ServerServices, caplog: pytest.LogCaptureFixture) -> None:
    backups_of = ScheduledBackups(busy)
    backups_of.start()
    backups_of.stop()
    assert [record.getMessage() for record in caplog.records] == [NO_BACKUPS]


def test_a_folder_that_cannot_be_used_is_said(scheduled: ServerServices, other_disk: Path) -> None:
    (other_disk / "backups").write_bytes(b"a file, not a folder")
    with pytest.raises(Problem, match="cannot be written"):
        ScheduledBackups(scheduled).round()


def test_a_running_server_backs_itself_up(tmp_path: Path, other_disk: Path) -> None:
    with serving(tmp_path / "server", backup_dir=other_disk) as server:
        server.people()
        deadline = time.monotonic() + 20
        while not list(other_disk.glob("fieldapp-*.zip")) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        (made,) = other_disk.glob("fieldapp-*.zip")
        with ArchiveReader(made) as reader:
            reader.check()


def test_a_file_lost_by_the_disk_is_listed_and_asked_for_again(busy: ServerServices, tmp_path: Path) -> None:
    busy.storage.path(NAME).unlink()
    archive = saved(busy, tmp_path / "one.zip")
    settings = ServerSettings(home=tmp_path / "other", reserve_bytes=0)
    assert restore(archive, settings.database_url, settings.files_dir).missing == (NAME,)
    opened = open_server(settings)
    try:
        assert opened.files.state(NAME).complete is False
    finally:
        opened.close()


@pytest.mark.parametrize("how", ["moved away", "cut short"])
def test_what_the_old_server_wrote_last_does_not_get_into_the_restored_one(tmp_path: Path, how: str) -> None:
    """A killed server leaves its write-ahead log; whoever restores may have moved the damaged database away from it."""
    settings = ServerSettings(home=tmp_path / "server", reserve_bytes=0)
    services = open_server(settings)
    office = Office(services)
    office.found()
    office.job(1, "tech-1")
    saved(services, tmp_path / "a.zip")
    for number in range(2, 12):
        office.job(number, "tech-1")
    services.close()
    services = open_server(settings)
    with services.db.write() as conn:
        conn.exec_driver_sql("UPDATE entries SET recorded_at = recorded_at + 1")
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    log = Path(f"{path}-wal")
    written = log.read_bytes()
    services.close()
    log.write_bytes(written)
    if how == "moved away":
        path.rename(tmp_path / "damaged.db")
    else:
        os.truncate(path, 1000)
    restore(tmp_path / "a.zip", settings.database_url, settings.files_dir, replace=True)
    again = open_server(settings)
    try:
        assert verify_server(again.db) == ()
        assert [row["stream"] for row in everything(again.db, JobRow)] == ["job:j-1"]
    finally:
        again.close()
    assert path.with_name("server.db.before-restore.log").read_bytes() == written
    assert not log.with_name("server.db.before-restore-wal").exists(), "SQLite would take it for that database's own"


def test_a_place_that_does_not_follow_from_its_entry_spoils_no_backup(office: Office, tmp_path: Path) -> None:
    """Whoever holds a stolen laptop may hand over anything; the backups of all others have to go on."""
    services, stream = office.services, office.job(1, "tech-1")
    who = office.enrol("tech-1")
    entry = entry_of(who, stream, steps.NoteAdded("seen"))
    office.push(who, entry)
    raw = entry.raw + b"\n" + (entry.body_raw or b"")
    services.replica.quarantine(
        writer(who), epoch="another", log="north", seq=1, prev_hash="", chain="c" * 64, raw=raw, reason="x"
    )  # fmt: skip
    assert saved(services, tmp_path / "a.zip").exists()


def test_one_spoiled_file_does_not_stop_backups_for_ever(busy: ServerServices, tmp_path: Path) -> None:
    kept = busy.storage.path(NAME)
    kept.write_bytes(PHOTO.replace(b"photo", b"phot0", 1))
    with pytest.raises(Problem, match="asked of the devices") as caught:
        saved(busy, tmp_path / "a.zip")
    assert caught.value.code == "history-damaged"
    assert saved(busy, tmp_path / "b.zip").exists()
    assert not busy.storage.has(NAME)
    assert busy.files.state(NAME).complete is False
    busy.files.put_part(NAME, "0", PHOTO)
    assert busy.files.complete(NAME).complete
