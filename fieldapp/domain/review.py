"""What a reviewer should look at first: the findings of a finished job, and how much they weigh together.

The weights only order the queue; they are shown to nobody and stored nowhere. A failed step weighs most, because the customer's
equipment may not be right; then records that do not stand and bad ratings; what was corrected or is near a limit weighs least.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from fieldapp.domain.job import JobState
from fieldapp.domain.promise import clocks
from fieldapp.domain.words import Words

FindingCode = Literal[
    "failed", "unresolved", "cannot_complete", "broken_promise", "low_rating", "wants_contact", "not_done",
    "borderline", "amended", "doubtful_clock", "unsigned",
]  # fmt: skip
WEIGHTS: dict[FindingCode, int] = {
    "failed": 40,
    "unresolved": 35,
    "cannot_complete": 30,
    "low_rating": 30,
    "broken_promise": 25,
    "not_done": 12,
    "wants_contact": 10,
    "borderline": 6,
    "amended": 4,
    "doubtful_clock": 3,
    "unsigned": 2,
}
LOW_CSAT, LOW_NPS, LOW_CES = 3, 6, 3
"""Scores up to these are low: the middle of CSAT, the detractors of NPS, the disagreeing half of CES."""
_FINISHED = ("job.completed", "job.cannot_complete")


class Finding(msgspec.Struct, frozen=True):
    """One reason to look. `count` of things; `about`: a reason as recorded; `title`: of the promise; `score` of `scale`."""

    code: FindingCode
    count: int = 1
    about: str = ""
    title: Words = {}
    score: int = 0
    scale: str = ""


def findings(job: JobState, now_ms: int) -> tuple[Finding, ...]:
    """The findings of a job, the weightiest kind first."""
    results = [state.result for state in job.steps.values() if state.result is not None]
    verdicts = [result.verdict for result in results]
    found = [
        *_counted("failed", verdicts.count("fail")),
        *_counted("unresolved", sum(1 for item in job.unresolved if not item.decided)),
        *_given_up(job),
        *_ratings(job),
        *(
            Finding("broken_promise", title=clock.title or {"en": clock.name})
            for clock in clocks(job, now_ms)
            if clock.state == "broken"
        ),
        *_counted("not_done", verdicts.count("not_done")),
        *_counted("wants_contact", int(any(given.contact_me for given in job.feedback))),
        *_counted("borderline", verdicts.count("borderline")),
        *_counted("amended", sum(1 for state in job.steps.values() if _amended(state.earlier))),
        *_counted("doubtful_clock", int(any(change.by.doubtful for change in job.history))),
        *_counted("unsigned", int(job.status == "completed" and not job.signatures)),
    ]
    return tuple(found)


def weight(found: Iterable[Finding]) -> int:
    """How far up in the queue: the sum of the weights, a kind counted five times at most."""
    return sum(WEIGHTS[finding.code] * min(finding.count, 5) for finding in found)


def finished_at(job: JobState) -> int | None:
    """When the technician last said that it is done, or cannot be done; milliseconds UTC."""
    return next((change.by.at for change in reversed(job.history) if change.type in _FINISHED), None)


def _counted(code: FindingCode, count: int) -> list[Finding]:
    return [Finding(code, count)] if count else []


def _given_up(job: JobState) -> list[Finding]:
    if job.status != "cannot_complete":
        return []
    reason = next((change.reason for change in reversed(job.history) if change.type == "job.cannot_complete"), "")
    return [Finding("cannot_complete", about=reason)]


def _ratings(job: JobState) -> list[Finding]:
    """The lowest answer of each scale, where it is low."""
    found = []
    for scale, low in (("csat", LOW_CSAT), ("nps", LOW_NPS), ("ces", LOW_CES)):
        scores = [score for given in job.feedback if (score := getattr(given, scale)) is not None]
        if scores and min(scores) <= low:
            found.append(Finding("low_rating", score=min(scores), scale=scale))
    return found


def _amended(earlier: tuple[object, ...]) -> bool:
    return any(not getattr(result, "calculated", False) for result in earlier)
