from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldapp.commands.fixture_loading import load_fixtures
from tests.commands.runs import SUPERVISOR, TECHNICIAN, Commands, Device
from tests.live_server import LiveServer, serving
from tests.made_once import made_once


@pytest.fixture(autouse=True)
def no_settings_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands see no settings of the machine that runs the tests."""
    for name in [name for name in os.environ if name.startswith("FIELDAPP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FIELDAPP_CONFIG", str(tmp_path / "no-config.toml"))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server with the demo company and two enrolled devices, made once for all processes of a test run; copy it, never use it."""
    return made_once(tmp_path_factory, "prepared", _prepare)


def _prepare(folder: Path) -> None:
    with serving(folder / "server") as server:
        load_fixtures(server.services)
        for name, person in (("technician", TECHNICIAN), ("supervisor", SUPERVISOR)):
            code = server.services.accounts.issue_code(person).code
            Device(folder / name)("enrol", server.url, code).good()


@pytest.fixture
def technician(prepared: Path, tmp_path: Path) -> Device:
    """Anna's laptop, off the network."""
    shutil.copytree(prepared / "technician", tmp_path / "technician")
    return Device(tmp_path / "technician")


@pytest.fixture
def supervisor(prepared: Path, tmp_path: Path) -> Device:
    """Petra's computer, off the network."""
    shutil.copytree(prepared / "supervisor", tmp_path / "supervisor")
    return Device(tmp_path / "supervisor")


@pytest.fixture
def server(prepared: Path, tmp_path: Path, technician: Device, supervisor: Device) -> Iterator[LiveServer]:
    """The server of both, over real HTTP."""
    shutil.copytree(prepared / "server", tmp_path / "server")
    with serving(tmp_path / "server") as live:
        technician.use_server(live.url)
        supervisor.use_server(live.url)
        yield live


@pytest.fixture
def admin(tmp_path: Path) -> Commands:
    """The administrator of a server of its own."""
    return Commands("--server-home", str(tmp_path / "own-server"))
