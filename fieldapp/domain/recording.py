"""One person's action on a step, as the bodies of one group: what the step runner and the command line both call.

Nothing is written here. A plan says what would be recorded; the replica records it, or the Problem says why not.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fieldapp.domain.consequences import Moment, Plan, judged, unit_of, with_consequences
from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types.steps import FileAttached, Signed, StepAmended, StepNotApplicable, StepNotDone, StepRecorded
from fieldapp.domain.expression import Answers, filter_choices
from fieldapp.domain.instant import local_date, zone_of
from fieldapp.domain.job import JobState, StepState
from fieldapp.domain.lifecycle import AMENDING, RECORDING
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.progress import StepPlace, by_person, files_of, outline, walk
from fieldapp.domain.signing import read_signature, signature_text
from fieldapp.domain.text import check_typed
from fieldapp.domain.verdict import NOT_JUDGED, Verdict, canonical

__all__ = ["LeftOut", "Plan", "find_step", "plan_attach", "plan_left_out", "plan_record"]

LeftOut = Literal["not_done", "not_applicable"]
"""Verdicts of a step that nothing is entered at."""

SAID_LIMIT = 4_000
"""Characters of a note or a reason."""
_LEFT_OUT: dict[LeftOut, type[StepNotDone | StepNotApplicable]] = {"not_done": StepNotDone, "not_applicable": StepNotApplicable}
PHOTO_ADDED = "file attached"
"""The reason of an amendment that only an attached file brought about."""


def plan_record(
    job: JobState,
    procedures: Mapping[str, Procedure],
    key: str,
    typed: str,
    *,
    note: str = "",
    reason: str = "",
    asset: str = "",
    shown: str = "",
    now_ms: int,
    zone: str = "UTC",
    language: str = "en",
) -> Plan:
    """Record a value, or amend the one that stands.

    Gives the result, the asset's reading where the step is one, what follows a failure, and the calculated steps that change.

    Args:
        key: step key. typed: what the person typed. note: a remark. reason: why a standing result changes.
        asset: whose reading it is; the job's first asset where empty. shown: at a signature step, the text that stood over the
            signature; composed in `language` where empty. now_ms, zone: for expressions. language: of the follow-up.

    Raises:
        Problem: `unknown-step`, `step-not-relevant`, `step-not-recorded` (note, calculated, read-only, file), `not-now` (status),
            `bad-value`, `constraint`, `reason-needed`.
    """
    place = _place(job, procedures, key, now_ms, zone)
    step = place.step
    _check_recordable(job, place)
    if step.type == "file":
        raise Problem("step-not-recorded", f"Step {key} takes files, not a value.", "Attach a photo or file to it.")
    note, reason = _said(note, "note"), _said(reason, "reason")
    value = canonical(place.procedure, step, typed, today=local_date(now_ms, zone_of(zone)))
    answers, _ = walk(job, place.procedure, now_ms=now_ms, zone=zone)
    moment = Moment(now_ms, zone, language)
    _check_filter(answers, place, value, moment)
    verdict, warnings = judged(place, value, answers, files_of(place.state), moment)
    signed = None
    if step.type == "signature":
        text = shown or signature_text(job, place.procedure, step, language)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        signed = Signed(digest, text, read_signature(typed)[1])
    body = _result_body(place, value, verdict, note, reason, signed)
    return with_consequences(job, place, body, value, verdict, warnings, asset, moment)


def plan_left_out(
    job: JobState,
    procedures: Mapping[str, Procedure],
    key: str,
    verdict: LeftOut,
    reason: str,
    *,
    note: str = "",
    now_ms: int,
    zone: str = "UTC",
    language: str = "en",
) -> Plan:
    """Record that a step was not done, or does not apply here, and why.

    Args:
        reason: one of the step's codes where it has some, else own words.

    Raises:
        Problem: `unknown-step`, `step-not-relevant`, `step-not-recorded`, `not-now`, `reason-needed`, `bad-reason`.
    """
    place, said = _left_out(job, procedures, key, reason, now_ms, zone)
    body = _LEFT_OUT[verdict](key, place.procedure.version, said, _said(note, "note"))
    return with_consequences(job, place, body, None, Verdict(verdict, said), (), "", Moment(now_ms, zone, language))


def plan_attach(
    job: JobState,
    procedures: Mapping[str, Procedure],
    key: str,
    file: FileRef,
    *,
    now_ms: int,
    zone: str = "UTC",
    language: str = "en",
) -> Plan:
    """Attach a file to a step, or to the job where `key` is ''.

    A file step counts as recorded as soon as it has the number of files its criterion asks for (else one); further files amend it.
    A standing value whose criterion asks for photos is judged again.

    Raises:
        Problem: `unknown-step`, `step-not-relevant`, `not-now`, `already-attached`.
    """
    _check_status(job, AMENDING)
    attached = FileAttached(file.sha256, file.size, file.name, file.media, key)
    if not key:
        if any(known.sha256 == file.sha256 for known in job.files):
            raise Problem("already-attached", f"{file.name} is attached to this job already.")
        return Plan("", (attached,), NOT_JUDGED)
    place = _place(job, procedures, key, now_ms, zone)
    _check_relevant(place)
    step, state = place.step, place.state or StepState()
    if file.sha256 in files_of(state):
        raise Problem("already-attached", f"{file.name} is attached to step {key} already.")
    files = (*files_of(state), file.sha256)
    moment = Moment(now_ms, zone, language)
    answers, _ = walk(job, place.procedure, now_ms=now_ms, zone=zone)
    wanted = (step.criterion.photos if step.criterion else None) or 1
    result = state.result
    if step.type == "file":
        recordable = job.status in RECORDING if result is None else True
        if len(files) < wanted or not recordable:
            return Plan(key, (attached,), Verdict("none", "photos", str(wanted)))
        value = " ".join(files)
    elif result is not None and result.value is not None and step.criterion is not None and step.criterion.photos:
        value = result.value
    else:
        return Plan(key, (attached,), NOT_JUDGED)
    verdict, warnings = judged(place, value, answers, files, moment)
    if step.type != "file" and result is not None and verdict.name == result.verdict:
        return Plan(key, (attached,), verdict, value, warnings)
    body = _result_body(place, value, verdict, result.note if result else "", PHOTO_ADDED)
    plan = with_consequences(job, place, body, value, verdict, warnings, "", moment, (file,))
    return msgspec.structs.replace(plan, bodies=(attached, *plan.bodies))


def find_step(job: JobState, procedures: Mapping[str, Procedure], text: str, *, now_ms: int = 0, zone: str = "UTC") -> str:
    """The key of a step named as `STEP`, `STEP#2`, `CODE/STEP` or `CODE/STEP#2`, regardless of case.

    Raises:
        Problem: `unknown-step` with near names, `ambiguous-step` naming each step it could be.
    """
    places = outline(job, procedures, now_ms=now_ms, zone=zone)
    wanted = text.strip().casefold()
    exact = [place.key for place in places if place.key.casefold() == wanted]
    short = [place.key for place in places if place.key.partition("/")[2].casefold() == wanted]
    loose = [
        place.key
        for place in places
        if wanted in (place.key.partition("#")[0].casefold(), place.step.id.casefold()) and "#" not in wanted
    ]
    for found in (exact, short, loose):
        if len(found) == 1:
            return found[0]
        if found:
            raise Problem("ambiguous-step", f"{_quoted(text)} can be more than one step.", f"Say which: {', '.join(found[:8])}.")
    raise _unknown(places, text)


# --- the parts of a plan ---------------------------------------------------------------------------------------------


def _place(job: JobState, procedures: Mapping[str, Procedure], key: str, now_ms: int, zone: str) -> StepPlace:
    places = outline(job, procedures, now_ms=now_ms, zone=zone)
    for place in places:
        if place.key == key:
            return place
    raise _unknown(places, key)


def _unknown(places: Sequence[StepPlace], text: str) -> Problem:
    names = {name.casefold(): place.key for place in places for name in (place.step.id, place.key)}
    close = difflib.get_close_matches(text.strip().casefold()[:100], sorted(names), n=3)
    keys = list(dict.fromkeys(names[name] for name in close))
    hint = f"Did you mean {', '.join(keys)}?" if keys else "The job's steps are listed with the job."
    return Problem("unknown-step", f"This job has no step {_quoted(text)}.", hint)


def _check_recordable(job: JobState, place: StepPlace) -> None:
    step = place.step
    standing = place.state is not None and place.state.result is not None
    _check_status(job, AMENDING if standing else RECORDING)
    if not by_person(step):
        why = {"note": "is a text to read", "calculated": "is worked out from other steps"}.get(step.type, "is read-only")
        raise Problem("step-not-recorded", f"Step {place.key} {why}; nothing is entered there.")
    _check_relevant(place)


def _check_relevant(place: StepPlace) -> None:
    if not place.relevant:
        raise Problem(
            "step-not-relevant",
            f"Step {place.key} does not apply as things stand.",
            "Check the answers it depends on; nothing was recorded.",
        )


def _check_status(job: JobState, allowed: tuple[str, ...]) -> None:
    if job.status in allowed:
        return
    hints = {
        "unassigned": "It has to be assigned to you first.",
        "assigned": "Accept the job first.",
        "declined": "It was declined; the office assigns it again.",
        "cancelled": "It was cancelled; add a note if something has to be said.",
        "completed": "What is recorded can be amended with a reason; for more the supervisor sends the job back.",
        "cannot_complete": "What is recorded can be amended with a reason.",
        "approved": "It is approved; the supervisor can send it back.",
    }
    status = job.status.replace("_", " ")
    raise Problem("not-now", f"Nothing can be recorded on job {job.number} while it is {status}.", hints.get(job.status, ""))


def _check_filter(answers: Answers, place: StepPlace, value: str, moment: Moment) -> None:
    step = place.step
    if not step.choice_filter or step.type not in ("choice", "multiple_choice"):
        return
    shown = {
        choice.id for choice in filter_choices(answers, step, place.instance, now_ms=moment.now_ms, zone=moment.zone)
    }  # fmt: skip
    hidden = [option for option in value.split() if option not in shown]
    if hidden:
        some = ", ".join(sorted(shown)[:8]) or "none"
        raise Problem("bad-value", f"{', '.join(hidden)} is not offered with the other answers given.", f"Offered: {some}.")


def _result_body(
    place: StepPlace, value: str, verdict: Verdict, note: str, reason: str, signed: Signed | None = None
) -> StepRecorded | StepAmended:
    version, unit = place.procedure.version, unit_of(place.step)
    if place.state is None or place.state.result is None:
        return StepRecorded(place.key, version, value, verdict.name, unit, note, signed=signed)
    if not reason:
        raise Problem(
            "reason-needed",
            f"Step {place.key} has a result already.",
            "Give the reason for changing it; the old one stays in the log.",
        )
    return StepAmended(place.key, version, value, verdict.name, reason, unit, note, signed)


def _left_out(
    job: JobState, procedures: Mapping[str, Procedure], key: str, reason: str, now_ms: int, zone: str
) -> tuple[StepPlace, str]:
    place = _place(job, procedures, key, now_ms, zone)
    _check_recordable(job, place)
    said = _said(reason, "reason")
    if not said:
        codes = f" One of: {', '.join(place.step.reasons)}." if place.step.reasons else ""
        raise Problem("reason-needed", f"Step {key} can only be left out with a reason.", f"Say why.{codes}")
    if place.step.reasons:
        by_case = {code.casefold(): code for code in place.step.reasons}
        if said.casefold() not in by_case:
            raise Problem(
                "bad-reason", f"{_quoted(said)} is no reason of step {key}.", f"Choose one of: {', '.join(place.step.reasons)}."
            )
        said = by_case[said.casefold()]
    return place, said


def _said(text: str, what: str) -> str:
    said = text.strip()
    if len(said) > SAID_LIMIT:
        raise Problem("bad-value", f"The {what} has {len(said):,} characters; {SAID_LIMIT:,} are allowed.", "Shorten it.")
    check_typed(said, what)
    return said


def _quoted(text: str) -> str:
    return '"' + "".join(sign if sign.isprintable() else " " for sign in text.strip()[:60]) + '"'
