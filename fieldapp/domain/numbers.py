"""What a person types, turned into the one text that is stored: decimal numbers, durations, dates and times.

Nothing here is ever a binary float. Reading its own output again gives the same text.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from decimal import Context, Decimal

from fieldapp.domain.problem import Problem

DIGITS_LIMIT = 30
"""Digits of one number, before and after the point together."""
TYPED_LIMIT = 200
"""Characters looked at where a number, a date or a time is expected."""
MINUTES_LIMIT = 999_999
"""Whole minutes of the longest duration (nearly two years)."""

_SIGNS = {
    "−": "-", "－": "-", "﹣": "-", "–": "-", "‐": "-", "‑": "-", "＋": "+",
    "，": ",", "、": ",", "､": ",", "﹐": ",", "٫": ",", "．": ".", "。": ".", "｡": ".", "﹒": ".",
    "：": ":", "﹕": ":", "∶": ":", "／": "/", "Ｅ": "e", "ｅ": "e", "’": "'", "Ｔ": "T",
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?\Z")
_CANONICAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?\Z")
_EXACT = Context(prec=100)
"""Wide enough that nothing that passes the checks is ever rounded."""
_SPACED_GROUPS = re.compile(r"([+-]?)([0-9]{1,3}(?:[ '][0-9]{3})+)(?=[.,]|\Z)")
_GROUPS = {sign: re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:{re.escape(sign)}[0-9]{{3}})+\Z") for sign in ",."}


def plain_signs(text: str) -> str:
    """The text with full-width and foreign digits, signs and points as their ASCII forms, and each kind of space as a space."""
    out = []
    for sign in text:
        if sign in _SIGNS:
            out.append(_SIGNS[sign])
        elif sign.isdecimal():
            out.append(str(unicodedata.decimal(sign)))
        else:
            out.append(" " if sign.isspace() else sign)
    return "".join(out).strip()


def parse_decimal(typed: str, *, integer: bool = False) -> str:
    """Canonical decimal text of a number as people write it: `1,3`, `1.3`, `-67`, `1 234`, `1.234,5`, `１．３`, `1e3`.

    Canonical means: no plus sign, no exponent, no needless zero, `0` and never `-0`; at most DIGITS_LIMIT digits.

    Args:
        typed: the text. integer: True where only whole numbers are wanted.

    Raises:
        Problem: `bad-value`, saying what is wrong with it.
    """
    shown = _shown(typed)
    text = _ungrouped(plain_signs(_bounded(typed, "number")), shown)
    match = _NUMBER.match(text)
    if match is None or not (match[2] or match[3]):
        raise Problem("bad-value", f"{shown} is not a number.", "Write digits with one decimal point or comma, such as 1.3 or 1,3.")
    sign, whole, fraction, exponent = match[1], match[2] or "", match[3] or "", int(match[4] or 0)
    if abs(exponent) > DIGITS_LIMIT:
        raise Problem("bad-value", f"The exponent of {shown} is out of reason.", "Write the number without an exponent.")
    if len(whole) + len(fraction) > DIGITS_LIMIT + 1:
        raise _too_long(shown)
    result = decimal_text(_EXACT.scaleb(Decimal(f"{sign}{whole or '0'}.{fraction or '0'}"), exponent))
    if sum(digit.isdigit() for digit in result) > DIGITS_LIMIT:
        raise _too_long(shown)
    if integer and "." in result:
        raise Problem("bad-value", f"{shown} is not a whole number.", "This step takes whole numbers only.")
    return result


def decimal_text(number: Decimal) -> str:
    """Canonical text of a finite decimal, digit for digit."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def is_canonical(text: str) -> bool:
    """True for text that `parse_decimal` would return unchanged."""
    return len(text) <= DIGITS_LIMIT + 2 and text != "-0" and _CANONICAL.match(text) is not None


def to_decimal(text: str) -> Decimal | None:
    """The number that canonical decimal text stands for, None for any other text."""
    return Decimal(text) if is_canonical(text) else None


