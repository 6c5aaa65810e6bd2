"""The transport against real servers that are not ours, or not well: every failure is an answer, in words."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from fieldapp.domain.problem import Problem
from fieldapp.store.rows import Run
from fieldapp.sync import messages as m
from fieldapp.sync.addresses import checked_url, tls_words
from fieldapp.sync.protocol import INFLATE_LIMIT, MEDIA_TYPE, PART_BYTES, PROBLEM_TYPE, Detail, PullAnswer, PushRequest
from fieldapp.sync.replies import Bomb, Broken, inflate, retry_after
from fieldapp.sync.transport import Timeouts, Transport
from tests.sync.strangers import Reply, raw_stranger, stranger
from tests.sync.table import VIEW, a_run

QUICK = Timeouts(connect=2, read=0.3, total=0.8)
PAGE = msgspec.json.encode(PullAnswer("h", 1_000, {}))
DIGEST = hashlib.sha256(PAGE).hexdigest()
PULL = m.AskPull(m.PullRequest(cursors=VIEW.cursors))
HTML = b"<html><body>Welcome to the hotel</body></html>"


@contextmanager
def asking(url: str, **options: object) -> Iterator[Transport]:
    transport = Transport(url, token=lambda: "t", timeouts=QUICK, **options)  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        transport.close()


def ask(url: str, request: m.Request = PULL, **options: object) -> m.Answer:
    with asking(url, **options) as transport:
        return transport.ask(request)


def detail(status: int, code: str = "some-code") -> bytes:
    return msgspec.json.encode(Detail("Title", status, code, "What happened."))


# --- Who answers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, PAGE), "good"),
        (Reply(200, gzip.compress(PAGE), Content_Encoding="gzip"), "good"),
        (Reply(200, HTML, "text/html", echo=False), "sign_in_page"),
        (Reply(200, HTML, "Text/HTML; charset=utf-8", echo=False), "sign_in_page"),
        (Reply(302, b"", "text/html", echo=False, Location="http://portal.example/login"), "sign_in_page"),
        (Reply(307, b"", "text/plain", echo=False, Location="https://elsewhere.example/"), "sign_in_page"),
        (Reply(511, HTML, "text/html", echo=False), "sign_in_page"),
        (Reply(511, b"", "application/json"), "sign_in_page"),
        (Reply(200, PAGE, echo=False), "garbled"),
        (Reply(200, PAGE, "application/json"), "garbled"),
        (Reply(200, HTML, "text/html"), "garbled"),
        (Reply(200, b"{"), "garbled"),
        (Reply(200, b'{"incarnation": 5}'), "garbled"),
        (Reply(200, b"no gzip", Content_Encoding="gzip"), "garbled"),
        (Reply(200, PAGE, Content_Encoding="br"), "garbled"),
        (Reply(200, gzip.compress(PAGE)[:-4], Content_Encoding="gzip"), "garbled"),
        (Reply(404, HTML, "text/html", echo=False), "garbled"),
        (Reply(403, HTML, "text/html", echo=False), "garbled"),
        (Reply(401, detail(401), PROBLEM_TYPE, echo=False), "garbled"),
        (Reply(407, HTML, "text/html", echo=False), "offline"),
        (Reply(413, HTML, "text/html", echo=False), "too_large"),
        (Reply(408, b"", "text/plain", echo=False), "busy"),
        (Reply(429, b"", "text/plain", echo=False), "busy"),
        (Reply(502, HTML, "text/html", echo=False), "busy"),
        (Reply(504, HTML, "text/html", echo=False), "busy"),
        (Reply(500, b"oops", "text/plain"), "busy"),
        (Reply(400, b"oops", "text/plain"), "garbled"),
        (Reply(200, PAGE, Fieldapp_Digest=DIGEST), "good"),
        (Reply(200, gzip.compress(PAGE), Content_Encoding="gzip", Fieldapp_Digest=DIGEST), "good"),
        (Reply(200, PAGE.replace(b"1000", b"1001"), Fieldapp_Digest=DIGEST), "garbled"),
        (Reply(400, b"oops", PROBLEM_TYPE), "garbled"),
    ],
)
def test_only_the_server_itself_is_believed(reply: Reply, expected: str) -> None:
    with stranger(lambda request, body: reply) as url:
        answer = ask(url)
    if expected == "good":
        assert isinstance(answer, m.Good)
        assert isinstance(answer.body, PullAnswer)
    else:
        assert isinstance(answer, m.Fault)
        assert answer.kind == expected
        assert answer.words


@pytest.mark.parametrize("status", [400, 401, 403, 409, 410, 413, 422, 426, 429, 500, 503, 507])
def test_the_servers_own_refusal_keeps_its_code(status: int) -> None:
    with stranger(lambda request, body: Reply(status, detail(status), PROBLEM_TYPE, Retry_After="7")) as url:
        answer = ask(url)
    assert isinstance(answer, m.Refused)
    assert (answer.status, answer.detail.code, answer.retry_after) == (status, "some-code", 7_000)


def test_a_redirect_is_never_followed() -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        asked.append(request.path)
        return Reply(302, b"", "text/html", echo=False, Location="/elsewhere")

    with stranger(answer) as url:
        ask(url)
    assert asked == ["/v1/pull"]


# --- What is sent ----------------------------------------------------------------------------------------------------------------


def test_requests_are_compressed_signed_and_never_sent_twice_the_same() -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        headers = request.headers
        seen.append((headers["Content-Encoding"], headers["Authorization"], headers["Fieldapp-Nonce"], body))
        assert headers["Content-Type"] == MEDIA_TYPE
        return Reply(503, detail(503), PROBLEM_TYPE)

    run = a_run(3)
    with stranger(answer) as url, asking(url) as transport:
        transport.ask(m.AskPush(run))
        transport.ask(m.AskPush(run))
    (encoding, token, first, body), (_, _, second, _) = seen
    assert (encoding, token) == ("gzip", "Bearer t")
    assert first != second
    sent = msgspec.json.decode(gzip.decompress(body), type=PushRequest)
    assert [entry.raw.encode() for entry in sent.entries] == [entry.raw for entry in run.entries]
    assert (sent.epoch, sent.from_seq, sent.prev_hash) == (run.epoch, 1, "")


def test_a_part_of_a_file_is_read_from_the_disk(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        seen.append((request.path, body))
        return Reply(200, b'{"sha256":"aa","parts":[1],"complete":false}')

    data = b"x" * PART_BYTES + b"rest"
    (tmp_path / "aa").write_bytes(data)
    with stranger(answer) as url:
        good = ask(url, m.SendPart("aa", 1, str(tmp_path / "aa"), len(data)))
        gone = ask(url, m.SendPart("aa", 0, str(tmp_path / "bb"), len(data)))
        short = ask(url, m.SendPart("aa", 1, str(tmp_path / "aa"), len(data) + 1))
    assert isinstance(good, m.Good)
    assert seen == [("/v1/files/aa/parts/1", b"rest")]
    assert isinstance(gone, m.Fault)
    assert isinstance(short, m.Fault)
    assert gone.kind == short.kind == "local"


def test_a_file_is_fetched_by_ranges() -> None:
    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        assert request.headers["Range"] == f"bytes=4-{4 + PART_BYTES - 1}"
        return Reply(206, b"rest", "application/octet-stream", Content_Range="bytes 4-7/8")

    with stranger(answer) as url:
        assert ask(url, m.FetchPart("aa", 4)) == m.Good(m.Chunk(b"rest", 8))
    with stranger(lambda request, body: Reply(200, b"whole", "application/octet-stream")) as url:
        assert ask(url, m.FetchPart("aa", 0)) == m.Good(m.Chunk(b"whole", 5))
        later = ask(url, m.FetchPart("aa", 4))
    assert isinstance(later, m.Fault)
    with stranger(lambda request, body: Reply(206, HTML, "text/html", echo=False, Content_Range="bytes 0-7/8")) as url:
        portal = ask(url, m.FetchPart("aa", 0))
    assert isinstance(portal, m.Fault)


# --- Connections that are not well -----------------------------------------------------------------------------------------------


def test_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = ask(f"http://127.0.0.1:{port}")
    assert answer == m.Fault("offline", "nothing answers at 127.0.0.1: the server is not running, or the port is wrong")


def test_a_half_open_connection_is_a_time_out() -> None:
    over = threading.Event()
    with raw_stranger(lambda connection: over.wait(5) and None) as url:
        answer = ask(url)
        over.set()
    assert isinstance(answer, m.Fault)
    assert answer.kind == "timeout"


def test_an_answer_that_trickles_is_a_time_out() -> None:
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.05):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    with raw_stranger(talk) as url:
        answer = ask(url)
        over.set()
    assert isinstance(answer, m.Fault)
    assert answer.kind == "timeout"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbreaks off",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_connection_that_breaks_off_is_no_answer(said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with raw_stranger(talk) as url:
        answer = ask(url)
    assert isinstance(answer, m.Fault)
    assert answer.kind == "offline"
    assert "broke off" in answer.words


def test_a_bomb_is_not_inflated() -> None:
    packer = zlib.compressobj(9, wbits=31)
    megabyte = b"\0" * (1 << 20)
    bomb = b"".join(packer.compress(megabyte) for _ in range(40)) + packer.flush()
    assert len(bomb) < 100_000
    with stranger(lambda request, body: Reply(200, bomb, Content_Encoding="gzip")) as url:
        answer = ask(url)
    assert isinstance(answer, m.Fault)
    assert answer.kind == "garbled"
    with pytest.raises(Bomb):
        inflate([bomb], "gzip")
    with pytest.raises(Bomb):
        inflate([megabyte] * (INFLATE_LIMIT // len(megabyte)) + [b"x"], "")
    with pytest.raises(Broken):
        inflate([b"x"], "br")


# --- Addresses and TLS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://fieldapp.example.com", "plain-http"),
        ("http://192.168.1.5:8440", "plain-http"),
        ("http://127.0.0.1.example.com", "plain-http"),
        ("http://localhost.example.com", "plain-http"),
        ("ftp://example.com", "bad-url"),
        ("example.com", "bad-url"),
        ("https://", "bad-url"),
        ("https://user:secret@example.com", "bad-url"),
        ("https://example.com:port", "bad-url"),
        ("https://[::1", "bad-url"),
        ("https://example.com/?a=b", "bad-url"),
        ("", "bad-url"),
    ],
)
def test_addresses_that_are_not_used(url: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        Transport(url)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://127.0.0.1:8440/", "http://127.0.0.1:8440"),
        ("http://localhost:8440", "http://localhost:8440"),
        ("http://[::1]:8440", "http://[::1]:8440"),
        (" https://fieldapp.example.com/branch/ ", "https://fieldapp.example.com/branch"),
    ],
)
def test_addresses_that_are_used(url: str, clean: str) -> None:
    assert checked_url(url) == clean


def test_a_ca_file_that_cannot_be_read_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(Problem) as caught:
            Transport("https://fieldapp.example.com", ca_file=str(tmp_path / name))
        assert caught.value.code == "ca-file-unusable"


@pytest.mark.parametrize("where", ["FIELDAPP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["socks5://proxy.example.com:1080", "htp://proxy.example.com"])
def test_a_proxy_that_cannot_be_used_is_said_at_once(monkeypatch: pytest.MonkeyPatch, where: str, proxy: str) -> None:
    if where == "ALL_PROXY":
        monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(Problem, match="proxy to the server cannot be used") as caught:
        Transport("https://fieldapp.example.com", proxy=proxy if where != "ALL_PROXY" else "")
    assert caught.value.code == "bad-config"


def test_a_proxy_is_named_as_browsers_take_it() -> None:
    Transport("https://fieldapp.example.com", proxy="proxy.example.com:8080").close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `localhost` with its key, made by OpenSSL."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@contextmanager
def tls_server(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    def talk(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 511 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                while secure.recv(65536):  # closed with something unread, the connection would be reset and the answer lost
                    pass
        except OSError:
            pass

    with raw_stranger(talk) as url:
        yield int(url.rpartition(":")[2])


def test_tls_in_clear_words(certificate: Path) -> None:
    with tls_server(certificate) as port:
        unknown = ask(f"https://localhost:{port}")
        trusted = ask(f"https://localhost:{port}", ca_file=str(certificate / "cert.pem"))
        other = ask(f"https://127.0.0.1:{port}", ca_file=str(certificate / "cert.pem"))
    assert isinstance(unknown, m.Fault)
    assert unknown.kind == "insecure"
    assert "CA file" in unknown.words
    assert isinstance(trusted, m.Fault)
    assert trusted.kind == "sign_in_page"
    assert isinstance(other, m.Fault)
    assert "another name" in other.words
    with stranger(lambda request, body: Reply(200, PAGE)) as url:
        plain = ask(url.replace("http:", "https:"))
    assert plain == m.Fault("insecure", "the server does not speak TLS at this address")


def test_words_for_other_troubles_of_tls() -> None:
    assert "date is wrong" in str(tls_words("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"))
    assert tls_words("connection refused") is None


# --- Small things ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("5", 5_000),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("9" * 40, 999_999_999_000),
        ("Mon, 23 Nov 2026 08:00:30 GMT", 30_000),
        ("Mon, 23 Nov 2020 08:00:30 GMT", 0),
        ("Mon, 99 Nov 2026 08:00:30 GMT", None),
    ],
)
def test_retry_after_as_seconds_or_date(text: str, wait: int | None) -> None:
    assert retry_after({"retry-after": text}, 1_795_420_800_000) == wait


def test_importing_sync_does_not_import_httpx() -> None:
    code = "import sys, fieldapp.sync.once, fieldapp.sync.enrol; print('httpx' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_hints_are_told_from_heartbeats() -> None:
    lines = b': beat\n\nevent: moved\ndata: {"log":"north","pos":3}\n\n'
    reply = Reply(200, lines, "text/event-stream")
    with stranger(lambda request, body: reply) as url, asking(url) as transport, transport.listen(1) as hints:
        assert list(hints) == [False, True]


def test_a_server_without_room_for_listeners_says_when_to_come_back() -> None:
    reply = Reply(503, b"", PROBLEM_TYPE, Retry_After="60")
    with stranger(lambda request, body: reply) as url, asking(url) as transport:  # noqa: SIM117
        with pytest.raises(ConnectionError) as caught, transport.listen(1):
            pass
    assert caught.value.args[1] == 60_000


def test_hints_of_whoever_does_not_echo_are_no_hints() -> None:
    """A portal's page, or another server's stream: nothing of it is listened to."""
    reply = Reply(200, b"event: moved\n\n", "text/event-stream", echo=False)
    with stranger(lambda request, body: reply) as url, asking(url) as transport:  # noqa: SIM117
        with pytest.raises(ConnectionError), transport.listen(1):
            pass


def test_a_silent_stream_of_hints_is_dead() -> None:
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        head = connection.recv(65536).decode()
        nonce = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("fieldapp-nonce"))
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nFieldapp-Nonce: {nonce}\r\n\r\n".encode())
        over.wait(5)

    with raw_stranger(talk) as url, asking(url) as transport:
        with pytest.raises(TimeoutError), transport.listen(0.2) as hints:
            list(hints)
        over.set()


def test_an_entry_that_is_no_text_any_more_is_named_without_asking_anybody() -> None:
    """A bad disk has spoiled it and its second copy: it can be handed over as bytes, and must keep nothing else here."""
    good, bad = a_run(2).entries
    run = Run("e-1", "north", 4, "h" * 64, (good, msgspec.structs.replace(bad, body_raw=b"\xff\xfe")))
    answer = ask("http://127.0.0.1:9", m.AskPush(run))
    assert isinstance(answer, m.Refused)
    assert (answer.status, answer.detail.code, answer.detail.seq) == (422, "unreadable-entry", 5)
