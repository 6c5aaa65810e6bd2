"""A sample of seeds in every run of the suite, thousands by `python -m tests.simulation`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.simulation.world import Disks, World

SEEDS = 480
"""Run by the suite: about 60 s beside the other tests, half of that alone. A run of thousands is a command of its own."""
CHUNK = 8


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    made = Disks()
    yield made
    made.close()


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK), ids=lambda start: f"seeds {start} to {start + CHUNK - 1} of {SEEDS}")
def test_seeds(disks: Disks, start: int, record_property: Callable[[str, object], None]) -> None:
    for seed in range(start, start + CHUNK):
        outcome = World(seed, disks).run()
        assert outcome.saved
        assert outcome.requests
    record_property("seeds", CHUNK)


def test_a_seed_replays_exactly(disks: Disks) -> None:
    first = World(7, disks).run()
    assert World(7, disks).run() == first
    code = "from tests.simulation.world import *; d = Disks(); print(World(7, d).run().trace); d.close()"
    for hashing in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert found.stdout.strip() == first.trace
