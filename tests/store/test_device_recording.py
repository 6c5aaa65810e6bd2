"""Recording on a device: durable twice, in order, whole or not at all, and made whole again from either copy."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import msgspec
import pytest

from fieldapp.domain.documents import Person
from fieldapp.domain.entry import Envelope, Moment, chain_hash, encode, write_entry
from fieldapp.domain.entry_types import steps, work
from fieldapp.domain.entry_types.reference import PersonRecorded
from fieldapp.domain.fold import state_bytes
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.store.journal import Journal, parse_journal
from fieldapp.store.rows import Draft, Page, Row
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import EntryRow, EpochRow, LogRow, OwnEntryRow
from tests.store.devices import Device, MakeDevice
from tests.store.pens import START_MS, created, everything, step


@pytest.fixture
def device(make_device: MakeDevice) -> Device:
    return make_device("d-boss", "p-mei", "supervisor")


@pytest.fixture
def server(sqlite_server: Database) -> ServerReplica:
    return ServerReplica(sqlite_server, lambda: START_MS)


def notes(device: Device, *texts: str) -> list[str]:
    return [device.say(steps.NoteAdded(text=text)).entries[0] for text in texts]


def unsent(device: Device) -> list[str]:
    run = device.replica.outgoing(1000, 1 << 30)
    return [entry.id for entry in run.entries] if run else []


def test_entries_take_positions_in_the_order_they_were_saved(device: Device) -> None:
    device.say(created(), step("s1"))
    device.say(step("s2"))
    rows = everything(device.db, OwnEntryRow)
    assert [row["seq"] for row in rows] == [1, 2, 3]
    chain = ""
    contents = {row["id"]: row["hash"] for row in everything(device.db, EntryRow)}
    for row in rows:
        chain = chain_hash(chain, row["seq"], contents[row["entry_id"]])
        assert row["hash"] == chain
    (epoch,) = everything(device.db, EpochRow)
    assert (epoch["head_seq"], epoch["head_hash"], epoch["log"]) == (3, chain, "b1")
    assert device.findings() == ()


def test_saved_means_that_the_disk_was_told_twice(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut right after "saved" loses nothing: the commit waits for the disk, and so does the journal's line."""
    on_disk: dict[int, int] = {}
    fsync = os.fsync

    def watched(handle: int) -> None:
        fsync(handle)
        found = os.fstat(handle)
        on_disk[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", watched)
    for text in ("one", "two"):
        notes(device, text)
        journal = device.home.journal_file.stat()
        assert on_disk[journal.st_ino] == journal.st_size > 0
    with device.db.write() as conn:
        found = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")]
    assert found == [2, "wal"], "2 is FULL: each commit waits until the write-ahead log is on the disk"


def test_what_is_recorded_is_shown_at_once(device: Device) -> None:
    saved = device.say(created(), step("s1", "1.2"))
    view = device.view()
    assert view is not None
    assert list(view.steps) == ["P/s1"]
    assert saved.streams == {"job:1"}


def test_what_lies_in_the_database_is_built_on_whatever_was_shown_last(device: Device) -> None:
    device.say(created())
    before = device.view()
    device.say(steps.NoteAdded(text="one"))
    assert before is not None
    with device.db.write() as conn:  # as a page of the server may leave it
        device.db.run(conn, "UPDATE jobs SET view = ? WHERE stream = 'job:1'", (state_bytes(before),))
    device.say(steps.NoteAdded(text="two"))
    after = device.view()
    assert after is not None
    assert [note.text for note in after.notes] == ["two"]


def test_each_saved_entry_is_a_checked_line_of_the_journal(device: Device) -> None:
    ids = [*device.say(created(), step("s1")).entries, *notes(device, "冷水机组", 'a "quoted"\nline')]
    data = device.home.journal_file.read_bytes()
    for line in data.splitlines():
        checksum, text = line.split(b" ", 1)
        assert int(checksum, 16) == zlib.crc32(text)
        json.loads(text)
    content = parse_journal(data)
    assert [entry.id for entry in content.entries] == ids
    assert [line.seq for line in content.lines] == [1, 2, 3, 4]
    assert content.damaged == {}


@pytest.mark.parametrize(
    ("drafts", "code"),
    [
        ([], "group-too-large"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="x"))] * 51, "group-too-large"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="x")), Draft("org", "job:1", steps.NoteAdded(text="x"))], "group-too-large"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="x" * 9_000_000))], "body-too-large"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="x" * 60_000))] * 6, "group-too-large"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="half a \ud800 pair"))], "bad-text"),
        ([Draft("b1", "job:1", steps.NoteAdded(text="a\x00b"))], "bad-json"),
        ([Draft("b1", "a job", steps.NoteAdded(text="x"))], "bad-entry"),
    ],
)
def test_what_cannot_be_recorded_leaves_nothing(device: Device, drafts: list[Draft], code: str) -> None:
    device.say(created())
    before = everything(device.db, OwnEntryRow), device.view(), device.home.journal_file.read_bytes()
    with pytest.raises(Problem) as refused:
        device.replica.append(drafts)
    assert refused.value.code == code
    assert (everything(device.db, OwnEntryRow), device.view(), device.home.journal_file.read_bytes()) == before


