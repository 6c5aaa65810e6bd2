"""Promise clocks: from what a job's log says and the time now, where each of its promises stands. Works with no network.

What starts and stops each indicator (all instants are device time, corrected by the skew the device knew):

- response: from `job.created` to the first `job.accepted`, whoever accepted.
- arrival: from `job.created` to the first `job.arrived`, or `job.started` where nobody said that they arrived.
- resolution: from `job.created` to the last `job.completed`. Being sent back reopens it and the clock has run all the while: the
  customer was still waiting.
- on_time_window: arrival (or the next start or resumption) after the last `job.rescheduled`, within the window widened by the
  grace at both ends. Too early breaks it as too late does. The clock on the wall counts, whatever the calendar.
- duration: the time in status `in_progress`, which every pause ends, up to `job.completed`.
- rating: the lowest CSAT given; open until there is one. Each feedback counts, so asking again does not mend a bad score.
- first_time_fix: completed on the first visit. A second visit, `job.cannot_complete`, a step sent back or a follow-up job to plan
  breaks it.

A due instant is the first at which the target has passed in business time; what happens at that very instant keeps the promise.
Only a `job.paused` for one of the promise's own reasons stops a clock; its due instant moves by the paused business time and,
while the pause lasts, is what it would be if work went on now. A job that is declined still runs: its customer waits. A job that
ends without the event (cancelled, or approved as impossible) has broken what was already due; the rest does not apply to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from fieldapp.domain.calendar import MINUTE_MS, add_business_ms, business_ms_between, zone_known
from fieldapp.domain.documents import Calendar, Indicator, Promise, PromiseAction
from fieldapp.domain.job import Change, JobState, Stamp
from fieldapp.domain.words import Words

ClockState = Literal["not_started", "running", "at_risk", "paused", "kept", "broken", "not_applicable"]


class Clock(msgspec.Struct, frozen=True):
    """Where one promise stands. Durations are business milliseconds of the promise's calendar, instants milliseconds UTC.

    due_ms: last instant that keeps it, None where nothing is timed or the calendar has no hours left. remaining_ms: below 0 where
    overdue. doubtful: a clock that decided was too far off, or the calendar is not known here. decided_by: the entry that
    decided, '' where the passing of time did or nothing has yet. action: what follows from this state, due at action_due_ms.
    """

    name: str
    title: Words
    indicator: Indicator
    state: ClockState
    due_ms: int | None = None
    elapsed_ms: int = 0
    remaining_ms: int | None = None
    at_risk_from_ms: int | None = None
    paused: bool = False
    doubtful: bool = False
    decided_by: str = ""
    action: PromiseAction | None = None
    action_due_ms: int | None = None


class OwedAction(msgspec.Struct, frozen=True):
    """An action that a promise asks for and nobody has opened yet. `id` comes from cause and rule: two who open it, open one."""

    id: str
    promise: str
    state: Literal["at_risk", "broken"]
    title: Words
    owner: str
    due_ms: int


def clocks(job: JobState, now_ms: int) -> tuple[Clock, ...]:
    """One clock for each promise of the job, in the promises' order. `now_ms` is server time as far as it is known."""
    return tuple(_clock(job, promise, now_ms) for promise in job.promises)


def owed_actions(job: JobState, now_ms: int) -> tuple[OwedAction, ...]:
    """The actions that follow from promises at risk or broken and that the job's log has not opened yet."""
    owed = []
    for clock in clocks(job, now_ms):
        if clock.action is None or clock.action_due_ms is None or (clock.state != "at_risk" and clock.state != "broken"):
            continue
        action_id = owed_action_id(job.id, clock.name, clock.state)
        if action_id not in job.actions:
            action = clock.action
            owed.append(OwedAction(action_id, clock.name, clock.state, action.title, action.owner, clock.action_due_ms))
    return tuple(owed)


def owed_action_id(job: str, promise: str, state: str) -> str:
    """Id of the action owed for a promise's state: SHA-256 of `job|promise|state` in the form of a UUID version 8 (RFC 9562)."""
    import hashlib  # the first frame needs none

    bits = int.from_bytes(hashlib.sha256(f"{job}|{promise}|{state}".encode()).digest()[:16], "big")
    bits = bits & ~(0xF << 76) | 8 << 76
    bits = bits & ~(0x3 << 62) | 2 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


Segment = tuple[int, int | None]
"""A stretch of time in which a clock runs; None where it has no end yet."""


class _Course(msgspec.Struct, frozen=True):
    """What the log says about one timed promise.

    stop: the event that was promised. end: the job ended without it. segments: when the clock ran, in order. stamps: all that the
    judgement rests on.
    """

    segments: tuple[Segment, ...]
    stop: Stamp | None
    end: Stamp | None
    stamps: tuple[Stamp, ...]