def _ungrouped(text: str, shown: str) -> str:
    """Without the signs that only group thousands, the decimal sign as a point."""
    spaced = _SPACED_GROUPS.match(text)
    if spaced:
        text = spaced[0].replace(" ", "").replace("'", "") + text[spaced.end() :]
    text = re.sub(r"\A([+-]) (?=[0-9.,])", r"\1", text)
    if "," not in text:
        return text
    if "." in text:  # both: the one that comes last is the decimal sign, the other groups thousands
        decimal = max(",.", key=text.rfind)
        grouping = "," if decimal == "." else "."
        whole, _, fraction = text.rpartition(decimal)
        if not _GROUPS[grouping].match(whole):
            raise Problem("bad-value", f"{shown} is not a number.", "Write it with one decimal point and no other signs.")
        return whole.replace(grouping, "") + "." + fraction
    if not _GROUPS[","].match(text):
        return text.replace(",", ".") if text.count(",") == 1 else text
    if text.count(",") == 1:
        first, last = text.split(",")
        raise Problem(
            "bad-value",
            f"{shown} can be read in two ways.",
            f"Write {first}{last} if the comma groups thousands, {first}.{last} if it is the decimal sign.",
        )
    return text.replace(",", "")


# --- durations -------------------------------------------------------------------------------------------------------

_HOUR_WORDS = r"(?:hours?|hrs?|h|小时|小時|个小时|個小時|时|時)"
_MINUTE_WORDS = r"(?:minutes?|mins?|min\.|m|'|分钟|分鐘|分)"
_CLOCK = re.compile(r"([0-9]{1,5})\s*:\s*([0-5][0-9])(?:\s*(?:h|hours?))?\Z")
_HOURS_MINUTES = re.compile(rf"([0-9]{{1,5}})\s*{_HOUR_WORDS}\s*([0-9]{{1,5}})\s*{_MINUTE_WORDS}?\Z", re.IGNORECASE)
_HOURS = re.compile(rf"([0-9.,]{{1,20}})\s*{_HOUR_WORDS}\Z", re.IGNORECASE)
_MINUTES = re.compile(rf"([0-9.,]{{1,20}})\s*{_MINUTE_WORDS}?\Z", re.IGNORECASE)


def parse_duration(typed: str) -> str:
    """Whole minutes as text, from `90`, `90 min`, `1:30`, `1 h 30`, `1.5 h`, `1小时30分`.

    Raises:
        Problem: `bad-value` for anything else, for parts of minutes, and beyond MINUTES_LIMIT.
    """
    shown = _shown(typed)
    text = plain_signs(_bounded(typed, "duration"))
    if match := _CLOCK.match(text) or _HOURS_MINUTES.match(text):
        minutes = Decimal(int(match[1]) * 60 + int(match[2]))
    elif match := _HOURS.match(text):
        minutes = Decimal(parse_decimal(match[1])) * 60
    elif match := _MINUTES.match(text):
        minutes = Decimal(parse_decimal(match[1]))
    else:
        raise Problem("bad-value", f"{shown} is not a duration.", "Write minutes (90) or hours and minutes (1:30, 1 h 30).")
    if minutes != minutes.to_integral_value():
        raise Problem("bad-value", f"{shown} is not a whole number of minutes.", "Round it to whole minutes.")
    if minutes > MINUTES_LIMIT:
        raise Problem("bad-value", f"{shown} is too long for a duration.", f"At most {MINUTES_LIMIT:,} minutes can be recorded.")
    return str(int(minutes))


# --- dates and times -------------------------------------------------------------------------------------------------

_DATE = (
    r"(?:([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})|([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})|([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})"
    r"|([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日?)"
)
_DAY_FIRST = r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}|[0-9]{2})?"
_TIME = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
_OFFSET = r"\s*(Z|z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE_ONLY = re.compile(_DATE + r"\Z")
_DAY_FIRST_ONLY = re.compile(_DAY_FIRST + r"\Z")
_MONTH_FIRST_ONLY = re.compile(r"([0-9]{1,2})月([0-9]{1,2})日?\Z")
_TIME_ONLY = re.compile(_TIME + _OFFSET + r"\Z")
_SPLIT = re.compile(r"[Tt\s]+")
_TIME_WORDS = re.compile(r"([0-9]{1,2})(?:点|點|时|時)(?:([0-9]{1,2})分?)?\Z")
_TIME_SHORT = re.compile(r"([0-9]{1,2})\s*[.hH]?\s*([0-9]{2})\Z")
"""`9.30`, `9h30`, `930`: how people write a time of day on a keyboard of digits."""


