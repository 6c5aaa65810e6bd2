"""What bytes in quarantine say, where they are a record that can be read: nobody should have to decide on them by their JSON."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

from fieldapp.domain.entry import read_entry
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.log import LogLine
from fieldapp.store.queries.reader import Reader


class Bytes(Protocol):
    """What the server says of bytes that lie aside: hash, the bytes as text, why they cannot stand, when they came (ms UTC)."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def why_not(self) -> str: ...
    @property
    def received_at(self) -> int: ...


class AsideRecord(NamedTuple):
    """What bytes aside are. number: of the job they belong to, '' where that is none or not known here."""

    line: LogLine
    stream: str
    number: str


def aside_record(reader: Reader, one: Bytes) -> AsideRecord | None:
    """The record that these bytes are; None where they cannot be read, or are too many to have come here as a whole."""
    raw = one.text.encode("utf-8", "replace")
    if one.why_not or hashlib.sha256(raw).hexdigest() != one.id:
        return None
    envelope, _, body = raw.partition(b"\n")
    try:
        entry = read_entry(envelope, body)
    except Problem:
        return None
    stream = entry.envelope.stream
    job = reader.row("SELECT number FROM jobs WHERE stream = ?", (stream,))
    return AsideRecord(LogLine(entry, None, one.received_at, None), stream, str(job["number"]) if job else "")
