"""Many devices on one small server: each pushes a finished job of 30 entries and pulls what came of it.

DEVICES technicians, each with a laptop and a job, come within SPREAD_S seconds; then once more, each with the next job, all within
RUSH_S. (Devices spread themselves over two minutes after a mass disconnect.) The server is `fieldapp serve` on SQLite in its own
process; the clients share the machine with it. Counted are errors, outcomes that do not come back, the time of every request
from the first byte sent to the last one read, and the server's highest memory.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from benchmarks.company import LOG, NOW, free_port, new_id, running
from benchmarks.table import Figure
from fieldapp.domain.documents import Branch, Person
from fieldapp.domain.entry import Entry, Envelope, Moment, chain_hash, encode, write_entry
from fieldapp.domain.entry_types import lifecycle, reference, steps
from fieldapp.domain.entry_types.base import Body
from fieldapp.server.services import ServerServices, open_server
from fieldapp.server.settings import ServerSettings
from fieldapp.sync.protocol import (
    MEDIA_TYPE,
    EnrolRequest,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    from_wire,
    to_wire,
)  # fmt: skip

DEVICES = 500
ENTRIES = 30
SPREAD_S, RUSH_S = 20.0, 5.0
P99_MS, MEMORY_MIB = 2000, 400
BUDGET_BYTES = 6 * 1024
"""Of one push of a finished job, compressed."""


@dataclass
class Device:
    """One laptop: who it is, and how far it has read."""

    name: str
    person: str
    token: str
    cursors: dict[str, str]
    seen: dict[int, str]
    """Job by round, to the last entry of it that this device has seen."""
    settled: set[str] = field(default_factory=set)


@dataclass
class Measured:
    """One round. Times in seconds; bytes of the largest push."""

    times: list[float]
    errors: list[str]
    largest: int = 0

    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]


def run(folder: Path) -> list[Figure]:
    """The figures, after checking that everything pushed was applied and came back to its device."""
    devices = prepared(folder / "server")
    port = free_port()
    with running(["fieldapp", "serve", "--server-home", str(folder / "server"), "--port", str(port)], port, "/health") as server:
        calm = asyncio.run(_round(server.url, devices, 0, SPREAD_S))
        rush = asyncio.run(_round(server.url, devices, 1, RUSH_S))
        memory = peak_mib(server.process.pid)
        refused = _no_op(server.url, devices[0])
    for device in devices:
        if len(device.settled) != 2 * ENTRIES:
            raise SystemExit(f"{device.name} has {len(device.settled)} of {2 * ENTRIES} outcomes")
    errors = calm.errors + rush.errors
    if errors:
        raise SystemExit(f"{len(errors)} errors, the first one: {errors[0]}")
    what = f"{DEVICES} devices within"
    return [
        Figure(f"{what} {SPREAD_S:.0f} s: slowest 1 % of requests", calm.p99() * 1000, P99_MS, 1.0),
        Figure(f"{what} {RUSH_S:.0f} s: slowest 1 % of requests", rush.p99() * 1000, P99_MS),
        Figure("memory of that server at its highest", memory, MEMORY_MIB, 1.0, "MiB"),
        Figure(f"a finished job of {ENTRIES} entries, one push", max(calm.largest, rush.largest), BUDGET_BYTES, 1.0, "B"),
        Figure("a sync with nothing new, both ways, no header", refused, 1024, 1.0, "B"),
    ]


# --- The company -----------------------------------------------------------------------------------------------------------------


def prepared(home: Path) -> list[Device]:
    """A server's database with DEVICES technicians, a laptop each, and two jobs for each of them."""
    services = open_server(ServerSettings(home=home))
    try:
        people = [Person(f"t{number}", f"Technician {number}", "technician", LOG) for number in range(DEVICES)]
        documents: list[tuple[str, Body]] = [(f"branch:{LOG}", reference.BranchRecorded(Branch(LOG, {"en": "One"})))]
        documents += [(f"person:{person.id}", reference.PersonRecorded(person)) for person in people]
        services.replica.record([_entry("org", stream, body) for stream, body in documents], {"bench": "admin"})
        seen: dict[str, dict[int, str]] = {person.id: {} for person in people}
        jobs: list[Entry] = []
        for turn in range(2):
            for number, person in enumerate(people):
                stream = _job(person.id, turn)
                created = lifecycle.JobCreated(
                    number=f"B-{turn}-{number}", customer=f"c{number % 50}", site="s1", title={"en": "Quarterly service"},
                    product="SVC", window_start=NOW, window_end=NOW + 7_200_000,
                )  # fmt: skip
                jobs += [_entry(LOG, stream, created), _entry(LOG, stream, lifecycle.JobAssigned(person.id))]
                seen[person.id][turn] = jobs[-1].id
        services.replica.record(jobs, {"bench": "admin"})
        return [_enrolled(services, person.id, seen[person.id]) for person in people]
    finally:
        services.close()


