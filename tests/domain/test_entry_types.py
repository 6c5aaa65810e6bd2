"""What holds for every entry type, known by its example in tests/domain/examples.py."""

from __future__ import annotations

import json
from typing import ClassVar, get_args

import msgspec
import pytest

from fieldapp.domain.documents import CommercialModel, Role
from fieldapp.domain.entry import encode, read_entry
from fieldapp.domain.entry_types import ENTRY_TYPES, read_body, type_of
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.customer import FeedbackGiven
from fieldapp.domain.entry_types.lifecycle import JobAccepted, JobAssigned, JobCreated
from fieldapp.domain.entry_types.steps import StepRecorded
from fieldapp.domain.fold import State, digest, empty_state, fold, read_state, state_bytes
from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import EVERYONE
from tests.domain.examples import BY_NAME, EXAMPLES, made_before
from tests.domain.lives import Life

NAMES = sorted(ENTRY_TYPES)
STREAMS = ("job:j-1", "asset:a-1", "customer:c-1")


def full(stream: str) -> State:
    """A state that every example has been folded into, twice over."""
    made = Life()
    state = empty_state(stream)
    for body in (*EXAMPLES, *EXAMPLES):
        state = fold(state, made.add(body))
    return state


FULL = {stream: full(stream) for stream in STREAMS}


def test_every_type_has_one_example_with_every_field_given() -> None:
    assert sorted(BY_NAME) == NAMES
    assert len(EXAMPLES) == len(NAMES)
    for body in EXAMPLES:
        assert set(json.loads(encode(body))) == set(body.__struct_fields__) - _at_default(body)


def _at_default(body: Body) -> set[str]:
    """Fields whose only sensible example is what they already are."""
    return {"role"} if type(body).NAME == "signature.given" else set()


@pytest.mark.parametrize("name", NAMES)
def test_what_was_written_is_read(name: str) -> None:
    body = BY_NAME[name]
    fact = Life().add(body)
    assert read_body(fact.entry) == body
    assert encode(read_body(fact.entry)) == fact.entry.body_raw
    assert body.summary() == body.summary().strip()
    assert type(body).ROLES <= EVERYONE
    assert type(body).EFFECT in ("lifecycle", "single", "additive", "reference", "decision")
    assert type_of(name) is type(body)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", NAMES)
def test_it_folds_into_any_state(name: str, stream: str) -> None:
    fact = Life().add(BY_NAME[name])
    for state in (empty_state(stream), FULL[stream]):
        after = fold(state, fact)
        assert after.entries == state.entries + 1
        assert read_state(stream, state_bytes(after)) == after
        assert digest(read_state(stream, state_bytes(after))) == digest(after)


CHANGES_A_JOB = {name for name in NAMES if ENTRY_TYPES[name].EFFECT not in ("reference", "decision")}


@pytest.mark.parametrize("name", sorted(CHANGES_A_JOB))
def test_it_leaves_its_mark_on_a_job_that_waits_for_it(name: str) -> None:
    """Each type changes more than the count, once what it speaks about is there."""
    made = Life()
    made.add(BY_NAME["job.created"])
    waiting = made.job
    for known in made_before(name):
        waiting = fold(waiting, made.add(BY_NAME[known]))  # type: ignore[assignment]
    if name == "job.created":
        waiting = empty_state(made.stream)  # type: ignore[assignment]
    body = BY_NAME[name]
    if name in ("question.answered", "suggestion.decided"):
        field = name.partition(".")[0]
        body = msgspec.structs.replace(body, **{field: made.facts[-1].id})
    after = fold(waiting, made.add(body))
    assert msgspec.structs.replace(after, entries=0) != msgspec.structs.replace(waiting, entries=0)


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_a_later_version_are_ignored_and_kept(name: str) -> None:
    later = {**json.loads(encode(BY_NAME[name])), "new_in_9": {"deep": ["值", 1]}}
    raw = json.dumps(later, ensure_ascii=False).encode()
    fact = Life().write(name, raw)
    assert read_body(fact.entry) == BY_NAME[name]
    assert fact.entry.body_raw == raw
    assert read_entry(fact.entry.raw, raw).hash == fact.entry.hash


@pytest.mark.parametrize("name", NAMES)
def test_a_body_of_another_shape_is_kept_as_unresolved(name: str) -> None:
    first = type(BY_NAME[name]).__struct_fields__[0]
    fact = Life().write(name, json.dumps({first: {"not": ["this", "shape"]}, "n": 1}).encode())
    with pytest.raises(Problem, match="does not have the shape"):
        read_body(fact.entry)
    after = fold(FULL["job:j-1"], fact)
    assert after.unresolved[-1].outcome == "quarantined"  # type: ignore[union-attr]
    assert after.unresolved[-1].entry == fact.id  # type: ignore[union-attr]


def test_scores_outside_their_scale_have_the_wrong_shape() -> None:
    for scores in ({"csat": 0}, {"csat": 6}, {"nps": -1}, {"nps": 11}, {"ces": 0}, {"ces": 8}):
        with pytest.raises(Problem, match="shape"):
            read_body(Life().write("feedback.given", json.dumps(scores).encode()).entry)
    assert read_body(Life().add(FeedbackGiven(1, 0, 1)).entry) == FeedbackGiven(1, 0, 1)


def test_erased_and_unknown_bodies_are_no_body() -> None:
    fact = Life().add(JobAccepted())
    assert read_body(msgspec.structs.replace(fact.entry, body_raw=None)) is None
    assert read_body(Life().write("drone.landed", b'{"pad":7}').entry) is None
    assert type_of("drone.landed") is None


def test_a_name_belongs_to_one_type() -> None:
    with pytest.raises(TypeError, match="defined twice"):

        class Again(Body, frozen=True):
            NAME: ClassVar[str] = "job.created"

    assert ENTRY_TYPES["job.created"] is JobCreated


def test_what_two_entries_can_disagree_about() -> None:
    assert BY_NAME["step.recorded"].touches() == BY_NAME["step.amended"].touches() == {"step:CH-Q/oil"}
    assert StepRecorded("CH-Q/other", 3, "1", "pass").touches().isdisjoint(BY_NAME["step.recorded"].touches())
    assert JobAssigned("p").touches() == JobAccepted().touches()
    for name in NAMES:
        if ENTRY_TYPES[name].EFFECT == "additive":
            assert BY_NAME[name].touches() == frozenset()


def test_who_records_what() -> None:
    technician = {name for name, kind in ENTRY_TYPES.items() if "technician" in kind.ROLES}
    assert not technician & {
        "job.assigned", "job.cancelled", "job.rescheduled", "job.approved", "job.sent_back",
        "conflict.decided", "entry.released", "entry.dismissed", "action.verified", "action.customer_told",
        "suggestion.decided", "procedure.published", "product.recorded", "person.recorded", "contract.recorded",
    }  # fmt: skip
    assert {"step.recorded", "feedback.given", "job.created", "site.recorded", "asset.recorded", "action.done"} <= technician
    roles = set(get_args(Role))
    assert roles >= EVERYONE


def test_a_job_may_carry_every_commercial_model() -> None:
    for model in ("", *get_args(CommercialModel)):
        body = JobCreated("J", "c", "s", {}, coverage=model)
        assert read_body(Life().add(body).entry) == body
