"""Push and first sync through the real server and the real engine, against moving and inserting the same bytes raw.

Ours: `fieldapp serve` in its own process on SQLite, a device's replica, the transport and the machine, measured until the last
receipt is held (received) and until the office's log shows the last entry (applied). Reference: benchmarks/raw_server.py.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import func, select
from sqlmodel import col

from benchmarks.company import LOG, a_finished_job, a_job, free_port, new_id, server_process
from benchmarks.raw_server import insert_all, open_raw, pack
from benchmarks.table import Figure
from fieldapp.bootstrap import DeviceServices, open_device
from fieldapp.domain.documents import Branch, Person
from fieldapp.domain.entry import Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types import reference, steps
from fieldapp.server.services import ServerServices, open_server
from fieldapp.server.settings import ServerSettings
from fieldapp.settings import device_settings
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.store.tables import EntryRow, LogRow
from fieldapp.sync.once import sync_once

REFERENCES = 3
PEOPLE = (Person("boss", "Boss", "supervisor", "b1"), Person("tech", "Tech", "technician", "b1"))


@contextmanager
def company(folder: Path, jobs: int = 0) -> Iterator[tuple[str, dict[str, Home]]]:
    """A running server with two people, and `jobs` given to the technician; yields its URL and an enrolled home for each."""
    settings = ServerSettings(home=folder / "server")
    services = open_server(settings)
    bodies: list[tuple[str, reference.Reference]] = [("branch:b1", reference.BranchRecorded(Branch("b1", {"en": "One"})))]
    bodies += [(f"person:{person.id}", reference.PersonRecorded(person)) for person in PEOPLE]
    drafts = [Draft("org", stream, body) for stream, body in bodies]
    drafts += [draft for number in range(jobs) for draft in a_job(LOG, number)]
    record(services, drafts)
    codes = {person.id: services.accounts.issue_code(person.id).code for person in PEOPLE}
    services.close()
    port = free_port()
    with server_process(
        ["fieldapp", "serve", "--server-home", str(folder / "server"), "--port", str(port)], port, "/health"
    ) as url:
        yield url, {person: enrolled(folder / person, url, code) for person, code in codes.items()}


def record(services: ServerServices, drafts: Iterable[Draft]) -> None:
    """Facts that the server itself records, each for itself."""
    now = Moment(time.time_ns() // 1_000_000)
    entries = [
        write_entry(
            Envelope(
                id=new_id(), log=draft.log, stream=draft.stream, also=draft.also, type=draft.body.NAME, author="bench",
                device="office", group=new_id(), body="", at=now,
            ),
            encode(draft.body),
        )
        for draft in drafts
    ]  # fmt: skip
    services.replica.record(entries, {"bench": "admin"})


def enrolled(folder: Path, url: str, code: str) -> Home:
    from fieldapp.sync.enrol import enrol

    home = Home(folder)
    enrol(url, code, home, device_name=folder.name)
    return home


def seconds_of(services: DeviceServices, home: Home) -> float:
    """Seconds of one whole exchange, with the device already open."""
    start = time.perf_counter()
    report = sync_once(services, device_settings(str(home.path)))
    if report.problem is not None:
        raise SystemExit(f"the exchange did not work: {report.problem}")
    return time.perf_counter() - start


def entries_of(services: DeviceServices) -> tuple[list[tuple[str, str, str]], int]:
    """Every entry on a device as texts, and how many rows of the server's log it has."""
    with services.database.read() as conn:
        found = conn.execute(select(col(EntryRow.id), col(EntryRow.raw), col(EntryRow.body)))
        rows = [(id_, raw.decode(), (body or b"").decode()) for id_, raw, body in found]
        return rows, conn.execute(select(func.count()).select_from(LogRow)).scalar_one()


def push(folder: Path, count: int = 10_000) -> list[Figure]:
    """10,000 entries recorded offline by one device (jobs of 30 entries)."""
    with company(folder) as (_, homes):
        with open_device(homes["boss"], "benchmark") as services:
            seconds_of(services, homes["boss"])
            made = 0
            for number in itertools.count():
                for group in a_finished_job("b1", number):
                    services.replica.append(group)
                    made += len(group)
                if made >= count:
                    break
            receipts: list[float] = []
            acknowledge = services.replica.acknowledge

            def watched(*arguments: object) -> object:
                done = acknowledge(*arguments)  # type: ignore[arg-type]
                receipts.append(time.perf_counter())
                return done

            services.replica.acknowledge = watched  # type: ignore[method-assign,assignment]
            start = time.perf_counter()
            applied = seconds_of(services, homes["boss"])
            received = receipts[-1] - start
            rows, settled = entries_of(services)
        if settled < made:
            raise SystemExit(f"{made} entries were pushed and {settled} came back")
    raw = raw_push(folder, rows)
    return [
        Figure(f"push of {made:,} entries, received", received * 1000, raw * 1000, 4.0),
        Figure(f"push of {made:,} entries, applied and back", applied * 1000, raw * 1000, 8.0),
    ]


