"""Each kind of damage is found and named; a sound database has no findings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from fieldapp.domain.documents import Site
from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import lifecycle, reference, steps
from fieldapp.store.database import Database
from fieldapp.store.evidence import take_in_bytes
from fieldapp.store.rows import Draft
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import LogRow
from fieldapp.store.verify import Finding, verify_device, verify_server
from tests.store.devices import Device, MakeDevice
from tests.store.pens import START_MS, Pen, created, everything, step

Damage = Callable[[Database, list[str]], None]


def sql(text: str) -> Damage:
    """Damage done by a statement; `{n}` stands for the id of the n-th entry."""

    def run(db: Database, ids: list[str]) -> None:
        with db.write() as conn:
            assert conn.exec_driver_sql(text.format(*ids)).rowcount > 0

    return run


@pytest.fixture
def ids(server_db: Database) -> list[str]:
    """A server with a job's life in its log: created, assigned, two steps, a site."""
    server, boss = ServerReplica(server_db, lambda: START_MS), Pen("d-boss", "p-mei", "supervisor")
    entries = [
        boss.entry(created(assets=("a1",)), also=("customer:c1", "asset:a1")),
        boss.entry(lifecycle.JobAssigned(person="p-lin")),
        boss.entry(step("s1")),
        boss.entry(step("s2")),
        boss.entry(reference.SiteRecorded(Site(id="s1", customer="c1", name={"en": "C"})), "customer:c1"),
    ]
    boss.push(server, *entries[:3])
    boss.push(server, *entries[3:])
    assert verify_server(server_db) == ()
    return [entry.id for entry in entries]


SERVER_DAMAGE: dict[str, tuple[Damage, str, int | None]] = {
    "another verdict in a body": (sql("UPDATE entries SET body = body || ' ' WHERE id = '{2}'"), "entry", 2),
    "another author in a row": (sql("UPDATE entries SET author = 'p-x' WHERE id = '{2}'"), "entry", 2),
    "another hash": (sql("UPDATE entries SET hash = substr(hash, 2) || substr(hash, 1, 1) WHERE id = '{2}'"), "entry", 2),
    "an entry lost": (sql("DELETE FROM entries WHERE id = '{2}'"), "log", 2),
    "a row lost": (sql("DELETE FROM log_rows WHERE entry_id = '{1}'"), "log", 2),
    "another outcome": (sql("UPDATE log_rows SET outcome = 'held' WHERE entry_id = '{2}'"), "log", 2),
    "rows swapped": (
        sql("UPDATE log_rows SET entry_id = CASE entry_id WHEN '{2}' THEN '{3}' ELSE '{2}' END WHERE entry_id IN ('{2}', '{3}')"),
        "log", 3,
    ),
    "a head set back": (sql("UPDATE log_heads SET pos = pos - 1"), "log", None),
    "a position lost": (sql("DELETE FROM positions WHERE entry_id = '{1}'"), "epoch", 2),
    "a position's hash": (sql("UPDATE positions SET hash = substr(hash, 2) || 'x' WHERE entry_id = '{1}'"), "epoch", 1),
    "an epoch's head": (sql("UPDATE device_epochs SET seq = 99"), "epoch", None),
    "a stream's row lost": (sql("DELETE FROM stream_rows WHERE entry_id = '{2}'"), "stream", 2),
    "a row in a foreign stream": (
        sql("UPDATE stream_rows SET stream = 'job:9' WHERE entry_id = '{2}'"), "stream", 2,
    ),
    "another state": (sql("UPDATE stream_states SET state = state || ' ' WHERE stream = 'job:1'"), "state", None),
    "another digest": (sql("UPDATE stream_states SET digest = 'x' WHERE stream = 'asset:a1'"), "state", None),
    "a state lost": (sql("DELETE FROM stream_states WHERE stream = 'asset:a1'"), "state", None),
    "a state of other rules": (sql("UPDATE stream_states SET fold_version = 0 WHERE stream = 'job:1'"), "state", None),
    "a document changed": (sql("UPDATE documents SET body = body || ' '"), "document", 4),
    "a document lost": (sql("DELETE FROM documents"), "document", 4),
    "a list that says something else": (sql("UPDATE jobs SET status = 'approved'"), "job", None),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVER_DAMAGE)
def test_damage_on_a_server_is_found_and_named(server_db: Database, ids: list[str], name: str) -> None:
    damage, kind, entry = SERVER_DAMAGE[name]
    damage(server_db, ids)
    found = [finding for finding in verify_server(server_db) if finding.kind == kind]
    assert found
    if entry is not None:
        assert found[0].entry == ids[entry]


