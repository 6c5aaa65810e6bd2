"""Where a job stands: every place a step is done at, what is left, and what blocks completion.

Everything is a query over the job's state and the pinned procedures; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fieldapp.domain.expression import Answers, evaluate, evaluate_bool
from fieldapp.domain.job import JobState, StepState
from fieldapp.domain.numbers import to_decimal
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Group, Procedure, Step, split_step_key, step_key
from fieldapp.domain.words import Words

_ROUNDS = 10
"""How often relevance is worked out again because an answer turned out not to count."""
_LEFT_OUT = ("not_done", "not_applicable")


class StepPlace(msgspec.Struct, frozen=True):
    """One step in one instance, as it stands in a job.

    relevant: it applies now. required: completion waits for it. done: a result stands that nobody sent back.
    extra: it lies in the one instance more that a repeat offers; nothing is asked there before something is recorded.
    opened_by: key of the failed step that this step corrects. fault: why its relevance could not be worked out (it is shown then).
    """

    key: str
    procedure: Procedure
    step: Step
    instance: int
    relevant: bool
    required: bool
    state: StepState | None
    done: bool
    extra: bool = False
    opened_by: str = ""
    fault: str = ""

    @property
    def counts(self) -> bool:
        """Whether a person does something here: not a note, not calculated, not read-only, and it applies."""
        return self.relevant and not self.extra and by_person(self.step)


class Progress(msgspec.Struct, frozen=True):
    """done of total relevant steps that a person does; required ones still open; standard minutes of the open ones."""

    done: int
    total: int
    required_open: int
    minutes_left: int


class Blocker(msgspec.Struct, frozen=True):
    """One thing that blocks completion. code: required, corrective, sent_back, stop_work, photos or procedure_missing."""

    key: str
    title: Words
    code: str
    why: str


def by_person(step: Step) -> bool:
    """Whether a person records something at this step."""
    return step.type not in ("note", "calculated") and not step.read_only


def files_of(state: StepState | None) -> tuple[str, ...]:
    """Hashes of the files attached to a step, each once, in the order they were attached."""
    return tuple(dict.fromkeys(file.sha256 for file in state.files)) if state else ()


def answers_of(job: JobState, procedure: Procedure) -> Answers:
    """What is recorded for one procedure, as its expressions see it. The value of a file step is its files' hashes."""
    values: dict[tuple[str, int], str] = {}
    for key, state in job.steps.items():
        code, step_id, instance = split_step_key(key)
        if code != procedure.code:
            continue
        if state.result is not None and state.result.value is not None:
            values[step_id, instance] = state.result.value
        elif state.result is None and state.files:
            values[step_id, instance] = " ".join(files_of(state))
    return Answers(procedure, values)


def walk(job: JobState, procedure: Procedure, *, now_ms: int = 0, zone: str = "UTC") -> tuple[Answers, tuple[StepPlace, ...]]:
    """The answers of one procedure that count (XForms leaves out those of steps that no longer apply), and its outline."""
    answers, places = _Walk(job, procedure, now_ms, zone).counted()
    return answers, tuple(places)


def outline(job: JobState, procedures: Mapping[str, Procedure], *, now_ms: int = 0, zone: str = "UTC") -> tuple[StepPlace, ...]:
    """Every step in every instance, in the order of the pinned procedures and their steps.

    A repeat shows the instances with answers and one more up to its bound, or as many as its count says. A corrective step applies
    from the moment the step it corrects has failed, and is required until that one passes. Procedures missing on this device are
    left out (`blocks_completion` names them).

    Args:
        procedures: code to the pinned version. now_ms, zone: for expressions that ask for today or now.
    """
    places: list[StepPlace] = []
    for pinned in job.procedures:
        procedure = procedures.get(pinned.code)
        if procedure is not None:
            places += walk(job, procedure, now_ms=now_ms, zone=zone)[1]
    return tuple(places)


def progress_of(places: Sequence[StepPlace]) -> Progress:
    """Counts over an outline."""
    counted = [place for place in places if place.counts]
    open_ones = [place for place in counted if not place.done]
    return Progress(
        done=len(counted) - len(open_ones),
        total=len(counted),
        required_open=sum(place.required for place in open_ones),
        minutes_left=sum(place.step.standard_minutes for place in open_ones),
    )


def blocks_completion(
    job: JobState, procedures: Mapping[str, Procedure], now_ms: int = 0, zone: str = "UTC"
) -> tuple[Blocker, ...]:
    """What stands between the job and its completion, in the order of the outline; empty when it can be completed.

    Required steps without a result, corrective steps still to do, steps sent back and not corrected, failures that stop work, steps
    with fewer photos than asked for. A step recorded as not done or not applicable, with its reason, blocks nothing: the reason is
    then the supervisor's to judge.
    """
    missing = [
        Blocker(pinned.code, {}, "procedure_missing", f"Procedure {pinned.code} has not arrived on this device yet; sync first.")
        for pinned in job.procedures
        if pinned.code not in procedures
    ]
    places = outline(job, procedures, now_ms=now_ms, zone=zone)
    return (*missing, *(blocker for place in places if place.relevant for blocker in _blockers(place)))


