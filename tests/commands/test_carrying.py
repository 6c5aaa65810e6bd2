"""Carrying work by hand with commands: from one device to a stick, from the stick to the next device."""

from __future__ import annotations

import shutil
from pathlib import Path

from fieldapp.store.home import Home
from tests.commands.runs import Commands, Device
from tests.commands.test_shapes import documented
from tests.commands.work import JOB
from tests.live_server import LiveServer


def test_a_stick_carries_unsent_work_to_the_next_device(server: LiveServer, technician: Device, tmp_path: Path) -> None:
    code = server.services.accounts.issue_code("tech-anna").code
    second = Device(tmp_path / "second")
    second("enrol", server.url, code).good()
    technician("do", JOB, "accept").good()
    technician("note", JOB, "from the cellar").good()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    technician("attach", JOB, "-", str(photo)).good()
    stick = tmp_path / "stick"
    stick.mkdir()
    with Home(technician.home).locked("fieldapp"):
        written = documented("export unsent", technician("export", "unsent", "--to", str(stick), "--json").json)
    assert (written["entries"], written["files"]) == (3, 1)
    (file,) = stick.iterdir()
    assert str(file) == written["file"]
    assert (
        "exists" in technician("export", "unsent", "--to", str(file)).err
        or "already" in technician("export", "unsent", "--to", str(file)).err
    )
    taken = documented("import", second("import", str(file), "--json").json)
    assert (taken["taken"], taken["known"], taken["files"]) == (3, 0, 1)
    assert "0 entries and 0 files" in second("import", str(file)).good().out
    assert second("sync", "--json").json["sent"] == 3
    technician("sync").good()
    log = technician("log", JOB, "--json").json
    assert [line["type"] for line in log] == ["job.created", "job.assigned", "job.accepted", "note.added", "file.attached"]
    assert {line["outcome"] for line in log} == {"applied"}
    box = technician("outbox", "--json").json
    assert (box["unsent"], box["safe_to_leave"]) == (0, True)
    assert documented("export unsent", technician("export", "unsent", "--json").json)["file"] is None


def test_a_damaged_stick_is_named_and_the_rest_is_taken(technician: Device, tmp_path: Path) -> None:
    technician("do", JOB, "accept").good()
    technician("note", JOB, "from the cellar").good()
    file = tmp_path / "unsent.jsonl"
    technician("export", "unsent", "--to", str(file)).good()
    shutil.rmtree(technician.home / "data")
    shutil.rmtree(technician.home / "journal")
    file.write_bytes(file.read_bytes().replace(b"cellar", b"collar", 1))
    said = technician("import", str(file)).refused("line 2 is damaged")
    assert "1 entry and 0 files taken in" in said.out
    assert technician("outbox", "--json").json["unsent"] == 1
    technician("import", str(tmp_path / "nothing")).refused("cannot be read")
    technician("import", "~nobody-here/stick").refused("cannot be read")


def test_the_server_takes_a_stick_in_and_holds_it_for_the_office(server: LiveServer, technician: Device, tmp_path: Path) -> None:
    admin = Commands("--server-home", str(server.settings.home))
    technician("note", JOB, "from a broken laptop").good()
    file = tmp_path / "unsent.jsonl"
    technician("export", "unsent", "--to", str(file)).good()
    taken = documented("admin import", admin("admin", "import", str(file), "--json").json)
    assert (taken["held"], taken["known"]) == (1, 0)
    assert "0 entries and 0 files" in admin("admin", "import", str(file)).good().out
    technician("sync").good()
    assert [line["outcome"] for line in technician("log", JOB, "--json").json if line["type"] == "note.added"] == ["applied"]
    file.write_bytes(b"nothing of ours")
    admin("admin", "import", str(file)).refused("nothing that a device of Fieldapp exported")


def test_of_somebody_elses_work_nothing_is_taken_not_even_its_files(technician: Device, supervisor: Device, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff of nobody else")
    technician("do", JOB, "accept").good()
    technician("attach", JOB, "-", str(photo)).good()
    file = tmp_path / "unsent.jsonl"
    technician("export", "unsent", "--to", str(file)).good()
    before = sorted(supervisor.home.joinpath("files").iterdir())
    said = supervisor("import", str(file)).refused("tech-anna recorded it: take it to a device of theirs, or to the server")
    assert "0 entries and 0 files taken in" in said.out
    assert sorted(supervisor.home.joinpath("files").iterdir()) == before