def _clock(job: JobState, promise: Promise, now: int) -> Clock:
    if job.created is None:
        return Clock(promise.name, promise.title, promise.indicator, "not_started")
    match promise.indicator:
        case "rating":
            return _rating(job, promise)
        case "first_time_fix":
            return _first_time_fix(job, promise)
        case "on_time_window":
            return _window(job, promise, now)
        case "duration":
            course = _worked(job)
            if not course.segments and course.stop is None:
                state: ClockState = "not_applicable" if course.end else "not_started"
                return _settled(promise, state, course.end)
            return _timed(job, promise, course, promise.target * MINUTE_MS, now)
        case _:
            stop = _stop(job, promise.indicator)
            course = _ran(job, promise, job.created.at, (job.created,), stop)
            return _timed(job, promise, course, promise.target * MINUTE_MS, now)


# What the log says


def _stop(job: JobState, indicator: Indicator) -> int | None:
    """Place in the history of the event that stops the clock, None while it has not happened."""
    if indicator == "response":
        return _first(job.history, ("job.accepted",))
    if indicator == "arrival":
        return _first(job.history, ("job.arrived", "job.started"))
    return _completion(job.history)


def _first(history: tuple[Change, ...], types: tuple[str, ...], after: int = 0) -> int | None:
    return next((place for place, change in enumerate(history) if place >= after and change.type in types), None)


def _completion(history: tuple[Change, ...]) -> int | None:
    """The completion that stands: the last one, unless the job was sent back after it and not approved all the same."""
    last = standing = None
    for place, change in enumerate(history):
        if change.type == "job.completed":
            last = standing = place
        elif change.type == "job.sent_back":
            standing = None
        elif change.type == "job.cannot_complete":
            last = standing = None
        elif change.type == "job.approved":
            standing = last
    return standing


def _end(job: JobState) -> int | None:
    """Place of the change that ended the job, None while it lives."""
    if job.status not in ("approved", "cancelled"):
        return None
    return max(place for place, change in enumerate(job.history) if change.type in ("job.approved", "job.cancelled"))


def _considered(job: JobState, stop: int | None) -> tuple[tuple[Change, ...], Stamp | None, Stamp | None]:
    """The part of the history that a clock looks at, with the stamp of its stop or of the job's end."""
    if stop is not None:
        return job.history[: stop + 1], job.history[stop].by, None
    end = _end(job)
    return job.history, None, job.history[end].by if end is not None else None


def _ran(job: JobState, promise: Promise, start: int, stamps: tuple[Stamp, ...], stop: int | None) -> _Course:
    """The course of a clock that runs from `start` on, except in pauses for the promise's own reasons."""
    history, stopped, ended = _considered(job, stop)
    segments: list[Segment] = []
    opened: int | None = start
    reached = start
    for change in history:
        reached = max(reached, change.by.at)
        if opened is not None and change.type == "job.paused" and change.reason in promise.pause_reasons:
            segments.append((opened, reached))
            opened = None
            stamps = (*stamps, change.by)
        elif opened is None and change.status != "paused":
            opened = reached
            stamps = (*stamps, change.by)
    if opened is not None:
        segments.append((opened, None))
    return _course(segments, stopped, ended, stamps)


def _worked(job: JobState) -> _Course:
    """The course of the clock that runs while work is in progress."""
    history, stopped, ended = _considered(job, _completion(job.history))
    segments: list[Segment] = []
    opened: int | None = None
    reached = 0
    stamps: tuple[Stamp, ...] = ()
    for change in history:
        reached = max(reached, change.by.at)
        if (change.status == "in_progress") == (opened is not None):
            continue
        stamps = (*stamps, change.by)
        if opened is None:
            opened = reached
        else:
            segments.append((opened, reached))
            opened = None
    if opened is not None:
        segments.append((opened, None))
    return _course(segments, stopped, ended, stamps)


def _course(segments: list[Segment], stop: Stamp | None, end: Stamp | None, stamps: tuple[Stamp, ...]) -> _Course:
    decisive = tuple(stamp for stamp in (stop, end) if stamp is not None)
    return _Course(tuple(segments), stop, end, (*stamps, *decisive))


# Judging


def _timed(job: JobState, promise: Promise, course: _Course, target: int, now: int, *, walled: bool = False) -> Clock:
    calendar, known = (None, True) if walled else _calendar(job, promise)
    target = max(0, target)
    decisive = course.stop or course.end
    until = decisive.at if decisive else now
    elapsed = sum(_passed(calendar, segment, until) for segment in course.segments)
    due = _reach(calendar, course.segments, target, until)
    spare = max(0, target - max(0, promise.at_risk_minutes) * MINUTE_MS)
    warned = _reach(calendar, course.segments, spare, until) if due is not None else None
    state = _judge(course, due, warned, now)
    return _with_action(
        Clock(
            promise.name,
            promise.title,
            promise.indicator,
            state,
            due_ms=due,
            elapsed_ms=elapsed,
            remaining_ms=target - elapsed,
            at_risk_from_ms=warned,
            paused=decisive is None and course.segments[-1][1] is not None,
            doubtful=not known or any(stamp.doubtful for stamp in course.stamps),
            decided_by=decisive.entry if decisive else "",
        ),
        promise,
        due,
    )


