"""Run seeds of the simulation: `python -m tests.simulation --seeds 1000 --start 0`, or one with its trace: `--seed 7 --trace`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.world import Disks, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--trace", action="store_true", help="print what happened, step by step")
    parser.add_argument("--budget", type=float, default=0, help="stop after so many seconds")
    chosen = parser.parse_args()
    seeds = [chosen.seed] if chosen.seed is not None else range(chosen.start, chosen.start + chosen.seeds)
    disks, began, done, failed = Disks(), time.monotonic(), 0, []
    saved = requests = cuts = 0
    try:
        for seed in seeds:
            world = World(seed, disks)
            try:
                outcome = world.run()
                saved, requests, cuts = saved + outcome.saved, requests + outcome.requests, cuts + outcome.cuts
            except Exception as error:
                failed.append(seed)
                print(f"seed {seed}: {type(error).__name__}: {error}")
                if chosen.trace and not str(error).startswith("invariant"):
                    traceback.print_exc()
            if chosen.trace:
                print(world.plan)
                print("\n".join(world.trace))
            done += 1
            if chosen.budget and time.monotonic() - began > chosen.budget:
                break
    finally:
        disks.close()
    took = time.monotonic() - began
    print(
        f"{done} seeds in {took:.1f} s ({done / took:.1f} a second): {saved} entries saved, {requests} requests, "
        f"{cuts} power cuts; failed: {failed or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
