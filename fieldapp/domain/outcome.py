"""What becomes of an entry that arrives: decided once, by the server, and recorded in the log.

Accept is not apply: every entry of an enrolled device is kept; this says whether it stands.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.domain.entry import Envelope
from fieldapp.domain.entry_types.base import OFFICE, Body
from fieldapp.domain.fold import State, kind_of
from fieldapp.domain.job import JobState, OutcomeName
from fieldapp.domain.lifecycle import next_status
from fieldapp.domain.roles import ADMIN

Reach = Literal["in", "left", "never"]
"""Whether the author's scope holds the stream now, held it once, or never did."""

_WEIGHT: dict[OutcomeName, int] = {"applied": 0, "late": 1, "held": 2, "conflict": 3, "quarantined": 4}


class Outcome(msgspec.Struct, frozen=True):
    name: OutcomeName = "applied"
    reason: str = ""


APPLIED = Outcome()
FOREIGN = Outcome("quarantined", "it concerns something that was never in this person's scope")


def heavier(first: Outcome, second: Outcome) -> Outcome:
    """A group has one outcome: the heaviest of its entries'."""
    return second if _WEIGHT[second.name] > _WEIGHT[first.name] else first


def decide(
    envelope: Envelope, body: Body | None, role: str, reach: Reach, state: State | None, clash: str, known_type: bool
) -> Outcome:
    """The outcome of one entry.

    Args:
        role: the author's role. reach: whether the stream is in the author's scope.
        state: what the entry's own stream folds to before it, None for document streams.
        clash: why another line's entry stands in the way, '' where none does.
        known_type: False where this server does not know the entry's type.
    """
    if not known_type:
        return FOREIGN if reach == "never" else Outcome("held", f"this server does not know the type {envelope.type} yet")
    if body is None:
        return Outcome("quarantined", "its content is missing")
    if role not in body.ROLES:
        return Outcome("quarantined", f"a {role} may not record {envelope.type}")
    if misplaced(envelope, body):
        return Outcome("quarantined", misplaced(envelope, body))
    if envelope.log == "org" and role not in OFFICE:
        return Outcome("quarantined", "only the office writes to what all branches share")
    if reach == "never":
        return FOREIGN
    created = body.NAME == "job.created"
    if isinstance(state, JobState) and not state.id and not created:
        return Outcome("held", "the job it belongs to has not arrived yet")
    if clash:
        return Outcome("conflict", clash)
    if reach == "left":
        if body.EFFECT != "additive":
            return Outcome("conflict", "the job was given to somebody else before this arrived")
        return Outcome("late", "the job was given to somebody else before this arrived")
    if isinstance(state, JobState) and body.EFFECT == "lifecycle":
        if created:
            return Outcome("conflict", "this job was created already") if state.id else APPLIED
        if next_status(state.status, envelope.type) is None:
            return Outcome("conflict", f"a job that is {state.status} does not allow {envelope.type}")
    return APPLIED


def misplaced(envelope: Envelope, body: Body) -> str:
    """Why an entry can never stand where it was recorded, whoever decides on it; '' where it can."""
    kind = kind_of(envelope.stream)
    if kind not in (body.STREAM, *body.OTHER_STREAMS):
        return f"{envelope.type} does not belong to a {kind}"
    if not body.fits(envelope.stream):
        return f"it is about another {kind} than the one it was recorded for"
    return ""


def may_release(role: str, envelope: Envelope, body: Body | None) -> bool:
    """Whether a decision by someone of this role lets an entry stand: only an administrator's where nobody else may record such
    an entry, or one could be made an administrator by whoever decides on quarantine."""
    return body is None or (not misplaced(envelope, body) and (role in ADMIN or not body.ROLES <= ADMIN))
