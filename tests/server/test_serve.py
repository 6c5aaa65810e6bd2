"""The server as a process: where it may listen, how it stops, what it says and where."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fieldapp.domain.problem import Problem
from fieldapp.server.serve import run_server
from fieldapp.server.settings import ServerSettings, check_exposure
from fieldapp.sync.protocol import is_loopback
from tests.live_server import serving

PROGRAM = """
import sys
from pathlib import Path
from fieldapp.server.serve import run_server
from fieldapp.server.settings import ServerSettings
run_server(ServerSettings(home=Path(sys.argv[1]), port=0), on_ready=lambda port: print(port, flush=True))
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "server")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with started:
        yield started
        if started.poll() is None:
            started.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_told_to_stop_and_says_nothing_on_the_screen(
    process: subprocess.Popen[str], tmp_path: Path, how: signal.Signals
) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    url = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/health", trust_env=False).json()["ok"] is True
    assert httpx.get(f"{url}/nothing", trust_env=False).status_code == 404
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    log = (tmp_path / "server" / "logs" / "server.log").read_text("utf-8")
    assert "Started server process" in log
    assert "Finished server process" in log
    assert (tmp_path / "server").stat().st_mode & 0o077 == 0


def said_at_the_start(tmp_path: Path, **environment: str) -> str:
    words = [sys.executable, "-m", "fieldapp", "serve", "--server-home", str(tmp_path / "server"), "--port", "0"]
    known = {**os.environ, **environment}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=known) as started:
        assert started.stdout is not None
        said = ""
        while "ctrl+c" not in said:
            line = started.stdout.readline()
            assert line, said
            said += line
        started.terminate()
    return said


def test_it_says_at_the_start_that_it_makes_no_backups(tmp_path: Path) -> None:
    (note,) = [line for line in said_at_the_start(tmp_path).splitlines() if "NOTE" in line]
    assert "makes no backups by itself" in note
    assert "server.backup_dir" in note


def test_it_says_at_the_start_that_backups_cannot_be_written_where_they_should_go(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("not mounted")
    said = said_at_the_start(tmp_path, FIELDAPP_SERVER_BACKUP_DIR=str(tmp_path / "disk"))
    (note,) = [line for line in said.splitlines() if "NOTE" in line]
    assert "Nothing can be written there now (File exists), so there are no backups until that is mended" in note


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = PROGRAM.replace("port=0", f"port={port}")
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
    assert f"Problem: The server cannot listen on 127.0.0.1 port {port}." in done.stderr


def test_a_second_server_on_one_sqlite_database_is_refused(process: subprocess.Popen[str], tmp_path: Path) -> None:
    """From another home too: it is the database that has one server. A killed one leaves it free."""
    assert process.stdout is not None
    port = int(process.stdout.readline())
    database = tmp_path / "server" / "server.db"
    for home in (tmp_path / "server", tmp_path / "other"):
        with pytest.raises(Problem, match="Another server works on") as refused:
            run_server(ServerSettings(home=home, port=0, database=f"sqlite:///{database}"))
        assert (refused.value.code, str(database) in refused.value.message) == ("database-in-use", True)
    assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()["ok"] is True
    process.kill()
    process.wait(30)
    said_at_the_start(tmp_path)


def test_plain_http_stays_on_this_machine(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(Problem, match="without TLS"):
            run_server(ServerSettings(home=tmp_path / "never", host=host))
    assert not (tmp_path / "never").exists()
    check_exposure(ServerSettings(host="0.0.0.0", trusted_proxy="10.0.0.1"))
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0", "")] == [True] * 4 + [False] * 2


def test_a_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    with pytest.raises(Problem, match="belong together"):
        check_exposure(ServerSettings(tls_cert=cert))
    with pytest.raises(Problem, match="does not exist"):
        check_exposure(ServerSettings(tls_cert=cert, tls_key=cert))


def test_it_speaks_tls_with_its_own_certificate(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    with serving(tmp_path / "server", tls_cert=cert, tls_key=key) as server:
        trusted = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trusted, trust_env=False) as client:
            assert client.get(f"https://127.0.0.1:{server.port}/health").json()["ok"] is True
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            client.get(f"https://127.0.0.1:{server.port}/health")


def test_the_address_of_a_caller_is_believed_from_the_named_proxy_only(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    for proxy, expected in (("127.0.0.1", "203.0.113.9"), ("192.0.2.77", "127.0.0.1"), ("", "127.0.0.1")):
        with serving(tmp_path / f"via-{proxy}", trusted_proxy=proxy) as server:
            tried: list[str] = []
            server.services.accounts._tries.wrong = lambda address, now, tried=tried: tried.append(address)  # type: ignore[method-assign]
            body = b'{"code": "AAAA-AAAA", "device_name": "", "app_version": "", "nonce": "0123456789abcdef"}'
            media = {"Content-Type": "application/vnd.fieldapp+json"}
            with httpx.Client(trust_env=False) as client:
                assert client.post(f"{server.url}/v1/enrol", content=body, headers={**headers, **media}).status_code == 403
            assert tried == [expected]


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDAPP_SERVER_PORT", "9999")
    monkeypatch.setenv("FIELDAPP_SERVER_HOME", str(tmp_path))
    settings = ServerSettings()
    assert (settings.port, settings.database_url) == (9999, f"sqlite:///{tmp_path / 'server.db'}")
    with pytest.raises(ValueError, match="prot"):
        ServerSettings(prot=1)  # type: ignore[call-arg]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fieldapp test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file
