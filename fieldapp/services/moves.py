"""The moves of a job's life by the verbs that people use."""

from __future__ import annotations

from fieldapp.domain.entry import ALSO_LIMIT
from fieldapp.domain.entry_types import lifecycle
from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import allowed, moves_from
from fieldapp.domain.problem import Problem

FIELD_VERBS: dict[str, type[lifecycle.Plain] | type[lifecycle.Reasoned]] = {
    "accept": lifecycle.JobAccepted,
    "decline": lifecycle.JobDeclined,
    "travel": lifecycle.TravelStarted,
    "arrive": lifecycle.Arrived,
    "start": lifecycle.WorkStarted,
    "pause": lifecycle.WorkPaused,
    "resume": lifecycle.WorkResumed,
    "complete": lifecycle.JobCompleted,
    "cannot-complete": lifecycle.CannotComplete,
    "leave": lifecycle.SiteLeft,
}
"""What a technician does with a job."""
OFFICE_VERBS = {
    "job.assigned": "assign", "job.rescheduled": "reschedule", "job.cancelled": "cancel", "job.approved": "approve",
    "job.sent_back": "send back",
}  # fmt: skip
_VERBS = {body.NAME: verb for verb, body in FIELD_VERBS.items()} | OFFICE_VERBS

TOLD = frozenset({"job.created", "job.completed", "job.cannot_complete", "job.approved", "job.cancelled"})
"""Moves that the timelines of the customer and of the assets tell."""


def check_move(job: JobState, move: str, role: str) -> None:
    """Refuse a move that the table does not allow now, saying what it allows.

    Args:
        move: entry type. role: of the person.

    Raises:
        Problem: `not-now`, `not-your-role`.
    """
    if allowed(job.status, move, role) is not None:
        return
    verb = _VERBS[move]
    if move in moves_from(job.status):
        raise Problem("not-your-role", f"A {role} cannot {verb} a job.", "Nothing was recorded.")
    now = [_VERBS[other] for other in moves_from(job.status, role) if other in _VERBS]
    raise Problem(
        "not-now",
        f"Job {job.number} is {job.status.replace('_', ' ')}: you cannot {verb} it now.",
        f"What you can do now: {', '.join(now)}." if now else "There is nothing that you can do with it now.",
    )


def mentions(job: JobState) -> tuple[str, ...]:
    """The streams whose timelines tell of this job: its customer's and its assets'."""
    streams = (*((f"customer:{job.customer}",) if job.customer else ()), *(f"asset:{asset}" for asset in job.assets))
    return tuple(dict.fromkeys(streams))[:ALSO_LIMIT]
