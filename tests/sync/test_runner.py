"""The runner: what a person is told, when one exchange gives up, and that a request that hangs does not stop the others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import insert

from fieldapp.store.tables import FileRow
from fieldapp.sync import messages as m
from fieldapp.sync.protocol import PART_BYTES, FileState
from fieldapp.sync.runner import Courier, Runner, sync_once
from fieldapp.sync.status import Moving, SyncStatus, sentence
from fieldapp.sync.transport import Timeouts, Transport
from tests.sync.homes import a_replica, new_job
from tests.sync.strangers import Reply, stranger

QUICK = Timeouts(connect=1, read=0.3, total=1)


@pytest.mark.parametrize(
    ("reply", "connection", "said"),
    [
        (Reply(200, b"<html>", "text/html", echo=False), "sign_in_page", "sign-in page"),
        (Reply(503, b"", "text/html", echo=False), "busy", "busy"),
        (Reply(200, b"?", "text/plain", echo=False), "offline", "not a Fieldapp server"),
    ],
)
def test_an_exchange_that_cannot_be_made_says_why_and_keeps_everything(
    reply: Reply, connection: str, said: str, tmp_path: Path
) -> None:
    with stranger(lambda request, body: reply) as url, a_replica(tmp_path) as (replica, _):
        replica.append([new_job("1")])
        transport = Transport(url, timeouts=QUICK)
        report = sync_once(replica, transport)
        transport.close()
        assert (report.online, report.connection, report.sent) == (False, connection, 0)
        assert said in str(report.problem)
        assert replica.counts().unsent == 1


def test_an_exchange_ends_when_its_time_is_over(tmp_path: Path) -> None:
    over = threading.Event()

    class Silent:
        def ask(self, request: m.Request) -> m.Answer:
            over.wait(20)
            return m.Fault("timeout")

    with a_replica(tmp_path) as (replica, _):
        report = sync_once(replica, Silent(), limit_s=0.2)
        over.set()
    assert report.problem
    assert not report.online


def test_a_request_that_hangs_leaves_its_lane_to_the_next_one() -> None:
    over, heard = threading.Event(), threading.Event()
    answers: list[int] = []

    class HangsOnce:
        def ask(self, request: m.Request) -> m.Answer:
            if request == m.AskToken("hangs"):
                over.wait(20)
            return m.Fault("offline")

    def hear(number: int, answer: m.Answer) -> None:
        answers.append(number)
        heard.set()

    courier = Courier(HangsOnce(), "test", hear)
    courier.carry(1, m.AskToken("hangs"))
    courier.carry(2, m.AskToken("goes"))
    assert heard.wait(10)
    assert answers == [2]
    over.set()
    courier.stop()


def test_every_state_of_the_connection_has_a_sentence() -> None:
    for connection in m.Connection.__args__:  # type: ignore[attr-defined]
        words = sentence(connection, "a cause")
        assert words.endswith((".", ")"))
        assert SyncStatus(connection, "a cause").sentence == words


def test_how_much_of_a_file_is_through_is_told_by_bytes(tmp_path: Path) -> None:
    name, told = "a" * 64, []

    class Half:
        def ask(self, request: m.Request) -> m.Answer:
            if isinstance(request, m.AskParts):
                return m.Good(FileState(name, (0,), False, 500))
            return m.Fault("offline")

    with a_replica(tmp_path) as (replica, db):
        with db.write() as conn:
            conn.execute(insert(FileRow), {"sha256": name, "size": PART_BYTES * 2, "name": "a.jpg", "state": "here"})
        runner = Runner(replica, Half(), files=tmp_path, publish=lambda status: told.append(status.moving))
        runner.start()
        while Moving(name, PART_BYTES + 500, PART_BYTES * 2) not in told:
            runner.turn()
        runner.stop()
