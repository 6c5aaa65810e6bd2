"""Tickets as the facts to record: customer, sites and assets that are not known yet, and one `job.created` per ticket.

Every stream's name comes from content, so importing again names the same streams; the caller leaves out those that exist.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from fieldapp.domain.documents import Asset, Customer, Site
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded, SiteRecorded
from fieldapp.imports.tickets import Ticket
from fieldapp.store.rows import Draft


class TicketDrafts(msgspec.Struct, frozen=True):
    """What is to be recorded, reference documents first. `known` counts the tickets whose jobs existed already."""

    reference: tuple[Draft, ...]
    jobs: tuple[Draft, ...]
    known: int = 0


def job_stream(ticket: Ticket) -> str:
    """The stream of the job that a ticket becomes."""
    return f"job:{ticket.external}"


def ticket_entries(tickets: Iterable[Ticket], *, log: str, known: Container[str] = frozenset()) -> TicketDrafts:
    """The facts of tickets, in their order, each once.

    Args:
        tickets: as read_tickets gives them. log: the branch whose jobs these are.
        known: names of what exists: streams (`job:..`, `customer:..`, `asset:..`), and sites as `site:<id>`.
    """
    reference: dict[str, Draft] = {}
    jobs: dict[str, Draft] = {}
    skipped = 0
    for ticket in tickets:
        stream = job_stream(ticket)
        if stream in known:
            skipped += 1
            continue
        customer = f"customer:{ticket.customer}"
        words = {ticket.language: ticket.customer_name}
        site = Site(ticket.site, ticket.customer, {ticket.language: ticket.site_name})
        wanted = {
            customer: Draft(log, customer, CustomerRecorded(Customer(ticket.customer, words, log, language=ticket.language))),
            f"site:{ticket.site}": Draft(log, customer, SiteRecorded(site)),
        }
        if ticket.asset:
            asset = Asset(ticket.asset, ticket.customer, ticket.site, ticket.asset_name, {ticket.language: ticket.asset_name})
            wanted[f"asset:{ticket.asset}"] = Draft(log, f"asset:{ticket.asset}", AssetRecorded(asset), (customer,))
        for name, draft in wanted.items():
            if name not in known:
                reference.setdefault(name, draft)
        also = (customer, *((f"asset:{ticket.asset}",) if ticket.asset else ()))
        jobs.setdefault(stream, Draft(log, stream, job_body(ticket), also))
    return TicketDrafts(tuple(reference.values()), tuple(jobs.values()), skipped)


def job_body(ticket: Ticket) -> JobCreated:
    """The work order. The reported cause stands below the description: nobody on site has confirmed it as a fault yet."""
    parts = [ticket.description, f"Reported cause: {ticket.cause}" if ticket.cause else ""]
    return JobCreated(
        number=ticket.number,
        customer=ticket.customer,
        site=ticket.site,
        title={ticket.language: ticket.title},
        product=ticket.product,
        origin=ticket.origin,
        description="\n\n".join(part for part in parts if part),
        assets=(ticket.asset,) if ticket.asset else (),
        window_start=ticket.start,
        window_end=ticket.end,
        external=ticket.external,
    )
