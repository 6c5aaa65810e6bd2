"""Real input by commands: tickets become jobs, forms become procedures, and one job is worked with a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.runs import ROOT, TECHNICIAN, Device
from tests.live_server import LiveServer

DATA = ROOT.parent / "shared" / "data"
FORM = ROOT / "fixtures" / "forms" / "wifi-validation.xlsx"


@pytest.mark.skipif(not DATA.exists(), reason="the real input is not beside this checkout")
def test_a_hundred_real_tickets_become_jobs_and_one_is_worked_with_a_real_procedure(
    server: LiveServer, supervisor: Device, technician: Device
) -> None:
    before = len(supervisor("jobs", "--json").json)
    assert supervisor("import", "procedure", str(FORM), "--code", "WIFI-SITE", "--json").json["imported"] == 1
    imported = refused = 0
    for name in ("example_ML_ticket_data.csv", "example_om_data2.csv"):
        words = ("import", "jobs", str(DATA / "tickets" / name), "--procedure", "WIFI-SITE", "--person", TECHNICIAN, "--json")
        read = supervisor(*words).json
        imported += read["imported"]
        refused += len(read["refused"])
        assert all(line["line"] > 1 and line["reason"] for line in read["refused"])
        assert supervisor(*words).json["imported"] == 0
    assert imported >= 100
    assert refused
    jobs = supervisor("jobs", "--json").json
    assert len(jobs) - before == imported
    supervisor("sync").good()
    technician("sync").good()
    number = next(job["number"] for job in technician("jobs", "--json").json if not job["service"])
    for verb in ("accept", "start"):
        technician("do", number, verb).good()
    found = technician("job", number, "--json").json["procedures"]
    assert [part["code"] for part in found] == ["WIFI-SITE"]
    step = next(step for step in found[0]["steps"] if step["criterion"] and step["criterion"]["unit"] == "dB" and step["relevant"])
    assert step["criterion"]["min"] == "25"
    verdicts = {}
    for value in ("20", "26", "40"):
        reason = ("--reason", "measured again") if verdicts else ()
        verdicts[value] = technician("record", number, step["id"], value, *reason, "--json").json["verdict"]
    assert verdicts["20"] == "fail"
    assert verdicts["40"] == "pass"
    technician("sync").good()
    supervisor("sync").good()
    assert {line["outcome"] for line in supervisor("log", number, "--json").json} == {"applied"}


@pytest.mark.skipif(not DATA.exists(), reason="the real input is not beside this checkout")
def test_a_form_that_is_wrong_publishes_nothing(supervisor: Device) -> None:
    ran = supervisor("import", "procedure", str(DATA / "xlsform" / "bad_calc.xlsx"), "--json")
    assert ran.code == 1
    assert '"imported": 0' in ran.out
    assert '"row": ' in ran.out
    assert supervisor("outbox", "--json").json["unsent"] == 0


def test_files_that_are_none(supervisor: Device, tmp_path: Path) -> None:
    nonsense = tmp_path / "x.xlsx"
    nonsense.write_bytes(b"PK\x03\x04 nothing of the kind")
    for words in (("procedure", str(nonsense)), ("procedure", str(tmp_path / "none.xlsx")), ("jobs", str(tmp_path / "none.csv"))):
        ran = supervisor("import", *words)
        assert ran.code == 1
        assert "Traceback" not in ran.err
    assert supervisor("outbox", "--json").json["unsent"] == 0


def test_a_preview_publishes_nothing(supervisor: Device) -> None:
    assert "nothing was published" in supervisor("import", "procedure", str(FORM), "--code", "NEW", "--preview").good().out
    assert supervisor("outbox", "--json").json["unsent"] == 0


def test_a_technician_imports_nothing(technician: Device) -> None:
    technician("import", "procedure", str(FORM)).refused("does not publish procedures")
