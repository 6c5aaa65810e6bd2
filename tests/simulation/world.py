"""Virtual time, a seeded scheduler, a network that loses, delays, doubles and reorders. One thread; each seed replays exactly."""

from __future__ import annotations

import hashlib
import heapq
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from fieldapp.sync import messages as m
from fieldapp.sync.engine import quiet
from fieldapp.sync.machine import DEADLINE_MS, POLL_MS
from fieldapp.sync.protocol import PULL_BYTES
from tests.simulation.checks import Broken, Checks
from tests.simulation.company import EPOCH_MS, PEOPLE, Office, make_templates
from tests.simulation.device import SimDevice
from tests.simulation.server import SimServer
from tests.simulation.storage import CutDatabase, PowerCut

DRAIN_MS = 120_000
"""After the faults stop, everything is sent within this, and, where hints come, everything is read."""
YEAR_MS = 365 * 86_400_000


class Plan(msgspec.Struct, frozen=True):
    """The faults of one run, as chances of each request or step, or as things that happen once; drawn from the seed.

    Each is drawn by a generator of its own name, so that a new kind of fault does not change what older seeds do.
    """

    second: str
    faults_ms: int
    actions: int
    drop_request: float
    drop_answer: float
    delay: float
    double: float
    portal: float
    power: float
    server_power: float
    restore: bool
    roll_back: bool
    lost_tokens: bool
    clock_jumps: bool
    reassign: bool
    hints: bool
    page_bytes: int


def draw_plan(seed: int) -> Plan:
    def of(name: str) -> random.Random:
        return random.Random(f"{seed} {name}")

    def some(name: str, highest: float) -> float:
        chance = of(name)
        return chance.random() * highest if chance.random() < 0.5 else 0.0

    return Plan(
        second=of("second").choice(("tech-2", "tech-2", "super")),
        faults_ms=of("time").choice((20_000, 40_000, 80_000)),
        actions=of("actions").randrange(4, 12),
        drop_request=some("drop request", 0.4),
        drop_answer=some("drop answer", 0.4),
        delay=some("delay", 0.5),
        double=some("double", 0.3),
        portal=some("portal", 0.2),
        power=some("power", 0.5),
        server_power=some("server power", 0.3),
        restore=of("restore").random() < 0.15,
        roll_back=of("roll back").random() < 0.15,
        lost_tokens=of("tokens").random() < 0.2,
        clock_jumps=of("clocks").random() < 0.2,
        reassign=of("reassign").random() < 0.5,
        hints=of("hints").random() < 0.7,
        page_bytes=of("pages").choice((PULL_BYTES, PULL_BYTES, 3_000)),
    )


class Outcome(msgspec.Struct, frozen=True):
    """What a run did: a hash over its trace, how much happened, how long it took in virtual time."""

    seed: int
    trace: str
    saved: int
    requests: int
    cuts: int
    took_ms: int


