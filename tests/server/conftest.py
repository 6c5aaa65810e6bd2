from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldapp.server.services import ServerServices, open_server
from fieldapp.server.settings import ServerSettings
from tests.databases import FreshPostgres
from tests.live_server import LiveServer, live_server
from tests.server.office import START, Office
from tests.server.processes import emptied, several_processes

__all__ = ["live_server"]


class Clock:
    """Time that moves when a test says so. Milliseconds UTC."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def kept_processes(tmp_path_factory: pytest.TempPathFactory, fresh_postgres: FreshPostgres) -> Iterator[LiveServer]:
    """A server of several processes on PostgreSQL that is kept from test to test; ask for `several` instead."""
    with several_processes(tmp_path_factory.mktemp("processes"), fresh_postgres(True)) as server:
        yield server


@pytest.fixture
def several(kept_processes: LiveServer) -> Iterator[LiveServer]:
    """A server of several processes on PostgreSQL in which nothing is recorded yet and nobody enrolled."""
    if not kept_processes.is_running:
        kept_processes.start()
    emptied(kept_processes)
    yield kept_processes
    kept_processes.close_clients()


@pytest.fixture
def services(tmp_path: Path, server_url: str, clock: Clock) -> Iterator[ServerServices]:
    """A server's services without HTTP, on each kind of database in turn."""
    settings = ServerSettings(home=tmp_path / "server", database=server_url, reserve_bytes=0)
    opened = open_server(settings, clock)
    yield opened
    opened.close()


@pytest.fixture
def office(services: ServerServices) -> Office:
    """The small company, recorded on the server."""
    made = Office(services)
    made.found()
    return made
