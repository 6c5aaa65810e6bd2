"""The small company that the simulation runs: two technicians, a supervisor, two customers, a few jobs. And what they record."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from fieldapp.domain.documents import Asset, Branch, Customer, Person, Site
from fieldapp.domain.entry import Entry, Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types import lifecycle as life
from fieldapp.domain.entry_types import reference as ref
from fieldapp.domain.entry_types import steps, work
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.lifecycle import moves_from
from fieldapp.store.database import Database
from fieldapp.store.rows import Draft
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DEVICE, SERVER, Base

EPOCH_MS = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC: when every run begins."""
LOG = "north"
PEOPLE = {
    "tech-1": Person("tech-1", "Ann Berg", "technician", LOG),
    "tech-2": Person("tech-2", "Bo Lind", "technician", LOG),
    "super": Person("super", "Cy Holm", "supervisor", LOG),
}
ROLES = {**{person.id: person.role for person in PEOPLE.values()}, "office": "rule"}
_PLAIN: dict[str, Callable[[], Body]] = {
    "job.accepted": life.JobAccepted,
    "job.travel_started": life.TravelStarted,
    "job.arrived": life.Arrived,
    "job.started": life.WorkStarted,
    "job.paused": lambda: life.WorkPaused("break"),
    "job.resumed": life.WorkResumed,
    "job.completed": life.JobCompleted,
    "job.declined": lambda: life.JobDeclined("sick"),
    "job.left": life.SiteLeft,
}
_OFFICE: dict[str, Callable[[], Body]] = {
    "job.approved": life.JobApproved,
    "job.sent_back": lambda: life.JobSentBack(("p/s1",), "once more"),
    "job.cancelled": lambda: life.JobCancelled("customer called"),
}


def make_id(number: int, origin: str = "office") -> str:
    digest = hashlib.sha256(f"{origin} {number}".encode()).hexdigest()
    return f"{number:08x}-{digest[:4]}-7{digest[4:7]}-8{digest[7:10]}-{digest[10:22]}"


class Office:
    """Entries that the server's side records: reference documents, jobs, assignments."""

    def __init__(self, now: Callable[[], int], number: int = 0) -> None:
        self._now, self.number = now, number

    def entry(self, stream: str, body: Body, log: str = LOG, also: tuple[str, ...] = ()) -> Entry:
        self.number += 1
        name = make_id(self.number)
        envelope = Envelope(
            id=name, log=log, stream=stream, type=body.NAME, author="office", device="office", group=name,
            at=Moment(self._now()), body="", also=also,
        )  # fmt: skip
        return write_entry(envelope, encode(body))

    def job(self, number: int, customer: int) -> Entry:
        body = life.JobCreated(f"J-{number}", f"c-{customer}", f"s-{customer}", {"en": "Service"}, assets=(f"a-{customer}",))
        return self.entry(f"job:{number}", body, also=(f"customer:c-{customer}", f"asset:a-{customer}"))

    def assign(self, number: int, person: str) -> Entry:
        return self.entry(f"job:{number}", life.JobAssigned(person))


def make_templates(folder: Path) -> None:
    """A server with the company in it, and an empty device; copied for every run."""
    device = Database(f"sqlite:///{folder / 'device.db'}")
    Base.metadata.create_all(device.engine, tables=[Base.metadata.tables[name] for name in DEVICE])
    device.close()
    server = Database(f"sqlite:///{folder / 'server.db'}")
    Base.metadata.create_all(server.engine, tables=[Base.metadata.tables[name] for name in SERVER])
    office = Office(lambda: EPOCH_MS)
    entries = [office.entry(f"branch:{LOG}", ref.BranchRecorded(Branch(LOG, {"en": "North"})), "org")]
    entries += [office.entry(f"person:{person.id}", ref.PersonRecorded(person), "org") for person in PEOPLE.values()]
    for number in (1, 2):
        name = f"c-{number}"
        entries.append(office.entry(f"customer:{name}", ref.CustomerRecorded(Customer(name, {"en": name}, LOG))))
        entries.append(office.entry(f"customer:{name}", ref.SiteRecorded(Site(f"s-{number}", name, {"en": "Hall"}))))
        asset = Asset(f"a-{number}", name, f"s-{number}", "CH-1", {"en": "Chiller"})
        entries.append(office.entry(f"asset:a-{number}", ref.AssetRecorded(asset)))
    for number, person in ((1, "tech-1"), (2, "tech-2"), (3, "tech-1")):
        entries += [office.job(number, 1 + number % 2), office.assign(number, person)]
    ServerReplica(server, lambda: EPOCH_MS).record(entries, ROLES)
    server.close()
    for name in ("device.db", "server.db"):
        with sqlite3.connect(folder / name) as conn:
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        conn.close()


def field_work(chance: random.Random, jobs: dict[str, str], role: str, number: int) -> list[Draft]:
    """What one action of a person on a device records.

    Args:
        jobs: the jobs it shows (stream to status). number: makes what is recorded different each time.
    """
    streams = sorted(jobs)
    if not streams or chance.random() < 0.08:
        body = life.JobCreated(f"N-{number}", "c-1", "s-1", {"en": "Found on site"})
        return [Draft(LOG, f"job:n-{number}", body)]
    stream = chance.choice(streams)
    kind = chance.randrange(6)
    if kind == 0:
        moves = _OFFICE if role == "supervisor" else _PLAIN
        allowed = [name for name in moves_from(jobs[stream]) if name in moves]  # type: ignore[arg-type]
        if allowed:
            return [Draft(LOG, stream, moves[chance.choice(allowed)]())]
    if role == "supervisor" or kind == 1:
        return [Draft(LOG, stream, steps.NoteAdded(f"note {number} " + "x" * chance.choice((0, 0, 3000))))]
    if kind == 2:
        return [Draft(LOG, stream, steps.ReadingTaken("a-1", "oil", str(number), "bar"), also=("asset:a-1",))]
    if kind == 3:
        return [Draft(LOG, stream, work.PartRecorded("F-100", str(number)))]
    count = chance.choice((1, 2, 5))
    return [Draft(LOG, stream, steps.StepRecorded(f"p/s{chance.randrange(3)}", 1, f"{number}", "pass")) for _ in range(count)]