class Disks:
    """Databases that are filled from templates again and again: opening them costs more than a run."""

    def __init__(self) -> None:
        shm = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="fieldapp-sim-", dir=shm if shm.is_dir() else None))
        make_templates(self.folder)
        self._templates = {kind: sqlite3.connect(self.folder / f"{kind}.db") for kind in ("device", "server")}
        self._databases: dict[str, CutDatabase] = {}

    def database(self, name: str, kind: str) -> CutDatabase:
        path = self.folder / f"run-{name}.db"
        with sqlite3.connect(path, timeout=5) as conn:
            self._templates[kind].backup(conn)
        conn.close()
        if name not in self._databases:
            self._databases[name] = CutDatabase(path)
        return self._databases[name]

    def close(self) -> None:
        for database in self._databases.values():
            database.close()
        for conn in self._templates.values():
            conn.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """One run of one seed."""

    def __init__(self, seed: int, disks: Disks, plan: Plan | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.plan = plan or draw_plan(seed)
        self.now = 0
        self.trace: list[str] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.requests = self.cuts = 0
        self._restored = False
        people = ("tech-1", self.plan.second)
        shutil.rmtree(disks.folder / "homes", ignore_errors=True)
        server_db = disks.database("server", "server")
        self.server = SimServer(server_db, self._server_time, self.plan.page_bytes)
        self.devices: dict[str, SimDevice] = {}
        self._timers: dict[str, int] = {}
        self._flying: dict[str, set[int]] = {}
        for person in people:
            self.devices[person] = SimDevice(
                person, disks.database(person, "device"), disks.folder / "homes", seed, self._time,
                lambda number, request, person=person: self._send(person, number, request),  # type: ignore[misc]
                lambda at, person=person: self._arm(person, at),  # type: ignore[misc]
                self.note,
            )  # fmt: skip
        server_db.boundary = self._server_boundary
        self._server_cut_in = 0
        self.office = Office(self._server_time, 1000)
        self.checks = Checks(server_db.path, {name: device.db.path for name, device in self.devices.items()})

    def _time(self) -> int:
        return EPOCH_MS + self.now

    def _server_time(self) -> int:
        return EPOCH_MS + self.now

    def note(self, line: str) -> None:
        self.trace.append(f"{self.now:>8} {line}")

    def at(self, when: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (when, self._order, action))

    @property
    def faulty(self) -> bool:
        return self.now < self.plan.faults_ms

    def _happens(self, probability: float) -> bool:
        return self.faulty and self.chance.random() < probability

    # --- The run ----------------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run to the end.

        Raises:
            Broken: an invariant does not hold.
        """
        try:
            self._schedule()
            limit = self.plan.faults_ms + DRAIN_MS + (0 if self.plan.hints else POLL_MS)
            while self._queue:
                when, _, action = heapq.heappop(self._queue)
                if when > limit:
                    raise Broken(8, f"not drained {DRAIN_MS // 1000} s after the faults stopped: {self._left()}")
                self.now = when
                action()
                self._check_awake()
                if not self.faulty and self._drained():
                    break
            for name, device in self.devices.items():
                self.checks.at_the_end(name, device.saved)
            self.checks.after_push()
        finally:
            self.checks.close()
            for device in self.devices.values():
                device.journal.close()
        trace = hashlib.sha256("\n".join(self.trace).encode()).hexdigest()
        saved = sum(len(device.saved) for device in self.devices.values())
        return Outcome(self.seed, trace, saved, self.requests, self.cuts, self.now)

    def _schedule(self) -> None:
        end = self.plan.faults_ms
        for name in self.devices:
            self.at(self.chance.randrange(2_000), lambda name=name: self._boot(name))  # type: ignore[misc]
            for _ in range(self.plan.actions):
                self.at(self.chance.randrange(1_000, end), lambda name=name: self._work(name))  # type: ignore[misc]
            self.at(end, lambda name=name: self._heal(name))  # type: ignore[misc]
        for _ in range(4 if self.plan.reassign else 1):
            self.at(self.chance.randrange(end), self._office_work)
        if self.plan.lost_tokens:
            self.at(self.chance.randrange(end), self.server.tokens.clear)
        if self.plan.restore:
            # not before a device was rolled back: both at once lose what only the two of them had
            first = self.chance.randrange(end // 2, end) if self.plan.roll_back else self.chance.randrange(end)
            self.at(first, self.server.back_up)
            self.at(self.chance.randrange(first, end), self._restore)
        if self.plan.roll_back:
            name = self.chance.choice(list(self.devices))
            last = end // 2 if self.plan.restore else end
            first = self.chance.randrange(last)
            self.at(first, self.devices[name].copy_database)
            self.at(self.chance.randrange(first, last), lambda: self._roll_back(name))
        if self.plan.clock_jumps:
            for name in self.devices:
                self.at(self.chance.randrange(end), lambda name=name: self._jump(name))  # type: ignore[misc]

    def _drained(self) -> bool:
        return all(device.up and quiet(device.state) for device in self.devices.values()) and all(
            self._done(device) for device in self.devices.values()
        )

    def _done(self, device: SimDevice) -> bool:
        counts = device.replica.counts()
        return not (counts.unsent or counts.received) and not device.replica.backfills(1) and self._read(device)

    def _read(self, device: SimDevice) -> bool:
        """The device has read everything: its cursors stand at the heads."""
        heads = {log: pos for log, pos in self.checks._server.execute("SELECT log, pos FROM log_heads")}
        return all(int(device.replica.cursors().get(log, "0:").partition(":")[0]) == pos for log, pos in heads.items())

    def _left(self) -> str:
        return "; ".join(
            f"{name}: {device.state.phase}, {device.replica.counts()}, cursors {device.replica.cursors()}, "
            f"backfills {device.replica.backfills(3)}"
            for name, device in self.devices.items()
        )

    def _check_awake(self) -> None:
        """8: pending means a request in flight or a timer armed."""
        for name, device in self.devices.items():
            if not device.up:
                continue
            flying = device.state.phase == "asking" and (
                device.state.number in self._flying[name] or self._timers.get(name) == device.state.wake
            )
            armed = device.state.phase == "rest" and self._timers.get(name) == device.state.wake
            if not (flying or armed or device.state.phase == "stopped"):
                raise Broken(8, f"{name} sleeps for ever: {device.state.phase}")

    # --- Devices ----------------------------------------------------------------------------------------------------------------

    def _on_device(self, name: str, action: Callable[[], object]) -> None:
        """Let a device act; the power may go at any of its commits."""
        device = self.devices[name]
        if self._happens(self.plan.power * 0.2):
            device.cut_in = self.chance.randrange(1, 8)
        try:
            action()
        except PowerCut:
            self.cuts += 1
            self._switch_off(name)

    def _switch_off(self, name: str) -> None:
        self.devices[name].lose_power()
        self.devices[name].cut_in = 0
        self._timers.pop(name, None)
        self._flying[name] = set()
        self.at(self.now + self.chance.randrange(100, 5_000), lambda: self._boot(name))

    def _boot(self, name: str) -> None:
        if self.devices[name].up:
            return
        self.note(f"{name} boots")
        self._flying[name] = set()
        self._on_device(name, self.devices[name].boot)

    def _work(self, name: str) -> None:
        if self.devices[name].up:
            self._on_device(name, self.devices[name].work)

    def _hear(self, name: str, event: m.Event) -> None:
        if self.devices[name].up:
            self._on_device(name, lambda: self.devices[name].hear(event))
            if isinstance(event, m.Answered) and self.devices[name].up and not self._stale():
                self.checks.after_receipt(name)
                self.checks.after_page(name)

    def _stale(self) -> bool:
        """After a restore, a device believes old receipts until it hears of it."""
        known = str(self.server.incarnation)
        return self._restored and any(device.up and device.incarnation != known for device in self.devices.values())

    def _heal(self, name: str) -> None:
        """The network comes back, and the device's system says so."""
        self.devices[name].cut_in = 0
        self._hear(name, m.Hurried(self._time(), "network"))

    def _roll_back(self, name: str) -> None:
        """The device's database is put back to an older copy; journal and identity lie elsewhere and stay."""
        device = self.devices[name]
        if device.roll_back():
            self.note(f"{name} database rolled back")
            self._switch_off(name)

    def _jump(self, name: str) -> None:
        error = self.chance.choice((-YEAR_MS, YEAR_MS, -3_600_000, 90_000))
        self.note(f"{name} clock jumps {error}")
        self.devices[name].clock.error = error

    def _arm(self, name: str, at: int) -> None:
        self._timers[name] = at
        self.at(at - EPOCH_MS, lambda: self._fire(name, at))

    def _fire(self, name: str, at: int) -> None:
        if self._timers.get(name) == at:
            self._hear(name, m.TimerFired(self._time()))

    # --- Network ----------------------------------------------------------------------------------------------------------------

    def _send(self, name: str, number: int, request: m.Request) -> None:
        self.requests += 1
        self._flying[name].add(number)
        self.note(f"{name} asks {number} {_short(request)}")
        token, boot = self.devices[name].token, self._flying[name]
        if self._happens(self.plan.portal):
            self._reply(name, boot, number, m.Fault("sign_in_page", "a sign-in page"), 50)
            return
        if self._happens(self.plan.drop_request):
            self.note("  request lost")
            self._lost(name, boot, number)
        else:
            self.at(self.now + self._latency(), lambda: self._arrive(name, boot, number, token, request))
        if self._happens(self.plan.double):
            later = self.now + self.chance.randrange(1, 20_000)
            self.at(later, lambda: self._arrive(name, boot, -number, token, request))

    def _latency(self) -> int:
        if self._happens(self.plan.delay):
            return self.chance.randrange(1_000, 20_000)
        return self.chance.randrange(5, 60)

    def _lost(self, name: str, boot: set[int], number: int) -> None:
        """Silence: the transport's own time-out, or, in a third of the cases, nothing at all."""
        if self.chance.random() < 0.33:
            boot.discard(number)
            return
        self._reply(name, boot, number, m.Fault("timeout", "no answer"), min(30_000, DEADLINE_MS))

    def _arrive(self, name: str, boot: set[int], number: int, token: str, request: m.Request) -> None:
        if self._happens(self.plan.server_power):
            self._server_cut_in = self.chance.randrange(1, 3)
        try:
            answer = self.server.answer(name, token, request)
        except PowerCut:
            self.note("server power cut")
            self.cuts += 1
            self.server.restart()
            answer = None
        self._server_cut_in = 0
        self.checks.after_push()
        if isinstance(request, m.AskPush):
            self._hint(name)
        if number < 0:
            return  # a doubled request: its answer goes nowhere
        if answer is None:
            self._reply(name, boot, number, m.Fault("offline", "connection reset"), 10)
        elif self._happens(self.plan.drop_answer):
            self.note("  answer lost")
            self._lost(name, boot, number)
        else:
            self._reply(name, boot, number, answer, self._latency())

    def _hint(self, writer: str) -> None:
        """Other devices hear that a log moved."""
        for name in self.devices:
            if self.plan.hints and name != writer and not self._happens(0.3):
                self.at(self.now + 50, lambda name=name: self._hear(name, m.Hurried(self._time(), "hint")))  # type: ignore[misc]

    def _reply(self, name: str, boot: set[int], number: int, answer: m.Answer, after: int) -> None:
        def arrive() -> None:
            if self._flying[name] is not boot:
                return  # the device was switched off meanwhile
            boot.discard(number)
            self.note(f"{name} hears {number} {_short(answer)}")
            self._hear(name, m.Answered(self._time(), number, answer))

        self.at(self.now + after, arrive)

    # --- The server -------------------------------------------------------------------------------------------------------------

    def _server_boundary(self, place: str) -> None:
        if self._server_cut_in:
            self._server_cut_in -= 1
            if not self._server_cut_in:
                raise PowerCut(place)

    def _office_work(self) -> None:
        job = self.chance.randrange(1, 4)
        person = self.chance.choice([name for name in self.devices if PEOPLE[name].role == "technician"])
        if self.chance.random() < 0.3:
            number = 100 + self.office.number
            self.server.record([self.office.job(number, 1), self.office.assign(number, person)])
            self.note(f"office creates {number} for {person}")
        else:
            self.server.record([self.office.assign(job, person)])
            self.note(f"office assigns {job} to {person}")

    def _restore(self) -> None:
        if self.server.restore():
            self._restored = True
            self.note("server restored")


def _short(value: object) -> str:
    match value:
        case m.AskPush(run):
            return f"push {run.epoch[:8]} {run.from_seq}+{len(run.entries)}"
        case m.AskPull(request):
            return f"pull {request.cursors} {len(request.backfills)}"
        case m.Good(body):
            rows = getattr(body, "rows", None)
            return type(body).__name__ + (f" {len(rows)} rows {getattr(body, 'cursors', '')}" if rows is not None else "")
        case m.Refused(status, detail):
            return f"{status} {detail.code}"
        case m.Fault(kind):
            return kind
    return type(value).__name__
