"""The desk by commands, between two real devices and a real server: conflicts, bytes, silent devices, missing files, decisions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from fieldapp.bootstrap import reading, writing
from fieldapp.store.home import Home
from fieldapp.store.judge import Writer
from fieldapp.store.queries.desk import on_desk
from fieldapp.store.queries.late import LATE_SHOWN_MS
from fieldapp.store.tables import DeviceRow
from tests.commands.runs import TECHNICIAN, Device
from tests.commands.test_shapes import documented
from tests.commands.work import BEGIN, JOB
from tests.live_server import LiveServer

STEP = "CHILLER-CALL/chw_out"
TOO_LARGE = "it is too large to be sent"


@pytest.fixture
def conflict(server: LiveServer, technician: Device, supervisor: Device) -> dict[str, Any]:
    """Anna and Petra recorded one step, each without the other: Petra's arrived first. The item of the desk."""
    for command, verb in BEGIN:
        technician(command, JOB, verb).good()
    technician("sync").good()
    supervisor("sync").good()
    supervisor("record", JOB, STEP, "8.8").good()
    technician("record", JOB, STEP, "7.2").good()
    supervisor("sync").good()
    technician("sync").good()
    supervisor("sync").good()
    (item,) = supervisor("desk", "--json").json["items"]
    return dict(item)


def value(device: Device) -> str:
    steps = [step for part in device("job", JOB, "--json").json["procedures"] for step in part["steps"]]
    return str(next(step["value"] for step in steps if step["id"] == "chw_out"))


def own(device: Device, entry: str) -> dict[str, Any]:
    return next(line for line in device("outbox", "--json").json["entries"] if line["id"] == entry)


def exchange(*devices: Device) -> None:
    for device in (*devices, devices[0]):
        device("sync").good()


def test_both_sides_of_a_conflict(conflict: dict[str, Any], supervisor: Device, technician: Device) -> None:
    assert (conflict["kind"], conflict["job"], conflict["who"], conflict["overdue"]) == ("conflict", JOB, TECHNICIAN, False)
    documented("desk", supervisor("desk", "--json").json)
    shown = documented("desk show", supervisor("desk", "show", conflict["id"][-8:], "--json").json)
    assert [line["body"]["value"] for line in shown["theirs"] if line["type"] == "step.recorded"] == ["7.2"]
    assert [line["body"]["value"] for line in shown["ours"]] == ["8.8"]
    assert all(line["recorded_at"] and line["received_at"] for line in (*shown["theirs"], *shown["ours"]))
    said = supervisor("desk").good().out
    assert "conflict" in said
    assert conflict["id"][-8:] in said
    pair = supervisor("desk", "show", conflict["id"]).good().out
    assert "8.8" in pair
    assert "7.2" in pair
    assert (value(technician), own(technician, conflict["id"])["lane"]) == ("8.8", "refused")


@pytest.mark.parametrize(("side", "wins", "verb"), [("theirs", "7.2", "take"), ("ours", "8.8", "keep")])
def test_choosing_a_side(conflict: dict[str, Any], supervisor: Device, technician: Device, side: str, wins: str, verb: str) -> None:
    done = supervisor("desk", "decide", conflict["id"][-8:], "--keep", side, "--reason", "checked on site", "--json")
    documented("desk decide", done.json)
    assert done.json["decision"] == verb
    (item,) = supervisor("desk", "--offline", "--json").json["items"]
    assert item["decided"] == verb
    supervisor("desk", "decide", conflict["id"], "--release").refused("decided here already")
    exchange(supervisor, technician)
    assert supervisor("desk", "--json").json["items"] == []
    assert (value(supervisor), value(technician)) == (wins, wins)
    line = own(technician, conflict["id"])
    assert line["decision"] == {"decision": verb, "by": "sup-petra", "reason": "checked on site"}
    assert (line["lane"], "meanwhile" in line["reason"]) == ("settled", True)
    assert "checked on site" in technician("outbox").good().out
    assert technician("outbox", "--json").json["refused"] == []


