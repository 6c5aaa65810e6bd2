"""Run seeds of the simulation: `python -m tests.simulation --seeds 1000 --start 0`, or one with its trace: `--seed 7 --trace`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.runs import run, run_in
from tests.simulation.spreading import interruptible


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="print what happened, step by step")
    parser.add_argument("--budget", type=float, default=0, help="stop after so many seconds")
    parser.add_argument("--jobs", type=int, default=1, help="run in so many processes")
    chosen = parser.parse_args()
    interruptible()
    began = time.monotonic()
    if chosen.seed is not None:
        tally = run([chosen.seed], trace=chosen.trace)
    elif chosen.jobs > 1:
        tally = run_in(chosen.jobs, range(chosen.start, chosen.start + chosen.seeds), chosen.budget)
    else:
        tally = run(range(chosen.start, chosen.start + chosen.seeds), chosen.budget, chosen.trace)
    took = time.monotonic() - began
    print(f"{'fault':<44}{'times':>9}")
    for name, count in sorted(tally.faults.items()):
        print(f"{name:<44}{count:>9}")
    print(
        f"{tally.done} seeds of 3 devices and 60 actions in {took:.1f} s ({tally.done / took:.1f} a second; "
        f"{tally.done / max(tally.cpu, 0.001):.1f} for each second of one core): {tally.saved} entries saved, "
        f"{tally.requests} requests; failed: {sorted(tally.failed) or 'none'}"
    )
    if tally.interrupted:
        print("interrupted")
        return 130
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
