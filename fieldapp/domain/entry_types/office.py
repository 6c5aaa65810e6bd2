"""Decisions of the office on entries that do not stand by themselves: conflicts, held and quarantined ones."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from fieldapp.domain.entry_types.base import OFFICE, Body, Effect, Fact
from fieldapp.domain.job import JobState


class Decision(Body, frozen=True, omit_defaults=True):
    """A decision about the entry `about` (bytes in quarantine: their SHA-256), and with it about all of that entry's group. The
    outcome rows that follow from it say what became of them."""

    EFFECT: ClassVar[Effect] = "decision"
    ROLES: ClassVar[frozenset[str]] = OFFICE
    OTHER_STREAMS: ClassVar[frozenset[str]] = frozenset({"desk"})
    """`desk:<log>` is for decisions on what stands in no job: documents, entries of another log, bytes that are no entry."""

    about: str
    reason: str = ""

    def verb(self) -> str:
        raise NotImplementedError

    def summary(self) -> str:
        return f"{self.verb()} {self.about} {self.reason}".strip()

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(
            job,
            unresolved=tuple(
                msgspec.structs.replace(item, decided=self.verb()) if item.entry == self.about else item for item in job.unresolved
            ),
        )


class ConflictDecided(Decision, frozen=True, omit_defaults=True):
    """`keep` the standing value, `take` the other one, or `merge` (an amendment follows)."""

    NAME: ClassVar[str] = "conflict.decided"

    side: Literal["keep", "take", "merge"] = "keep"

    def verb(self) -> str:
        return self.side


class EntryReleased(Decision, frozen=True, omit_defaults=True):
    """A held or quarantined entry is to be applied after all."""

    NAME: ClassVar[str] = "entry.released"

    def verb(self) -> str:
        return "released"


class EntryDismissed(Decision, frozen=True, omit_defaults=True):
    """A held, late or quarantined entry is put aside; it stays in the log."""

    NAME: ClassVar[str] = "entry.dismissed"

    def verb(self) -> str:
        return "dismissed"