def test_a_side_by_the_id_of_an_entry(conflict: dict[str, Any], supervisor: Device, technician: Device) -> None:
    shown = supervisor("desk", "show", conflict["id"], "--json").json
    supervisor("desk", "decide", conflict["id"], "--keep", "nobody", "--reason", "x").refused("names no side")
    supervisor("desk", "decide", conflict["id"], "--keep", shown["theirs"][0]["id"], "--reason", "x").good()
    exchange(supervisor, technician)
    assert value(technician) == "7.2"


def test_merging_by_another_value(conflict: dict[str, Any], supervisor: Device, technician: Device) -> None:
    supervisor("desk", "decide", conflict["id"], "--merge", "8.0").refused("needs a reason")
    done = supervisor("desk", "decide", conflict["id"], "--merge", "8.1", "--reason", "between both", "--json").json
    assert (done["decision"], len(done["saved"]) > 1) == ("merge", True)
    exchange(supervisor, technician)
    assert value(technician) == "8.1"
    assert own(technician, conflict["id"])["decision"]["decision"] == "merge"
    assert supervisor("desk", "--json").json["items"] == []


def test_what_cannot_be_decided_says_why(conflict: dict[str, Any], supervisor: Device, technician: Device) -> None:
    supervisor("desk", "decide", conflict["id"], "--keep", "ours").refused("needs a reason")
    supervisor("desk", "decide", "nothing0", "--release").refused("Nothing at the desk")
    assert supervisor("desk", "decide", conflict["id"], "--release", "--dismiss").code == 2
    technician("desk").refused("has no desk")
    technician("desk", "decide", conflict["id"], "--release").refused("does not decide")
    assert len(supervisor("desk", "--json").json["items"]) == 1


def test_work_done_after_a_cancellation_cannot_be_taken_over_it(server: LiveServer, supervisor: Device, technician: Device) -> None:
    technician("do", JOB, "accept").good()
    supervisor("cancel", JOB, "--reason", "customer closed").good()
    exchange(supervisor, technician)
    (item,) = supervisor("desk", "--json").json["items"]
    supervisor("desk", "decide", item["id"], "--keep", "theirs", "--reason", "x").refused("does not allow job.accepted")
    supervisor("desk", "decide", item["id"], "--dismiss", "--reason", "closed before").good()
    exchange(supervisor, technician)
    assert own(technician, item["id"])["decision"] == {"decision": "keep", "by": "sup-petra", "reason": "closed before"}


def test_bytes_in_quarantine_are_listed_shown_and_released(server: LiveServer, supervisor: Device, technician: Device) -> None:
    note = technician("note", JOB, "key \u202eat the gate", "--json").json["saved"][0]
    with writing("test", str(technician.home)) as device:
        run = device.replica.outgoing(200, 1 << 20)
        assert run is not None
        entry, before, chain = device.replica.entry_at(run.epoch, run.from_seq) or (None, "", "")
        assert entry is not None
        assert entry.id == note
        who = Writer(device.identity.device, device.identity.person, "technician", device.identity.log)
        raw = entry.raw + b"\n" + (entry.body_raw or b"")
        server.services.replica.quarantine(
            who,
            epoch=run.epoch,
            log=run.log,
            seq=run.from_seq,
            prev_hash=before,
            chain=chain,
            raw=raw,
            reason="it is too large to be sent",
        )
        device.replica.refuse(run.epoch, run.from_seq, "it is too large to be sent", device.clock.now())
    (one,) = documented("desk", supervisor("desk", "--json").json)["bytes"]
    assert (one["who"], one["can_stand"], one["reason"]) == (TECHNICIAN, True, TOO_LARGE)
    shown = supervisor("desk", "show", one["id"][:12]).good().out
    assert "Says      note.added key" in shown
    assert f"Job       {JOB}" in shown
    assert "gate" in shown
    assert "\u202e" not in shown
    listed = supervisor("desk").good().out
    assert "note.added key" in listed
    assert TOO_LARGE in listed
    supervisor("desk", "decide", one["id"][:12], "--release", "--reason", "it fits now").good()
    exchange(supervisor, technician)
    assert supervisor("desk", "--json").json["bytes"] == []
    line = own(technician, note)
    assert (line["lane"], line["outcome"], line["decision"]["reason"]) == ("settled", "applied", "it fits now")
    assert note in [entry["id"] for entry in supervisor("log", JOB, "--json").json]


