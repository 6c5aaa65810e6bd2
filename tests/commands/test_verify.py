"""The commands that check whole databases: what they find is named with its place, and the exit code says it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.commands.runs import Commands, Device
from tests.commands.test_shapes import documented
from tests.commands.work import JOB


def change(database: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute(sql).rowcount > 0
        connection.commit()


def one(database: Path, sql: str) -> Any:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchone()


def dumped(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def office(prepared: Path, tmp_path: Path) -> Commands:
    """The administrator of the demo company's server, which does not run."""
    shutil.copytree(prepared / "server", tmp_path / "server")
    return Commands("--server-home", str(tmp_path / "server"))


@pytest.fixture
def database(office: Commands, tmp_path: Path) -> Path:
    return tmp_path / "server" / "server.db"


def test_a_whole_server_and_a_whole_device(office: Commands, technician: Device) -> None:
    assert "All is whole" in office("admin", "verify").good().out
    assert documented("admin verify", office("admin", "verify", "--json").json) == {"ok": True, "findings": []}
    technician("do", JOB, "accept").good()
    assert "All is whole" in technician("verify").good().out
    assert documented("verify", technician("verify", "--json").json)["ok"] is True


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        ("UPDATE entries SET body = CAST(body || ' ' AS BLOB) WHERE id = '{id}'", "entry", "hash differs"),
        ("UPDATE entries SET raw = CAST(raw || ' ' AS BLOB) WHERE id = '{id}'", "entry", "hash differs"),
        ("DELETE FROM entries WHERE id = '{id}'", "log", "does not lead to it"),
        ("UPDATE log_rows SET chain = (SELECT chain FROM log_rows WHERE log = 'org') WHERE entry_id = '{id}'", "log", "chain"),
    ],
)
def test_damage_of_a_server_is_named_by_log_position_and_entry(
    office: Commands, database: Path, damage: str, kind: str, words: str
) -> None:
    log, pos, entry = one(database, "SELECT log, pos, entry_id FROM log_rows WHERE kind = 'entry' AND log != 'org' AND pos = 7")
    change(database, damage.format(id=entry))
    said = office("admin", "verify").refused(f"{kind} {log}:{pos}, entry {entry}")
    assert words in said.out
    found = office("admin", "verify", "--json")
    assert found.code == 1
    assert f'"{entry}"' in found.out


def test_a_removed_row_of_a_server_is_named_where_the_chain_breaks(office: Commands, database: Path) -> None:
    log, entry = one(database, "SELECT log, entry_id FROM log_rows WHERE log != 'org' AND pos = 8")
    change(database, f"DELETE FROM log_rows WHERE log = '{log}' AND pos = 7")
    office("admin", "verify").refused(f"log {log}:8, entry {entry}: a position before it is missing")


def test_a_file_that_a_server_has_lost_is_named(office: Commands, database: Path, tmp_path: Path) -> None:
    name, file = one(database, "SELECT name, sha256 FROM files WHERE state = 'here'")
    (tmp_path / "server" / "files" / file[:2] / file).unlink()
    office("admin", "verify").refused(f"{name} is missing")


def test_a_database_that_cannot_be_read_is_one_sentence(office: Commands, database: Path) -> None:
    database.write_bytes(database.read_bytes()[:4096] + b"\x00" * 400_000)
    said = office("admin", "verify")
    assert said.code == 1
    assert "Traceback" not in said.err + said.out


def test_damage_of_a_device_is_named(technician: Device, tmp_path: Path) -> None:
    technician("do", JOB, "accept").good()
    technician("note", JOB, "a remark").good()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    technician("attach", JOB, "-", str(photo)).good()
    database = technician.home / "data" / "fieldapp.db"
    (file,) = one(database, "SELECT sha256 FROM files WHERE state = 'here'")
    (technician.home / "files" / file).unlink()
    technician("verify").refused("photo.jpg has not reached the server and cannot be read here")
    entry, epoch = one(database, "SELECT entry_id, epoch FROM own_entries WHERE seq = 2")
    change(database, f"UPDATE own_entries SET hash = 'x' WHERE entry_id = '{entry}'")
    technician("verify").refused(f"epoch {epoch}:2, entry {entry}: the chain of its line of writing does not lead to it")
    change(database, f"UPDATE entries SET body = '{{}}' WHERE id = '{entry}'")
    assert f"entry {entry}" in technician("doctor", "--offline").refused("places do not agree").out


def test_what_is_no_database_of_a_server_is_left_alone(technician: Device, office: Commands, tmp_path: Path) -> None:
    """One slip in a path must not cost a technician's work, not even with --replace."""
    technician("do", JOB, "accept").good()
    home = Commands("--server-home", str(tmp_path / "none"))
    office("admin", "backup", str(tmp_path / "one.zip")).good()
    foreign = tmp_path / "foreign.db"
    with contextlib.closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    devices = tmp_path / "technician" / "data" / "fieldapp.db"
    for file, whose in (
        (devices, "is the database of a device, not of a server"),
        (foreign, "is not a database of a Fieldapp server"),
    ):
        before = dumped(file)
        for words in (
            ("verify",), ("init",), ("device", "list"), ("backup", str(tmp_path / "two.zip")),
            ("restore", str(tmp_path / "one.zip")), ("restore", str(tmp_path / "one.zip"), "--replace"),
        ):  # fmt: skip
            home("admin", *words, "--database", str(file)).refused(f"{file} {whose}.")
        assert dumped(file) == before
    assert "All is whole" in technician("verify").good().out