def test_a_clock_set_back_does_not_disturb_the_order(device: Device) -> None:
    first = notes(device, "one")
    device.clock.at -= 365 * 86_400_000
    second = notes(device, "two")
    device.clock.at += 2 * 365 * 86_400_000
    third = notes(device, "three")
    assert unsent(device) == first + second + third
    device.replica.fork("b1")
    device.clock.at = START_MS - 10 * 86_400_000
    fourth = notes(device, "four")
    assert unsent(device) == first + second + third + fourth


# --- The journal ------------------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_no_damage(device: Device) -> None:
    ids = notes(device, "one", "two")
    whole = device.home.journal_file.read_bytes()
    device.home.journal_file.write_bytes(whole[:-20])
    assert [line.seq for line in parse_journal(whole[:-20]).lines] == [1]
    assert device.restart().damaged == ()
    assert [entry.id for entry in device.journal.read().entries] == ids
    assert unsent(device) == ids


def test_a_line_after_a_torn_one_is_readable(tmp_path: Path, device: Device) -> None:
    notes(device, "one")
    (line,) = device.home.journal_file.read_bytes().splitlines(keepends=True)
    path = tmp_path / "torn.jsonl"
    path.write_bytes(line[:-30])
    journal = Journal(path)
    journal.append([line])
    journal.close()
    content = parse_journal(path.read_bytes())
    assert len(content.entries) == 1
    assert list(content.damaged) == [1]


def test_a_damaged_line_is_reported_put_aside_and_mended_from_the_database(device: Device) -> None:
    ids = notes(device, "one", "two", "three")
    lines = device.home.journal_file.read_bytes().splitlines(keepends=True)
    bad = lines[1].replace(b"two", b"TWO")
    device.home.journal_file.write_bytes(lines[0] + bad + lines[2])
    assert any(finding.kind == "journal" for finding in device.findings())
    assert device.restart().damaged == (2,)
    assert [entry.id for entry in device.journal.read().entries] == ids
    assert device.journal.damaged_file.read_bytes() == bad
    assert device.findings() == ()


def test_an_entry_that_only_the_database_has_gets_its_second_copy_at_the_start(device: Device) -> None:
    ids = notes(device, "one", "two")
    lines = device.home.journal_file.read_bytes().splitlines(keepends=True)
    device.home.journal_file.write_bytes(lines[0])
    device.restart()
    assert [entry.id for entry in device.journal.read().entries] == ids


