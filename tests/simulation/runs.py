"""Many runs one after the other, or in several processes, and what they did together."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterable
from functools import partial

from tests.simulation.spreading import spread, stopped
from tests.simulation.world import Disks, World

CHUNK = 50
"""Seeds given to a process at a time."""


class Tally:
    """What a number of runs did."""

    def __init__(self) -> None:
        self.done = self.saved = self.requests = 0
        self.cpu = 0.0
        self.faults: Counter[str] = Counter()
        self.failed: dict[int, str] = {}
        self.interrupted = False

    def add(self, other: Tally) -> None:
        self.done, self.saved, self.requests = self.done + other.done, self.saved + other.saved, self.requests + other.requests
        self.cpu += other.cpu
        self.faults += other.faults
        self.failed |= other.failed


def run(seeds: Iterable[int], budget: float = 0, trace: bool = False) -> Tally:
    """Run one seed after the other, for at most about so many seconds."""
    tally, disks, began = Tally(), Disks(), time.monotonic()
    cpu = time.process_time()
    try:
        for seed in seeds:
            if stopped():
                break
            world = World(seed, disks)
            told = ""
            try:
                outcome = world.run()
                told = f"trace {outcome.trace}"
                tally.saved, tally.requests = tally.saved + outcome.saved, tally.requests + outcome.requests
                tally.faults.update(outcome.faults)
            except Exception as error:
                tally.failed[seed] = f"{type(error).__name__}: {error}"
                print(f"seed {seed}: {tally.failed[seed]}", flush=True)
                if trace:
                    traceback.print_exc()
                disks.close()
                disks = Disks()  # whatever it left half-read
            if trace:
                print(world.plan)
                print("\n".join((*world.trace, told)))
            tally.done += 1
            if budget and time.monotonic() - began > budget:
                break
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        disks.close()
    tally.cpu = time.process_time() - cpu
    return tally


def run_in(jobs: int, seeds: range, budget: float = 0) -> Tally:
    """The seeds dealt out to so many processes. What was done when a person interrupts it is told all the same."""
    tally = Tally()
    parts = [seeds[first : first + CHUNK] for first in range(0, len(seeds), CHUNK)]
    try:
        for part in spread(jobs, partial(_part, until=time.time() + budget if budget else 0), parts):
            tally.add(part)
    except KeyboardInterrupt:
        tally.interrupted = True
    return tally


def _part(seeds: range, until: float) -> Tally:
    left = until - time.time() if until else 0
    return run(seeds, left) if left >= 0 else Tally()
