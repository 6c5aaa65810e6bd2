"""Entries about the work around the steps: parts, time, money, faults, questions, suggestions, opportunities, commitments."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from fieldapp.domain.asset import AssetState
from fieldapp.domain.entry_types.base import EVERYONE, FIELD, OFFICE, Body, Fact
from fieldapp.domain.job import (
    Commitment,
    Expense,
    Fault,
    JobState,
    Note,
    Opportunity,
    PartUsed,
    Question,
    Suggestion,
    TimeSpent,
)  # fmt: skip


class PartRecorded(Body, frozen=True, omit_defaults=True):
    """A part used: code from the parts pack, quantity as decimal text."""

    NAME: ClassVar[str] = "part.used"
    ROLES: ClassVar[frozenset[str]] = FIELD

    part: str
    quantity: str = "1"
    serial: str = ""

    def summary(self) -> str:
        return f"{self.quantity} x {self.part}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, parts=(*job.parts, self._part(fact)))

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return msgspec.structs.replace(asset, parts=(*asset.parts, self._part(fact)))

    def _part(self, fact: Fact) -> PartUsed:
        return PartUsed(fact.stamp, self.part, self.quantity, self.serial)


class TimeRecorded(Body, frozen=True, omit_defaults=True):
    """Whole minutes spent on an activity (travel, work, waiting, paperwork)."""

    NAME: ClassVar[str] = "time.spent"
    ROLES: ClassVar[frozenset[str]] = FIELD

    activity: str
    minutes: Annotated[int, msgspec.Meta(ge=0, le=100_000)]

    def summary(self) -> str:
        return f"{self.activity} {self.minutes} min"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, times=(*job.times, TimeSpent(fact.stamp, self.activity, self.minutes)))


class ExpenseRecorded(Body, frozen=True, omit_defaults=True):
    """An expense in whole minor units of `currency`."""

    NAME: ClassVar[str] = "expense.recorded"
    ROLES: ClassVar[frozenset[str]] = FIELD

    kind: str
    amount: int
    currency: str
    note: str = ""

    def summary(self) -> str:
        return f"{self.kind} {self.amount} {self.currency} (minor units)"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        expense = Expense(fact.stamp, self.kind, self.amount, self.currency, self.note)
        return msgspec.structs.replace(job, expenses=(*job.expenses, expense))


class FaultReported(Body, frozen=True, omit_defaults=True):
    """A fault by symptom, cause and remedy (codes of the fault packs, or own words)."""

    NAME: ClassVar[str] = "fault.reported"
    ROLES: ClassVar[frozenset[str]] = FIELD

    symptom: str
    cause: str = ""
    remedy: str = ""
    asset: str = ""
    note: str = ""

    def summary(self) -> str:
        return " / ".join(part for part in (self.symptom, self.cause, self.remedy) if part)

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, faults=(*job.faults, self._fault(fact)))

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return msgspec.structs.replace(asset, faults=(*asset.faults, self._fault(fact)))

    def _fault(self, fact: Fact) -> Fault:
        return Fault(fact.stamp, self.symptom, self.cause, self.remedy, self.asset, self.note)


class QuestionAsked(Body, frozen=True, omit_defaults=True):
    """A case for an expert, travelling by store-and-forward."""

    NAME: ClassVar[str] = "question.asked"
    ROLES: ClassVar[frozenset[str]] = FIELD

    text: str
    step: str = ""

    def summary(self) -> str:
        return self.text

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, questions=(*job.questions, Question(fact.stamp, self.text, self.step)))


class QuestionAnswered(Body, frozen=True, omit_defaults=True):
    """The answer to a question, named by the id of its entry."""

    NAME: ClassVar[str] = "question.answered"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"expert"}

    question: str
    text: str

    def summary(self) -> str:
        return self.text

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        answer = Note(fact.stamp, self.text)
        return msgspec.structs.replace(
            job,
            questions=tuple(
                msgspec.structs.replace(question, answers=(*question.answers, answer))
                if question.by.entry == self.question
                else question
                for question in job.questions
            ),
        )


class SuggestionMade(Body, frozen=True, omit_defaults=True):
    """A better way to do one step of one procedure version."""

    NAME: ClassVar[str] = "suggestion.made"
    ROLES: ClassVar[frozenset[str]] = EVERYONE

    procedure: str
    version: int
    step: str
    text: str

    def summary(self) -> str:
        return f"{self.procedure}/{self.step}: {self.text}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        suggestion = Suggestion(fact.stamp, self.procedure, self.version, self.step, self.text)
        return msgspec.structs.replace(job, suggestions=(*job.suggestions, suggestion))


class SuggestionDecided(Body, frozen=True, omit_defaults=True):
    """The decision on a suggestion: `accepted`, `declined` or `later`, with the words its author will read."""

    NAME: ClassVar[str] = "suggestion.decided"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    suggestion: str
    decision: str
    note: str = ""

    def summary(self) -> str:
        return f"{self.decision} {self.note}".strip()

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(
            job,
            suggestions=tuple(
                msgspec.structs.replace(made, decision=self.decision, decision_note=self.note)
                if made.by.entry == self.suggestion
                else made
                for made in job.suggestions
            ),
        )


class OpportunitySeen(Body, frozen=True, omit_defaults=True):
    """A need seen on site that the company can serve."""

    NAME: ClassVar[str] = "opportunity.seen"
    ROLES: ClassVar[frozenset[str]] = FIELD

    text: str
    value_note: str = ""

    def summary(self) -> str:
        return self.text

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        seen = Opportunity(fact.stamp, self.text, self.value_note)
        return msgspec.structs.replace(job, opportunities=(*job.opportunities, seen))


class CommitmentMade(Body, frozen=True, omit_defaults=True):
    """A follow-up promised to the customer by an ISO date."""

    NAME: ClassVar[str] = "commitment.made"
    ROLES: ClassVar[frozenset[str]] = FIELD

    text: str
    due: str

    def summary(self) -> str:
        return f"{self.text}, by {self.due}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        commitment = Commitment(fact.stamp, self.text, self.due)
        return msgspec.structs.replace(job, commitments=(*job.commitments, commitment))
