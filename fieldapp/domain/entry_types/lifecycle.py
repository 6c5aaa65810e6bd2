"""Entries that move a job through its life. Which move is allowed when, and to whom, stands in domain/lifecycle.py."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from fieldapp.domain.asset import AssetState, CustomerState, JobMention
from fieldapp.domain.documents import Calendar, CommercialModel, Promise, ServiceKind
from fieldapp.domain.entry_types.base import FIELD, OFFICE, Body, Effect, Fact
from fieldapp.domain.job import Change, JobState, PinnedProcedure, SentBack, StepState
from fieldapp.domain.lifecycle import next_status
from fieldapp.domain.words import Key, Words, say


class Lifecycle(Body, frozen=True, omit_defaults=True):
    """A move of the lifecycle. The status it leads to comes from the table in domain/lifecycle.py."""

    EFFECT: ClassVar[Effect] = "lifecycle"
    ROLES: ClassVar[frozenset[str]] = FIELD

    def touches(self) -> frozenset[str]:
        return frozenset({"lifecycle"})

    def reason_given(self) -> str:
        return ""

    def note_given(self) -> str:
        return ""

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        status = next_status(job.status, self.NAME)
        if status is None:  # the server decides such an entry to be a conflict; a device shows the work, not the move
            return job
        change = Change(self.NAME, status, fact.stamp, self.reason_given(), self.note_given())
        return msgspec.structs.replace(job, status=status, history=(*job.history, change))

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        mention = JobMention(fact.entry.envelope.stream, self.NAME, *_when(fact), text=self.summary())
        return msgspec.structs.replace(asset, timeline=(*asset.timeline, mention))

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        mention = JobMention(fact.entry.envelope.stream, self.NAME, *_when(fact), text=self.summary())
        return msgspec.structs.replace(customer, timeline=(*customer.timeline, mention))


def _when(fact: Fact) -> tuple[int, str]:
    return fact.stamp.at, fact.stamp.author


class JobCreated(Lifecycle, frozen=True, omit_defaults=True):
    """A work order. Copies what it was sold and promised with, so that its clocks run from its own log alone."""

    NAME: ClassVar[str] = "job.created"
    ROLES: ClassVar[frozenset[str]] = FIELD | OFFICE

    number: Key
    customer: Key
    site: Key
    title: Words
    product: Key = ""
    kind: ServiceKind = "basic"
    origin: Literal["reactive", "preventive", "proactive", "complaint", "opportunity"] = "reactive"
    description: str = ""
    assets: tuple[Key, ...] = ()
    segment: str = ""
    contract: str = ""
    coverage: CommercialModel | Literal[""] = ""
    included: tuple[Words, ...] = ()
    excluded: tuple[Words, ...] = ()
    hazards: tuple[Words, ...] = ()
    access: Words = {}  # noqa: RUF012 - a struct copies it
    skills: tuple[str, ...] = ()
    window_start: int | None = None
    window_end: int | None = None
    standard_minutes: int = 0
    procedures: tuple[PinnedProcedure, ...] = ()
    promises: tuple[Promise, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    parent: str = ""
    external: str = ""
    """The number it has in the system it was imported from."""

    def summary(self) -> str:
        return f"{self.number} {say(self.title)}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        if job.id:
            return job
        return msgspec.structs.replace(
            job,
            id=fact.entry.envelope.stream.partition(":")[2],
            number=self.number, customer=self.customer, site=self.site, title=self.title, product=self.product,
            kind=self.kind, origin=self.origin, description=self.description, assets=self.assets,
            segment=self.segment, contract=self.contract, coverage=self.coverage, included=self.included,
            excluded=self.excluded, hazards=self.hazards, access=self.access, skills=self.skills,
            window_start=self.window_start, window_end=self.window_end, standard_minutes=self.standard_minutes,
            procedures=self.procedures, promises=self.promises, calendars=self.calendars, parent=self.parent,
            created=fact.stamp, status="unassigned",
            history=(*job.history, Change(self.NAME, "unassigned", fact.stamp)),
        )  # fmt: skip


class JobAssigned(Lifecycle, frozen=True, omit_defaults=True):
    """Gives the job to a person; said again, it takes the job from one and gives it to another."""

    NAME: ClassVar[str] = "job.assigned"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    person: Key

    def summary(self) -> str:
        return f"to {self.person}"

    def note_given(self) -> str:
        return self.person

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        after = super().on_job(job, fact)
        return after if after is job else msgspec.structs.replace(after, assignee=self.person)


class HelpersNamed(Body, frozen=True, omit_defaults=True):
    """Who works on the job beside the one it is given to: all of them, so that said again it changes the list."""

    NAME: ClassVar[str] = "job.helpers_named"
    EFFECT: ClassVar[Effect] = "single"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    people: tuple[Key, ...]

    def touches(self) -> frozenset[str]:
        return frozenset({"helpers"})

    def summary(self) -> str:
        return ", ".join(self.people)

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, helpers=self.people)


class JobRescheduled(Lifecycle, frozen=True, omit_defaults=True):
    """A new time window, in milliseconds UTC."""

    NAME: ClassVar[str] = "job.rescheduled"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    window_start: int
    window_end: int
    reason: str = ""

    def touches(self) -> frozenset[str]:
        return frozenset({"window"})  # a new window does not stand in the way of work that goes on meanwhile

    def reason_given(self) -> str:
        return self.reason

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        after = super().on_job(job, fact)
        if after is job:
            return job
        return msgspec.structs.replace(after, window_start=self.window_start, window_end=self.window_end)


class JobCancelled(Lifecycle, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.cancelled"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    reason: str

    def summary(self) -> str:
        return self.reason

    def reason_given(self) -> str:
        return self.reason


class Plain(Lifecycle, frozen=True, omit_defaults=True):
    """A move that says no more than that it happened, perhaps with a note."""

    note: str = ""

    def summary(self) -> str:
        return self.note

    def note_given(self) -> str:
        return self.note


class Reasoned(Lifecycle, frozen=True, omit_defaults=True):
    """A move that needs a reason (a code of the reasons pack, or the person's own words)."""

    reason: str
    note: str = ""

    def summary(self) -> str:
        return f"{self.reason} {self.note}".strip()

    def reason_given(self) -> str:
        return self.reason

    def note_given(self) -> str:
        return self.note


class JobAccepted(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.accepted"


class JobDeclined(Reasoned, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.declined"


class TravelStarted(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.travel_started"


class Arrived(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.arrived"


class WorkStarted(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.started"


class WorkPaused(Reasoned, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.paused"


class WorkResumed(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.resumed"


class JobCompleted(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.completed"


class CannotComplete(Reasoned, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.cannot_complete"


class SiteLeft(Plain, frozen=True, omit_defaults=True):
    """The technician left the site; the status stays what it is."""

    NAME: ClassVar[str] = "job.left"

    def touches(self) -> frozenset[str]:
        return frozenset()


class JobApproved(Plain, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "job.approved"
    ROLES: ClassVar[frozenset[str]] = OFFICE


class JobSentBack(Lifecycle, frozen=True, omit_defaults=True):
    """The supervisor wants named steps done again; the note shows on each of them."""

    NAME: ClassVar[str] = "job.sent_back"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    steps: tuple[str, ...]
    note: str

    def summary(self) -> str:
        return f"{', '.join(self.steps)}: {self.note}"

    def note_given(self) -> str:
        return self.note

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        after = super().on_job(job, fact)
        if after is job:
            return job
        steps = dict(after.steps)
        for key in self.steps:
            steps[key] = msgspec.structs.replace(steps.get(key, StepState()), sent_back=SentBack(fact.stamp, self.note))
        return msgspec.structs.replace(after, steps=steps)
