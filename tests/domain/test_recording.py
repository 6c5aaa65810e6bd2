"""One action on a step, as the bodies that it records."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types.lifecycle import JobCompleted, JobSentBack, WorkStarted
from fieldapp.domain.entry_types.steps import (
    FileAttached,
    FollowUpOpened,
    ReadingTaken,
    Signed,
    StepAmended,
    StepNotApplicable,
    StepNotDone,
    StepRecorded,
)
from fieldapp.domain.job import StepState
from fieldapp.domain.lifecycle import AMENDING, RECORDING
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import AfterFailure, Choice, Criterion, Group
from fieldapp.domain.progress import blocks_completion, outline
from fieldapp.domain.recording import PHOTO_ADDED, Plan, find_step, plan_attach, plan_left_out, plan_record
from fieldapp.domain.signing import signature_text
from tests.domain.forms import NOW_MS, accepted, follow, pinned, procedure, round_trip, step

OIL = procedure(
    step("oil", "number", unit="bar", required=True, quantity="oil_pressure",
         criterion=Criterion(min="1.0", warn_min="1.4", max="2.6"),
         constraint=". >= 0", constraint_message={"en": "Never below zero."},
         after_failure=AfterFailure("corrective_step", "filter", {"en": "Change the filter."})),
    step("filter", "check", reasons=("part_missing", "not_needed")),
    step("inlet", "number"), step("outlet", "number"),
    step("delta", "calculated", calculation="${inlet} - ${outlet}", unit="K", quantity="delta_t", criterion=Criterion(max="6"),
         after_failure=AfterFailure("follow_up_job")),
    step("half", "calculated", calculation="${delta} div 2"),
    step("read", "note"), step("fixed", read_only=True), step("photo", "file", criterion=Criterion(photos=2)),
    step("leak", "check"), step("where", relevant="${leak} = 'yes'"),
    step("level", "number", group="rep"),
    groups=(Group("rep", repeat=3),),
)  # fmt: skip
ALL = pinned(OIL)


def record(life, key: str, typed: str, **more: str) -> Plan:  # type: ignore[no-untyped-def]
    return plan_record(life.job, ALL, key, typed, now_ms=NOW_MS, **more)  # type: ignore[arg-type]


def test_a_value_becomes_a_result_with_its_verdict_and_the_reading_of_the_asset() -> None:
    life = accepted(OIL, assets=("a-1", "a-2"))
    plan = record(life, "P/oil", "1,50 bar", note=" after warm-up ")
    assert plan.bodies == (
        StepRecorded("P/oil", 3, "1.5", "pass", "bar", "after warm-up"),
        ReadingTaken("a-1", "oil_pressure", "1.5", "bar", "P/oil"),
    )
    assert (plan.verdict.name, plan.value, plan.warnings) == ("pass", "1.5", ())
    assert record(life, "P/oil", "1.5", asset="a-2").bodies[1] == ReadingTaken("a-2", "oil_pressure", "1.5", "bar", "P/oil")
    assert record(accepted(OIL), "P/oil", "1.5").bodies == (StepRecorded("P/oil", 3, "1.5", "pass", "bar"),)


DRAWN = "120x28;3,4 5,6 7,6;40,2"


def test_a_signature_is_a_name_a_drawing_and_the_hash_of_the_text_over_them() -> None:
    form = procedure(step("by", "signature", required=True))
    life, ready = accepted(form), pinned(form)
    plan = plan_record(life.job, ready, "P/by", f" Sven Toll \n{DRAWN}", shown="You sign this: \u7b7e", now_ms=NOW_MS)
    (body,) = plan.bodies
    assert isinstance(body, StepRecorded)
    assert (body.value, body.verdict) == ("Sven Toll", "none")
    assert body.signed == Signed(hashlib.sha256("You sign this: \u7b7e".encode()).hexdigest(), "You sign this: \u7b7e", DRAWN)
    result = follow(life, plan.bodies).steps["P/by"].result
    assert result is not None
    assert result.shown == body.signed.shown
    assert result.drawing, "the job says which entry has the drawing"


def test_a_signature_typed_only_is_bound_to_the_text_as_well() -> None:
    form = procedure(step("by", "signature"))
    life, ready = accepted(form), pinned(form)
    (body,) = plan_record(life.job, ready, "P/by", "Sven Toll", now_ms=NOW_MS).bodies
    assert isinstance(body, StepRecorded)
    assert body.signed is not None
    assert (body.signed.text, body.signed.strokes) == (signature_text(life.job, form, form.steps[0], "en"), "")
    assert body.signed.shown == hashlib.sha256(body.signed.text.encode()).hexdigest()
    job = follow(life, (body,))
    assert job.steps["P/by"].result is not None
    assert job.steps["P/by"].result.drawing == ""
    (other,) = plan_record(job, ready, "P/by", f"Eva Toll\n{DRAWN}", reason="somebody else", now_ms=NOW_MS).bodies
    assert isinstance(other, StepAmended)
    assert other.signed is not None
    assert other.signed.strokes == DRAWN


def test_a_drawing_without_a_name_is_not_recorded() -> None:
    form = procedure(step("by", "signature"))
    with pytest.raises(Problem, match="no name"):
        plan_record(accepted(form).job, pinned(form), "P/by", f"\n{DRAWN}", now_ms=NOW_MS)


def test_a_day_without_its_year_is_of_this_year_in_the_branchs_zone() -> None:
    form = procedure(step("day", "date"))
    late = 1_798_761_000_000  # 2026-12-31 23:50 UTC: in Taipei the new year has begun
    for zone, year in (("UTC", "2026"), ("Asia/Taipei", "2027")):
        (body,) = plan_record(accepted(form).job, pinned(form), "P/day", "01.02.", now_ms=late, zone=zone).bodies
        assert isinstance(body, StepRecorded)
        assert body.value == f"{year}-02-01"


def test_a_failure_opens_what_follows_it_once() -> None:
    life = accepted(OIL)
    plan = record(life, "P/oil", "0.5")
    assert plan.bodies[1:] == (FollowUpOpened("corrective_step", "P/oil", "Change the filter."),)
    job = follow(life, plan.bodies)
    assert [(one.key, one.code) for one in blocks_completion(job, ALL)] == [("P/filter", "corrective")]
    again = plan_record(job, ALL, "P/oil", "0.6", reason="read again", now_ms=NOW_MS)
    assert again.bodies == (StepAmended("P/oil", 3, "0.6", "fail", "read again", "bar"),)
    assert follow(life, plan_record(job, ALL, "P/filter", "yes", now_ms=NOW_MS).bodies).steps["P/filter"].result is not None


def test_a_standing_result_changes_only_with_a_reason() -> None:
    life = accepted(OIL)
    follow(life, record(life, "P/inlet", "12").bodies)
    with pytest.raises(Problem) as refused:
        record(life, "P/inlet", "12")
    assert refused.value.code == "reason-needed"
    with pytest.raises(Problem):
        record(life, "P/inlet", "13", reason="   ")
    job = follow(life, record(life, "P/inlet", "13", reason="misread").bodies)
    state = job.steps["P/inlet"]
    assert state.result is not None
    assert (state.result.value, state.result.reason) == ("13", "misread")
    assert [one.value for one in state.earlier] == ["12"]


def test_an_amended_reading_is_taken_again_only_when_it_differs() -> None:
    life = accepted(OIL, assets=("a-1",))
    follow(life, record(life, "P/oil", "1.5").bodies)
    assert [type(body) for body in record(life, "P/oil", "1.50", reason="note").bodies] == [StepAmended]
    assert [type(body) for body in record(life, "P/oil", "1.6", reason="misread").bodies] == [StepAmended, ReadingTaken]


def test_calculated_steps_follow_and_are_judged() -> None:
    life = accepted(OIL, assets=("a-1",))
    first = record(life, "P/inlet", "12")
    assert first.bodies == (StepRecorded("P/inlet", 3, "12", "none"),)
    follow(life, first.bodies)
    plan = record(life, "P/outlet", "4.5")
    assert plan.bodies == (
        StepRecorded("P/outlet", 3, "4.5", "none"),
        StepRecorded("P/delta", 3, "7.5", "fail", "K", calculated=True),
        ReadingTaken("a-1", "delta_t", "7.5", "K", "P/delta"),
        FollowUpOpened("follow_up_job", "P/delta"),
        StepRecorded("P/half", 3, "3.75", "none", calculated=True),
    )
    job = follow(life, plan.bodies)
    result = job.steps["P/delta"].result
    assert result is not None
    assert result.calculated
    gone = plan_left_out(job, ALL, "P/outlet", "not_done", "sensor broken", now_ms=NOW_MS)
    assert gone.bodies == (
        StepNotDone("P/outlet", 3, "sensor broken"),
        StepRecorded("P/delta", 3, "", "none", "K", calculated=True),
        StepRecorded("P/half", 3, "", "none", calculated=True),
    )


def test_a_broken_calculation_never_stops_the_recording() -> None:
    made = procedure(step("a"), step("b", "calculated", calculation="foo(${a})"), step("c", criterion=Criterion(expression="1 +")))
    life = accepted(made)
    plan = plan_record(life.job, pinned(made), "P/a", "x", now_ms=NOW_MS)
    assert plan.bodies == (StepRecorded("P/a", 3, "x", "none"),)
    assert "foo()" in plan.warnings[0]
    unjudged = plan_record(life.job, pinned(made), "P/c", "x", now_ms=NOW_MS)
    assert unjudged.verdict.name == "none"
    assert len(unjudged.warnings) == 2


def test_a_clock_alone_recalculates_nothing() -> None:
    made = procedure(step("a"), step("b", "calculated", calculation="now()"), step("c"))
    life = accepted(made)
    job = follow(life, plan_record(life.job, pinned(made), "P/a", "x", now_ms=NOW_MS).bodies)
    assert job.steps["P/b"].result is not None
    assert len(plan_record(job, pinned(made), "P/c", "y", now_ms=NOW_MS + 60_000).bodies) == 1


def test_a_group_never_grows_beyond_its_bound() -> None:
    made = procedure(
        step("a", "number"), *(step(f"c{number}", "calculated", calculation="${a} + 1") for number in range(70)), step("z")
    )
    life = accepted(made)
    plan = plan_record(life.job, pinned(made), "P/a", "1", now_ms=NOW_MS)
    assert (len(plan.bodies), plan.postponed) == (50, 21)
    job = follow(life, plan.bodies)
    rest = plan_record(job, pinned(made), "P/z", "x", now_ms=NOW_MS)
    assert (len(rest.bodies), rest.postponed) == (22, 0)


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        ("P/read", "step-not-recorded", "text to read"),
        ("P/delta", "step-not-recorded", "worked out"),
        ("P/fixed", "step-not-recorded", "read-only"),
        ("P/photo", "step-not-recorded", "takes files"),
        ("P/where", "step-not-relevant", "does not apply"),
        ("P/oill", "unknown-step", "no step"),
        ("P/level#7", "unknown-step", "no step"),
    ],
)
def test_where_nothing_is_recorded(key: str, code: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as refused:
        record(accepted(OIL), key, "1")
    assert refused.value.code == code


def test_near_names_are_offered() -> None:
    with pytest.raises(Problem) as refused:
        record(accepted(OIL), "P/oill", "1")
    assert "P/oil" in refused.value.hint


def test_values_that_are_refused_leave_nothing() -> None:
    life = accepted(OIL)
    with pytest.raises(Problem, match="Never below zero"):
        record(life, "P/oil", "-1")
    with pytest.raises(Problem, match="not a number"):
        record(life, "P/oil", "much")
    with pytest.raises(Problem, match="note"):
        record(life, "P/oil", "1", note="x" * 5_000)
    with pytest.raises(Problem, match="cannot be stored"):
        record(life, "P/oil", "1", note="a\x00b")


def test_an_option_the_filter_hides_is_refused() -> None:
    choices = (Choice("k", {"en": "Cologne"}, {"land": "de"}), Choice("p", {"en": "Paris"}, {"land": "fr"}))
    made = procedure(
        step("land"),
        step("city", "choice", choices_from="cities", choice_filter="land = ${land}"),
        choice_lists={"cities": choices},
    )
    life = accepted(made)
    job = follow(life, plan_record(life.job, pinned(made), "P/land", "fr", now_ms=NOW_MS).bodies)
    assert plan_record(job, pinned(made), "P/city", "Paris", now_ms=NOW_MS).value == "p"
    with pytest.raises(Problem, match="not offered") as refused:
        plan_record(job, pinned(made), "P/city", "k", now_ms=NOW_MS)
    assert refused.value.hint == "Offered: p."


def test_the_status_decides_what_can_be_recorded() -> None:
    life = accepted(OIL)
    follow(life, record(life, "P/inlet", "1").bodies)
    life.add(WorkStarted())
    job = follow(life, (JobCompleted(),))
    assert job.status in AMENDING
    assert job.status not in RECORDING
    assert isinstance(plan_record(job, ALL, "P/inlet", "2", reason="typo", now_ms=NOW_MS).bodies[0], StepAmended)
    with pytest.raises(Problem, match="while it is completed") as refused:
        plan_record(job, ALL, "P/outlet", "2", now_ms=NOW_MS)
    assert refused.value.code == "not-now"


def test_an_assigned_job_has_to_be_accepted_first() -> None:
    life = accepted(OIL)
    life.facts.pop()
    assert life.job.status == "assigned"
    with pytest.raises(Problem) as refused:
        record(life, "P/oil", "1")
    assert (refused.value.code, refused.value.hint) == ("not-now", "Accept the job first.")
    with pytest.raises(Problem):
        plan_left_out(life.job, ALL, "P/oil", "not_done", "x", now_ms=NOW_MS)
    with pytest.raises(Problem):
        plan_attach(life.job, ALL, "P/photo", FileRef("a" * 64, 1, "a.jpg"), now_ms=NOW_MS)


def test_left_out_steps_need_a_reason_of_the_step_where_it_has_some() -> None:
    life = accepted(OIL)
    follow(life, record(life, "P/oil", "0.5").bodies)
    plan = plan_left_out(life.job, ALL, "P/filter", "not_done", "Part_Missing", note="ordered", now_ms=NOW_MS)
    assert plan.bodies == (StepNotDone("P/filter", 3, "part_missing", "ordered"),)
    assert (plan.verdict.name, plan.value) == ("not_done", None)
    with pytest.raises(Problem, match="no reason") as refused:
        plan_left_out(life.job, ALL, "P/filter", "not_applicable", "lazy", now_ms=NOW_MS)
    assert refused.value.code == "bad-reason"
    with pytest.raises(Problem) as refused:
        plan_left_out(life.job, ALL, "P/filter", "not_done", " ", now_ms=NOW_MS)
    assert refused.value.code == "reason-needed"
    assert "part_missing" in refused.value.hint
    own = plan_left_out(life.job, ALL, "P/inlet", "not_applicable", "no such sensor", now_ms=NOW_MS)
    assert own.bodies == (StepNotApplicable("P/inlet", 3, "no such sensor"),)


def test_a_step_sent_back_is_corrected_with_a_reason() -> None:
    life = accepted(OIL)
    follow(life, record(life, "P/oil", "1.5").bodies)
    for body in (WorkStarted(), JobCompleted()):
        life.add(body, after=1)
    life.office(JobSentBack(("P/oil",), "too low, look again"), after=1)
    with pytest.raises(Problem):
        record(life, "P/oil", "1.6")
    job = follow(life, record(life, "P/oil", "1.6", reason="gauge replaced").bodies)
    sent_back = job.steps["P/oil"].sent_back
    assert sent_back is not None
    assert sent_back.corrected


def photo(letter: str) -> FileRef:
    return FileRef(letter * 64, 100, f"{letter}.jpg", "image/jpeg")


def test_a_file_step_is_recorded_when_it_has_its_files() -> None:
    life = accepted(OIL)
    first = plan_attach(life.job, ALL, "P/photo", photo("a"), now_ms=NOW_MS)
    assert first.bodies == (FileAttached("a" * 64, 100, "a.jpg", "image/jpeg", "P/photo"),)
    assert (first.verdict.name, first.verdict.reason) == ("none", "photos")
    job = follow(life, first.bodies)
    second = plan_attach(job, ALL, "P/photo", photo("b"), now_ms=NOW_MS)
    assert second.bodies[1] == StepRecorded("P/photo", 3, f"{'a' * 64} {'b' * 64}", "pass")
    job = follow(life, second.bodies)
    with pytest.raises(Problem) as refused:
        plan_attach(job, ALL, "P/photo", photo("a"), now_ms=NOW_MS)
    assert refused.value.code == "already-attached"
    third = plan_attach(job, ALL, "P/photo", photo("c"), now_ms=NOW_MS)
    assert isinstance(third.bodies[1], StepAmended)
    assert third.bodies[1].reason == PHOTO_ADDED


def test_a_photo_can_turn_the_verdict_of_a_value() -> None:
    made = procedure(step("seal", "check", criterion=Criterion(accept=("yes",), photos=1)), step("other"))
    life = accepted(made)
    job = follow(life, plan_record(life.job, pinned(made), "P/seal", "yes", now_ms=NOW_MS).bodies)
    result = job.steps["P/seal"].result
    assert result is not None
    assert result.verdict == "fail"
    plan = plan_attach(job, pinned(made), "P/seal", photo("a"), now_ms=NOW_MS)
    assert plan.bodies[1] == StepAmended("P/seal", 3, "yes", "pass", PHOTO_ADDED)
    assert len(plan_attach(job, pinned(made), "P/other", photo("a"), now_ms=NOW_MS).bodies) == 1


def test_a_file_of_the_job_itself() -> None:
    life = accepted(OIL)
    plan = plan_attach(life.job, ALL, "", photo("a"), now_ms=NOW_MS)
    assert plan.bodies == (FileAttached("a" * 64, 100, "a.jpg", "image/jpeg"),)
    job = follow(life, plan.bodies)
    with pytest.raises(Problem):
        plan_attach(job, ALL, "", photo("a"), now_ms=NOW_MS)


def test_steps_are_found_by_short_names() -> None:
    other = procedure(step("oil"), step("extra"), code="Q")
    life = accepted(OIL, other)
    both = pinned(OIL, other)
    assert find_step(life.job, both, "extra") == "Q/extra"
    assert find_step(life.job, both, " q/OIL ") == "Q/oil"
    assert find_step(life.job, both, "level") == "P/level#1"
    assert find_step(life.job, both, "LEVEL#1") == "P/level#1"
    with pytest.raises(Problem) as refused:
        find_step(life.job, both, "oil")
    assert refused.value.code == "ambiguous-step"
    assert "P/oil, Q/oil" in refused.value.hint
    with pytest.raises(Problem) as refused:
        find_step(life.job, both, "inlett")
    assert refused.value.hint == "Did you mean P/inlet?"
    job = follow(life, plan_record(life.job, both, "P/level#1", "5", now_ms=NOW_MS).bodies)
    assert find_step(job, both, "level#2") == "P/level#2"
    with pytest.raises(Problem) as refused:
        find_step(job, both, "level")
    assert "P/level#1, P/level#2" in refused.value.hint


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["P/oil", "P/filter", "P/inlet", "P/outlet", "P/leak", "P/where", "P/level#1", "P/level#2", "P/photo"]),
        st.sampled_from(["record", "not done", "not applicable", "attach"]),
        st.sampled_from(["1", "0.5", "2,5", "yes", "no", "-3", "text", ""]),
        st.sampled_from(["", "because"]),
    ),
    max_size=12,
)


@given(ACTIONS)
def test_whatever_is_done_each_body_round_trips_and_the_log_stays_consistent(actions: list[tuple[str, str, str, str]]) -> None:
    life = accepted(OIL, assets=("a-1",))
    for number, (key, action, typed, reason) in enumerate(actions):
        job = life.job
        before = job.steps.get(key, StepState()).result
        try:
            if action == "record":
                plan = plan_record(job, ALL, key, typed, reason=reason, now_ms=NOW_MS)
            elif action == "attach":
                plan = plan_attach(job, ALL, key, photo(f"{number:x}"), now_ms=NOW_MS)
            else:
                plan = plan_left_out(job, ALL, key, "not_done" if action == "not done" else "not_applicable", reason, now_ms=NOW_MS)
        except Problem:
            continue
        assert plan.bodies
        assert all(round_trip(body) == body for body in plan.bodies)
        if before is not None and action == "record":
            assert isinstance(plan.bodies[0], StepAmended)
            assert plan.bodies[0].reason
        after = follow(life, plan.bodies)
        assert not after.unresolved
        result = after.steps[key].result
        if action == "record":
            assert result is not None
            assert result.value == plan.value
    for place in outline(life.job, ALL):
        if place.step.id == "delta" and place.state is not None and place.state.result is not None:
            inlet, outlet = (life.job.steps.get(f"P/{name}", StepState()).result for name in ("inlet", "outlet"))
            filled = inlet is not None and outlet is not None and bool(inlet.value) and bool(outlet.value)
            assert bool(place.state.result.value) == filled
