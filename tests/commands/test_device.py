"""The device itself: enrolling, checking, two programs at once, a lost database, a server that is not there or not ours."""

from __future__ import annotations

import contextlib
import inspect
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fieldapp.store.home import Home
from tests.commands.runs import TECHNICIAN, Commands, Device, Processes
from tests.commands.work import JOB
from tests.live_server import LiveServer


class Portal(BaseHTTPRequestHandler):
    """A hotel's sign-in page: answers everything with 200 and HTML."""

    def do_POST(self) -> None:
        page = b"<html><body>Welcome! Please sign in.</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def portal() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Portal) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_enrolling_needs_a_code_that_is_known_and_unused(server: LiveServer, tmp_path: Path) -> None:
    admin = Commands("--server-home", str(server.settings.home))
    code = admin("admin", "code", TECHNICIAN, "--json").json["code"]
    fresh = Device(tmp_path / "fresh")
    fresh("enrol", server.url, "AAAA-AAAA").refused("code is not known")
    assert fresh("enrol", server.url, code.lower().replace("-", " "), "--json").json["person"] == TECHNICIAN
    assert {job["number"] for job in fresh("jobs", "--json").json} >= {JOB}
    fresh("enrol", server.url, admin("admin", "code", "sup-petra", "--json").json["code"]).refused("belongs to Anna Behrens")
    Device(tmp_path / "second")("enrol", server.url, code).refused("has been used already")


def test_enrolling_at_what_is_no_server(tmp_path: Path) -> None:
    fresh = Device(tmp_path / "fresh")
    fresh("enrol", "http://127.0.0.1:9", "AAAA-AAAA").refused("cannot be reached")
    fresh("enrol", "http://example.com", "AAAA-AAAA").refused("would send everything readable")
    fresh("enrol", "ftp://example.com", "AAAA-AAAA").refused("is not the address of a server")
    with portal() as url:
        fresh("enrol", url, "AAAA-AAAA").refused("sign-in page")
    assert Home(fresh.home).identity() is None


def test_no_network_is_said_in_words(technician: Device) -> None:
    technician("do", JOB, "accept").good()
    with portal() as url:
        technician.use_server(url)
        ran = technician("sync", "--json")
        assert ran.code == 1
        assert "sign-in page" in json.loads(ran.out)["problem"]
        assert "sign-in page" in technician("doctor").out
    technician.use_server("http://127.0.0.1:9")
    ran = technician("sync")
    assert (ran.code, "cannot be reached" in ran.err) == (1, True)
    assert technician("outbox", "--json").json["unsent"] == 1


def test_a_revoked_device_hands_its_work_over(server: LiveServer, technician: Device) -> None:
    technician("note", JOB, "before I go").good()
    Commands("--server-home", str(server.settings.home))("admin", "revoke", _code(technician)).good()
    technician("sync").refused("has been handed over to the office")
    for words in (("sync",), ("jobs",), ("note", JOB, "too late"), ("export", "unsent"), ("doctor", "--offline"), ("verify",)):
        technician(*words).refused("revoked by the office")
    left = {path.name for path in technician.home.rglob("*") if path.is_file()}
    assert left <= {"device.json", "enrolling.json", "lock"}


def _code(device: Device) -> str:
    identity = Home(device.home).identity()
    assert identity is not None
    return identity.code


def test_only_one_program_writes_and_others_still_look(technician: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect.unwrap(Home.locked), "__defaults__", (0.2,))
    home = Home(technician.home)
    with home.locked("fieldapp", wait=0.1):
        assert technician("jobs").good().out
        assert technician("job", JOB).good().out
        said = technician("do", JOB, "accept").refused("in use by `fieldapp` (process")
        assert "Nothing was changed." in said.err
    technician("do", JOB, "accept").good()