def _enrolled(services: ServerServices, person: str, seen: dict[int, str]) -> Device:
    code = services.accounts.issue_code(person).code
    answer = services.accounts.enrol(EnrolRequest(code, "laptop", "0.1.0", new_id()), "127.0.0.1")
    session = services.accounts.session(answer.token)
    cursors: dict[str, str] = {}
    while True:
        page = services.feed.pull(session, PullRequest(cursors=cursors))
        cursors |= page.cursors
        if not page.more:
            return Device(answer.device, person, answer.token, cursors, seen)


def _entry(log: str, stream: str, body: Body, *, author: str = "bench", device: str = "office", base: str | None = None) -> Entry:
    envelope = Envelope(
        id=new_id(), log=log, stream=stream, type=body.NAME, author=author, device=device, group=new_id(), body="", base=base,
        at=Moment(NOW, 480, "b7f3", 1_000_000, 120),
    )  # fmt: skip
    return write_entry(envelope, encode(body))


def _job(person: str, turn: int) -> str:
    return f"job:{person}-{turn}"


def finished_job(device: Device, turn: int) -> list[Entry]:
    """ENTRIES entries of a job done from accepting to completing."""
    bodies: list[Body] = [lifecycle.JobAccepted(), lifecycle.TravelStarted(), lifecycle.Arrived(), lifecycle.WorkStarted()]
    for step in range(ENTRIES - len(bodies) - 1):
        bodies.append(steps.StepRecorded(step=f"SVC-01/step_{step}", version=3, value=f"{step}.75", verdict="pass", unit="bar"))
    bodies.append(lifecycle.JobCompleted())
    base, stream = device.seen[turn], _job(device.person, turn)
    return [_entry(LOG, stream, body, author=device.person, device=device.name, base=base) for body in bodies]


# --- A round ---------------------------------------------------------------------------------------------------------------------


async def _round(url: str, devices: list[Device], turn: int, spread: float) -> Measured:
    measured = Measured([], [])
    chance = random.Random(turn)
    pushes = [_push(device, turn) for device in devices]
    measured.largest = max(len(gzip.compress(msgspec.json.encode(push), 6, mtime=0)) for push in pushes)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=len(devices))
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
        visits = [
            _visit(client, device, push, chance.uniform(0, spread), measured) for device, push in zip(devices, pushes, strict=True)
        ]
        await asyncio.gather(*visits)
    return measured


def _push(device: Device, turn: int) -> PushRequest:
    entries = finished_job(device, turn)
    return PushRequest(new_id(), LOG, 1, "", tuple(to_wire(entry) for entry in entries))


async def _visit(client: httpx.AsyncClient, device: Device, push: PushRequest, delay: float, measured: Measured) -> None:
    await asyncio.sleep(delay)
    try:
        answer = msgspec.json.decode(await _call(client, device, "push", push, measured), type=PushAnswer)
        if answer.receipt.hash != _chain(push):
            measured.errors.append("a receipt for something else")
        more = True
        while more:
            raw = await _call(client, device, "pull", PullRequest(cursors=device.cursors), measured)
            page = msgspec.json.decode(raw, type=PullAnswer)
            device.cursors |= page.cursors
            more = page.more
            for row in page.rows:
                entry = from_wire(row.entry)
                if entry.envelope.device == device.name and row.outcome == "applied":
                    device.settled.add(entry.id)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        measured.errors.append(f"{type(error).__name__}: {error}")


async def _call(client: httpx.AsyncClient, device: Device, call: str, request: msgspec.Struct, measured: Measured) -> bytes:
    headers = {
        "Authorization": f"Bearer {device.token}", "Content-Type": MEDIA_TYPE, "Content-Encoding": "gzip",
        "Fieldapp-Nonce": new_id(), "Accept-Encoding": "gzip",
    }  # fmt: skip
    body = gzip.compress(msgspec.json.encode(request), 6, mtime=0)
    start = time.perf_counter()
    response = await client.post(f"/v1/{call}", content=body, headers=headers)
    measured.times.append(time.perf_counter() - start)
    response.raise_for_status()
    return response.content


def _chain(push: PushRequest) -> str:
    chain = ""
    for seq, wire in enumerate(push.entries, 1):
        chain = chain_hash(chain, seq, from_wire(wire).hash)
    return chain


def _no_op(url: str, device: Device) -> int:
    """Bytes of the bodies of a pull that finds nothing new: one round trip."""
    body = msgspec.json.encode(PullRequest(cursors=device.cursors))
    headers = {"Authorization": f"Bearer {device.token}", "Content-Type": MEDIA_TYPE, "Accept-Encoding": "gzip"}
    response = httpx.post(f"{url}/v1/pull", content=body, headers=headers, timeout=60, trust_env=False).raise_for_status()
    return len(body) + len(response.content)


def peak_mib(pid: int) -> float:
    """The highest memory of a process so far, where the system says (Linux); 0 elsewhere."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