def test_as_many_lines_but_other_ones_are_written_anew(
    tmp_path: Path, device: Device, server: ServerReplica, sqlite_server: Database
) -> None:
    """What was sent stands in the journal while what is unsent does not: the count alone would not tell."""
    notes(device, "one")
    sent = device.home.journal_file.read_bytes()
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    device.replica.acknowledge(server.receive(device.who, run).head, 1)
    ids = notes(device, "two")
    device.home.journal_file.write_bytes(sent)
    device.restart()
    assert [entry.id for entry in device.journal.read().entries] == ids


def test_the_journal_holds_only_what_is_unsent(
    tmp_path: Path, device: Device, server: ServerReplica, sqlite_server: Database
) -> None:
    notes(device, "one", "two")
    device.push(server)
    assert device.home.journal_file.read_bytes() == b""
    ids = notes(device, "three")
    assert [entry.id for entry in device.journal.read().entries] == ids


# --- Databases lost and restored --------------------------------------------------------------------------------------------------


def test_a_lost_database_is_made_whole_from_the_journal_in_a_new_epoch(
    tmp_path: Path, device: Device, server: ServerReplica, sqlite_server: Database
) -> None:
    sent = device.say(created()).entries
    device.push(server)
    ids = [*device.say(step("s1"), step("s2")).entries, *notes(device, "kept")]
    device.push(server, receipts=False)
    (old,) = everything(device.db, EpochRow)
    started = device.put_database(None)
    assert started.recovered == 4, "what was received is offered again too: the server may have been restored meanwhile"
    assert unsent(device) == [*sent, *ids]
    assert device.replica.identity.epochs["b1"] != old["epoch"]
    identity = device.home.identity()
    assert identity is not None
    assert identity.epochs == device.replica.identity.epochs
    device.push(server)
    assert set(received(sqlite_server)) == {*sent, *ids}
    assert device.findings() == ()


def test_a_database_lost_twice_still_loses_nothing(device: Device) -> None:
    ids = notes(device, "one")
    device.put_database(None)
    ids += notes(device, "two")
    device.put_database(None)
    assert unsent(device) == ids
    assert device.findings() == ()


def test_a_database_rolled_back_goes_on_in_a_new_epoch(
    tmp_path: Path, device: Device, server: ServerReplica, sqlite_server: Database
) -> None:
    ids = notes(device, "one", "two")
    device.copy_database(tmp_path / "older.db")
    ids += notes(device, "three", "four")
    device.push(server, receipts=False)
    before = device.replica.identity.epochs["b1"]
    started = device.put_database(tmp_path / "older.db")
    assert (started.recovered, started.restored) == (2, True)
    assert device.replica.identity.epochs["b1"] != before
    ids += notes(device, "five")
    assert unsent(device) == ids
    device.push(server)
    assert received(sqlite_server) == ids
    assert device.findings() == ()


def test_a_rolled_back_database_whose_work_was_received_forks_and_goes_on(
    tmp_path: Path, device: Device, server: ServerReplica, sqlite_server: Database
) -> None:
    """Nothing beside the database tells: the journal is empty, what was kept is gone. The server notices that a position was
    used before."""
    ids = notes(device, "one")
    device.copy_database(tmp_path / "older.db")
    ids += notes(device, "two")
    device.push(server)
    for kept in device.home.journal_file.parent.glob("kept-*"):
        kept.unlink()
    device.put_database(tmp_path / "older.db")
    ids += notes(device, "three")
    with pytest.raises(Problem) as fork:
        device.push(server)
    assert fork.value.code == "fork"
    device.replica.fork("b1")
    device.push(server)
    assert sorted(received(sqlite_server)) == sorted(ids)
    assert device.replica.counts().unsent == 0


def test_a_start_that_finds_all_well_changes_nothing(device: Device) -> None:
    device.say(created(), work.TimeRecorded(activity="work", minutes=3))
    before = everything(device.db, OwnEntryRow), everything(device.db, EpochRow), device.view()
    started = device.restart()
    assert (started.recovered, started.restored, started.damaged) == (0, False, ())
    assert (everything(device.db, OwnEntryRow), everything(device.db, EpochRow), device.view()) == before