def test_missing_files_and_silent_devices(server: LiveServer, supervisor: Device, technician: Device, tmp_path: Path) -> None:
    photo = tmp_path / "plate.jpg"
    photo.write_bytes(b"\xff\xd8\xff" + b"0" * 3000)
    technician("do", JOB, "accept").good()
    technician("attach", JOB, "-", str(photo)).good()
    with server.services.db.write() as conn:
        conn.execute(update(DeviceRow).where(col(DeviceRow.person) == TECHNICIAN).values(last_seen=1_000, enrolled_at=1_000))
    found = supervisor("desk", "--json").json
    assert [device["who"] for device in found["devices"]] == [TECHNICIAN]
    assert found["files"] == []
    with writing("test", str(technician.home)) as device:
        run = device.replica.outgoing(200, 1 << 20)
        assert run is not None
        server.services.replica.receive(Writer(device.identity.device, device.identity.person, "technician", "bre"), run)
    (missing,) = documented("desk", supervisor("desk", "--json").json)["files"]
    assert (missing["name"], missing["job"], missing["parts_arrived"], missing["parts"]) == ("plate.jpg", JOB, 0, 1)
    technician("sync").good()
    assert supervisor("desk", "--json").json["files"] == []


@pytest.fixture
def given_away(server: LiveServer, supervisor: Device, technician: Device) -> str:
    """Emre has got Anna's job; of her notes, one recorded before she heard of it and one after, the first. Both have arrived."""
    said = supervisor("assign", JOB, "tech-emre").good().out
    assert "stand and are listed as late" in said
    first = str(technician("note", JOB, "the key is at the gate", "--json").json["saved"][0])
    technician("note", JOB, "the pump is loud", "--json").json["saved"]
    exchange(supervisor, technician)
    assert own(technician, first)["outcome"] == "late"
    return first


def test_late_work_is_listed_with_whom_the_job_was_given_to_and_asks_for_nothing(
    given_away: str, supervisor: Device, technician: Device
) -> None:
    found = documented("desk", supervisor("desk", "--json").json)
    assert found["items"] == []
    (late,) = found["late"]
    assert (late["kind"], late["job"], late["who"], late["given_to"]) == ("late", JOB, TECHNICIAN, "tech-emre")
    assert (late["entries"][0], len(late["entries"]), late["what"]) == (given_away, 2, "the pump is loud")
    said = supervisor("desk").good().out
    assert "the job was given to Emre Aydin before this arrived" in said
    assert "nothing waits for a decision" not in said
    pair = supervisor("desk", "show", given_away).good().out
    assert "Stands; came late" in pair
    assert "nothing to decide" in pair
    supervisor("desk", "decide", given_away, "--dismiss", "--reason", "x").refused("nothing to decide")
    shown = documented("job", supervisor("job", JOB, "--json").json)["late"]
    assert [(one["id"] == given_away, one["given_to"]) for one in shown] == [(True, "tech-emre"), (False, "tech-emre")]
    told = supervisor("job", JOB).good().out
    assert told.count("Came late, stands") == 2
    assert "Does not stand" not in told


def test_late_work_leaves_the_list_when_somebody_who_had_it_closes_the_job(given_away: str, supervisor: Device) -> None:
    supervisor("cancel", JOB, "--reason", "done by phone").good()
    assert len(supervisor("desk", "--json").json["late"]) == 1
    supervisor("sync").good()
    assert supervisor("desk", "--json").json["late"] == []
    assert len(supervisor("job", JOB, "--json").json["late"]) == 2


