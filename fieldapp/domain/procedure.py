"""Procedures and their steps: the standard. Immutable once published; a job pins exact versions.

A step says what is done and how anyone can tell that it was done well (its acceptance criterion).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.domain.words import Words

StepType = Literal[
    "check", "choice", "multiple_choice", "number", "text", "datetime", "date", "time", "duration", "file", "scan",
    "signature", "note", "timer", "calculated",
]  # fmt: skip
"""What is entered. `datetime`, `date` and `time` are the three precisions of the input type date/time."""
NUMERIC: frozenset[StepType] = frozenset({"number", "duration", "timer", "calculated"})
"""Steps whose value is a number, or reads as one."""


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One option. `columns` holds the further columns of the choice list that cascading filters look at."""

    id: str
    label: Words
    columns: dict[str, str] = {}


class Criterion(msgspec.Struct, frozen=True, omit_defaults=True):
    """How anyone can tell that the step was done well. All given parts must hold. Limits are decimal text, both ends included.

    min, max: outside is fail. warn_min, warn_max: inside the limits but outside these is borderline.
    accept: option ids that pass; a multiple choice passes when all its options are among them.
    pattern: regular expression the whole text must match. photos: number of files that must be attached.
    expression: XLSForm expression over other steps, true to pass. message: why, in words.
    """

    min: str | None = None
    max: str | None = None
    warn_min: str | None = None
    warn_max: str | None = None
    accept: tuple[str, ...] = ()
    pattern: str | None = None
    photos: int | None = None
    expression: str | None = None
    message: Words = {}


class AfterFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What follows a failed step: a corrective step to do (its id), a follow-up job to plan, or stop work."""

    kind: Literal["corrective_step", "follow_up_job", "stop_work"]
    step: str | None = None
    text: Words = {}


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One standardized step. `id` is unique in its procedure. Expressions are XLSForm text with `${step}` references."""

    id: str
    title: Words
    type: StepType
    instruction: Words = {}
    required: bool = False
    relevant: str | None = None
    criterion: Criterion | None = None
    unit: str | None = None
    integer: bool = False
    choices: tuple[Choice, ...] = ()
    choices_from: str | None = None
    choice_filter: str | None = None
    calculation: str | None = None
    default: str | None = None
    constraint: str | None = None
    constraint_message: Words = {}
    hazard: Words = {}
    standard_minutes: int = 0
    reasons: tuple[str, ...] = ()
    after_failure: AfterFailure | None = None
    customer_sees: bool = False
    read_only: bool = False
    group: str | None = None
    quantity: str | None = None
    """Name of the asset reading this number is (`oil_pressure`, `hour_meter`): recorded on the asset as well."""


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """A section of a procedure; `repeat` > 0 makes it a list of at most that many instances (bounded)."""

    id: str
    title: Words = {}
    parent: str | None = None
    relevant: str | None = None
    repeat: int = 0
    count: str | None = None
    """Expression that fixes the number of instances, where the form does."""


class Procedure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A versioned list of steps. `checklist`: safety, preparation, handover; `service`: the work itself."""

    code: str
    version: int
    kind: Literal["checklist", "service"]
    title: Words
    steps: tuple[Step, ...]
    groups: tuple[Group, ...] = ()
    choice_lists: dict[str, tuple[Choice, ...]] = {}
    """Lists that several steps share (`Step.choices_from` names one)."""
    purpose: Words = {}
    source: str = ""

    def step(self, step_id: str) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def choices_of(self, step: Step) -> tuple[Choice, ...]:
        return self.choice_lists.get(step.choices_from, ()) if step.choices_from else step.choices


def step_key(procedure: str, step: str, instance: int = 0) -> str:
    """Name of a step's place in a job: `procedure/step`, in a repeat `procedure/step#2` (instances count from 1)."""
    return f"{procedure}/{step}#{instance}" if instance else f"{procedure}/{step}"


def split_step_key(key: str) -> tuple[str, str, int]:
    """(procedure code, step id, instance or 0) of a step key."""
    procedure, _, rest = key.partition("/")
    step, _, instance = rest.partition("#")
    return procedure, step, int(instance or 0)
