"""The outline of a job, what is left, and what blocks its completion."""

from __future__ import annotations

from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.lifecycle import JobCompleted, JobSentBack, WorkStarted
from fieldapp.domain.entry_types.steps import FileAttached, StepAmended, StepNotApplicable, StepNotDone, StepRecorded
from fieldapp.domain.job import JobState, PinnedProcedure
from fieldapp.domain.procedure import AfterFailure, Criterion, Group, Procedure
from fieldapp.domain.progress import Progress, StepPlace, blocks_completion, outline, progress_of, walk
from tests.domain.forms import accepted, pinned, procedure, step


def recorded(key: str, value: str, verdict: str = "none") -> StepRecorded:
    return StepRecorded(key, 3, value, verdict)  # type: ignore[arg-type]


def job_after(*procedures: Procedure, bodies: tuple[Body, ...] = ()) -> JobState:
    life = accepted(*procedures)
    for body in bodies:
        life.add(body, after=1)
    return life.job


def places(made: Procedure, *bodies: Body) -> dict[str, StepPlace]:
    return {place.key: place for place in outline(job_after(made, bodies=bodies), pinned(made))}


def blockers(made: Procedure, *bodies: Body) -> list[tuple[str, str]]:
    return [(blocker.key, blocker.code) for blocker in blocks_completion(job_after(made, bodies=bodies), pinned(made))]


def test_steps_stand_in_the_order_of_the_procedures_and_their_groups() -> None:
    first = procedure(step("one", group="g"), step("two"), step("three", group="g"), code="A", groups=(Group("g"),))
    second = procedure(step("four"), code="B")
    job = job_after(first, second)
    assert [place.key for place in outline(job, pinned(first, second))] == ["A/one", "A/three", "A/two", "B/four"]


def test_what_applies_follows_the_answers_of_groups_and_steps() -> None:
    made = procedure(
        step("leak", "check", required=True),
        step("where", relevant="${leak} = 'yes'", required=True),
        step("photo", "file", group="damage"),
        step("detail", group="inner"),
        groups=(Group("damage", relevant="${leak} = 'yes'"), Group("inner", parent="damage", relevant="${where} != ''")),
    )
    nothing = places(made)
    assert [nothing[key].relevant for key in ("P/leak", "P/where", "P/photo", "P/detail")] == [True, False, False, False]
    assert not nothing["P/where"].required
    leaking = places(made, recorded("P/leak", "yes"))
    assert [leaking[key].relevant for key in ("P/where", "P/photo", "P/detail")] == [True, True, False]
    assert leaking["P/where"].required
    assert places(made, recorded("P/leak", "yes"), recorded("P/where", "flange"))["P/detail"].relevant


def test_an_answer_that_no_longer_applies_no_longer_counts() -> None:
    made = procedure(
        step("gas", "check"),
        step("kind", relevant="${gas} = 'yes'"),
        step("seal", relevant="${kind} = 'A2L'"),
        step("mark", relevant="${seal} != ''"),
    )
    before = (recorded("P/gas", "yes"), recorded("P/kind", "A2L"), recorded("P/seal", "ok"))
    assert places(made, *before)["P/mark"].relevant
    changed = places(made, *before, StepAmended("P/gas", 3, "no", "none", "misread"))
    assert [changed[key].relevant for key in ("P/kind", "P/seal", "P/mark")] == [False, False, False]
    answers, _ = walk(job_after(made, bodies=(*before, StepAmended("P/gas", 3, "no", "none", "misread"))), made)
    assert answers.get("kind") == ""


def test_a_broken_relevance_hides_nothing_and_says_so() -> None:
    made = procedure(step("x", relevant="1 +"), step("y", relevant="${nowhere} = 1"))
    found = places(made)
    assert all(place.relevant and place.fault for place in found.values())


