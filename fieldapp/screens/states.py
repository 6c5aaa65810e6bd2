"""Glyph, word and colour of every state that a screen shows: one table each, so that a state looks the same everywhere."""

from __future__ import annotations

from textual.content import Content

from fieldapp.domain.job import Status, VerdictName
from fieldapp.domain.promise import ClockState
from fieldapp.language import _, later

Look = tuple[str, str, str]
"""Glyph, word (for the catalogue), colour."""

STATUS: dict[Status, Look] = {
    "unassigned": ("○", later("unassigned"), "$text-warning"),
    "assigned": ("◌", later("assigned"), "$text-primary"),
    "accepted": ("◔", later("accepted"), "$text-primary"),
    "travelling": ("→", later("travelling"), "$text-primary"),
    "on_site": ("⌂", later("on site"), "$text-primary"),
    "in_progress": ("▶", later("in progress"), "$text-accent"),
    "paused": ("‖", later("paused"), "$text-warning"),
    "completed": ("●", later("completed"), "$text-success"),
    "sent_back": ("↩", later("sent back"), "$text-error"),
    "approved": ("✓", later("approved"), "$text-success"),
    "declined": ("✕", later("declined"), "$text-error"),
    "cannot_complete": ("⊘", later("cannot complete"), "$text-error"),
    "cancelled": ("−", later("cancelled"), "$text-muted"),
}
VERDICT: dict[VerdictName, Look] = {
    "pass": ("✓", later("pass"), "$text-success"),
    "borderline": ("≈", later("borderline"), "$text-warning"),
    "fail": ("✗", later("fail"), "$text-error"),
    "not_applicable": ("−", later("not applicable"), "$text-muted"),
    "not_done": ("⊘", later("not done"), "$text-warning"),
    "none": ("•", later("recorded"), "$foreground"),
}
PROMISE: dict[ClockState, Look] = {
    "not_started": ("·", later("not started"), "$text-muted"),
    "running": ("◷", later("running"), "$foreground"),
    "at_risk": ("▲", later("at risk"), "$text-warning"),
    "paused": ("‖", later("paused"), "$text-muted"),
    "kept": ("✓", later("kept"), "$text-success"),
    "broken": ("!", later("broken"), "$text-error"),
    "not_applicable": ("−", later("not applicable"), "$text-muted"),
}
LANE: dict[str, Look] = {
    "unsent": ("↑", later("unsent"), "$text-warning"),
    "sending": ("⇡", later("sending"), "$text-primary"),
    "received": ("◐", later("received"), "$text-primary"),
    "settled": ("✓", later("settled"), "$text-success"),
    "refused": ("✗", later("refused"), "$text-error"),
}


def status(name: Status) -> Content:
    """A job's status as glyph and word."""
    return _look(STATUS[name])


def verdict(name: VerdictName) -> Content:
    return _look(VERDICT[name])


def lane(name: str) -> Content:
    return _look(LANE[name])


def _look(look: Look) -> Content:
    glyph, word, colour = look
    return Content.styled(f"{glyph} {_(word)}", colour)


def span(milliseconds: int) -> str:
    """A stretch of time as hours and minutes: `0:41`, `-0:14`; from two days on in days: `3 d`. Minutes count from full to full, so
    that nothing late is ever `-0:00`."""
    whole = milliseconds // 60_000
    sign, minutes = "-" if whole < 0 else "", abs(whole)
    if minutes >= 2 * 1440:
        return _("{sign}{days} d").format(sign=sign, days=minutes // 1440)
    return f"{sign}{minutes // 60}:{minutes % 60:02d}"
