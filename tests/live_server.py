"""A real server over real HTTP on loopback, for whoever needs one.

from tests.live_server import live_server  # the fixture
def test_x(live_server): live_server.url, live_server.services, live_server.enrol("tech-1") ...
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
import uuid6

from fieldapp.domain.documents import Person
from fieldapp.server.serve import Server
from fieldapp.server.services import ServerServices, open_server
from fieldapp.server.settings import ServerSettings
from fieldapp.sync.protocol import INCARNATION_HEADER, MEDIA_TYPE, NONCE_HEADER, EnrolAnswer, EnrolRequest

START_S = 20
T = TypeVar("T")


class LiveServer:
    """One server in a thread. `stop` and `start` again keep the port and the data, as a restart does."""

    def __init__(self, settings: ServerSettings, clock: Callable[[], int] | None = None) -> None:
        self.settings, self._clock = settings, clock
        self.services: ServerServices
        self.port = 0
        self.closing: list[Callable[[], None]] = []
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        ready = threading.Event()

        def on_ready(port: int) -> None:
            self.port = port
            ready.set()

        self.services = open_server(self.settings, self._clock)
        self.services.start_relay()
        self._server = Server(self.services, port=self.port, on_ready=on_ready)
        self._thread = threading.Thread(target=self._server.run, name="live-server", daemon=True)
        self._thread.start()
        assert ready.wait(START_S), "the server did not start"

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_S)
            assert not self._thread.is_alive(), "the server did not stop"
            self.services.close()
            self._server = None

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close_clients()
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._server is not None

    def close_clients(self) -> None:
        while self.closing:
            self.closing.pop()()

    def people(self, branch: str = "north") -> list[Person]:
        """A branch with two technicians and a supervisor."""
        people = self.services.people
        people.add_branch(branch, branch.title())
        return [
            people.add("tech-1", "Ann Berg", "technician", branch),
            people.add("tech-2", "Bo Lind", "technician", branch),
            people.add("super", "Cy Holm", "supervisor", branch),
        ]

    def enrol(self, person: str) -> Client:
        """A device of this person, ready to call."""
        client = Client(self)
        code = self.services.accounts.issue_code(person).code
        client.identity = client.call("enrol", EnrolRequest(code, f"{person}'s laptop", "0.1.0", uuid6.uuid7().hex), EnrolAnswer)
        client.token = client.identity.token
        return client


class Client:
    """Calls as a device makes them; answers are checked for what every answer must carry."""

    def __init__(self, server: LiveServer) -> None:
        self.http = httpx.Client(base_url=server.url, timeout=30, trust_env=False)
        server.closing.append(self.http.close)
        self.token = ""
        self.identity: EnrolAnswer

    def post(self, call: str, body: bytes, **headers: str) -> httpx.Response:
        nonce = uuid6.uuid7().hex
        sent = {"Content-Type": MEDIA_TYPE, NONCE_HEADER: nonce, **self.auth, **headers}
        response = self.http.post(f"/v1/{call}", content=body, headers=sent)
        assert response.headers[NONCE_HEADER] == nonce
        assert response.headers["Cache-Control"] == "no-store"
        assert len(response.headers[INCARNATION_HEADER]) == 32
        return response

    def call(self, call: str, request: msgspec.Struct, answer: type[T]) -> T:
        response = self.post(call, msgspec.json.encode(request))
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == MEDIA_TYPE
        return msgspec.json.decode(response.content, type=answer)

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@contextlib.contextmanager
def serving(home: Path, *, database: str = "", clock: Callable[[], int] | None = None, **settings: Any) -> Iterator[LiveServer]:
    """A fresh server in `home` on a free port."""
    values: dict[str, Any] = {"home": home, "database": database, "port": 0, "reserve_bytes": 0, **settings}
    with LiveServer(ServerSettings(**values), clock) as server:
        yield server


@contextlib.contextmanager
def serving_copy(template: Path, home: Path) -> Iterator[LiveServer]:
    """A fresh server on a copy of a ready-made SQLite database: it need not make its tables."""
    home.mkdir(exist_ok=True)
    shutil.copy(template, home / "server.db")
    with serving(home) as server:
        yield server


@pytest.fixture
def live_server(tmp_path: Path, server_template: Path) -> Iterator[LiveServer]:
    """A fresh server over real HTTP, on SQLite."""
    with serving_copy(server_template, tmp_path / "server") as server:
        yield server
