"""JSON shapes of jobs, logs and the outbox, as docs/commands.md documents them. Scripts rely on these: keys are never renamed.

Instants are ISO 8601 in UTC with milliseconds. Titles are in the language of this device's person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from fieldapp.domain.coverage import coverage_words
from fieldapp.domain.entry import DOUBTFUL_SKEW_MS
from fieldapp.domain.instant import iso_utc, local_text
from fieldapp.domain.progress import StepPlace, blocks_completion, outline, progress_of
from fieldapp.domain.promise import clocks
from fieldapp.domain.words import say
from fieldapp.outcome_words import LANES, WHAT_TO_DO, decision_told, what_to_do, who_came_first
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.late import LateLine, late_of

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceView
    from fieldapp.store.queries.jobs import JobLine
    from fieldapp.store.queries.log import LogLine
    from fieldapp.store.queries.outbox import BackedUp, Outbox
    from fieldapp.store.queries.own import JobFiles, OwnFile, OwnLine


def job_line(device: DeviceView, line: JobLine) -> dict[str, Any]:
    """One element of `jobs --json`."""
    view = line.view
    now = device.clock.now()
    progress = progress_of(places_of(device, line))
    window = {"start": iso_utc(view.window_start), "end": iso_utc(view.window_end)} if view.window_start is not None else None
    return {
        "number": line.number,
        "status": line.status,
        "customer": view.customer,
        "site": view.site,
        "service": view.product,
        "kind": view.kind,
        "window": window,
        "promises": [{"name": clock.name, "due": iso_utc(clock.due_ms), "state": clock.state} for clock in clocks(view, now)],
        "steps_done": progress.done,
        "steps_total": progress.total,
        "unsent": line.unsent,
    }


def places_of(device: DeviceView, line: JobLine) -> tuple[StepPlace, ...]:
    """Every place a step of the job is done at."""
    procedures = device.documents.pinned(line.view.procedures)
    return outline(line.view, procedures, now_ms=device.clock.now(), zone=device.zone)


def job_whole(device: DeviceView, line: JobLine) -> dict[str, Any]:
    """`job --json`: the line, and everything a technician needs on site."""
    view, language = line.view, device.language
    procedures = device.documents.pinned(view.procedures)
    now = device.clock.now()
    places = outline(view, procedures, now_ms=now, zone=device.zone)
    coverage = coverage_words(view.coverage, view.included, view.excluded, language)
    return {
        **job_line(device, line),
        "asset": _asset(device, view.assets[0]) if view.assets else None,
        "hazards": [say(hazard, language) for hazard in view.hazards],
        "coverage": {
            "model": coverage.model, "title": coverage.title, "terms": coverage.terms,
            "included": list(coverage.included), "excluded": list(coverage.excluded),
        },
        "procedures": [
            {
                "code": pin.code,
                "version": pin.version,
                "steps": [step_shape(place, language) for place in places if place.procedure.code == pin.code],
            }
            for pin in view.procedures
        ],
        "blocks_completion": [
            {"step": blocker.key, "code": blocker.code, "why": blocker.why}
            for blocker in blocks_completion(view, procedures, now, device.zone)
        ],
        "late": [late_line(late) for late in late_of(device.reader, line.log, line.stream)],
    }  # fmt: skip


def step_shape(place: StepPlace, language: str) -> dict[str, Any]:
    """One step of `job --json`."""
    step, state = place.step, place.state
    result = state.result if state else None
    criterion = step.criterion
    sent_back = state.sent_back if state and state.sent_back and not state.sent_back.corrected else None
    return {
        "id": step.id if not place.instance else f"{step.id}#{place.instance}",
        "title": say(step.title, language),
        "type": step.type,
        "required": place.required,
        "relevant": place.relevant,
        "criterion": None
        if criterion is None
        else {
            "min": criterion.min,
            "max": criterion.max,
            "warn_min": criterion.warn_min,
            "warn_max": criterion.warn_max,
            "unit": step.unit,
            "accept": list(criterion.accept),
            "pattern": criterion.pattern,
            "expression": criterion.expression,
        },
        "choices": [{"id": choice.id, "label": say(choice.label, language)} for choice in place.procedure.choices_of(step)],
        "value": result.value if result else None,
        "verdict": result.verdict if result else None,
        "reason": result.reason if result else "",
        "sent_back": sent_back.note if sent_back else None,
    }


def _asset(device: DeviceView, asset: str) -> dict[str, Any]:
    document = device.documents.asset(asset)
    if document is None:
        return {"id": asset, "tag": asset, "title": "", "model": "", "serial": ""}
    title = say(document.title, device.language)
    return {"id": asset, "tag": document.tag, "title": title, "model": document.model, "serial": document.serial}


def log_line(line: LogLine) -> dict[str, Any]:
    """One element of `log --json`."""
    envelope = line.entry.envelope
    return {
        "id": envelope.id,
        "type": envelope.type,
        "author": envelope.author,
        "device": envelope.device,
        "recorded_at": iso_utc(envelope.corrected),
        "received_at": iso_utc(line.received_at),
        "pos": line.pos,
        "outcome": line.outcome,
        "body": line.body_value(),
    }


def recorded_text(line: LogLine, zone: tzinfo, *, seconds: bool = False) -> str:
    """When it was recorded, with a question mark where a clock was wrong: by what was known then, or by the receipt before it."""
    envelope = line.entry.envelope
    before = line.received_at is not None and envelope.corrected - line.received_at > DOUBTFUL_SKEW_MS
    return local_text(envelope.corrected, zone, seconds=seconds) + (" ?" if envelope.doubtful or before else "")


def why_words(device: DeviceView, given_to: str, reason: str) -> str:
    """Why work came late, or does not stand: to whom the job had been given, or who recorded the same before, where that is known;
    else as the server said it."""

    def name(person: str) -> str:
        return name_of_person(device.documents, person)

    if given_to:
        return f"the job was given to {name(given_to)} before this arrived"
    return who_came_first(reason, name) or reason


def late_line(late: LateLine) -> dict[str, Any]:
    """One element of `late` of `job --json`."""
    envelope = late.line.entry.envelope
    return {
        "id": envelope.id, "type": envelope.type, "who": envelope.author, "what": late.line.summary,
        "recorded_at": iso_utc(envelope.corrected), "received_at": iso_utc(late.line.received_at), "reason": late.line.reason,
        "given_to": late.given_to or None,
    }  # fmt: skip


def _files_shape(files: JobFiles) -> dict[str, Any]:
    return {
        "job": files.number,
        "arrived": files.arrived,
        "total": files.total,
        "missing": list(files.missing),
        "gone": list(files.gone),
    }


def own_line(line: OwnLine) -> dict[str, Any]:
    """One element of `entries` of `outbox --json`."""
    said, outcome = line.decision, line.line.outcome
    if said is not None:
        done = decision_told(said, said.person)
    elif line.section in ("refused", "settled") and outcome in WHAT_TO_DO:
        done = what_to_do(outcome, line.line.reason)
    else:
        done = LANES[line.section]
    return {
        "id": line.line.entry.id, "lane": line.section, "type": line.line.entry.envelope.type, "what": line.line.summary,
        "job": line.number or None, "saved_at": iso_utc(line.saved), "outcome": outcome, "reason": line.line.reason, "done": done,
        "decision": None if said is None else {"decision": said.verb, "by": said.person, "reason": said.reason},
    }  # fmt: skip


def _lost_file(file: OwnFile) -> dict[str, Any]:
    return {"name": file.name, "sha256": file.sha256, "job": file.number or None}


def outbox_shape(
    box: Outbox,
    files: Sequence[JobFiles],
    entries: Sequence[OwnLine],
    safe: BackedUp,
    lost: Sequence[OwnFile],
    given_up: Sequence[OwnFile],
) -> dict[str, Any]:
    """`outbox --json`."""
    here = {"waiting": box.files_waiting - len(lost), "bytes": box.file_bytes - sum(file.size for file in lost)}
    gone = {"gone": [_lost_file(file) for file in lost], "given_up": [_lost_file(file) for file in given_up]}
    return {
        "unsent": box.unsent,
        "sending": box.sending,
        "received": box.received,
        "settled": box.settled,
        "backed_up": {"entries": safe.entries, "of": safe.of},
        "refused": [{"id": entry.id, "reason": entry.reason} for entry in box.refused],
        "files": {**here, **gone, "jobs": [_files_shape(job) for job in files]},
        "safe_to_leave": box.safe_to_leave,
        "entries": [own_line(line) for line in entries],
    }
