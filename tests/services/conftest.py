from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldapp.bootstrap import DeviceServices, open_device
from fieldapp.store.home import Home
from tests.commands.conftest import no_settings_of_mine, prepared

__all__ = ["no_settings_of_mine", "prepared"]


@pytest.fixture
def technician(prepared: Path, tmp_path: Path) -> Iterator[DeviceServices]:
    """Anna's laptop, opened for writing."""
    shutil.copytree(prepared / "technician", tmp_path / "technician")
    with open_device(Home(tmp_path / "technician"), "a test") as device:
        yield device


@pytest.fixture
def supervisor(prepared: Path, tmp_path: Path) -> Iterator[DeviceServices]:
    """Petra's computer, opened for writing."""
    shutil.copytree(prepared / "supervisor", tmp_path / "supervisor")
    with open_device(Home(tmp_path / "supervisor"), "a test") as device:
        yield device
