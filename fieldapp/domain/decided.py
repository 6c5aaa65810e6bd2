"""When a decision on an entry that does not stand by itself may be made."""

from __future__ import annotations

from fieldapp.domain.decision_words import ALREADY, REASON_LIMIT, STANDS, read_decision
from fieldapp.domain.entry import Envelope
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import State
from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import next_status
from fieldapp.domain.outcome import Outcome, may_release


def why_not_released(role: str, envelope: Envelope, body: Body | None, state: State | None) -> Outcome | None:
    """Why a person of this role cannot let an entry stand now; None where they can.

    Args:
        body: of the entry, None where it was erased or cannot be read by this version. state: what its own stream folds to.
    """
    if body is None:
        return Outcome("conflict", "what it decides on cannot be read by this server, so it cannot stand")
    if body.EFFECT == "decision":
        return Outcome("conflict", "a decision is not let stand later; it is made anew")
    if not may_release(role, envelope, body):
        return Outcome("quarantined", f"a {role} may not let {envelope.type} stand there")
    if isinstance(state, JobState):
        if body.NAME == "job.created":
            return Outcome("conflict", "this job was created already") if state.id else None
        if not state.id:
            return Outcome("conflict", "the job it belongs to has not arrived yet")
        if body.EFFECT == "lifecycle" and next_status(state.status, envelope.type) is None:
            return Outcome("conflict", f"a job that is {state.status} does not allow {envelope.type}")
    return None


def why_not_decided(verb: str, outcome: str, before: str) -> Outcome | None:
    """Why an entry asks for no decision, or for no other one; None where it waits for one.

    Args:
        outcome: of the entry now. before: reason of its latest outcome row, '' where there is none.
    """
    said = read_decision(before)
    if said is not None:
        if (said.verb in STANDS) == (verb in STANDS):
            return None  # two in the office who agree
        return Outcome("conflict", f"{ALREADY}{before}"[:REASON_LIMIT])
    if outcome in ("applied", "late"):
        return Outcome("conflict", "what it decides on stands already")
    return None