def test_a_lost_database_is_made_anew_with_what_is_unsent(server: LiveServer, technician: Device) -> None:
    technician("sync").good()
    technician("do", JOB, "accept").good()
    technician("note", JOB, "kept in the journal").good()
    for file in (technician.home / "data").iterdir():
        file.unlink()
    assert technician("outbox", "--json").json["unsent"] == 2
    assert technician("sync", "--json").json["sent"] == 2
    log = technician("log", JOB, "--json").json
    assert [line["type"] for line in log] == ["job.created", "job.assigned", "job.accepted", "note.added"]
    assert {line["outcome"] for line in log} == {"applied"}


def test_the_doctor_finds_what_is_wrong(technician: Device, tmp_path: Path) -> None:
    technician("do", JOB, "accept").good()
    well = technician("doctor", "--offline").good()
    assert "second copy of all 1 unsent entries" in well.out
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    technician("attach", JOB, "-", str(photo)).good()
    for file in (technician.home / "files").iterdir():
        file.unlink()
    found = technician("doctor", "--offline")
    assert found.code == 1
    assert "recorded files are gone" in found.out
    journal = technician.home / "journal" / "unsent.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"job.accepted", b"job.accxpted", 1))
    assert "Damaged lines: 1" in technician("doctor", "--offline").out
    database = technician.home / "data" / "fieldapp.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE entries SET body = x'7b7d' WHERE type = 'job.created'")
        connection.commit()
        assert "places do not agree" in technician("doctor", "--offline").out
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(database.read_bytes())
    raw[4096 * 2 : 4096 * 60] = b"\x00" * (4096 * 58)
    database.write_bytes(raw)
    damaged = technician("doctor", "--offline")
    assert damaged.code == 1
    assert "keep that folder" in damaged.out or "cannot be read" in damaged.out
    assert Device(tmp_path / "none")("doctor", "--offline").code == 1


def test_a_line_of_the_journal_that_is_lost_is_named_until_somebody_has_looked_at_it(technician: Device) -> None:
    technician("do", JOB, "accept").good()
    technician("note", JOB, "said at the gate").good()
    journal, database = technician.home / "journal" / "unsent.jsonl", technician.home / "data" / "fieldapp.db"
    aside = technician.home / "journal" / "damaged.jsonl"
    spoiled = journal.read_bytes().replace(b"job.accepted", b"job.accxpted", 1)
    journal.write_bytes(spoiled)
    technician("note", JOB, "another").good()  # and says nothing: the database had it
    assert aside.exists()
    assert technician("doctor", "--offline").good()
    aside.unlink()
    journal.write_bytes(spoiled)
    for name in database.parent.glob("fieldapp.db*"):
        name.unlink()
    told = technician("jobs")
    assert (told.code, "The database was missing" in told.err) == (0, True)
    assert "not in the database either: 1" in told.err
    assert str(aside) in told.err
    found = technician("doctor", "--offline")
    assert found.code == 1
    assert str(aside) in found.out
    technician("jobs").good()  # said once; the doctor goes on saying it
    aside.unlink()
    assert str(aside) not in technician("doctor", "--offline").out


@pytest.mark.parametrize("table", ["jobs", "own_entries"])
def test_a_damaged_page_is_called_so_by_whoever_reads_it(technician: Device, table: str) -> None:
    technician("note", JOB, "said at the gate").good()
    database = technician.home / "data" / "fieldapp.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    raw = bytearray(database.read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = bytes(4096)
    database.write_bytes(raw)
    command = "jobs" if table == "jobs" else "outbox"
    technician(command).refused("The database cannot be read")
    assert "lies at" in technician("doctor", "--repair", "--offline").out
    assert technician("outbox", "--json").json["unsent"] == 1


def test_a_database_of_no_length_is_named(technician: Device) -> None:
    technician("note", JOB, "said at the gate").good()
    database = technician.home / "data" / "fieldapp.db"
    for name in database.parent.glob("fieldapp.db*"):
        name.unlink()
    database.write_bytes(b"")
    assert "The database was missing" in technician("jobs").err
    assert technician("outbox", "--json").json["unsent"] == 1


