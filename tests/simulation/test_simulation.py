"""Two hundred seeds in every run of the suite, more by `python -m tests.simulation`. Seeds that once failed are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulation.checks import Broken
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.world import Disks, World

CHUNK = 20
KEPT = (
    151,  # what only a rolled-back device and a restored server had was lost: excluded, nobody can have it
    275,  # a job that left while own work on it was unsent, and came back
    321,  # an answer to a request from before a power cut met the machine of after
)
KILLED_BY = {
    "silence is consent": 1,
    "delete on 401": 0,
    "receipt before commit": 1,
    "cursor before rows": 5,
    "complete too early": 57,
    "cursor at the head": 0,
    "everything is new": 94,
    "old line after a rollback and no fork": 132,
    "journal never read": 7,
    "kept entries not offered again": 2,
    "no poll": 1,
    "groups torn apart": 0,
    "received twice": 1,
    "acknowledged beyond": 3,
}
"""The first seed that finds each mutant; when the plans of faults change, `World` over some hundred seeds finds another."""


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


@pytest.mark.parametrize(("mutant", "seed"), KILLED_BY.items())
def test_a_mistake_in_the_protocol_is_noticed(disks: Disks, mutant: str, seed: int) -> None:
    with mutated(mutant), pytest.raises(Broken):
        World(seed, disks).run()
    World(seed, disks).run()


def test_every_mutant_has_a_seed_that_finds_it() -> None:
    assert KILLED_BY.keys() == MUTANTS.keys()
