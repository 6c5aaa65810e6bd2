"""What was done before at the same equipment."""

from __future__ import annotations

import msgspec

from fieldapp.domain.job import JobState
from fieldapp.store.queries.reader import Reader

_CANDIDATES = 40
"""Jobs of the customer looked at, the latest first."""
_SHOWN = 5


def earlier_jobs(reader: Reader, job: JobState) -> tuple[JobState, ...]:
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
    mine, before = frozenset(job.assets), list[JobState]()
    for row in rows:
        if not mine.intersection(_assets.decode(row["view"]).assets):
            continue
        other = _whole.decode(row["view"])
        if _began(other) < _began(job):
            before.append(other)
            if len(before) == _SHOWN:
                break
    return tuple(before)


class _Assets(msgspec.Struct):
    """Only the assets of a view: decoding skips the rest."""

    assets: tuple[str, ...] = ()


_assets = msgspec.json.Decoder(_Assets)
_whole = msgspec.json.Decoder(JobState)


def _began(job: JobState) -> int:
    return job.window_start or (job.created.at if job.created else 0)
