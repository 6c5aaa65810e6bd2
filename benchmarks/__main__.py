"""`python -m benchmarks [NAME ...]`: figures as ratios against a bare reference in the same run. See docs/performance.md."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import exchange, many_devices, recorded_step, screens, search, start_up
from benchmarks.table import Figure, table

ALL: dict[str, Callable[[Path], list[Figure]]] = {
    "recorded-step": recorded_step.run,
    "push": exchange.push,
    "first-sync": exchange.first_sync,
    "change": exchange.change,
    "many-devices": many_devices.run,
    "start-up": start_up.run,
    "screens": screens.run,
    "search": search.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(ALL)}")
        return 2
    figures: list[Figure] = []
    for name in names or ALL:
        with tempfile.TemporaryDirectory(prefix="fieldapp-bench-") as folder:
            figures += ALL[name](Path(folder))
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
