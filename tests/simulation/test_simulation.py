"""Two hundred seeds in every run of the suite, more by `python -m tests.simulation`. Seeds that once failed are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulation.world import Disks, World

CHUNK = 20
KEPT = (
    18,  # a stream that left and came back while it was fetched counted as complete
    24,  # a clock set back changed the order in which entries were sent
    78,  # as 18, for a job's own stream
    125,  # a stream that left the scope while own work on it was unsent
)


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    made = Disks()
    yield made
    made.close()


@pytest.mark.parametrize("start", range(0, 200, CHUNK))
def test_seeds(disks: Disks, start: int) -> None:
    for seed in range(start, start + CHUNK):
        outcome = World(seed, disks).run()
        assert outcome.saved
        assert outcome.requests


@pytest.mark.parametrize("seed", KEPT)
def test_seeds_that_once_failed(disks: Disks, seed: int) -> None:
    World(seed, disks).run()


def test_a_seed_replays_exactly(disks: Disks) -> None:
    first = World(7, disks).run()
    assert World(7, disks).run() == first
    code = "from tests.simulation.world import *; d = Disks(); print(World(7, d).run().trace); d.close()"
    for hashing in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert found.stdout.strip() == first.trace