def test_bytes_that_are_no_entry_any_more_are_found(server_db: Database, ids: list[str]) -> None:
    with server_db.write() as conn:
        blob = "x'00'" if server_db.is_sqlite else "'\\x00'::bytea"
        conn.exec_driver_sql(f"UPDATE entries SET raw = {blob} WHERE id = '{ids[2]}'")
    kinds = {finding.kind for finding in verify_server(server_db)}
    assert {"entry", "state"} <= kinds
    assert verify_server(server_db)[0] == Finding(
        "entry", "b1:3", "its bytes are not the ones that were recorded: the hash differs", ids[2]
    )


def test_a_file_that_is_gone_or_another_one_is_found(server_db: Database, ids: list[str]) -> None:
    server, boss = ServerReplica(server_db, lambda: START_MS), Pen("d-boss", "p-mei", "supervisor")
    content = {hashlib.sha256(data).hexdigest(): data for data in (b"whole", b"gone", b"changed")}
    files = [FileRef(name, len(data), data.decode(), "") for name, data in content.items()]
    entries = [boss.entry(steps.NoteAdded(text=file.name), files=(file,)) for file in files]
    boss.push(server, *entries)
    with server_db.write() as conn:
        conn.exec_driver_sql("UPDATE files SET state = 'here'")
    whole, gone, changed = content
    given = {whole: b"whole", changed: b"Changed"}
    found = verify_server(server_db, content=lambda name: [given[name]] if name in given else None)
    assert {(finding.where, finding.entry) for finding in found} == {(gone, entries[1].id), (changed, entries[2].id)}
    assert {finding.kind for finding in found} == {"file"}


def test_an_erased_body_is_no_damage_to_the_chains(server_db: Database, ids: list[str]) -> None:
    with server_db.write() as conn:
        conn.exec_driver_sql(f"UPDATE entries SET body = NULL WHERE id = '{ids[2]}'")
    assert not {finding.kind for finding in verify_server(server_db)} & {"entry", "log", "epoch", "stream"}


# --- A device ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def device(make_device: MakeDevice, sqlite_server: Database) -> Device:
    """A device with settled, received and unsent work, and a photo that is only here."""
    server, boss = ServerReplica(sqlite_server, lambda: START_MS), Pen("d-boss", "p-mei", "supervisor")
    boss.push(server, boss.entry(created(assets=("a1",))), boss.entry(lifecycle.JobAssigned(person="p-lin")))
    made = make_device()
    made.pull(sqlite_server)
    made.say(lifecycle.JobAccepted())
    made.push(server)
    made.pull(sqlite_server)
    photo = take_in_bytes(made.home, b"a photo", "photo.jpg")
    body = steps.FileAttached(sha256=photo.sha256, size=photo.size, name=photo.name)
    made.replica.append([Draft("b1", "job:1", body, files=(photo,))])
    assert check(made) == ()
    return made


def check(device: Device) -> tuple[Finding, ...]:
    return verify_device(device.db, "technician", files=device.home.files, journal=device.journal)


DEVICE_DAMAGE: dict[str, tuple[str, str]] = {
    "a body": ("UPDATE entries SET body = body || ' ' WHERE type = 'file.attached'", "entry"),
    "an own position": ("UPDATE own_entries SET hash = 'x' WHERE seq = 1", "epoch"),
    "the epoch's head": ("UPDATE epochs SET head_hash = 'x'", "epoch"),
    "a state": ("UPDATE stream_states SET state = state || ' '", "state"),
    "a row of a stream": ("DELETE FROM stream_rows WHERE pos = 2", "state"),
    "the view": ("UPDATE jobs SET view = view || ' '", "job"),
    "an unsent entry's second copy": ("UPDATE own_entries SET lane = 'unsent' WHERE seq = 1", "journal"),
}


@pytest.mark.parametrize("name", DEVICE_DAMAGE)
def test_damage_on_a_device_is_found_and_named(device: Device, name: str) -> None:
    text, kind = DEVICE_DAMAGE[name]
    sql(text)(device.db, [])
    assert kind in {finding.kind for finding in check(device)}


def test_a_photo_that_is_only_here_is_looked_for(device: Device) -> None:
    (photo,) = (path for path in device.home.files.iterdir())
    photo.write_bytes(b"A photo")
    (finding,) = check(device)
    assert (finding.kind, finding.where) == ("file", photo.name)
    photo.unlink()
    (finding,) = check(device)
    assert "photo.jpg" in finding.message


def test_a_rebuild_mends_what_is_projected(device: Device) -> None:
    for text in ("UPDATE jobs SET view = view || ' '", "UPDATE stream_states SET state = state || ' '"):
        sql(text)(device.db, [])
    device.replica.rebuild()
    assert check(device) == ()


def test_a_server_s_rebuild_mends_what_is_projected(server_db: Database, ids: list[str]) -> None:
    for text in ("UPDATE jobs SET status = 'approved'", "DELETE FROM documents", "UPDATE stream_states SET digest = 'x'"):
        sql(text)(server_db, ids)
    ServerReplica(server_db, lambda: START_MS).rebuild("b1")
    assert verify_server(server_db) == ()
    assert len(everything(server_db, LogRow)) > len(ids)
