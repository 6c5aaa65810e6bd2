"""Business time: how many milliseconds of business hours lie between two instants, and when an amount of them has passed.

Hours are local (they follow daylight saving), the time that passes in them is real: 01:00 to 04:00 on the night the clocks go
forward lasts two hours. A local time that a clock change leaves out counts as the instant of the change, one that comes twice
as its first coming. Each local year is laid out once as a list of open intervals with running sums; after that a question costs
a binary search, however many days lie between.

Instants are milliseconds since 1970 UTC; None as a calendar is the clock on the wall. Before 1970 and after 2199 no business
time passes, so a clock that is wildly wrong costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from fieldapp.domain.documents import Calendar

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
YEARS_AHEAD = 10
"""How far ahead an amount of business time is looked for: a calendar without hours ends the search, not the program."""

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_FIRST_MS = 0
_LAST_MS = (date(2200, 1, 1).toordinal() - _EPOCH_DAY) * DAY_MS
_MILLISECOND = timedelta(milliseconds=1)

Interval = tuple[int, int]


def business_ms_between(calendar: Calendar | None, start_ms: int, end_ms: int) -> int:
    """Milliseconds of business hours from start to end; negative where the end comes first."""
    if calendar is None:
        return end_ms - start_ms
    if end_ms < start_ms:
        return -business_ms_between(calendar, end_ms, start_ms)
    return _hours(calendar).between(_clamp(start_ms), _clamp(end_ms))


def add_business_ms(calendar: Calendar | None, start_ms: int, amount_ms: int) -> int | None:
    """The first instant at which `amount_ms` of business hours have passed since start; start itself for nothing.

    An amount that is used up as the day closes ends then, not at the next opening. None where it is not used up by the end of
    the tenth local year after the start.

    Raises:
        ValueError: for an amount below 0.
    """
    if amount_ms < 0:
        raise ValueError("an amount of business time is not negative")
    if calendar is None or amount_ms == 0:
        return start_ms + amount_ms
    if start_ms > _LAST_MS:
        return None
    return _hours(calendar).after(_clamp(start_ms), amount_ms)


def zone_known(calendar: Calendar) -> bool:
    """False where this machine does not know the calendar's time zone: its hours are then taken as UTC."""
    return _zone(calendar.zone) is not None


def _clamp(instant_ms: int) -> int:
    return min(max(instant_ms, _FIRST_MS), _LAST_MS)


def _zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo  # the first frame needs none

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # no such zone, no such form of a name, no zone data at all
        return UTC if name == "UTC" else None


class _Year:
    """The open intervals of one local year, in order, and the business time before each."""

    __slots__ = ("before", "closes", "opens", "total")

    def __init__(self, intervals: list[Interval]) -> None:
        self.opens = [opening for opening, _ in intervals]
        self.closes = [closing for _, closing in intervals]
        self.before: list[int] = []
        self.total = 0
        for opening, closing in intervals:
            self.before.append(self.total)
            self.total += closing - opening

    def passed(self, instant: int) -> int:
        """Business time of this year up to an instant."""
        place = bisect_right(self.opens, instant) - 1
        if place < 0:
            return 0
        return self.before[place] + min(instant, self.closes[place]) - self.opens[place]

    def when(self, amount: int) -> int:
        """The first instant at which `amount` (above 0, at most the total) has passed."""
        place = bisect_left(self.before, amount) - 1
        return self.opens[place] + amount - self.before[place]


class _Hours:
    """A calendar made ready to be asked."""

    def __init__(self, calendar: Calendar) -> None:
        self._zone = _zone(calendar.zone) or UTC
        days = [_tidy(day) for day in calendar.week[:7]]
        self._week = (*days, *[()] * (7 - len(days)))
        self._holidays = frozenset(calendar.holidays)
        self._years: dict[int, _Year] = {}
        self._begins: dict[int, int] = {}

    def between(self, start: int, end: int) -> int:
        first, last = self._year_of(start), self._year_of(end)
        passed = self._year(last).passed(end) - self._year(first).passed(start)
        return passed + sum(self._year(year).total for year in range(first, last))

    def after(self, start: int, amount: int) -> int | None:
        first = self._year_of(start)
        wanted = amount + self._year(first).passed(start)
        for number in range(first, first + YEARS_AHEAD + 1):
            year = self._year(number)
            if wanted <= year.total:
                return year.when(wanted)
            wanted -= year.total
        return None

    def _year_of(self, instant: int) -> int:
        year = (_EPOCH + timedelta(milliseconds=instant)).year
        if instant < self._begin(year):
            return year - 1
        return year + 1 if instant >= self._begin(year + 1) else year

    def _begin(self, year: int) -> int:
        begin = self._begins.get(year)
        if begin is None:
            begin = self._begins[year] = self._instant(_day(year))
        return begin

    def _year(self, number: int) -> _Year:
        year = self._years.get(number)
        if year is None:
            year = self._years[number] = _Year(self._lay_out(number))
        return year

    def _lay_out(self, number: int) -> list[Interval]:
        intervals: list[Interval] = []
        day_after = self._offset(_day(number) * DAY_MS)
        for day in range(_day(number), _day(number + 1)):
            local = day * DAY_MS
            offset, day_after = day_after, self._offset(local + DAY_MS)
            hours = self._week[(day + 3) % 7]  # 1970-01-01 was a Thursday
            if not hours or date.fromordinal(day + _EPOCH_DAY).isoformat() in self._holidays:
                continue
            if offset == day_after:
                midnight = local - offset
                intervals += [(midnight + opening * MINUTE_MS, midnight + closing * MINUTE_MS) for opening, closing in hours]
            else:
                intervals += [(self._instant(day, opening), self._instant(day, closing)) for opening, closing in hours]
        return intervals

    def _instant(self, day: int, minute: int = 0) -> int:
        """The first instant at which local clocks show that minute of that day, or a later one."""
        local = day * DAY_MS + minute * MINUTE_MS
        first, second = local - self._offset(local), local - self._offset(local, fold=1)
        if first <= second:
            return first
        while second < first:  # a time the clocks leave out: the change lies between the two
            middle = (first + second) // 2
            if self._shown(middle) >= local:
                first = middle
            else:
                second = middle + 1
        return first

    def _offset(self, local: int, fold: int = 0) -> int:
        moment = (_EPOCH + timedelta(milliseconds=local)).replace(tzinfo=self._zone, fold=fold)
        return (moment.utcoffset() or timedelta()) // _MILLISECOND

    def _shown(self, instant: int) -> int:
        moment = (_EPOCH + timedelta(milliseconds=instant)).replace(tzinfo=UTC).astimezone(self._zone)
        return (moment.replace(tzinfo=None) - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=128)
def _hours(calendar: Calendar) -> _Hours:
    return _Hours(calendar)


def _day(year: int) -> int:
    """Days from 1970-01-01 to the first day of a year."""
    return date(year, 1, 1).toordinal() - _EPOCH_DAY


def _tidy(day: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The hours of one day in order, within the day, none overlapping another."""
    found: list[Interval] = []
    for opening, closing in sorted((max(opening, 0), min(closing, 1440)) for opening, closing in day):
        if closing <= opening:
            continue
        if found and opening <= found[-1][1]:
            found[-1] = (found[-1][0], max(closing, found[-1][1]))
        else:
            found.append((opening, closing))
    return tuple(found)
