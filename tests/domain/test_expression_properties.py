"""The expression language against any text: only Problems, always an end, the same answer every time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldapp.domain.expression import Answers, check_expression, evaluate, evaluate_bool
from fieldapp.domain.expression.functions import FUNCTIONS
from fieldapp.domain.expression.language import WORK_LIMIT, Work
from fieldapp.domain.expression.source import REFUSED
from fieldapp.domain.expression.values import Clock, number_text
from fieldapp.domain.numbers import is_canonical, to_decimal
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Group
from tests.domain.forms import NOW_MS, procedure, step

FORM = procedure(
    step("a", "number"), step("b"), step("c", "multiple_choice", choices=(Choice("x", {"en": "X"}), Choice("y", {"en": "Y"}))),
    step("r", "number", group="rep"),
    groups=(Group("rep", repeat=9),),
)  # fmt: skip
CODES = ("bad-expression", "expression-too-heavy")
WORDS = st.sampled_from(
    [
        "${a}",
        "${b}",
        "${c}",
        "${r}",
        "${rep}",
        ".",
        "..",
        "/",
        "//",
        "*",
        "[",
        "]",
        "(",
        ")",
        ",",
        "1",
        "0.5",
        "'x'",
        '""',
        "+",
        "-",
        "div",
        "mod",
        "and",
        "or",
        "=",
        "!=",
        "<",
        ">=",
        "|",
        "@",
        "::",
        "child::",
        "ancestor::",
        "following::",
        "self::",
        "node()",
        "text()",
        "$",
        "1e9",
        "'(a|aa)+b'",
        "item",
        "current()",
        "instance('c')",
        *(f"{name}(" for name in FUNCTIONS),
        *(f"{name}()" for name in REFUSED),
    ]
)


def leaf() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["${a}", "${b}", "${c}", "${r}", ".", "..", "1", "-2.5", "'x y'", "''", "true()", "today()", "//r", "../a"]
    )


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "div", "mod", "and", "or", "=", "!=", "<", "<=", ">", ">=", "|"])
    calls = st.sampled_from(sorted(FUNCTIONS.items())).flatmap(
        lambda item: st.lists(
            inner, min_size=item[1].least, max_size=max(item[1].least, 4 if item[1].most is None else item[1].most)
        ).map(lambda arguments: f"{item[0].replace('jr-', 'jr:')}({', '.join(arguments)})")
    )
    return st.one_of(st.tuples(inner, operators, inner).map(lambda parts: f"({' '.join(parts)})"), calls)


WELL_FORMED = st.recursive(leaf(), grown, max_leaves=12)
VALUES = st.fixed_dictionaries(
    {
        ("a", 0): st.sampled_from(["", "0", "-3.5", "12345678901234567890"]),
        ("b", 0): st.text(max_size=20),
        ("c", 0): st.just("x y"),
    },
    optional={("r", 1): st.sampled_from(["1", "2"]), ("r", 3): st.just("9")},
)


def outcome(text: str, answers: Answers, at: tuple[str, int] = ("a", 0)) -> str | Problem:
    try:
        return evaluate(text, answers, at, now_ms=NOW_MS)
    except Problem as problem:
        return problem


@given(text=st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=15).map(" ".join)), values=VALUES)
@settings(max_examples=400)
def test_any_text_ends_in_a_value_or_a_problem(text: str, values: dict[tuple[str, int], str]) -> None:
    result = outcome(text, Answers(FORM, values))
    if isinstance(result, Problem):
        assert result.code in CODES
        assert result.message


@given(text=WELL_FORMED, values=VALUES, at=st.sampled_from([("a", 0), ("r", 1), ("r", 4), ("rep", 2), ("", 0)]))
@settings(max_examples=400)
def test_whatever_is_well_formed_gives_the_same_twice(text: str, values: dict[tuple[str, int], str], at: tuple[str, int]) -> None:
    first = outcome(text, Answers(FORM, values), at)
    again = outcome(text, Answers(FORM, values), at)
    assert str(first) == str(again)
    assert "e+" not in str(first).lower() or isinstance(first, Problem) or "'" in text


@given(text=WELL_FORMED)
def test_what_checks_without_a_problem_names_only_known_steps(text: str) -> None:
    check_expression(text, {"a", "b", "c", "r", "rep"})
    if "${a}" in text:
        with pytest.raises(Problem):
            check_expression(text, {"b", "c", "r", "rep"})


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**14), max_value=10**14))
def test_numbers_leave_as_canonical_text_of_15_digits(number: Decimal) -> None:
    text = number_text(number)
    assert is_canonical(text)
    back = to_decimal(text)
    assert back is not None
    assert abs(back - number) <= abs(number) * Decimal("1e-14") + Decimal("1e-28")


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from(["+", "-", "*", "<", "=", ">="]))
def test_whole_numbers_count_as_in_python(left: int, right: int, sign: str) -> None:
    answers = Answers(FORM, {("a", 0): str(left)})
    wanted = {
        "+": left + right, "-": left - right, "*": left * right, "<": left < right, "=": left == right, ">=": left >= right,
    }[sign]  # fmt: skip
    assert evaluate(f"${{a}} {sign} {right}", answers) == (str(wanted).lower() if isinstance(wanted, bool) else str(wanted))


@given(VALUES)
def test_truth_agrees_with_its_text(values: dict[tuple[str, int], str]) -> None:
    answers = Answers(FORM, values)
    for text in ("${a} > 0", "${a} = ''", "selected(${c}, 'x')", "count(${rep}) > 1", "${b} = ${a}"):
        assert evaluate(text, answers) == ("true" if evaluate_bool(text, answers) else "false")


@pytest.mark.parametrize(
    "text",
    [
        "count(//*[count(//*[count(//*[count(//*) > 0]) > 0]) > 0])",
        "count(//*/following::*/preceding::*/following::*/preceding::*)",
        "//* = //*[//* = //*[//* = //*]]",
        "sum(//r | //r[. = //r[. = //r]])",
    ],
)
def test_work_is_counted_wherever_a_path_can_wander(text: str) -> None:
    big = procedure(*(step(f"s{number}") for number in range(400)), step("r", group="rep"), groups=(Group("rep", repeat=500),))
    answers = Answers(big, {("r", number): str(number) for number in range(1, 401)})
    with pytest.raises(Problem) as refused:
        evaluate(text, answers)
    assert refused.value.code == "expression-too-heavy"


def test_the_budget_is_spent_and_then_refused() -> None:
    work = Work(Answers(FORM), Clock(0), "en")
    work.spend(WORK_LIMIT)
    with pytest.raises(Problem):
        work.spend(1)


def test_texts_cannot_be_doubled_without_end() -> None:
    text = "concat(" + ", ".join(["${b}"] * 300) + ")"
    with pytest.raises(Problem) as refused:
        evaluate(text, Answers(FORM, {("b", 0): "x" * 1_000}))
    assert refused.value.code == "expression-too-heavy"
