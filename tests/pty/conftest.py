from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from fieldapp.commands.demo import NOTES
from tests.commands.conftest import prepared

__all__ = ["prepared"]


@pytest.fixture(autouse=True)
def no_settings_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Programs see no settings of the machine that runs the tests."""
    monkeypatch.setenv("FIELDAPP_CONFIG", str(tmp_path / "no-config.toml"))


@pytest.fixture
def demo(prepared: Path, tmp_path: Path) -> Path:
    """The folder of a demo that was prepared before, with a port of its own."""
    folder = tmp_path / "demo"
    shutil.copytree(prepared, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / NOTES).write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}), encoding="utf-8")
    return folder
