"""Networks that lie, swallow or never answer, with the real loop over real sockets: recording never waits, the person is told what
stands in the way, and once it is gone everything arrives, once."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.entry import DOUBTFUL_SKEW_MS, Envelope, read_entry
from fieldapp.store.verify import verify_device
from fieldapp.sync import messages as m
from fieldapp.sync.once import sync_once
from fieldapp.sync.protocol import NONCE_HEADER
from fieldapp.sync.runner import wall_ms
from fieldapp.sync.transport import Timeouts, Transport
from tests.live_server import LiveServer, live_server, serving  # noqa: F401
from tests.sync.homes import SETTINGS, device_of, new_job, note
from tests.sync.link import link_to
from tests.sync.strangers import Reply, stranger
from tests.sync.table import VIEW
from tests.sync.test_slow_links import attach, content, syncing, watched

QUICK = Timeouts(connect=1, read=0.5, total=2, piece=1)
PULL = m.AskPull(m.PullRequest(cursors=VIEW.cursors))
YEAR_MS = 365 * 86_400_000
PAGE = b"<html><body>Welcome to the hotel</body></html>"
RECORDING_S = 0.2
"""A recording takes some milliseconds; whoever waited for the network would wait longer each time."""


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


HOSTILE = {
    "a portal's page": (Reply(200, PAGE, "text/html", echo=False), "sign_in_page"),
    "a portal's redirect": (Reply(302, b"", "text/html", echo=False, Location="http://portal.example/"), "sign_in_page"),
    "a portal that says so": (Reply(511, PAGE, "text/html", echo=False), "sign_in_page"),
    "a proxy whose server is away": (Reply(502, PAGE, "text/html", echo=False), "busy"),
    "a proxy that takes nothing": (Reply(413, PAGE, "text/html", echo=False), "busy"),
    "a proxy that wants a password": (Reply(407, PAGE, "text/html", echo=False), "offline"),
    "an answer of somebody else": (Reply(200, b"{}", echo=False), "offline"),
}


@pytest.mark.parametrize("name", [*HOSTILE, "half-open connections", "closed at once"])
def test_recording_never_waits_and_all_arrives_afterwards(name: str, live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    with ExitStack() as stack:
        device = stack.enter_context(device_of(live_server, "tech-1", tmp_path / "a"))
        link = stack.enter_context(link_to(live_server.port))
        if name in HOSTILE:
            reply, expected = HOSTILE[name]
            link.target = port_of(stack.enter_context(stranger(lambda request, body: reply)))
        else:
            expected = "offline"
            link.dead, link.closed = name.startswith("half"), name.startswith("closed")
        transport = watched(device, link.url, QUICK)
        loop, waiting = stack.enter_context(syncing(device, transport))
        waiting.until(lambda: loop.status.connection == expected, 20)
        saved, took = [], []
        for drafts in ([new_job("1")], [note("1", "in spite of it")], [note("1", "and again")], [note("1", "and again")]):
            began = time.monotonic()
            saved += device.replica.append(drafts).entries
            loop.hurry("saved")
            took.append(time.monotonic() - began)
        assert min(took) < RECORDING_S, "the quickest: others use this machine as well"
        assert device.replica.counts().unsent == 4
        link.target, link.dead, link.closed = live_server.port, False, False
        link.cut()
        loop.hurry("asked")
        waiting.until(lambda: device.replica.counts().settled == 4, 30)
        loop.stop(10)
        assert verify_device(device.database, "technician", files=device.home.files) == ()
        with live_server.services.db.read() as conn:
            ids = conn.exec_driver_sql(
                "SELECT entry_id FROM log_rows WHERE log = 'north' AND kind = 'entry' ORDER BY pos"
            ).scalars()
            assert list(ids) == saved


def test_a_proxy_that_takes_little_gets_facts_and_files_in_small_pieces(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    live_server.people()
    largest = 0

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Reply:
        nonlocal largest
        if len(body) > 9_000:
            return Reply(413, PAGE, "text/html", echo=False)
        largest = max(largest, len(body))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")}
        headers["Accept-Encoding"] = "identity"
        found = httpx.request(request.command, live_server.url + request.path, content=body, headers=headers, trust_env=False)
        assert found.headers.get(NONCE_HEADER) == request.headers[NONCE_HEADER]
        return Reply(found.status_code, found.content, found.headers["Content-Type"])

    with device_of(live_server, "tech-1", tmp_path / "a") as device:
        device.replica.append([new_job("1")])
        for number in range(20):
            device.replica.append([note("1", content(3_000)[number * 100 :][:1_000].hex())])
        attach(device, content(60_000))
        with stranger(answer) as url:
            transport = watched(device, url)
            with syncing(device, transport) as (_, waiting):
                waiting.until(lambda: device.replica.counts().settled == 22 and not device.replica.counts().files_waiting, 60)
    assert largest > 4_000


# --- Names and addresses ---------------------------------------------------------------------------------------------------------


@contextmanager
def nobody_home(family: socket.AddressFamily, address: str, port: int) -> Iterator[None]:
    """An address that takes no connection and refuses none: its queue is full, so that the first packet is dropped."""
    with socket.socket(family) as listener, ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            one = stack.enter_context(socket.socket(family))
            one.setblocking(False)
            one.connect_ex((address, port))
        yield


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """What the system's resolver says about `localhost`."""
    real = socket.getaddrinfo

    def found(host: str, port: int, *args: object, **options: object) -> list[object]:
        if host != "localhost":
            return list(real(host, port, *args, **options))  # type: ignore[call-overload]
        return [entry for address in addresses for entry in real(address, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_an_ipv6_address_that_leads_nowhere_is_passed_over_in_time(
    live_server: LiveServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = live_server.port
    resolves_to(monkeypatch, "::1", "127.0.0.1")
    transport = Transport(f"http://localhost:{port}", token=lambda: "none", timeouts=Timeouts(connect=10, read=5, total=20))
    with nobody_home(socket.AF_INET6, "::1", port):
        began = time.monotonic()
        first = transport.ask(PULL)
        took = time.monotonic() - began
        transport.close()
    assert isinstance(first, m.Refused), first
    assert first.status == 401
    assert took < 5


def test_the_address_that_worked_is_tried_first(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    port = live_server.port
    resolves_to(monkeypatch, "::1", "127.0.0.1")
    with nobody_home(socket.AF_INET6, "::1", port):
        transport = Transport(f"http://localhost:{port}", token=lambda: "none", timeouts=Timeouts(connect=10, read=5, total=20))
        with pytest.raises(ConnectionError), transport.listen(1):
            pass
        began = time.monotonic()
        threads = [threading.Thread(target=transport.ask, args=(PULL,)) for _ in range(3)]  # more than one connection
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < 1.9
        transport.close()


def test_addresses_that_all_lead_nowhere_end_in_time(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    resolves_to(monkeypatch, "::1", "127.0.0.1")
    with nobody_home(socket.AF_INET6, "::1", port), nobody_home(socket.AF_INET, "127.0.0.1", port):
        transport = Transport(f"http://localhost:{port}", timeouts=Timeouts(connect=3, read=1, total=5))
        began = time.monotonic()
        assert transport.ask(PULL) == m.Fault("offline", "localhost does not answer")
        assert time.monotonic() - began < 5
        transport.close()


def test_a_resolver_that_hangs_is_not_waited_for(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    hangs, asked = threading.Event(), 0
    real = socket.getaddrinfo

    def slow(host: str, *args: object, **options: object) -> object:
        nonlocal asked
        if host == "localhost":
            asked += 1
            hangs.wait(30)
            host = "127.0.0.1"
        return real(host, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    transport = Transport(f"http://localhost:{live_server.port}", token=lambda: "none", timeouts=QUICK)
    try:
        for _ in range(3):
            began = time.monotonic()
            assert transport.ask(PULL) == m.Fault("offline", "nobody says where localhost is")
            assert time.monotonic() - began < 3
        assert asked == 1, "one that hangs is waited for; another would hang beside it"
        hangs.set()
        later = transport.ask(PULL)
        assert isinstance(later, m.Refused)
        hangs.clear()
        live_server.stop()
        live_server.start()  # the connection that stood open is gone
        assert isinstance(transport.ask(PULL), m.Refused), "where it was last is good enough"
    finally:
        hangs.set()
        transport.close()


# --- Who listens on the way ------------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of its own, as a company has one, or as whoever reads along on the way."""

    def __init__(self, folder: Path, name: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._made(name, self._key, 0, 365, ca=True))

    def certificate(self, first_day: int = -1, last_day: int = 30) -> tuple[Path, Path]:
        """For `localhost`, valid from and to so many days from today: PEM files of it and its key."""
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        paths = self._folder / f"{self._name}-server.pem", self._folder / f"{self._name}-server.key"
        paths[0].write_bytes(self._made("localhost", key, first_day, last_day, ca=False))
        paths[1].write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
        return paths

    def _made(self, subject: str, key: object, first_day: int, last_day: int, *, ca: bool) -> bytes:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        today = datetime.datetime.now(datetime.UTC)
        public = key.public_key()  # type: ignore[attr-defined]
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self._name)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(today + datetime.timedelta(days=first_day - (1 if ca else 0)))
            .not_valid_after(today + datetime.timedelta(days=last_day))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            made = made.add_extension(usage, critical=True)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def tls_in_front_of(port: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """Ends TLS as a proxy does, with this certificate, and passes everything on to the server on `port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        while not over.is_set():
            plain, _ = listener.accept()
            if over.is_set():
                plain.close()
                return
            threading.Thread(target=talk, args=(plain,), daemon=True).start()

    def talk(plain: socket.socket) -> None:
        try:
            with context.wrap_socket(plain, server_side=True) as secure, socket.create_connection(("127.0.0.1", port)) as server:
                while request := secure.recv(65536):  # each of these requests is one small block, each answer too
                    server.sendall(request)
                    secure.sendall(server.recv(65536))
        except OSError:
            plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(5)
        listener.close()


def test_whoever_reads_along_is_told_from_the_server_in_clear_words(live_server: LiveServer, tmp_path: Path) -> None:  # noqa: F811
    company, stranger_ = Authority(tmp_path, "company"), Authority(tmp_path, "interceptor")

    def asked(certificate: tuple[Path, Path]) -> m.Answer:
        with tls_in_front_of(live_server.port, certificate) as port:
            transport = Transport(f"https://localhost:{port}", token=lambda: "none", ca_file=str(company.file), timeouts=QUICK)
            try:
                return transport.ask(PULL)
            finally:
                transport.close()

    good = asked(company.certificate())
    assert isinstance(good, m.Refused), good
    read_along = asked(stranger_.certificate())
    assert isinstance(read_along, m.Fault)
    assert read_along.kind == "insecure"
    assert "reading along" in read_along.words
    for first, last in ((-400, -30), (300, 400)):
        dated = asked(company.certificate(first, last))
        assert isinstance(dated, m.Fault)
        assert "date is wrong" in dated.words


# --- Clocks ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-YEAR_MS, YEAR_MS])
def test_a_clock_that_is_wrong_by_a_year_changes_nothing_but_what_is_said_of_times(wrong: int, tmp_path: Path) -> None:
    with serving(tmp_path / "server", clock=lambda: wall_ms() - wrong) as server:
        server.people()
        with device_of(server, "tech-1", tmp_path / "a") as device:
            device.replica.append([new_job("1")])
            report = sync_once(device, SETTINGS)
            assert (report.problem, report.sent) == (None, 1)
            assert abs(int(device.replica.setting("skew_ms") or 0) + wrong) < 10_000
            saved = device.replica.append([note("1")])
            assert sync_once(device, SETTINGS).problem is None
            assert device.replica.counts().settled == 2
            envelope = entry_of(device, saved.entries[0])
            assert envelope.doubtful
            assert abs(envelope.corrected - server.services.clock()) < DOUBTFUL_SKEW_MS


def entry_of(device: DeviceServices, name: str) -> Envelope:
    with device.database.read() as conn:
        raw, body = conn.exec_driver_sql("SELECT raw, body FROM entries WHERE id = ?", (name,)).one()
    return read_entry(raw, body).envelope
