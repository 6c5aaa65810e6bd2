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
from fieldapp.domain.roles import ADMIN
from fieldapp.domain.words import Words, say

SHARED = frozenset({"branch", "person", "segment", "product", "article", "pack", "procedure"})
"""Kinds of streams that all branches share: they lie in the shared log and nowhere else."""


class Reference(Body, frozen=True, omit_defaults=True):
    """A document. `key` tells documents of one type in one stream apart; the newest of a key counts. `about`: what the stream of
    such a document is named after."""

    EFFECT: ClassVar[Effect] = "reference"
    ROLES: ClassVar[frozenset[str]] = OFFICE

    def key(self) -> str:
        return ""

    def about(self) -> str:
        return ""

    def fits(self, stream: str) -> bool:
        return stream == f"{self.STREAM}:{self.about()}"


class BranchRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "branch.recorded"
    STREAM: ClassVar[str] = "branch"
    branch: Branch

    def about(self) -> str:
        return self.branch.id


class PersonRecorded(Reference, frozen=True, omit_defaults=True):
    """A person with their role and branch: what every right follows from."""

    NAME: ClassVar[str] = "person.recorded"
    STREAM: ClassVar[str] = "person"
    ROLES: ClassVar[frozenset[str]] = ADMIN
    person: Person

    def about(self) -> str:
        return self.person.id


class SegmentRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "segment.recorded"
    STREAM: ClassVar[str] = "segment"
    segment: Segment

    def about(self) -> str:
        return self.segment.code


class ProductRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "product.recorded"
    STREAM: ClassVar[str] = "product"
    product: Product

    def about(self) -> str:
        return self.product.code


class ArticlePublished(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "article.published"
    STREAM: ClassVar[str] = "article"
    article: Article

    def about(self) -> str:
        return self.article.code


class PackPublished(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "pack.published"
    STREAM: ClassVar[str] = "pack"
    pack: Pack

    def about(self) -> str:
        return self.pack.code


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

    def about(self) -> str:
        return self.code

    def key(self) -> str:
        return str(self.version)

    def summary(self) -> str:
        return f"{self.code} version {self.version}: {say(self.title)}"


class CustomerRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "customer.recorded"
    STREAM: ClassVar[str] = "customer"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    customer: Customer

    def about(self) -> str:
        return self.customer.id

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, customer=self.customer)


class SiteRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "site.recorded"
    STREAM: ClassVar[str] = "customer"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    site: Site

    def about(self) -> str:
        return self.site.customer

    def key(self) -> str:
        return self.site.id

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, sites={**customer.sites, self.site.id: self.site})


class ContractRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "contract.recorded"
    STREAM: ClassVar[str] = "customer"
    contract: Contract

    def about(self) -> str:
        return self.contract.customer

    def key(self) -> str:
        return self.contract.id

    def on_customer(self, customer: CustomerState, fact: Fact) -> CustomerState:
        return msgspec.structs.replace(customer, contracts={**customer.contracts, self.contract.id: self.contract})


class AssetRecorded(Reference, frozen=True, omit_defaults=True):
    NAME: ClassVar[str] = "asset.recorded"
    STREAM: ClassVar[str] = "asset"
    ROLES: ClassVar[frozenset[str]] = OFFICE | {"technician"}
    asset: Asset

    def about(self) -> str:
        return self.asset.id

    def on_asset(self, asset: AssetState, fact: Fact) -> AssetState:
        return msgspec.structs.replace(asset, asset=self.asset)