def raw_push(folder: Path, rows: list[tuple[str, str, str]]) -> float:
    """Seconds of the reference, the median of REFERENCES tries, each into a new database."""
    return statistics.median(_raw_push(folder / f"raw-push-{number}", rows) for number in range(REFERENCES))


def _raw_push(folder: Path, rows: list[tuple[str, str, str]]) -> float:
    folder.mkdir()
    port = free_port()
    with server_process(["benchmarks.raw_server", str(folder / "raw.db"), str(port)], port) as url:
        outbox = open_raw(str(folder / "raw-outbox.db"))
        outbox.execute("BEGIN")
        outbox.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        outbox.execute("COMMIT")
        with httpx.Client() as client:
            start = time.perf_counter()
            client.post(
                url, content=pack(outbox.execute("SELECT id, raw, body FROM entries").fetchall()), timeout=60
            ).raise_for_status()
            return time.perf_counter() - start


def first_sync(folder: Path, jobs: tuple[int, ...] = (1_000, 10_000)) -> list[Figure]:
    """A technician's new device: so many assigned jobs; then a sync with nothing new, against the first of these."""
    figures = []
    for count in jobs:
        ours, again, rows = _first_sync(folder / f"first-{count}", count)
        reference_ = raw_pull(folder / f"first-{count}", rows)
        figures.append(Figure(f"first sync of {count:,} jobs ({len(rows):,} entries)", ours * 1000, reference_ * 1000, 2.0))
        if count == jobs[0]:
            figures.append(Figure("a sync with nothing new, of that first sync", again * 1000, ours * 1000))
    return figures


def _first_sync(folder: Path, jobs: int) -> tuple[float, float, list[tuple[str, str, str]]]:
    """Seconds of the first exchange and of one with nothing new, and what came."""
    folder.mkdir()
    with company(folder, jobs) as (_, homes), open_device(homes["tech"], "benchmark") as services:
        ours = seconds_of(services, homes["tech"])
        rows, _settled = entries_of(services)
        again = min(seconds_of(services, homes["tech"]) for _ in range(5))
    if len(rows) < 2 * jobs:
        raise SystemExit(f"only {len(rows)} entries arrived")
    return ours, again, rows


def change(folder: Path, jobs: tuple[int, int] = (100, 10_000)) -> list[Figure]:
    """A technician who has everything; then 10 jobs change at the server: time of the exchange, with many jobs and with few."""
    took = [_change(folder / str(count), count) for count in jobs]
    return [Figure(f"10 jobs changed of {jobs[1]:,}, against of {jobs[0]:,}", took[1] * 1000, took[0] * 1000, 1.5)]


def _change(folder: Path, jobs: int, changed: int = 10, turns: int = 9) -> float:
    """Seconds of one exchange that brings `changed` notes on as many jobs, the median of some."""
    folder.mkdir()
    settings = ServerSettings(home=folder / "server")
    times = []
    with company(folder, jobs) as (_, homes), open_device(homes["tech"], "benchmark") as device:
        seconds_of(device, homes["tech"])
        services = open_server(settings)
        for turn in range(turns):
            streams = [f"job:bench{(turn * changed + number) * 7 % jobs}" for number in range(changed)]
            record(services, [Draft(LOG, stream, steps.NoteAdded(f"turn {turn}")) for stream in streams])
            times.append(seconds_of(device, homes["tech"]))
        services.close()
        rows, _settled = entries_of(device)
    if len(rows) < 2 * jobs + turns * changed:
        raise SystemExit(f"only {len(rows)} entries arrived")
    return statistics.median(times)


def raw_pull(folder: Path, rows: list[tuple[str, str, str]]) -> float:
    """Seconds of the reference, the median of REFERENCES tries, each from and into a new database."""
    return statistics.median(_raw_pull(folder / f"raw-pull-{number}", rows) for number in range(REFERENCES))


def _raw_pull(folder: Path, rows: list[tuple[str, str, str]]) -> float:
    folder.mkdir()
    source = open_raw(str(folder / "raw-source.db"))
    source.execute("BEGIN")
    source.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
    source.execute("COMMIT")
    source.close()
    port = free_port()
    with server_process(["benchmarks.raw_server", str(folder / "raw-source.db"), str(port)], port) as url:
        target = open_raw(str(folder / "raw-target.db"))
        with httpx.Client() as client:
            start = time.perf_counter()
            insert_all(target, client.get(url, timeout=60).raise_for_status().content)
            return time.perf_counter() - start
