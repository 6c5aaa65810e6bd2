"""What `fieldapp outbox` says of own work: how far a verified backup goes, what became of files that are lost,
and which job is meant where it has left."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlmodel import col

from fieldapp.commands.syncing import _told
from fieldapp.store.home import Home
from fieldapp.store.tables import DeviceEpochRow
from fieldapp.sync.messages import Connection
from fieldapp.sync.status import SyncReport, sentence
from tests.commands.runs import TECHNICIAN, Commands, Device
from tests.commands.test_shapes import documented
from tests.commands.work import BEGIN, JOB
from tests.live_server import LiveServer


def test_how_far_a_verified_backup_goes_is_said(server: LiveServer, technician: Device) -> None:
    assert technician("outbox", "--json").json["backed_up"] == {"entries": 0, "of": 0}
    assert "backup" not in technician("outbox").good().out
    for text in ("one", "two", "three"):
        technician("note", JOB, text).good()
    technician("sync").good()
    assert "In a verified backup  0 of 3 entries; the others are kept here" in technician("outbox").good().out
    mine = col(DeviceEpochRow.seq) == 3
    with server.services.db.write() as conn:
        conn.execute(update(DeviceEpochRow).where(mine).values(safe_seq=2))
    technician("sync").good()
    assert documented("outbox", technician("outbox", "--json", "--all").json)["backed_up"] == {"entries": 2, "of": 3}
    with server.services.db.write() as conn:
        conn.execute(update(DeviceEpochRow).where(mine).values(safe_seq=3))
    technician("sync").good()
    assert "In a verified backup  3 of 3 entries\n" in technician("outbox").good().out


@pytest.fixture
def photos(technician: Device, tmp_path: Path) -> Path:
    """Two photos of one job, the bytes of the second gone before the server had them."""
    technician("do", JOB, "accept").good()
    for number in (1, 2):
        photo = tmp_path / f"photo{number}.jpg"
        photo.write_bytes(b"\xff\xd8\xff" + bytes([number]) * 500)
        technician("attach", JOB, "-", str(photo)).good()
    (technician.home / "files" / hashlib.sha256(photo.read_bytes()).hexdigest()).unlink()
    return tmp_path


def test_a_file_that_is_gone_is_named_with_what_is_safe_and_what_to_do(
    photos: Path, server: LiveServer, technician: Device
) -> None:
    said = technician("outbox").good().out
    assert "1 file (503 bytes)" in said
    assert f"photo2.jpg of {JOB} is gone from this device's folder" in said
    assert "What was recorded about it is safe." in said
    assert "0 of 2 files arrived at the server; only here: photo1.jpg; lost before that: photo2.jpg" in said
    assert "Safe to leave         no: run fieldapp sync; a file is gone." in said
    sync = technician("sync").refused("the file photo2.jpg cannot be read here")
    assert "photo2.jpg of" in sync.err
    assert "is sent next time" not in sync.err
    assert "fieldapp outbox give-up photo2.jpg" in sync.err
    assert re.search(r"[0-9a-f]{64}", sync.err) is None
    box = documented("outbox", technician("outbox", "--json").json)
    assert (box["files"]["waiting"], box["files"]["bytes"], box["safe_to_leave"]) == (0, 0, False)
    assert [(gone["name"], gone["job"]) for gone in box["files"]["gone"]] == [("photo2.jpg", JOB)]
    assert [(one["missing"], one["gone"]) for one in box["files"]["jobs"]] == [([], ["photo2.jpg"])]
    assert "lost before that: photo2.jpg" in technician("job", JOB).good().out
    assert "fieldapp outbox give-up NAME" in technician("doctor", "--offline").refused("photo2.jpg").out
    assert "Safe to leave         no: a file is gone." in technician("outbox").good().out


def test_attached_again_it_is_sent(photos: Path, server: LiveServer, technician: Device) -> None:
    refused = technician("attach", JOB, "-", str(photos / "photo2.jpg")).refused("attached to this job already")
    assert "it is here again and is sent" in refused.err
    technician("sync").good()
    box = technician("outbox", "--json").json
    assert (box["files"]["gone"], box["safe_to_leave"]) == ([], True)
    assert server.services.files.missing() == []


def test_given_up_the_log_says_so_and_it_is_waited_for_no_longer(photos: Path, server: LiveServer, technician: Device) -> None:
    technician("outbox", "give-up", "photo1.jpg").refused("No file called 'photo1.jpg' is missing")
    done = documented("outbox give-up", technician("outbox", "give-up", "photo2.jpg", "--json").json)
    assert (done["name"], done["job"]) == ("photo2.jpg", JOB)
    (remark,) = [line for line in technician("log", JOB, "--json").json if line["id"] in done["saved"]]
    assert "photo2.jpg was lost on the device" in remark["body"]["text"]
    technician("sync").good()
    box = technician("outbox", "--json").json
    assert (box["files"]["gone"], box["safe_to_leave"]) == ([], True)
    assert "1 of 2 files arrived at the server; lost before that: photo2.jpg" in technician("job", JOB).good().out
    assert [gone["name"] for gone in box["files"]["given_up"]] == ["photo2.jpg"]
    assert f"Given up              photo2.jpg of {JOB} (lost here" in technician("outbox").good().out
    assert "Everything that is here is at the server too." in technician("doctor", "--offline").good().out
    technician("outbox", "give-up", "photo2.jpg").refused("is missing on this device")
    technician("attach", JOB, "-", str(photos / "photo2.jpg")).refused("attached to this job already")
    assert technician("outbox", "--json").json["files"]["waiting"] == 1
    technician("sync").good()
    assert server.services.files.missing() == []


def spoil(technician: Device, photo: Path) -> None:
    """One bit of the copy in the home, as a bad disk turns it over."""
    kept = technician.home / "files" / hashlib.sha256(photo.read_bytes()).hexdigest()
    content = bytearray(kept.read_bytes())
    content[100] ^= 1
    kept.write_bytes(content)


def test_a_file_that_the_disk_spoiled_is_named_and_can_be_given_up(photos: Path, server: LiveServer, technician: Device) -> None:
    """Of its size, and another one: the server refuses it each time, for ever."""
    spoil(technician, photos / "photo1.jpg")
    technician("attach", JOB, "-", str(photos / "photo2.jpg")).refused("attached to this job already")
    sync = technician("sync").refused("the file photo1.jpg is not what it was when it was recorded")
    assert f"photo1.jpg of {JOB} is gone from this device's folder, or damaged there" in sync.err
    assert "fieldapp outbox give-up photo1.jpg" in sync.err
    assert "Safe to leave         no: a file is gone." in technician("outbox").good().out
    assert "lost before that: photo1.jpg" in technician("job", JOB).good().out
    assert "photo1.jpg" in technician("doctor", "--offline").refused("give-up NAME").out
    technician("outbox", "give-up", "photo1.jpg").good()
    technician("sync").good()
    assert technician("outbox", "--json").json["safe_to_leave"] is True


def test_a_file_that_the_disk_spoiled_is_attached_again(photos: Path, server: LiveServer, technician: Device) -> None:
    spoil(technician, photos / "photo1.jpg")
    for photo in (1, 2):
        technician("attach", JOB, "-", str(photos / f"photo{photo}.jpg")).refused("attached to this job already")
    technician("sync").good()
    assert server.services.files.missing() == []


def test_files_of_one_name_are_told_apart(photos: Path, technician: Device, tmp_path: Path) -> None:
    other = tmp_path / "other" / "photo2.jpg"
    other.parent.mkdir()
    other.write_bytes(b"\xff\xd8\xff another")
    technician("attach", JOB, "-", str(other)).good()
    (technician.home / "files" / hashlib.sha256(other.read_bytes()).hexdigest()).write_bytes(b"cut off")
    said = technician("outbox", "give-up", "photo2.jpg").refused("2 missing files are called 'photo2.jpg'")
    beginning = hashlib.sha256(other.read_bytes()).hexdigest()[:12]
    assert beginning in said.err
    technician("outbox", "give-up", beginning).good()
    assert [gone["name"] for gone in technician("outbox", "--json").json["files"]["gone"]] == ["photo2.jpg"]


def test_what_was_given_up_and_is_brought_from_elsewhere_is_sent(photos: Path, technician: Device, tmp_path: Path) -> None:
    shutil.copytree(technician.home, tmp_path / "other-laptop")
    other = Device(tmp_path / "other-laptop")
    other("attach", JOB, "-", str(photos / "photo2.jpg")).refused("already")
    other("export", "unsent", "--to", str(tmp_path / "stick.jsonl")).good()
    technician("outbox", "give-up", "photo2.jpg").good()
    technician("import", str(tmp_path / "stick.jsonl")).good()
    assert technician("outbox", "--json").json["files"]["waiting"] == 2


@pytest.mark.parametrize("place", ["the same", "another"])
def test_what_a_stick_lacked_is_sent_once_it_is_attached_here(
    photos: Path, server: LiveServer, technician: Device, tmp_path: Path, place: str
) -> None:
    """The entries came without the photo that they name; whoever has it attaches it."""
    technician("export", "unsent", "--to", str(tmp_path / "stick.jsonl"))
    other = Device(tmp_path / "other-laptop")
    other("enrol", server.url, server.services.accounts.issue_code(TECHNICIAN).code).good()
    assert other("import", str(tmp_path / "stick.jsonl")).code == 1
    attached = other("attach", JOB, "-" if place == "the same" else "SAFE-PREP/job_read", str(photos / "photo2.jpg"))
    if place == "the same":
        assert "it is here again and is sent" in attached.refused("attached to this job already").err
    else:
        attached.good()
    other("sync").good()
    assert server.services.files.missing() == []
    assert other("outbox", "--json").json["safe_to_leave"] is True


def test_a_job_that_was_given_to_somebody_else_is_still_called_by_its_number(
    server: LiveServer, technician: Device, supervisor: Device
) -> None:
    wish = ("--customer", "weser", "--site", "weser-b", "--service", "CH-CALL", "--person", TECHNICIAN)
    number = str(supervisor("job-new", *wish, "--json").json["number"])
    supervisor("sync").good()
    technician("sync").good()
    technician("note", number, "the key is at the gate").good()
    supervisor("assign", number, "tech-emre").good()
    for device in (supervisor, technician, technician):
        device("sync").good()
    said = technician("job", number.lower()).refused(f"The job {number} is no longer on this device")
    assert "Did you mean" not in said.err
    (line,) = technician("outbox", "--json").json["entries"]
    assert (line["job"], line["outcome"]) == (number, "late")
    said = technician("outbox").good().out
    assert number in said
    assert "job:" not in said
    with sqlite3.connect(Home(technician.home).database_file) as connection:  # as a database made anew after a damage has it
        (stream,) = connection.execute("DELETE FROM left_jobs RETURNING stream").fetchone()
    connection.close()
    assert technician("outbox", "--json").json["entries"][0]["job"] is None
    said = technician("outbox").good().out
    assert f"job …{stream[-8:]}" in said
    assert "job:" not in said


def test_work_that_does_not_stand_is_counted_once_and_told_by_the_sync(
    server: LiveServer, technician: Device, supervisor: Device
) -> None:
    """The job was given to somebody else, who has recorded nothing: nobody changed the same."""
    for command, verb in BEGIN:
        technician(command, JOB, verb).good()
    technician("sync").good()
    supervisor("sync").good()
    technician("record", JOB, "CHILLER-CALL/cooling_back", "yes").good()
    supervisor("assign", JOB, "tech-emre").good()
    supervisor("sync").good()
    assert "note: 1 record does not stand; the office decides on that: fieldapp outbox" in technician("sync").good().out
    box = technician("outbox", "--json").json
    assert (len(box["refused"]), box["settled"]) == (1, len(BEGIN))
    assert box["entries"][0]["done"].startswith("It does not stand by itself. It is kept here and at the server")
    said = technician("outbox").good().out
    assert f"Settled               {len(BEGIN)}\n" in said
    assert "Somebody else changed the same" not in said
    assert "note:" not in supervisor("sync").good().out


@pytest.mark.parametrize("connection", ["server_full", "busy"])
def test_what_was_not_saved_at_the_server_is_not_said_of_what_was_saved_here(connection: Connection) -> None:
    cause = "The disk is full or takes no more, so this was not saved."
    told = _told(SyncReport(False, 0, 0, sentence(connection, cause), connection))
    assert told == sentence(connection)
    assert "not saved" not in told
    silent = "the server did not answer in time"
    assert silent in _told(SyncReport(False, 0, 0, sentence("busy", silent), "busy"))


def test_the_administrator_reads_of_which_job_files_are_missing(photos: Path, server: LiveServer, technician: Device) -> None:
    technician("sync")
    admin = Commands("--server-home", str(server.settings.home))
    (of,) = documented("admin files", admin("admin", "files", "--json").json)
    assert (of["job"], of["arrived"], of["total"], of["missing"]) == (JOB, 1, 2, ["photo2.jpg"])
    said = admin("admin", "files").good().out
    assert JOB in said
    assert "job:" not in said


def test_what_only_the_second_copy_has_makes_it_unsafe_to_leave(server: LiveServer, technician: Device) -> None:
    """The database was put back to an earlier day, the journal beside it was not."""
    before = technician.home.parent / "before"
    shutil.copytree(technician.home / "data", before)
    technician("note", JOB, "the valve is stuck").good()
    shutil.rmtree(technician.home / "data")
    shutil.copytree(before, technician.home / "data")
    box = technician("outbox", "--json").json
    assert (box["unsent"], box["safe_to_leave"]) == (1, False)
    said = technician("outbox").good().out
    assert "In the second copy    1 of them; the database has been put back to an earlier day: fieldapp sync" in said
    assert "Safe to leave         no: run fieldapp sync" in said
    technician("sync").good()
    assert technician("outbox", "--json").json["safe_to_leave"] is True
    assert "second copy" not in technician("outbox").good().out
    assert technician("log", JOB, "--json").json[-1]["body"]["text"] == "the valve is stuck"


def test_after_a_clock_that_was_years_ahead_what_is_recorded_is_not_listed_with_that_time(technician: Device) -> None:
    """The order of saving never goes back; what a person reads is when it was recorded."""
    technician("note", JOB, "the clock is right again").good()
    with sqlite3.connect(Home(technician.home).database_file) as connection:
        connection.execute("UPDATE own_entries SET saved_at = ?", (4_102_444_800_000,))  # 2100-01-01
    connection.close()
    assert "2100-01-01" not in technician("outbox").good().out


def test_what_was_recorded_after_its_receipt_is_marked_as_of_a_wrong_clock(
    server: LiveServer, technician: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knew of the clock when it was recorded: the device had been offline since it was set wrong."""
    technician("note", JOB, "by the right clock").good()
    now = time.time_ns
    with monkeypatch.context() as a_year_ahead:
        a_year_ahead.setattr(time, "time_ns", lambda: now() + 365 * 86_400 * 10**9)
        technician("note", JOB, "by the wrong clock").good()
    technician("sync").good()
    right, wrong = technician("log", JOB).good().out.splitlines()[-2:]
    assert "by the right clock" in right
    assert " ? " not in right
    assert "by the wrong clock" in wrong
    assert " ? " in wrong
