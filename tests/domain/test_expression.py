"""The XLSForm expression language, by examples: what an expression comes to, and what is refused in which words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fieldapp.domain.expression import Answers, check_expression, evaluate, evaluate_bool, filter_choices, prefill
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Group
from tests.domain.forms import NOW_MS, procedure, step

PARTS = (
    Choice("belt", {"en": "Belt", "zh_CN": "皮带"}, {"line": "a"}),
    Choice("filter", {"en": "Filter", "zh_CN": "滤芯"}, {"line": "b"}),
)
FORM = procedure(
    step("a", "number"), step("b", "number"), step("blank", "number"), step("text"), step("code"),
    step("parts", "multiple_choice", choices_from="parts"), step("day", "date"), step("at", "datetime"), step("ok", "check"),
    step("amount", "number", group="readings"), step("who", group="readings"), step("deep", "number", group="inner"),
    step("count", "number"), step("picked", "choice", choices_from="parts", choice_filter="line = ${code}"),
    groups=(
        Group("readings", repeat=5), Group("outer", repeat=3), Group("inner", parent="outer", repeat=4), Group("plain"),
    ),
    choice_lists={"parts": PARTS},
)  # fmt: skip
ANSWERS = Answers(
    FORM,
    {
        ("a", 0): "0.1", ("b", 0): "0.2", ("text", 0): "two words", ("code", 0): "b", ("parts", 0): "belt filter",
        ("day", 0): "2026-11-20",
        ("at", 0): "2026-11-20T10:00:00+01:00", ("ok", 0): "yes", ("amount", 1): "5", ("amount", 2): "7", ("who", 2): "bob",
        ("deep", 6): "3", ("count", 0): "8",
    },
)  # fmt: skip


def came_to(text: str, at: tuple[str, int] = ("text", 0)) -> str:
    return evaluate(text, ANSWERS, at, now_ms=NOW_MS, zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        # numbers: decimals inside, 15 digits outside
        ("${a} + ${b}", "0.3"),
        ("${a} + ${b} = 0.3", "true"),
        ("1 div 3", "0.333333333333333"),
        ("1 div 3 * 3 = 1", "true"),
        ("1 + 2 * 3 - 4 div 2", "5"),
        ("-7 mod 3", "-1"),
        ("0.3 mod 0.1", "0"),
        ("7 mod -3", "1"),
        ("${a}-${b}", "-0.1"),
        ("1 div 0", ""),
        ("${blank} + 1", ""),
        ("${text} + 1", ""),
        ("number('')", ""),
        ("-${a}", "-0.1"),
        ("1e3", "1000"),
        ("int(-3.7)", "-3"),
        ("int(1 div 3 * 3)", "1"),
        ("round(2.345, 2)", "2.35"),
        ("round(-2.5)", "-2"),
        ("round(1234, -2)", "1200"),
        ("floor(-0.5)", "-1"),
        ("ceiling(0.2)", "1"),
        ("abs(-4)", "4"),
        ("pow(2, 10)", "1024"),
        ("pow(2, 0.5)", "1.4142135623731"),
        ("sqrt(9)", "3"),
        ("round(sin(pi() div 2), 6)", "1"),
        ("log10(1000)", "3"),
        ("sum(1, 2, 3)", "6"),
        # comparison and logic
        ("1 < 2 and not(2 < 1)", "true"),
        ("${blank} = ''", "true"),
        ("${blank} != 0", "true"),
        ("${blank} > 0", "false"),
        ("${count} = '8.0'", "true"),
        ("${text} = 'two words'", "true"),
        ("'10' > '9'", "true"),
        ("true() = 'x'", "true"),
        ("${a} > 0 or 1 div 0", "true"),
        ("1 = 1 = true()", None),
        # choice of a value
        ("if(${a} > 0, 'yes', 'no')", "yes"),
        ("if(true(), 1, ${nowhere})", None),
        ("coalesce(${blank}, 'none')", "none"),
        ("coalesce(${a}, 'none')", "0.1"),
        ("once('first')", "two words"),
        ("boolean-from-string('1')", "true"),
        ("checklist(1, 2, ${a} > 0, ${b} > 9)", "true"),
        ("checklist(2, -1, ${a} > 0, ${b} > 9)", "false"),
        ("weighted-checklist(3, 5, true(), 2, true(), 2, false(), 9)", "true"),
        # texts
        ("concat('a', 1, ${text})", "a1two words"),
        ("join('-', ${amount})", "5-7"),
        ("substr('hello', 1, 3)", "el"),
        ("substr('hello', -2)", "lo"),
        ("substring('hello', 2, 3)", "ell"),
        ("substring-before('a=b', '=')", "a"),
        ("substring-after('a=b', '=')", "b"),
        ("contains('hello', 'ell')", "true"),
        ("starts-with('hello', 'he')", "true"),
        ("ends-with('hello', 'lo')", "true"),
        ("string-length(${text})", "9"),
        ("normalize-space('  a   b ')", "a b"),
        ("translate('abc', 'ab', 'x')", "xc"),
        ("regex('AB-12', '[A-Z]{2}-[0-9]+')", "true"),
        ("regex('AB-12x', '[A-Z]{2}-[0-9]+')", "false"),
        ("string(1.50)", "1.5"),
        ('‘it’ = "it"', "true"),
        # choices and lists
        ("selected(${parts}, 'filter')", "true"),
        ("selected(${parts}, 'fil')", "false"),
        ("count-selected(${parts})", "2"),
        ("selected-at(${parts}, 1)", "filter"),
        ("selected-at(${parts}, 5)", ""),
        ("jr:choice-name(selected-at(${parts}, 0), '${parts}')", "Belt"),
        ("count(instance('parts')/root/item)", "2"),
        ("instance('parts')/root/item[line = ${code}]/label", "Filter"),
        ("instance('parts')/root/item[name = current()/../code]/label", ""),
        # repeats, from outside
        ("sum(${amount})", "12"),
        ("max(${amount})", "7"),
        ("min(${amount})", "5"),
        ("count(${readings})", "2"),
        ("count-non-empty(${who})", "1"),
        ("indexed-repeat(${amount}, ${readings}, 2)", "7"),
        ("${readings}[2]/amount", "7"),
        ("${readings}[position() = last()]/who", "bob"),
        ("indexed-repeat(${deep}, ${outer}, 2, ${inner}, 2)", "3"),
        # paths
        ("../a", "0.1"),
        ("/data/a", "0.1"),
        ("//who[. = 'bob']", "bob"),
        ("count(/data/readings/amount)", "2"),
        ("count(//nothing)", "0"),
        # dates
        ("today()", "2026-11-23"),
        ("now()", "2026-11-23T09:00:00.000+01:00"),
        ("${day} < today()", "true"),
        ("date(${day} + 1)", "2026-11-21"),
        ("today() - ${day}", "3"),
        ("${at} < now()", "true"),
        ("decimal-date-time('1970-01-02')", "1"),
        ("format-date(${day}, '%d.%m.%Y %a')", "20.11.2026 Fri"),
        ("format-date-time(${at}, '%H:%M')", "10:00"),
        ("date('nonsense')", ""),
        ("date-time('2026-07-01')", "2026-07-01T00:00:00.000+02:00"),
        ("'08:30' < '17:00'", "true"),
        ("decimal-time('12:00')", "0.5"),
    ],
)
def test_what_expressions_come_to(text: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(Problem):
            came_to(text)
    else:
        assert came_to(text) == result


@pytest.mark.parametrize(
    ("text", "at", "result"),
    [
        (". * 2", ("amount", 2), "14"),
        ("${amount} * 2", ("who", 2), "14"),
        ("sum(${amount})", ("who", 1), "5"),
        ("position(..)", ("amount", 2), "2"),
        ("index()", ("amount", 2), "2"),
        ("count(${readings})", ("amount", 3), "3"),
        ("${amount}", ("amount", 3), ""),
        ("indexed-repeat(${amount}, ${readings}, position(..) - 1)", ("amount", 2), "5"),
        ("${deep}", ("deep", 6), "3"),
        ("count(${inner})", ("deep", 6), "2"),
        ("${a} + .", ("amount", 1), "5.1"),
        (". = 0.1", ("a", 0), "true"),
        ("once(5)", ("a", 0), "0.1"),
    ],
)
def test_the_same_instance_of_a_repeat_is_meant_inside_it(text: str, at: tuple[str, int], result: str) -> None:
    assert came_to(text, at) == result


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "bad-expression", "empty"),
        ("1 +", "bad-expression", "end of source"),
        ("(1", "bad-expression", "brackets"),
        ("'abc", "bad-expression", "quotation mark"),
        ("because it doesn't know", "bad-expression", "quotation mark"),
        ("frobnicate(1)", "bad-expression", "frobnicate\\(\\), which is unknown"),
        ("roundd(1)", "bad-expression", "round"),
        ("if(1)", "bad-expression", "Too few"),
        ("true(1)", "bad-expression", "no arguments"),
        ("${nowhere}", "bad-expression", "nowhere"),
        ("$a", "bad-expression", "stands alone"),
        ("random()", "bad-expression", "same answers"),
        ("uuid()", "bad-expression", "id of its own"),
        ("pulldata('a', 'b', 'c', 'd')", "bad-expression", "choice list"),
        ("${last-saved#a}", "bad-expression", "last saved"),
        ("regex('a', '(')", "bad-expression", "regular expression"),
        ("instance('nolist')/root", "bad-expression", "nolist"),
        ("document('x')", "bad-expression", "unknown"),
        ("format-date(today(), '%Q')", "bad-expression", "%Q"),
        ("pow(10, 40)", "bad-expression", "digits"),
        ("1 < 2 < 3", "bad-expression", "unexpected"),
        ("\ud800", "bad-expression", "read"),
        ("(" * 60 + "1" + ")" * 60, "expression-too-heavy", "nested"),
        ("1" + "+1" * 2_500, "expression-too-heavy", "too long"),
        ("-" * 900 + "1", "expression-too-heavy", "deeply"),
        ("//*[//*[//*[//*[//*]]]]", "expression-too-heavy", "looks at too much"),
        ("regex('" + "a" * 60 + "', '(a|aa)+c')", "expression-too-heavy", "too long on this text"),
    ],
)
def test_what_is_refused_and_how_it_is_said(text: str, code: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as refused:
        came_to(text)
    assert refused.value.code == code


def test_long_chains_are_no_problem() -> None:
    assert came_to("+".join(["1"] * 900)) == "900"
    assert came_to(" or ".join(["${a} = 5"] * 200)) == "false"
    assert came_to("if(1 = 2, 0, " * 40 + "'end'" + ")" * 40) == "end"


def test_checking_finds_names_and_lists_before_anyone_works_by_them() -> None:
    check_expression("${a} > 0 and jr:choice-name(${b}, '${a}') = ''", {"a", "b"})
    with pytest.raises(Problem, match="presure") as refused:
        check_expression("${presure} > 0", {"pressure", "flow"})
    assert refused.value.hint == "Did you mean pressure?"
    with pytest.raises(Problem, match="'c'"):
        check_expression("jr:choice-name(${a}, '${c}')", {"a"})
    with pytest.raises(Problem, match="cities"):
        check_expression("instance('cities')/root/item", {"a"}, {"towns"})
    with pytest.raises(Problem, match="regular expression"):
        check_expression("regex(., '[')", set())


def test_the_zone_decides_which_day_it_is() -> None:
    late = NOW_MS + 14 * 3_600_000  # 22:00 UTC
    assert evaluate("today()", ANSWERS, now_ms=late, zone="UTC") == "2026-11-23"
    assert evaluate("today()", ANSWERS, now_ms=late, zone="Asia/Shanghai") == "2026-11-24"
    with pytest.raises(Problem, match="Nowhere"):
        evaluate("today()", ANSWERS, now_ms=late, zone="Nowhere/At-all")
    with pytest.raises(Problem, match="clock"):
        evaluate("now()", ANSWERS, now_ms=10**18)


def test_differences_of_instants_are_exact_across_summer_time() -> None:
    hours = "round((decimal-date-time('2026-03-29T03:30:00+02:00') - decimal-date-time('2026-03-29T01:30:00+01:00')) * 24, 6)"
    assert came_to(hours) == "1"


def test_choice_filters_look_at_columns_and_answers() -> None:
    picked = FORM.step("picked")
    assert picked is not None
    assert [choice.id for choice in filter_choices(ANSWERS, picked)] == ["filter"]
    assert filter_choices(ANSWERS.with_value("code", 0, "z"), picked) == ()
    parts = FORM.step("parts")
    assert parts is not None
    assert filter_choices(ANSWERS, parts) == PARTS


def test_labels_come_in_the_language_asked_for() -> None:
    assert evaluate("jr:choice-name('belt', '${parts}')", ANSWERS, ("text", 0), language="zh_CN") == "皮带"


def test_defaults_are_text_or_worked_out() -> None:
    assert prefill(ANSWERS, step("x", default="3-4")) == "3-4"
    assert prefill(ANSWERS, step("x", "date", default="today()"), now_ms=NOW_MS) == "2026-11-23"
    assert prefill(ANSWERS, step("x")) == ""


def test_answers_are_never_changed_in_place() -> None:
    changed = ANSWERS.with_value("a", 0, "9")
    assert evaluate("${a}", changed) == "9"
    assert evaluate("${a}", ANSWERS) == "0.1"
    assert evaluate("${a}", changed.without([("a", 0)])) == ""
    assert not evaluate_bool("${a} > 1", ANSWERS)


def test_instances_outside_a_repeat_or_beyond_its_bound_are_ignored() -> None:
    answers = Answers(FORM, {("amount", 6): "1", ("amount", 0): "1", ("a", 4): "1", ("nothing", 0): "1"})
    assert evaluate("count(${readings})", answers) == "0"
    assert evaluate("sum(${amount})", answers) == "0"


def test_groups_in_a_circle_do_not_hang() -> None:
    circle = procedure(step("x", group="one"), groups=(Group("one", parent="two"), Group("two", parent="one")))
    assert evaluate("${x}", Answers(circle, {("x", 0): "1"})) in ("", "1")


def test_text_of_others_cannot_become_part_of_an_expression() -> None:
    answers = ANSWERS.with_value("text", 0, "' or true() or '")
    assert evaluate("${text} = 'x'", answers) == "false"


def test_the_xpath_library_is_loaded_only_when_something_is_evaluated() -> None:
    code = "import sys, fieldapp.domain.recording; print(sorted({'elementpath', 'regex', 'lxml'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