def test_a_repeat_offers_one_instance_more_up_to_its_bound() -> None:
    made = procedure(step("reading", "number", group="rep", required=True), groups=(Group("rep", repeat=3),))
    empty = places(made)
    assert list(empty) == ["P/reading#1"]
    assert empty["P/reading#1"].extra
    assert not empty["P/reading#1"].required
    assert blockers(made) == []
    assert list(places(made, recorded("P/reading#1", "5"))) == ["P/reading#1", "P/reading#2"]
    full = [recorded(f"P/reading#{number}", "5") for number in (1, 2, 3)]
    assert list(places(made, *full)) == ["P/reading#1", "P/reading#2", "P/reading#3"]


def test_in_an_instance_that_was_begun_required_steps_are_required() -> None:
    made = procedure(
        step("tag", group="rep"), step("level", "number", group="rep", required=True), groups=(Group("rep", repeat=5),)
    )
    assert blockers(made, recorded("P/tag#1", "A")) == [("P/level#1", "required")]


def test_a_count_fixes_the_instances() -> None:
    made = procedure(
        step("units", "number"), step("ok", "check", group="rep", required=True), groups=(Group("rep", repeat=4, count="${units}"),)
    )
    assert list(places(made)) == ["P/units"]
    two = places(made, recorded("P/units", "2"))
    assert list(two) == ["P/units", "P/ok#1", "P/ok#2"]
    assert two["P/ok#2"].required
    assert len(places(made, recorded("P/units", "99"))) == 5
    fewer = places(made, recorded("P/units", "2"), recorded("P/ok#2", "yes"), StepAmended("P/units", 3, "1", "none", "typo"))
    assert not fewer["P/ok#2"].relevant


def test_repeats_within_repeats_are_counted_through() -> None:
    made = procedure(
        step("room", group="rooms"), step("socket", "number", group="sockets"),
        groups=(Group("rooms", repeat=2), Group("sockets", parent="rooms", repeat=3)),
    )  # fmt: skip
    keys = list(
        places(made, recorded("P/room#1", "A"), recorded("P/socket#1", "5"), recorded("P/room#2", "B"), recorded("P/socket#4", "6"))
    )
    assert keys == ["P/room#1", "P/socket#1", "P/socket#2", "P/room#2", "P/socket#4", "P/socket#5"]


def test_progress_counts_what_a_person_does() -> None:
    made = procedure(
        step("read_me", "note"), step("a", required=True, standard_minutes=5), step("b", standard_minutes=7),
        step("c", "calculated", calculation="1"), step("d", read_only=True), step("e", relevant="false()", standard_minutes=99),
    )  # fmt: skip
    assert progress_of(outline(job_after(made), pinned(made))) == Progress(done=0, total=2, required_open=1, minutes_left=12)
    job = job_after(made, bodies=(recorded("P/a", "x"),))
    assert progress_of(outline(job, pinned(made))) == Progress(done=1, total=2, required_open=0, minutes_left=7)


def test_required_steps_block_until_they_have_a_result_or_a_reason() -> None:
    made = procedure(step("a", required=True), step("b", required=True), step("c", required=True), step("d"))
    assert blockers(made) == [("P/a", "required"), ("P/b", "required"), ("P/c", "required")]
    done = (recorded("P/a", "x"), StepNotDone("P/b", 3, "no access"), StepNotApplicable("P/c", 3, "not fitted"))
    assert blockers(made, *done) == []


def test_a_failure_that_stops_work_blocks_until_it_passes() -> None:
    made = procedure(step("locked", "check", criterion=Criterion(accept=("yes",)), after_failure=AfterFailure("stop_work")))
    failed = recorded("P/locked", "no", "fail")
    assert blockers(made, failed) == [("P/locked", "stop_work")]
    assert blockers(made, failed, StepAmended("P/locked", 3, "yes", "pass", "locked now")) == []


