from __future__ import annotations

from pathlib import Path

import pytest

from tests.screens.branch import BranchOnDisk


@pytest.fixture(scope="session")
def filled_branch(tmp_path_factory: pytest.TempPathFactory) -> BranchOnDisk:
    return BranchOnDisk.make(tmp_path_factory.mktemp("branch"), "sup-petra", "tech-anna", "tech-emre")


@pytest.fixture
def branch(filled_branch: BranchOnDisk, tmp_path: Path) -> BranchOnDisk:
    """The branch Bremen with the devices of its supervisor and two technicians, for one test."""
    return filled_branch.copy(tmp_path / "branch")
