"""Values inside an expression: numbers, texts, truth, dates, and how one becomes the other.

Numbers are decimals of 34 digits, never binary floats. Whatever leaves the arithmetic (a comparison, a rounding, a text) sees
15 significant digits, as the doubles of other XLSForm programs do, so that `0.1 + 0.2 = 0.3` holds and `1 div 3 * 3 = 1` too.

Dates count as days since 1970-01-01 on the wall clock; a date-time with a UTC offset is moved to the offset that the zone has
now, so that differences of dates and differences of instants are both exact.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cached_property
from typing import Any

from fieldapp.domain.numbers import DIGITS_LIMIT, decimal_text, is_canonical
from fieldapp.domain.problem import Problem

ARITHMETIC = Context(prec=34, Emin=-400, Emax=400, traps=[])
"""Decimal arithmetic where nothing raises: division by zero is Infinity, nonsense is NaN."""
_SEEN = Context(prec=15, Emin=-400, Emax=400, traps=[])
_NARROW = Context(prec=60, Emin=-400, Emax=400, traps=[])
_SMALLEST = Decimal(1).scaleb(2 - DIGITS_LIMIT)
NAN = Decimal("NaN")
_DAY_MS = 86_400_000
_EPOCH = datetime.date(1970, 1, 1).toordinal()

_NUMBER = re.compile(r"-?(?:[0-9]{1,60}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?\Z")


class Clock:
    """The moment and the place an expression is evaluated at: `now_ms` since 1970 UTC, `zone` an IANA name."""

    def __init__(self, now_ms: int, zone: str = "UTC") -> None:
        self.now_ms = now_ms
        self.zone = zone

    @cached_property
    def tz(self) -> datetime.tzinfo:
        if self.zone in ("", "UTC"):
            return datetime.UTC
        try:
            return zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise Problem(
                "bad-value", f"The time zone {self.zone[:60]!r} is unknown.", "Use a name such as Europe/Berlin."
            ) from None

    @cached_property
    def now(self) -> datetime.datetime:
        try:
            return datetime.datetime.fromtimestamp(self.now_ms // 1000, self.tz).replace(microsecond=self.now_ms % 1000 * 1000)
        except (ValueError, OverflowError, OSError):
            raise Problem("bad-value", "The clock shows a year outside 1 to 9999.", "Set the date of this device.") from None

    def moment(self, text: str) -> datetime.datetime | None:
        """The instant on the wall clock of the zone that ISO text means; None for other text. Dates mean their midnight."""
        try:
            if _DATE.match(text):
                return datetime.datetime.fromisoformat(text)
            day, sep, time = text.partition("T")
            if not sep or not _DATE.match(day) or not _TIME.match(time):
                return None
            found = datetime.datetime.fromisoformat(text)
            return found if found.tzinfo is None else found.astimezone(self.tz).replace(tzinfo=None)
        except (ValueError, OverflowError):
            return None

    def days(self, text: str) -> Decimal:
        """Days since 1970-01-01 of ISO date or date-time text, part of a day for a time alone; NaN for other text."""
        try:
            if _DATE.match(text):
                return Decimal(datetime.date.fromisoformat(text).toordinal() - _EPOCH)
            if _TIME.match(text):
                time = datetime.time.fromisoformat(text)
                return _fraction(time.hour, time.minute, time.second, time.microsecond)
            moment = self.moment(text)
            if moment is None:
                return NAN
            found = datetime.datetime.fromisoformat(text)
            if found.tzinfo is not None:
                moment = found.astimezone(datetime.timezone(self.now.utcoffset() or datetime.timedelta())).replace(tzinfo=None)
        except (ValueError, OverflowError):
            return NAN
        fraction = _fraction(moment.hour, moment.minute, moment.second, moment.microsecond)
        return ARITHMETIC.add(Decimal(moment.date().toordinal() - _EPOCH), fraction)

    def from_days(self, days: Decimal) -> datetime.datetime | None:
        """The moment on the wall clock that is so many days after 1970-01-01; None outside the calendar."""
        if not days.is_finite() or abs(days) > 4_000_000:
            return None
        micros = int(ARITHMETIC.multiply(seen(days), Decimal(_DAY_MS)).to_integral_value(context=ARITHMETIC)) * 1000
        try:
            return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
        except OverflowError:
            return None

    def with_offset(self, moment: datetime.datetime) -> str:
        """ISO text with milliseconds and the zone's offset at that moment."""
        try:
            return moment.replace(tzinfo=self.tz).isoformat(timespec="milliseconds")
        except (ValueError, OverflowError):
            return ""


