"""What a receipt names is kept beside the database: a restored server and a lost or rolled back database lose nothing together."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fieldapp.domain.entry import sha256
from fieldapp.domain.entry_types import steps
from fieldapp.store.database import Database
from fieldapp.store.journal import parse_journal
from fieldapp.store.kept import KEPT_MS, Kept
from fieldapp.store.rows import Head
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import EntryRow, EpochRow, LogRow
from tests.store.devices import Device, MakeDevice
from tests.store.pens import START_MS, created, everything, step

MONTH_MS = 31 * 86_400_000


@pytest.fixture
def device(make_device: MakeDevice) -> Device:
    return make_device("d-boss", "p-mei", "supervisor")


@pytest.fixture
def new_server(tmp_path: Path, server_template: Path) -> Iterator[Callable[[], ServerReplica]]:
    """Makes servers that know nothing: as the one that was restored from a backup made before everything."""
    made: list[Database] = []

    def make() -> ServerReplica:
        path = tmp_path / f"server-{len(made)}.db"
        shutil.copy(server_template, path)
        made.append(Database(f"sqlite:///{path}"))
        return ServerReplica(made[-1], lambda: START_MS)

    yield make
    for db in made:
        db.close()


def note(device: Device, text: str = "seen") -> list[str]:
    return list(device.say(steps.NoteAdded(text=text)).entries)


def placed(server: ServerReplica) -> list[str]:
    return [row["entry_id"] for row in everything(server._db, LogRow) if row["kind"] == "entry"]


def kept(device: Device) -> list[str]:
    return [entry.id for entry in Kept(device.home.journal_file.parent).read().entries]


def segments(device: Device) -> list[str]:
    return [path.name for path in Kept(device.home.journal_file.parent).segments()]


def test_a_received_entry_leaves_the_journal_for_a_segment_of_its_month(
    device: Device, new_server: Callable[[], ServerReplica]
) -> None:
    ids = [*device.say(created()).entries, *note(device)]
    device.push(new_server())
    assert device.home.journal_file.read_bytes() == b""
    assert kept(device) == ids
    assert segments(device) == ["kept-2026-11.jsonl"]
    device.restart()
    assert kept(device) == ids
    assert device.replica.counts().unsent == 0


@pytest.mark.parametrize("lost", ["database", "rolled back"])
def test_a_restored_server_and_a_lost_database_lose_nothing_together(
    device: Device, new_server: Callable[[], ServerReplica], tmp_path: Path, lost: str
) -> None:
    ids = list(device.say(created()).entries)
    device.copy_database(tmp_path / "older.db")
    ids += note(device, "between")
    device.push(new_server())
    ids += note(device, "unsent")
    started = device.put_database(tmp_path / "older.db" if lost == "rolled back" else None)
    assert started.recovered == (2 if lost == "rolled back" else 3)
    restored = new_server()
    device.replica.forget_cursors()  # what the restored server's new incarnation makes the device do
    device.push(restored)
    assert placed(restored) == ids
    assert device.findings() == ()


def test_a_server_s_clock_that_was_a_year_ahead_hides_nothing_that_is_kept(
    device: Device, new_server: Callable[[], ServerReplica], tmp_path: Path
) -> None:
    """The segment of that year is the newest by its name, and a database of then has all of it."""
    server = new_server()
    device.clock.at += 12 * MONTH_MS
    ids = list(device.say(created()).entries)
    device.push(server)
    device.copy_database(tmp_path / "older.db")
    device.clock.at -= 12 * MONTH_MS
    ids += note(device, "between")
    device.push(server)
    assert len(segments(device)) == 2
    assert device.put_database(tmp_path / "older.db").recovered == 1
    restored = new_server()
    device.replica.forget_cursors()
    device.push(restored)
    assert placed(restored) == ids


def received_in_part(device: Device, server: ServerReplica) -> list[str]:
    """Two entries, the first of which a receipt names: it is not written to a segment before the second one is received too."""
    ids = [*device.say(created()).entries, *note(device, "unsent")]
    run = device.replica.outgoing(1, 1 << 20)
    assert run is not None
    assert [entry.id for entry in run.entries] == ids[:1]
    device.replica.acknowledge(server.receive(device.who, run).head, START_MS)
    assert kept(device) == []
    assert [entry.id for entry in parse_journal(device.home.journal_file.read_bytes()).entries] == ids
    return ids


def test_a_new_journal_lets_go_of_nothing_that_no_segment_holds(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    ids = received_in_part(device, new_server())
    device.replica.fork("b1")
    assert kept(device) == ids[:1]
    assert [entry.id for entry in parse_journal(device.home.journal_file.read_bytes()).entries] == ids
    device.put_database(None)
    server = new_server()
    device.push(server)
    assert placed(server) == ids


def test_a_database_lost_before_the_outbox_was_empty_loses_nothing(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    ids = received_in_part(device, new_server())
    device.put_database(None)
    server = new_server()
    device.push(server)
    assert placed(server) == ids
    assert kept(device) == ids


def test_entries_handed_over_as_quarantine_are_kept_too(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    ids = [*device.say(created()).entries, *note(device, "poison")]
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    device.replica.refuse(run.epoch, 2, "too large", device.clock.at)
    assert kept(device) == ids
    device.put_database(None)
    server = new_server()
    device.push(server)
    assert placed(server) == ids


def spoil(device: Device, entry: str) -> None:
    """As a bad disk does, in the database alone."""
    with device.db.write() as conn:
        conn.exec_driver_sql("UPDATE entries SET body = CAST(replace(body, 'said', 'sold') AS BLOB) WHERE id = ?", (entry,))


def test_an_entry_that_the_disk_spoiled_is_mended_from_the_journal_before_it_is_sent(
    device: Device, new_server: Callable[[], ServerReplica]
) -> None:
    ids = [*device.say(created()).entries, *note(device, "as it was said")]
    spoil(device, ids[1])
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    assert [sha256(entry.body_raw or b"") for entry in run.entries] == [entry.envelope.body for entry in run.entries]
    assert device.replica.standing(10, 1 << 20, 3, ()).run == run
    server = new_server()
    device.push(server)
    assert placed(server) == ids


def test_a_spoiled_entry_without_a_good_copy_is_offered_as_it_is(device: Device) -> None:
    ids = [*device.say(created()).entries, *note(device, "as it was said")]
    spoil(device, ids[1])
    device.home.journal_file.write_bytes(b"")
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    assert [entry.id for entry in run.entries] == ids
    assert b"sold" in (run.entries[1].body_raw or b"")


def test_what_follows_a_run_waits_for_the_look_that_mends_it(device: Device) -> None:
    device.say(created())
    ids = note(device, "as it was said")
    run = device.replica.outgoing(1, 1 << 20)
    assert run is not None
    following = device.replica.following(run, 10, 1 << 20)
    assert following is not None
    assert [entry.id for entry in following.entries] == ids
    spoil(device, ids[0])
    assert device.replica.following(run, 10, 1 << 20) is None


def test_a_part_of_a_group_that_is_all_there_is_of_it_does_not_stay(device: Device) -> None:
    """The power went in the middle of the journal's lines, and then the database was lost: the server says what becomes of it."""
    device.say(created(), step())
    first, _ = device.home.journal_file.read_bytes().splitlines(keepends=True)
    device.home.journal_file.write_bytes(first)
    device.put_database(None)
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    assert len(run.entries) == 1


