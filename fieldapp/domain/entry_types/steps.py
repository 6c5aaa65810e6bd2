"""Entries about steps: results, corrections, what was left out and why, notes and files."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from fieldapp.domain.asset import AssetState
from fieldapp.domain.entry_types.base import FIELD, Body, Effect, Fact
from fieldapp.domain.job import (
    Attached,
    FollowUp,
    JobState,
    Note,
    Reading,
    Recorded,
    SentBack,
    Stamp,
    StepState,
    VerdictName,
)  # fmt: skip


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands behind the name at a signature step. shown: SHA-256 of `text`, the exact UTF-8 text over the signature;
    strokes: the drawn line as text (domain/signing.py), '' where only the name was typed."""

    shown: str
    text: str
    strokes: str = ""


class StepResult(Body, frozen=True, omit_defaults=True):
    """A result that stands for a step until another replaces it. `step` is a step key (`procedure/step#instance`).

    Verdict, relevance and calculations were evaluated when it was recorded, under procedure version `version`, and are facts now.
    """

    EFFECT: ClassVar[Effect] = "single"
    ROLES: ClassVar[frozenset[str]] = FIELD

    step: str
    version: int

    def touches(self) -> frozenset[str]:
        return frozenset({f"step:{self.step}"})

    def result(self, stamp: Stamp) -> Recorded:
        raise NotImplementedError

    def signed_by(self) -> Signed | None:
        """What stands behind the name, at a signature step."""
        return None

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        state = job.steps.get(self.step, StepState())
        result, signed = self.result(fact.stamp), self.signed_by()
        if signed is not None:  # the drawing stays in the entry: the job only says which one has it
            drawing = fact.entry.envelope.body if signed.strokes else ""
            result = msgspec.structs.replace(result, shown=signed.shown, drawing=drawing)
        sent_back = state.sent_back
        if sent_back is not None and not result.calculated:
            sent_back = SentBack(sent_back.by, sent_back.note, corrected=True)
        earlier = (*state.earlier, state.result) if state.result else state.earlier
        state = msgspec.structs.replace(state, result=result, earlier=earlier, sent_back=sent_back)
        return msgspec.structs.replace(job, steps={**job.steps, self.step: state})


class StepRecorded(StepResult, frozen=True, omit_defaults=True):
    """A value and its verdict. `calculated` marks a result the procedure computed in the same group."""

    NAME: ClassVar[str] = "step.recorded"

    value: str
    verdict: VerdictName
    unit: str = ""
    note: str = ""
    calculated: bool = False
    signed: Signed | None = None

    def signed_by(self) -> Signed | None:
        return self.signed

    def summary(self) -> str:
        return f"{self.step}: {self.value} {self.unit} [{self.verdict}]".replace("  ", " ")

    def result(self, stamp: Stamp) -> Recorded:
        return Recorded(stamp, self.verdict, self.value, self.unit, "", self.note, self.calculated)


class StepAmended(StepResult, frozen=True, omit_defaults=True):
    """Another value for a recorded step, with the reason. The old value stays in the log."""

    NAME: ClassVar[str] = "step.amended"

    value: str
    verdict: VerdictName
    reason: str
    unit: str = ""
    note: str = ""
    signed: Signed | None = None

    def signed_by(self) -> Signed | None:
        return self.signed

    def summary(self) -> str:
        return f"{self.step}: {self.value} {self.unit} [{self.verdict}], {self.reason}".replace("  ", " ")

    def result(self, stamp: Stamp) -> Recorded:
        return Recorded(stamp, self.verdict, self.value, self.unit, self.reason, self.note)


class StepNotDone(StepResult, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "step.not_done"

    reason: str
    note: str = ""

    def summary(self) -> str:
        return f"{self.step}: not done, {self.reason}"

    def result(self, stamp: Stamp) -> Recorded:
        return Recorded(stamp, "not_done", None, "", self.reason, self.note)


class StepNotApplicable(StepResult, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "step.not_applicable"

    reason: str
    note: str = ""

    def summary(self) -> str:
        return f"{self.step}: not applicable, {self.reason}"

    def result(self, stamp: Stamp) -> Recorded:
        return Recorded(stamp, "not_applicable", None, "", self.reason, self.note)


class NoteAdded(Body, frozen=True, omit_defaults=True):
    """A remark on a step (its key), or on the job where `step` is empty."""

    NAME: ClassVar[str] = "note.added"

    text: str
    step: str = ""

    def summary(self) -> str:
        return self.text

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        note = Note(fact.stamp, self.text)
        if not self.step:
            return msgspec.structs.replace(job, notes=(*job.notes, note))
        state = job.steps.get(self.step, StepState())
        state = msgspec.structs.replace(state, notes=(*state.notes, note))
        return msgspec.structs.replace(job, steps={**job.steps, self.step: state})


class FileAttached(Body, frozen=True, omit_defaults=True):
    """Evidence. The envelope's `files` carry the same hash: the bytes travel in a lane of their own."""

    NAME: ClassVar[str] = "file.attached"
    ROLES: ClassVar[frozenset[str]] = FIELD

    sha256: str
    size: Annotated[int, msgspec.Meta(ge=0)]
    name: str
    media: str = ""
    step: str = ""

    def summary(self) -> str:
        return f"{self.name} ({self.size} bytes)"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        file = Attached(fact.stamp, self.sha256, self.size, self.name, self.media)
        if not self.step:
            return msgspec.structs.replace(job, files=(*job.files, file))
        state = job.steps.get(self.step, StepState())
        state = msgspec.structs.replace(state, files=(*state.files, file))
        return msgspec.structs.replace(job, steps={**job.steps, self.step: state})


class ReadingTaken(Body, frozen=True, omit_defaults=True):
    """A quantity read on an asset; the entry names the asset's stream in `also`, so that the next technician sees it.

    One that belongs to no job (read by telemetry, taken over from earlier sheets) stands in the asset's own stream.
    """

    NAME: ClassVar[str] = "reading.taken"
    ROLES: ClassVar[frozenset[str]] = FIELD
    OTHER_STREAMS: ClassVar[frozenset[str]] = frozenset({"asset"})

    asset: str
    quantity: str
    value: str
    unit: str = ""
    step: str = ""

    def summary(self) -> str:
        return f"{self.quantity} {self.value} {self.unit}".strip()

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, readings=(*job.readings, self._reading(fact)))

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return msgspec.structs.replace(asset, readings=(*asset.readings, self._reading(fact)))

    def _reading(self, fact: Fact) -> Reading:
        return Reading(fact.stamp, self.asset, self.quantity, self.value, self.unit, self.step)


class FollowUpOpened(Body, frozen=True, omit_defaults=True):
    """What a failed step asks for: `corrective_step` opened, `follow_up_job` to plan, or `stop_work`."""

    NAME: ClassVar[str] = "follow_up.opened"
    ROLES: ClassVar[frozenset[str]] = FIELD

    kind: str
    step: str
    text: str = ""

    def summary(self) -> str:
        return f"{self.kind} after {self.step}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        follow_up = FollowUp(fact.stamp, self.kind, self.step, self.text)
        return msgspec.structs.replace(job, follow_ups=(*job.follow_ups, follow_up))