def parse_date(typed: str, *, today: str = "") -> str:
    """ISO date (`2026-11-20`) from that form, `2026/11/20`, `2026.11.20`, `2026年11月20日`, `20.11.2026` or `20.11.26`.

    Two digits are a year from 2000 to 2099. `20.11.` and `11月20日` are days of this year.

    Args:
        today: ISO date that says which year this is; without it a day needs its year.

    Raises:
        Problem: `bad-value`; also for forms that can be read in two ways, such as 11/12/2026, or 20.11 with no point at its end.
    """
    shown = _shown(typed)
    text = plain_signs(_bounded(typed, "date")).replace(" ", "")
    if match := _DATE_ONLY.match(text):
        year, month, day = (int(part) for part in match.groups() if part is not None)
    elif (match := _DAY_FIRST_ONLY.match(text)) and (match[3] or today):
        day, month, year = int(match[1]), int(match[2]), int(match[3] or today[:4])
        year += 2000 if match[3] and len(match[3]) == 2 else 0
    elif (match := _MONTH_FIRST_ONLY.match(text)) and today:
        year, month, day = int(today[:4]), int(match[1]), int(match[2])
    else:
        raise Problem("bad-value", f"{shown} is not a date.", "Write year, month and day, such as 2026-11-20.")
    try:
        return datetime.date(year, month, day).isoformat()
    except ValueError:
        raise Problem("bad-value", f"{shown} is not a day of the calendar.", "Years go from 0001 to 9999.") from None


def parse_time(typed: str) -> str:
    """ISO time of day (`09:30:00`, with its UTC offset where one was given) from `9:30`, `930`, `9.30`, `09:30:15`, `9点30分`.

    Raises:
        Problem: `bad-value`.
    """
    shown = _shown(typed)
    text = plain_signs(_bounded(typed, "time"))
    if words := _TIME_WORDS.match(text):
        text = f"{words[1]}:{(words[2] or '0').zfill(2)}"
    elif short := _TIME_SHORT.match(text):
        text = f"{short[1]}:{short[2]}"
    match = _TIME_ONLY.match(text)
    if match is None:
        raise Problem("bad-value", f"{shown} is not a time of day.", "Write hours and minutes, such as 09:30.")
    try:
        time = datetime.time(
            int(match[1]), int(match[2]), int(match[3] or 0), int((match[4] or "").ljust(6, "0")), tzinfo=_offset(match[5])
        )
    except ValueError:
        raise Problem("bad-value", f"{shown} is not a time of day.", "Hours go from 00 to 23, minutes from 00 to 59.") from None
    return time.isoformat()


def parse_datetime(typed: str, *, today: str = "") -> str:
    """ISO date and time (`2026-11-20T09:30:00`, with its UTC offset where one was given) from a date and a time.

    Args:
        today: see `parse_date`.

    Raises:
        Problem: `bad-value`.
    """
    shown = _shown(typed)
    text = plain_signs(_bounded(typed, "date and time"))
    parts = [part for part in _SPLIT.split(text, maxsplit=1) if part]
    if len(parts) != 2:
        raise Problem("bad-value", f"{shown} is not a date with a time.", "Write both, such as 2026-11-20 09:30.")
    day, time = parse_date(parts[0], today=today), parse_time(parts[1])
    try:
        datetime.datetime.fromisoformat(f"{day}T{time}").utctimetuple()
    except (ValueError, OverflowError):
        raise Problem("bad-value", f"{shown} lies outside the calendar.", "Years go from 0001 to 9999.") from None
    return f"{day}T{time}"


def _offset(text: str | None) -> datetime.timezone | None:
    if not text:
        return None
    if text in "Zz":
        return datetime.UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:
        raise ValueError(text)
    delta = datetime.timedelta(hours=hours, minutes=minutes)
    return datetime.timezone(-delta if text[0] == "-" else delta)


def _bounded(typed: str, what: str) -> str:
    if len(typed) > TYPED_LIMIT:
        raise Problem("bad-value", f"A text of {len(typed):,} characters is not a {what}.", "Nothing was recorded.")
    if not typed.strip():
        raise Problem("bad-value", "Nothing was entered.", f"Enter a {what}.")
    return typed


def _shown(typed: str) -> str:
    """The typed text as a message quotes it: short, and without characters that are not to be seen."""
    seen = "".join(sign if sign.isprintable() else "?" for sign in typed.strip()[:40])
    return f'"{seen}…"' if len(typed.strip()) > 40 else f'"{seen}"'


def _too_long(shown: str) -> Problem:
    return Problem("bad-value", f"{shown} has too many digits.", f"At most {DIGITS_LIMIT} digits can be recorded.")
