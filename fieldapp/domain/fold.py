"""The fold: `fold(state, fact) -> state` for each kind of stream. The same pure code runs on a laptop and on the server.

FOLD_VERSION changes whenever the state of any log could come out differently; tests/domain/golden pins it. The digest of a state
finds a device whose fold disagrees with the server's.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.decision_words import read_decision
from fieldapp.domain.entry import encode
from fieldapp.domain.entry_types.base import Body, Fact, read_body
from fieldapp.domain.job import JobState, Unresolved
from fieldapp.domain.problem import Problem

FOLD_VERSION = 1

State = JobState | AssetState | CustomerState
_STATES: dict[str, type[JobState] | type[AssetState] | type[CustomerState]] = {
    "job": JobState,
    "asset": AssetState,
    "customer": CustomerState,
}


def kind_of(stream: str) -> str:
    return stream.partition(":")[0]


def folds(stream: str) -> bool:
    """True for streams that fold to a state of their own; the others hold documents, the newest of which counts."""
    return kind_of(stream) in _STATES


def empty_state(stream: str) -> State:
    return _STATES[kind_of(stream)]()


def fold(state: State, fact: Fact, body: Body | None = None) -> State:
    """The state after one more fact of its stream. `body`: the fact's, where it was read already.

    Facts that stand (applied, and late additive ones) change it; the others are kept in view as unresolved. Never raises: a
    body that cannot be read counts as unresolved, so one bad entry cannot hide the rest of a job.
    """
    try:
        body = body or read_body(fact.entry)
    except Problem as problem:
        return _unresolved(state, fact, None, "quarantined", fact.reason if read_decision(fact.reason) else str(problem))
    if stands(fact, body):
        if body is not None:
            state = _apply(state, body, fact)
        return _counted(_stands_now(state, fact.id))
    return _unresolved(state, fact, body, fact.outcome, fact.reason)


def stands(fact: Fact, body: Body | None) -> bool:
    """Whether a fact changes the values: applied ones do, late ones only where they are additive."""
    if fact.outcome == "applied":
        return True
    return fact.outcome == "late" and body is not None and body.EFFECT == "additive"


def _apply(state: State, body: Body, fact: Fact) -> State:
    if isinstance(state, JobState):
        return body.on_job(state, fact)
    if isinstance(state, AssetState):
        return body.on_asset(state, fact)
    return body.on_customer(state, fact)


def _counted(state: State) -> State:
    return msgspec.structs.replace(state, entries=state.entries + 1)


def _unresolved(state: State, fact: Fact, body: Body | None, outcome: Any, reason: str) -> State:
    state = _counted(state)
    if not isinstance(state, JobState):
        return state
    envelope = fact.entry.envelope
    item = Unresolved(
        envelope.id, envelope.type, outcome, reason, envelope.author, envelope.corrected, body.summary() if body else ""
    )
    said = read_decision(reason)
    if said is not None:  # it was decided, and stays what it was
        before = next((earlier for earlier in state.unresolved if earlier.entry == item.entry), item)
        item = msgspec.structs.replace(before, decided=before.decided or said.verb)
    others = tuple(earlier for earlier in state.unresolved if earlier.entry != item.entry)
    return msgspec.structs.replace(state, unresolved=(*others, item))


def _stands_now(state: State, entry: str) -> State:
    """An entry that was held or in conflict and is applied by a later outcome asks nothing of anybody any more."""
    if (
        not isinstance(state, JobState)
        or not state.unresolved
        or not any(item.entry == entry and not item.decided for item in state.unresolved)
    ):
        return state
    items = tuple(
        msgspec.structs.replace(item, decided="applied") if item.entry == entry and not item.decided else item
        for item in state.unresolved
    )
    return msgspec.structs.replace(state, unresolved=items)


def state_bytes(state: State) -> bytes:
    """Canonical JSON bytes of a state: keys of mappings sorted, fields in the order of their definition."""
    return encode(state)


def read_state(stream: str, raw: bytes) -> State:
    return msgspec.json.decode(raw, type=_STATES[kind_of(stream)])


def digest(state: State) -> str:
    """SHA-256 (hex) of the canonical bytes and the fold's version."""
    return digest_of(state_bytes(state))


def digest_of(raw: bytes) -> str:
    """The digest of a state given its canonical bytes."""
    return hashlib.sha256(b"%d:" % FOLD_VERSION + raw).hexdigest()
