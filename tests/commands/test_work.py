"""A technician's day by commands, with no network at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.commands.runs import Device
from tests.commands.work import BEGIN, FEEDBACK, JOB, STEPS


def begin(device: Device) -> None:
    for command, verb in BEGIN:
        device(command, JOB, verb).good()


def test_a_job_from_accepting_to_the_signature(technician: Device) -> None:
    before = len(technician("log", JOB, "--json").json)
    begin(technician)
    for step, value in STEPS:
        technician("record", JOB, step, value).good()
    assert technician("job", JOB, "--json").json["blocks_completion"] == []
    signed = technician(*FEEDBACK, "--json").json
    technician("do", JOB, "complete").good()
    technician("do", JOB, "leave").good()
    assert technician("job", JOB, "--json").json["status"] == "completed"
    log = technician("log", JOB, "--json").json
    own = log[before:]
    assert len({line["id"] for line in log}) == len(log)
    assert all(line["pos"] is None and line["received_at"] is None and line["recorded_at"] for line in own)
    signature = next(line["body"] for line in own if line["type"] == "signature.given")
    assert signature["text"] == signed["text"]
    assert hashlib.sha256(signature["text"].encode()).hexdigest() == signature["shown"] == signed["shown"]
    assert "Quick and clean" in next(line["body"]["comment"] for line in own if line["type"] == "feedback.given")
    box = technician("outbox", "--json").json
    assert (box["unsent"], box["safe_to_leave"]) == (len(own), False)


def test_the_verdict_comes_at_once(technician: Device) -> None:
    begin(technician)
    technician("record", JOB, "alarm", "high_pressure").good()
    borderline = technician("record", JOB, "discharge_pressure", "9,7", "--json").json
    assert (borderline["value"], borderline["verdict"]) == ("9.7", "borderline")
    assert "warning limit 9.5" in borderline["because"]
    failed = technician("amend", JOB, "discharge_pressure", "12", "--reason", "second gauge", "--json").json
    assert failed["verdict"] == "fail"
    assert "fail: above 11" in technician("amend", JOB, "discharge_pressure", "12.5", "--reason", "again").out


def test_completion_says_what_is_open(technician: Device) -> None:
    begin(technician)
    said = technician("do", JOB, "complete").refused("cannot be completed yet: 20 things are open")
    assert "SAFE-PREP/job_read: Required, and nothing is recorded." in said.err
    assert technician("job", JOB, "--json").json["status"] == "in_progress"


def test_a_move_that_is_not_allowed_says_what_is(technician: Device) -> None:
    said = technician("do", JOB, "start").refused(f"Job {JOB} is assigned: you cannot start it now.")
    assert "What you can do now: accept, decline." in said.err
    technician("do", JOB, "decline").refused("To decline a job needs a reason.")
    technician("do", JOB, "decline", "--reason", "on holiday").good()


def test_values_may_begin_with_a_minus_sign(technician: Device) -> None:
    begin(technician)
    assert technician("record", JOB, "chw_out", "-3", "--json").json["value"] == "-3"
    assert technician("amend", JOB, "chw_out", "--reason", "frost", "-0,5", "--json").json["value"] == "-0.5"
    assert technician("record", JOB, "cause", "--none found", "--json").json["value"] == "--none found"
    assert technician("amend", JOB, "--reason", "typo", "--json", "cause", "-").json["value"] == "-"
    assert technician("record", "--json", "--", JOB, "prevent", "--json").json["value"] == "--json"


def test_left_out_with_a_reason(technician: Device) -> None:
    begin(technician)
    technician("not-done", JOB, "down_since", "--reason", "nobody knows").good()
    technician("not-applicable", JOB, "cause", "--reason", "none").good()
    steps = {step["id"]: step for part in technician("job", JOB, "--json").json["procedures"] for step in part["steps"]}
    assert (steps["down_since"]["verdict"], steps["down_since"]["reason"]) == ("not_done", "nobody knows")
    assert steps["cause"]["verdict"] == "not_applicable"
    assert technician("not-done", JOB, "alarm").code == 2


def test_around_the_steps(technician: Device, tmp_path: Path) -> None:
    begin(technician)
    photo = tmp_path / "alarm list.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0 the alarm list")
    technician("attach", JOB, "alarm_photo", str(photo)).good()
    technician("attach", JOB, "-", str(photo)).good()
    technician("attach", JOB, "alarm_photo", str(tmp_path / "none.jpg")).refused("cannot be attached")
    technician("note", JOB, "Key at the porter").good()
    technician("note", JOB, "behind the panel", "--step", "tag").good()
    technician("part", JOB, "OIL-FILTER", "--quantity", "2").good()
    technician("reading", JOB, "hour_meter", "14203", "--unit", "h").good()
    technician("fault", JOB, "high_pressure_trip", "--cause", "fouled_condenser").good()
    types = [line["type"] for line in technician("log", JOB, "--json").json]
    assert types[-7:] == [
        "step.recorded", "file.attached", "note.added", "note.added", "part.used", "reading.taken", "fault.reported"
    ]  # fmt: skip
    box = technician("outbox", "--json").json
    assert (box["files"]["waiting"], box["files"]["bytes"]) == (1, photo.stat().st_size)
    assert [job["job"] for job in box["files"]["jobs"]] == [JOB]
    technician("reading", JOB, "hour_meter", "1", "--asset", "elsewhere").refused("has no asset 'elsewhere'")


def test_the_customers_verdict_is_checked(technician: Device) -> None:
    technician("feedback", JOB, "--csat", "5").refused("there is nothing yet that its customer could rate")
    begin(technician)
    technician("feedback", JOB, "--csat", "6").refused("CSAT goes from 1 to 5; 6 was given.")
    technician("feedback", JOB, "--nps", "-1").refused("NPS goes from 0 to 10")
    technician("feedback", JOB, "--ces", "8").refused("CES goes from 1 to 7")
    technician("feedback", JOB).refused("No score, no comment and no signature were given.")
    technician("feedback", JOB, "--csat", "5", "--name", "Dr. Brandt").refused("only with the signer's consent")
    assert technician("feedback", JOB, "--csat", "five").code == 2
    assert not any(line["type"] == "feedback.given" for line in technician("log", JOB, "--json").json)


def test_the_customer_reads_their_own_language(technician: Device) -> None:
    begin(technician)
    technician("record", JOB, "cause", "Algae").good()
    english = technician("feedback", JOB, "--show").good().out
    assert "What was done" in english
    assert "Weser Clinic" in english
    simplified = technician("feedback", JOB, "--show", "--language", "zh_CN").good().out
    traditional = technician("feedback", JOB, "--show", "--language", "zh_TW").good().out
    assert "已兑现" in simplified
    assert "已兌現" in traditional
    assert technician("feedback", JOB, "--csat", "4", "--language", "zh_CN", "--json").json["text"] == simplified


def test_names_are_forgiving_and_never_guessed(technician: Device) -> None:
    assert technician("job", JOB.lower(), "--json").json["number"] == JOB
    technician("job", "J-1O51").refused("Did you mean J-1051")
    begin(technician)
    technician("record", JOB, "TAG", "WK-CH1").good()
    technician("record", JOB, "taggg", "WK-CH1").refused("Did you mean")
    technician("record", JOB, "tag", "WK-CH2").refused("has a result already")
