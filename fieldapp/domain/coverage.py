"""What a customer has bought: the contract that covers a job, what it includes in words, and the promises of their segment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from fieldapp.domain.documents import Calendar, CommercialModel, Contract, Product, Promise, Variant
from fieldapp.domain.words import Words, say

MODEL_NAMES: dict[CommercialModel | Literal[""], Words] = {
    "warranty": {"en": "Warranty", "zh_CN": "保修", "zh_TW": "保固"},
    "per_visit": {"en": "Per visit", "zh_CN": "按次收费", "zh_TW": "按次計費"},
    "prepaid_pack": {"en": "Prepaid pack", "zh_CN": "预付次数包", "zh_TW": "預付次數包"},
    "flat_subscription": {"en": "Flat subscription", "zh_CN": "包年服务", "zh_TW": "包年服務"},
    "rental": {"en": "Rental", "zh_CN": "租赁", "zh_TW": "租賃"},
    "shared_saving": {"en": "Shared saving", "zh_CN": "节能收益分享", "zh_TW": "節能效益分享"},
    "": {"en": "No contract", "zh_CN": "无合同", "zh_TW": "無合約"},
}
"""The commercial model as a label; '' stands for a job that no contract covers."""

MODEL_TERMS: dict[CommercialModel | Literal[""], Words] = {
    "warranty": {
        "en": "Free of charge: we make good a defect of what we delivered.",
        "zh_CN": "免费：由我方排除所交付产品的缺陷。",
        "zh_TW": "免費：由我方排除所交付產品的瑕疵。",
    },
    "per_visit": {
        "en": "This visit is charged at the agreed rates.",
        "zh_CN": "本次上门按约定价格收费。",
        "zh_TW": "本次到場依約定價格計費。",
    },
    "prepaid_pack": {
        "en": "Paid in advance: this visit is taken from the pack.",
        "zh_CN": "已预付：本次上门从次数包中扣除。",
        "zh_TW": "已預付：本次到場自次數包中扣除。",
    },
    "flat_subscription": {
        "en": "Covered by the subscription: no charge for what is included.",
        "zh_CN": "包年服务已涵盖：包含项目不另收费。",
        "zh_TW": "包年服務已涵蓋：包含項目不另收費。",
    },
    "rental": {
        "en": "The equipment is ours: keeping it available is our duty and free of charge.",
        "zh_CN": "设备归我方所有：保证设备可用是我方的责任，不收费。",
        "zh_TW": "設備歸我方所有：確保設備可用是我方的責任，不收費。",
    },
    "shared_saving": {
        "en": "Paid from the saving that the work brings.",
        "zh_CN": "费用从所实现的节约中支付。",
        "zh_TW": "費用由所達成的節省中支付。",
    },
    "": {
        "en": "Not covered by a contract: agree on the price before the work starts.",
        "zh_CN": "没有合同涵盖：开工前请先商定价格。",
        "zh_TW": "沒有合約涵蓋：開工前請先議定價格。",
    },
}
"""Who pays for the visit, in one sentence that a customer may read."""

_CHEAPEST_FIRST: tuple[CommercialModel, ...] = (
    "warranty", "rental", "flat_subscription", "prepaid_pack", "shared_saving", "per_visit",
)  # fmt: skip
"""Among contracts that cover the same thing, the one that asks least of the customer is applied."""


BRANCH_HOURS = "office"
"""As the calendar of a promise: the business hours of whichever branch does the job."""


class Coverage(msgspec.Struct, frozen=True):
    """Coverage in one language: the model's name, who pays, what is included and what is not."""

    model: CommercialModel | Literal[""]
    title: str
    terms: str
    included: tuple[str, ...]
    excluded: tuple[str, ...]


