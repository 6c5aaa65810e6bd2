"""How much of somebody else's file we are willing to carry, and how much time and memory reading it may take.

Measured: the largest real form at hand has 213 KB, 1,000 rows and needs half a second. The figures leave an order of
magnitude above that and stop a workbook with a million rows, which took a parser 82 s and 419 MiB.
"""

from __future__ import annotations

import sys

FILE_BYTES = 10 * 1024 * 1024
"""Bytes of a spreadsheet as it lies on the disk."""
INFLATED_BYTES = 96 * 1024 * 1024
"""Bytes of all its parts when unpacked."""
PARTS = 2_000
"""Files inside the zip container of an .xlsx."""
SHEETS = 100
ROWS = 20_000
"""Rows of one sheet that are looked at."""
LISTED_ROWS = 100_000
"""Rows of one sheet as listed in its file, filled or only formatted: a parser goes through all of them before we see the first."""
COLUMNS = 250
CELLS = 300_000
"""Filled cells of the sheets that are read."""
CELL_CHARACTERS = 8_000
TEXT_CHARACTERS = 8_000_000
"""Characters of all cells together."""
STEPS = 5_000
REPEATS = 50
"""Instances of a repeat whose form names no fixed number."""

WALL_SECONDS = 60.0
CPU_SECONDS = 30
MEMORY_BYTES = 1024 * 1024 * 1024
"""Address space of the reading process."""


def limit_this_process() -> None:
    """Bind the running process to CPU_SECONDS and MEMORY_BYTES. Windows has no such limits: there the wall clock alone holds."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":  # macOS refuses a limit on the address space
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
