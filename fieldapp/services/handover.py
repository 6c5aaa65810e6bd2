"""The text a customer reads and signs: what was done, what was found, which promises were kept, what happens next.

One text in one language, the same bytes on the screen, under the signature and in the log: whoever has the log can verify it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from fieldapp.domain.instant import local_text, zone_of
from fieldapp.domain.job import JobState, Recorded
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.domain.progress import StepPlace, outline
from fieldapp.domain.promise import clocks
from fieldapp.domain.words import Spoken, say, spoken
from fieldapp.services.handover_words import WORDS
from fieldapp.store.queries.documents import Documents

WORDING = "1"
"""Version of the words in which the customer is asked; it changes when the questions do."""
STEPS_SHOWN = 150
LINE_LIMIT = 300
SECTION_BYTES = 7_000
"""Of one section, so that text, drawing and names together always fit into one entry: nobody signs what cannot be recorded."""
_LATER = ("rating", "first_time_fix")
"""Promises that are decided by what the customer is about to say, or by nobody having to come again."""


def handover_text(
    job: JobState,
    procedures: Mapping[str, Procedure],
    documents: Documents,
    *,
    language: str,
    technician: str,
    now_ms: int,
    zone: str,
) -> str:
    """The text for the customer, lines ended by a line feed.

    Args:
        language: en, zh_CN or zh_TW; others fall back to English. technician: name. now_ms: for the promises. zone: of the branch.
    """
    words = _Words(language)
    customer, site = documents.customer(job.customer), documents.site(job.customer, job.site)
    whose, where = say(customer.name, language) if customer else job.customer, say(site.name, language) if site else job.site
    places = outline(job, procedures, now_ms=now_ms, zone=zone)
    lines = [
        words("title", number=job.number, title=say(job.title, language)),
        words("for", customer=whose, site=where),
        words("by", technician=technician, time=local_text(now_ms, zone_of(zone))),
        "",
        *_section(words("done"), _done(places, language, words, documents), words),
        *_section(words("found"), _found(job, places, language, words, documents), words),
        *_section(words("parts"), [f"{part.quantity} x {_part_name(documents, part.part, language)}" for part in job.parts], words),
        *_section(words("promises"), _promises(job, language, words, now_ms), words),
        *_section(words("next"), _next(job, language, words), words),
        words("confirm"),
    ]
    return "\n".join(line[:LINE_LIMIT] for line in lines) + "\n"


class _Words:
    def __init__(self, language: str) -> None:
        self._column = get_args(Spoken).index(spoken(language))

    def __call__(self, key: str, **parts: str) -> str:
        text = WORDS[key][self._column]
        for name, part in parts.items():
            text = text.replace("{" + name + "}", part)
        return text


def _section(head: str, lines: list[str], words: _Words) -> list[str]:
    """A headed list of at most SECTION_BYTES; what is left out is counted."""
    shown, size = list[str](), 0
    for line in lines:
        size += len(line[:LINE_LIMIT].encode("utf-8", "surrogatepass")) + 3
        if size > SECTION_BYTES:
            shown.append(words("more", count=str(len(lines) - len(shown))))
            break
        shown.append(line)
    return [head, *(f"- {line}" for line in shown), ""] if lines else []


def _done(places: tuple[StepPlace, ...], language: str, words: _Words, documents: Documents) -> list[str]:
    shown = [place for place in places if place.step.customer_sees and place.state is not None and place.state.result is not None]
    lines = [_line(place, language, words, documents) for place in shown[:STEPS_SHOWN]]
    recorded = sum(1 for place in places if place.state is not None and place.state.result is not None)
    if recorded > len(lines):
        lines.append(words("further" if lines else "recorded", count=str(recorded - len(lines))))
    return lines


def _line(place: StepPlace, language: str, words: _Words, documents: Documents) -> str:
    return words("line", name=say(place.step.title, language), text=_value(place, language, words, documents))


def _value(place: StepPlace, language: str, words: _Words, documents: Documents) -> str:
    assert place.state is not None
    assert place.state.result is not None
    result = place.state.result
    verdict = words(f"verdict_{result.verdict}") if result.verdict != "none" else ""
    return " ".join(part for part in (_plain(place.procedure, place.step, result, language, words, documents), verdict) if part)


def _plain(procedure: Procedure, step: Step, result: Recorded, language: str, words: _Words, documents: Documents) -> str:
    if result.value is None:
        return _title_of(documents, "reasons", result.reason, language)
    if step.type == "check":
        return words("yes" if result.value == "yes" else "no")
    labels = {choice.id: say(choice.label, language) or choice.id for choice in procedure.choices_of(step)}
    if step.type in ("choice", "multiple_choice"):
        return ", ".join(labels.get(option, option) for option in result.value.split())
    if result.value in labels:  # a calculation may come to one of the step's options
        return labels[result.value]
    if step.type == "file":
        return words("files", count=str(len(result.value.split())))
    return f"{result.value} {result.unit}".strip()


def _found(job: JobState, places: tuple[StepPlace, ...], language: str, words: _Words, documents: Documents) -> list[str]:
    """What is not as it should be with the customer's equipment.

    What technicians check of their own (shoes, tester) is no finding there, unless the procedure shows it to the customer.
    """
    lines = [
        _line(place, language, words, documents)
        for place in places
        if place.state is not None and place.state.result is not None and place.state.result.verdict in ("fail", "borderline")
        if place.procedure.kind == "service" or place.step.customer_sees
    ]
    lines += [" / ".join(part for part in (fault.symptom, fault.cause, fault.remedy) if part) for fault in job.faults]
    return lines[:STEPS_SHOWN]


def _promises(job: JobState, language: str, words: _Words, now_ms: int) -> list[str]:
    return [
        words("line", name=say(clock.title, language) or clock.name, text=words("promise_" + clock.state))
        for clock in clocks(job, now_ms)
        if clock.state in ("kept", "broken") or (clock.indicator not in _LATER and clock.state != "not_applicable")
    ]


def _next(job: JobState, language: str, words: _Words) -> list[str]:
    lines = [f"{promise.text} ({promise.due})" for promise in job.commitments]
    lines += [
        " ".join(part for part in (words(f"follow_{item.kind}"), item.text) if part)
        for item in job.follow_ups
        if item.kind == "follow_up_job"
    ]
    return lines


def _part_name(documents: Documents, code: str, language: str) -> str:
    return _title_of(documents, "parts", code, language)


def _title_of(documents: Documents, kind: str, code: str, language: str) -> str:
    """What a list of this kind calls a code; own words as they stand."""
    for pack in documents.packs(kind):
        for item in pack.items:
            if item.code == code:
                return say(item.title, language) or code
    return code
