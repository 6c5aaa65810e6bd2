"""States of assets and customers with own unsettled work on top: what the next technician sees as "last time"."""

from __future__ import annotations

from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.entry import read_entry
from fieldapp.domain.entry_types.base import Fact
from fieldapp.domain.fold import State, empty_state, fold, read_state
from fieldapp.store.queries.reader import Reader

_PENDING = """
SELECT e.raw, e.body, o.lane FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE o.lane != 'settled' AND o.outcome = '' ORDER BY o.saved_at, o.epoch, o.seq
"""


def asset_state(reader: Reader, asset: str) -> AssetState:
    """What happened at an asset: its document, readings, faults, parts and timeline."""
    state = _state(reader, f"asset:{asset}")
    assert isinstance(state, AssetState)
    return state


def customer_state(reader: Reader, customer: str) -> CustomerState:
    """A customer's documents, feedback, actions and timeline."""
    state = _state(reader, f"customer:{customer}")
    assert isinstance(state, CustomerState)
    return state


def _state(reader: Reader, stream: str) -> State:
    with reader.snapshot():
        row = reader.row("SELECT state FROM stream_states WHERE stream = ?", (stream,))
        pending = reader.rows(_PENDING)
    state = read_state(stream, row["state"]) if row is not None and row["state"] else empty_state(stream)
    for own in pending:
        entry = read_entry(own["raw"], own["body"], trusted=True)
        if stream in entry.envelope.streams:
            state = fold(state, Fact(entry, "quarantined" if own["lane"] == "refused" else "applied"))
    return state