def _judge(course: _Course, due: int | None, warned: int | None, now: int) -> ClockState:
    if course.stop is not None:
        return "kept" if due is None or course.stop.at <= due else "broken"
    if course.end is not None:
        return "broken" if due is not None and course.end.at > due else "not_applicable"
    if due is not None and now > due:
        return "broken"
    if course.segments[-1][1] is not None:
        return "paused"
    return "at_risk" if warned is not None and now >= warned else "running"


def _passed(calendar: Calendar | None, segment: Segment, until: int) -> int:
    start, end = segment
    end = until if end is None else min(end, until)
    return business_ms_between(calendar, start, end) if end > start else 0


def _reach(calendar: Calendar | None, segments: tuple[Segment, ...], amount: int, now: int) -> int | None:
    """The first instant at which the clock has run for `amount`; where it stands still, as if it went on from now."""
    left = amount
    reached = now
    for start, end in segments:
        if end is None:
            return add_business_ms(calendar, start, left)
        passed = business_ms_between(calendar, start, end)
        if passed >= left:
            return add_business_ms(calendar, start, left)
        left -= passed
        reached = max(reached, end)
    return add_business_ms(calendar, reached, left)


def _calendar(job: JobState, promise: Promise) -> tuple[Calendar | None, bool]:
    """The promise's calendar, and whether it is known here in full; where it is not, the clock on the wall counts."""
    if promise.calendar is None:
        return None, True
    for calendar in job.calendars:
        if calendar.code == promise.calendar:
            return calendar, zone_known(calendar)
    return None, False


def _with_action(clock: Clock, promise: Promise, since_broken: int | None) -> Clock:
    """The clock with the action that follows from its state; minutes to do it in are real ones."""
    action, since = None, None
    if clock.state == "at_risk":
        action, since = promise.when_at_risk, clock.at_risk_from_ms
    elif clock.state == "broken":
        action, since = promise.when_broken, since_broken
    if action is None or since is None:
        return clock
    return msgspec.structs.replace(clock, action=action, action_due_ms=since + action.within_minutes * MINUTE_MS)


def _settled(promise: Promise, state: ClockState, by: Stamp | None = None) -> Clock:
    """A clock that measures no time. A doubtful device clock does not make the fact itself doubtful."""
    clock = Clock(promise.name, promise.title, promise.indicator, state, decided_by=by.entry if by else "")
    return _with_action(clock, promise, by.at if by else None)


def _window(job: JobState, promise: Promise, now: int) -> Clock:
    if job.created is None or job.window_start is None or job.window_end is None:
        return _settled(promise, "not_applicable")
    grace = max(0, promise.target) * MINUTE_MS
    opens, closes = job.window_start - grace, job.window_end + grace
    moved = max((place for place, change in enumerate(job.history) if change.type == "job.rescheduled"), default=0)
    stop = _first(job.history, ("job.arrived", "job.started", "job.resumed"), moved)
    course = _ran(job, promise, opens, (), stop)
    clock = _timed(job, promise, course, closes - opens, now, walled=True)
    if course.stop is not None and course.stop.at < opens:
        return _with_action(msgspec.structs.replace(clock, state="broken"), promise, course.stop.at)
    if clock.state == "running" and now < opens:
        return msgspec.structs.replace(clock, state="not_started")
    return clock


def _rating(job: JobState, promise: Promise) -> Clock:
    scores = [(feedback.csat, feedback.by) for feedback in job.feedback if feedback.csat is not None]
    if scores:
        lowest, by = min(scores, key=lambda score: score[0])
        return _settled(promise, "kept" if lowest >= promise.target else "broken", by)
    end = _end(job)
    if end is not None:
        return _settled(promise, "not_applicable", job.history[end].by)
    return _settled(promise, "running" if _completion(job.history) is not None else "not_started")


def _first_time_fix(job: JobState, promise: Promise) -> Clock:
    spoiled = _spoiled(job)
    if spoiled is not None:
        return _settled(promise, "broken", spoiled)
    completion = _completion(job.history)
    if completion is not None:
        return _settled(promise, "kept", job.history[completion].by)
    end = _end(job)
    if end is not None:
        return _settled(promise, "not_applicable", job.history[end].by)
    return _settled(promise, "running" if any(_visits(job.history)) else "not_started")


def _spoiled(job: JobState) -> Stamp | None:
    """What showed first, in the order of the log, that one visit was not enough."""
    for change, second in zip(job.history, _second_visits(job.history), strict=True):
        if second or change.type in ("job.sent_back", "job.cannot_complete"):
            return change.by
    return next((wanted.by for wanted in job.follow_ups if wanted.kind == "follow_up_job"), None)


def _visits(history: tuple[Change, ...]) -> Iterable[bool]:
    """For each change, whether a visit begins with it: being at the site after having been elsewhere."""
    at_site = False
    for change in history:
        comes = change.type == "job.arrived" or (change.status in ("on_site", "in_progress") and not at_site)
        yield comes
        if comes:
            at_site = True
        elif change.type in ("job.left", "job.travel_started", "job.assigned", "job.cannot_complete"):
            at_site = False


def _second_visits(history: tuple[Change, ...]) -> Iterable[bool]:
    before = False
    for comes in _visits(history):
        yield comes and before
        before = before or comes
