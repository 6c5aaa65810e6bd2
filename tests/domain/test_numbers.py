"""What people type as numbers, durations, dates and times."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain import numbers
from fieldapp.domain.problem import Problem


def read_or_refused(parse: Callable[[str], str], typed: str) -> str | Problem:
    try:
        return parse(typed)
    except Problem as problem:
        return problem


PARSERS = (numbers.parse_decimal, numbers.parse_duration, numbers.parse_date, numbers.parse_time, numbers.parse_datetime)
LIKELY = st.text(st.sampled_from("0123456789０１９٣.,，。．:：/-−+ eE'年月日时分点TZhmin\u00a0"), max_size=25)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("1,3", "1.3"), ("1.3", "1.3"), ("-67", "-67"), ("−67", "-67"), ("＋5", "5"), ("1 234", "1234"), ("1\u00a0234,5", "1234.5"),
        ("１．３", "1.3"), ("1。5", "1.5"), ("1，5", "1.5"), ("٣٫٥", "3.5"), ("1.234,5", "1234.5"), ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"), ("1'234.50", "1234.5"), ("0,125", "0.125"), (".5", "0.5"), ("5.", "5"), ("-0.00", "0"),
        ("007", "7"), ("1e3", "1000"), ("2.5E-2", "0.025"), ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-0.12345678901234567890123456789", "-0.12345678901234567890123456789"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(typed: str, stored: str) -> None:
    assert numbers.parse_decimal(typed) == stored
    assert numbers.is_canonical(stored)


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "NaN", "nan", "Infinity", "-inf", "1e999", "1e-40", "9" * 31, "²", "½", "1 2", "12 34", "--1", "1..2", "1,2,3",
     "0x10", "1_000", "+", ".", "1\x002", "१२x", "1" * 100_000],
)  # fmt: skip
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        numbers.parse_decimal(typed)
    assert refused.value.code == "bad-value"


def test_a_comma_that_could_be_either_sign_is_asked_about() -> None:
    with pytest.raises(Problem, match="two ways") as refused:
        numbers.parse_decimal("14,203")
    assert "14203" in refused.value.hint
    assert "14.203" in refused.value.hint


def test_whole_numbers_only_where_the_step_says_so() -> None:
    assert numbers.parse_decimal("3.0", integer=True) == "3"
    with pytest.raises(Problem, match="whole number"):
        numbers.parse_decimal("3.5", integer=True)


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [("1:30", "90"), ("90", "90"), ("90 min", "90"), ("1 h 30", "90"), ("1h30m", "90"), ("1.5 h", "90"), ("1,5 h", "90"),
     ("2 hours", "120"), ("1小时30分", "90"), ("90分钟", "90"), ("１：３０", "90"), ("0:05", "5"), ("0", "0")],
)  # fmt: skip
def test_durations_become_whole_minutes(typed: str, minutes: str) -> None:
    assert numbers.parse_duration(typed) == minutes


@pytest.mark.parametrize("typed", ["1:75", "-5", "1.2", "soon", "1:2", "0.3 h 5", "99999999", "1 h 30 s"])
def test_what_is_no_duration_is_refused(typed: str) -> None:
    with pytest.raises(Problem):
        numbers.parse_duration(typed)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("2026-11-20", "2026-11-20"), ("2026/1/2", "2026-01-02"), ("2026年1月2日", "2026-01-02"), ("20.11.2026", "2026-11-20"),
     ("1.2.27", "2027-02-01"), ("1.2.2027", "2027-02-01"), ("01.02.", "2026-02-01"), ("2027.2.1", "2027-02-01"),
     ("1。2。27", "2027-02-01"), ("2月1日", "2026-02-01"), ("29.2.28", "2028-02-29"),
     ("0001-01-01", "0001-01-01"), ("9999-12-31", "9999-12-31"), ("２０２６-１-２", "2026-01-02")],
)  # fmt: skip
def test_dates(typed: str, stored: str) -> None:
    assert numbers.parse_date(typed, today="2026-11-20") == stored


@pytest.mark.parametrize(
    "typed",
    ["11/12/2026", "0000-01-01", "10000-01-01", "2026-02-30", "2026-13-01", "yesterday", "2026", "1.2", "1.2.127", "29.2.",
     "2.30月"],
)  # fmt: skip
def test_what_is_no_date_is_refused(typed: str) -> None:
    with pytest.raises(Problem):
        numbers.parse_date(typed, today="2026-11-20")


@pytest.mark.parametrize("typed", ["01.02.", "2月1日"])
def test_a_day_without_its_year_needs_to_know_which_year_it_is(typed: str) -> None:
    with pytest.raises(Problem):
        numbers.parse_date(typed)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("9:30", "09:30:00"),
        ("930", "09:30:00"),
        ("0930", "09:30:00"),
        ("9.30", "09:30:00"),
        ("9h30", "09:30:00"),
        ("９．３０", "09:30:00"),
        ("09:30:15", "09:30:15"),
        ("9点30分", "09:30:00"),
        ("9点", "09:00:00"),
        ("09:30+08:00", "09:30:00+08:00"),
    ],
)
def test_times(typed: str, stored: str) -> None:
    assert numbers.parse_time(typed) == stored


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("2026-11-20 9:30", "2026-11-20T09:30:00"), ("2026-11-20T09:30+0800", "2026-11-20T09:30:00+08:00"),
     ("1.2.27 930", "2027-02-01T09:30:00"), ("01.02. 9.30", "2026-02-01T09:30:00"),
     ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00+00:00"), ("2026年1月2日 9:30", "2026-01-02T09:30:00")],
)  # fmt: skip
def test_date_times_keep_their_offset(typed: str, stored: str) -> None:
    assert numbers.parse_datetime(typed, today="2026-11-20") == stored


@pytest.mark.parametrize("typed", ["2026-11-20", "2026-11-20 25:00", "0000-01-01 00:00", "2026-11-20 09:30+99:00"])
def test_what_is_no_date_time_is_refused(typed: str) -> None:
    with pytest.raises(Problem):
        numbers.parse_datetime(typed)


@pytest.mark.parametrize("parse", PARSERS)
@given(typed=st.one_of(st.text(max_size=40), LIKELY))
def test_any_text_is_read_or_refused_and_reading_again_changes_nothing(parse: Callable[[str], str], typed: str) -> None:
    stored = read_or_refused(parse, typed)
    if isinstance(stored, Problem):
        assert stored.code == "bad-value"
        assert stored.message.isprintable()
    else:
        assert parse(stored) == stored


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False))
def test_every_decimal_comes_back_exactly(number: Decimal) -> None:
    for text in (format(number, "f"), format(number, "f").replace(".", ",")):
        assert Decimal(numbers.parse_decimal(text)) == number


@given(LIKELY)
def test_to_decimal_takes_canonical_text_alone(text: str) -> None:
    number = numbers.to_decimal(text)
    assert (number is not None) == numbers.is_canonical(text)
    if number is not None:
        assert numbers.decimal_text(number) == text == numbers.parse_decimal(text)
