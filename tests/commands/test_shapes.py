"""What scripts rely on: the JSON of every command has exactly the documented keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commands.runs import ROOT, Commands, Device
from tests.commands.test_documentation import keys, matches, shape_of
from tests.commands.work import BEGIN, FEEDBACK, JOB
from tests.live_server import LiveServer

TICKETS = """randid,asset,general commentary,startdate,enddate,cause,type
S1,Inverter,Inverter is down,11/2/2026 8:00,11/2/2026 9:00,fuse,corrective
,Inverter,No site,11/2/2026 8:00,11/2/2026 9:00,fuse,corrective
"""


def documented(words: str, actual: Any) -> Any:
    shape, found = keys(shape_of(words)), keys(actual)
    assert matches(shape, found), f"{words}: documented {shape}, is {found}"
    assert isinstance(shape_of(words), type(actual))
    return actual


def test_looking(technician: Device, supervisor: Device) -> None:
    jobs = documented("jobs", technician("jobs", "--json").json)
    assert {job["number"] for job in jobs} >= {JOB, "J-1048"}
    assert jobs[0].keys() == shape_of("jobs")[0].keys()
    assert len(supervisor("jobs", "--json").json) > len(jobs)
    sent_back = documented("job", technician("job", "J-1048", "--json").json)
    assert any(step["sent_back"] for part in sent_back["procedures"] for step in part["steps"])
    assert sent_back["blocks_completion"][0]["code"] == "sent_back"
    log = documented("log", [line | {"body": None} for line in technician("log", JOB, "--json").json])
    assert [line["type"] for line in log] == ["job.created", "job.assigned"]


def test_working(technician: Device, tmp_path: Path) -> None:
    for _, verb in BEGIN:
        documented("do", technician("do", JOB, verb, "--json").json)
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n")
    for words in (
        ("record", JOB, "chw_out", "7,2"),
        ("amend", JOB, "chw_out", "7.3", "--reason", "misread"),
        ("not-done", JOB, "cause", "--reason", "unknown"),
        ("not-applicable", JOB, "prevent", "--reason", "nothing"),
        ("attach", JOB, "alarm_photo", str(photo)),
        ("note", JOB, "a remark"),
        ("part", JOB, "OIL-FILTER"),
        ("reading", JOB, "hour_meter", "14203"),
        ("fault", JOB, "trip"),
        FEEDBACK,
    ):
        documented(words[0], technician(*words, "--json").json)
    box = documented("outbox", technician("outbox", "--json").json)
    assert box["files"]["waiting"] == 1
    documented("locate", technician("locate", "--json").json)
    checked = documented("doctor", technician("doctor", "--offline", "--json").json)
    assert checked["ok"]


def test_planning(supervisor: Device) -> None:
    wish = ("--customer", "weser", "--service", "CH-CALL", "--asset", "WK-CH1", "--when", "2026-12-01 09:00/11:00")
    number = documented("job-new", supervisor("job-new", *wish, "--json").json)["number"]
    documented("assign", supervisor("assign", number, "Anna", "--json").json)
    documented("reschedule", supervisor("reschedule", number, "2026-12-02 09:00", "--json").json)
    documented("cancel", supervisor("cancel", number, "--reason", "twice", "--json").json)
    documented("review", supervisor("review", "J-1030", "approve", "--anyway", "--note", "new visit planned", "--json").json)


def test_importing(supervisor: Device, tmp_path: Path) -> None:
    tickets = ROOT.parent / "shared" / "data" / "tickets" / "example_om_data2.csv"
    if not tickets.exists():
        pytest.skip("the real tickets are not beside this checkout")
    read = documented("import jobs", supervisor("import", "jobs", str(tickets), "--json").json)
    assert read["imported"] > 0
    again = supervisor("import", "jobs", str(tickets), "--json").json
    assert again["imported"] == 0
    form = ROOT / "fixtures" / "forms" / "wifi-validation.xlsx"
    published = documented("import procedure", supervisor("import", "procedure", str(form), "--code", "WIFI-NEW", "--json").json)
    assert published["imported"] == 1
    assert supervisor("import", "procedure", str(form), "--code", "WIFI-NEW", "--json").json["imported"] == 0


def test_syncing(server: LiveServer, technician: Device) -> None:
    technician("do", JOB, "accept").good()
    synced = documented("sync", technician("sync", "--json").json)
    assert synced == {"online": True, "sent": 1, "received": synced["received"], "problem": None}
    checked = technician("doctor", "--json").json
    assert "knows this device" in checked["checks"][-1]["words"]


def test_administration(admin: Commands, tmp_path: Path) -> None:
    documented("admin init", admin("admin", "init", "--json").json)
    person = ("admin", "person", "add", "li", "Li Na", "--role", "technician", "--branch", "hz", "--new-branch", "Hangzhou")
    documented("admin person add", admin(*person, "--json").json)
    documented("admin person list", admin("admin", "person", "list", "--json").json)
    documented("admin code", admin("admin", "code", "li", "--json").json)
    backup = str(tmp_path / "backup.zip")
    documented("admin backup", admin("admin", "backup", backup, "--json").json)
    documented("admin restore", admin("admin", "restore", backup, "--replace", "--json").json)


def test_devices(server: LiveServer) -> None:
    admin = Commands("--server-home", str(server.settings.home))
    devices = documented("admin device list", admin("admin", "device", "list", "--json").json)
    assert [device["person"] for device in devices] == ["tech-anna", "sup-petra"]
    documented("admin revoke", admin("admin", "revoke", devices[0]["code"], "--json").json)
