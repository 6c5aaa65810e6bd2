"""What a command costs before it does anything: whole processes, against a bare interpreter that imports argparse."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.table import Figure


def run(folder: Path, rounds: int = 12) -> list[Figure]:
    home = ["--home", str(folder / "nobody")]
    commands = {
        "fieldapp --help (whole process)": ["-m", "fieldapp", "--help"],
        "fieldapp jobs, reads (whole process)": ["-m", "fieldapp", *home, "jobs"],
        "import of what recording needs": ["-c", "import fieldapp.services.work"],
    }
    bare = ["-c", "import argparse, json, sqlite3"]
    figures = []
    for name, arguments in commands.items():
        ours, reference = [], []
        for _ in range(rounds):
            ours.append(_seconds(arguments))
            reference.append(_seconds(bare))
        figures.append(Figure(name, statistics.median(ours) * 1000, statistics.median(reference) * 1000))
    return figures


def _seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start
