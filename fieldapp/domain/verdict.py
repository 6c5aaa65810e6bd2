"""From what a person types to the stored value, and from the value to the verdict of the step."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection
from decimal import Decimal
from itertools import pairwise
from typing import get_args

import msgspec

from fieldapp.domain import numbers
from fieldapp.domain.expression import Answers, Clock, check_expression, evaluate_bool, matches
from fieldapp.domain.job import VerdictName
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Criterion, Procedure, Step
from fieldapp.domain.signing import read_signature
from fieldapp.domain.text import check_typed
from fieldapp.domain.verdict_words import phrase
from fieldapp.domain.words import Spoken, say

TEXT_LIMIT = 10_000
"""Characters of a text answer; longer ones are attached as a file."""
_YES = frozenset([
    "yes", "y", "true", "t", "1", "ok", "okay", "done", "on", "pass", "passed", "✓", "✔", "√",
    "是", "是的", "对", "對", "好", "已完成", "完成", "通过", "通過", "合格",
])  # fmt: skip
_NO = frozenset([
    "no", "n", "false", "f", "0", "off", "not", "fail", "failed", "nok", "✗", "✘", "×",
    "否", "不", "不是", "没有", "沒有", "未完成", "未通过", "未通過", "不合格",
])  # fmt: skip
_LIST_SIGNS = re.compile(r"[,;|\n，、；]+")


class Verdict(msgspec.Struct, frozen=True):
    """What a value is worth.

    name: the verdict. reason: key of what decided it (`below_min`, `above_warn_max`, `not_accepted`, ...), '' where nothing did.
    limit: the limit, options or number of photos it was held against, in `unit`. message: the procedure's own words, if any.
    accepted: the labels of the options that pass, in the languages the procedure has them in.
    """

    name: VerdictName
    reason: str = ""
    limit: str = ""
    unit: str = ""
    message: dict[str, str] = {}
    accepted: tuple[dict[str, str], ...] = ()

    @property
    def because(self) -> str:
        """The reason in plain English."""
        return self.because_in("en")

    def because_in(self, language: str) -> str:
        """The reason in words of a language (en, zh_CN, zh_TW), then what the procedure itself says where the value fails.

        Where the procedure says it, neither a pattern nor "the condition does not hold" is put before it: nobody reads those.
        """
        message = say(self.message, language) if self.name == "fail" else ""
        spoken = self.reason and not (message and self.reason in ("pattern", "expression"))
        options = phrase("or", language).join(say(label, language) for label in self.accepted)
        parts = [phrase(self.reason, language, limit=options or f"{self.limit} {self.unit}".strip()) if spoken else "", message]
        return phrase("separator", language).join(part for part in parts if part)


NOT_JUDGED = Verdict("none")


# --- what was typed --------------------------------------------------------------------------------------------------


def canonical(procedure: Procedure, step: Step, typed: str, *, today: str = "") -> str:
    """The stored text of what a person typed for a step.

    check: `yes` or `no`, from the words for it in English and Chinese. choice: the option's id, from id or label in any language.
    multiple choice: ids in list order with a space between. number: canonical decimal text, the step's unit taken off.
    duration, timer: whole minutes. date, time, datetime: ISO. signature: the name.
    Other types: the text without surrounding blanks.
    Whether a choice filter lets the option through is asked elsewhere (`expression.filter_choices`).

    Args:
        today: ISO date, for days that are typed without their year.

    Raises:
        Problem: `bad-value`, saying what is wanted; nothing is recorded then.
    """
    if not typed.strip():
        raise Problem("bad-value", "Nothing was entered.", "Enter a value, or say why the step is not done or not applicable.")
    if step.type == "signature":
        typed = read_signature(typed)[0]
        if not typed:
            raise Problem("bad-value", "There is no name.", "Type who signs; a drawing alone does not say who it was.")
    if len(typed) > TEXT_LIMIT:
        raise Problem(
            "bad-value", f"The text has {len(typed):,} characters; a step holds {TEXT_LIMIT:,}.", "Attach it as a file instead."
        )
    check_typed(typed, "text")
    if step.type in ("date", "datetime"):
        return (numbers.parse_date if step.type == "date" else numbers.parse_datetime)(typed, today=today)
    reader = _READERS.get(step.type)
    return reader(procedure, step, typed) if reader else typed.strip()


def _check(procedure: Procedure, step: Step, typed: str) -> str:
    word = _plain(typed)
    if word in _YES or word in _NO:
        return "yes" if word in _YES else "no"
    raise Problem("bad-value", f"{_shown(typed)} is neither yes nor no.", "Enter yes or no (y, n, 是, 否).")


def _choice(procedure: Procedure, step: Step, typed: str) -> str:
    return _option(procedure.choices_of(step), typed).id


def _multiple(procedure: Procedure, step: Step, typed: str) -> str:
    choices = procedure.choices_of(step)
    picked: set[str] = set()
    whole = _find(choices, typed)
    for piece in [] if whole else [piece.strip() for piece in _LIST_SIGNS.split(typed) if piece.strip()]:
        found = _find(choices, piece)
        picked |= {found.id} if found else {_option(choices, word).id for word in _words(choices, piece)}
    if whole:
        picked.add(whole.id)
    if not picked:
        raise Problem("bad-value", f"{_shown(typed)} names no option.", _offer(choices))
    return " ".join(choice.id for choice in choices if choice.id in picked)


def _words(choices: tuple[Choice, ...], piece: str) -> list[str]:
    """The single ids of a piece such as `a b`; the piece as a whole where not all its words are options."""
    words = piece.split()
    return words if all(_find(choices, word) for word in words) else [piece]


def _option(choices: tuple[Choice, ...], typed: str) -> Choice:
    found = _find(choices, typed)
    if found is not None:
        return found
    raise Problem("bad-value", f"{_shown(typed)} is not one of the options.", _offer(choices, typed))


def _find(choices: tuple[Choice, ...], typed: str) -> Choice | None:
    """The option by exact id, else by id or label in any language regardless of case; a Problem where two have that label."""
    exact = [choice for choice in choices if choice.id == typed.strip()]
    if exact:
        return exact[0]
    word = _plain(typed)
    by_id = [choice for choice in choices if _plain(choice.id) == word]
    found = by_id or [choice for choice in choices if word in map(_plain, choice.label.values())]
    if len(found) > 1:
        ids = ", ".join(choice.id for choice in found[:5])
        raise Problem("bad-value", f"{_shown(typed)} names more than one option.", f"Enter its id: {ids}.")
    return found[0] if found else None


def _offer(choices: tuple[Choice, ...], typed: str = "") -> str:
    known = {name: choice.id for choice in choices for name in (choice.id, *choice.label.values())}
    close = difflib.get_close_matches(typed, sorted(known), n=3) if typed else []
    if close:
        return f"Did you mean {', '.join(dict.fromkeys(known[name] for name in close))}?"
    some = ", ".join(f"{choice.id} ({say(choice.label)})" if choice.label else choice.id for choice in choices[:8])
    return f"Enter one of: {some}{', …' if len(choices) > 8 else ''}." if some else "This step has no options."


def _number(procedure: Procedure, step: Step, typed: str) -> str:
    return numbers.parse_decimal(_without_unit(typed, step.unit), integer=step.integer)


def _without_unit(typed: str, unit: str | None) -> str:
    text = typed.strip()
    if unit and _plain(text).endswith(_plain(unit)):
        head = text[: -len(unit)].rstrip() if text.casefold().endswith(unit.casefold()) else text
        return head or text
    return text


def _duration(procedure: Procedure, step: Step, typed: str) -> str:
    return numbers.parse_duration(typed)


_READERS: dict[str, Callable[[Procedure, Step, str], str]] = {
    "check": _check,
    "choice": _choice,
    "multiple_choice": _multiple,
    "number": _number,
    "duration": _duration,
    "timer": _duration,
    "time": lambda procedure, step, typed: numbers.parse_time(typed),
}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".!。")


def _shown(typed: str) -> str:
    return '"' + "".join(sign if sign.isprintable() else " " for sign in typed.strip()[:40]) + '"'


# --- the verdict -----------------------------------------------------------------------------------------------------


def judge(
    procedure: Procedure,
    step: Step,
    value: str,
    answers: Answers,
    files: Collection[str] = (),
    *,
    instance: int = 0,
    now_ms: int = 0,
    zone: str = "UTC",
    language: str = "en",
) -> Verdict:
    """Hold a stored value against the step's constraint and acceptance criterion.

    Limits belong to what passes. Outside min..max is fail; inside, but outside warn_min..warn_max, is borderline. Every other part
    of the criterion (options, pattern, photos, expression) passes or fails. Where nothing is judged the verdict is `none`.

    Args:
        value: canonical text. answers: the other answers (the value itself is put in). files: hashes of attached files.

    Raises:
        Problem: `constraint` where the procedure does not allow the value at all, with the procedure's message;
            `bad-expression`, `expression-too-heavy` where an expression of the procedure fails.
    """
    here = answers.with_value(step.id, instance, value)
    at = (step.id, instance)

    def holds(expression: str) -> bool:
        return evaluate_bool(expression, here, at, now_ms=now_ms, zone=zone, language=language)

    if step.constraint and value and not holds(step.constraint):
        said = say(step.constraint_message, language) or f"{_shown(value)} is not allowed for this step."
        raise Problem("constraint", said, "Nothing was recorded. Enter another value.")
    criterion = step.criterion
    if criterion is None or (not value and step.type != "file"):
        return NOT_JUDGED
    checks = (
        _judge_limits(criterion, step, value),
        _judge_options(criterion, procedure.choices_of(step), step, value),
        _judge_pattern(criterion, value),
        _judge_photos(criterion, files),
        None if not criterion.expression else _passed(holds(criterion.expression), "expression"),
    )
    made = [verdict for verdict in checks if verdict is not None]
    for name in ("fail", "borderline", "pass"):
        for verdict in made:
            if verdict.name == name:
                return msgspec.structs.replace(verdict, message=criterion.message)
    return NOT_JUDGED


def _passed(good: bool, reason: str, limit: str = "") -> Verdict:
    return Verdict("pass") if good else Verdict("fail", reason, limit)


def _judge_limits(criterion: Criterion, step: Step, value: str) -> Verdict | None:
    limits = (
        ("fail", "below_min", criterion.min, -1),
        ("fail", "above_max", criterion.max, 1),
        ("borderline", "below_warn_min", criterion.warn_min, -1),
        ("borderline", "above_warn_max", criterion.warn_max, 1),
    )  # fmt: skip
    if all(limit is None for _, _, limit, _ in limits):
        return None
    amount = _amount(step, value)
    if amount is None:
        return Verdict("fail", "not_a_number")
    for name, reason, limit, side in limits:
        bound = _amount(step, limit) if limit is not None else None
        if bound is not None and (amount < bound if side < 0 else amount > bound):
            return Verdict("fail" if name == "fail" else "borderline", reason, limit or "", _unit(step))
    return Verdict("pass")


def _amount(step: Step, text: str) -> Decimal | None:
    """What limits compare: the number; days and parts of days for dates and times. None where the text is neither."""
    if step.type in ("date", "time", "datetime"):
        days = Clock(0).days(text)
        return None if days.is_nan() else days
    try:
        return numbers.to_decimal(numbers.parse_decimal(text))
    except Problem:
        return None


def _unit(step: Step) -> str:
    return step.unit or ("min" if step.type in ("duration", "timer") else "")


def _judge_options(criterion: Criterion, choices: tuple[Choice, ...], step: Step, value: str) -> Verdict | None:
    if not criterion.accept:
        return None
    picked = value.split() if step.type == "multiple_choice" else [value]
    labels = {choice.id: choice.label for choice in choices}
    accepted = tuple(labels.get(option) or {code: phrase(option, code) for code in get_args(Spoken)} for option in criterion.accept)
    found = _passed(all(option in criterion.accept for option in picked), "not_accepted", ", ".join(map(say, accepted)))
    return msgspec.structs.replace(found, accepted=accepted) if found is not None and found.reason else found


def _judge_pattern(criterion: Criterion, value: str) -> Verdict | None:
    return None if criterion.pattern is None else _passed(matches(value, criterion.pattern), "pattern", criterion.pattern)


def _judge_photos(criterion: Criterion, files: Collection[str]) -> Verdict | None:
    if criterion.photos is None:
        return None
    return _passed(len(frozenset(files)) >= criterion.photos, "photos", str(criterion.photos))


# --- the criterion in words, and whether it makes sense --------------------------------------------------------------


def criterion_in_words(step: Step, language: str = "en", choices: tuple[Choice, ...] | None = None) -> str:
    """What passes, in one line: `between 0.8 and 1.4 bar; warning above 1.3`. '' where the step has no criterion.

    Args:
        language: en, zh_CN or zh_TW; others read English. choices: the options, where they stand in a shared list.
    """
    criterion = step.criterion
    if criterion is None:
        return ""
    unit = _unit(step)

    def amount(text: str) -> str:
        return f"{text} {phrase('minutes', language) if unit == 'min' else unit}".strip()

    parts: list[str] = []
    low, high = criterion.min, criterion.max
    if low is not None and high is not None:
        parts.append(
            phrase("exactly", language, limit=amount(low))
            if low == high
            else phrase("between", language, low=low, high=amount(high))
        )
    elif low is not None:
        parts.append(phrase("at_least", language, limit=amount(low)))
    elif high is not None:
        parts.append(phrase("at_most", language, limit=amount(high)))
    if criterion.accept:
        labels = {choice.id: say(choice.label, language) for choice in (step.choices if choices is None else choices)}
        names = [labels.get(option) or phrase(option, language) for option in criterion.accept]
        parts.append(phrase("options", language, limit=phrase("or", language).join(names)))
    if criterion.photos:
        parts.append(phrase("photos_wanted" if criterion.photos > 1 else "photo_wanted", language, limit=str(criterion.photos)))
    message = say(criterion.message, language)
    if message and (criterion.pattern or criterion.expression):
        parts.append(message.rstrip(".。"))
    else:
        if criterion.pattern:
            parts.append(phrase("of_form", language, limit=criterion.pattern))
        if criterion.expression:
            parts.append(phrase("by_procedure", language))
    warnings = [
        phrase(f"warn_{side}", language, limit=limit)
        for side, limit in (("below", criterion.warn_min), ("above", criterion.warn_max))
        if limit is not None
    ]
    if warnings:
        parts.append(phrase("warning", language, limit=phrase("or_limit", language).join(warnings)))
    return phrase("separator", language).join(parts)


def check_criterion(procedure: Procedure, step: Step) -> tuple[str, ...]:
    """What is wrong with a step's criterion, constraint and expressions, one plain sentence each; empty when nothing is.

    For whoever publishes or imports a procedure: limits that are no numbers or cross each other, options that do not exist, broken
    patterns, expressions with unknown functions or steps.
    """
    faults: list[str] = []
    criterion = step.criterion or Criterion()
    limits = (("min", criterion.min), ("warn_min", criterion.warn_min), ("warn_max", criterion.warn_max), ("max", criterion.max))
    amounts = [(name, text, _amount(step, text)) for name, text in limits if text is not None]
    faults += [f"{name} {text!r} is no value that can be compared" for name, text, amount in amounts if amount is None]
    ordered = [(name, amount) for name, _, amount in amounts if amount is not None]
    faults += [f"{lower} is above {upper}" for (lower, low), (upper, high) in pairwise(ordered) if low > high]
    known = {"yes", "no"} if step.type == "check" else {choice.id for choice in procedure.choices_of(step)}
    if step.type in ("check", "choice", "multiple_choice"):
        faults += [f"accept names {option!r}, which is no option" for option in criterion.accept if option not in known]
    if criterion.pattern is not None:
        _fault_of(faults, "pattern", lambda: matches("", criterion.pattern or ""))
    names = {one.id for one in procedure.steps} | {group.id for group in procedure.groups}
    lists = {*procedure.choice_lists, *(one.id for one in procedure.steps if one.choices)}
    texts = {
        "expression": criterion.expression, "constraint": step.constraint, "relevant": step.relevant,
        "calculation": step.calculation, "choice_filter": step.choice_filter,
    }  # fmt: skip
    for name, text in texts.items():
        if text:
            _fault_of(faults, name, lambda text=text: check_expression(text, names, lists))  # type: ignore[misc]
    return tuple(faults)


def _fault_of(faults: list[str], name: str, check: Callable[[], object]) -> None:
    try:
        check()
    except Problem as problem:
        faults.append(f"{name}: {problem}")
