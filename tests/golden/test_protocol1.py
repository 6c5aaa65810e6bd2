"""The recorded corpus of protocol 1, replayed: what a device in the field says is answered as it was, what a server answered is
understood, and databases, journals and exports of that day are opened, migrated and synced.

When one of these fails, mend what made it fail; the corpus stays.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import httpx
import msgspec
import pytest

from fieldapp.bootstrap import open_device
from fieldapp.domain.entry import read_entry
from fieldapp.domain.entry_types import read_body
from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.store.database import Database
from fieldapp.store.home import Home
from fieldapp.store.journal import parse_journal
from fieldapp.store.migrations import migrate_server
from fieldapp.store.verify import verify_device, verify_server
from fieldapp.sync import messages as m
from fieldapp.sync import runner
from fieldapp.sync.answers import to_page
from fieldapp.sync.once import transport_for
from fieldapp.sync.protocol import (
    NONCE_HEADER,
    DeskAnswer,
    Detail,
    EnrolAnswer,
    EpochHead,
    FileState,
    ImportAnswer,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    Receipt,
    TokenAnswer,
    WireEntry,
    from_wire,
)  # fmt: skip
from fieldapp.sync.transport import Transport
from tests.golden.__main__ import main
from tests.golden.corpus import PROTOCOL1, Exchange, exchanges, restore
from tests.golden.recording import record
from tests.golden.replay import Clock, agrees, ask, faults_of, fold_of, server_of, whole
from tests.server.office import START
from tests.sync.homes import SETTINGS, a_replica
from tests.sync.strangers import Reply, stranger

EXCHANGES = exchanges()
BY_NAME = {exchange.name: exchange for exchange in EXCHANGES}


# --- The server of today, asked by a device of that day --------------------------------------------------------------------------


def test_todays_server_answers_every_recorded_request_as_it_was_answered(tmp_path: Path) -> None:
    clock = Clock(START)
    with server_of("server.sql.gz", tmp_path, clock) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        assert list(faults_of(client, EXCHANGES, clock.set)) == []
        assert verify_server(server.services.db) == ()


def test_entries_of_every_type_are_received(tmp_path: Path) -> None:
    lines = json.loads((PROTOCOL1 / "entries.json").read_text(encoding="utf-8"))
    clock = Clock(EXCHANGES[-1].at)
    entries = [WireEntry(line["envelope"], line["body"]) for line in lines]
    with server_of("server.sql.gz", tmp_path, clock) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        for number, log in enumerate(sorted({from_wire(entry).envelope.log for entry in entries})):
            with server.services.db.write() as conn:
                conn.exec_driver_sql("INSERT INTO log_heads (log, pos, chain) VALUES (?, 0, '') ON CONFLICT DO NOTHING", (log,))
            mine = tuple(entry for entry in entries if from_wire(entry).envelope.log == log)
            request = PushRequest(f"epoch-{number}", log, 1, "", mine)
            headers = {"Authorization": _todays_token(client), "Content-Type": BY_NAME["push"].headers["Content-Type"]}
            answer = client.post("/v1/push", content=msgspec.json.encode(request), headers=headers)
            assert answer.status_code == 200, answer.text
            assert set(answer.json()["entries"]) == {"received"}


def _todays_token(client: httpx.Client) -> str:
    exchange = BY_NAME["token"]
    _, _, body = ask(client, exchange)
    return f"Bearer {json.loads(body)['token']}"


# --- The device of today, answered by a server of that day -----------------------------------------------------------------------

REQUESTS: dict[str, m.Request] = {
    "/v1/token": m.AskToken("n"),
    "/v1/pull": m.AskPull(PullRequest({})),
    "/v1/quarantine": m.AskQuarantine(QuarantineRequest("e", "l", 1, "", "0" * 64, "")),
}
DIRECT = {"/v1/enrol": EnrolAnswer, "/v1/desk": DeskAnswer, "/v1/import": ImportAnswer}
"""Answers to what a command or a screen asks, not the machines."""
ANSWERS = {"/v1/token": TokenAnswer, "/v1/pull": PullAnswer, "/v1/push": PushAnswer, "/v1/quarantine": Receipt}


def request_of(exchange: Exchange, folder: Path) -> m.Request | None:
    """What today's device would have asked to be answered so; None where it never asks this."""
    path, method = exchange.path, exchange.method
    if path == "/v1/push":
        from tests.sync.table import a_run

        return m.AskPush(a_run())
    if path.startswith("/v1/files/"):
        sha256 = path.split("/")[3]
        if method == "HEAD":
            return None
        if path.endswith("/complete"):
            return m.AskComplete(sha256, 10)
        if method == "PUT":
            sent = bytes(10)  # another file: what lies here has to be what it is called
            (folder / sha256).write_bytes(sent)
            return m.SendPart(hashlib.sha256(sent).hexdigest(), 0, str(folder / sha256), len(sent))
        start = exchange.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        return m.AskParts(sha256) if path.endswith("/parts") else m.FetchPart(sha256, int(start))
    return REQUESTS.get(path)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_todays_device_understands_every_recorded_answer(exchange: Exchange, tmp_path: Path) -> None:
    request = request_of(exchange, tmp_path)
    if request is None:
        wanted = DIRECT.get(exchange.path) if exchange.status == 200 else Detail
        if exchange.answer is not None and wanted is not None:
            assert list(agrees(exchange.answer, whole(msgspec.convert(exchange.answer, wanted)))) == []
        else:
            assert exchange.path == "/v1/events" or exchange.method == "HEAD"
        return
    headers = {
        name.replace("-", "_"): value
        for name, value in exchange.answer_headers.items()
        if name not in ("Content-Type", NONCE_HEADER)
    }
    reply = Reply(exchange.status, exchange.answered, exchange.answer_headers.get("Content-Type", ""), **headers)
    with stranger(lambda asked, body: reply) as url:
        transport = Transport(url, device="d", secret="s", token=lambda: "t")
        answer = transport.ask(request)
        transport.close()
    if exchange.status >= 400:
        assert isinstance(answer, m.Refused), answer
        assert (answer.status, answer.detail.code) == (exchange.status, exchange.answer["code"])
        if answer.detail.code in ("gap", "fork"):
            assert isinstance(answer.detail.head, EpochHead)
        return
    assert isinstance(answer, m.Good), answer
    if isinstance(answer.body, m.Chunk):
        assert answer.body == m.Chunk(exchange.answered, 10)
        return
    assert type(answer.body) is ANSWERS.get(exchange.path, FileState)
    assert list(agrees(exchange.answer, whole(answer.body))) == []


