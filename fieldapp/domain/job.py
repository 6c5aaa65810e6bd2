"""The state of a job: what its log folds to. Plain immutable values, all of them text, whole numbers and tuples.

Instants are milliseconds UTC, corrected by the skew the device knew; `doubtful` marks those whose clock was too far off.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.domain.documents import Calendar, CommercialModel, Promise, ServiceKind
from fieldapp.domain.words import Words

Status = Literal[
    "unassigned", "assigned", "accepted", "travelling", "on_site", "in_progress", "paused", "completed",
    "sent_back", "approved", "declined", "cannot_complete", "cancelled",
]  # fmt: skip
VerdictName = Literal["pass", "borderline", "fail", "not_applicable", "not_done", "none"]
"""`none`: recorded where no criterion judges it (a note, a text)."""
OutcomeName = Literal["applied", "late", "conflict", "held", "quarantined"]


class Stamp(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which entry said it, who and when."""

    entry: str
    author: str
    at: int
    doubtful: bool = False


class PinnedProcedure(msgspec.Struct, frozen=True, omit_defaults=True):
    """The exact version a job was dispatched with; `entry` is the hash of the entry that published it."""

    code: str
    version: int
    entry: str = ""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the lifecycle; `type` is the entry type that made it."""

    type: str
    status: Status
    by: Stamp
    reason: str = ""
    note: str = ""


class Recorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step's result at one time. `value` is decimal text, an option id, options joined by spaces, ISO date/time, text, a name.

    shown: at a signature step, SHA-256 of the text over the signature. drawing: SHA-256 of the body with the drawn line, if any.
    """

    by: Stamp
    verdict: VerdictName
    value: str | None = None
    unit: str = ""
    reason: str = ""
    note: str = ""
    calculated: bool = False
    shown: str = ""
    drawing: str = ""


class Attached(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    sha256: str
    size: int
    name: str
    media: str = ""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    text: str


class SentBack(msgspec.Struct, frozen=True, omit_defaults=True):
    """A supervisor's wish on a step; `corrected` once a result was recorded after it."""

    by: Stamp
    note: str
    corrected: bool = False


class StepState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step (or one instance of it): the standing result, the earlier ones, and what hangs on it."""

    result: Recorded | None = None
    earlier: tuple[Recorded, ...] = ()
    notes: tuple[Note, ...] = ()
    files: tuple[Attached, ...] = ()
    sent_back: SentBack | None = None


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    asset: str
    quantity: str
    value: str
    unit: str = ""
    step: str = ""


class PartUsed(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    part: str
    quantity: str
    serial: str = ""


class TimeSpent(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    activity: str
    minutes: int


class Expense(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    kind: str
    amount: int
    currency: str
    note: str = ""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    symptom: str
    cause: str = ""
    remedy: str = ""
    asset: str = ""
    note: str = ""


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    text: str
    step: str = ""
    answers: tuple[Note, ...] = ()


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proposed change to one step of one procedure version; `decision` is empty until it is decided."""

    by: Stamp
    procedure: str
    version: int
    step: str
    text: str
    decision: str = ""
    decision_note: str = ""


class Opportunity(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    text: str
    value_note: str = ""


class Commitment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A follow-up promised to the customer. `due` is an ISO date."""

    by: Stamp
    text: str
    due: str


class FollowUp(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a failed step asks for: a corrective step opened, a job to plan, or work stopped."""

    by: Stamp
    kind: str
    step: str
    text: str = ""


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """The customer's verdict: raw scores (CSAT 1-5, NPS 0-10, CES 1-7; None where not answered) and the wording they saw."""

    by: Stamp
    csat: int | None = None
    nps: int | None = None
    ces: int | None = None
    comment: str = ""
    wording: str = ""
    language: str = ""
    contact_me: bool = False


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """A name under a text: `shown` is the hash of exactly what was shown; `drawing` is the hash of the strokes, if drawn."""

    by: Stamp
    name: str
    shown: str
    consent: bool
    drawing: str = ""
    role: str = "customer"


class ActionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is owed because of a feedback, a broken promise or a failed step. `due` in milliseconds UTC."""

    by: Stamp
    title: str
    owner: str
    cause: str
    due: int | None = None
    result: str = ""
    done: Stamp | None = None
    verified: Stamp | None = None
    customer_told: Stamp | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    by: Stamp
    sha256: str
    name: str


class Unresolved(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry that is kept and shown but does not stand: a conflict, a late one, a held or quarantined one."""

    entry: str
    type: str
    outcome: OutcomeName
    reason: str
    author: str
    at: int
    summary: str = ""
    decided: str = ""


class JobState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything a job's log says. An empty id means that `job.created` has not been folded yet."""

    id: str = ""
    number: str = ""
    status: Status = "unassigned"
    origin: str = "reactive"
    title: Words = {}
    description: str = ""
    customer: str = ""
    site: str = ""
    assets: tuple[str, ...] = ()
    product: str = ""
    kind: ServiceKind = "basic"
    segment: str = ""
    contract: str = ""
    coverage: CommercialModel | Literal[""] = ""
    included: tuple[Words, ...] = ()
    excluded: tuple[Words, ...] = ()
    hazards: tuple[Words, ...] = ()
    access: Words = {}
    skills: tuple[str, ...] = ()
    window_start: int | None = None
    window_end: int | None = None
    standard_minutes: int = 0
    procedures: tuple[PinnedProcedure, ...] = ()
    promises: tuple[Promise, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    created: Stamp | None = None
    assignee: str = ""
    helpers: tuple[str, ...] = ()
    parent: str = ""
    history: tuple[Change, ...] = ()
    steps: dict[str, StepState] = {}
    notes: tuple[Note, ...] = ()
    files: tuple[Attached, ...] = ()
    readings: tuple[Reading, ...] = ()
    parts: tuple[PartUsed, ...] = ()
    times: tuple[TimeSpent, ...] = ()
    expenses: tuple[Expense, ...] = ()
    faults: tuple[Fault, ...] = ()
    questions: tuple[Question, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    opportunities: tuple[Opportunity, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    signatures: tuple[Signature, ...] = ()
    actions: dict[str, ActionState] = {}
    reports: tuple[Report, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    entries: int = 0
    """Entries folded so far, whatever became of them."""
