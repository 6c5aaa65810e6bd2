"""One recorded step, durable: a unit of work of the replica against one bare SQLite commit of the same bytes and one fsynced line.

Both give the same two guarantees. They take turns in one process on one disk, so that a slow moment of the disk hits both.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from benchmarks.company import a_job, a_step, device
from benchmarks.table import Figure, median_ms


def run(folder: Path, rounds: int = 300) -> list[Figure]:
    replica = device(folder / "home")
    replica.append(a_job("b1", 1))
    written = (folder / "home" / "journal" / "unsent.jsonl").open("rb")
    written.read()
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE entries (id TEXT PRIMARY KEY, raw BLOB, body BLOB)")
    line = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ours, reference = [], []
    for number in range(rounds):
        draft = a_step("b1", 1, number % 30)
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
    return [Figure("one recorded step, durable", median_ms(ours[warm:]), median_ms(reference[warm:]), 2.0)]
