"""A branch of the demo company on a real server's database, with the devices of its people filled by real pulls."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldapp.bootstrap import DeviceServices, open_device
from fieldapp.domain.job import JobState
from fieldapp.server.feed import Feed
from fieldapp.server.reach import Session as Caller
from fieldapp.server.receiving import writer
from fieldapp.store.database import Database
from fieldapp.store.home import Home, Identity
from fieldapp.store.migrations import migrate_server
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Page, Row
from fieldapp.store.server import ServerReplica
from fieldapp.sync.protocol import Backfill, PullRequest, from_wire
from fixtures import load

PEOPLE = {
    "sup-petra": ("Petra Lindner", "supervisor", "bre"),
    "disp-karin": ("Karin Ahlers", "dispatcher", "bre"),
    "expert-ingrid": ("Ingrid Solheim", "expert", "bre"),
    "tech-anna": ("Anna Behrens", "technician", "bre"),
    "tech-emre": ("Emre Aydin", "technician", "bre"),
    "sup-zhao": ("赵敏华", "supervisor", "hz"),
    "tech-chen": ("陈立", "technician", "hz"),
}


def _now() -> int:
    return time.time_ns() // 1_000_000


class BranchOnDisk:
    """The server's database and the homes of PEOPLE, in one folder. Everything below HTTP, nothing of it replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def make(cls, root: Path, *people: str) -> BranchOnDisk:
        """The demo company, with a home for each of these people that has pulled everything."""
        branch = cls(root)
        with branch._server() as database:
            migrate_server(database)
            entries = list(load.entries(_now()))
            roles = {made.entry.envelope.author: made.role for made in entries}
            received = {made.entry.id: made.received_ms for made in entries}
            ServerReplica(database, _now).record([made.entry for made in entries], roles, received)
        for person in people:
            branch.enrol(person)
            branch.sync(person)
        return branch

    def copy(self, root: Path) -> BranchOnDisk:
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return BranchOnDisk(root)

    def home(self, person: str) -> Home:
        return Home(self.root / person)

    def enrol(self, person: str) -> None:
        name, role, log = PEOPLE[person]
        home = self.home(person)
        home.prepare()
        home.save_identity(
            Identity("http://127.0.0.1:9", f"dev-{person}", person[-2:].upper(), "secret", person, name, role, log, ("org", log))
        )

    def sync(self, person: str) -> None:
        """Send what the device has, then pull until there is nothing more."""
        _name, role, log = PEOPLE[person]
        caller = Caller(f"dev-{person}", person, PEOPLE[person][0], role, log)
        with self._server() as database, self.device(person) as device:
            server, feed = ServerReplica(database, _now), Feed(database, _now, incarnation="one")
            while (run := device.replica.outgoing(100, 1_000_000)) is not None:
                device.replica.acknowledge(server.receive(writer(caller), run).head, _now())
            while True:
                wanted = PullRequest(
                    cursors=device.replica.cursors(), backfills=tuple(Backfill(*one) for one in device.replica.backfills(50))
                )
                answer = feed.pull(caller, wanted)
                rows = tuple(
                    Row(row.log, row.pos, row.at, from_wire(row.entry), row.kind, row.outcome, row.reason, row.role)
                    for row in answer.rows
                )
                device.replica.receive(
                    Page(
                        rows,
                        answer.cursors,
                        tuple((one.log, one.stream, one.upto) for one in answer.added),
                        tuple((one.log, one.stream) for one in answer.removed),
                        tuple((one.stream, one.after, one.done) for one in answer.backfilled),
                    )
                )
                if not answer.more and not device.replica.backfills(1):
                    return

    def view(self, person: str, number: str) -> JobState:
        """A job as this person's device shows it."""
        reader = Reader(self.home(person).database_file)
        try:
            row = reader.row("SELECT stream FROM jobs WHERE number = ?", (number,))
            assert row is not None, f"{person} does not have {number}"
            job = view_of_job(reader, row["stream"])
            assert job is not None
            return job
        finally:
            reader.close()

    @contextmanager
    def device(self, person: str) -> Iterator[DeviceServices]:
        with open_device(self.home(person), "tests") as device:
            yield device

    @contextmanager
    def _server(self) -> Iterator[Database]:
        database = Database(f"sqlite:///{self.root / 'server.db'}")
        try:
            yield database
        finally:
            database.close()
