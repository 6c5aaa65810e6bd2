"""A customer's right to be forgotten, carried out by the server's administrator.

What was recorded about the customer and on the customer's jobs loses its content here and, with the next exchange, on every device;
what stays of a job is said in domain/entry_types/erasure.py. Backups made before still hold it: docs/erasure.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import uuid6
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.entry import Entry, Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.erasure import CustomerErased, JobErased, kept_of
from fieldapp.domain.fold import read_state
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.server.people import AUTHOR
from fieldapp.server.services import ServerServices
from fieldapp.store.erasing import ERASED, concerned, in_quarantine
from fieldapp.store.heads import CLOSED
from fieldapp.store.tables import JobRow, StreamStateRow


class Erasure(msgspec.Struct, frozen=True):
    """How much lost its content. `jobs` keep their numbers and dates."""

    customer: str
    jobs: int
    entries: int
    files: int


def erase_customer(services: ServerServices, customer: str, reason: str = "") -> Erasure:
    """Erase the personal data of a customer. Done again it erases what has come since.

    Raises:
        Problem: `customer-unknown`; `customer-has-open-jobs` naming them.
    """
    stream = f"customer:{customer}"
    with services.db.read() as conn:
        log = conn.execute(select(col(StreamStateRow.log)).where(col(StreamStateRow.stream) == stream)).scalar()
        if log is None:
            raise Problem("customer-unknown", f"There is no customer {customer[:40]!r} on this server.", "Nothing was erased.")
        query = select(col(JobRow.stream), col(JobRow.number), col(JobRow.status)).where(
            col(JobRow.customer) == customer, col(JobRow.log) == log
        )
        rows = conn.execute(query.order_by(col(JobRow.number))).all()
        still_open = [row.number for row in rows if row.status not in CLOSED]
        if still_open:
            names = ", ".join(still_open[:5]) + (" ..." if len(still_open) > 5 else "")
            count = "1 job of this customer is" if len(still_open) == 1 else f"{len(still_open)} jobs of this customer are"
            raise Problem(
                "customer-has-open-jobs",
                f"{count} open: {names}.",
                "Nothing was erased. Approve or cancel them first; who works on them needs what was recorded.",
            )
        aside = in_quarantine(conn, (stream, *(row.stream for row in rows)))
        left = [row.stream for row in rows if row.stream in aside or concerned(conn, log, [row.stream])[0]]
        if not left and stream not in aside and not concerned(conn, log, [stream])[0]:
            remove_content(services)  # what a crash left of an earlier one
            return Erasure(customer, 0, 0, 0)
        states = select(col(StreamStateRow.stream), col(StreamStateRow.state)).where(col(StreamStateRow.stream).in_(left))
        jobs = [read_state(name, raw) for name, raw in conn.execute(states.order_by(col(StreamStateRow.stream)))]
    now = services.clock()
    erasures = [_entry(log, f"job:{job.id}", JobErased(customer, kept_of(job)), now) for job in jobs if isinstance(job, JobState)]
    erasures.append(_entry(log, stream, CustomerErased(customer, reason.strip()), now))
    erased, moved = services.replica.erase(erasures)
    services.hints.publish(moved)
    remove_content(services, erased.files)
    services.db.scrub()
    return Erasure(customer, len(left), len(erased.entries), len(erased.files))


def remove_content(services: ServerServices, names: Iterable[str] = ()) -> None:
    """The content of these erased files goes from the storage, and of all that a crash or the disk kept from going before."""
    with services.db.read() as conn:
        erased = services.db.rows(conn, "SELECT sha256 FROM files WHERE state = ?", (ERASED,))
    for sha256 in sorted({*names, *(name for (name,) in erased if services.storage.holds(name))}):
        with services.db.write() as conn:  # nobody names it again meanwhile
            if services.db.rows(conn, "SELECT 1 FROM files WHERE sha256 = ? AND state = ?", (sha256, ERASED)):
                services.storage.remove(sha256)


def _entry(log: str, stream: str, body: Body, now: int) -> Entry:
    envelope = Envelope(
        id=str(uuid6.uuid7()), log=log, stream=stream, type=body.NAME, author=AUTHOR, device=AUTHOR, group=str(uuid6.uuid7()),
        at=Moment(now, skew=0), body="", schema=body.SCHEMA,
    )  # fmt: skip
    return write_entry(envelope, encode(body))
