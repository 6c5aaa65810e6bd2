"""The office by commands: what a new job copies, who gets it, what a review refuses."""

from __future__ import annotations

import pytest

from fieldapp.commands import reading
from tests.commands.runs import SUPERVISOR, TECHNICIAN, Device
from tests.commands.work import JOB
from tests.live_server import LiveServer

WISH = ("job-new", "--customer", "weser", "--service", "CH-CALL", "--asset", "WK-CH1")


def test_a_new_job_copies_what_was_sold_and_promised(supervisor: Device) -> None:
    number = supervisor(*WISH, "--when", "2026-12-01 09:00/11:30", "--person", TECHNICIAN, "--json").json["number"]
    assert number.startswith("J-")
    assert number.endswith("-1")
    job = supervisor("job", number, "--json").json
    assert job["status"] == "assigned"
    assert job["window"] == {"start": "2026-12-01T08:00:00.000Z", "end": "2026-12-01T10:30:00.000Z"}  # Bremen is an hour ahead
    assert (job["service"], job["kind"], job["customer"], job["site"]) == ("CH-CALL", "compensatory", "weser", "weser-b")
    assert job["asset"]["tag"] == "WK-CH1"
    assert job["coverage"]["model"] == "flat_subscription"
    assert {promise["name"] for promise in job["promises"]} >= {"response", "arrival", "resolution"}
    assert [part["code"] for part in job["procedures"]] == ["SAFE-PREP", "CHILLER-CALL", "HANDOVER"]
    assert all(part["steps"] for part in job["procedures"])
    assert job["hazards"]
    assert supervisor(*WISH, "--json").json["number"].endswith("-2")


def test_promises_of_the_office_run_in_the_branchs_hours(supervisor: Device) -> None:
    made = supervisor("job-new", "--customer", "Wuemme", "--service", "Machine care", "--json").json
    body = supervisor("log", made["number"], "--json").json[0]["body"]
    calendars = {calendar["code"] for calendar in body["calendars"]}
    assert {promise["calendar"] for promise in body["promises"] if "calendar" in promise} <= calendars == {"bre-office"}


def test_names_are_found_or_named(supervisor: Device) -> None:
    supervisor("job-new", "--customer", "nobody", "--service", "CH-CALL").refused("There is no customer 'nobody'")
    said = supervisor("job-new", "--customer", "e", "--service", "CH-CALL").refused("can be more than one customer")
    assert "There are:" in said.err
    supervisor("job-new", "--customer", "Weser Cl", "--service", "CHILLER CALL-OUT", "--asset", "nf-58801").good()
    supervisor("job-new", "--customer", "weser", "--service", "CH-XXX").refused("There is no service 'CH-XXX'")
    supervisor(*WISH[:-1], "WK-CH9").refused("There is no asset 'WK-CH9'")
    supervisor("assign", JOB, "Emr").good()
    supervisor("assign", JOB, "an").refused("can be more than one person")
    supervisor("assign", JOB, "陈立").refused("belongs to branch hz")
    supervisor("assign", JOB, SUPERVISOR).good()
    supervisor("assign", JOB, "disp-karin").refused("is a dispatcher and does not work on jobs")


@pytest.mark.parametrize(
    "when", ["tomorrow", "2026-02-30 09:00", "2026-12-01", "2026-12-01 25:00", "2026-12-01 09:00/08:00", "0000-01-01 00:00"]
)
def test_times_that_are_none(supervisor: Device, when: str) -> None:
    before = len(supervisor("log", JOB, "--json").json)
    said = supervisor("reschedule", JOB, when)
    assert said.code == 1
    assert "Nothing was saved." in said.err
    assert len(supervisor("log", JOB, "--json").json) == before


def test_a_technician_does_not_plan(technician: Device) -> None:
    technician("assign", JOB, "tech-emre").refused("A technician cannot assign a job.")
    technician("cancel", JOB, "--reason", "no").refused("A technician cannot cancel a job.")
    technician("review", "J-1042", "send-back", "tag", "--note", "x").refused("A technician cannot send back a job.")


