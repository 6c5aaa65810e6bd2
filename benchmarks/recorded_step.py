"""One recorded step, durable: a unit of work of the replica against one bare SQLite commit of the same bytes and one fsynced line.

Both give the same two guarantees. They take turns in one process on one disk, so that a slow moment of the disk hits both. Jobs
have STEPS steps, each recorded once; `again` are steps recorded over and over on one job, whose view holds all earlier results.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from benchmarks.company import a_job, a_step, device
from benchmarks.table import Figure, median_ms

STEPS = 30


def run(folder: Path, rounds: int = 300) -> list[Figure]:
    """Steps of one job after the other, and as many on one job alone."""
    fresh, again = folder / "fresh", folder / "again"
    fresh.mkdir()
    again.mkdir()
    return [
        _figure(fresh, "one recorded step, durable", rounds, STEPS, 2.0),
        _figure(again, f"the same, {rounds} on one job", rounds, rounds),
    ]


def _figure(folder: Path, name: str, rounds: int, of_a_job: int, budget: float | None = None) -> Figure:
    replica = device(folder / "home")
    replica.append(a_job("b1", 0))
    written = (folder / "home" / "journal" / "unsent.jsonl").open("rb")
    written.read()
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE entries (id TEXT PRIMARY KEY, raw BLOB, body BLOB)")
    line = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ours, reference = [], []
    for number in range(rounds):
        job = number // of_a_job
        if number and number % of_a_job == 0:
            replica.append(a_job("b1", job))
            written.read()
        draft = a_step("b1", job, number % STEPS)
        start = time.perf_counter()
        saved = replica.append([draft])
        ours.append(time.perf_counter() - start)
        same_bytes = written.readline()
        start = time.perf_counter()
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO entries VALUES (?, ?, ?)", (saved.entries[0], same_bytes[:-1], b""))
        bare.execute("COMMIT")
        os.write(line, same_bytes)
        os.fsync(line)
        reference.append(time.perf_counter() - start)
    os.close(line)
    written.close()
    bare.close()
    warm = rounds // 10
    return Figure(name, median_ms(ours[warm:]), median_ms(reference[warm:]), budget)
