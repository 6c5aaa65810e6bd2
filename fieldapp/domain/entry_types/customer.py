"""Entries that come from the customer: verdict, signature, and what is owed because of them."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from fieldapp.domain.asset import CustomerState
from fieldapp.domain.entry_types.base import EVERYONE, FIELD, OFFICE, Body, Effect, Fact
from fieldapp.domain.job import ActionState, Feedback, JobState, Report, Signature


class FeedbackGiven(Body, frozen=True, omit_defaults=True):
    """Raw scores with the version of the wording shown: CSAT 1-5, NPS 0-10, CES 1-7; None where not answered."""

    NAME: ClassVar[str] = "feedback.given"
    ROLES: ClassVar[frozenset[str]] = FIELD

    csat: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    nps: Annotated[int, msgspec.Meta(ge=0, le=10)] | None = None
    ces: Annotated[int, msgspec.Meta(ge=1, le=7)] | None = None
    comment: str = ""
    wording: str = "1"
    language: str = "en"
    contact_me: bool = False

    def summary(self) -> str:
        scores = (("CSAT", self.csat), ("NPS", self.nps), ("CES", self.ces))
        return " ".join(f"{name} {score}" for name, score in scores if score is not None) + (
            f" {self.comment}" if self.comment else ""
        )

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, feedback=(*job.feedback, self._feedback(fact)))

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, feedback=(*customer.feedback, self._feedback(fact)))

    def _feedback(self, fact: Fact) -> Feedback:
        return Feedback(fact.stamp, self.csat, self.nps, self.ces, self.comment, self.wording, self.language, self.contact_me)


class SignatureGiven(Body, frozen=True, omit_defaults=True):
    """A name under a text. `shown` is the SHA-256 of the exact UTF-8 text the customer saw; `strokes` the drawn line, if any."""

    NAME: ClassVar[str] = "signature.given"
    EFFECT: ClassVar[Effect] = "single"
    ROLES: ClassVar[frozenset[str]] = FIELD

    name: str
    shown: str
    consent: bool
    text: str = ""
    strokes: str = ""
    role: str = "customer"

    def touches(self) -> frozenset[str]:
        return frozenset({f"signature:{self.role}"})

    def summary(self) -> str:
        return f"{self.name} ({self.role}), consent {'given' if self.consent else 'not given'}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        drawing = fact.entry.envelope.body if self.strokes else ""
        signature = Signature(fact.stamp, self.name, self.shown, self.consent, drawing, self.role)
        return msgspec.structs.replace(job, signatures=(*job.signatures, signature))


class ReportIssued(Body, frozen=True, omit_defaults=True):
    """The service report the customer can keep (a file of the envelope)."""

    NAME: ClassVar[str] = "report.issued"
    ROLES: ClassVar[frozenset[str]] = EVERYONE

    sha256: str
    name: str

    def summary(self) -> str:
        return self.name

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, reports=(*job.reports, Report(fact.stamp, self.sha256, self.name)))


class ActionBody(Body, frozen=True, omit_defaults=True):
    """What is owed to the customer. It is folded on the job and on the customer alike."""

    ROLES: ClassVar[frozenset[str]] = OFFICE

    def change(self, actions: dict[str, ActionState], fact: Fact) -> dict[str, ActionState]:
        raise NotImplementedError

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(job, actions=self.change(job.actions, fact))

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, actions=self.change(customer.actions, fact))


class ActionOpened(ActionBody, frozen=True, omit_defaults=True):
    """`action` is its id (for a rule: derived from cause and rule); `cause` an entry id or promise name; `due` in ms UTC."""

    NAME: ClassVar[str] = "action.opened"

    action: str
    title: str
    owner: str
    cause: str
    due: int | None = None

    def summary(self) -> str:
        return f"{self.title} ({self.owner})"

    def change(self, actions: dict[str, ActionState], fact: Fact) -> dict[str, ActionState]:
        if self.action in actions:
            return actions
        opened = ActionState(fact.stamp, self.title, self.owner, self.cause, self.due)
        return {**actions, self.action: opened}


class ActionDone(ActionBody, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "action.done"
    ROLES: ClassVar[frozenset[str]] = EVERYONE

    action: str
    result: str

    def summary(self) -> str:
        return self.result

    def change(self, actions: dict[str, ActionState], fact: Fact) -> dict[str, ActionState]:
        if self.action not in actions:
            return actions
        done = msgspec.structs.replace(actions[self.action], result=self.result, done=fact.stamp)
        return {**actions, self.action: done}


class ActionVerified(ActionBody, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "action.verified"

    action: str

    def change(self, actions: dict[str, ActionState], fact: Fact) -> dict[str, ActionState]:
        if self.action not in actions:
            return actions
        return {**actions, self.action: msgspec.structs.replace(actions[self.action], verified=fact.stamp)}


class CustomerTold(ActionBody, frozen=True, omit_defaults=True):
    """The loop is closed: the customer heard what became of it."""

    NAME: ClassVar[str] = "action.customer_told"

    action: str
    note: str = ""

    def summary(self) -> str:
        return self.note

    def change(self, actions: dict[str, ActionState], fact: Fact) -> dict[str, ActionState]:
        if self.action not in actions:
            return actions
        return {**actions, self.action: msgspec.structs.replace(actions[self.action], customer_told=fact.stamp)}