def _fraction(hour: int, minute: int, second: int, micro: int) -> Decimal:
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro
    return ARITHMETIC.divide(Decimal(micros), Decimal(_DAY_MS * 1000))


def seen(number: Decimal) -> Decimal:
    """The number as anything but arithmetic sees it: 15 significant digits."""
    return _SEEN.plus(number)


def number_of_text(text: str, clock: Clock) -> Decimal:
    """A number from text: decimal digits, else an ISO date or time as days, else NaN."""
    text = text.strip()
    return Decimal(text) if _NUMBER.match(text) else clock.days(text)


def number_of(item: Any, clock: Clock) -> Decimal:
    """The number that a value is: XPath's number(), with dates as days. An empty text is NaN."""
    if isinstance(item, bool):
        return Decimal(int(item))
    if isinstance(item, Decimal):
        return item
    if isinstance(item, int):
        return Decimal(item)
    if isinstance(item, float):  # a literal such as 1e3, which the XPath parser reads as a double
        return Decimal(repr(item))
    return number_of_text(text_of(item), clock)


def number_text(number: Decimal) -> str:
    """Canonical decimal text with 15 significant digits; `NaN`, `Infinity`, `-Infinity` as XPath writes them.

    Raises:
        Problem: `bad-expression` where it has more digits before the point than can be recorded.
    """
    if not number.is_finite():
        return "NaN" if number.is_nan() else ("-Infinity" if number < 0 else "Infinity")
    number = seen(number)
    if number and number.adjusted() >= DIGITS_LIMIT:
        raise Problem("bad-expression", f"The result has more than {DIGITS_LIMIT} digits, which is more than can be recorded.")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < 2 - DIGITS_LIMIT:
        number = number.quantize(_SMALLEST, context=_NARROW)
    return decimal_text(number)


def text_of(item: Any) -> str:
    """The text that a value is: XPath's string()."""
    if isinstance(item, str):
        return item
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Decimal):
        return number_text(item)
    if isinstance(item, int):
        return number_text(Decimal(item))
    if isinstance(item, float):
        return number_text(Decimal(repr(item)))
    element = item.value
    if hasattr(element, "itertext"):
        return (element.text or "") if not len(element) else "".join(element.itertext())
    return str(item.string_value)


def truth_of(item: Any) -> bool:
    """Whether a value counts as true: not empty, not zero. A step counts by its value, a group by being there."""
    if isinstance(item, bool):
        return item
    if isinstance(item, (Decimal, int, float)):
        return not (item != item or item == 0)
    if isinstance(item, str):
        return bool(item)
    atom = atom_of(item)
    return truth_of(atom) if len(getattr(item, "value", ())) == 0 else True


def atom_of(item: Any) -> Any:
    """A value as comparisons see it: the answer to a number step is a number, other answers are text."""
    if isinstance(item, (str, Decimal, int)):
        return item
    if isinstance(item, float):
        return Decimal(repr(item))
    text = text_of(item)
    attributes = getattr(getattr(item, "value", None), "attrib", {})
    if text and "number" in attributes and is_canonical(text):
        return Decimal(text)
    return text


def equal(left: Any, right: Any, clock: Clock) -> bool:
    """XPath's `=` for two atoms: numbers as numbers, texts as texts."""
    if isinstance(left, bool) or isinstance(right, bool):
        return truth_of(left) == truth_of(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    first, second = number_of(left, clock), number_of(right, clock)
    return not first.is_nan() and not second.is_nan() and seen(first) == seen(second)


def less(left: Any, right: Any, clock: Clock) -> bool:
    """XPath's `<` for two atoms: always as numbers; false where one is not a number."""
    first, second = number_of(left, clock), number_of(right, clock)
    return not first.is_nan() and not second.is_nan() and seen(first) < seen(second)


def whole(number: Decimal) -> int | None:
    """The number as a position or count (rounded half up), None where it cannot be one."""
    if not number.is_finite() or abs(number) > 10**12:
        return None
    return int(ARITHMETIC.add(seen(number), Decimal("0.5")).to_integral_value(ROUND_FLOOR, context=ARITHMETIC))
