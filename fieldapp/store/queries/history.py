"""What was done before at the same equipment."""

from __future__ import annotations

import msgspec

from fieldapp.domain.job import JobState
from fieldapp.store.queries.reader import Reader

_CANDIDATES = 40
"""Jobs of the customer looked at, the latest first."""


def earlier_jobs(reader: Reader, job: JobState, limit: int = 5) -> tuple[JobState, ...]:
    """Jobs of this device that were done before this one on one of its assets, the latest first.

    A job without an asset has no earlier ones.
    """
    if not job.assets:
        return ()
    rows = reader.rows(
        "SELECT view FROM jobs WHERE customer = ? AND number != ? AND steps_done > 0 AND status NOT IN ('cancelled', 'declined')"
        " ORDER BY coalesce(window_start, changed_at) DESC LIMIT ?",
        (job.customer, job.number, _CANDIDATES),
    )
    mine = frozenset(job.assets)
    found = (msgspec.json.decode(row["view"], type=JobState) for row in rows)
    before = [other for other in found if mine.intersection(other.assets) and _began(other) < _began(job)]
    return tuple(before[:limit])


def _began(job: JobState) -> int:
    return job.window_start or (job.created.at if job.created else 0)
