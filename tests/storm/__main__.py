"""`python -m tests.storm [--kills 1000] [--seed 1]`: kills apps and their server at random moments behind a network that fails.

Four devices record all the time and send through a link that is cut, slow, silent, closed, or turns bits over; they and the server
are processes that get SIGKILL. What a device had reported as saved is written down outside. When the faults have ended everything
must be at the server, once, within a minute, and every chain must fit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from fieldapp.bootstrap import open_device
from fieldapp.domain.entry_types.lifecycle import JobAssigned
from fieldapp.store.database import Database
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.store.verify import verify_device, verify_server
from fieldapp.sync.once import sync_once
from tests.live_server import serving
from tests.storm import lives
from tests.sync.homes import LOG, SETTINGS, device_of, new_job
from tests.sync.link import Link

DEVICES = (("tech-1", "ann"), ("tech-1", "ann-2"), ("tech-2", "bo"), ("super", "cy"))
SERVER_SHARE = 0.12
"""Of all kills, those of the server."""
LAST_LIFE_S = 6.0
DRAIN_S = 60.0


class Stuck(AssertionError):
    """Something was lost, doubled, or never sent."""


class Storm:
    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self.folder, self.kills, self.chance = folder, kills, random.Random(seed)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.storm.lives"])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.done: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.drained_s = 0.0
        self._lives = 0
        self._ends = folder / "no-more-work"

    def run(self) -> None:
        """Raises Stuck."""
        self._prepare()
        link = Link(self.port)
        server = self._server()
        people = {name: self._person(name, link) for _, name in DEVICES}
        until = {name: time.monotonic() + self._life() for name in people}
        server_until, next_fault = time.monotonic() + 3, time.monotonic()
        try:
            # on a busy machine many a life ends before anything was saved: then there are more of them
            while sum(self.done.values()) < self.kills or self._reported() <= self.kills:
                now = time.monotonic()
                if now >= next_fault:
                    self._fault(link)
                    next_fault = now + self.chance.uniform(0.05, 0.6)
                for name in [name for name, when in until.items() if now >= when]:
                    self._kill(people[name], "app")
                    people[name] = self._person(name, link)
                    until[name] = now + self._life()
                if now >= server_until:
                    self._kill(server, "server")
                    server = self._server()
                    server_until = now + self.chance.uniform(0.3, 2.2)
                time.sleep(0.01)
            self._end(link, people)
        finally:
            for process in (server, *people.values()):
                if process.is_alive():
                    process.kill()
                process.join()
            link.close()
        self._check()

    def summary(self, took: float) -> str:
        changes = ", ".join(f"{kind} {times}" for kind, times in sorted(self.faults.items()))
        return (
            f"{sum(self.done.values())} kills ({self.done['app']} of apps, {self.done['server']} of the server) in {took:.0f} s; "
            f"{sum(self.faults.values())} changes of the network ({changes})\n"
            f"{self.saved} entries reported as saved: 0 lost, 0 doubled, 0 stuck; outcomes {dict(self.outcomes)}; "
            f"drained {self.drained_s:.1f} s after the faults ended"
        )

    # --- Processes ----------------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        with serving(self.folder / "server") as server:
            server.people()
            for person, name in reversed(DEVICES):
                with device_of(server, person, self.folder / name) as device:
                    if person == "super":
                        device.replica.append([new_job("shared"), *(new_job(f"own-{who}") for _, who in DEVICES)])
                        jobs = [("job:shared", "tech-1"), *((f"job:own-{name}", of) for of, name in DEVICES if of != "super")]
                        device.replica.append([Draft(LOG, job, JobAssigned(of)) for job, of in jobs])
                    assert sync_once(device, SETTINGS).problem is None

    def _server(self) -> BaseProcess:
        process = self._processes.Process(target=lives.serve, args=(str(self.folder / "server"), self.port))
        process.start()
        return process

    def _person(self, name: str, link: Link) -> BaseProcess:
        home = Home(self.folder / name)
        identity = home.identity()
        assert identity is not None
        if identity.url != link.url:
            home.save_identity(msgspec.structs.replace(identity, url=link.url))
        self._lives += 1
        jobs = (f"job:own-{name}", f"job:own-{name}", "job:shared" if name != "bo" else "job:own-bo")
        process = self._processes.Process(
            target=lives.work, args=(str(home.path), LOG, jobs, str(self._said(name)), str(self._ends), self._lives)
        )
        process.start()
        return process

    def _said(self, name: str) -> Path:
        return self.folder / f"said by {name}"

    def _reported(self) -> int:
        """How much was reported as saved so far."""
        return sum(self._said(name).read_bytes().count(b"\n") for _, name in DEVICES if self._said(name).exists())

    def _life(self) -> float:
        return self.chance.choice((self.chance.uniform(0.03, 0.4), self.chance.uniform(0.2, 1.5)))

    def _kill(self, process: BaseProcess, what: str) -> None:
        if process.exitcode is not None and process.exitcode != -signal.SIGKILL:
            raise Stuck(f"a process ({what}) ended by itself with {process.exitcode}")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.done[what] += 1

    # --- The network --------------------------------------------------------------------------------------------------------------

    def _fault(self, link: Link) -> None:
        link.dead = link.closed = False
        link.rate = None
        kind = self.chance.choice(("none", "none", "cut", "cut in a request", "slow", "silent", "closed", "bits turned over"))
        self.faults[kind] += 1
        match kind:
            case "cut":
                link.cut()
            case "cut in a request":
                link.cut_after(self.chance.randrange(1, 20_000))
            case "slow":
                link.rate = self.chance.choice((2_000, 20_000, 200_000))
            case "silent":
                link.dead = True
            case "closed":
                link.closed = True
                link.cut()
            case "bits turned over":
                link.spoil(self.chance.randrange(1, 4), self.chance.getrandbits(32))

    # --- The end ------------------------------------------------------------------------------------------------------------------

    def _end(self, link: Link, people: dict[str, BaseProcess]) -> None:
        """The last lives go on a little in the storm, then the faults end and everybody sends what is left."""
        end = time.monotonic() + LAST_LIFE_S
        while time.monotonic() < end:
            self._fault(link)
            time.sleep(self.chance.uniform(0.05, 0.6))
        link.dead = link.closed = False
        link.rate = None
        link.spoil(0, 0)
        link.cut()
        began = time.monotonic()
        self._ends.touch()
        for name, process in people.items():
            process.join(max(0.1, began + DRAIN_S - time.monotonic()))
            if process.exitcode != 0:
                raise Stuck(f"{name} had not sent everything {DRAIN_S:.0f} s after the faults ended (exit {process.exitcode})")
        self.drained_s = time.monotonic() - began

    def _check(self) -> None:
        saved = {name: self._said(name).read_text().split("\n")[:-1] for _, name in DEVICES}
        self.saved = sum(map(len, saved.values()))
        with closing(sqlite3.connect(self.folder / "server" / "server.db")) as conn:
            rows = conn.execute("SELECT entry_id, outcome FROM log_rows WHERE kind = 'entry'").fetchall()
            there = Counter(row[0] for row in rows)
            self.outcomes = Counter(row[1] for row in rows)
            self.quarantined = conn.execute("SELECT count(*) FROM quarantine").fetchone()[0]
        lost = [name for names in saved.values() for name in names if name not in there]
        if lost:
            raise Stuck(f"{len(lost)} of {self.saved} were reported as saved and are not at the server: {lost[:5]}")
        doubled = [name for name, times in there.items() if times > 1]
        if doubled:
            raise Stuck(f"in the log more than once: {doubled[:5]}")
        database = Database(f"sqlite:///{self.folder / 'server' / 'server.db'}")
        try:
            findings = [finding for finding in verify_server(database)]
        finally:
            database.close()
        for person, name in DEVICES:
            with open_device(Home(self.folder / name), "storm") as device:
                counts = device.replica.counts()
                if counts.unsent or counts.received or counts.refused or counts.files_waiting:
                    raise Stuck(f"{name} is not done: {counts}")
                role = "supervisor" if person == "super" else "technician"
                findings += verify_device(device.database, role, files=device.home.files, journal=device.journal)
        if findings:
            raise Stuck(f"{len(findings)} things do not fit: {findings[:3]}")
        if self.outcomes.keys() - {"applied", "late"} or self.quarantined:
            raise Stuck(f"outcomes {dict(self.outcomes)}, {self.quarantined} in quarantine")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder, to look at it")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fieldapp-storm-"))
    began = time.monotonic()
    storm = Storm(folder, chosen.kills, chosen.seed)
    try:
        storm.run()
    except Stuck as stuck:
        print(f"{stuck}\n{folder}")
        return 1
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(storm.summary(time.monotonic() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())
