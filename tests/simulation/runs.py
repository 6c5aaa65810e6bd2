"""Many runs one after the other, or in several processes, and what they did together."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.world import Disks, World


class Tally:
    """What a number of runs did."""

    def __init__(self) -> None:
        self.done = self.saved = self.requests = 0
        self.cpu = 0.0
        self.faults: Counter[str] = Counter()
        self.failed: dict[int, str] = {}

    def add(self, other: Tally) -> None:
        self.done, self.saved, self.requests = self.done + other.done, self.saved + other.saved, self.requests + other.requests
        self.cpu += other.cpu
        self.faults += other.faults
        self.failed |= other.failed


def run(seeds: Iterable[int], budget: float = 0, trace: bool = False) -> Tally:
    tally, disks, began = Tally(), Disks(), time.monotonic()
    cpu = time.process_time()
    try:
        for seed in seeds:
            world = World(seed, disks)
            try:
                outcome = world.run()
                tally.saved, tally.requests = tally.saved + outcome.saved, tally.requests + outcome.requests
                tally.faults.update(outcome.faults)
            except Exception as error:
                tally.failed[seed] = f"{type(error).__name__}: {error}"
                print(f"seed {seed}: {tally.failed[seed]}", flush=True)
                if trace:
                    traceback.print_exc()
            if trace:
                print(world.plan)
                print("\n".join(world.trace))
            tally.done += 1
            if budget and time.monotonic() - began > budget:
                break
    finally:
        disks.close()
    tally.cpu = time.process_time() - cpu
    return tally


def run_in(jobs: int, seeds: range, budget: float = 0) -> Tally:
    """The seeds dealt out to so many processes."""
    tally = Tally()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(run, [seeds[n::jobs] for n in range(jobs)], [budget] * jobs):
            tally.add(part)
    return tally
