"""Erasure of a customer's personal data, a person's right: what these entries come after in their stream loses its content.

Envelopes and hashes stay, so every chain still verifies. What a company needs of a job (that it was done, when, by whom, with how
much time and which parts) is written down anew without the customer's words, and takes the place of what was folded before.
Only the server writes these entries, on its administrator's command.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from fieldapp.domain.asset import CustomerState
from fieldapp.domain.entry_types.base import Body, Effect, Fact
from fieldapp.domain.job import JobState
from fieldapp.domain.words import Key

RULE = frozenset({"rule"})


class JobErased(Body, frozen=True, omit_defaults=True):
    """Everything recorded on a job before this is without content; `kept` is what the job is from now on."""

    NAME: ClassVar[str] = "job.erased"
    EFFECT: ClassVar[Effect] = "decision"
    ROLES: ClassVar[frozenset[str]] = RULE

    customer: Key
    kept: JobState

    def fits(self, stream: str) -> bool:
        return stream == f"job:{self.kept.id}"

    def on_job(self, job: JobState, fact: Fact) -> JobState:
        return msgspec.structs.replace(self.kept, entries=job.entries)


class CustomerErased(Body, frozen=True, omit_defaults=True):
    """Everything recorded about a customer before this is without content. `reason` names nobody."""

    NAME: ClassVar[str] = "customer.erased"
    EFFECT: ClassVar[Effect] = "decision"
    ROLES: ClassVar[frozenset[str]] = RULE
    STREAM: ClassVar[str] = "customer"

    customer: Key
    reason: str = ""

    def fits(self, stream: str) -> bool:
        return stream == f"customer:{self.customer}"

    def summary(self) -> str:
        return self.reason

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return CustomerState(entries=customer.entries)


ERASURES = frozenset({JobErased.NAME, CustomerErased.NAME})


def kept_of(job: JobState) -> JobState:
    """What stays of a job: its number and dates, whose work it was, what was sold and used; no word that anybody wrote."""
    pausing = {reason for promise in job.promises for reason in promise.pause_reasons}
    history = tuple(
        msgspec.structs.replace(
            change,
            reason=change.reason if change.reason in pausing else "",  # a code: it stops clocks
            note=change.note if change.type == "job.assigned" else "",  # who it was given to
        )
        for change in job.history
    )
    return JobState(
        id=job.id, number=job.number, status=job.status, origin=job.origin, customer=job.customer, site=job.site,
        assets=job.assets, product=job.product, kind=job.kind, segment=job.segment, contract=job.contract, coverage=job.coverage,
        skills=job.skills, window_start=job.window_start, window_end=job.window_end, standard_minutes=job.standard_minutes,
        procedures=job.procedures, promises=job.promises, calendars=job.calendars, created=job.created, assignee=job.assignee,
        helpers=job.helpers, parent=job.parent, history=history, parts=job.parts, times=job.times,
        expenses=tuple(msgspec.structs.replace(expense, note="") for expense in job.expenses),
    )  # fmt: skip
