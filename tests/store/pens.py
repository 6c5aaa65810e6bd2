"""Devices reduced to their pens: entries with real bytes, chained and offered to a server's replica, with nothing between."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from fieldapp.domain.entry import Entry, Envelope, FileRef, Moment, chain_hash, encode, read_entry, write_entry
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import read_state
from fieldapp.domain.job import JobState
from fieldapp.store.database import Database
from fieldapp.store.judge import Writer
from fieldapp.store.rows import Head, Run
from fieldapp.store.server import Receipted, ServerReplica
from fieldapp.store.tables import LogRow, PositionRow, QuarantineRow, StreamStateRow, table_of

START_MS = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC."""
_numbers = itertools.count(1)


def uuid() -> str:
    number = next(_numbers)
    return f"{number:08x}-0000-7000-8000-{number:012x}"


def created(number: str = "J-1", customer: str = "c1", **more: Any) -> lifecycle.JobCreated:
    return lifecycle.JobCreated(number=number, customer=customer, site="s1", title={"en": "Chiller service"}, **more)


def step(name: str = "s1", value: str = "1.2", verdict: Any = "pass") -> steps.StepRecorded:
    return steps.StepRecorded(step=f"P/{name}", version=1, value=value, verdict=verdict)


class Pen:
    """A device that writes into one log: one epoch, a chain, and whom it belongs to."""

    def __init__(self, device: str, person: str, role: str, log: str = "b1", branch: str = "b1") -> None:
        self.who = Writer(device, person, role, branch)
        self.log = log
        self.clock = START_MS
        self.open()

    def open(self, parent: tuple[str, int] | None = None) -> None:
        """A new line of writing."""
        self.epoch, self.seq, self.chain, self.parent = uuid(), 0, "", parent

    def entry(
        self,
        body: Body | None = None,
        stream: str = "job:1",
        *,
        raw_body: bytes = b"{}",
        name: str = "",
        also: tuple[str, ...] = (),
        base: str | None = None,
        group: str = "",
        n: int = 0,
        of: int = 1,
        files: tuple[FileRef, ...] = (),
        author: str = "",
        log: str = "",
        key: str = "",
    ) -> Entry:
        """An entry as it arrives: read from its bytes. `raw_body` and `name` stand in where no body class of ours is to be used."""
        self.clock += 1000
        envelope = Envelope(
            id=key or uuid(), log=log or self.log, stream=stream, also=also, type=name or (body.NAME if body else ""),
            author=author or self.who.person, device=self.who.device, group=group or uuid(), n=n, of=of, base=base,
            at=Moment(self.clock, 60, "boot", 1, 0), files=files, body="",
        )  # fmt: skip
        written = write_entry(envelope, encode(body) if body else raw_body)
        return read_entry(written.raw, written.body_raw)

    def group(self, *bodies: Body, stream: str = "job:1", **more: Any) -> list[Entry]:
        """What one action recorded: entries of one group."""
        name = uuid()
        return [self.entry(body, stream, group=name, n=n, of=len(bodies), **more) for n, body in enumerate(bodies)]

    def run(self, entries: list[Entry] | tuple[Entry, ...]) -> Run:
        """The next positions of the epoch, not yet sent."""
        return Run(self.epoch, self.log, self.seq + 1, self.chain, tuple(entries), self.parent)

    def push(self, server: ServerReplica, *entries: Entry) -> Receipted:
        receipt = server.receive(self.who, self.run(entries))
        self.follow(receipt.head)
        return receipt

    def follow(self, head: Head) -> None:
        self.seq, self.chain = head.seq, head.hash

    def say(self, server: ServerReplica, body: Body, stream: str = "job:1", **more: Any) -> Entry:
        """Write one fact and push it."""
        entry = self.entry(body, stream, **more)
        self.push(server, entry)
        return entry


def chained(start: str, first: int, entries: list[Entry]) -> str:
    for seq, entry in enumerate(entries, first):
        start = chain_hash(start, seq, entry.hash)
    return start


# --- Looking ---------------------------------------------------------------------------------------------------------------------


def outcomes(db: Database, *entries: Entry) -> list[str]:
    return outcomes_of(db, [entry.id for entry in entries])


def outcomes_of(db: Database, ids: list[str]) -> list[str]:
    """What was decided on each when it arrived."""
    with db.read() as conn:
        rows = conn.execute(select(col(LogRow.entry_id), col(LogRow.outcome)).where(col(LogRow.kind) == "entry"))
        found = {str(entry): outcome for entry, outcome in rows}
    return [found[name] for name in ids]


def later(db: Database, entry: Entry) -> list[str]:
    """What was decided on it later."""
    query = select(col(LogRow.outcome)).where(col(LogRow.kind) == "outcome", col(LogRow.entry_id) == entry.id)
    with db.read() as conn:
        return list(conn.execute(query.order_by(col(LogRow.pos))).scalars())


def reason(db: Database, entry: Entry) -> str:
    query = select(col(LogRow.reason)).where(col(LogRow.kind) == "entry", col(LogRow.entry_id) == entry.id)
    with db.read() as conn:
        return str(conn.execute(query).scalar_one())


def job_state(db: Database, stream: str = "job:1") -> JobState:
    query = select(col(StreamStateRow.state)).where(col(StreamStateRow.stream) == stream)
    with db.read() as conn:
        state = read_state(stream, conn.execute(query).scalar_one())
    assert isinstance(state, JobState)
    return state


def everything(db: Database, model: Any) -> list[dict[str, Any]]:
    table = table_of(model)
    with db.read() as conn:
        return [dict(row) for row in conn.execute(select(table).order_by(*table.primary_key)).mappings()]


def count(db: Database, model: Any, *where: Any) -> int:
    with db.read() as conn:
        return conn.execute(select(func.count()).select_from(table_of(model)).where(*where)).scalar_one()


def digests(db: Database) -> dict[str, str]:
    with db.read() as conn:
        return {stream: digest for stream, digest in conn.execute(select(col(StreamStateRow.stream), col(StreamStateRow.digest)))}


def conserved(db: Database) -> bool:
    """received = applied + held + conflict + late + quarantined: every entry that took a position stands in a log exactly once,
    or is kept as quarantine."""
    with db.read() as conn:
        received = set(conn.execute(select(col(PositionRow.entry_id))).scalars())
        placed = list(conn.execute(select(col(LogRow.entry_id)).where(col(LogRow.kind) == "entry")).scalars())
        aside = set(conn.execute(select(col(QuarantineRow.id))).scalars())
    return len(placed) == len(set(placed)) and received <= set(placed) | aside
