"""Wire types of sync protocol 1, shared by device and server.

JSON, media type MEDIA_TYPE. Entries travel as the exact text of their envelope and body, inside JSON strings, so that nobody
re-serialises them. Times are milliseconds UTC.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from fieldapp.domain.entry import Entry, read_entry
from fieldapp.domain.job import OutcomeName
from fieldapp.domain.problem import Problem

PROTOCOL = 1
MEDIA_TYPE = "application/vnd.fieldapp+json"
PROBLEM_TYPE = "application/problem+json"
NONCE_HEADER = "Fieldapp-Nonce"
DIGEST_HEADER = "Fieldapp-Digest"
"""SHA-256 (hex) of a JSON body before it is compressed, in requests and answers: what was damaged on its way is asked for again,
and a proxy that packs anew does no harm. (TLS sees to it as well, up to whatever ends it before us.)"""
INCARNATION_HEADER = "Fieldapp-Incarnation"
"""In every answer: which history the server has. A restore renews it."""
PUSH_ENTRIES = 500
"""Entries in one push at most."""
PUSH_BYTES = 1024 * 1024
"""Bytes of entries in one push at most (before compression)."""
PULL_BYTES = 1024 * 1024
"""Bytes of rows a device asks for at a time (before compression)."""
INFLATE_LIMIT = 16 * 1024 * 1024
"""A compressed request may not grow beyond this."""
PART_BYTES = 1024 * 1024
"""Size of one part of a file; the last may be shorter."""

DESK_ROWS = 500
"""Rows of each list of the desk at most."""

RowKind = Literal["entry", "outcome", "scope"]

# What requests may hold. `(?!\n)$` is the end of the text and nothing else, in Python as in JSON Schema.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._\-]{1,80}(?!\n)$")]
StreamName = Annotated[str, msgspec.Meta(pattern=r"^([a-z]{2,20}:[A-Za-z0-9._\-]{1,80}|\*)(?!\n)$")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
ChainBefore = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?(?!\n)$")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Position = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
ShortText = Annotated[str, msgspec.Meta(max_length=200)]
Nonce = Annotated[str, msgspec.Meta(min_length=16, max_length=200)]
"""At least 16 characters of chance: secrets and tokens are derived from it."""


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine and nobody else reaches it: only there is plain HTTP spoken, by devices and by servers."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class WireEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry as its exact texts; `body` is None where it was erased."""

    raw: str
    body: str | None = None


def to_wire(entry: Entry) -> WireEntry:
    return WireEntry(entry.raw.decode("utf-8"), None if entry.body_raw is None else entry.body_raw.decode("utf-8"))


def from_wire(wire: WireEntry, *, judged: bool = False) -> Entry:
    """Parse and check an entry from the wire.

    Args:
        judged: it comes from a server's log, so its JSON was read closely when it was received.

    Raises:
        Problem: `bad-json`, `bad-entry`, `body-too-large`.
    """
    try:
        raw, body = wire.raw.encode("utf-8"), None if wire.body is None else wire.body.encode("utf-8")
    except UnicodeEncodeError:
        raise Problem("bad-json", "The entry holds half a character.") from None
    return read_entry(raw, body, judged=judged)


class EnrolRequest(msgspec.Struct, frozen=True):
    """`code` is the one-time code; asked again with the same nonce it gives the same answer for ten minutes."""

    code: ShortText
    device_name: ShortText
    app_version: ShortText
    nonce: Nonce


class EnrolAnswer(msgspec.Struct, frozen=True):
    """`code` is short and unique: offline job numbers start with it. `logs`: the logs to read; `log`: the own branch."""

    device: str
    code: str
    secret: str
    person: str
    name: str
    role: str
    log: str
    logs: tuple[str, ...]
    token: str
    token_expires: int
    time: int
    incarnation: str


class TokenRequest(msgspec.Struct, frozen=True):
    device: Name
    secret: ShortText
    nonce: Nonce


class TokenAnswer(msgspec.Struct, frozen=True):
    token: str
    token_expires: int
    time: int


class EpochParent(msgspec.Struct, frozen=True):
    epoch: Name
    seq: Position


class PushRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of entries of one epoch: `entries[0]` has position `from_seq`, `prev_hash` is the chain before it."""

    epoch: Name
    log: Name
    from_seq: Seq
    prev_hash: ChainBefore
    entries: tuple[WireEntry, ...]
    parent: EpochParent | None = None


class Receipt(msgspec.Struct, frozen=True):
    """Everything up to `seq` of `epoch`, whose chain is `hash` there, is durable at the server."""

    epoch: str
    seq: int
    hash: str
    safe_seq: int
    time: int


class PushAnswer(msgspec.Struct, frozen=True):
    """`entries`: `received` or `duplicate` for each, in order; `wanted`: hashes of files the server has not got."""

    receipt: Receipt
    entries: tuple[Literal["received", "duplicate"], ...]
    incarnation: str
    wanted: tuple[str, ...] = ()


class Backfill(msgspec.Struct, frozen=True):
    """Ask for the rows of `stream` with after < pos <= upto."""

    log: Name
    stream: StreamName
    after: Position
    upto: Position


class EpochHead(msgspec.Struct, frozen=True):
    epoch: Name
    seq: Position
    hash: ChainBefore
    safe_seq: Position = 0


class PullRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """`cursors`: log to `pos:chain8`, `0:` for a log never read."""

    cursors: dict[str, str]
    epochs: tuple[EpochHead, ...] = ()
    protocols: tuple[int, ...] = (PROTOCOL,)
    app_version: ShortText = ""
    fold: int = 0
    backfills: tuple[Backfill, ...] = ()
    budget: Seq = PULL_BYTES


class WireRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of a log. kind `entry`: an entry with the outcome decided on it; `outcome`: a later decision on the entry `about`,
    which is sent along because the receiver may not have it."""

    log: str
    pos: int
    at: int
    entry: WireEntry
    kind: RowKind = "entry"
    outcome: OutcomeName = "applied"
    reason: str = ""
    role: str = ""


