"""Devices in homes of their own, and the way between them and a server's replica without any network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.entry import Moment, read_entry
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import read_state
from fieldapp.domain.job import JobState
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica, Started
from fieldapp.store.home import Home, Identity
from fieldapp.store.journal import Journal
from fieldapp.store.judge import Writer
from fieldapp.store.rows import Draft, Head, Page, Row, Saved
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import EntryRow, JobRow, LogHeadRow, LogRow, MembershipRow, ScopeRow, StreamStateRow
from fieldapp.store.verify import Finding, verify_device
from tests.store.pens import START_MS, uuid


class Clock:
    """Time that moves by a second at each look."""

    def __init__(self) -> None:
        self.at = START_MS

    def now(self) -> int:
        return self.at

    def moment(self) -> Moment:
        self.at += 1000
        return Moment(self.at, 60, "boot", self.at - START_MS, 0)


class Device:
    """One home: it can be closed and started again, its database taken away or put back. Without a `template` it is the home
    of an earlier process, as it was left."""

    def __init__(
        self,
        folder: Path,
        template: Path | None,
        name: str = "d-lin",
        person: str = "p-lin",
        role: str = "technician",
        branch: str = "b1",
    ) -> None:
        self.home = Home(folder / name)
        self.home.prepare()
        self.template = template
        self.clock = Clock()
        self.who = Writer(name, person, role, branch)
        if template is not None:
            self.home.save_identity(Identity("http://x", name, name[-4:], "s", person, person, role, branch, ("org", branch)))
            shutil.copy(template, self.home.database_file)
        self.started = self.start()

    def start(self) -> Started:
        """What a program does when it opens a home."""
        identity = self.home.identity()
        assert identity is not None
        self.db = Database(self.home.database_url)
        self.journal = Journal(self.home.journal_file)
        self.replica = DeviceReplica(self.db, self.journal, identity, self.clock, uuid, self.home.save_identity)
        self.started = self.replica.start()
        return self.started

    def close(self) -> None:
        self.journal.close()
        self.db.close()

    def restart(self) -> Started:
        self.close()
        return self.start()

    def copy_database(self, to: Path) -> None:
        """A whole copy of the database as it is now; the device is closed for it."""
        self.close()
        shutil.copy(self.home.database_file, to)
        self.start()

    def put_database(self, source: Path | None) -> Started:
        """Another database in the place of this one (an empty one where None), as a restored disk or a lost file would do."""
        self.close()
        for name in ("", "-wal", "-shm"):
            Path(f"{self.home.database_file}{name}").unlink(missing_ok=True)
        shutil.copy(source or self.template or "", self.home.database_file)
        return self.start()

    # --- What people do ---

    def say(self, *bodies: Body, stream: str = "job:1", also: tuple[str, ...] = ()) -> Saved:
        return self.replica.append([Draft(self.who.branch, stream, body, also) for body in bodies])

    def view(self, stream: str = "job:1") -> JobState | None:
        with self.db.read() as conn:
            raw = conn.execute(select(col(JobRow.view)).where(col(JobRow.stream) == stream)).scalar()
        state = read_state(stream, raw) if raw else None
        assert state is None or isinstance(state, JobState)
        return state

    def findings(self) -> tuple[Finding, ...]:
        return verify_device(self.db, self.who.role, journal=self.journal)

    # --- What a sync does ---

    def push(self, server: ServerReplica, *, receipts: bool = True, runs: int = 100) -> list[Head]:
        """Offer what is unsent. Without `receipts` every answer is lost."""
        heads = []
        for _ in range(runs):
            run = self.replica.outgoing(200, 512 * 1024)
            if run is None:
                break
            head = server.receive(self.who, run).head
            heads.append(head)
            if not receipts:
                break
            self.replica.acknowledge(head, self.clock.now())
        return heads

    def pull(self, server_db: Database) -> None:
        """Read what came since, as a technician does: streams in scope by their memberships, and own entries."""
        with server_db.read() as conn:
            query = select(col(MembershipRow.stream)).where(
                col(MembershipRow.person) == self.who.person, col(MembershipRow.until_pos).is_(None)
            )
            now = set(conn.execute(query).scalars())
        with self.db.read() as conn:
            held = set(conn.execute(select(col(ScopeRow.stream)).where(col(ScopeRow.upto) > 0)).scalars())
        after, head = int(self.replica.cursors()[self.who.branch].partition(":")[0]), head_of(server_db)
        fresh, branch = sorted(now - held), self.who.branch

        def wanted(row: Row) -> bool:
            streams = set(row.entry.envelope.streams)
            mine = row.entry.envelope.device == self.who.device
            return bool(streams & set(fresh)) or (row.pos > after and (mine or bool(streams & now)))

        self.replica.receive(
            Page(
                tuple(rows_of(server_db, branch, keep=wanted)), {branch: f"{head}:"},
                tuple((branch, stream, head) for stream in fresh), tuple((branch, stream) for stream in sorted(held - now)),
                tuple((stream, head, True) for stream in fresh),
            )
        )  # fmt: skip

    def follow_whole_log(self, server_db: Database, *, upto: int = 1 << 60, step: int = 1000) -> None:
        """Read the branch's log as the office does, page by page."""
        cursor = int(self.replica.cursors()[self.who.branch].partition(":")[0])
        added = ((self.who.branch, "*", 0),)
        for page in pages(rows_of(server_db, self.who.branch, after=cursor, upto=upto), step):
            self.replica.receive(Page(tuple(page), {self.who.branch: f"{page[-1].pos}:"}, added))


MakeDevice = Callable[..., Device]
"""The fixture `make_device`: name, person and role to a device."""


def rows_of(
    db: Database, log: str, *, after: int = 0, upto: int = 1 << 60, keep: Callable[[Row], bool] = lambda row: True
) -> list[Row]:
    """Entries and outcomes of a log, as its readers get them."""
    query = (
        select(
            col(LogRow.pos), col(LogRow.received_at), col(LogRow.kind), col(LogRow.outcome), col(LogRow.reason), col(LogRow.role),
            col(EntryRow.raw), col(EntryRow.body),
        )
        .join(EntryRow, col(EntryRow.id) == col(LogRow.entry_id))
        .where(col(LogRow.log) == log, col(LogRow.pos) > after, col(LogRow.pos) <= upto)
        .order_by(col(LogRow.pos))
    )  # fmt: skip
    with db.read() as conn:
        rows = [
            Row(log, pos, at, read_entry(raw, body), kind, outcome, reason, role)
            for pos, at, kind, outcome, reason, role, raw, body in conn.execute(query)
        ]
    return [row for row in rows if keep(row)]


def pages(rows: list[Row], size: int) -> Iterable[list[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def head_of(db: Database, log: str = "b1") -> int:
    with db.read() as conn:
        return conn.execute(select(col(LogHeadRow.pos)).where(col(LogHeadRow.log) == log)).scalar() or 0


def state_digests(db: Database) -> dict[str, str]:
    """Digests of the streams that fold to a state."""
    with db.read() as conn:
        query = select(col(StreamStateRow.stream), col(StreamStateRow.digest)).where(col(StreamStateRow.digest) != "")
        return {stream: digest for stream, digest in conn.execute(query)}