def test_what_is_kept_of_a_spoiled_entry_is_the_journal_s_copy(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    """A server takes the spoiled bytes as quarantine only; what can be read of the entry must not go with the database."""
    ids = [*device.say(created()).entries, *note(device, "as it was said")]
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    spoil(device, ids[1])
    device.replica.refuse(run.epoch, 2, "its hashes differ", device.clock.at)
    assert kept(device) == ids
    device.put_database(None)
    server = new_server()
    device.push(server)
    assert placed(server) == ids


def test_without_room_for_the_segment_the_journal_lets_go_of_nothing(
    device: Device, new_server: Callable[[], ServerReplica]
) -> None:
    server, ids = new_server(), list(device.say(created()).entries)
    found = device.replica._keeping._kept
    found.folder = Path("/dev/full/there is no folder")
    device.push(server)
    assert device.replica.counts().unsent == 0
    assert [entry.id for entry in device.journal.read().entries] == ids
    ids += note(device)
    found.folder = device.home.journal_file.parent
    device.push(server)
    assert kept(device) == ids
    assert device.home.journal_file.read_bytes() == b""


def test_segments_that_were_lost_are_written_again(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    ids = [*device.say(created()).entries, *note(device)]
    device.push(new_server())
    device.close()
    shutil.rmtree(device.home.journal_file.parent)
    device.start()
    assert kept(device) == ids


def test_a_damaged_line_costs_itself_alone(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    first, second, third = (*device.say(created()).entries, *note(device, "two"), *note(device, "three"))
    device.push(new_server())
    path = device.home.journal_file.parent / "kept-2026-11.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"two", b"tvo", 1) + lines[2][:-9])
    assert kept(device) == [first]
    assert any(finding.kind == "journal" and path.name in finding.where for finding in device.findings())
    device.restart()
    assert kept(device) == [first]
    path.write_bytes(b"".join(lines))
    device.put_database(None)
    assert {first, second, third} == set(kept(device))


# --- How long ---------------------------------------------------------------------------------------------------------------------


def heard_from_server(device: Device, at: int, *, safe: bool) -> None:
    """The server's time, and whether a backup holds everything received. The device's clock says the same."""
    device.clock.at = max(device.clock.at, at)
    (epoch,) = (row for row in everything(device.db, EpochRow) if not row["closed"])
    (head,) = (head for head in device.replica.heads() if head.epoch == epoch["epoch"])
    device.replica.acknowledge(Head(epoch["epoch"], head.seq, head.hash, head.seq if safe else 0), at)
    device.replica.set_settings(last_contact=str(at))


@pytest.mark.parametrize(
    ("later", "safe", "goes"),
    [(KEPT_MS + MONTH_MS, True, True), (KEPT_MS + MONTH_MS, False, False), (KEPT_MS - MONTH_MS, True, False)],
)
def test_a_segment_goes_when_it_is_safe_and_old(
    device: Device, new_server: Callable[[], ServerReplica], later: int, safe: bool, goes: bool
) -> None:
    device.say(created())
    device.push(new_server())
    heard_from_server(device, START_MS + later, safe=safe)
    device.restart()
    assert (segments(device) == []) is goes
    device.restart()
    assert (segments(device) == []) is goes


@pytest.mark.parametrize("wrong", ["the device's", "the server's"])
def test_one_clock_that_is_years_ahead_lets_nothing_go(device: Device, new_server: Callable[[], ServerReplica], wrong: str) -> None:
    device.say(created())
    device.push(new_server())
    heard_from_server(device, START_MS + 1000, safe=True)
    later = START_MS + 10 * KEPT_MS
    if wrong == "the device's":
        device.clock.at = later
    else:
        device.replica.set_settings(last_contact=str(later))
    device.restart()
    assert segments(device) == ["kept-2026-11.jsonl"]
    heard_from_server(device, later, safe=True)
    device.restart()
    assert segments(device) == []


def test_one_entry_that_is_not_safe_keeps_its_segment(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    server = new_server()
    device.say(created())
    device.push(server)
    heard_from_server(device, START_MS + 1000, safe=True)
    note(device)
    device.push(server)
    device.clock.at = START_MS + KEPT_MS + MONTH_MS
    device.replica.set_settings(last_contact=str(device.clock.at))
    device.restart()
    assert len(kept(device)) == 2


def test_a_backup_of_a_later_epoch_makes_the_earlier_ones_safe(device: Device, new_server: Callable[[], ServerReplica]) -> None:
    server = new_server()
    device.say(created())
    device.push(server)
    device.replica.fork("b1")
    note(device)
    device.push(server)
    assert [row["safe_seq"] for row in everything(device.db, EpochRow)] == [0, 0]
    heard_from_server(device, START_MS + KEPT_MS + MONTH_MS, safe=True)
    assert [row["safe_seq"] for row in everything(device.db, EpochRow)] == [1, 2]
    device.restart()
    assert segments(device) == []


# --- Kills ------------------------------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing is left but the disk."""


class Power:
    """Cuts the power at the n-th write, fsync or renaming; a write is cut in its middle."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left = 0
        write, fsync, replace = os.write, os.fsync, Path.replace

        def cut_write(handle: int, data: bytes) -> int:
            if self._goes():
                write(handle, bytes(data)[: len(data) // 2])
                raise PowerCut
            return write(handle, data)

        def cut_fsync(handle: int) -> None:
            if self._goes():
                raise PowerCut
            fsync(handle)

        def cut_replace(path: Path, target: Path) -> Path:
            if self._goes():
                raise PowerCut
            return replace(path, target)

        patch.setattr(os, "write", cut_write)
        patch.setattr(os, "fsync", cut_fsync)
        patch.setattr(Path, "replace", cut_replace)

    def _goes(self) -> bool:
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("lost", [False, True])
def test_a_cut_at_each_write_between_receipt_and_journal_loses_nothing(
    make_device: MakeDevice, new_server: Callable[[], ServerReplica], monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    power, place, cut = Power(monkeypatch), 0, True
    while cut:
        place += 1
        device = make_device(f"d-{lost}-{place}", "p-mei", "supervisor")
        ids = [*device.say(created()).entries, *note(device, "two")]
        server = new_server()
        device.push(server)
        ids += note(device, "three")
        power.left = place
        try:
            device.push(server)
            cut = False
        except PowerCut:
            pass
        power.left = 0
        if lost:
            device.put_database(None)
        else:
            device.restart()
            assert device.replica.counts().unsent == 0
        assert set(kept(device)) | {entry.id for entry in device.journal.read().entries} == set(ids)
        device.replica.forget_cursors()
        restored = new_server()
        device.push(restored)
        assert sorted(placed(restored)) == sorted(ids)
        assert device.findings() == ()
    assert place > 4, "the power was cut nowhere"


ACTIONS = st.lists(
    st.sampled_from(["say", "say", "push", "push", "lost receipt", "copy", "roll back", "lose", "restart", "back up", "restore"]),
    min_size=4,
    max_size=16,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS)
@example(actions=["push", "copy", "restore", "roll back"])
def test_whatever_is_restored_on_either_side_each_entry_arrives_once(
    world_templates: tuple[Path, Path], actions: list[str]
) -> None:
    server_template, device_template = world_templates
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old, backup = folder / "old.db", folder / "backup.db"
        shutil.copy(server_template, folder / "server.db")
        shutil.copy(server_template, backup)
        db = Database(f"sqlite:///{folder / 'server.db'}")
        server = ServerReplica(db, lambda: START_MS)
        device = Device(folder, device_template, "d-boss", "p-mei", "supervisor")
        said = list(device.say(created()).entries)
        device.copy_database(old)
        history = known = of_copy = 0  # of the server; as the device knows it; as its copy knows it
        try:
            for action in (*actions, "push"):
                if action in ("push", "lost receipt") and known != history:
                    device.replica.forget_cursors()  # every answer of the server names its history
                    known = history
                match action:
                    case "say":
                        said += note(device, f"note {len(said)}")
                    case "push":
                        offer(device, server)
                    case "lost receipt":
                        offer(device, server, receipts=False)
                    case "copy":
                        device.copy_database(old)
                        of_copy = known
                    case "roll back":
                        device.put_database(old)
                        known = of_copy
                    case "lose":
                        device.put_database(None)
                        known = history  # it knows of none, and takes the first that it hears of
                    case "restart":
                        device.restart()
                    case "back up":
                        db.close()
                        shutil.copy(folder / "server.db", backup)
                    case "restore":
                        db.close()
                        shutil.copy(backup, folder / "server.db")
                        history += 1
            assert sorted(placed(server)) == sorted(said)
            assert device.replica.counts().unsent == 0
        finally:
            device.close()
            db.close()


def offer(device: Device, server: ServerReplica, *, receipts: bool = True) -> None:
    """Push; where the server's history is another one, as the machine does: a new line of writing."""
    from fieldapp.store.rows import PositionProblem

    for _ in range(3):
        try:
            device.push(server, receipts=receipts)
        except PositionProblem as problem:
            if problem.code == "fork" or not device.replica.rewind(problem.head):
                device.replica.fork("b1")
        else:
            return
    raise AssertionError("the device never gets through")


def test_the_last_line_is_found_whatever_its_length(tmp_path: Path, device: Device) -> None:
    device.say(created())
    found = Kept(tmp_path / "kept")
    assert found.ends() == []
    for size in (10, 20_000, 60_000):
        (entry,) = note(device, "x" * size)
        lines = device.home.journal_file.read_bytes().splitlines(keepends=True)
        found.append(lines[-1:], START_MS)
        (last,) = found.ends()
        assert last is not None
        assert last.id == entry
    found.append([lines[0]], START_MS + 2 * MONTH_MS)
    first = parse_journal(lines[0]).entries[0]
    assert [end and end.id for end in found.ends()] == [entry, first.id]
    found.segments()[0].write_bytes(b"torn")
    assert [end and end.id for end in found.ends()] == [None, first.id]


@pytest.mark.parametrize(
    ("recorded", "spoiled"),
    [('"stream":"job:1"', '"stream"8"job:1"'), ('"stream":"job:1"', '"stream":"job:9"'), ('{"wall":1', '{"wall":3')],
)
def test_an_envelope_that_the_disk_spoiled_is_mended_from_the_journal_before_it_is_sent(
    device: Device, new_server: Callable[[], ServerReplica], recorded: str, spoiled: str
) -> None:
    """One bit, and nothing could be sent any more, or it is the work of another job."""
    ids = [*device.say(created()).entries, *note(device), *note(device)]
    with device.db.write() as conn:
        change = "UPDATE entries SET raw = CAST(replace(raw, ?, ?) AS BLOB) WHERE id = ?"
        conn.exec_driver_sql(change, (recorded, spoiled, ids[1]))
    server = new_server()
    device.push(server)
    assert placed(server) == ids
    assert {row["stream"] for row in everything(server._db, EntryRow)} == {"job:1"}
    assert device.findings() == ()
