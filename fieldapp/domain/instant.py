"""Instants between machine and people: ISO text in UTC for machines, local words for people, and what people type.

Instants are milliseconds since 1970 UTC. Local means a named time zone, that of a branch: the zone of the machine plays no part.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from fieldapp.domain.entry import EARLIEST_MS, LATEST_MS
from fieldapp.domain.numbers import parse_date, parse_time
from fieldapp.domain.problem import Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
DEFAULT_WINDOW_MS = 2 * 3_600_000
"""Length of a time window where only its start was given."""


def zone_of(name: str) -> tzinfo:
    """The time zone of that name; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return UTC


def iso_utc(instant_ms: int | None) -> str | None:
    """`2026-11-22T01:00:00.000Z`; None for None."""
    if instant_ms is None:
        return None
    moment = _moment(instant_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def local_text(instant_ms: int | None, zone: tzinfo, *, seconds: bool = False) -> str:
    """`2026-11-22 09:00` in that zone, '' for None."""
    if instant_ms is None:
        return ""
    return _moment(instant_ms).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def local_date(instant_ms: int, zone: tzinfo) -> str:
    """ISO date of an instant in that zone."""
    return _moment(instant_ms).astimezone(zone).date().isoformat()


def window_text(start_ms: int | None, end_ms: int | None, zone: tzinfo) -> str:
    """`2026-11-22 09:00/12:00`; the end carries its date where that differs."""
    if start_ms is None or end_ms is None:
        return local_text(start_ms if start_ms is not None else end_ms, zone)
    start, end = local_text(start_ms, zone), local_text(end_ms, zone)
    return f"{start}/{end[11:] if end[:10] == start[:10] else end}"


def duration_text(amount_ms: int) -> str:
    """`0:41` or `-1:05` in hours and minutes; from two days on `3 d`."""
    sign, minutes = "-" if amount_ms < 0 else "", abs(amount_ms) // 60_000
    if minutes >= 2 * 24 * 60:
        return f"{sign}{minutes // (24 * 60)} d"
    return f"{sign}{minutes // 60}:{minutes % 60:02d}"


def parse_instant(typed: str, zone: tzinfo) -> int:
    """The instant of a typed local date and time (`2026-11-22 09:00`).

    Raises:
        Problem: `bad-when`.
    """
    parts = typed.replace("T", " ").split()
    if len(parts) != 2:
        raise _bad_when(typed)
    return _instant(parts[0], parts[1], zone, typed)


def parse_window(typed: str, zone: tzinfo) -> tuple[int, int]:
    """(start, end) of a typed time window: `2026-11-22 09:00`, `2026-11-22 09:00/12:00`, `2026-11-22 22:00/2026-11-23 02:00`.

    Without an end the window is two hours long.

    Raises:
        Problem: `bad-when` where it is no time or ends before it starts.
    """
    first, slash, last = typed.partition("/")
    start = parse_instant(first.strip(), zone)
    if not slash:
        return start, start + DEFAULT_WINDOW_MS
    last = last.strip()
    end = (
        parse_instant(last, zone) if " " in last or "T" in last else _instant(first.replace("T", " ").split()[0], last, zone, typed)
    )
    if end <= start:
        raise Problem("bad-when", f"The time window {typed.strip()!r} ends before it starts.", "Nothing was saved.")
    return start, end


def _instant(day: str, time: str, zone: tzinfo, typed: str) -> int:
    try:
        moment = datetime.fromisoformat(f"{parse_date(day)}T{parse_time(time)}")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        instant = (moment - _EPOCH) // _MILLISECOND
    except (Problem, ValueError, OverflowError):
        raise _bad_when(typed) from None
    if not EARLIEST_MS <= instant <= LATEST_MS:
        raise _bad_when(typed)
    return instant


def _bad_when(typed: str) -> Problem:
    return Problem(
        "bad-when",
        f"{typed.strip()[:60]!r} is not a date and time.",
        'Write it like "2026-11-22 09:00" or "2026-11-22 09:00/12:00", in the branch\'s time zone. Nothing was saved.',
    )


def _moment(instant_ms: int) -> datetime:
    """A foreign record may name any whole number: what no calendar has is shown as the first or last instant there is."""
    return _EPOCH + timedelta(milliseconds=min(max(instant_ms, EARLIEST_MS), LATEST_MS))
