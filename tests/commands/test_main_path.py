"""The main job, end to end, by commands as real processes against a real server process: what the product is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.runs import SUPERVISOR, TECHNICIAN, Device, Processes, ServerProcess
from tests.commands.work import BEGIN, FEEDBACK, JOB, STEPS

pytestmark = pytest.mark.timeout(300)


class DeviceProcesses(Processes):
    def __init__(self, home: Path) -> None:
        super().__init__("--home", str(home))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server with the demo company, on an empty database of each kind in turn."""
    made = ServerProcess(
        tmp_path / "server", request.getfixturevalue("fresh_postgres")(False) if request.param == "postgresql" else ""
    )
    admin = Processes(*made.options)
    admin("admin", "init").good()
    assert admin("admin", "load-fixtures", "--json").json["jobs"] == 80
    yield made
    made.stop()


def test_a_job_done_offline_is_reviewed_sent_back_corrected_and_approved(server: ServerProcess, tmp_path: Path) -> None:
    admin = Processes(*server.options)
    people = {person["id"]: person for person in admin("admin", "person", "list", "--json").json}
    assert people[TECHNICIAN] == {"id": TECHNICIAN, "name": "Anna Behrens", "role": "technician", "branch": "bre"}
    server.start()
    technician, supervisor = Device(tmp_path / "anna"), Device(tmp_path / "petra")
    anna, petra = DeviceProcesses(technician.home), DeviceProcesses(supervisor.home)
    for device, person in ((anna, TECHNICIAN), (petra, SUPERVISOR)):
        device("enrol", server.url, admin("admin", "code", person, "--json").json["code"]).good()
    server.stop()

    # Off the network. Most is recorded in this process: the same code, without starting Python 40 times.
    known = {line["id"] for line in technician("log", JOB, "--json").json}
    for command, verb in BEGIN:
        technician(command, JOB, verb).good()
    for step, value in STEPS:
        technician("record", JOB, step, value).good()
    for text in ("Key back at the porter", "Pump sounds healthy", "Valve V3 is labelled V4", "Photo sent to the expert"):
        technician("note", JOB, text).good()
    technician("part", JOB, "OIL-FILTER").good()
    technician("reading", JOB, "hour_meter", "14203", "--unit", "h").good()
    technician("amend", JOB, "discharge_pressure", "9.2", "--reason", "read again after ten minutes").good()
    technician("fault", JOB, "high_pressure_trip", "--cause", "fouled_condenser", "--remedy", "cleaned").good()
    anna(*FEEDBACK).good()
    anna("do", JOB, "complete").good()
    anna("do", JOB, "leave").good()
    offline = anna("sync", "--json")
    assert offline.code == 1
    assert '"online": false' in offline.out
    own = [line for line in technician("log", JOB, "--json").json if line["id"] not in known]
    assert len(own) >= 40

    server.start()
    synced = anna("sync", "--json").json
    assert synced["online"]
    assert synced["problem"] is None
    assert synced["sent"] == len(own)
    assert technician("outbox", "--json").json["safe_to_leave"]
    petra("sync").good()
    log = petra("log", JOB, "--json").json
    assert [line["id"] for line in log if line["id"] not in known] == [line["id"] for line in own]
    assert len({line["id"] for line in log}) == len(log)
    assert [line["pos"] for line in log] == sorted(line["pos"] for line in log)
    assert all(line["recorded_at"] and line["received_at"] and line["outcome"] == "applied" for line in log)

    petra("review", JOB, "send-back", "CHILLER-CALL/chw_out", "--note", "Which sensor was that?").good()
    supervisor("sync").good()
    technician("sync").good()
    job = technician("job", JOB, "--json").json
    assert job["status"] == "sent_back"
    step = next(step for part in job["procedures"] for step in part["steps"] if step["id"] == "chw_out")
    assert step["sent_back"] == "Which sensor was that?"
    assert "Which sensor was that?" in technician("job", JOB).good().out
    supervisor("review", JOB, "approve").refused("has 1 open point")
    anna("amend", JOB, "chw_out", "7.4", "--reason", "read at the panel, not at the pipe").good()
    technician("do", JOB, "complete").good()
    technician("sync").good()

    supervisor("sync").good()
    supervisor("review", JOB, "approve").good()
    supervisor("sync").good()
    technician("sync").good()
    assert technician("job", JOB, "--json").json["status"] == "approved"
    logs = [device("log", JOB, "--json").json for device in (technician, supervisor)]
    assert [line["id"] for line in logs[0]] == [line["id"] for line in logs[1]]
    assert {line["outcome"] for line in logs[1]} == {"applied"}
    amended = [line["body"]["reason"] for line in logs[1] if line["type"] == "step.amended"]
    assert amended[-1] == "read at the panel, not at the pipe"
    server.stop()
