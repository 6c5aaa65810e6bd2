"""Search: the first results among 100,000 jobs, as a person types."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.many_jobs import make_home
from benchmarks.table import Figure
from fieldapp.store.queries.search import SearchIndex

RECORDS = 100_000
TYPED = ("c", "ch", "chi", "chil", "oil pressure", "压力", "B-0", "weser chiller e", "zzz")


def run(folder: Path) -> list[Figure]:
    """One key's search, the median of many, against 30 ms."""
    home = make_home(folder / "search", 100)
    index = SearchIndex(home.database_file, home.files)
    for _ in index.refresh():
        pass
    texts = dict(index._texts)
    index._texts = {f"{stream}-{copy}": text for copy in range(RECORDS // len(texts) + 1) for stream, text in texts.items()}
    took = []
    for typed in TYPED * 5:
        began = time.perf_counter()
        index.find(typed, "en")
        took.append((time.perf_counter() - began) * 1000)
    return [Figure(f"search of {RECORDS:,} jobs, a key", statistics.median(took), 30.0, 1.0, note="30 ms")]
