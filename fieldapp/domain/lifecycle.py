"""The life of a job as one explicit table: (status, entry type, role) -> status.

docs/lifecycle.md is drawn from this table by domain/lifecycle_document.py; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Literal

from fieldapp.domain.job import Status
from fieldapp.domain.roles import FIELD, OFFICE

Side = Literal["field", "office"]
Row = tuple[tuple[Status, ...], str, Status | None, Side]
"""From these statuses, this entry type, to that status (None: it stays), by the `field` or the `office`."""

ACTIVE: tuple[Status, ...] = ("accepted", "travelling", "on_site", "in_progress", "paused")
OPEN: tuple[Status, ...] = ("unassigned", "assigned", *ACTIVE, "sent_back", "declined", "cannot_complete")
RECORDING: tuple[Status, ...] = (*ACTIVE, "sent_back")
"""Statuses in which steps are recorded. Preparation checklists are done before the journey, hence from `accepted` on."""
AMENDING: tuple[Status, ...] = (*RECORDING, "completed", "cannot_complete")

TABLE: tuple[Row, ...] = (
    (("unassigned", "assigned", "declined", "cannot_complete"), "job.assigned", "assigned", "office"),
    ((*ACTIVE, "sent_back"), "job.assigned", "assigned", "office"),
    (OPEN, "job.rescheduled", None, "office"),
    (OPEN, "job.cancelled", "cancelled", "office"),
    (("assigned",), "job.accepted", "accepted", "field"),
    (("assigned", "accepted"), "job.declined", "declined", "field"),
    (("accepted", "paused", "sent_back"), "job.travel_started", "travelling", "field"),
    (("accepted", "travelling", "paused", "sent_back"), "job.arrived", "on_site", "field"),
    (("accepted", "travelling", "on_site", "sent_back"), "job.started", "in_progress", "field"),
    (("travelling", "on_site", "in_progress"), "job.paused", "paused", "field"),
    (("paused", "sent_back"), "job.resumed", "in_progress", "field"),
    (("in_progress", "sent_back"), "job.completed", "completed", "field"),
    (RECORDING, "job.cannot_complete", "cannot_complete", "field"),
    (("paused", "completed", "cannot_complete", "sent_back", "approved", "cancelled"), "job.left", None, "field"),
    (("completed", "cannot_complete", "sent_back"), "job.approved", "approved", "office"),
    (("completed", "cannot_complete", "approved"), "job.sent_back", "sent_back", "office"),
)  # fmt: skip

SIDES: dict[Side, frozenset[str]] = {"field": FIELD, "office": OFFICE}
"""The roles on each side of the table; the entry types carry the same sets (`ROLES`)."""

_MOVES: dict[tuple[Status, str], tuple[Status, frozenset[str]]] = {
    (status, entry_type): (after or status, SIDES[side]) for before, entry_type, after, side in TABLE for status in before
}


def next_status(status: Status, entry_type: str) -> Status | None:
    """The status after this entry, None where the table does not allow it."""
    move = _MOVES.get((status, entry_type))
    return move[0] if move else None


def allowed(status: Status, entry_type: str, role: str) -> Status | None:
    """The status after this entry by a person of this role, None where the table does not allow it to them."""
    move = _MOVES.get((status, entry_type))
    return move[0] if move and role in move[1] else None


def moves_from(status: Status, role: str | None = None) -> tuple[str, ...]:
    """Entry types that are allowed in this status (to this role, where one is given), in table order."""
    found = [entry_type for before, entry_type, _, side in TABLE if status in before and (role is None or role in SIDES[side])]
    return tuple(dict.fromkeys(found))
