"""Virtual time and a seeded scheduler over devices, network and server. One thread; each seed replays exactly."""

from __future__ import annotations

import hashlib
import heapq
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import msgspec

from fieldapp.domain.entry_types import lifecycle as life
from fieldapp.server import erasing as server_erasing
from fieldapp.server import files as server_files
from fieldapp.server.reach import Session
from fieldapp.store.rows import Draft
from fieldapp.sync import file_lane
from fieldapp.sync import messages as m
from fieldapp.sync.engine import quiet
from fieldapp.sync.file_lane import files_quiet
from fieldapp.sync.machine import DEADLINE_MS, POLL_MS
from fieldapp.sync.protocol import PushAnswer
from tests.simulation import network as net
from tests.simulation.checks import Broken, Checks
from tests.simulation.company import EPOCH_MS, LOG, PEOPLE, Newer, Office, field_work, make_id, make_templates, mark, photo
from tests.simulation.device import Lane, SimDevice
from tests.simulation.plan import Plan, draw_plan
from tests.simulation.reading import ENTRY_READERS, WIRE_READERS, Reader
from tests.simulation.server import Call, Reply, SimServer
from tests.simulation.statements import COLUMN_USERS, plain_column
from tests.simulation.storage import Disk, PowerCut

DRAIN_MS = 120_000
"""After the faults stop, everything is sent within this, and, where hints come, everything is read."""
YEAR_MS = 365 * 86_400_000
PART = 1_000
"""Bytes of a part of a file here: photos of a few parts are a few kilobytes."""
LANES: tuple[Lane, ...] = ("facts", "files")
LIMIT_REQUESTS = 5_000


class Outcome(msgspec.Struct, frozen=True):
    """What a run did: a hash over its trace, how much happened, how often each class of faults did, how long it took."""

    seed: int
    trace: str
    saved: int
    requests: int
    faults: dict[str, int]
    took_ms: int