def test_an_unsent_entry_that_the_disk_spoiled_comes_back_from_the_journal(device: Device) -> None:
    (name,) = notes(device, "as it was said")
    with device.db.write() as conn:
        conn.exec_driver_sql("UPDATE entries SET body = CAST(replace(body, 'said', 'sold') AS BLOB) WHERE id = ?", (name,))
    device.restart()
    (entry,) = device.journal.read().entries
    assert b"as it was said" in (entry.body_raw or b"")
    run = device.replica.outgoing(10, 1 << 20)
    assert run is not None
    assert [sent.body_raw for sent in run.entries] == [entry.body_raw]
    device.put_database(None)
    assert unsent(device) == [name]


def test_another_person_s_journal_is_not_taken_in_and_not_thrown_away(device: Device, make_device: MakeDevice) -> None:
    other = make_device("d-other", "p-other", "supervisor")
    theirs = notes(other, "theirs")
    mine = notes(device, "mine")
    device.close()
    device.home.journal_file.write_bytes(device.home.journal_file.read_bytes() + other.home.journal_file.read_bytes())
    device.start()
    assert unsent(device) == mine
    assert [entry.id for entry in parse_journal(device.journal.damaged_file.read_bytes()).entries] == theirs


def test_what_was_recorded_before_the_home_was_enrolled_again_is_taken_in(device: Device) -> None:
    before = notes(device, "before")
    device.home.save_identity(msgspec.structs.replace(device.replica.identity, device="d-new", epochs={}))
    device.put_database(None)
    assert unsent(device) == before


def test_states_folded_by_other_rules_are_folded_again_at_the_start(device: Device) -> None:
    device.say(created(), step("s1"))
    before = device.view()
    with device.db.write() as conn:
        conn.exec_driver_sql(
            "INSERT INTO stream_states (stream, log, pos, last_entry, held, fold_version, digest, state) "
            "VALUES ('job:gone', 'b1', 9, '', 0, 0, '', x'7b7d')"
        )
    device.restart()
    assert device.view() == before
    assert device.findings() == ()


def received(db: Database) -> list[str]:
    """Entries that the server has, in the order of its log."""
    return [row["entry_id"] for row in everything(db, LogRow) if row["kind"] == "entry"]


def test_where_the_identity_cannot_be_written_nothing_is_recorded_and_that_is_said(make_device: MakeDevice) -> None:
    """The first entry of a log opens a line of writing, which is noted beside the journal first."""
    device = make_device("d-boss", "p-mei", "supervisor")
    in_the_way = device.home.identity_file.with_name("device.json.new")
    in_the_way.mkdir()
    with pytest.raises(Problem) as caught:
        device.say(created())
    assert caught.value.code == "home-unusable"
    assert everything(device.db, OwnEntryRow) == []
    in_the_way.rmdir()
    device.say(created())
    assert device.findings() == ()


def test_another_branch_that_could_not_be_noted_is_noted_when_the_page_comes_again(make_device: MakeDevice) -> None:
    device = make_device("d-boss", "p-mei", "supervisor")
    body = PersonRecorded(Person("p-mei", "Mei", "dispatcher", "b2"))
    name = "01a20290-72f6-73c5-a4a7-d9e775518050"
    envelope = Envelope(
        id=name, log="org", stream="person:p-mei", type=body.NAME, author="server", device="server", group=name,
        at=Moment(START_MS, skew=0), body="",
    )  # fmt: skip
    page = Page((Row("org", 1, START_MS, write_entry(envelope, encode(body))),), {"org": "1:abcdabcd"}, (("org", "*", 0),))
    in_the_way = device.home.identity_file.with_name("device.json.new")
    in_the_way.mkdir()
    with pytest.raises(Problem):
        device.replica.receive(page)
    in_the_way.rmdir()
    device.replica.receive(page)
    device.restart()
    assert (device.replica.identity.role, device.replica.identity.log) == ("dispatcher", "b2")