def test_late_work_stays_where_the_job_was_closed_without_knowing_of_it(
    server: LiveServer, supervisor: Device, technician: Device
) -> None:
    supervisor("assign", JOB, "tech-emre").good()
    supervisor("sync").good()
    technician("note", JOB, "the key is at the gate").good()
    supervisor("cancel", JOB, "--reason", "done by phone").good()
    exchange(technician, supervisor)
    (late,) = supervisor("desk", "--json").json["late"]
    assert late["what"] == "the key is at the gate"
    with reading(str(supervisor.home)) as device:
        now = device.clock.now()
        assert len(on_desk(device.reader, now + LATE_SHOWN_MS - 60_000).late) == 1
        assert on_desk(device.reader, now + LATE_SHOWN_MS).late == ()


def test_what_was_held_and_came_late_after_all_is_nothing_to_decide(
    server: LiveServer, supervisor: Device, technician: Device
) -> None:
    supervisor("assign", JOB, "tech-emre").good()
    supervisor("sync").good()
    note = str(technician("note", JOB, "the key is at the gate", "--json").json["saved"][0])
    exchange(technician, supervisor)
    outcome = (
        "INSERT INTO log_rows (log, pos, kind, entry_id, device, outcome, reason, role, received_at, chain) "
        "SELECT log, 999999, 'outcome', entry_id, device, 'late', reason, role, received_at, chain FROM log_rows WHERE pos = ?"
    )
    place = "INSERT INTO stream_rows SELECT log, stream, 999999, entry_id, device, touch FROM stream_rows WHERE pos = ?"
    with supervisor_rows(supervisor) as rows:
        (placed,) = rows("SELECT log, pos FROM log_rows WHERE entry_id = ? AND kind = 'entry'", note)
        assert rows("UPDATE log_rows SET outcome = 'held' WHERE log = ? AND pos = ? RETURNING pos", *placed)
        rows(outcome, placed[1])
        rows(place, placed[1])
    found = supervisor("desk", "--offline", "--json").json
    assert (found["items"], [one["entries"] for one in found["late"]]) == ([], [[note]])
    assert [one["id"] for one in supervisor("job", JOB, "--json").json["late"]] == [note]


@contextlib.contextmanager
def supervisor_rows(device: Device) -> Iterator[Callable[..., list[Any]]]:
    """Statements on a device's database, committed at the end."""
    connection = sqlite3.connect(Home(device.home).database_file)
    try:
        yield lambda statement, *values: connection.execute(statement, values).fetchall()
        connection.commit()
    finally:
        connection.close()


def test_without_a_network_the_desk_says_what_it_knew(supervisor: Device, server: LiveServer) -> None:
    first = supervisor("desk", "--json").json
    assert (first["problem"], bool(first["as_of"])) == (None, True)
    supervisor.use_server("http://127.0.0.1:9")
    again = supervisor("desk", "--json").json
    assert again["as_of"] == first["as_of"]
    assert again["problem"]
    ran = supervisor("desk")
    assert ran.code == 0
    assert "was not asked now" in ran.err


def test_a_conflict_is_told_by_names_and_with_what_can_be_done(
    conflict: dict[str, Any], supervisor: Device, technician: Device
) -> None:
    said = supervisor("desk").good().out
    assert said.startswith("ID "), "the first table stands on the first line"
    assert "Petra Lindner recorded the same before this arrived" in said
    shown = supervisor("desk", "show", conflict["id"]).good().out
    assert "Petra Lindner recorded the same before this arrived" in shown
    assert "--merge VALUE" in shown
    mine = technician("outbox").good().out
    assert "Petra Lindner recorded the same before this arrived" in mine
    assert "meanwhile" not in mine


def test_merging_is_offered_only_where_a_step_is_in_conflict(server: LiveServer, supervisor: Device, technician: Device) -> None:
    technician("do", JOB, "accept").good()
    supervisor("cancel", JOB, "--reason", "customer closed").good()
    exchange(supervisor, technician)
    (item,) = supervisor("desk", "--json").json["items"]
    shown = supervisor("desk", "show", item["id"]).good().out
    assert "--keep ours|theirs" in shown
    assert "--merge" not in shown
