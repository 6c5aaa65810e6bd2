"""The states that an asset's and a customer's log fold to: their documents and what happened there."""

from __future__ import annotations

import msgspec

from fieldapp.domain.documents import Asset, Contract, Customer, Site
from fieldapp.domain.job import ActionState, Fault, Feedback, PartUsed, Reading


class JobMention(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened on a job, as the asset's or customer's timeline tells it."""

    job: str
    type: str
    at: int
    author: str
    text: str = ""


class AssetState(msgspec.Struct, frozen=True, omit_defaults=True):
    asset: Asset | None = None
    readings: tuple[Reading, ...] = ()
    faults: tuple[Fault, ...] = ()
    parts: tuple[PartUsed, ...] = ()
    timeline: tuple[JobMention, ...] = ()
    entries: int = 0


class CustomerState(msgspec.Struct, frozen=True, omit_defaults=True):
    customer: Customer | None = None
    sites: dict[str, Site] = {}
    contracts: dict[str, Contract] = {}
    feedback: tuple[Feedback, ...] = ()
    actions: dict[str, ActionState] = {}
    timeline: tuple[JobMention, ...] = ()
    entries: int = 0