def _blockers(place: StepPlace) -> list[Blocker]:
    step, state = place.step, place.state or StepState()
    result, sent_back = state.result, state.sent_back
    found: list[tuple[str, str]] = []
    wanted = step.criterion.photos if step.criterion else None
    attached = len(files_of(state))
    left_out = result is not None and result.verdict in _LEFT_OUT
    if not by_person(step):
        pass
    elif sent_back is not None and not sent_back.corrected:
        found.append(("sent_back", f"Sent back: {sent_back.note}"))
    elif place.required and result is None and place.opened_by:
        found.append(("corrective", f"To be done because {place.opened_by} failed."))
    elif place.required and result is None and not attached:
        found.append(("required", "Required, and nothing is recorded."))
    if wanted and attached < wanted and not left_out and (result is not None or attached):
        found.append(("photos", f"{attached} of {wanted} photos are attached."))
    if result is not None and result.verdict == "fail" and step.after_failure and step.after_failure.kind == "stop_work":
        found.append(("stop_work", "It failed, and this failure stops the work until it passes."))
    return [Blocker(place.key, step.title, code, why) for code, why in found]


class _Walk:
    """One walk through a procedure. It is repeated while answers turn out not to count, since others may depend on them."""

    def __init__(self, job: JobState, procedure: Procedure, now_ms: int, zone: str) -> None:
        self.job = job
        self.procedure = procedure
        self.now_ms = now_ms
        self.zone = zone
        self.recorded = answers_of(job, procedure)
        self.shape = self.recorded.shape
        self.answers = self.recorded
        self.instances = self.recorded.counts()
        self.places: list[StepPlace] = []
        self.corrects: dict[str, list[Step]] = {}
        for step in procedure.steps:
            after = step.after_failure
            if after is not None and after.kind == "corrective_step" and after.step and after.step != step.id:
                self.corrects.setdefault(after.step, []).append(step)

    def counted(self) -> tuple[Answers, list[StepPlace]]:
        gone: set[tuple[str, int]] = set()
        for _ in range(_ROUNDS):
            self.answers = self.recorded.without(gone) if gone else self.recorded
            self.places = []
            self._walk("", (), applies=True, extra=False)
            more = {
                (place.step.id, place.instance)
                for place in self.places
                if not place.relevant and (place.step.id, place.instance) in self.answers.values
            }
            if not more:
                break
            gone |= more
        return self.answers, self.places

    def _walk(self, group_id: str, digits: tuple[int, ...], *, applies: bool, extra: bool) -> None:
        for member in self.shape.members.get(group_id, ()):
            if isinstance(member, Step):
                self._add(member, self.shape.instance(member.id, digits), applies, extra)
            elif member.repeat > 0:
                self._repeat(member, digits, applies, extra)
            else:
                inside = applies and self._holds(member.relevant, (member.id, self.shape.instance(member.id, digits)))[0]
                self._walk(member.id, digits, applies=inside, extra=extra)

    def _repeat(self, group: Group, digits: tuple[int, ...], applies: bool, extra: bool) -> None:
        there = self.instances.get((group.id, digits), 0)
        wanted = self._count(group, digits) if group.count else None
        last = max(there, wanted) if wanted is not None else min(there + 1, group.repeat)
        for number in range(1, last + 1):
            inner = (*digits, number)
            surplus = wanted is not None and number > wanted
            inside = applies and not surplus
            inside = inside and self._holds(group.relevant, (group.id, self.shape.instance(group.id, inner)))[0]
            self._walk(group.id, inner, applies=inside, extra=extra or (wanted is None and number > there))

    def _count(self, group: Group, digits: tuple[int, ...]) -> int:
        parent = self.shape.chain(group.id)[:-1]
        at = (parent[-1].id, self.shape.instance(parent[-1].id, digits)) if parent else ("", 0)
        try:
            number = to_decimal(evaluate(group.count or "", self.answers, at, now_ms=self.now_ms, zone=self.zone))
        except Problem:
            number = None
        return max(0, min(group.repeat, int(number))) if number is not None else 0

    def _add(self, step: Step, instance: int, applies: bool, extra: bool) -> None:
        key = step_key(self.procedure.code, step.id, instance)
        state = self.job.steps.get(key)
        relevant, fault = self._holds(step.relevant, (step.id, instance)) if applies else (False, "")
        opened_by = self._opened_by(step, instance)
        if step.id in self.corrects and not opened_by:
            relevant = relevant and state is not None and state.result is not None
        sent_back = state.sent_back if state else None
        done = state is not None and state.result is not None and (sent_back is None or sent_back.corrected)
        required = (step.required or bool(opened_by)) and relevant and not extra
        self.places.append(StepPlace(key, self.procedure, step, instance, relevant, required, state, done, extra, opened_by, fault))

    def _opened_by(self, step: Step, instance: int) -> str:
        """Key of a failed step that this one corrects: in the same instance where both lie in the same repeats, else in any."""
        for source in self.corrects.get(step.id, ()):
            together = self.shape.repeats(source.id) == self.shape.repeats(step.id)
            keys = [step_key(self.procedure.code, source.id, instance)] if together else self._keys_of(source)
            for key in keys:
                state = self.job.steps.get(key)
                if state is not None and state.result is not None and state.result.verdict == "fail":
                    return key
        return ""

    def _keys_of(self, step: Step) -> list[str]:
        return [key for key in self.job.steps if split_step_key(key)[:2] == (self.procedure.code, step.id)]

    def _holds(self, expression: str | None, at: tuple[str, int]) -> tuple[bool, str]:
        """Whether relevance holds; a broken expression hides nothing."""
        if not expression:
            return True, ""
        try:
            return evaluate_bool(expression, self.answers, at, now_ms=self.now_ms, zone=self.zone), ""
        except Problem as problem:
            return True, str(problem)
