"""The entry: one immutable fact, kept for ever as the exact bytes that were written.

An entry is an envelope (who, where, when, about what) and a body (what). The envelope names the body by its hash, so a body
can be erased (a person's right) while every hash and chain still verifies.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.domain.text import WHOLE_LIMIT, strict_json

BODY_LIMIT = 64 * 1024
"""Bytes of one body; larger documents are files named by hash."""
ENVELOPE_LIMIT = 32 * 1024
"""Bytes of one envelope: room for its group's files, none for anything else."""
ALSO_LIMIT = 20
"""Further streams that one entry may name."""
GROUP_LIMIT = 50
"""Entries in one group (what one action of a person recorded)."""
GROUP_BYTES_LIMIT = 256 * 1024
"""Bytes of one group, envelopes and bodies together."""
DOUBTFUL_SKEW_MS = 120_000
"""A device clock further off than this makes a promise's verdict doubtful."""

EARLIEST_MS = -2_208_988_800_000
"""1900-01-01 UTC. A broken clock is believed so far: what lies outside cannot be shown or computed with anywhere."""
LATEST_MS = 221_845_392_000_000
"""9000-01-01 UTC."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_STREAM = re.compile(r"[a-z]{2,20}:[A-Za-z0-9._\-]{1,80}\Z")
_NAME = re.compile(r"[A-Za-z0-9._\-]{1,80}\Z")
_TYPE = re.compile(r"[a-z_]{1,30}\.[a-z_]{1,40}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


class Moment(msgspec.Struct, frozen=True, omit_defaults=True):
    """When something was recorded, as the device saw it: evidence, never an arbiter of order.

    wall: milliseconds since 1970 UTC by the device's clock; offset: minutes east of UTC; boot: id of the running boot;
    up: milliseconds since that boot; skew: milliseconds to add to `wall` to get the server's time, None where not known.
    """

    wall: int
    offset: int = 0
    boot: str = ""
    up: int = 0
    skew: int | None = None


class FileRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that belongs to an entry: content hash, size in bytes, name and media type as recorded."""

    sha256: str
    size: int
    name: str
    media: str = "application/octet-stream"


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything about an entry but its content. Unknown fields of later versions stay in the raw bytes."""

    id: str
    log: str
    stream: str
    type: str
    author: str
    device: str
    group: str
    at: Moment
    body: str
    schema: int = 1
    also: tuple[str, ...] = ()
    n: int = 0
    of: int = 1
    base: str | None = None
    files: tuple[FileRef, ...] = ()
    v: int = 1

    @property
    def corrected(self) -> int:
        """Milliseconds UTC by the server's clock, as far as the device knew it."""
        return self.at.wall + (self.at.skew or 0)

    @property
    def doubtful(self) -> bool:
        """True where the device's clock was too far off for its time to decide a promise."""
        return self.at.skew is not None and abs(self.at.skew) > DOUBTFUL_SKEW_MS

    @property
    def streams(self) -> tuple[str, ...]:
        """The stream it belongs to, then the others it is folded into."""
        return (self.stream, *self.also)


class Entry(msgspec.Struct, frozen=True, dict=True):
    """An envelope with its exact bytes and, unless erased, its body's exact bytes."""

    envelope: Envelope
    raw: bytes
    body_raw: bytes | None

    @property
    def id(self) -> str:
        return self.envelope.id

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over the exact envelope bytes: with the id, what makes a duplicate a duplicate."""
        return sha256(self.raw)

    @property
    def size(self) -> int:
        return len(self.raw) + len(self.body_raw or b"")


_encoder = msgspec.json.Encoder(order="deterministic")
_envelope_decoder = msgspec.json.Decoder(Envelope)


def encode(value: Any) -> bytes:
    """Deterministic JSON bytes of a struct or plain value (keys of mappings sorted).

    Raises:
        Problem: `bad-text` where a text holds what is no character (bytes of a foreign encoding typed or pasted in).
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        raise Problem(
            "bad-text",
            "The text holds something that is no character (bytes of another encoding).",
            "Nothing was saved from it. Type that part again.",
        ) from None


def sha256(raw: bytes) -> str:
    """SHA-256 (hex)."""
    import hashlib  # the first frame needs none

    return hashlib.sha256(raw).hexdigest()


def chain_hash(previous: str, seq: int, entry_hash: str) -> str:
    """Hash of a position in an epoch: SHA-256 over `previous seq entry_hash` as ASCII text; the first has `previous` empty."""
    return sha256(f"{previous} {seq} {entry_hash}".encode("ascii"))


