"""A small company made of nothing but numbers: devices, jobs and steps for measuring."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from fieldapp.domain.documents import Calendar, Promise
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Home, Identity, SystemClock
from fieldapp.store.journal import Journal
from fieldapp.store.migrations import migrate_device
from fieldapp.store.rows import Draft

LOG = "b1"
NOW = 1_790_000_000_000


def new_id() -> str:
    """An id in the form that entries have."""
    import uuid6

    return str(uuid6.uuid7())


def device(folder: Path, role: str = "supervisor") -> DeviceReplica:
    """A replica in a new home, without a server."""
    home = Home(folder)
    home.prepare()
    db = Database(home.database_url)
    migrate_device(db)
    identity = Identity("http://127.0.0.1", "bench", "B1", "secret", "boss", "Boss", role, LOG, ("org", LOG))
    replica = DeviceReplica(db, Journal(home.journal_file), identity, SystemClock(), new_id)
    replica.start()
    return replica


def a_job(log: str, number: int, person: str = "tech") -> list[Draft]:
    """Drafts that make a job and give it to somebody; one promise, one calendar, as real jobs have."""
    calendar = Calendar("week", "UTC", (((480, 1080),),) * 5 + ((), ()))
    promise = Promise("resolution", {"en": "Done in two days"}, "resolution", 960, "week", ("no_access",))
    stream, also = f"job:bench{number}", (f"customer:c{number % 50}",)
    created = lifecycle.JobCreated(
        number=f"B-{number}", customer=f"c{number % 50}", site="s1", title={"en": "Quarterly service", "zh_CN": "季度保养"},
        product="SVC", window_start=NOW + number * 60_000, window_end=NOW + number * 60_000 + 7_200_000, promises=(promise,),
        calendars=(calendar,), standard_minutes=90,
    )  # fmt: skip
    return [Draft(log, stream, created, also), Draft(log, stream, lifecycle.JobAssigned(person=person))]


def a_step(log: str, number: int, step: int) -> Draft:
    """A reading recorded on a step of that job."""
    body = steps.StepRecorded(step=f"SVC-01/step_{step}", version=3, value=f"{step}.75", verdict="pass", unit="bar")
    return Draft(log, f"job:bench{number}", body)


def a_finished_job(log: str, number: int, count: int = 30) -> Iterator[list[Draft]]:
    """Groups as a technician records them: made, accepted, done step by step: `count` entries in all."""
    yield a_job(log, number)
    stream = f"job:bench{number}"
    moves = (lifecycle.JobAccepted(), lifecycle.TravelStarted(), lifecycle.Arrived(), lifecycle.WorkStarted())
    for move in moves:
        yield [Draft(log, stream, move)]
    for step in range(count - len(moves) - 3):
        yield [a_step(log, number, step)]
    yield [Draft(log, stream, lifecycle.JobCompleted())]


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def server_process(arguments: list[str], port: int, path: str = "/") -> Iterator[str]:
    """The URL of a server as `running` starts it."""
    with running(arguments, port, path) as server:
        yield server.url


@contextmanager
def running(arguments: list[str], port: int, path: str = "/") -> Iterator[Running]:
    """A server in a process of its own on loopback, ended when the block ends. Yielded once it answers at `path`."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(url + path, timeout=1)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield Running(url, process)
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stamp() -> str:
    return uuid.uuid4().hex[:8]