def find_coverage(
    contracts: Iterable[Contract],
    product: str,
    assets: Sequence[str],
    on_date: str,
    visits_used: Mapping[str, int] | None = None,
) -> Contract | None:
    """The customer's contract that covers this service on these assets on this day, None where none does.

    A contract that names no products covers all, one that names no assets covers all assets of the customer. It must cover every
    asset of the job: half covered would be a surprise on the bill. Of several, the one made for the asset wins over a general
    one, then the one made for the product, then the one that asks least of the customer, then the newest.

    Args:
        contracts: the contracts of the job's customer. product: code of the service product. assets: ids; may be empty.
        on_date: ISO date, both ends of a contract's validity included.
        visits_used: visits taken so far by contract id; a pack whose visits are used up covers nothing.
    """
    used = visits_used or {}
    fitting = [contract for contract in contracts if _covers(contract, product, assets, on_date, used.get(contract.id, 0))]
    newest_first = sorted(sorted(fitting, key=lambda contract: contract.id), key=lambda contract: contract.valid_from, reverse=True)
    return min(newest_first, key=_preference, default=None)


def _covers(contract: Contract, product: str, assets: Sequence[str], on_date: str, used: int) -> bool:
    if (contract.valid_from and on_date < contract.valid_from) or (contract.valid_to and on_date > contract.valid_to):
        return False
    if contract.products and product not in contract.products:
        return False
    if contract.assets and not (assets and all(asset in contract.assets for asset in assets)):
        return False
    return contract.visits is None or used < contract.visits


def _preference(contract: Contract) -> tuple[bool, bool, int]:
    return not contract.assets, not contract.products, _CHEAPEST_FIRST.index(contract.model)


def terms_of(contract: Contract | None, product: Product) -> tuple[tuple[Words, ...], tuple[Words, ...]]:
    """(included, excluded) as a job copies them: the product's, and the contract's own where there is one.

    What the contract includes is not excluded by the product, and what the contract excludes is not included by it: the
    contract was negotiated, the catalogue was not.
    """
    if contract is None:
        return product.included, product.excluded
    included = [words for words in product.included if words not in contract.excluded]
    excluded = [words for words in product.excluded if words not in contract.included]
    included += [words for words in contract.included if words not in included]
    excluded += [words for words in contract.excluded if words not in excluded]
    return tuple(included), tuple(excluded)


def coverage_words(
    model: CommercialModel | Literal[""], included: Iterable[Words], excluded: Iterable[Words], language: str = "en"
) -> Coverage:
    """Coverage in words, from what a job carries (`coverage`, `included`, `excluded`); model "" is no contract."""
    return Coverage(
        model,
        say(MODEL_NAMES[model], language),
        say(MODEL_TERMS[model], language),
        tuple(say(words, language) for words in included),
        tuple(say(words, language) for words in excluded),
    )


def variant_for(product: Product, segment: str) -> Variant | None:
    """How the product differs for a segment, None where it does not."""
    return next((variant for variant in product.variants if segment and variant.segment == segment), None)


def promises_for(product: Product, segment: str, branch_calendar: str) -> tuple[Promise, ...]:
    """The product's promises as its segment gets them: the variant's replace those of the same name and add the others.

    A catalogue is sold by all branches, so its promises may name BRANCH_HOURS: here they name the calendar of the branch.

    Args:
        branch_calendar: code of the calendar of the branch that does the job; '' where it has none: then every hour counts.
    """
    variant = variant_for(product, segment)
    own = {promise.name: promise for promise in variant.promises} if variant is not None else {}
    kept = [own.pop(promise.name, promise) for promise in product.promises]
    return tuple(
        msgspec.structs.replace(promise, calendar=branch_calendar or None) if promise.calendar == BRANCH_HOURS else promise
        for promise in (*kept, *own.values())
    )


def calendars_for(
    promises: Iterable[Promise], find: Callable[[str], Calendar | None]
) -> tuple[tuple[Calendar, ...], tuple[str, ...]]:
    """The calendars that promises name, for a job to carry along, and the codes of those that `find` does not know."""
    codes = sorted({promise.calendar for promise in promises if promise.calendar})
    found = [find(code) for code in codes]
    return (
        tuple(calendar for calendar in found if calendar is not None),
        tuple(code for code, calendar in zip(codes, found, strict=True) if calendar is None),
    )
