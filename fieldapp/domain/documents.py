"""Reference documents: who, where, what is sold and what is promised. Each is recorded as an entry like any other fact.

Money is whole minor units (cents, fen) with a currency; durations are whole minutes; instants are milliseconds UTC.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.domain.words import Key, Words

Role = Literal["technician", "supervisor", "dispatcher", "expert", "admin", "rule"]
ServiceKind = Literal["compensatory", "basic", "value_added"]
"""compensatory: makes up for a defect (a cost); basic: what law or market obliges; value_added: the customer pays for it."""
Indicator = Literal["response", "arrival", "resolution", "on_time_window", "first_time_fix", "duration", "rating"]
CommercialModel = Literal["warranty", "per_visit", "prepaid_pack", "flat_subscription", "rental", "shared_saving"]


class Calendar(msgspec.Struct, frozen=True, omit_defaults=True):
    """Business hours.

    `week` has seven lists (Monday first) of [start, end] in minutes after local midnight; holidays are ISO dates.
    """

    code: str
    zone: str = "UTC"
    week: tuple[tuple[tuple[int, int], ...], ...] = (((0, 1440),),) * 7
    holidays: tuple[str, ...] = ()


class PromiseAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is owed when a promise is at risk or broken: who owns it and within how many minutes."""

    title: Words
    owner: Literal["technician", "supervisor", "dispatcher", "expert"] = "supervisor"
    within_minutes: int = 1440


class Promise(msgspec.Struct, frozen=True, omit_defaults=True):
    """An indicator with a target and a clock.

    target: whole minutes for response, arrival, resolution, duration and the grace of on_time_window;
    the least score for rating (CSAT 1-5); ignored for first_time_fix.
    calendar: code of the calendar whose hours count, None for the clock on the wall.
    pause_reasons: reason codes of `job.paused` that stop this clock. at_risk_minutes: so long before due it is at risk.
    """

    name: str
    title: Words
    indicator: Indicator
    target: int
    calendar: str | None = None
    pause_reasons: tuple[str, ...] = ()
    at_risk_minutes: int = 60
    when_at_risk: PromiseAction | None = None
    when_broken: PromiseAction | None = None


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service product differs for one segment; promises replace those of the same name."""

    segment: str
    title: Words = {}
    promises: tuple[Promise, ...] = ()
    price: int | None = None


class Product(msgspec.Struct, frozen=True, omit_defaults=True):
    """Service product: a catalogue item. price and cost in minor units of `currency`."""

    code: str
    title: Words
    kind: ServiceKind
    version: int = 1
    included: tuple[Words, ...] = ()
    excluded: tuple[Words, ...] = ()
    procedures: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()
    variants: tuple[Variant, ...] = ()
    standard_minutes: int = 60
    price: int = 0
    cost: int = 0
    currency: str = "EUR"
    skills: tuple[str, ...] = ()


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    title: Words
    description: Words = {}


class Branch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operating unit. Its id names its log."""

    id: str
    name: Words
    language: str = "en"
    zone: str = "UTC"
    calendar: str = ""


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    name: str
    role: Role
    branch: str
    language: str = "en"
    skills: tuple[str, ...] = ()
    phone: str = ""


class Contact(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    phone: str = ""
    email: str = ""
    role: str = ""


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    name: Words
    branch: str
    segment: str = ""
    language: str = "en"
    contacts: tuple[Contact, ...] = ()


class Site(msgspec.Struct, frozen=True, omit_defaults=True):
    id: Key
    customer: str
    name: Words
    address: Words = {}
    access: Words = {}
    hazards: tuple[Words, ...] = ()


class Contract(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a customer or single assets are entitled to. valid_from and valid_to are ISO dates."""

    id: Key
    customer: str
    model: CommercialModel
    title: Words
    products: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    valid_from: str = ""
    valid_to: str = ""
    included: tuple[Words, ...] = ()
    excluded: tuple[Words, ...] = ()
    visits: int | None = None


class NormalRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A quantity read on an asset with its normal range (decimal text) and unit."""

    quantity: str
    title: Words
    unit: str
    low: str | None = None
    high: str | None = None


class Asset(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    customer: str
    site: str
    tag: str
    """Short name on the equipment (`CH-2`)."""
    title: Words
    model: str = ""
    serial: str = ""
    installed: str = ""
    owned_by_provider: bool = False
    ranges: tuple[NormalRange, ...] = ()
    hazards: tuple[Words, ...] = ()


class Article(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    title: Words
    text: Words
    procedures: tuple[str, ...] = ()


class PackItem(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    title: Words
    columns: dict[str, str] = {}


class Pack(msgspec.Struct, frozen=True, omit_defaults=True):
    """A list that changes as a whole: parts, fault codes (symptoms, causes, remedies), reason codes, or one calendar."""

    code: str
    kind: Literal["parts", "symptoms", "causes", "remedies", "reasons", "calendar"]
    title: Words = {}
    items: tuple[PackItem, ...] = ()
    calendar: Calendar | None = None