def test_a_corrective_step_appears_with_the_failure_and_goes_with_it() -> None:
    made = procedure(
        step("oil", "number", criterion=Criterion(min="1"), after_failure=AfterFailure("corrective_step", "filter")),
        step("filter", "check"),
    )
    assert not places(made)["P/filter"].relevant
    failed = recorded("P/oil", "0.5", "fail")
    opened = places(made, failed)["P/filter"]
    assert (opened.relevant, opened.required, opened.opened_by) == (True, True, "P/oil")
    assert blockers(made, failed) == [("P/filter", "corrective")]
    assert blockers(made, failed, recorded("P/filter", "yes")) == []
    passed = StepAmended("P/oil", 3, "2", "pass", "measured again")
    assert not places(made, failed, passed)["P/filter"].relevant
    assert places(made, failed, recorded("P/filter", "yes"), passed)["P/filter"].relevant


def test_a_corrective_step_belongs_to_the_instance_that_failed() -> None:
    made = procedure(
        step("level", "number", group="rep", after_failure=AfterFailure("corrective_step", "fill")), step("fill", group="rep"),
        groups=(Group("rep", repeat=3),),
    )  # fmt: skip
    found = places(made, recorded("P/level#1", "5", "pass"), recorded("P/level#2", "0", "fail"))
    assert [found[f"P/fill#{number}"].relevant for number in (1, 2)] == [False, True]


def test_a_corrective_step_outside_the_repeat_is_opened_by_any_instance() -> None:
    made = procedure(
        step("level", "number", group="rep", after_failure=AfterFailure("corrective_step", "fill")),
        step("fill"),
        groups=(Group("rep", repeat=3),),
    )
    assert places(made, recorded("P/level#2", "0", "fail"))["P/fill"].opened_by == "P/level#2"


def test_steps_sent_back_block_until_they_are_corrected() -> None:
    made = procedure(step("a"), step("b", "calculated", calculation="${a}"))
    life = accepted(made)
    for body in (WorkStarted(), recorded("P/a", "x"), JobCompleted()):
        life.add(body, after=1)
    life.office(JobSentBack(("P/a", "P/b"), "photo is blurred"), after=1)
    found = blocks_completion(life.job, pinned(made))
    assert [(one.key, one.code) for one in found] == [("P/a", "sent_back")]
    assert "photo is blurred" in found[0].why
    assert not outline(life.job, pinned(made))[0].done
    life.add(StepAmended("P/a", 3, "y", "none", "done again"), after=1)
    assert blocks_completion(life.job, pinned(made)) == ()


def test_photos_that_are_missing_block() -> None:
    made = procedure(
        step("plate", "file", required=True, criterion=Criterion(photos=2)), step("seal", "check", criterion=Criterion(photos=1))
    )
    photo = FileAttached("a" * 64, 5, "one.jpg", "image/jpeg", "P/plate")
    assert blockers(made) == [("P/plate", "required")]
    assert blockers(made, photo) == [("P/plate", "photos")]
    assert (
        blockers(made, photo, FileAttached("b" * 64, 5, "two.jpg", "image/jpeg", "P/plate"), recorded("P/plate", "x", "pass")) == []
    )
    assert blockers(made, StepNotDone("P/plate", 3, "forbidden"), recorded("P/seal", "yes", "fail")) == [("P/seal", "photos")]


def test_a_procedure_that_has_not_arrived_blocks() -> None:
    made, other = procedure(step("a")), procedure(step("b"), code="Q")
    job = job_after(made, other)
    assert job.procedures == (PinnedProcedure("P", 3), PinnedProcedure("Q", 3))
    assert [place.key for place in outline(job, pinned(made))] == ["P/a"]
    assert [(one.key, one.code) for one in blocks_completion(job, pinned(made))] == [("Q", "procedure_missing")]


def test_what_does_not_apply_blocks_nothing() -> None:
    made = procedure(step("gate", "check"), step("x", "check", relevant="${gate} = 'yes'", after_failure=AfterFailure("stop_work")))
    gone = (recorded("P/gate", "yes"), recorded("P/x", "no", "fail"), StepAmended("P/gate", 3, "no", "none", "typo"))
    assert blockers(made, *gone) == []
