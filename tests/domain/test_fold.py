"""The fold: what stands and what does not, whatever arrives in whatever state, and digests that agree."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.entry_types.base import ENTRY_TYPES, Body, Fact
from fieldapp.domain.entry_types.customer import FeedbackGiven
from fieldapp.domain.entry_types.lifecycle import JobAccepted, JobAssigned, JobCompleted, JobCreated, JobSentBack, WorkStarted
from fieldapp.domain.entry_types.office import ConflictDecided, EntryDismissed
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded
from fieldapp.domain.entry_types.steps import ReadingTaken, StepAmended, StepNotDone, StepRecorded
from fieldapp.domain.entry_types.work import PartRecorded
from fieldapp.domain.fold import State, digest, empty_state, fold, folds, kind_of, read_state, state_bytes
from fieldapp.domain.job import JobState, OutcomeName
from tests.domain.examples import BY_NAME, EXAMPLES
from tests.domain.lives import Life


def begun() -> Life:
    made = Life()
    made.office(JobCreated("J-1", "c-1", "s-1", {"en": "Chiller"}))
    made.office(JobAssigned("p-lin"))
    made.add(JobAccepted())
    made.add(WorkStarted())
    made.add(StepRecorded("CH/oil", 1, "1.25", "pass", "bar"))
    return made


def values(job: JobState) -> JobState:
    """The state without what only counts or lists the unresolved."""
    return msgspec.structs.replace(job, entries=0, unresolved=())


@pytest.mark.parametrize("outcome", ["held", "quarantined", "conflict"])
@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).NAME)
def test_what_does_not_stand_is_shown_and_changes_nothing(body: Body, outcome: OutcomeName) -> None:
    made = begun()
    before = made.job
    fact = made.add(body, outcome=outcome, reason="because", after=3, by="p-wei")
    after = made.job
    assert values(after) == values(before)
    (item,) = after.unresolved
    assert (item.entry, item.type, item.outcome, item.reason, item.author, item.at, item.summary, item.decided) == (
        fact.id, type(body).NAME, outcome, "because", "p-wei", made.at, body.summary(), "",
    )  # fmt: skip
    assert after.entries == before.entries + 1


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: type(body).NAME)
def test_late_stands_where_it_only_adds(body: Body) -> None:
    made, timely = begun(), begun()
    made.add(body, outcome="late")
    timely.add(body)
    if type(body).EFFECT == "additive":
        assert made.job == timely.job
    else:
        assert values(made.job) == values(begun().job)
        assert made.job.unresolved[0].outcome == "late"


def test_a_type_of_a_later_version_is_counted_and_changes_nothing() -> None:
    made = begun()
    before = made.job
    made.write("drone.landed", b'{"pad":7}')
    assert values(made.job) == values(before)
    assert (made.job.entries, made.job.unresolved) == (before.entries + 1, ())
    made.write("drone.landed", b'{"pad":8}', outcome="held", reason="type-unknown")
    assert (made.job.unresolved[0].type, made.job.unresolved[0].summary) == ("drone.landed", "")
    made.write("drone.landed", b'{"pad":9}', outcome="late")
    assert [item.outcome for item in made.job.unresolved] == ["held", "late"]


def test_an_erased_body_is_counted_and_changes_nothing() -> None:
    made = begun()
    before = made.job
    erased = made.add(FeedbackGiven(5))
    erased = msgspec.structs.replace(erased, entry=msgspec.structs.replace(erased.entry, body_raw=None))
    after = fold(before, erased)
    assert after == msgspec.structs.replace(before, entries=before.entries + 1)


def test_one_unreadable_body_hides_nothing_of_the_rest() -> None:
    made = begun()
    made.write("step.recorded", b'{"step":"CH/oil"}')
    made.add(StepRecorded("CH/fan", 1, "ok", "pass"))
    job = made.job
    assert sorted(job.steps) == ["CH/fan", "CH/oil"]
    assert (job.unresolved[0].outcome, "shape" in job.unresolved[0].reason) == ("quarantined", True)


def test_a_decision_is_noted_on_what_it_decides() -> None:
    made = begun()
    first = made.add(StepAmended("CH/oil", 1, "9", "fail", "typo"), outcome="conflict")
    second = made.add(JobAccepted(), outcome="conflict")
    made.office(ConflictDecided(first.id, "the second reading was right", "take"))
    assert [item.decided for item in made.job.unresolved] == ["take", ""]
    made.office(EntryDismissed(second.id))
    assert [item.decided for item in made.job.unresolved] == ["take", "dismissed"]


def test_a_move_the_table_does_not_allow_moves_nothing() -> None:
    made = begun()
    made.add(JobAccepted())
    made.office(JobCreated("J-2", "c-2", "s-2", {}))
    job = made.job
    assert (job.status, job.number, len(job.history)) == ("in_progress", "J-1", 4)


def test_a_step_keeps_what_it_was_and_who_said_so() -> None:
    made = begun()
    amended = made.add(StepAmended("CH/oil", 1, "1.35", "borderline", "misread", "bar"), after=5)
    made.add(StepNotDone("CH/oil", 1, "no_tool"), by="p-wei")
    step = made.job.steps["CH/oil"]
    assert step.result is not None
    assert (step.result.verdict, step.result.value, step.result.reason) == ("not_done", None, "no_tool")
    assert [(old.value, old.by.author) for old in step.earlier] == [("1.25", "p-lin"), ("1.35", "p-lin")]
    assert (step.earlier[1].by.entry, step.earlier[1].by.at) == (amended.id, amended.entry.envelope.corrected)


def test_sent_back_steps_wait_until_a_person_records_them_again() -> None:
    made = begun()
    made.add(JobCompleted())
    made.office(JobSentBack(("CH/oil", "CH/never"), "read it again"))
    assert {key: step.sent_back.corrected for key, step in made.job.steps.items() if step.sent_back} == {
        "CH/oil": False, "CH/never": False,
    }  # fmt: skip
    made.add(StepRecorded("CH/oil", 1, "1.3", "pass", calculated=True))
    assert made.job.steps["CH/oil"].sent_back.corrected is False  # type: ignore[union-attr]
    made.add(StepAmended("CH/oil", 1, "1.31", "pass", "read again"))
    assert made.job.steps["CH/oil"].sent_back.corrected is True  # type: ignore[union-attr]
    assert made.job.steps["CH/never"].sent_back.note == "read it again"  # type: ignore[union-attr]


def test_an_entry_is_folded_into_every_stream_it_names() -> None:
    made = begun()
    also = ("asset:a-1", "customer:c-1")
    made.office(AssetRecorded(BY_NAME["asset.recorded"].asset))  # type: ignore[attr-defined]
    made.add(ReadingTaken("a-1", "oil_pressure", "1.25", "bar"), also=also)
    made.add(PartRecorded("F-77"), also=also)
    made.add(BY_NAME["fault.reported"], also=also)
    made.add(FeedbackGiven(4), also=also)
    made.add(BY_NAME["action.opened"], also=also)
    made.add(JobCompleted("done"), also=also)
    made.add(CustomerRecorded(BY_NAME["customer.recorded"].customer), stream="customer:c-1")  # type: ignore[attr-defined]
    asset, customer = made.state("asset:a-1"), made.state("customer:c-1")
    assert isinstance(asset, AssetState)
    assert isinstance(customer, CustomerState)
    assert (len(asset.readings), len(asset.parts), len(asset.faults), asset.entries) == (1, 1, 1, 6)
    assert [(mention.job, mention.type, mention.text) for mention in asset.timeline] == [("job:j-1", "job.completed", "done")]
    assert (len(customer.feedback), list(customer.actions), len(customer.timeline)) == (1, ["act-1"], 1)
    assert customer.customer is not None
    assert customer.customer.id == "c-1"


def test_which_streams_fold() -> None:
    assert [folds(stream) for stream in ("job:1", "asset:1", "customer:1", "procedure:1", "org:1")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert kind_of("job:a:b") == "job"


def test_the_digest_names_the_version_and_the_values() -> None:
    made = begun()
    assert digest(made.job) == digest(begun().job)
    assert len({digest(state) for state in (made.job, JobState(), AssetState(), JobState(entries=1))}) == 3


def test_an_empty_state_is_an_empty_object() -> None:
    """What is empty is left out, so a field that a later version adds changes no digest of a log that does not use it."""
    for stream in ("job:1", "asset:1", "customer:1"):
        assert state_bytes(empty_state(stream)) == b"{}"


outcomes = st.sampled_from(["applied", "applied", "applied", "late", "conflict", "held", "quarantined"])
logs = st.lists(st.tuples(st.sampled_from(sorted(ENTRY_TYPES)), outcomes), max_size=25)


def facts(log: list[tuple[str, OutcomeName]]) -> list[Fact]:
    made = begun()
    for name, outcome in log:
        made.add(BY_NAME[name], outcome=outcome, also=("asset:a-1", "customer:c-1"))
    return made.facts


@settings(max_examples=60)
@given(logs, st.sampled_from(["job:j-1", "asset:a-1", "customer:c-1"]))
def test_stopping_and_going_on_from_stored_bytes_changes_no_digest(log: list[tuple[str, OutcomeName]], stream: str) -> None:
    """A device folds on from the state it stored, the server may fold from the start: the same bytes come out."""
    whole: State = empty_state(stream)
    stored = state_bytes(whole)
    for number, fact in enumerate(facts(log), 1):
        before = whole
        kept = state_bytes(before)
        whole = fold(whole, fact)
        stored = state_bytes(fold(read_state(stream, stored), fact))
        assert stored == state_bytes(whole)
        assert state_bytes(before) == kept  # the state it started from is untouched
        assert whole.entries == number
    assert read_state(stream, stored) == whole
    assert digest(read_state(stream, stored)) == digest(whole)