class Disks:
    """Databases that are filled from images again and again, and a folder for homes."""

    def __init__(self) -> None:
        shm = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="fieldapp-sim-", dir=shm if shm.is_dir() else None))
        self.images = make_templates()
        self._disks: dict[str, Disk] = {}

    def disk(self, name: str, kind: str) -> Disk:
        disk = self._disks.get(name)
        if disk is None:
            disk = self._disks[name] = Disk()
        disk.load(self.images[kind])
        return disk

    def close(self) -> None:
        for disk in self._disks.values():
            disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """One run of one seed."""

    def __init__(self, seed: int, disks: Disks, plan: Plan | None = None) -> None:
        self.seed, self.disks = seed, disks
        self.chance = random.Random(seed)
        self._moments = random.Random(f"{seed} moments")  # of what came later: older seeds keep what they did
        self._forgetting = random.Random(f"{seed} erasures")
        self._forgotten: set[str] = set()
        self.plan = plan or draw_plan(seed)
        self.now = 0
        self.trace: list[str] = []
        self.faults: Counter[str] = Counter()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = self._nonce = self._erased = 0
        self.requests = 0
        self._restores = 0
        self._uninformed: set[str] = set()
        self._page: Reply | None = None
        self._revoked: set[str] = set()
        self._limit = 0  # of the proxy, bytes of a request
        shutil.rmtree(disks.folder / "run", ignore_errors=True)
        self._folder = disks.folder / "run"
        self._folder.mkdir()
        server_db = disks.disk("server", "server")
        token_ms = 5_000 if self.plan.short_tokens else 3_600_000
        self.server = SimServer(server_db, self._folder / "server", self._time, self.plan.page_bytes, token_ms, self._served)
        self.checks = Checks(self.server)
        self.devices: dict[str, SimDevice] = {}
        self._timers: dict[tuple[str, Lane], int] = {}
        self._flying: dict[tuple[str, Lane], set[int]] = {}
        self._newest: dict[tuple[str, Lane], int] = {}
        """The latest request of each that has arrived at the server."""
        self._more: dict[str, bool] = {}
        self._good: dict[tuple[str, Lane], bool] = {}
        self._last: dict[tuple[str, Lane], m.Request] = {}
        self._seen: dict[tuple[str, Lane], set[object]] = {}
        self._pulled: dict[str, m.Request] = {}
        self._pushed: dict[str, tuple[str, int]] = {}
        self._losing, self._imaging = self.plan.lost_disk, self.plan.bad_image
        for person in PEOPLE:
            self._add_device(person, person)
        server_db.boundary = self._server_boundary
        self._server_cut_in = 0
        self.checks.may_be_torn = bool(self.plan.power and (self.plan.delete or self.plan.roll_back or self.plan.lost_disk))
        self.office = Office(self._time, 1000)
        self.recorded_on: dict[str, set[str]] = {}

    def _add_device(self, name: str, person: str) -> SimDevice:
        device = SimDevice(
            name, person, self.disks.disk(name, "device"), self._folder, self.seed, self._time,
            lambda lane, number, request: self._send(name, lane, number, request),
            lambda lane, at: self._arm(name, lane, at), self.note,
        )  # fmt: skip
        self.devices[name] = device
        return device

    def _time(self) -> int:
        return EPOCH_MS + self.now

    def note(self, line: str) -> None:
        self.trace.append(f"{self.now:>8} {line}")

    def fault(self, kind: str, line: str = "") -> None:
        self.faults[kind] += 1
        self.note(f"  {kind} {line}")

    def at(self, when: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (when, self._order, action))

    @property
    def faulty(self) -> bool:
        return self.now < self.plan.faults_ms

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.now < self.plan.faults_ms and self.chance.random() < probability

    # --- The run ----------------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run to the end.

        Raises:
            Broken: an invariant does not hold.
        """
        with ExitStack() as stack:
            for module in COLUMN_USERS:
                stack.enter_context(patch.object(module, "col", plain_column))
            reader = Reader()
            for module in ENTRY_READERS:
                stack.enter_context(patch.object(module, "read_entry", reader.read_entry))
            for module in WIRE_READERS:
                stack.enter_context(patch.object(module, "from_wire", reader.from_wire))
            for module, name, value in (
                (server_files, "PART_BYTES", PART), (file_lane, "PART_BYTES", PART), (file_lane, "PIECE_LEAST", 100),
            ):  # fmt: skip
                stack.enter_context(patch.object(module, name, value))
            ids = SimpleNamespace(uuid7=self._erasure_id)  # the same in each replay
            stack.enter_context(patch.object(server_erasing, "uuid6", ids))
            try:
                self._run()
            finally:
                for device in self.devices.values():
                    device.lose_power()
        trace = hashlib.sha256("\n".join(self.trace).encode()).hexdigest()
        saved = sum(len(device.saved) for device in self.devices.values())
        return Outcome(self.seed, trace, saved, self.requests, dict(self.faults), self.now)

    def _run(self) -> None:
        self._schedule()
        limit = self.plan.faults_ms + DRAIN_MS + (0 if self.plan.hints else POLL_MS)
        while self._queue:
            when, _, action = heapq.heappop(self._queue)
            if when > limit or self.requests > LIMIT_REQUESTS:
                raise Broken(8, f"not drained {DRAIN_MS // 1000} s after the faults stopped: {self._left()}")
            self.now = when
            action()
            if when >= self.plan.faults_ms and self._drained():
                break
        else:
            raise Broken(8, f"everybody sleeps: {self._left()}")
        self.checks.whole_server()
        for device in self.devices.values():
            if self._is_gone(device):
                if not device.lost:
                    self.checks.arrived(device)
            else:
                self.checks.at_the_end(device)

    def _schedule(self) -> None:
        plan, end, chance = self.plan, self.plan.faults_ms, self.chance
        for name in list(self.devices):
            self.at(chance.randrange(1_000), lambda name=name: self._boot(name))  # type: ignore[misc]
        names = list(self.devices)
        for number in range(plan.actions):
            self.at(chance.randrange(500, end), lambda name=names[number % 3]: self._work(name))  # type: ignore[misc]
        self.at(end, self._heal)
        if plan.silent:  # those that nobody told have given up waiting by now
            self.at(end + DEADLINE_MS + 2_000, self._heal)
        self.at(end + 21_000, self._heal)  # what another server or a portal answered before may have been on its way so long
        self._often(1 + plan.reassign, self._reassign)
        self._often(plan.cancel, self._cancel)
        self._often(plan.lost_tokens, self._lose_tokens)
        self._often(plan.clock_jumps, self._jump)
        self._often(plan.two_instances, self._second_instance)
        self._often(plan.poison, self._poison)
        self._often(plan.oversize, self._oversize)
        self._often(plan.newer_types, self._newer_type)
        self._often(plan.upgrade, self._upgrade)
        self._often(plan.photos, self._photo)
        self._often(plan.wrong_bytes * 4, self._wrong_bytes)
        self._often(plan.lost_parts * 4, self._lose_part)
        self._often(plan.revoke, self._revoke)
        self._often(plan.album, self._album, self._moments)
        self._often(plan.erase, self._forget, self._forgetting)
        self._spell(plan.device_full, self._fill_device)
        self._spell(plan.server_full, lambda: self._fill_server(files_only=False))
        self._spell(plan.storage_full, lambda: self._fill_server(files_only=True))
        self._spell(plan.other_server, self._exchange)
        self._spell(plan.too_old, self._too_old)
        self._spell(bool(plan.proxy_limit), self._small_proxy)
        if plan.restore_told or plan.restore_untold:
            first = chance.randrange(end)
            self.at(first, self._back_up)
            self.at(chance.randrange(first, end), lambda: self._restore(bool(plan.restore_told)))
        if plan.roll_back:
            name, first = chance.choice(names), chance.randrange(end)
            images: list[bytes] = []
            self.at(first, lambda: images.append(self.devices[name].db.image()))
            self.at(chance.randrange(first, end), lambda: self._roll_back(name, images[0]))
        if plan.delete:
            self.at(chance.randrange(end), lambda: self._delete(chance.choice(names)))
        if plan.clone:
            self.at(chance.randrange(end), lambda: self._clone(chance.choice(names)))

    def _often(self, times: int, action: Callable[[], None], chance: random.Random | None = None) -> None:
        for _ in range(times):
            self.at((chance or self.chance).randrange(500, self.plan.faults_ms), action)

    def _spell(self, times: int, begin: Callable[[], Callable[[], None] | None]) -> None:
        """Something that lasts for a while: `begin` says how it ends."""

        def start() -> None:
            end = begin()
            if end is not None:
                self.at(min(self.plan.faults_ms, self.now + self.chance.randrange(500, 10_000)), end)

        for _ in range(times):
            self.at(self.chance.randrange(500, self.plan.faults_ms), start)

    def _drained(self) -> bool:
        for device in self.devices.values():
            # one without power has not ended: when it starts again, a server may have been restored to before it handed over
            if device.sealed or (device.up and device.state.phase == "stopped" and device.device_id in self._revoked):
                continue
            if not (device.up and quiet(device.state) and files_quiet(device.lane)):
                return False
        return all(self.checks.done(device) for device in self.devices.values() if not self._is_gone(device))

    def _is_gone(self, device: SimDevice) -> bool:
        return device.sealed or device.device_id in self._revoked

    def _left(self) -> str:
        return "; ".join(
            f"{name}: up {device.up}, {device.state.phase} wake {device.state.wake - EPOCH_MS} fruitless {device.state.fruitless} "
            f"{device.state.report}, files {device.lane.phase} {device.lane.words} {device.lane.aside}, {device.replica.counts()}, "
            f"cursors {device.replica.cursors()}, backfills {device.replica.backfills(3)}"
            for name, device in self.devices.items()
            if device.up
        )

    # --- Devices ----------------------------------------------------------------------------------------------------------------

    def _on_device(self, name: str, action: Callable[[], object]) -> None:
        """Let a device act; the power may go at any of its commits and between any two of its effects."""
        device = self.devices[name]
        if self._happens(self.plan.power):
            device.cut_in = self.chance.randrange(1, 12)
        try:
            action()
        except PowerCut as cut:
            self.fault("power cut", str(cut))
            self._switch_off(name)
            return
        if device.up:
            self._check_awake(device)

    def _switch_off(self, name: str) -> None:
        device = self.devices[name]
        device.lose_power()
        device.cut_in = 0
        for lane in LANES:
            self._timers.pop((name, lane), None)
            self._flying[name, lane] = set()
        self.at(self.now + self.chance.randrange(100, 3_000), lambda: self._boot(name))

    def _boot(self, name: str) -> None:
        if self.devices[name].up or self.devices[name].sealed:
            return
        self.note(f"{name} boots")
        for lane in LANES:
            self._flying[name, lane], self._seen[name, lane], self._good[name, lane] = set(), set(), True
            self._newest[name, lane] = 0
        self._on_device(name, self.devices[name].boot)

    def _work(self, name: str) -> None:
        device = self.devices[name]
        if not device.up or device.device_id in self._revoked:
            return
        device.actions += 1
        unresolved = self._unresolved() if device.person.role == "supervisor" else []
        drafts = field_work(self.chance, device.jobs(), device.person.role, name, device.actions, unresolved)
        self._record(name, drafts, mark(name, device.actions))

    def _record(self, name: str, drafts: list[Draft], said: str = "") -> None:
        device = self.devices[name]
        stream = drafts[0].stream
        kind = drafts[0].body.NAME
        shows = kind in ("note.added", "reading.taken", "part.used")
        rotted = device.rotted
        self._on_device(name, lambda: device.record(drafts, said if shows else ""))
        if device.rotted > rotted:
            self.fault("poison entry", name)
        if stream.startswith("job:") and device.person.role == "technician":
            people = self.recorded_on.setdefault(stream, set())
            people.add(device.person.id)
            if len(people) == 2:
                self.faults["job shared by two technicians"] += 1

    def _unresolved(self) -> list[tuple[str, str]]:
        if self.server.away is not None:
            return []
        return self.server.db.raw.execute(
            "SELECT e.stream, e.id FROM log_rows r JOIN entries e ON e.id = r.entry_id "
            "WHERE r.outcome IN ('held', 'conflict', 'quarantined') AND e.stream LIKE 'job:%' ORDER BY r.pos DESC LIMIT 5"
        ).fetchall()

    def _hear(self, name: str, lane: Lane, event: m.Event) -> None:
        device = self.devices[name]
        if not device.up:
            return
        sealed = device.sealed
        self._on_device(name, lambda: device.hear(lane, event))
        if device.sealed > sealed:
            self.fault("device sealed and wiped", name)
            device.lost |= name in self._uninformed  # nothing is left on it to offer to a restored server
        if lane == "facts" and device.up and not self._stale(name) and isinstance(event, m.Answered | m.TimerFired):
            self.checks.after_receipt(device)
            if isinstance(event, m.Answered) and isinstance(event.answer, m.Good):
                self.checks.after_page(device)
        else:
            self.checks.seen(device)
        if self._losing and lane == "facts" and isinstance(event, m.Answered) and self._acknowledged_in_part(device, event.answer):
            self._losing -= 1
            self._delete(name)
        if self._imaging and device.up and not self._stale(name) and self._decided_before_sent(device):
            self._imaging -= 1
            self._image_now(device)

    def _stale(self, name: str) -> bool:
        """After a restore, a device believes old receipts until it hears of it."""
        return self.server.away is not None or name in self._uninformed

    def _heal(self) -> None:
        """The network comes back, and each device's system says so; disks have room, everything is as it should be."""
        self.server.come_back()
        self.server.room()
        self.server.finish_erasing()
        self.server.oldest = ""
        self.server.restart()
        self._limit = 0
        for name, device in self.devices.items():
            device.cut_in = 0
            device.db.room()
            if device.up and device.state.pull_after > self._time():  # told to upgrade: the person does
                device.version = "2.0"
                self._switch_off(name)
            for lane in LANES:
                machine = device.state if lane == "facts" else device.lane
                if self.plan.silent and machine.phase == "asking" and machine.number not in self._flying[name, lane]:
                    self.fault("half-open, and nobody says so", name)
                else:
                    self._hear(name, lane, m.Hurried(self._time(), "network"))

    def _check_awake(self, device: SimDevice) -> None:
        """8: pending means a request in flight or a timer armed."""
        name = device.name
        for lane, phase, number, wake in (
            ("facts", device.state.phase, device.state.number, device.state.wake),
            ("files", device.lane.phase, device.lane.number, device.lane.wake),
        ):
            timer = self._timers.get((name, lane))  # type: ignore[arg-type]
            flying = phase == "asking" and (number in self._flying[name, lane] or timer == wake)  # type: ignore[index]
            if not (flying or (phase == "rest" and timer == wake) or phase == "stopped"):
                raise Broken(8, f"the {lane} of {name} sleep for ever: {phase}")

    def _arm(self, name: str, lane: Lane, at: int) -> None:
        self._timers[name, lane] = at
        self.at(max(self.now, at - EPOCH_MS), lambda: self._fire(name, lane, at))

    def _fire(self, name: str, lane: Lane, at: int) -> None:
        if self._timers.get((name, lane)) == at:
            self._hear(name, lane, m.TimerFired(self._time()))

    def _someone(self, role: str = "", chance: random.Random | None = None) -> SimDevice | None:
        names = [
            name for name, device in self.devices.items()
            if device.up and device.device_id not in self._revoked and (not role or device.person.role == role)
        ]  # fmt: skip
        return self.devices[(chance or self.chance).choice(names)] if names else None

    # --- Network ----------------------------------------------------------------------------------------------------------------

    def _send(self, name: str, lane: Lane, number: int, request: m.Request) -> None:
        device = self.devices[name]
        self.requests += 1
        boot = self._flying[name, lane]
        boot.add(number)
        self._nonce += 1
        call = net.call_of(request, device.device_id, device.token, f"nonce-{self._nonce}", PART)
        carries_on = self._carries_on(name, lane, request)
        if isinstance(call, m.Fault):  # a file that cannot be read: nobody is asked
            self._reply(name, lane, boot, number, call, 1)
            return
        self.checks.asks(name, self.now, carries_on)
        self.note(f"{name} asks {number} {call.name} {len(call.body)}{'' if carries_on else ' *'}")
        plan = self.plan
        if self._happens(plan.portal):
            kind, page = net.portal(self.chance)
            self.fault(kind)
            self._reply(name, lane, boot, number, net.heard(call, page, self._wall(device)), 50)
            return
        if self._happens(plan.proxy):
            kind, page = net.proxy_failure(self.chance)
            self.fault(kind)
            self._reply(name, lane, boot, number, net.heard(call, page, self._wall(device)), 50)
            return
        if self._limit and len(call.body) > self._limit:
            self.fault("proxy 413")
            self._reply(name, lane, boot, number, net.heard(call, net.TOO_LARGE, self._wall(device)), 50)
            return
        if self._happens(plan.stale):
            self.fault("stale answer")
            self._reply(name, lane, boot, number, net.heard(call, net.stale(call, self._page), self._wall(device)), 20)
            return
        if self._happens(plan.drop_request):
            self.fault("request lost")
            self._lost(name, lane, boot, number)
        else:
            self.at(self.now + self._latency(), lambda: self._arrive(name, lane, boot, number, call))
        if self._happens(plan.double):
            later = self.now + self.chance.randrange(1, 10_000)
            self.at(later, lambda: self._arrive(name, lane, boot, -number, call))

    def _carries_on(self, name: str, lane: Lane, request: m.Request) -> bool:
        """Whether a request is work: it follows one that got a good answer, and asks for what was not asked for before."""
        last, seen, good = self._last.get((name, lane)), self._seen[name, lane], self._good[name, lane]
        self._last[name, lane] = request
        match request:
            case m.AskPull():
                further = bool(request.request.backfills) or self._more.get(name, False)
                before, self._pulled[name] = self._pulled.get(name), request
                return good and further and request != before
            case m.AskPush(run):
                place = (run.epoch, run.from_seq)
                pushed, self._pushed[name] = self._pushed.get(name), place
                return good and place != pushed
            case m.AskQuarantine(wanted):
                key: object = (wanted.epoch, wanted.seq, "quarantine")
            case m.AskParts(sha256) | m.FetchPart(sha256, 0):
                key = (sha256, self.devices[name].identity.epochs.get(LOG), self.devices[name].told)
            case m.SendPart() | m.AskComplete() | m.FetchPart():
                return good and request != last
            case _:
                return False
        known = key in seen
        seen.add(key)
        return good and not known

    def _acknowledged_in_part(self, device: SimDevice, answer: m.Answer) -> bool:
        """A receipt has come, and more was recorded since it was asked for: only the journal holds that besides the database."""
        if not (device.up and isinstance(answer, m.Good) and isinstance(answer.body, PushAnswer)):
            return False
        (unsent,) = device.db.raw.execute("SELECT count(*) FROM own_entries WHERE lane = 'unsent'").fetchone()
        return bool(unsent)

    def _decided_before_sent(self, device: SimDevice) -> bool:
        """An outcome was read of what no receipt has come for: the server knows it from another line of writing."""
        if self.now + 2_000 > self.plan.faults_ms:
            return False  # no time to go on and to come back
        decided = "SELECT EXISTS (SELECT 1 FROM own_entries WHERE lane = 'unsent' AND outcome <> '')"
        return bool(device.db.raw.execute(decided).fetchone()[0])

    def _wall(self, device: SimDevice) -> int:
        return self._time() + device.clock.error

    def _latency(self) -> int:
        if self._happens(self.plan.delay):
            self.faults["delayed"] += 1
            return self.chance.randrange(1_000, 20_000)
        return self.chance.randrange(5, 60)

    def _lost(self, name: str, lane: Lane, boot: set[int], number: int) -> None:
        """Silence: the transport's own time-out, or, on a connection that is half open, nothing at all."""
        if self.chance.random() < self.plan.half_open:
            self.fault("half-open")
            boot.discard(number)
            return
        self._reply(name, lane, boot, number, m.Fault("timeout", "no answer"), min(30_000, DEADLINE_MS))

    def _arrive(self, name: str, lane: Lane, boot: set[int], number: int, call: Call) -> None:
        if self._happens(self.plan.server_power):
            self._server_cut_in = self.chance.randrange(1, 3)
        self.server.moved = False
        if abs(number) < self._newest[name, lane]:
            self.faults["reordered"] += 1
        self._newest[name, lane] = max(abs(number), self._newest[name, lane])
        if call.body and self._happens(self.plan.spoil):
            call = net.spoiled(call, self.chance)
            self.fault("request cut off" if call.cut else "request corrupted")
        reply: Reply | None = None
        try:
            reply = self.server.answer(call)
        except PowerCut as cut:
            self.fault("server crash" if "before" in str(cut) else "server crash between commit and reply")
            self.server.restart()
        self._server_cut_in = 0
        if call.name in ("push", "quarantine"):
            self.checks.after_push()
        if self.server.moved:
            self._hint(name)
        if number < 0:
            self.faults["doubled"] += 1
            return  # a doubled request: its answer goes nowhere
        if reply is None:
            self._reply(name, lane, boot, number, m.Fault("offline", "connection reset"), 10)
            return
        if reply.status in (401, 403, 426, 507):
            self.fault({401: "token refused", 403: "revoked", 426: "upgrade needed", 507: "server full"}[reply.status])
        device = self.devices[name]
        if call.name == "pull" and reply.status == 200:
            self._page = reply
        if self._happens(self.plan.drop_answer):
            self.fault("answer lost")
            self._lost(name, lane, boot, number)
            return
        if reply.body and self._happens(self.plan.truncate):
            self.fault("truncated")
            reply = net.truncated(reply, self.chance)
        elif reply.body and self._happens(self.plan.corrupt):
            self.fault("corrupted")
            reply = net.corrupted(reply, self.chance)
        answer = net.heard(call, reply, self._wall(device))
        if isinstance(answer, m.Good) and call.name == "pull":
            self._more[name] = answer.body.more  # type: ignore[union-attr]
        elif isinstance(answer, m.Good) and call.name in ("push", "quarantine"):
            self._more[name] = True  # its outcome is there to read
        informed = self._restores if isinstance(answer, m.Good) and call.name == "pull" and self.server.away is None else -1
        self._reply(name, lane, boot, number, answer, self._latency(), informed)

    def _hint(self, writer: str) -> None:
        """Other devices hear that a log moved."""
        for name in self.devices:
            if self.plan.hints and name != writer and not self._happens(0.3):
                self.at(self.now + 50, lambda name=name: self._hear(name, "facts", m.Hurried(self._time(), "hint")))  # type: ignore[misc]

    def _reply(self, name: str, lane: Lane, boot: set[int], number: int, answer: m.Answer, after: int, informed: int = -1) -> None:
        def arrive() -> None:
            if self._flying[name, lane] is not boot:
                return  # the device was switched off meanwhile
            boot.discard(number)
            state = self.devices[name].state if lane == "facts" else self.devices[name].lane
            heard = state.number == number and state.phase == "asking"
            if heard:
                self._good[name, lane] = isinstance(answer, m.Good)
            else:
                self.faults["answer too late"] += 1
            learns = heard and informed == self._restores and name in self._uninformed
            if learns:
                self._uninformed.discard(name)
            self.note(f"{name} hears {number} {_short(answer)}")
            self._hear(name, lane, m.Answered(self._time(), number, answer))
            if learns and not self.devices[name].up:
                self._uninformed.add(name)  # the power went before it had written down what it heard

        self.at(self.now + after, arrive)

    def _served(self, who: Session, asked: object, page: object) -> None:
        self.checks.served(who, page)  # type: ignore[arg-type]

    # --- What happens on devices ------------------------------------------------------------------------------------------------

    def _jump(self) -> None:
        device = self.devices[self.chance.choice(list(self.devices))]
        error = self.chance.choice((-YEAR_MS, YEAR_MS, -3_600_000, 90_000))
        self.fault("clock jump", f"{device.name} {error}")
        device.clock.error = error

    def _second_instance(self) -> None:
        device = self._someone()
        if device is not None:
            self.fault("two instances", device.name)
            if device.second_instance():
                raise Broken(1, f"two programs write to the home of {device.name} at once")

    def _fill_device(self) -> Callable[[], None] | None:
        device = self._someone()
        if device is None:
            return None
        self.fault("device full", device.name)
        device.db.fill()

        def room() -> None:
            device.db.room()

        return room

    def _roll_back(self, name: str, image: bytes) -> None:
        """The device's database is put back to an older copy; journal and identity lie elsewhere and stay."""
        device = self.devices[name]
        self.fault("database rolled back", name)
        device.db.load(image)
        if self._restores:
            self._uninformed.add(name)  # it may have read what the server has forgotten since
        self.checks.forget_device(device)
        self._switch_off(name)

    def _image_now(self, device: SimDevice) -> None:
        """Its disk is copied at this moment; the person goes on, and soon the copy is put back."""
        image, name = device.db.image(), device.name
        self.checks.may_be_torn |= bool(self.plan.power)
        self.at(self.now + self._moments.randrange(1_000), lambda: self._work(name))
        later = self.now + self._moments.randrange(1_000, 5_000)
        self.at(min(later, self.plan.faults_ms), lambda: self._roll_back(name, image))

    def _delete(self, name: str) -> None:
        device = self.devices[name]
        self.fault("database deleted", name)
        device.db.load(self.disks.images["device"])
        self.checks.forget_device(device)
        self._switch_off(name)

    def _clone(self, name: str) -> None:
        """The whole disk is copied onto a second laptop, and both go on."""
        device = self.devices[name]
        if not device.up:
            return
        self.fault("database cloned", name)
        copy = self._add_device(f"{name}-copy", device.person.id)
        device.copy_home(copy)
        if name in self._uninformed:
            self._uninformed.add(copy.name)
        self._boot(copy.name)
        for _ in range(5):
            self.at(self.chance.randrange(self.now, self.plan.faults_ms + 1), lambda: self._work(copy.name))
        self.at(self.plan.faults_ms, self._heal)

    def _upgrade(self) -> None:
        """Another version of the app, newer or older, starts on what the one before it left, with a full outbox."""
        device = self._someone()
        if device is not None:
            self.fault("another version", device.name)
            version = self.chance.choice((0, 99))
            device.db.room()
            device.db.raw.execute("UPDATE stream_states SET fold_version = ?, digest = 'of another version'", (version,))
            self._switch_off(device.name)

    def _newer_type(self) -> None:
        device = self._someone()
        if device is not None and (jobs := sorted(device.jobs())):
            self.fault("unknown entry type", device.name)
            draft = Draft(LOG, self.chance.choice(jobs), Newer(f"x{self.now}"))  # type: ignore[arg-type]
            self._record(device.name, [draft])

    def _oversize(self) -> None:
        """More than a small proxy lets through, in one group."""
        device = self._someone("technician")
        if device is not None and (jobs := sorted(device.jobs())):
            from fieldapp.domain.entry_types import steps

            self.fault("oversize entry", device.name)
            text = self.chance.randbytes(30_000).hex()
            self._record(device.name, [Draft(LOG, self.chance.choice(jobs), steps.NoteAdded(text))])

    def _poison(self) -> None:
        """A bit turns on the disk, in the next entry that is recorded: no server can take it."""
        device = self._someone()
        if device is not None:
            device.rot = True

    def _photo(self) -> None:
        device = self._someone("technician")
        if device is not None and (jobs := sorted(device.jobs())):
            content = self.chance.randbytes(self.chance.choice((10, 999, 1_000, 2_600, 4_000)))
            self._take_photo(device, self.chance.choice(jobs), content)

    def _take_photo(self, device: SimDevice, job: str, content: bytes) -> None:
        device.actions += 1
        device.home.files.mkdir(parents=True, exist_ok=True)
        (device.home.files / hashlib.sha256(content).hexdigest()).write_bytes(content)
        self.faults["photo"] += 1
        self._record(device.name, [photo(job, content, device.actions)])

    def _album(self) -> None:
        """A person photographs everything there is: many files wait at once."""
        device = self._someone("technician", self._moments)
        if device is None or not (jobs := sorted(device.jobs())):
            return
        self.fault("album", device.name)
        job = self._moments.choice(jobs)
        for _ in range(10):
            if device.up:
                self._take_photo(device, job, self._moments.randbytes(self._moments.choice((10, 300, 999))))

    # --- What happens at the server ---------------------------------------------------------------------------------------------

    def _server_boundary(self, place: str) -> None:
        if self._server_cut_in:
            self._server_cut_in -= 1
            if not self._server_cut_in:
                raise PowerCut(place)

    def _on_server(self, work: Callable[[], None]) -> None:
        """What the office does at the server itself; nothing where another server stands there, or where it is full."""
        from fieldapp.domain.problem import Problem

        if self.server.away is None:
            try:
                work()
            except Problem as problem:
                self.note(f"office: {problem.code}")
            self.checks.after_push()

    def _reassign(self) -> None:
        person = self.chance.choice(("tech-1", "tech-2"))

        def work() -> None:
            if self.chance.random() < 0.25:
                number = 100 + self.office.number
                self.server.record([self.office.job(number, 1), self.office.assign(number, person)])
                self.note(f"office creates {number} for {person}")
            else:
                job = self.chance.randrange(1, 5)
                self.server.record([self.office.assign(job, person)])
                self.fault("reassigned", f"{job} to {person}")

        self._on_server(work)

    def _cancel(self) -> None:
        job = self.chance.randrange(1, 5)
        self.fault("cancelled", str(job))
        self._on_server(lambda: self.server.record([self.office.cancel(job)]))

    def _forget(self) -> None:
        self._erase(self._forgetting.choice(("c-1", "c-2")))

    def _erase(self, customer: str) -> None:
        """The office closes the customer's jobs, and the administrator erases what is known about them."""
        still_open = "SELECT stream FROM jobs WHERE customer = ? AND status NOT IN ('approved', 'cancelled') ORDER BY stream"

        def work() -> None:
            rows = self.server.db.raw.execute(still_open, (customer,)).fetchall()
            self.server.record([self.office.entry(stream, life.JobCancelled("to be forgotten")) for (stream,) in rows])
            self._server_cut_in = self._forgetting.randrange(1, 12) if self._happens(self.plan.server_power) else 0
            try:
                erased = self.server.erase(customer)
                self.fault("customer erased", f"{customer}: {erased.entries} entries, {erased.files} files")
            except PowerCut:
                self.fault("server crash in an erasure")
                self.server.restart()
            finally:
                self._server_cut_in = 0
            self.checks.after_erasing()
            self._forgotten.add(customer)
            self._hint("")

        self._on_server(work)

    def _erasure_id(self) -> str:
        self._erased += 1
        return make_id(self._erased, "erasure")

    def _lose_tokens(self) -> None:
        self.fault("tokens expired")
        self.server.db.raw.execute("UPDATE tokens SET expires = 0")

    def _revoke(self) -> None:
        person = self.chance.choice(list(PEOPLE))
        if self.server.away is None:
            self.fault("device revoked", person)
            try:
                self.server.accounts.revoke(f"dev-{person}")
            except Exception as error:
                self.note(f"not revoked: {error}")
                return
            self._revoked.add(f"dev-{person}")

    def _fill_server(self, *, files_only: bool) -> Callable[[], None] | None:
        if self.server.away is not None:
            return None
        self.fault("server's file storage full" if files_only else "server's disk full")
        self.server.fill(files_only=files_only)
        return self.server.room

    def _exchange(self) -> Callable[[], None] | None:
        if self.server.away is not None:
            return None
        kind = self.chance.choice(("empty", "foreign"))
        self.fault(f"server replaced by an {kind} one" if kind == "empty" else "server replaced by a foreign one")
        self.server.exchange(self.disks.images[kind])
        return self.server.come_back

    def _too_old(self) -> Callable[[], None]:
        self.fault("app too old")
        self.server.oldest = "2.0"
        self.server.restart()

        def over() -> None:
            self.server.oldest = ""
            self.server.restart()

        return over

    def _small_proxy(self) -> Callable[[], None]:
        self.fault("small proxy")
        self._limit = self.plan.proxy_limit

        def over() -> None:
            self._limit = 0

        return over

    def _back_up(self) -> None:
        if self.server.away is None:
            self.server.back_up()

    def _restore(self, told: bool) -> None:
        if self.server.restore(told=told, with_files=bool(self.plan.files_restored)):
            self._restores += 1
            self.checks.may_be_torn |= bool(self.plan.proxy_limit)
            self._uninformed = set(self.devices)
            self.checks.forget_server()
            self.checks.after_push()
            self.fault("server restored, told" if told else "server restored, not told")
            revoked = self.server.db.raw.execute("SELECT id FROM devices WHERE revoked_at IS NOT NULL").fetchall()
            handing = {device.device_id for device in self.devices.values() if device.state.revoked}
            self._revoked &= {row[0] for row in revoked} | handing
            for device in self.devices.values():
                device.lost |= device.sealed
            for customer in sorted(self._forgotten):  # docs/erasure.md: after a restore it is done again
                self._erase(customer)

    def _wrong_bytes(self) -> None:
        for sha256 in self._arriving():
            if self.server.wrong_bytes(sha256):
                self.fault("wrong bytes in a part", sha256[:8])

    def _lose_part(self) -> None:
        for sha256 in self._arriving():
            if self.server.lose_part(sha256):
                self.fault("part lost", sha256[:8])

    def _arriving(self) -> list[str]:
        if self.server.away is not None:
            return []
        return [row[0] for row in self.server.db.raw.execute("SELECT sha256 FROM files WHERE state = 'wanted' ORDER BY sha256")]


def _short(answer: m.Answer) -> str:
    match answer:
        case m.Good(body):
            rows = getattr(body, "rows", None)
            return type(body).__name__ + (f" {len(rows)} rows {getattr(body, 'cursors', '')}" if rows is not None else "")
        case m.Refused(status, detail):
            return f"{status} {detail.code}"
        case m.Fault(kind):
            return kind
    return type(answer).__name__
