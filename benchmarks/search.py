"""Search: the first results among 100,000 jobs, as a person types."""

from __future__ import annotations

import re
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

from benchmarks.many_jobs import make_home
from benchmarks.table import Figure
from fieldapp.store.queries.search import SearchIndex

RECORDS = 100_000
_MADE = 2_000
_ROUNDS = 5
TYPED = (
    "c", "ch", "chi", "chil", "oil pressure", "压力", "压", "B-0", "B-0123", "weser chiller e", "brau pump", "zzz", "zq", "ch-2 7",
)  # fmt: skip
"""Common and rare, one letter and many, words that stand together and words that never do."""


def run(folder: Path) -> list[Figure]:
    """One key's search against 30 ms: the median of all, and the slowest text typed (the median of its rounds)."""
    home = make_home(folder / "search", _MADE)
    _multiply(home.database_file, RECORDS // _MADE)
    index = SearchIndex(home.database_file, home.files)
    began = time.perf_counter()
    for _ in index.refresh():
        pass
    made = (time.perf_counter() - began) * 1000
    took = {typed: statistics.median(_times(index, typed)) for typed in TYPED}
    began = time.perf_counter()
    for _ in index.refresh():
        pass
    again = (time.perf_counter() - began) * 1000
    slowest = max(took, key=lambda typed: took[typed])
    index.close()
    jobs = index.jobs
    return [
        Figure(f"search of {jobs:,} jobs, a key", statistics.median(took.values()), 30.0, 1.0, note="30 ms"),
        Figure(f"the slowest of {len(TYPED)}: `{slowest}`", took[slowest], 30.0, 1.0, note="30 ms"),
        Figure("the index made, for each 1,000 jobs", made / jobs * 1000, again, note="against: nothing new"),
    ]


def _times(index: SearchIndex, typed: str) -> list[float]:
    took = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        index.first(typed, "en")
        took.append((time.perf_counter() - began) * 1000)
    return took


def _multiply(database: Path, times: int) -> None:
    """The same jobs, customers and assets again and again, under other names."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for table in ("jobs", "documents"):
            made = "stream GLOB 'job:b[0-9]*' OR stream GLOB 'customer:*-[0-9]*' OR stream GLOB 'asset:*-[0-9]*'"
            rows = connection.execute(f"SELECT * FROM {table} WHERE {made}").fetchall()
            marks = ", ".join("?" * len(rows[0]))
            for copy in range(1, times):
                again = ([_renamed(value, copy) for value in row] for row in rows)
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", again)
        connection.execute("COMMIT")


_NAME = re.compile(rb"(?<![^\":])((?:job:)?b|[a-z]{2,}[a-z0-9-]*-)(\d+)(?![^\"])")
_NUMBER = re.compile(rb"(?<![^\"])B-(\d+)(?![^\"])")


def _renamed(value: object, copy: int) -> object:
    """Names of jobs, customers, sites and assets, and numbers of jobs, as those of another copy."""
    if not isinstance(value, str | bytes):
        return value
    raw = value.encode() if isinstance(value, str) else value
    raw = _NUMBER.sub(lambda found: b"B-%05d" % (int(found[1]) + copy * _MADE), raw)
    raw = _NAME.sub(lambda found: b"%s%sx%d" % (found[1], found[2], copy), raw)
    return raw.decode() if isinstance(value, str) else raw
