"""The XLSForm expression language: relevance, constraints, calculations, criteria, choice filters.

`${step}` refers to an answer, `.` to the step itself, `..` to what is around it. Results are text: numbers as canonical decimal
text of 15 significant digits, truth as `true` or `false`, dates in ISO form; NaN and Infinity (arithmetic with a blank) are ''.
Nothing depends on the machine: "now" and the time zone are arguments, and what is random is refused. Every evaluation is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from fieldapp.domain.expression.answers import Answers, Shape, Where
from fieldapp.domain.expression.functions import FUNCTIONS
from fieldapp.domain.expression.patterns import matches
from fieldapp.domain.expression.source import REFUSED, near, shown
from fieldapp.domain.expression.values import Clock, text_of, truth_of
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Step

__all__ = [
    "FUNCTIONS", "REFUSED", "Answers", "Clock", "Shape", "Where", "check_expression", "evaluate", "evaluate_bool",
    "filter_choices", "matches", "prefill",
]  # fmt: skip

RESULT_LIMIT = 10_000
"""Characters of a result."""
_DYNAMIC = re.compile(r"\$\{|[A-Za-z-]\s*\(")


def evaluate(text: str, answers: Answers, at: Where = ("", 0), *, now_ms: int = 0, zone: str = "UTC", language: str = "en") -> str:
    """What an expression comes to, as the text that is stored.

    Args:
        text: the expression. answers: what is recorded. at: the step (or group) and instance it is evaluated for.
        now_ms: milliseconds since 1970 UTC. zone: IANA name for today() and now(). language: of labels (jr:choice-name).

    Raises:
        Problem: `bad-expression` where it cannot be read or worked out, `expression-too-heavy` where it was stopped.
    """
    item = _first(text, answers, at, Clock(now_ms, zone), language)
    result = text_of(item)
    if not isinstance(item, str) and result in ("NaN", "Infinity", "-Infinity"):
        return ""
    if len(result) > RESULT_LIMIT:
        raise Problem("expression-too-heavy", f"The result of {shown(text)} has {len(result):,} characters, which is too many.")
    return result


def evaluate_bool(
    text: str, answers: Answers, at: Where = ("", 0), *, now_ms: int = 0, zone: str = "UTC", language: str = "en"
) -> bool:
    """Whether an expression holds. Arguments and errors as for `evaluate`."""
    return truth_of(_first(text, answers, at, Clock(now_ms, zone), language))


def filter_choices(answers: Answers, step: Step, instance: int = 0, *, now_ms: int = 0, zone: str = "UTC") -> tuple[Choice, ...]:
    """The options of a step that its choice filter lets through; bare names in the filter are columns of the choice list.

    Raises:
        Problem: as `evaluate`.
    """
    choices = answers.procedure.choices_of(step)
    if not step.choice_filter:
        return choices
    from fieldapp.domain.expression.language import run

    clock = Clock(now_ms, zone)
    node = answers.list_node(step.choices_from or step.id, "en")
    if node is None:
        return choices
    shown_choices = []
    for choice, item in zip(choices, node.children[0].children, strict=True):
        found = run(step.choice_filter, answers, (step.id, instance), clock, "en", item)
        if found and truth_of(found[0]):
            shown_choices.append(choice)
    return tuple(shown_choices)


def is_computed(default: str) -> bool:
    """Whether a default is an expression (`today()`, `${start}`) and not a text as it stands."""
    return bool(_DYNAMIC.search(default))


def prefill(answers: Answers, step: Step, instance: int = 0, *, now_ms: int = 0, zone: str = "UTC") -> str:
    """The default of a step: its text as it stands, or what it comes to where it is an expression (`today()`)."""
    if not step.default:
        return ""
    if not is_computed(step.default):
        return step.default
    return evaluate(step.default, answers, (step.id, instance), now_ms=now_ms, zone=zone)


def check_expression(text: str, known_names: Collection[str] | None = None, lists: Collection[str] | None = None) -> None:
    """Find what is wrong with an expression before anyone works by it.

    Args:
        text: the expression. known_names: ids of the steps and groups that may be referred to; None: any.
        lists: names of the choice lists that instance() may name; None: any.

    Raises:
        Problem: `bad-expression` for a syntax error, an unknown function, name or list, a broken pattern;
            `expression-too-heavy` where it is too long or too deeply nested.
    """
    from fieldapp.domain.expression.language import compiled

    source, token = compiled(text)
    for name in (*source.names, *source.quoted) if known_names is not None else ():
        if name not in known_names:  # type: ignore[operator]
            raise Problem(
                "bad-expression",
                f"The expression {shown(text)} refers to {name[:60]!r}, which is no step of this procedure.",
                near(name, known_names or ()),
            )
    for call in token.iter("regex", "instance"):
        literal = call[-1]
        if literal.symbol != "(string)":
            continue
        if call.symbol == "regex":
            matches("", literal.value)
        elif lists is not None and literal.value not in lists:
            raise Problem(
                "bad-expression",
                f"The expression {shown(text)} names the choice list {literal.value[:60]!r}, which is unknown.",
                near(literal.value, lists),
            )


def _first(text: str, answers: Answers, at: Where, clock: Clock, language: str) -> Any:
    from fieldapp.domain.expression.language import run

    return next(iter(run(text, answers, at, clock, language)), "")
