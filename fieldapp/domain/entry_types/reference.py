"""Reference documents as entries: one mechanism, not two. Each supersedes the earlier one of its stream."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.documents import (
    Article,
    Asset,
    Branch,
    Contract,
    Customer,
    Pack,
    Person,
    Product,
    Segment,
    Site,
)  # fmt: skip
from fieldapp.domain.entry_types.base import OFFICE, Body, Effect, Fact
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.words import Words, say


class Reference(Body, frozen=True, omit_defaults=True):
    """A document. `key` tells documents of one type in one stream apart; the newest of a key counts."""

    EFFECT: ClassVar[Effect] = "reference"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    def key(self) -> str:
        return ""


class BranchRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "branch.recorded"
    STREAM: ClassVar[str] = "branch"
    branch: Branch


class PersonRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "person.recorded"
    STREAM: ClassVar[str] = "person"
    person: Person


class SegmentRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "segment.recorded"
    STREAM: ClassVar[str] = "segment"
    segment: Segment


class ProductRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "product.recorded"
    STREAM: ClassVar[str] = "product"
    product: Product


class ArticlePublished(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "article.published"
    STREAM: ClassVar[str] = "article"
    article: Article


class PackPublished(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "pack.published"
    STREAM: ClassVar[str] = "pack"
    pack: Pack


class ProcedurePublished(Reference, frozen=True, omit_defaults=True):
    """A procedure version. One that does not fit into a body is a file: `document` is the SHA-256 of its JSON bytes."""

    NAME: ClassVar[str] = "procedure.published"
    STREAM: ClassVar[str] = "procedure"

    code: str
    version: int
    kind: Literal["checklist", "service"]
    title: Words
    procedure: Procedure | None = None
    document: str = ""

    def key(self) -> str:
        return str(self.version)

    def summary(self) -> str:
        return f"{self.code} version {self.version}: {say(self.title)}"


class CustomerRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "customer.recorded"
    STREAM: ClassVar[str] = "customer"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    customer: Customer

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, customer=self.customer)


class SiteRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "site.recorded"
    STREAM: ClassVar[str] = "customer"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    site: Site

    def key(self) -> str:
        return self.site.id

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, sites={**customer.sites, self.site.id: self.site})


class ContractRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "contract.recorded"
    STREAM: ClassVar[str] = "customer"
    contract: Contract

    def key(self) -> str:
        return self.contract.id

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, contracts={**customer.contracts, self.contract.id: self.contract})


class AssetRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "asset.recorded"
    STREAM: ClassVar[str] = "asset"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    asset: Asset

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return msgspec.structs.replace(asset, asset=self.asset)
