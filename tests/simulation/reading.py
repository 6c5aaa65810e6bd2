"""Entries read once in a run: the same bytes come by many times, to three devices and to the server, and are the same entry."""

from __future__ import annotations

from typing import Any

from fieldapp.domain import entry
from fieldapp.server import receiving as server_receiving
from fieldapp.store import deciding, entries, erasing, journal, lines, pending, server
from fieldapp.sync import answers, protocol

ENTRY_READERS = (deciding, entries, erasing, journal, lines, pending, protocol, server)
"""Modules that read entries by `read_entry`."""
WIRE_READERS = (answers, server_receiving)
"""Modules that read entries by `from_wire`."""


class Reader:
    """What `read_entry` and `from_wire` give, remembered for each way of reading. What cannot be read is tried again each time."""

    def __init__(self) -> None:
        self._stored: dict[tuple[bytes, bytes | None, bool, bool], entry.Entry] = {}
        self._sent: dict[tuple[str, str | None, bool], entry.Entry] = {}

    def read_entry(self, raw: bytes, body: bytes | None, *, trusted: bool = False, judged: bool = False) -> Any:
        key = (raw, body, trusted, judged)
        found = self._stored.get(key)
        if found is None:
            found = self._stored[key] = _read_entry(raw, body, trusted=trusted, judged=judged)
        return found

    def from_wire(self, wire: protocol.WireEntry, *, judged: bool = False) -> Any:
        key = (wire.raw, wire.body, judged)
        found = self._sent.get(key)
        if found is None:
            found = self._sent[key] = _from_wire(wire, judged=judged)
        return found


_read_entry, _from_wire = entry.read_entry, protocol.from_wire