def write_entry(envelope: Envelope, body: bytes) -> Entry:
    """Make an entry from its parts, filling in the body's hash.

    Raises:
        Problem: `body-too-large` above BODY_LIMIT; `bad-json` where the body is not strict JSON; `bad-entry` where a name does
            not have the form names have, or a time lies outside EARLIEST_MS to LATEST_MS.
    """
    if len(body) > BODY_LIMIT:
        raise Problem(
            "body-too-large",
            f"This record has {len(body):,} bytes; one record holds at most {BODY_LIMIT:,}.",
            "Nothing was saved from it. Shorten the text or attach it as a file.",
        )
    envelope = msgspec.structs.replace(envelope, body=sha256(body))
    strict_json(body, "record")
    _check(envelope)
    raw = encode(envelope)
    _check_size(raw)
    if not _plain(envelope, raw):
        strict_json(raw, "envelope")
    return Entry(envelope, raw, body)


def read_entry(raw: bytes, body: bytes | None, *, trusted: bool = False, judged: bool = False) -> Entry:
    """Parse an entry that came from a disk or a wire.

    Args:
        raw: exact envelope bytes. body: exact body bytes, None where it was erased.
        trusted: True for bytes that this program stored itself: only parsed, not checked again.
        judged: True for what a server has taken into a log: names, hashes and sizes are checked, its JSON was when it was taken.

    Raises:
        Problem: `bad-json` or `bad-entry` with the reason.
    """
    if not trusted:
        _check_size(raw)
    try:
        envelope = _envelope_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if not (trusted or judged):
            strict_json(raw, "envelope")  # first what is wrong with it as JSON
        raise Problem("bad-entry", f"The envelope cannot be read: {error}.") from None
    if not (trusted or judged or _as_written(envelope, raw)):
        strict_json(raw, "envelope")
    if not trusted:
        _check(envelope)
        if body is not None:
            if len(body) > BODY_LIMIT:
                raise Problem("body-too-large", f"The record has {len(body):,} bytes; {BODY_LIMIT:,} are allowed.")
            if sha256(body) != envelope.body:
                raise Problem("bad-entry", "The record is not the one that its envelope names: the hashes differ.")
            if not judged:
                strict_json(body, "record")
    entry = Entry(envelope, raw, body)
    if not trusted:
        entry.__dict__["hash"] = sha256(raw)  # whoever takes an entry in needs it; what lies here has it beside it
    return entry


def _as_written(envelope: Envelope, raw: bytes) -> bool:
    """Whether these bytes are what this program writes for this envelope, as nearly all are: then there is nothing else in them
    that would have to be judged as JSON, but for how large numbers are."""
    return _plain(envelope, raw) and _encoder.encode(envelope) == raw


def _plain(envelope: Envelope, raw: bytes) -> bool:
    """Whether what is written here of an envelope needs no close look: no escapes, and no number that is too large."""
    if b"\\u" in raw:
        return False
    at = envelope.at
    numbers = (at.wall, at.offset, at.up, at.skew or 0, envelope.schema, envelope.n, envelope.of, envelope.v)
    return max(numbers) <= WHOLE_LIMIT and min(numbers) >= -WHOLE_LIMIT and all(f.size <= WHOLE_LIMIT for f in envelope.files)


def _check_size(raw: bytes) -> None:
    if len(raw) > ENVELOPE_LIMIT:
        raise Problem("bad-entry", f"The envelope has {len(raw):,} bytes; {ENVELOPE_LIMIT:,} are allowed.")


_FORMS = (
    ("id", _ID), ("group", _ID), ("type", _TYPE), ("log", _NAME), ("author", _NAME), ("device", _NAME), ("body", _HASH),
)  # fmt: skip
_ALL_FORMS = re.compile("\n".join(form.pattern.removesuffix(r"\Z") for _, form in (*_FORMS, ("stream", _STREAM))) + r"\Z")
"""All of them at once, each on a line of its own: one look at an entry that is as it should be. No form holds a line's end."""


def _check(envelope: Envelope) -> None:
    said = (envelope.id, envelope.group, envelope.type, envelope.log, envelope.author, envelope.device, envelope.body)
    fits = _ALL_FORMS.match("\n".join((*said, envelope.stream))) is not None
    faults = [] if fits else [name for name, form in _FORMS if not form.match(getattr(envelope, name))]
    faults += [f"stream {s[:40]!r}" for s in (envelope.also if fits else envelope.streams) if not _STREAM.match(s)]
    faults += ["file hash" for file in envelope.files if not _HASH.match(file.sha256) or file.size < 0]
    if not 0 <= envelope.n < envelope.of <= GROUP_LIMIT:
        faults.append("place in its group")
    if len(envelope.also) > ALSO_LIMIT or (envelope.also and len(set(envelope.streams)) != len(envelope.streams)):
        faults.append("streams")
    if envelope.base is not None and not _ID.match(envelope.base):
        faults.append("base")
    at = envelope.at
    if not (EARLIEST_MS <= at.wall <= LATEST_MS and EARLIEST_MS <= envelope.corrected <= LATEST_MS and abs(at.offset) <= 1440):
        faults.append("time")
    if faults:
        raise Problem("bad-entry", f"The envelope has a wrong {', '.join(faults)}.")
