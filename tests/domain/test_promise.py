"""Promise clocks over real logs: when each starts and stops, what stops them meanwhile, and the laws that hold for all."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fieldapp.domain.documents import Calendar, Indicator, Promise, PromiseAction
from fieldapp.domain.entry_types.base import type_of
from fieldapp.domain.entry_types.customer import ActionOpened, FeedbackGiven
from fieldapp.domain.entry_types.lifecycle import (
    Arrived,
    CannotComplete,
    JobAccepted,
    JobApproved,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobCreated,
    JobDeclined,
    JobRescheduled,
    JobSentBack,
    SiteLeft,
    TravelStarted,
    WorkPaused,
    WorkResumed,
    WorkStarted,
)
from fieldapp.domain.entry_types.steps import FollowUpOpened
from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import moves_from
from fieldapp.domain.promise import Clock, clocks, owed_action_id, owed_actions
from tests.domain.lives import MINUTE_MS, START_MS, Life

HOURS = Calendar("hours", "UTC", (*[((480, 1020),)] * 5, (), ()))  # 08:00-17:00 on weekdays; START_MS is Monday 08:00
RISK = PromiseAction({"en": "Call the customer"}, "dispatcher", 15)
BROKEN = PromiseAction({"en": "Apologise and find the cause"}, "supervisor", 120)


def promise(indicator: Indicator, target: int, name: str = "", **more: object) -> Promise:
    settings_: dict[str, object] = {"at_risk_minutes": 30, "when_at_risk": RISK, "when_broken": BROKEN, **more}
    return Promise(name or indicator, {"en": indicator}, indicator, target, **settings_)  # type: ignore[arg-type]


def life(*promises: Promise, window: tuple[int, int] | None = None, start_ms: int = START_MS) -> Life:
    made = Life(start_ms=start_ms)
    opens, closes = (START_MS + window[0] * MINUTE_MS, START_MS + window[1] * MINUTE_MS) if window else (None, None)
    made.office(
        JobCreated(
            "J-1", "c-1", "s-1", {"en": "Chiller"}, promises=promises, calendars=(HOURS,), window_start=opens, window_end=closes
        )
    )
    made.office(JobAssigned("p-lin"))
    return made


def clock(made: Life, minute: int = 0, place: int = 0) -> Clock:
    """The clock `minute` minutes after the start."""
    return clocks(made.job, START_MS + minute * MINUTE_MS)[place]


def minutes(instant: int | None) -> float | None:
    return None if instant is None else (instant - START_MS) / MINUTE_MS


def test_response_runs_from_creation_to_acceptance() -> None:
    made = life(promise("response", 60))
    waiting = clock(made, 10)
    assert (waiting.state, minutes(waiting.due_ms), minutes(waiting.at_risk_from_ms)) == ("running", 60, 30)
    assert (waiting.elapsed_ms, waiting.remaining_ms) == (10 * MINUTE_MS, 50 * MINUTE_MS)
    assert clock(made, 29).state == "running"
    assert clock(made, 30).state == "at_risk"
    assert clock(made, 60).state == "at_risk"
    assert clocks(made.job, START_MS + 60 * MINUTE_MS + 1)[0].state == "broken"
    accepted = made.add(JobAccepted(), after=45)
    for minute in (0, 45, 100_000):
        kept = clock(made, minute)
        assert (kept.state, kept.elapsed_ms, kept.decided_by) == ("kept", 45 * MINUTE_MS, accepted.id)


def test_an_event_at_the_due_instant_keeps_the_promise_and_a_late_one_breaks_it() -> None:
    made = life(promise("response", 60))
    made.add(JobAccepted(), after=60)
    assert clock(made).state == "kept"
    late = life(promise("response", 60))
    late.at += 1
    late.add(JobAccepted(), after=60)
    assert clock(late).state == "broken"
    assert clock(late).remaining_ms == -1


def test_a_declined_job_keeps_its_customer_waiting() -> None:
    made = life(promise("response", 60))
    made.add(JobDeclined("ill"), after=10)
    assert clock(made, 20).state == "running"
    made.office(JobAssigned("p-wei"), after=5)
    made.add(JobAccepted(), after=50, by="p-wei")
    assert clock(made).state == "broken"


def test_the_first_acceptance_counts_even_when_another_does_the_work() -> None:
    made = life(promise("response", 60))
    first = made.add(JobAccepted(), after=10)
    made.office(JobAssigned("p-wei"), after=100)
    made.add(JobAccepted(), after=1, by="p-wei")
    assert (clock(made).state, clock(made).decided_by) == ("kept", first.id)


def test_arrival_is_said_or_shown_by_starting() -> None:
    said = life(promise("arrival", 120))
    said.add(JobAccepted())
    said.add(TravelStarted(), after=30)
    said.add(Arrived(), after=30)
    said.add(WorkStarted(), after=90)
    assert (clock(said).state, clock(said).elapsed_ms) == ("kept", 60 * MINUTE_MS)
    shown = life(promise("arrival", 120))
    shown.add(JobAccepted())
    shown.add(WorkStarted(), after=121)
    assert clock(shown).state == "broken"


def work(made: Life, *, lasting: int = 30) -> None:
    made.add(JobAccepted(), after=10)
    made.add(WorkStarted(), after=20)
    made.add(JobCompleted(), after=lasting)


def test_resolution_counts_the_last_completion() -> None:
    made = life(promise("resolution", 120))
    work(made)
    assert (clock(made, 500).state, clock(made, 500).elapsed_ms) == ("kept", 60 * MINUTE_MS)
    made.office(JobSentBack(("A/1",), "photo missing"), after=10)
    assert clock(made, 80).state == "running"
    assert clock(made, 95).state == "at_risk"
    made.add(WorkResumed(), after=20)
    made.add(JobCompleted(), after=40)
    assert (clock(made).state, clock(made).elapsed_ms) == ("broken", 130 * MINUTE_MS)


def test_approved_after_all_restores_the_completion() -> None:
    made = life(promise("resolution", 120))
    work(made)
    made.office(JobSentBack(("A/1",), "photo missing"), after=10)
    made.office(JobApproved("found it"), after=1000)
    assert clock(made).state == "kept"


def test_a_pause_for_a_named_reason_moves_the_due_instant() -> None:
    made = life(promise("resolution", 120, pause_reasons=("customer",)))
    made.add(JobAccepted())
    made.add(WorkStarted(), after=10)
    made.add(WorkPaused("customer"), after=10)
    paused = clock(made, 60)
    assert (paused.state, paused.paused, minutes(paused.due_ms), paused.elapsed_ms) == ("paused", True, 160, 20 * MINUTE_MS)
    assert clock(made, 100_000).state == "paused"
    made.office(JobRescheduled(START_MS, START_MS), after=5)  # says nothing about the pause
    assert clock(made, 100_000).state == "paused"
    made.add(WorkResumed(), after=35)
    running = clock(made, 70)
    assert (running.state, minutes(running.due_ms), minutes(running.at_risk_from_ms)) == ("running", 160, 130)


def test_a_pause_for_another_reason_does_not_stop_the_clock() -> None:
    made = life(promise("resolution", 120, pause_reasons=("customer",)))
    made.add(JobAccepted())
    made.add(WorkStarted(), after=10)
    made.add(WorkPaused("lunch"), after=10)
    assert (clock(made, 60).state, clock(made, 60).paused, minutes(clock(made, 60).due_ms)) == ("running", False, 120)


def test_a_promise_already_broken_is_not_mended_by_a_pause() -> None:
    made = life(promise("resolution", 60, pause_reasons=("customer",)))
    made.add(JobAccepted())
    made.add(WorkStarted(), after=100)
    made.add(WorkPaused("customer"), after=10)
    assert clock(made, 115).state == "broken"
    assert minutes(clock(made, 115).due_ms) == 60


def test_business_hours_carry_the_due_instant_over_the_night_and_the_weekend() -> None:
    made = life(promise("resolution", 10 * 60, calendar="hours"))
    assert minutes(clock(made).due_ms) == 25 * 60  # nine hours on Monday, one on Tuesday
    paused = life(promise("resolution", 10 * 60, calendar="hours", pause_reasons=("parts",)))
    paused.add(JobAccepted())
    paused.add(WorkStarted(), after=60)
    paused.add(WorkPaused("parts"), after=60)
    paused.add(WorkResumed(), after=24 * 60)  # a day later: nine business hours of pause
    assert minutes(clock(paused, 26 * 60).due_ms) == 25 * 60 + 24 * 60
    assert clock(paused, 26 * 60).elapsed_ms == 2 * 60 * MINUTE_MS


def test_a_calendar_without_hours_is_never_due() -> None:
    never = Calendar("never", "UTC", ((),) * 7)
    made = Life()
    made.office(JobCreated("J-1", "c", "s", {}, promises=(promise("response", 5, calendar="never"),), calendars=(never,)))
    waiting = clock(made, 1_000_000)
    assert (waiting.state, waiting.due_ms, waiting.at_risk_from_ms, waiting.elapsed_ms) == ("running", None, None, 0)


def test_an_unknown_calendar_is_the_wall_clock_and_doubtful() -> None:
    made = life(promise("response", 60, calendar="lost"))
    assert (minutes(clock(made).due_ms), clock(made).doubtful) == (60, True)
    assert not clock(life(promise("response", 60, calendar="hours"))).doubtful


def test_device_time_is_corrected_and_doubted_when_far_off() -> None:
    near, far = life(promise("response", 60)), life(promise("response", 60))
    near.add(JobAccepted(), after=60, skew=-120_000)
    far.add(JobAccepted(), after=60, skew=86_400_000)
    assert (clock(near).state, clock(near).doubtful) == ("kept", False)
    assert (clock(far).state, clock(far).doubtful) == ("kept", True)


def test_window_is_kept_within_its_grace() -> None:
    for arrives, state in ((44, "broken"), (45, "kept"), (60, "kept"), (135, "kept"), (136, "broken")):
        made = life(promise("on_time_window", 15), window=(60, 120))
        made.add(JobAccepted())
        arrived = made.add(Arrived(), after=arrives)
        assert (clock(made, 999).state, clock(made, 999).decided_by) == (state, arrived.id), arrives


def test_window_before_in_and_after() -> None:
    made = life(promise("on_time_window", 15), window=(60, 120))
    states = [clock(made, minute).state for minute in (0, 44, 45, 104, 105, 135, 136)]
    assert states == ["not_started", "not_started", "running", "running", "at_risk", "at_risk", "broken"]
    assert minutes(clock(made).due_ms) == 135
    assert clock(life(promise("on_time_window", 15))).state == "not_applicable"


def test_too_early_is_acted_on_from_the_arrival() -> None:
    made = life(promise("on_time_window", 0), window=(60, 120))
    made.add(JobAccepted())
    made.add(Arrived(), after=30)
    early = clock(made)
    assert (early.action, minutes(early.action_due_ms)) == (BROKEN, 30 + 120)


def test_a_new_window_asks_for_a_new_arrival() -> None:
    made = life(promise("on_time_window", 0), window=(0, 30))
    made.add(JobAccepted())
    made.add(WorkStarted(), after=40)
    assert clock(made, 50).state == "broken"
    made.add(WorkPaused("parts"), after=10)
    made.office(JobRescheduled(START_MS + 1440 * MINUTE_MS, START_MS + 1500 * MINUTE_MS))
    assert clock(made, 60).state == "not_started"
    made.add(WorkResumed(), after=1400)
    assert clock(made).state == "kept"


def test_duration_counts_work_alone() -> None:
    made = life(promise("duration", 60))
    assert clock(made, 500).state == "not_started"
    made.add(JobAccepted())
    made.add(WorkStarted(), after=100)
    assert (clock(made, 120).state, minutes(clock(made, 120).due_ms)) == ("running", 160)
    assert clock(made, 130).state == "at_risk"
    made.add(WorkPaused("lunch"), after=40)
    paused = clock(made, 500)
    assert (paused.state, paused.elapsed_ms, minutes(paused.due_ms)) == ("paused", 40 * MINUTE_MS, 520)
    made.add(WorkResumed(), after=60)
    made.add(JobCompleted(), after=20)
    assert (clock(made).state, clock(made).elapsed_ms) == ("kept", 60 * MINUTE_MS)
    made.office(JobSentBack(("A/1",), "again"), after=60)
    made.add(WorkResumed())
    made.add(JobCompleted(), after=1)
    assert (clock(made).state, clock(made).remaining_ms) == ("broken", -MINUTE_MS)


def test_duration_is_broken_while_work_still_goes_on() -> None:
    made = life(promise("duration", 60))
    made.add(JobAccepted())
    made.add(WorkStarted())
    assert (clock(made, 61).state, clock(made, 61).decided_by) == ("broken", "")


def test_rating_is_the_lowest_score() -> None:
    made = life(promise("rating", 4))
    assert clock(made).state == "not_started"
    work(made)
    assert clock(made).state == "running"
    made.add(FeedbackGiven(nps=10))
    assert clock(made).state == "running"
    made.add(FeedbackGiven(csat=4))
    assert clock(made).state == "kept"
    low = made.add(FeedbackGiven(csat=3), after=5)
    made.add(FeedbackGiven(csat=5), after=5)
    rated = clock(made)
    assert (rated.state, rated.decided_by, rated.action, rated.due_ms) == ("broken", low.id, BROKEN, None)
    assert rated.action_due_ms == made.at - 5 * MINUTE_MS + 120 * MINUTE_MS


def test_a_job_closed_without_a_score_has_no_rating() -> None:
    made = life(promise("rating", 4))
    work(made)
    made.office(JobApproved())
    assert clock(made).state == "not_applicable"
    made.add(FeedbackGiven(csat=5))  # arrives late: it counts all the same
    assert clock(made).state == "kept"


def test_first_time_fix() -> None:
    made = life(promise("first_time_fix", 0))
    assert clock(made).state == "not_started"
    made.add(JobAccepted())
    made.add(TravelStarted())
    made.add(Arrived())
    assert clock(made).state == "running"
    made.add(WorkStarted())
    made.add(WorkPaused("parts"))
    made.add(WorkResumed())
    done = made.add(JobCompleted())
    made.add(SiteLeft())
    assert (clock(made).state, clock(made).decided_by) == ("kept", done.id)
    back = made.office(JobSentBack(("A/1",), "blurred"))
    assert (clock(made).state, clock(made).decided_by) == ("broken", back.id)


def second_arrival(made: Life) -> None:
    made.add(WorkPaused("parts"))
    made.add(Arrived())


def left_and_resumed(made: Life) -> None:
    made.add(WorkPaused("parts"))
    made.add(SiteLeft())
    made.add(WorkResumed())


def other_hands(made: Life) -> None:
    made.office(JobAssigned("p-wei"))
    made.add(JobAccepted(), by="p-wei")
    made.add(WorkStarted(), by="p-wei")


@pytest.mark.parametrize(
    "spoil",
    [
        second_arrival,
        left_and_resumed,
        other_hands,
        lambda made: made.add(CannotComplete("parts")),
        lambda made: made.add(FollowUpOpened("follow_up_job", "A/1")),
    ],
)
def test_what_spoils_a_first_time_fix(spoil) -> None:  # type: ignore[no-untyped-def]
    made = life(promise("first_time_fix", 0))
    made.add(JobAccepted())
    made.add(Arrived())
    made.add(WorkStarted())
    spoil(made)
    made.add(WorkStarted())
    made.add(JobCompleted())
    assert clock(made).state == "broken"


def test_a_corrective_step_does_not_spoil_it() -> None:
    made = life(promise("first_time_fix", 0))
    made.add(JobAccepted())
    made.add(WorkStarted())
    made.add(FollowUpOpened("corrective_step", "A/1"))
    made.add(JobCompleted())
    assert clock(made).state == "kept"


ALL = tuple(
    promise(indicator, target)
    for indicator, target in (
        ("response", 60), ("arrival", 60), ("resolution", 60), ("on_time_window", 0),
        ("duration", 60), ("rating", 4), ("first_time_fix", 0),
    )
)  # fmt: skip


def test_cancelled_in_time_nothing_applies() -> None:
    made = life(*ALL, window=(0, 60))
    ended = made.office(JobCancelled("sold"), after=30)
    for found in clocks(made.job, START_MS + 10**9):
        assert (found.state, found.decided_by, found.action) == ("not_applicable", ended.id, None), found.name


def test_cancelled_at_the_due_instant_is_in_time() -> None:
    made = life(promise("response", 60))
    made.office(JobCancelled("sold"), after=60)
    assert clock(made).state == "not_applicable"


def test_cancelled_too_late_what_was_due_is_broken() -> None:
    made = life(*ALL, window=(0, 60))
    made.office(JobCancelled("sold"), after=61)
    found = {found.name: found.state for found in clocks(made.job, 0)}
    broken = {name for name, state in found.items() if state == "broken"}
    assert broken == {"response", "arrival", "resolution", "on_time_window"}
    assert {state for name, state in found.items() if name not in broken} == {"not_applicable"}


def test_before_anything_is_known_nothing_has_started() -> None:
    assert clocks(JobState(promises=ALL), 5)[0].state == "not_started"
    assert clocks(JobState(), 5) == ()


def test_actions_are_owed_once() -> None:
    made = life(promise("response", 60), promise("resolution", 600))
    assert owed_actions(made.job, START_MS) == ()
    (risk,) = owed_actions(made.job, START_MS + 40 * MINUTE_MS)
    assert (risk.promise, risk.state, risk.title, risk.owner) == ("response", "at_risk", RISK.title, "dispatcher")
    assert minutes(risk.due_ms) == 30 + 15
    assert owed_actions(made.job, START_MS + 41 * MINUTE_MS) == (risk,)
    made.add(ActionOpened(risk.id, "Call", "p-mei", "response", risk.due_ms), role="rule")
    assert owed_actions(made.job, START_MS + 41 * MINUTE_MS) == ()
    (broken,) = owed_actions(made.job, START_MS + 61 * MINUTE_MS)
    assert (broken.state, broken.title, minutes(broken.due_ms)) == ("broken", BROKEN.title, 60 + 120)
    assert broken.id != risk.id
    made.add(JobAccepted(), after=90)
    assert owed_actions(made.job, START_MS + 10**6 * 6) == (broken,)


def test_an_owed_actions_id_says_where_it_comes_from_and_nothing_else() -> None:
    ids = {owed_action_id(job, name, state) for job in ("j-1", "j-2") for name in "ab" for state in ("at_risk", "broken")}
    assert len(ids) == 8
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(one) for one in ids)
    assert owed_action_id("j-1", "a", "broken") == "1d10e93b-c45d-8907-befc-b3a307b952d0"  # as `sha256sum` has it


# Laws

REASONS = ("customer", "parts", "lunch")
promises = st.builds(
    promise,
    indicator=st.sampled_from(["response", "arrival", "resolution", "on_time_window", "duration", "rating", "first_time_fix"]),
    target=st.integers(0, 2000),
    calendar=st.sampled_from([None, "hours"]),
    pause_reasons=st.sets(st.sampled_from(REASONS)).map(lambda found: tuple(sorted(found))),
    at_risk_minutes=st.integers(0, 300),
)


@st.composite
def walked(draw: st.DrawFn) -> Life:
    """Any life the lifecycle table allows, with clocks that stumble a little."""
    opens = draw(st.integers(-500, 3000))
    made = life(*draw(st.lists(promises, min_size=1, max_size=3)), window=(opens, opens + draw(st.integers(0, 500))))
    for _ in range(draw(st.integers(0, 12))):
        moves = moves_from(made.job.status)
        if not moves:
            break
        made.at = max(START_MS, made.at - draw(st.sampled_from([0, 0, 0, 90_000])))
        move(made, draw(st.sampled_from(moves)), draw(st.sampled_from(REASONS)), draw(st.integers(0, 900)))
    return made


def move(made: Life, name: str, reason: str, after: int) -> None:
    kind = type_of(name)
    assert kind is not None
    fields = {
        "job.assigned": {"person": "p-wei"},
        "job.sent_back": {"steps": ("A/1",), "note": "again"},
        "job.rescheduled": {"window_start": made.at, "window_end": made.at + 60 * MINUTE_MS},
    }
    needs_reason = name in ("job.paused", "job.declined", "job.cannot_complete", "job.cancelled")
    made.add(kind(**fields.get(name, {"reason": reason} if needs_reason else {})), after=after)


RANK = {"not_started": 0, "running": 1, "at_risk": 2, "broken": 3}
nows = st.integers(START_MS - 10**7, START_MS + 10**9)


@settings(max_examples=150)
@given(walked(), nows, nows)
def test_time_moves_a_clock_one_way_only(made: Life, first: int, second: int) -> None:
    job = made.job
    for before, after in zip(clocks(job, min(first, second)), clocks(job, max(first, second)), strict=True):
        if before.state in RANK and after.state in RANK:
            assert RANK[before.state] <= RANK[after.state]
        elif (before.state, after.state) == ("paused", "broken"):  # spent before the pause, seen from before the pause
            assert min(first, second) <= max(change.by.at for change in job.history)
        else:
            assert before.state == after.state
        if before.due_ms is not None and after.due_ms is not None:
            assert before.due_ms <= after.due_ms


@settings(max_examples=150)
@given(walked(), nows, nows)
def test_what_is_decided_does_not_look_at_the_time(made: Life, first: int, second: int) -> None:
    job = made.job
    for before, after in zip(clocks(job, first), clocks(job, second), strict=True):
        if before.decided_by:
            assert before == after


@settings(max_examples=150)
@given(walked(), nows, st.integers(1, 5000), st.sampled_from(REASONS))
def test_a_pause_never_makes_it_due_earlier(made: Life, now: int, lasting: int, reason: str) -> None:
    if made.job.status != "in_progress":
        for name in {"assigned": ("job.accepted", "job.started"), "accepted": ("job.started",)}.get(made.job.status, ()):
            move(made, name, "", 1)
    assume(made.job.status == "in_progress")
    without = clocks(made.job, now)
    move(made, "job.paused", reason, 1)
    move(made, "job.resumed", "", lasting)
    for plain, paused in zip(without, clocks(made.job, now), strict=True):
        if plain.indicator != "on_time_window" and plain.due_ms is not None:  # there, resuming counts as coming
            assert paused.due_ms is None or plain.due_ms <= paused.due_ms


@settings(max_examples=150)
@given(walked(), nows)
def test_a_clock_agrees_with_itself(made: Life, now: int) -> None:
    job = made.job
    for found in clocks(job, now):
        assert found.elapsed_ms >= 0
        if found.due_ms is not None and found.at_risk_from_ms is not None:
            assert found.at_risk_from_ms <= found.due_ms
        if found.state == "kept":
            assert found.decided_by
        if found.state in ("kept", "not_applicable", "not_started", "running", "paused"):
            assert found.action is None
        assert (found.action is None) == (found.action_due_ms is None)
        assert found.paused == (found.state == "paused") or found.state == "broken"
    owed = owed_actions(job, now)
    assert len({action.id for action in owed}) == len({(action.promise, action.state) for action in owed})