def test_a_folder_at_the_place_of_the_database_is_called_so(technician: Device) -> None:
    database = technician.home / "data" / "fieldapp.db"
    for name in database.parent.glob("fieldapp.db*"):
        name.unlink()
    database.mkdir()
    for words in (("jobs",), ("note", JOB, "x")):
        said = technician(*words).refused("is no file")
        assert "Try again later" not in said.err
    assert "is no file" in technician("doctor", "--offline").out


def test_repair_folds_the_same_again(technician: Device) -> None:
    technician("do", JOB, "accept").good()
    before = technician("job", JOB, "--json").json["procedures"], technician("log", JOB, "--json").json
    assert "Folded" in technician("doctor", "--repair", "--offline").out
    assert (technician("job", JOB, "--json").json["procedures"], technician("log", JOB, "--json").json) == before


def test_backup_and_restore(server: LiveServer, technician: Device, tmp_path: Path) -> None:
    home = server.settings.home
    admin = Commands("--server-home", str(home))
    technician("do", JOB, "accept").good()
    technician("sync").good()
    admin("admin", "backup", str(tmp_path / "b.zip")).good()
    admin("admin", "backup", str(tmp_path / "b.zip")).refused("exists already")
    admin("admin", "restore", str(tmp_path / "b.zip")).refused("")
    technician("do", JOB, "travel").good()
    technician("sync").good()
    server.stop()
    told = admin("admin", "restore", str(tmp_path / "b.zip"), "--replace").good().out
    assert f"Kept from before: {home / 'server.db.before-restore'}." in told
    admin("admin", "restore", str(tmp_path / "none.zip"), "--replace").refused("none.zip")
    server.start()
    technician("sync").good()
    log = technician("log", JOB, "--json").json
    assert [line["type"] for line in log][-2:] == ["job.accepted", "job.travel_started"]
    assert {line["outcome"] for line in log} == {"applied"}


def test_the_doctor_says_what_to_do_about_a_file_that_is_no_database(technician: Device) -> None:
    technician("do", JOB, "accept").good()
    database = technician.home / "data" / "fieldapp.db"
    database.write_bytes(b"\x07" * 8192)
    found = technician("doctor", "--offline").refused("It is damaged: file is not a database.")
    assert "`fieldapp doctor --repair`" in found.out
    assert "Run `fieldapp doctor`." not in found.out


def test_nothing_but_the_answer_is_printed_when_a_device_is_sealed(server: LiveServer, technician: Device) -> None:
    technician("note", JOB, "last words").good()
    identity = Home(technician.home).identity()
    assert identity is not None
    server.services.accounts.revoke(identity.device)
    done = Processes("--home", str(technician.home))("sync", "--json")
    assert (done.code, done.err) == (1, "")
    assert json.loads(done.out)["sent"] == 1


def test_whoever_moves_to_another_branch_leaves_jobs_behind_that_are_named(server: LiveServer) -> None:
    admin = Commands("--server-home", str(server.settings.home))
    moved = ("admin", "person", "add", TECHNICIAN, "Anna Behrens", "--role", "technician", "--branch")
    said = admin(*moved, "hz").good().out
    assert JOB in said
    assert "fieldapp assign NUMBER PERSON" in said
    left = admin(*moved, "hz", "--json").json["left_behind"]
    assert JOB in left
    assert "J-1042" not in left, "it is done"
    assert "note:" not in admin(*moved, "bre").good().out


def test_a_servers_database_that_cannot_be_read_is_restored_and_not_given_to_the_doctor(tmp_path: Path) -> None:
    home = tmp_path / "own-server"
    admin = Commands("--server-home", str(home))
    admin("admin", "init").good()
    admin("admin", "backup", str(tmp_path / "kept.zip")).good()
    (home / "server.db").write_bytes(b"\x07" * 8192)
    for words in (("admin", "verify"), ("admin", "files"), ("admin", "backup", str(tmp_path / "other.zip")), ("serve",)):
        said = admin(*words).refused("fieldapp admin restore FILE --replace")
        assert "doctor" not in said.err
    admin("admin", "restore", str(tmp_path / "kept.zip"), "--replace").good()
    assert "All is whole" in admin("admin", "verify").good().out
