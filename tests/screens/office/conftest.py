from __future__ import annotations

from pathlib import Path

import pytest
import time_machine

from tests.made_once import made_once
from tests.screens.branch import BranchOnDisk
from tests.screens.conftest import NOW


@pytest.fixture(scope="session")
def filled_branch(tmp_path_factory: pytest.TempPathFactory) -> BranchOnDisk:
    def make(folder: Path) -> None:
        with time_machine.travel(NOW, tick=False):
            BranchOnDisk.make(folder, "sup-petra", "tech-anna", "tech-emre")

    return BranchOnDisk(made_once(tmp_path_factory, "branch", make))


@pytest.fixture
def branch(filled_branch: BranchOnDisk, tmp_path: Path, frozen: time_machine.Traveller) -> BranchOnDisk:
    """The branch Bremen on a server, with the devices of its supervisor and two technicians, for one test."""
    return filled_branch.copy(tmp_path / "branch")
