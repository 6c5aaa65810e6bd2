"""A quick sample of the deliberate mistakes; all of them, each against thousands of seeds: `python -m tests.simulation.mutants`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.mutants import MUTANTS, Hunt
from tests.simulation.world import Disks

FIRST = {
    "delete on 401": 0,
    "positions before entries": 0,
    "acknowledged beyond the receipt": 1,
    "any receipt is ours": 25,
    "a fork is not mended": 3,
    "groups torn apart": 0,
    "received twice": 0,
    "cursor before rows": 2,
    "cursor at the head": 0,
    "complete too early": 0,
    "a stream that came back is not fetched": 0,
    "everything stands on a device": 1,
    "own rows only in scope": 0,
    "what left is served on": 0,
    "nobody is told what left": 2,
    "memberships never end": 0,
    "own pending work is not shown": 2,
    "the journal is not written": 1,
}
"""The first seed that notices, when it was last looked for; a change of the program moves it a little."""
WINDOW = 25


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    made = Disks()
    yield made
    made.close()


@pytest.mark.parametrize(("name", "seed"), FIRST.items())
def test_a_mistake_in_the_protocol_is_noticed(disks: Disks, name: str, seed: int) -> None:
    assert Hunt(disks).kill(name, range(seed, seed + WINDOW)) is not None


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mistake_can_be_made(name: str) -> None:
    assert MUTANTS[name]()
