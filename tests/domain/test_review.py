"""What makes a finished job worth a look, and how jobs rank."""

from __future__ import annotations

import msgspec
import pytest

from fieldapp.domain.documents import Promise
from fieldapp.domain.job import Change, Feedback, JobState, Recorded, Signature, Stamp, StepState, Unresolved, VerdictName
from fieldapp.domain.review import findings, finished_at, weight

AT = 1_800_000_000_000
BY = Stamp("e1", "tech-1", AT)


def result(verdict: VerdictName, *, before: Recorded | None = None) -> StepState:
    return StepState(Recorded(BY, verdict, "1"), (before,) if before else ())


def done(**changes: object) -> JobState:
    """A completed, signed job of which nothing stands out."""
    quiet = JobState(
        id="1", status="completed", created=BY, history=(Change("job.completed", "completed", Stamp("e9", "tech-1", AT + 5)),),
        signatures=(Signature(BY, "Ann", "00", True),), steps={"P/a": result("pass")},
    )  # fmt: skip
    return msgspec.structs.replace(quiet, **changes)


def codes(job: JobState) -> dict[str, int]:
    return {finding.code: finding.count for finding in findings(job, AT + 10)}


def test_nothing_stands_out() -> None:
    assert findings(done(), AT) == ()
    assert weight(()) == 0
    assert finished_at(done()) == AT + 5
    assert finished_at(JobState()) is None


def test_verdicts_are_counted() -> None:
    steps = {
        "P/a": result("fail"),
        "P/b": result("fail"),
        "P/c": result("borderline"),
        "P/d": result("not_done"),
        "P/e": result("pass"),
    }
    assert codes(done(steps=steps)) == {"failed": 2, "borderline": 1, "not_done": 1}


def test_an_amendment_by_a_person_counts_and_a_calculation_done_again_does_not() -> None:
    by_person, by_sum = Recorded(BY, "pass", "2"), Recorded(BY, "pass", "2", calculated=True)
    assert codes(done(steps={"P/a": result("pass", before=by_person)})) == {"amended": 1}
    assert codes(done(steps={"P/a": result("pass", before=by_sum)})) == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (Feedback(BY, csat=3), [("csat", 3)]),
        (Feedback(BY, csat=4, nps=7, ces=4), []),
        (Feedback(BY, nps=6, ces=3), [("nps", 6), ("ces", 3)]),
    ],
)
def test_low_scores(given: Feedback, found: list[tuple[str, int]]) -> None:
    assert [(one.scale, one.score) for one in findings(done(feedback=(given,)), AT)] == found


def test_what_a_person_decided_asks_nothing_any_more() -> None:
    open_one = Unresolved("e2", "step.recorded", "conflict", "two values", "tech-1", AT)
    decided = msgspec.structs.replace(open_one, entry="e3", decided="keep")
    assert codes(done(unresolved=(open_one, decided))) == {"unresolved": 1}


def test_given_up_says_the_reason_and_needs_no_signature() -> None:
    change = Change("job.cannot_complete", "cannot_complete", BY, "waiting_part")
    (found,) = findings(done(status="cannot_complete", history=(change,), signatures=()), AT)
    assert (found.code, found.about) == ("cannot_complete", "waiting_part")


def test_a_broken_promise_is_named() -> None:
    promise = Promise("fix", {"en": "Done in a minute"}, "resolution", 1)
    late = Change("job.completed", "completed", Stamp("e9", "tech-1", AT + 600_000))
    (found,) = findings(done(promises=(promise,), history=(late,)), AT + 700_000)
    assert (found.code, found.title) == ("broken_promise", {"en": "Done in a minute"})


def test_a_failed_step_outweighs_many_small_things() -> None:
    before = Recorded(BY, "pass", "2")
    small = done(steps={f"P/{number}": result("pass", before=before) for number in range(40)})
    failed = done(steps={"P/a": result("fail")})
    assert weight(findings(failed, AT)) > weight(findings(small, AT)) > 0