class StreamAdded(msgspec.Struct, frozen=True):
    """A stream that is in scope now: backfill it up to `upto`; its tail comes by the cursor from there."""

    log: str
    stream: str
    upto: int


class StreamRemoved(msgspec.Struct, frozen=True):
    log: str
    stream: str


class BackfillDone(msgspec.Struct, frozen=True):
    """Rows of `stream` up to `after` are in this answer; `done` when nothing is left up to what was asked."""

    stream: str
    after: int
    done: bool


class StreamDigest(msgspec.Struct, frozen=True):
    stream: str
    pos: int
    digest: str


class PullAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    incarnation: str
    time: int
    cursors: dict[str, str]
    rows: tuple[WireRow, ...] = ()
    added: tuple[StreamAdded, ...] = ()
    removed: tuple[StreamRemoved, ...] = ()
    backfilled: tuple[BackfillDone, ...] = ()
    epochs: tuple[EpochHead, ...] = ()
    digests: tuple[StreamDigest, ...] = ()
    fold: int = 0
    more: bool = False
    logs: tuple[str, ...] = ()
    oldest_version: str = ""
    aside: dict[str, tuple[int, ...]] = {}
    """Epoch to the positions past the asked head that the server has as bytes only, on which nobody has decided yet: whoever has
    the entries offers them once more."""
    wanted: tuple[str, ...] = ()
    """Hashes of files that entries of this person's devices name and the server has not got, some where there are many: whoever
    counts one as sent sends it again. A server that was put back to an earlier day, and whose log is what it was, shows it by
    nothing else."""


class FileState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to GET/PUT of parts and to complete: which parts (numbers from 0) the server holds, and whether it has all.

    began: bytes that it holds of the first part that is missing, where that came in pieces: the next piece begins there.
    """

    sha256: str
    parts: tuple[int, ...]
    complete: bool
    began: int = 0


class QuarantineRequest(msgspec.Struct, frozen=True):
    """Bytes the server refused to read as an entry, with their position; `raw` is base64. Advances the head."""

    epoch: Name
    log: Name
    seq: Seq
    prev_hash: ChainBefore
    hash: Hash
    raw: str
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


class ImportRequest(msgspec.Struct, frozen=True):
    """Lines of an exported journal, each as it stands there (`checksum json`), without its line feed."""

    lines: tuple[Annotated[str, msgspec.Meta(max_length=512 * 1024)], ...]


class ImportAnswer(msgspec.Struct, frozen=True):
    """What became of imported lines. taken: in the log now; held: put aside until their own device sends them or the office
    decides; known: were here already; damaged: numbers (from 1) of lines that cannot be read; wanted: files the server has not
    got."""

    taken: int
    held: int
    known: int
    damaged: tuple[int, ...] = ()
    wanted: tuple[str, ...] = ()


class AsideBytes(msgspec.Struct, frozen=True):
    """Bytes in quarantine that wait for a decision. id: their SHA-256; text: their beginning, as text; why_not: why they cannot be
    released, '' where they can."""

    id: str
    log: str
    device: str
    person: str
    reason: str
    received_at: int
    size: int
    text: str
    why_not: str


class KnownDevice(msgspec.Struct, frozen=True):
    """A device that is in service. Times in milliseconds UTC; `last_seen` None where it has never called."""

    id: str
    code: str
    person: str
    name: str
    enrolled_at: int
    last_seen: int | None
    app_version: str


class MissingFile(msgspec.Struct, frozen=True):
    """A file that a received entry names and that is not all here: `parts` of `of` have arrived."""

    sha256: str
    name: str
    size: int
    stream: str
    parts: int
    of: int


class DeskAnswer(msgspec.Struct, frozen=True):
    """What only the server knows of what is not as it should be, the oldest first; each list is cut at DESK_ROWS."""

    time: int
    aside: tuple[AsideBytes, ...] = ()
    devices: tuple[KnownDevice, ...] = ()
    files: tuple[MissingFile, ...] = ()


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem+json; `code` is one of docs/errors.md. `head` is the server's head for `gap` and `fork`."""

    title: str
    status: int
    code: str
    detail: str = ""
    hint: str = ""
    head: EpochHead | None = None
    logs: dict[str, str] = {}
    seq: int | None = None
    type: str = "about:blank"
