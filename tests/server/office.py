"""A small company on a server, and what its people do there, below HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import uuid6

from fieldapp.domain.documents import Asset, Customer, Site
from fieldapp.domain.entry import Entry, Envelope, FileRef, Moment, chain_hash, encode, write_entry
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded, SiteRecorded
from fieldapp.server.reach import Session
from fieldapp.server.receiving import writer
from fieldapp.server.services import ServerServices
from fieldapp.store.rows import Run
from fieldapp.store.server import Receipted
from fieldapp.sync.protocol import EnrolRequest, PullAnswer, PullRequest

START = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC."""
LOG = "north"


def entry_of(
    who: Session, stream: str, body: Body, *, log: str = LOG, also: tuple[str, ...] = (), files: tuple[FileRef, ...] = (),
    base: str | None = None,
) -> Entry:  # fmt: skip
    name = str(uuid6.uuid7())
    envelope = Envelope(
        id=name, log=log, stream=stream, type=body.NAME, author=who.person, device=who.device, group=name, at=Moment(START, skew=0),
        body="", also=also, files=files, base=base,
    )  # fmt: skip
    return write_entry(envelope, encode(body))


class Line:
    """One epoch of one device."""

    def __init__(self, epoch: str = "", log: str = LOG) -> None:
        self.epoch, self.log, self.seq, self.hash = epoch or uuid6.uuid7().hex, log, 0, ""

    def run(self, entries: Sequence[Entry]) -> Run:
        return Run(self.epoch, self.log, self.seq + 1, self.hash, tuple(entries))

    def sent(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.seq += 1
            self.hash = chain_hash(self.hash, self.seq, entry.hash)


class Office:
    """The company: a branch, two technicians, a supervisor, a customer with a site and an asset."""

    rule = Session("server", "server", "Server", "rule", "org")

    def __init__(self, services: ServerServices) -> None:
        self.services = services
        self.lines: dict[str, Line] = {}

    def found(self) -> None:
        people = self.services.people
        people.add_branch(LOG, "North")
        people.add("tech-1", "Ann Berg", "technician", LOG)
        people.add("tech-2", "Bo Lind", "technician", LOG)
        people.add("super", "Cy Holm", "supervisor", LOG)
        self.record("customer:c-1", CustomerRecorded(Customer("c-1", {"en": "Huaxin"}, LOG)))
        self.record("customer:c-1", SiteRecorded(Site("s-1", "c-1", {"en": "Hall"})))
        self.record("asset:a-1", AssetRecorded(Asset("a-1", "c-1", "s-1", "CH-1", {"en": "Chiller"})))

    def record(self, stream: str, body: Body, *, log: str = LOG, also: tuple[str, ...] = ()) -> Entry:
        entry = entry_of(self.rule, stream, body, log=log, also=also)
        self.services.replica.record([entry], {"server": "rule"})
        return entry

    def job(self, number: int, person: str = "") -> str:
        """A new job, given to `person`; its stream."""
        stream = f"job:j-{number}"
        body = lifecycle.JobCreated(f"J-{number}", "c-1", "s-1", {"en": "Service"}, assets=("a-1",))
        self.record(stream, body, also=("customer:c-1", "asset:a-1"))
        if person:
            self.assign(stream, person)
        return stream

    def assign(self, stream: str, person: str) -> None:
        self.record(stream, lifecycle.JobAssigned(person))

    def note(self, stream: str, text: str = "seen") -> Entry:
        return self.record(stream, steps.NoteAdded(text))

    def enrol(self, person: str) -> Session:
        code = self.services.accounts.issue_code(person).code
        answer = self.services.accounts.enrol(EnrolRequest(code, "laptop", "0.1.0", uuid6.uuid7().hex), "192.0.2.1")
        return self.services.accounts.session(answer.token)

    def push(self, who: Session, *entries: Entry) -> Receipted:
        line = self.lines.setdefault(who.device, Line())
        receipted = self.services.replica.receive(writer(who), line.run(entries))
        line.sent(entries)
        return receipted

    def pull(self, who: Session, **request: object) -> PullAnswer:
        return self.services.feed.pull(who, PullRequest(**{"cursors": {}, **request}))  # type: ignore[arg-type]
