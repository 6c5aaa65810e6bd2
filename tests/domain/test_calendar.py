"""Business time: examples with dates a person can check, and the laws it must keep on any calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain.calendar import (
    DAY_MS,
    MINUTE_MS,
    add_business_ms,
    business_ms_between,
    zone_known,
)  # fmt: skip
from fieldapp.domain.documents import Calendar

HOUR_MS = 60 * MINUTE_MS
OFFICE_DAY = ((540, 720), (780, 1020))  # 09:00-12:00 and 13:00-17:00: seven hours
OFFICE_WEEK = (*[OFFICE_DAY] * 5, (), ())
ALL_DAY = (((0, 1440),),) * 7
BERLIN = Calendar("berlin", "Europe/Berlin", OFFICE_WEEK, ("2026-12-25",))
BERLIN_ALWAYS = Calendar("berlin-always", "Europe/Berlin", ALL_DAY)
SHANGHAI = Calendar("shanghai", "Asia/Shanghai", OFFICE_WEEK, ("2026-10-01", "2026-10-02"))
NEVER = Calendar("never", "Europe/Berlin", ((),) * 7)


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_without_a_calendar_it_is_the_clock_on_the_wall() -> None:
    assert business_ms_between(None, 5, 12) == 7
    assert business_ms_between(None, 12, 5) == -7
    assert add_business_ms(None, 5, 7) == 12


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-20 10:00", "2026-11-20 11:00", 1),
        ("2026-11-20 10:00", "2026-11-20 14:00", 3),  # the midday break does not count
        ("2026-11-20 16:00", "2026-11-23 10:00", 2),  # Friday to Monday
        ("2026-11-20 18:00", "2026-11-23 08:00", 0),
        ("2026-11-16 00:00", "2026-11-23 00:00", 35),
        ("2026-12-24 09:00", "2026-12-28 09:00", 7),  # Christmas Day is a holiday
        ("2025-12-31 16:00", "2026-01-01 10:00", 2),  # over New Year, which this calendar works through
    ],
)
def test_between_counts_only_business_hours(start: str, end: str, hours: int) -> None:
    assert business_ms_between(BERLIN, at(start), at(end)) == hours * HOUR_MS
    assert business_ms_between(BERLIN, at(end), at(start)) == -hours * HOUR_MS


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-20 16:00", 2, "2026-11-23 10:00"),
        ("2026-11-20 16:00", 1, "2026-11-20 17:00"),  # used up at closing time: due then, not on Monday
        ("2026-11-21 12:00", 1, "2026-11-23 10:00"),
        ("2026-11-20 11:30", 1, "2026-11-20 13:30"),
        ("2026-12-24 16:00", 2, "2026-12-28 10:00"),
        ("2026-11-20 10:00", 35 * 4, "2026-12-18 10:00"),
        ("2026-11-21 12:00", 0, "2026-11-21 12:00"),
    ],
)
def test_add_finds_when_the_time_has_passed(start: str, hours: int, due: str) -> None:
    assert add_business_ms(BERLIN, at(start), hours * HOUR_MS) == at(due)


def test_the_night_the_clocks_go_forward_is_an_hour_shorter() -> None:
    night = Calendar("night", "Europe/Berlin", (((60, 240),),) * 7)  # 01:00-04:00 local
    start, end = at("2026-03-29 00:00"), at("2026-03-30 00:00")
    assert end - start == 23 * HOUR_MS
    assert business_ms_between(BERLIN_ALWAYS, start, end) == 23 * HOUR_MS
    assert business_ms_between(night, start, end) == 2 * HOUR_MS
    assert add_business_ms(night, start, 2 * HOUR_MS) == at("2026-03-29 04:00")


def test_the_night_the_clocks_go_back_is_an_hour_longer() -> None:
    night = Calendar("night", "Europe/Berlin", (((60, 240),),) * 7)
    start, end = at("2026-10-25 00:00"), at("2026-10-26 00:00")
    assert business_ms_between(BERLIN_ALWAYS, start, end) == 25 * HOUR_MS
    assert business_ms_between(night, start, end) == 4 * HOUR_MS
    assert add_business_ms(night, start, 4 * HOUR_MS) == at("2026-10-25 04:00")


def test_hours_that_the_clock_leaves_out_do_not_exist() -> None:
    lost = Calendar("lost", "Europe/Berlin", (((120, 180),),) * 7)  # 02:00-03:00: left out on 2026-03-29
    assert business_ms_between(lost, at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 0
    assert add_business_ms(lost, at("2026-03-29 00:00"), MINUTE_MS) == at("2026-03-30 02:01")
    into = Calendar("into", "Europe/Berlin", (((90, 150),),) * 7)  # 01:30-02:30: ends when the clocks jump
    assert business_ms_between(into, at("2026-03-29 00:00"), at("2026-03-30 00:00")) == 30 * MINUTE_MS
    assert add_business_ms(into, at("2026-03-29 00:00"), 30 * MINUTE_MS) == at("2026-03-29 03:00")


def test_hours_that_come_twice_count_at_their_first_coming() -> None:
    twice = Calendar("twice", "Europe/Berlin", (((120, 150),),) * 7)  # 02:00-02:30: comes twice on 2026-10-25
    assert business_ms_between(twice, at("2026-10-25 00:00"), at("2026-10-26 00:00")) == 30 * MINUTE_MS
    assert add_business_ms(twice, at("2026-10-25 00:00"), 30 * MINUTE_MS) == at("2026-10-25 02:30", fold=0)


def test_a_day_without_midnight_begins_when_the_clocks_jump() -> None:
    beirut = Calendar("beirut", "Asia/Beirut", ALL_DAY)  # clocks go from 00:00 to 01:00 on 2026-03-29
    day = at("2026-03-29 01:00", "Asia/Beirut"), at("2026-03-30 00:00", "Asia/Beirut")
    assert business_ms_between(beirut, *day) == 23 * HOUR_MS
    assert business_ms_between(beirut, day[0] - DAY_MS, day[1]) == 47 * HOUR_MS


def test_new_year_comes_later_in_the_west() -> None:
    new_york = Calendar("new-york", "America/New_York", ALL_DAY)
    eve, later = at("2025-12-31 20:00", "America/New_York"), at("2025-12-31 23:00", "America/New_York")
    assert business_ms_between(new_york, eve - DAY_MS, eve) == DAY_MS
    assert business_ms_between(new_york, eve, later) == 3 * HOUR_MS
    assert add_business_ms(new_york, eve - DAY_MS, DAY_MS) == eve


def test_local_hours_are_the_zones_own() -> None:
    assert business_ms_between(SHANGHAI, at("2026-11-20 02:00", "UTC"), at("2026-11-20 03:00", "UTC")) == HOUR_MS
    assert business_ms_between(BERLIN, at("2026-11-20 02:00", "UTC"), at("2026-11-20 03:00", "UTC")) == 0
    assert (
        business_ms_between(SHANGHAI, at("2026-09-30 16:00", "Asia/Shanghai"), at("2026-10-05 09:00", "Asia/Shanghai")) == HOUR_MS
    )


def test_a_calendar_without_hours_ends_the_search() -> None:
    assert add_business_ms(NEVER, at("2026-11-20 10:00"), 1) is None
    assert business_ms_between(NEVER, at("2026-11-20 10:00"), at("2036-11-20 10:00")) == 0
    years = 52 * 35 * HOUR_MS
    assert add_business_ms(BERLIN, at("2026-11-20 10:00"), 9 * years) is not None
    assert add_business_ms(BERLIN, at("2026-11-20 10:00"), 12 * years) is None


def test_wild_instants_are_answered() -> None:
    wild = (-(2**53), -1, 0, at("2199-12-31 23:59"), 2**53)
    for start in wild:
        for end in wild:
            assert business_ms_between(BERLIN, start, end) == -business_ms_between(BERLIN, end, start)
    assert add_business_ms(BERLIN, 2**53, 1) is None
    assert add_business_ms(BERLIN, -(2**53), HOUR_MS) == at("1970-01-01 10:00")


def test_a_negative_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        add_business_ms(BERLIN, 0, -1)


def test_an_unknown_zone_is_taken_as_utc_and_named() -> None:
    lost = Calendar("lost", "Mars/Olympus", OFFICE_WEEK)
    assert not zone_known(lost)
    assert zone_known(BERLIN)
    assert business_ms_between(lost, at("2026-11-20 09:00", "UTC"), at("2026-11-20 10:00", "UTC")) == HOUR_MS
    assert not zone_known(Calendar("escape", "../../etc/passwd"))


def test_hours_within_hours_count_once() -> None:
    nested = Calendar("nested", "UTC", (((600, 660), (540, 720)),) * 7)
    assert business_ms_between(nested, 0, DAY_MS) == 3 * HOUR_MS


def test_an_untidy_calendar_is_forgiven() -> None:
    untidy = Calendar("untidy", "Nowhere/AtAll", (((600, 540), (700, 2000)), ((0, 60), (30, 90))), ("25.12.2026",))
    assert business_ms_between(untidy, 0, 7 * DAY_MS) == (740 + 90) * MINUTE_MS


zones = st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
days = st.lists(st.tuples(st.integers(0, 1440), st.integers(0, 1440)), max_size=3).map(tuple)
some_hours = st.tuples(st.integers(0, 700), st.integers(701, 1440)).map(lambda hours: (hours,))
holidays = st.dates(datetime(2025, 1, 1).date(), datetime(2028, 1, 1).date()).map(lambda day: day.isoformat())
calendars = st.builds(
    Calendar,
    code=st.just("any"),
    zone=zones,
    week=st.tuples(some_hours, *[days] * 6),
    holidays=st.lists(holidays, max_size=5).map(tuple),
)
instants = st.integers(at("2025-01-01 00:00", "UTC"), at("2028-01-01 00:00", "UTC"))
near_a_change = st.sampled_from(["2026-03-29", "2026-10-25", "2027-03-28", "2026-12-31"]).flatmap(
    lambda day: st.integers(at(f"{day} 00:00") - 2 * HOUR_MS, at(f"{day} 00:00") + 27 * HOUR_MS)
)
moments = instants | near_a_change


@given(calendars, moments, moments, moments)
def test_parts_add_up(calendar: Calendar, first: int, second: int, third: int) -> None:
    parts = business_ms_between(calendar, first, second) + business_ms_between(calendar, second, third)
    assert parts == business_ms_between(calendar, first, third)


@given(calendars, moments, moments)
def test_never_more_than_real_time_and_never_backwards(calendar: Calendar, first: int, second: int) -> None:
    start, end = sorted((first, second))
    assert 0 <= business_ms_between(calendar, start, end) <= end - start


@given(calendars, moments, st.integers(0, 400 * HOUR_MS))
def test_adding_and_measuring_undo_each_other(calendar: Calendar, start: int, amount: int) -> None:
    due = add_business_ms(calendar, start, amount)
    assert due is not None
    assert due >= start
    assert business_ms_between(calendar, start, due) == amount
    if amount:
        assert business_ms_between(calendar, start, due - 1) == amount - 1  # the first such instant


@given(calendars, moments, st.integers(0, 400 * HOUR_MS), st.integers(0, 400 * HOUR_MS))
def test_more_time_is_never_due_earlier(calendar: Calendar, start: int, first: int, second: int) -> None:
    less, more = sorted((first, second))
    sooner, later = add_business_ms(calendar, start, less), add_business_ms(calendar, start, more)
    assert sooner is not None
    assert later is not None
    assert sooner <= later


@given(st.sampled_from([BERLIN, SHANGHAI, BERLIN_ALWAYS, Calendar("west", "America/New_York", OFFICE_WEEK)]), moments)
def test_a_minute_is_open_when_the_local_clock_says_so(calendar: Calendar, instant: int) -> None:
    """Against the definition: look at the local clock of one minute that does not straddle anything."""
    minute = instant // MINUTE_MS * MINUTE_MS
    local = datetime.fromtimestamp(minute // 1000, ZoneInfo(calendar.zone))
    clock = local.hour * 60 + local.minute
    hours = () if local.date().isoformat() in calendar.holidays else calendar.week[local.weekday()]
    is_open = any(opening <= clock < closing for opening, closing in hours)
    assert business_ms_between(calendar, minute, minute + MINUTE_MS) == (MINUTE_MS if is_open else 0)
