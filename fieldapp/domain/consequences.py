"""What follows from a result: the asset's reading, what a failure asks for, the calculated steps that change with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fieldapp.domain.entry import GROUP_LIMIT, FileRef
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.steps import FollowUpOpened, ReadingTaken, StepRecorded
from fieldapp.domain.expression import Answers, evaluate
from fieldapp.domain.job import Attached, JobState, Recorded, Stamp, StepState, VerdictName
from fieldapp.domain.numbers import is_canonical
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.domain.progress import StepPlace, files_of, walk
from fieldapp.domain.verdict import NOT_JUDGED, Verdict, judge
from fieldapp.domain.words import say

_ROUNDS = 5
"""How often calculations are gone through, since one may use another."""


class Moment(msgspec.Struct, frozen=True):
    """When, where and in which language something is recorded: milliseconds since 1970 UTC, IANA zone, language code."""

    now_ms: int
    zone: str
    language: str


class Plan(msgspec.Struct, frozen=True):
    """What one action records: the bodies of one group, in order, and what the person is told.

    value: the stored text of the step, None where it has none. warnings: calculations and criteria of the procedure that could not
    be worked out; the value is recorded all the same. postponed: changed calculations that did not fit into the group; the next
    action records them.
    """

    key: str
    bodies: tuple[Body, ...]
    verdict: Verdict
    value: str | None = None
    warnings: tuple[str, ...] = ()
    postponed: int = 0


def judged(place: StepPlace, value: str, answers: Answers, files: Sequence[str], moment: Moment) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict; where an expression of the procedure is broken the fact is kept all the same, unjudged, with a warning."""
    try:
        verdict = judge(
            place.procedure, place.step, value, answers, files,
            instance=place.instance, now_ms=moment.now_ms, zone=moment.zone, language=moment.language,
        )  # fmt: skip
    except Problem as problem:
        if problem.code == "constraint":
            raise
        return NOT_JUDGED, (f"{place.key} could not be judged: {problem}",)
    return verdict, ()


def unit_of(step: Step) -> str:
    return step.unit or ("min" if step.type in ("duration", "timer") else "")


def with_consequences(
    job: JobState,
    place: StepPlace,
    body: Body,
    value: str | None,
    verdict: Verdict,
    warnings: tuple[str, ...],
    asset: str,
    moment: Moment,
    files: tuple[FileRef, ...] = (),
) -> Plan:
    """The plan with everything that follows from its first body: reading, follow-up, calculated steps with their own."""
    bodies: list[Body] = [body, *_follow(job, place, value, verdict, asset, moment)]
    after = _standing(job, place, value, verdict.name, moment, files)
    recalculated, more, postponed = _recalculated(after, place.procedure, asset, moment, GROUP_LIMIT - len(bodies) - len(files))
    return Plan(place.key, (*bodies, *recalculated), verdict, value, (*warnings, *more), postponed)


def _follow(job: JobState, place: StepPlace, value: str | None, verdict: Verdict, asset: str, moment: Moment) -> list[Body]:
    step, before = place.step, place.state.result if place.state else None
    found: list[Body] = []
    asset = asset or (job.assets[0] if job.assets else "")
    if step.quantity and asset and value and is_canonical(value) and (before is None or before.value != value):
        found.append(ReadingTaken(asset, step.quantity, value, unit_of(step), place.key))
    failed_before = before is not None and before.verdict == "fail"
    if verdict.name == "fail" and step.after_failure is not None and not failed_before:
        after = step.after_failure
        corrective = place.procedure.step(after.step) if after.step else None
        text = say(after.text, moment.language) or (say(corrective.title, moment.language) if corrective else "")
        found.append(FollowUpOpened(after.kind, place.key, text))
    return found


def _standing(
    job: JobState, place: StepPlace, value: str | None, verdict: VerdictName, moment: Moment, files: tuple[FileRef, ...] = ()
) -> JobState:
    """The job as it will be once the result is recorded, for what is worked out from it."""
    stamp = Stamp("", "", moment.now_ms)
    state = job.steps.get(place.key, StepState())
    attached = tuple(Attached(stamp, file.sha256, file.size, file.name, file.media) for file in files)
    state = msgspec.structs.replace(state, result=Recorded(stamp, verdict, value), files=(*state.files, *attached))
    return msgspec.structs.replace(job, steps={**job.steps, place.key: state})


def _recalculated(
    job: JobState, procedure: Procedure, asset: str, moment: Moment, room: int
) -> tuple[list[Body], tuple[str, ...], int]:
    """Results of the calculated steps of a procedure whose value is another now: (bodies, warnings, how many had no room)."""
    if not any(step.type == "calculated" for step in procedure.steps):
        return [], (), 0
    pinned = job
    results: dict[str, list[Body]] = {}
    warnings: dict[str, None] = {}
    for _ in range(_ROUNDS):
        changed = False
        answers, places = walk(pinned, procedure, now_ms=moment.now_ms, zone=moment.zone)
        for place in places:
            if place.step.type != "calculated" or not place.relevant or place.extra or not place.step.calculation:
                continue
            before = pinned.steps.get(place.key, StepState()).result
            if before is not None and "${" not in place.step.calculation and "/" not in place.step.calculation:
                continue  # nothing it is made of can have changed but the clock
            try:
                value = evaluate(
                    place.step.calculation, answers, (place.step.id, place.instance),
                    now_ms=moment.now_ms, zone=moment.zone, language=moment.language,
                )  # fmt: skip
                verdict, faults = judged(place, value, answers, files_of(place.state), moment)
            except Problem as problem:
                warnings[f"{place.key} could not be worked out: {problem}"] = None
                continue
            warnings.update(dict.fromkeys(faults))
            if value == (before.value or "" if before else ""):
                continue
            changed = True
            body = StepRecorded(place.key, procedure.version, value, verdict.name, unit_of(place.step), calculated=True)
            first = msgspec.structs.replace(place, state=job.steps.get(place.key))
            results[place.key] = [body, *_follow(job, first, value, verdict, asset, moment)]
            pinned = _standing(pinned, place, value, verdict.name, moment)
            answers = answers.with_value(place.step.id, place.instance, value)
        if not changed:
            break
    bodies: list[Body] = []
    postponed = 0
    for key, made in results.items():
        first_body = made[0]
        if isinstance(first_body, StepRecorded) and first_body.value == _value_of(job, key):
            continue  # it changed and changed back while the others settled
        if len(bodies) + len(made) > room:
            postponed += 1
            continue
        bodies += made
    return bodies, tuple(warnings), postponed


def _value_of(job: JobState, key: str) -> str:
    result = job.steps.get(key, StepState()).result
    return (result.value or "") if result else ""
