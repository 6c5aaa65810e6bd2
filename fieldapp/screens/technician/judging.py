"""What a half-typed value is worth, worked out while it is typed. Nothing of it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fieldapp.domain.expression import Answers
from fieldapp.domain.instant import local_date, zone_of
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.domain.progress import StepPlace, files_of
from fieldapp.domain.verdict import Verdict, canonical, judge
from fieldapp.language import _, language, later
from fieldapp.screens.values import value_words

_WANTED = {
    "number": later("This is no number yet. Digits with one decimal point or comma, such as 1.3 or 1,3."),
    "date": later("This is no date yet. Such as 20.11.26, 20.11. or 2026-11-20."),
    "time": later("This is no time of day yet. Such as 9:30, 930 or 9.30."),
    "datetime": later("This is no date with a time yet. Such as 20.11.26 9:30."),
    "duration": later("This is no duration yet. Minutes (90), or hours and minutes (1:30, 1h30)."),
    "timer": later("This is no number of minutes yet."),
    "signature": later("Type the name as well: a drawing alone does not say who it was."),
}
_READ_BACK = ("number", "date", "time", "datetime", "duration", "timer")
"""Typed in many forms: shown as it was understood."""
_WEEKDAYS = (
    later("Monday"), later("Tuesday"), later("Wednesday"), later("Thursday"), later("Friday"), later("Saturday"), later("Sunday")
)  # fmt: skip
_NOTHING = {
    "check": later("Choose yes or no first."),
    "choice": later("Choose an option first: arrow keys, or its number."),
    "multiple_choice": later("Mark at least one option first: space, or its number."),
}


@dataclass(frozen=True)
class Live:
    """value: as it would be stored, '' while it will not do. words: how a number, date or time was understood.
    wrong: why it will not do."""

    value: str = ""
    words: str = ""
    verdict: Verdict | None = None
    wrong: str = ""


def live(place: StepPlace, typed: str, answers: Answers, *, now_ms: int, zone: str) -> Live:
    """Hold what is typed against the step. Cheap enough for every key.

    Args:
        answers: of the step's procedure. now_ms, zone: for expressions that ask for today or now.
    """
    step = place.step
    if not typed.strip():
        return Live(wrong=_(_NOTHING.get(step.type, later("Nothing is entered yet."))))
    try:
        value = canonical(place.procedure, step, typed, today=local_date(now_ms, zone_of(zone)))
    except Problem as problem:
        if step.integer and step.type == "number" and "whole" in problem.message:
            return Live(wrong=_("This step takes whole numbers only."))
        if step.type == "number" and "two ways" in problem.message:
            return Live(wrong=_("This can be read in two ways: leave the comma out, or write a point where the decimals begin."))
        return Live(wrong=_(_WANTED.get(step.type, "")) or _(problem.message))
    words = understood(place.procedure, step, value) if step.type in _READ_BACK else ""
    try:
        verdict = judge(
            place.procedure, step, value, answers, files_of(place.state),
            instance=place.instance, now_ms=now_ms, zone=zone, language=language(),
        )  # fmt: skip
    except Problem as problem:
        if problem.code == "constraint":
            return Live(words=words, wrong=problem.message)
        return Live(value, words)
    return Live(value, words, verdict)


def understood(procedure: Procedure, step: Step, value: str) -> str:
    """How a number, date or time was understood: a day with its weekday, an hour or more also in hours and minutes."""
    words = value_words(procedure, step, value)
    if step.type in ("date", "datetime"):
        return f"= {words}, {_(_WEEKDAYS[date.fromisoformat(value[:10]).weekday()])}"
    if step.type in ("duration", "timer") and int(value) >= 60:
        return f"= {words} ({int(value) // 60}:{int(value) % 60:02d})"
    return words if step.type == "number" else f"= {words}"
