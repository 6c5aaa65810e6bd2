"""Both corpora of protocol 1 asked of a server of several processes on PostgreSQL, each request of whichever process takes it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from fieldapp.store.verify import verify_server
from tests.golden.corpus import PROTOCOL1, exchanges
from tests.golden.packed import PACKED, packed_exchanges
from tests.golden.replay import faults_of, faults_of_packed
from tests.live_server import LiveServer
from tests.server.office import START
from tests.server.processes import ToldTime, carried_to_postgres, several_processes

pytestmark = pytest.mark.postgres


class ByTurns(httpx.BaseTransport):
    """Every second request goes to the other one of two processes: left alone, a kernel may give one of them all connections."""

    def __init__(self, url: str) -> None:
        self._url, self._turn, self._opened = url, 0, list[httpx.HTTPTransport]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._turn += 1
        for _ in range(500):
            connection = httpx.HTTPTransport(trust_env=False)
            self._opened.append(connection)
            metrics = connection.handle_request(httpx.Request("GET", f"{self._url}/metrics", extensions=request.extensions))
            if f"fieldapp_worker {1 + self._turn % 2}.0" in metrics.read().decode():
                return connection.handle_request(request)
        raise AssertionError("one of two processes never answers")

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


def by_turns(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=30, transport=ByTurns(server.url))


def calls_of_each_worker(client: httpx.Client) -> dict[str, int]:
    """How many requests of the protocol each of two processes has answered."""
    found: dict[str, int] = {}
    for _ in range(500):
        text = client.get("/metrics").text
        (worker,) = re.findall(r"^fieldapp_worker (\S+)$", text, re.MULTILINE)
        counts = re.findall(r'^fieldapp_requests_total\{call="\w+ /v1/.*\} (\S+)$', text, re.MULTILINE)
        found[worker] = int(sum(map(float, counts)))
        if len(found) == 2:
            return found
    raise AssertionError("one of two processes never answers")


@pytest.mark.parametrize("corpus", ["protocol 1", "packed"])
def test_several_processes_answer_as_one_answered(corpus: str, tmp_path: Path, postgres_url: str) -> None:
    clock = ToldTime(tmp_path / "clock")
    clock.set(START)
    folder = PACKED if corpus == "packed" else PROTOCOL1
    carried_to_postgres(folder / "server.sql.gz", postgres_url, tmp_path)
    with (
        several_processes(tmp_path / "server", postgres_url, clock=clock) as server,
        by_turns(server) as client,
    ):
        if corpus == "packed":
            wired, photo = packed_exchanges()
            assert list(faults_of_packed(client, wired, photo, clock.set)) == []
        else:
            assert list(faults_of(client, exchanges(), clock.set, several=True)) == []
        assert verify_server(server.services.db) == ()
        assert min(calls_of_each_worker(client).values()) > 0