def test_a_device_of_today_fed_with_the_recorded_pages_folds_them_as_then(tmp_path: Path) -> None:
    digests: dict[str, str] = {}
    with a_replica(tmp_path) as (replica, db):
        for exchange in EXCHANGES:
            if exchange.path == "/v1/pull" and exchange.status == 200 and exchange.name.startswith(("pull-first", "pull-nothing")):
                page = msgspec.convert(exchange.answer, PullAnswer)
                replica.receive(to_page(page))
                digests |= {one.stream: one.digest for one in page.digests}
        assert digests or fold_of(EXCHANGES) != FOLD_VERSION
        with db.read() as conn:
            states = dict(conn.exec_driver_sql("SELECT stream, digest FROM stream_states").all())
    if fold_of(EXCHANGES) == FOLD_VERSION:
        assert {stream: states[stream] for stream in digests} == digests
    assert "job:j-1" in states


# --- What lay on disks that day --------------------------------------------------------------------------------------------------


def test_entries_of_every_type_are_read_as_they_were_written() -> None:
    lines = json.loads((PROTOCOL1 / "entries.json").read_text(encoding="utf-8"))
    types = set()
    for line in lines:
        entry = read_entry(line["envelope"].encode(), None if line["body"] is None else line["body"].encode())
        if line["readable"]:
            assert read_body(entry) is not None
            types.add(entry.envelope.type)
    assert len(types) >= 30


@pytest.mark.parametrize("lost", [False, True], ids=["with its database", "rebuilt from its journal"])
def test_a_laptop_of_that_day_is_opened_today_and_syncs_with_the_server_of_that_day(lost: bool, tmp_path: Path) -> None:
    shutil.copytree(PROTOCOL1 / "home", tmp_path / "home")
    home = Home(tmp_path / "home")
    if not lost:
        restore(PROTOCOL1 / "home" / "database.sql.gz", home.database_file)
    clock = Clock(EXCHANGES[-1].at + 3_600_000 * 24)
    with server_of("server-after.sql.gz", tmp_path / "server", clock) as server:
        with open_device(home, "corpus") as device:
            unsent = device.replica.counts().unsent
            assert unsent == 2 or (lost and unsent > 2), "a lost database offers again what was received"
            transport = transport_for(device, SETTINGS, server.url)
            report = runner.sync_once(device.replica, transport, files=device.home.files)
            transport.close()
            assert report.problem is None
            assert report.sent >= 2
            assert device.replica.counts().unsent == 0
            assert verify_device(device.database, "technician", files=device.home.files, journal=device.journal) == ()
        assert verify_server(server.services.db) == ()
        exported = parse_journal((PROTOCOL1 / "export.jsonl").read_bytes())
        assert exported.damaged == {}
        with server.services.db.read() as conn:
            received = set(conn.exec_driver_sql("SELECT id FROM entries").scalars())
        assert {entry.id for entry in exported.entries} <= received


def test_the_databases_of_that_day_keep_every_row(tmp_path: Path) -> None:
    restore(PROTOCOL1 / "server-after.sql.gz", tmp_path / "server.db")
    db = Database(f"sqlite:///{tmp_path / 'server.db'}")
    try:
        with db.read() as conn:
            before = {
                name: conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
                for name in ("entries", "log_rows", "quarantine", "files")
            }
        migrate_server(db)
        with db.read() as conn:
            after = {name: conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() for name in before}
    finally:
        db.close()
    assert after == before
    assert min(before.values()) > 0


# --- The recorder ----------------------------------------------------------------------------------------------------------------


def test_a_new_corpus_can_be_recorded_and_holds_every_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "not there yet" in capsys.readouterr().err
    assert record(tmp_path / "new") >= len(EXCHANGES)
    made = exchanges(tmp_path / "new")
    assert {exchange.name for exchange in made} >= {exchange.name for exchange in EXCHANGES}
    assert {(exchange.method, exchange.path.split("/")[2]) for exchange in made} >= {
        (exchange.method, exchange.path.split("/")[2]) for exchange in EXCHANGES
    }
