"""What every entry type has: a name, an effect, roles, and a fold for each kind of stream."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.entry import Entry
from fieldapp.domain.job import JobState, OutcomeName, Stamp
from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import EVERYONE, FIELD, OFFICE, TECHNICIAN

__all__ = [
    "ENTRY_TYPES", "EVERYONE", "FIELD", "OFFICE", "TECHNICIAN", "Body", "Effect", "Fact", "read_body", "type_of",
]  # fmt: skip

Effect = Literal["lifecycle", "single", "additive", "reference", "decision"]
"""lifecycle and single values can conflict; additive facts never do; reference documents supersede; decisions settle others."""


class Fact(msgspec.Struct, frozen=True):
    """An entry about to be folded: the entry, and what was decided on it."""

    entry: Entry
    outcome: OutcomeName = "applied"
    reason: str = ""
    role: str = ""
    """The author's role when it was decided; '' while the entry is still only on the device."""

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def stamp(self) -> Stamp:
        envelope = self.entry.envelope
        return Stamp(envelope.id, envelope.author, envelope.corrected, envelope.doubtful)


ENTRY_TYPES: dict[str, type[Body]] = {}


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all bodies. A subclass sets NAME, EFFECT, ROLES, STREAM and folds for the kinds of streams it changes.

    omit_defaults keeps the bytes small; unknown fields of later versions are ignored when read and kept in the bytes.
    """

    NAME: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1
    EFFECT: ClassVar[Effect] = "additive"
    ROLES: ClassVar[frozenset[str]] = EVERYONE
    STREAM: ClassVar[str] = "job"
    OTHER_STREAMS: ClassVar[frozenset[str]] = frozenset()
    """Further kinds of streams that it may belong to: a reading taken on no job belongs to its asset."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.NAME:
            if cls.NAME in ENTRY_TYPES:
                raise TypeError(f"the entry type {cls.NAME} is defined twice")
            ENTRY_TYPES[cls.NAME] = cls

    def touches(self) -> frozenset[str]:
        """Names of the single values that it sets: two entries of different lines that touch the same one conflict."""
        return frozenset()

    def fits(self, stream: str) -> bool:
        """Whether it is about what its stream is named after; a document that names itself must."""
        return True

    def summary(self) -> str:
        """One line for the log, in plain words without markup."""
        return ""

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        """The job after this fact. Pure; must not fail on any state."""
        return job

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return asset

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return customer


_decoders: dict[str, msgspec.json.Decoder[Any]] = {}
BodyT = TypeVar("BodyT", bound=Body)


def type_of(name: str) -> type[Body] | None:
    """The body class of an entry type, None where this version does not know it."""
    return ENTRY_TYPES.get(name)


def read_body(entry: Entry) -> Body | None:
    """The parsed body; None where it was erased or its type is unknown to this version.

    Raises:
        Problem: `bad-body` where the body does not have the shape of its type.
    """
    known: Body | None = entry.__dict__.get("body_read")  # an entry is folded into several streams
    if known is not None:
        return known
    name = entry.envelope.type
    kind = ENTRY_TYPES.get(name)
    if kind is None or entry.body_raw is None:
        return None
    decoder = _decoders.get(name)
    if decoder is None:
        decoder = _decoders[name] = msgspec.json.Decoder(kind)
    try:
        body: Body = decoder.decode(entry.body_raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("bad-body", f"A {name} record does not have the shape it should have: {error}.") from None
    entry.__dict__["body_read"] = body
    return body
