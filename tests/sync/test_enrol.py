"""Enrolling: what can go wrong is said in words, and a lost answer costs nothing."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from fieldapp.domain.problem import Problem
from fieldapp.store.home import Home
from fieldapp.sync.enrol import enrol
from fieldapp.sync.protocol import NONCE_HEADER
from fieldapp.sync.transport import Timeouts
from tests.live_server import LiveServer, live_server  # noqa: F401
from tests.sync.strangers import Reply, stranger

QUICK = Timeouts(connect=1, read=0.3, total=1)


def problem_of(url: str, home: Home, code: str = "ABCD-EFGH-JKLM", timeouts: Timeouts | None = QUICK) -> Problem:
    with pytest.raises(Problem) as caught:
        enrol(url, code, home, device_name="laptop", timeouts=timeouts)
    assert caught.value.hint
    assert home.identity() is None
    return caught.value


def test_a_code_makes_a_device_and_doing_it_again_changes_nothing(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    home = Home(tmp_path / "home")
    code = live_server.services.accounts.issue_code("tech-1").code
    identity = enrol(live_server.url + "/", code, home, device_name="laptop")
    assert (identity.person, identity.name, identity.role, identity.log) == ("tech-1", "Ann Berg", "technician", "north")
    assert identity.logs == ("org", "north")
    assert identity.url == live_server.url
    assert home.identity() == identity
    assert enrol(live_server.url, code.lower(), home, device_name="laptop") == identity
    assert len(live_server.services.accounts.devices()) == 1
    with pytest.raises(Problem) as caught:
        enrol(live_server.url, live_server.services.accounts.issue_code("tech-2").code, home, device_name="laptop")
    assert caught.value.code == "already-enrolled"
    assert home.identity() == identity


def test_a_lost_answer_is_asked_for_again_and_makes_one_device(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    home = Home(tmp_path / "home")
    code = live_server.services.accounts.issue_code("tech-1").code

    def lose(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        """A proxy on the way: passes the request on, loses the answer of the first, and gives that of the second."""
        kept = ("content-type", "content-encoding", NONCE_HEADER.lower())
        headers = {name: value for name, value in request.headers.items() if name.lower() in kept}
        answer = httpx.post(live_server.url + request.path, content=body, headers=headers, trust_env=False)
        passed.append(answer.status_code)
        if len(passed) == 1:
            return Reply(502, b"", "text/html", echo=False)
        return Reply(answer.status_code, answer.content, answer.headers["content-type"])

    passed: list[int] = []
    with stranger(lose) as url:
        assert problem_of(url, home, code, timeouts=None).code == "server-busy"
        identity = enrol(url, code, home, device_name="laptop")
    assert passed == [200, 200]
    devices = live_server.services.accounts.devices()
    assert [device.id for device in devices] == [identity.device]


@pytest.mark.parametrize(("code", "expected"), [("ABCD-EFGH-JKLM", "enrol-code-unknown"), ("", "enrol-code-unknown")])
def test_a_wrong_code_is_the_servers_to_refuse(
    live_server: LiveServer,  # noqa: F811
    tmp_path: Path,
    code: str,
    expected: str,
) -> None:
    assert problem_of(live_server.url, Home(tmp_path / "home"), code, timeouts=None).code == expected


def test_a_used_code_is_used(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    code = live_server.services.accounts.issue_code("tech-1").code
    enrol(live_server.url, code, Home(tmp_path / "a"), device_name="laptop")
    assert problem_of(live_server.url, Home(tmp_path / "b"), code, timeouts=None).code == "enrol-code-used"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, b"<html>", "text/html", echo=False), "sign-in-page"),
        (Reply(302, b"", "text/html", echo=False, Location="http://portal.example"), "sign-in-page"),
        (Reply(511, b"", "text/html", echo=False), "sign-in-page"),
        (Reply(503, b"", "text/html", echo=False), "server-busy"),
        (Reply(200, b"{}", "application/json", echo=False), "not-a-server"),
        (Reply(404, b"", "text/html", echo=False), "not-a-server"),
        (Reply(200, b"{}"), "not-a-server"),
    ],
)
def test_what_answers_is_not_the_server(reply: Reply, code: str, tmp_path: Path) -> None:
    with stranger(lambda request, body: reply) as url:
        assert problem_of(url, Home(tmp_path / "home")).code == code


def test_nothing_answers_or_the_address_is_wrong(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert problem_of("http://127.0.0.1:9", home).code == "server-unreachable"
    assert problem_of("http://fieldapp.example.com", home).code == "plain-http"
    assert problem_of("fieldapp", home).code == "bad-url"


def test_a_device_that_cannot_say_who_it_is_is_enrolled_again(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    home = Home(tmp_path / "home")
    first = enrol(live_server.url, code_for(live_server), home, device_name="laptop")
    home.identity_file.write_bytes(b'{"url"')
    with pytest.raises(Problem, match="cannot be read") as refused:
        enrol(live_server.url, code_for(live_server), home, device_name="laptop")
    assert "--again" in refused.value.hint
    second = enrol(live_server.url, code_for(live_server), home, device_name="laptop", again=True)
    assert home.identity() == second
    assert second.device != first.device


def test_enrolling_again_needs_a_code_of_the_same_person(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    home = Home(tmp_path / "home")
    first = enrol(live_server.url, code_for(live_server), home, device_name="laptop")
    with pytest.raises(Problem, match=r"Ann Berg.*Bo Lind"):
        enrol(live_server.url, code_for(live_server, "tech-2"), home, device_name="laptop", again=True)
    assert home.identity() == first
    code = code_for(live_server)
    second = enrol(live_server.url, code, home, device_name="laptop", again=True)
    assert second.device != first.device
    assert enrol(live_server.url, code, home, device_name="laptop", again=True) == second


def code_for(server: LiveServer, person: str = "tech-1") -> str:
    return server.services.accounts.issue_code(person).code


@pytest.mark.parametrize("code", ["\udcff\udcfe", "\x1b[31m", "A" * 500])
def test_a_text_that_is_no_code_is_not_sent(tmp_path: Path, code: str) -> None:
    with pytest.raises(Problem, match="not a one-time code"):
        enrol("http://127.0.0.1:9", code, Home(tmp_path / "home"), device_name="laptop", timeouts=QUICK)