def test_reviewing(supervisor: Device) -> None:
    supervisor("review", JOB, "approve").refused(f"Job {JOB} is assigned: you cannot approve it now.")
    supervisor("review", "J-1048", "approve").refused("has 1 open point")
    supervisor("review", "J-1048", "approve", "--anyway").refused("needs a note")
    supervisor("review", "J-1042", "send-back", "--note", "again").refused("Which steps")
    supervisor("review", "J-1042", "send-back", "CHILLER-Q/nothing", "--note", "again").refused("no step")
    steps = supervisor("job", "J-1042", "--json").json["procedures"][1]["steps"]
    done = [step["id"] for step in steps if step["value"] is not None and step["type"] not in ("calculated", "note")]
    first, second = done[:2]
    supervisor("review", "J-1042", "send-back", first, second, "--note", "Photo of the gauge, please").good()
    job = supervisor("job", "J-1042", "--json").json
    assert job["status"] == "sent_back"
    back = [step["id"] for part in job["procedures"] for step in part["steps"] if step["sent_back"]]
    assert back == [first, second]
    supervisor("review", "J-1042", "approve", "--anyway", "--note", "not worth another visit").good()
    assert supervisor("job", "J-1042", "--json").json["status"] == "approved"


def test_what_the_office_plans_arrives_at_the_technician(server: LiveServer, supervisor: Device, technician: Device) -> None:
    number = supervisor(*WISH, "--person", TECHNICIAN, "--json").json["number"]
    supervisor("sync").good()
    technician("sync").good()
    assert technician("job", number, "--json").json["status"] == "assigned"
    technician("do", number, "accept").good()
    supervisor("assign", number, "tech-emre").good()
    supervisor("sync").good()
    technician("sync").good()
    line = next(line for line in supervisor("log", number, "--json").json if line["type"] == "job.assigned")
    assert line["outcome"] == "applied"
    supervisor("sync").good()
    late = [line for line in supervisor("log", number, "--json").json if line["type"] == "job.accepted"]
    assert [line["outcome"] for line in late] == ["conflict"]
    refused = technician("outbox", "--json").json["refused"]
    assert [entry["id"] for entry in refused] == [late[0]["id"]]
    assert "given to somebody else" in refused[0]["reason"] or "meanwhile" in refused[0]["reason"]


def test_two_work_on_one_job(server: LiveServer, supervisor: Device, technician: Device) -> None:
    number = supervisor(*WISH, "--person", "tech-emre", "--json").json["number"]
    said = supervisor("helpers", number, TECHNICIAN, "tech-emre", "--json").good().json
    assert said["people"] == [TECHNICIAN]
    supervisor("sync").good()
    technician("sync").good()
    assert number in [job["number"] for job in technician("jobs", "--mine", "--json").json]
    technician("note", number, "left side is done").good()
    technician("sync").good()
    supervisor("sync").good()
    line = next(line for line in supervisor("log", number, "--json").json if line["type"] == "note.added")
    assert line["outcome"] == "applied"
    supervisor("helpers", number).good()
    supervisor("sync").good()
    technician("sync").good()
    assert number not in [job["number"] for job in technician("jobs", "--json").json]
    technician("helpers", number, TECHNICIAN).refused("the office does")


def test_another_time_is_said_as_for_a_new_job_or_as_a_word(supervisor: Device) -> None:
    for words in (("2026-12-02 09:00",), ("--when", "2026-12-03 09:00/10:00", "--reason", "the customer is away")):
        supervisor("reschedule", JOB, *words).good()
    assert supervisor("job", JOB, "--json").json["window"] == {
        "start": "2026-12-03T08:00:00.000Z",
        "end": "2026-12-03T09:00:00.000Z",
    }


def test_a_person_reads_a_page_and_a_script_gets_every_job(supervisor: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SHOWN_AS_TEXT", 3)
    everything = supervisor("jobs", "--json").json
    assert len(everything) > 20
    shown = supervisor("jobs")
    assert f"3 of {len(everything)} jobs shown; --limit 0 shows all." in shown.err + shown.out
    assert sum(job["number"] in shown.out for job in everything) == 3
    assert len(supervisor("jobs", "--limit", "5", "--json").json) == 5
