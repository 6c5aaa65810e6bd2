"""The small company that the simulation runs: two technicians, a supervisor, two customers, a few jobs. And what they record."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import ClassVar

import msgspec

from fieldapp.domain.documents import Asset, Branch, Customer, Person, Site
from fieldapp.domain.entry import Entry, Envelope, FileRef, Moment, encode, write_entry
from fieldapp.domain.entry_types import lifecycle as life
from fieldapp.domain.entry_types import office, steps, work
from fieldapp.domain.entry_types import reference as ref
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.lifecycle import moves_from
from fieldapp.store.rows import Draft
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DEVICE, SERVER, Base
from tests.simulation.storage import Disk

EPOCH_MS = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC: when every run begins."""
LOG = "north"
PEOPLE = {
    "tech-1": Person("tech-1", "Ann Berg", "technician", LOG),
    "tech-2": Person("tech-2", "Bo Lind", "technician", LOG),
    "super": Person("super", "Cy Holm", "supervisor", LOG),
}
ROLES = {**{person.id: person.role for person in PEOPLE.values()}, "office": "rule"}
SECRET = "a device's secret"
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


class Newer(msgspec.Struct, frozen=True):
    """A type of entry that only a newer app knows."""

    NAME: ClassVar[str] = "newer.thing"
    SCHEMA: ClassVar[int] = 1
    text: str


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

    def cancel(self, number: int) -> Entry:
        return self.entry(f"job:{number}", life.JobCancelled("customer called"))


def make_templates() -> dict[str, bytes]:
    """Images of databases: a server with the company in it, one of another company, an empty one, and a new device's."""
    images = {}
    for kind in ("device", "server", "empty", "foreign"):
        disk = Disk()
        tables = DEVICE if kind == "device" else SERVER
        Base.metadata.create_all(_Engine(disk), tables=[Base.metadata.tables[name] for name in tables])
        if kind == "server":
            _found(disk)
        elif kind == "foreign":
            office = Office(lambda: EPOCH_MS, 5000)
            ServerReplica(disk, lambda: EPOCH_MS).record(
                [office.entry("branch:south", ref.BranchRecorded(Branch("south", {"en": "South"})), "org")]
                + [office.entry(f"customer:z-{n}", ref.CustomerRecorded(Customer(f"z-{n}", {"en": "Z"}, LOG))) for n in range(20)],
                ROLES,
            )
        images[kind] = disk.image()
        disk.close()
    return images


def _Engine(disk: Disk) -> object:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    return create_engine("sqlite://", creator=lambda: disk.raw, poolclass=StaticPool)


def _found(disk: Disk) -> None:
    office_ = Office(lambda: EPOCH_MS)
    entries = [office_.entry(f"branch:{LOG}", ref.BranchRecorded(Branch(LOG, {"en": "North"})), "org")]
    entries += [office_.entry(f"person:{person.id}", ref.PersonRecorded(person), "org") for person in PEOPLE.values()]
    for number in (1, 2):
        name = f"c-{number}"
        entries.append(office_.entry(f"customer:{name}", ref.CustomerRecorded(Customer(name, {"en": name}, LOG))))
        entries.append(office_.entry(f"customer:{name}", ref.SiteRecorded(Site(f"s-{number}", name, {"en": "Hall"}))))
        asset = Asset(f"a-{number}", name, f"s-{number}", "CH-1", {"en": "Chiller"})
        entries.append(office_.entry(f"asset:a-{number}", ref.AssetRecorded(asset)))
    for number, person in ((1, "tech-1"), (2, "tech-2"), (3, "tech-1"), (4, "tech-2")):
        entries += [office_.job(number, 1 + number % 2), office_.assign(number, person)]
    ServerReplica(disk, lambda: EPOCH_MS).record(entries, ROLES)
    with disk.write() as conn:
        for number, person in enumerate(PEOPLE, 1):
            secret = hashlib.sha256(SECRET.encode()).hexdigest()
            conn.exec_driver_sql(
                "INSERT INTO devices (id, person, code, name, secret_hash, enrolled_at, enrol_nonce, app_version) "
                "VALUES (?, ?, ?, ?, ?, ?, '', '')",
                (f"dev-{person}", person, f"A{number}", person, secret, EPOCH_MS),
            )


# --- What people record ---------------------------------------------------------------------------------------------------------


def mark(name: str, number: int) -> str:
    """What stands in the text of a person's action, so that it is found again in what is shown."""
    return f"#{name}.{number}#"


def field_work(
    chance: random.Random, jobs: dict[str, str], role: str, name: str, number: int, unresolved: list[tuple[str, str]]
) -> list[Draft]:
    """What one action of a person on a device records.

    Args:
        jobs: the jobs it shows (stream to status). number: makes what is recorded different each time.
        unresolved: (job stream, entry) that wait for a decision of the office.
    """
    streams = sorted(jobs)
    if not streams or chance.random() < 0.05:
        body = life.JobCreated(f"N-{name}-{number}", "c-1", "s-1", {"en": "Found on site"})
        return [Draft(LOG, f"job:n-{name}-{number}", body)]
    stream = chance.choice(streams)
    said = mark(name, number)
    kind = chance.randrange(8)
    if role == "supervisor":
        return [_office_work(chance, jobs, stream, kind, said, unresolved)]
    if kind == 0:
        allowed = [move for move in moves_from(jobs[stream]) if move in _PLAIN]  # type: ignore[arg-type]
        if allowed:
            return [Draft(LOG, stream, _PLAIN[chance.choice(allowed)]())]
    if kind == 1:
        return [Draft(LOG, stream, steps.NoteAdded(f"note {said} " + "x" * chance.choice((0, 0, 3000))))]
    if kind == 2:
        return [Draft(LOG, stream, steps.ReadingTaken("a-1", "oil", said, "bar"), also=("asset:a-1",))]
    if kind == 3:
        return [Draft(LOG, stream, work.PartRecorded("F-100", said))]
    count = chance.choice((1, 1, 2, 5))
    return [Draft(LOG, stream, steps.StepRecorded(f"p/s{chance.randrange(3)}", 1, f"{said}{n}", "pass")) for n in range(count)]


def _office_work(
    chance: random.Random, jobs: dict[str, str], stream: str, kind: int, said: str, unresolved: list[tuple[str, str]]
) -> Draft:
    allowed = [move for move in moves_from(jobs[stream]) if move in _OFFICE]  # type: ignore[arg-type]
    if kind == 0 and allowed:
        return Draft(LOG, stream, _OFFICE[chance.choice(allowed)]())
    if kind in (1, 2) and jobs[stream] not in ("approved", "cancelled"):
        return Draft(LOG, stream, life.JobAssigned(chance.choice(("tech-1", "tech-2"))))
    if kind in (3, 4, 5) and unresolved:
        where, about = chance.choice(unresolved)
        decision = chance.choice(
            (office.EntryReleased(about), office.EntryDismissed(about), office.ConflictDecided(about, "", "take"))
        )
        return Draft(LOG, where, decision)
    return Draft(LOG, stream, steps.NoteAdded(f"office {said}"))


def photo(stream: str, content: bytes, number: int) -> Draft:
    digest = hashlib.sha256(content).hexdigest()
    body = steps.FileAttached(digest, len(content), f"p{number}.jpg", "image/jpeg")
    return Draft(LOG, stream, body, files=(FileRef(digest, len(content), f"p{number}.jpg", "image/jpeg"),))
