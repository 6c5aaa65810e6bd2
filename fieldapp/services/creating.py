"""What a new job copies when it is created: what was sold, promised and covered, so that its log is enough from then on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

import msgspec

from fieldapp.domain.coverage import calendars_for, find_coverage, promises_for, terms_of
from fieldapp.domain.documents import Asset, Branch, Customer, Site
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.instant import local_date, parse_window, zone_of
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.problem import Problem
from fieldapp.domain.words import Words
from fieldapp.services.names import asset_named, customer_named, product_named, site_named
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.jobs import visits_used
from fieldapp.store.queries.reader import Reader

Origin = Literal["reactive", "preventive", "proactive", "complaint", "opportunity"]


class JobWish(msgspec.Struct, frozen=True):
    """A job as somebody asks for it: names as typed. `when` is a time window, '' for none yet."""

    customer: str
    service: str
    assets: tuple[str, ...] = ()
    when: str = ""
    site: str = ""
    title: str = ""
    description: str = ""
    origin: str = "reactive"
    procedures: tuple[str, ...] = ()


def job_body(
    documents: Documents, reader: Reader, wish: JobWish, *, number: str, log: str, now_ms: int
) -> tuple[JobCreated, tuple[str, ...]]:
    """The work order that a wish comes to, and what the office should know about it.

    Args:
        number: of the job. log: of the branch. now_ms: decides which contract is valid where the wish names no time.

    Raises:
        Problem: `customer-unknown`, `service-unknown`, `asset-unknown`, `site-unknown` and their `-ambiguous`; `site-needed`,
            `bad-when`, `bad-value` (origin), `procedure-unknown`, `customer-elsewhere`.
    """
    customer = customer_named(documents, wish.customer)
    if customer.branch != log:
        raise Problem(
            "customer-elsewhere",
            f"Customer {customer.id} belongs to branch {customer.branch}, this device to {log}.",
            "A job is created in its customer's branch.",
        )
    if wish.origin not in get_args(Origin):
        raise Problem("bad-value", f"{wish.origin[:40]!r} is no origin of a job.", f"Origins are: {', '.join(get_args(Origin))}.")
    product = product_named(documents, wish.service)
    assets = [asset_named(documents, customer.id, typed) for typed in wish.assets]
    assets = list({asset.id: asset for asset in assets}.values())
    site = _site(documents, customer, assets, wish.site)
    branch = documents.branch(log) or Branch(log, {})
    start, end = parse_window(wish.when, zone_of(branch.zone)) if wish.when.strip() else (None, None)
    promises = promises_for(product, customer.segment, branch.calendar)
    calendars, missing = calendars_for(promises, documents.calendar)
    day = local_date(start if start is not None else now_ms, zone_of(branch.zone))
    contracts = documents.contracts(customer.id)
    counted = any(contract.visits is not None for contract in contracts)
    used = visits_used(reader, customer.id) if counted else {}
    contract = find_coverage(contracts, product.code, [asset.id for asset in assets], day, used)
    included, excluded = terms_of(contract, product)
    procedures = pins(documents, (*product.procedures, *(code for code in wish.procedures if code not in product.procedures)))
    body = JobCreated(
        number=number,
        customer=customer.id,
        site=site.id,
        title={"en": wish.title.strip()} if wish.title.strip() else product.title,
        product=product.code,
        kind=product.kind,
        origin=cast(Origin, wish.origin),
        description=wish.description.strip(),
        assets=tuple(asset.id for asset in assets),
        segment=customer.segment,
        contract=contract.id if contract else "",
        coverage=contract.model if contract else "",
        included=included,
        excluded=excluded,
        hazards=_once((*site.hazards, *(hazard for asset in assets for hazard in asset.hazards))),
        access=site.access,
        skills=product.skills,
        window_start=start,
        window_end=end,
        standard_minutes=product.standard_minutes,
        procedures=procedures,
        promises=promises,
        calendars=calendars,
    )
    warnings = [f"The calendar {code} is not known here; the clock on the wall counts for its promises." for code in missing]
    return body, tuple(warnings)


def pins(documents: Documents, codes: Sequence[str]) -> tuple[PinnedProcedure, ...]:
    """The newest version of each procedure, pinned by the hash of the entry that published it.

    Raises:
        Problem: `procedure-unknown`.
    """
    found = []
    for code in codes:
        versions = documents.versions(code)
        if not versions:
            known = ", ".join(documents.procedure_codes()[:12])
            raise Problem(
                "procedure-unknown",
                f"There is no procedure {code[:40]!r} on this device.",
                f"There are: {known}." if known else "`fieldapp sync` fetches what is new.",
            )
        newest = versions[-1]
        found.append(PinnedProcedure(newest.code, newest.version, newest.entry))
    return tuple(found)


def _site(documents: Documents, customer: Customer, assets: Sequence[Asset], typed: str) -> Site:
    if typed:
        return site_named(documents, customer.id, typed)
    sites = documents.sites(customer.id)
    wanted = {asset.site for asset in assets} or {site.id for site in sites}
    found = [site for site in sites if site.id in wanted]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{site.id} ({next(iter(site.name.values()), '')})" for site in (found or sites)[:8])
    raise Problem("site-needed", f"At which site of {customer.id} is it?", f"Give --site. There are: {listed or 'none'}.")


def _once(hazards: Sequence[Words]) -> tuple[Words, ...]:
    found: list[Words] = []
    for hazard in hazards:
        if hazard not in found:
            found.append(hazard)
    return tuple(found)
