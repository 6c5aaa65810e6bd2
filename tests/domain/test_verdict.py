"""From what was typed to the stored value, and from the value to the verdict."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain.expression import Answers
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Criterion, Procedure, Step
from fieldapp.domain.verdict import Verdict, canonical, check_criterion, criterion_in_words, judge
from tests.domain.forms import procedure, step

COLOURS = (
    Choice("red", {"en": "Red", "zh_CN": "红"}), Choice("dark_red", {"en": "Dark red"}), Choice("2", {"en": "Blue"}),
    Choice("g1", {"en": "Green"}), Choice("g2", {"en": "green"}),
)  # fmt: skip


def stored(one: Step, typed: str) -> str:
    return canonical(procedure(one), one, typed)


def judged(one: Step, value: str, *, others: dict[tuple[str, int], str] | None = None, files: tuple[str, ...] = ()) -> Verdict:
    made: Procedure = procedure(one, step("other", "number"))
    return judge(made, one, value, Answers(made, others or {}), files)


@pytest.mark.parametrize("typed", ["yes", "Y", "TRUE", " ok ", "是", "对", "1", "Yes.", "ＹＥＳ"])
def test_words_for_yes(typed: str) -> None:
    assert stored(step("x", "check"), typed) == "yes"


@pytest.mark.parametrize("typed", ["no", "N", "false", "否", "不是", "0", "不合格"])
def test_words_for_no(typed: str) -> None:
    assert stored(step("x", "check"), typed) == "no"


@pytest.mark.parametrize("typed", ["maybe", "yes no", "", "  ", "2"])
def test_anything_else_is_neither(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        stored(step("x", "check"), typed)
    assert refused.value.code == "bad-value"


@pytest.mark.parametrize(
    ("typed", "option"), [("red", "red"), ("RED", "red"), ("红", "red"), ("Dark red", "dark_red"), ("blue", "2"), ("2", "2")]
)
def test_a_choice_by_id_or_label(typed: str, option: str) -> None:
    assert stored(step("x", "choice", choices=COLOURS), typed) == option


def test_a_choice_that_is_none_or_two_says_what_there_is() -> None:
    colour = step("x", "choice", choices=COLOURS)
    with pytest.raises(Problem, match="not one of the options") as refused:
        stored(colour, "dark_rad")
    assert refused.value.hint == "Did you mean dark_red?"
    with pytest.raises(Problem, match="more than one") as refused:
        stored(colour, "green")
    assert "g1, g2" in refused.value.hint
    with pytest.raises(Problem) as refused:
        stored(step("x", "choice"), "a")
    assert "no options" in refused.value.hint


@pytest.mark.parametrize("typed", ["2 red", "red 2", "Blue, Red", "blue；红", "2,red,2", "Blue、red"])
def test_several_choices_stand_in_list_order(typed: str) -> None:
    assert stored(step("x", "multiple_choice", choices=COLOURS), typed) == "red 2"


def test_labels_of_two_words_are_one_choice() -> None:
    several = step("x", "multiple_choice", choices=COLOURS)
    assert stored(several, "Dark red") == "dark_red"
    assert stored(several, "dark red, red") == "red dark_red"
    with pytest.raises(Problem, match="purple"):
        stored(several, "red purple")


def test_numbers_may_carry_the_unit_of_the_step() -> None:
    pressure = step("x", "number", unit="bar")
    assert stored(pressure, "1,30 bar") == "1.3"
    assert stored(pressure, "1.3bar") == "1.3"
    assert stored(step("x", "number", unit="%"), "50 %") == "50"
    with pytest.raises(Problem):
        stored(pressure, "1.3 psi")
    with pytest.raises(Problem, match="whole"):
        stored(step("x", "number", integer=True), "1.5")


def test_other_types() -> None:
    assert stored(step("x", "duration"), "1:30") == "90"
    assert stored(step("x", "timer"), "5 min") == "5"
    assert stored(step("x", "date"), "20.11.2026") == "2026-11-20"
    assert stored(step("x", "datetime"), "2026-11-20 9:30") == "2026-11-20T09:30:00"
    assert stored(step("x", "time"), "9:30") == "09:30:00"
    assert stored(step("x", "scan"), " AB-12\n") == "AB-12"
    for typed in ("a\x00b", "\ud800", "x" * 10_001):
        with pytest.raises(Problem):
            stored(step("x"), typed)


PRESSURE = step("x", "number", unit="bar", criterion=Criterion(min="0.8", max="1.4", warn_min="0.9", warn_max="1.3"))


@pytest.mark.parametrize(
    ("value", "name"),
    [("0.79", "fail"), ("0.8", "borderline"), ("0.89", "borderline"), ("0.9", "pass"), ("1.3", "pass"), ("1.30001", "borderline"),
     ("1.4", "borderline"), ("1.40001", "fail"), ("-1", "fail")],
)  # fmt: skip
def test_limits_belong_to_what_passes(value: str, name: str) -> None:
    assert judged(PRESSURE, value).name == name


def test_the_wifi_limits_of_a_real_standard() -> None:
    signal = step("x", "number", unit="dBm", criterion=Criterion(min="-67"))
    noise = step("x", "number", unit="dB", criterion=Criterion(min="25", warn_min="28"))
    assert [judged(signal, value).name for value in ("-66", "-67", "-67.5")] == ["pass", "pass", "fail"]
    assert [judged(noise, value).name for value in ("20", "25", "28")] == ["fail", "borderline", "pass"]


def test_reasons_are_said_in_words() -> None:
    low = judged(PRESSURE, "0.7")
    assert (low.reason, low.limit, low.unit) == ("below_min", "0.8", "bar")
    assert low.because == "below 0.8 bar, the least that passes"
    assert low.because_in("zh_CN") == "低于下限 0.8 bar"
    own = step("x", "number", criterion=Criterion(max="5", message={"en": "Stop the pump."}))
    assert judged(own, "6").because == "above 5, the most that passes; Stop the pump."
    assert judged(own, "5").because == ""
    tag = step("x", "scan", criterion=Criterion(pattern="[A-Z]+[0-9]", message={"en": "The tag of a chiller."}))
    assert judged(tag, "abc").because == "The tag of a chiller."
    dated = step("x", "date", criterion=Criterion(expression="${x} >= '2026-01-01'", message={"en": "Not past its date."}))
    assert judged(dated, "2025-12-31").because == "Not past its date."


def test_options_patterns_and_photos() -> None:
    check = step("x", "check", criterion=Criterion(accept=("yes",)))
    assert judged(check, "yes").name == "pass"
    assert judged(check, "no").name == "fail"
    several = step("x", "multiple_choice", choices=COLOURS, criterion=Criterion(accept=("red", "2")))
    assert judged(several, "red 2").name == "pass"
    assert judged(several, "red g1").name == "fail"
    code = step("x", "scan", criterion=Criterion(pattern="[A-Z]{2}-[0-9]+"))
    assert judged(code, "AB-1").name == "pass"
    assert judged(code, "xAB-1").name == "fail"
    photos = step("x", "file", criterion=Criterion(photos=2))
    assert judged(photos, "aa bb", files=("aa", "bb")).name == "pass"
    assert judged(photos, "aa", files=("aa", "aa")).name == "fail"


def test_a_condition_over_other_steps() -> None:
    delta = step("x", "number", criterion=Criterion(expression=". - ${other} <= 5", warn_max="100"))
    assert judged(delta, "8", others={("other", 0): "3"}).name == "pass"
    assert judged(delta, "8.1", others={("other", 0): "3"}).name == "fail"
    assert judged(delta, "101", others={("other", 0): "99"}).name == "borderline"
    assert judged(delta, "101", others={("other", 0): "1"}).name == "fail"  # what fails outweighs what warns


def test_all_parts_must_hold() -> None:
    both = step("x", "number", criterion=Criterion(min="0", max="10", expression=". mod 2 = 0"))
    assert [judged(both, value).name for value in ("4", "3", "12")] == ["pass", "fail", "fail"]


def test_dates_have_limits_too() -> None:
    due = step("x", "date", criterion=Criterion(min="2026-01-01", warn_min="2026-02-01"))
    assert [judged(due, value).name for value in ("2025-12-31", "2026-01-01", "2026-02-01")] == ["fail", "borderline", "pass"]


def test_where_nothing_is_judged_the_verdict_is_none() -> None:
    assert judged(step("x"), "anything").name == "none"
    assert judged(step("x", "calculated", criterion=Criterion(min="1")), "").name == "none"
    assert judged(step("x", "calculated", criterion=Criterion(min="1")), "abc").name == "fail"


def test_a_constraint_refuses_the_value_with_its_message() -> None:
    bound = step("x", "number", constraint=". >= 0 and . <= 30", constraint_message={"en": "0 to 30 bar.", "zh_CN": "0–30 bar。"})
    assert judged(bound, "30").name == "none"
    with pytest.raises(Problem, match="0 to 30 bar") as refused:
        judged(bound, "31")
    assert refused.value.code == "constraint"
    with pytest.raises(Problem, match="not allowed"):
        judged(step("x", "number", constraint=". < 1"), "2")


LIMITS = st.lists(st.decimals(min_value=-1000, max_value=1000, places=2), min_size=4, max_size=4).map(sorted)
ORDER = {"fail": 0, "borderline": 1, "pass": 2}


@given(LIMITS, st.decimals(min_value=-1100, max_value=1100, places=3), st.decimals(min_value=-1100, max_value=1100, places=3))
def test_a_value_nearer_the_middle_is_never_judged_worse(limits: list[Decimal], one: Decimal, other: Decimal) -> None:
    low, warn_low, warn_high, high = limits
    number = step("x", "number", criterion=Criterion(str(low), str(high), str(warn_low), str(warn_high)))

    def rank(value: Decimal) -> int:
        return ORDER[judged(number, canonical(procedure(number), number, format(value, "f"))).name]

    assert rank(low) >= ORDER["borderline"] <= rank(high)
    assert rank(warn_low) == rank(warn_high) == ORDER["pass"]
    step_size = Decimal("0.001")
    assert rank(low - step_size) == rank(high + step_size) == ORDER["fail"]
    below = sorted([one, other])
    if below[1] <= warn_low:
        assert rank(below[0]) <= rank(below[1])
    if below[0] >= warn_high:
        assert rank(below[0]) >= rank(below[1])


@given(
    typed=st.text(max_size=60),
    kind=st.sampled_from(["check", "choice", "multiple_choice", "number", "text", "date", "duration", "scan"]),
)
def test_any_typed_text_is_stored_or_refused_and_stays_what_it_is(typed: str, kind) -> None:  # type: ignore[no-untyped-def]
    one = step("x", kind, choices=COLOURS)
    try:
        value = stored(one, typed)
    except Problem as problem:
        code = problem.code
    else:
        code = "bad-value"
        assert stored(one, value) == value
    assert code == "bad-value"


@pytest.mark.parametrize(
    ("one", "english", "chinese"),
    [
        (step("x", "number", unit="bar", criterion=Criterion(min="0.8", max="1.4", warn_max="1.3")),
         "between 0.8 and 1.4 bar; warning above 1.3", "0.8 至 1.4 bar 之间；高于 1.3 时警告"),
        (step("x", "number", unit="dB", criterion=Criterion(min="25", warn_min="28")),
         "at least 25 dB; warning below 28", "不低于 25 dB；低于 28 时警告"),
        (step("x", "duration", criterion=Criterion(max="90")), "at most 90 min", "不高于 90 分钟"),
        (step("x", "number", criterion=Criterion(min="5", max="5")), "exactly 5", "正好 5"),
        (step("x", "check", criterion=Criterion(accept=("yes",))), "yes", "是"),
        (step("x", "choice", choices=COLOURS, criterion=Criterion(accept=("red", "2"))), "Red or Blue", "红 或 Blue"),
        (step("x", "file", criterion=Criterion(photos=2)), "at least 2 photos", "至少 2 张照片"),
        (step("x", "scan", criterion=Criterion(pattern="[A-Z]+")), "of the form [A-Z]+", "格式为 [A-Z]+"),
        (step("x", "scan", criterion=Criterion(pattern="[A-Z]+", message={"en": "Capitals.", "zh_CN": "大写字母。"})),
         "Capitals", "大写字母"),
        (step("x", criterion=Criterion(expression="1", message={"en": "below the inlet"})), "below the inlet", "below the inlet"),
        (step("x"), "", ""),
    ],
)  # fmt: skip
def test_the_criterion_in_words(one: Step, english: str, chinese: str) -> None:
    assert criterion_in_words(one) == english
    assert criterion_in_words(one, "zh_CN") == chinese


def test_traditional_characters_where_they_are_used() -> None:
    assert criterion_in_words(PRESSURE, "zh_TW") == "0.8 至 1.4 bar 之間；低於 0.9 或高於 1.3 時警告"
    assert criterion_in_words(PRESSURE, "fr") == criterion_in_words(PRESSURE, "en")


def test_what_would_pass_is_named_in_the_language_of_whoever_reads() -> None:
    choice = judged(step("x", "choice", choices=COLOURS, criterion=Criterion(accept=("red", "2"))), "g1")
    assert choice.because == "only these pass: Red or Blue"
    assert choice.because_in("zh_CN") == "合格的选项：红 或 Blue"
    check = judged(step("x", "check", criterion=Criterion(accept=("yes",))), "no")
    assert (check.because, check.because_in("zh_TW")) == ("only these pass: yes", "合格的選項：是")


def test_a_criterion_that_makes_no_sense_is_found_before_it_is_published() -> None:
    bad = step(
        "x", "choice", choices=COLOURS, constraint="foo(1)", relevant="${nowhere} = 1",
        criterion=Criterion(min="5", max="4", warn_max="much", accept=("purple",), pattern="(", expression="${other} +"),
    )  # fmt: skip
    faults = check_criterion(procedure(bad, step("other")), bad)
    for words in ("min is above max", "'much'", "'purple'", "pattern:", "expression:", "foo()", "nowhere"):
        assert any(words in fault for fault in faults), words
    assert check_criterion(procedure(PRESSURE), PRESSURE) == ()
    dated = step("x", "date", criterion=Criterion(min="2026-01-01", max="2025-01-01"))
    assert check_criterion(procedure(dated), dated) == ("min is above max",)
