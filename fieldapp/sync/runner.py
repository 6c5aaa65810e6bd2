"""Runs the two machines against a real server: timers from a clock, requests in threads of their own, commits in one thread.

`sync_once` is what a command does; `SyncLoop` (loop.py) runs all day. The machines are the same.
"""

from __future__ import annotations

import logging
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from fieldapp.domain.entry_types.erasure import ERASURES
from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.store.sealing import WORDS
from fieldapp.sync import messages as m
from fieldapp.sync.commits import commit
from fieldapp.sync.engine import StuckMachine, quiet, step
from fieldapp.sync.file_lane import FileEffect, FileEvent, FileLane, FilesLooked, Nudge, amount_of, file_step, files_quiet
from fieldapp.sync.files import FileDesk, waiting_words
from fieldapp.sync.machine import MIN_GAP_MS, State
from fieldapp.sync.status import Moving, SyncReport, SyncStatus, sentence

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 3
"""Tries in vain after which one exchange gives up for now; the app's loop never does."""
PATIENCE_MS = 2_000
"""A longer wait than this is not sat out by one exchange."""
HANGING = 4
"""Threads of one lane at most: one at work, the others left behind with requests that hang."""
TURN_S = 0.0005
"""A thread that is at work on a page lets the others have their turn after so long, not after Python's 5 ms: the next request goes
out at once, and so does what a person types."""
_HOPELESS = ("sign_in_page", "server_full", "other_server")

Lane = Literal["facts", "files"]


class Asking(Protocol):
    """What carries requests out: the transport. Never raises."""

    def ask(self, request: m.Request) -> m.Answer: ...


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Courier:
    """Carries the requests of one lane out, one at a time, in threads that do not keep the program alive.

    A request that its machine has given up may still hang in its thread; the next one then gets a thread of its own.
    """

    def __init__(self, transport: Asking, name: str, heard: Callable[[int, m.Answer], None]) -> None:
        self._transport, self._name, self._heard = transport, name, heard
        self._requests: queue.SimpleQueue[tuple[int, m.Request] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = self._threads = 0

    def carry(self, number: int, request: m.Request) -> None:
        with self._lock:
            start = self._free <= 0 and self._threads < HANGING
            if start:
                self._threads += 1
            else:
                self._free -= 1
        if start:
            threading.Thread(target=self._work, name=f"sync-{self._name}", daemon=True).start()
        self._requests.put((number, request))

    def stop(self) -> None:
        for _ in range(HANGING):
            self._requests.put(None)

    def _work(self) -> None:
        while (item := self._requests.get()) is not None:
            number, request = item
            answer = self._transport.ask(request)
            with self._lock:
                self._free += 1
            self._heard(number, answer)


class Runner:
    """Both machines, their timers and what they have heard. Everything but the couriers happens in the caller's thread.

    Args:
        files: the home's folder of files; None leaves files alone. publish: told whenever the status changed. seal: closes a
            device for good that the office took out of service; says whether there was nothing left to be handed over.
    """

    def __init__(
        self,
        replica: DeviceReplica,
        transport: Asking,
        *,
        files: Path | None = None,
        app_version: str = "",
        publish: Callable[[SyncStatus], None] = lambda status: None,
        now: Callable[[], int] = monotonic_ms,
        seal: Callable[[], bool] = lambda: False,
    ) -> None:
        self._replica, self._publish, self._now, self._seal = replica, publish, now, seal
        self._inbox: queue.SimpleQueue[tuple[Lane, m.Event | None]] = queue.SimpleQueue()
        self._desk = FileDesk(replica, files) if files is not None else None
        self._couriers: dict[Lane, Courier] = {
            lane: Courier(transport, lane, lambda number, answer, lane=lane: self._heard(lane, number, answer))  # type: ignore[misc]
            for lane in ("facts", "files")
        }
        self._timers: dict[Lane, int] = {}
        self.facts = State(secrets.randbits(63), app_version)
        self.files = FileLane(secrets.randbits(63), phase="rest" if self._desk else "stopped")
        self.status = SyncStatus()
        self._was_asking = True
        self.sent = self.received = 0

    # --- From any thread ----------------------------------------------------------------------------------------------------------

    def hurry(self, why: m.Why) -> None:
        self._inbox.put(("facts", m.Hurried(self._now(), why)))
        if why in ("asked", "network"):
            self._inbox.put(("files", m.Hurried(self._now(), why)))

    def wake(self) -> None:
        """Let a waiting `turn` return."""
        self._inbox.put(("facts", None))

    def _heard(self, lane: Lane, number: int, answer: m.Answer) -> None:
        self._inbox.put((lane, m.Answered(self._now(), number, answer)))

    # --- In the loop's thread -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        sys.setswitchinterval(min(TURN_S, sys.getswitchinterval()))
        self._hear_facts(m.Started(self._now()))
        if self._desk is not None:
            self._hear_files(m.Started(self._now()))

    def stop(self) -> None:
        for courier in self._couriers.values():
            courier.stop()

    def turn(self) -> None:
        """Wait for the next thing that happens and act on it."""
        due = min(self._timers.values(), default=None)
        wait = None if due is None else max(0, due - self._now()) / 1000
        try:
            lane, event = self._inbox.get(timeout=wait)
        except queue.Empty:
            now = self._now()
            for lane in [lane for lane, at in self._timers.items() if at <= now]:
                del self._timers[lane]
                self._hear(lane, m.TimerFired(now))
            return
        if event is not None:
            self._hear(lane, event)

    def _hear(self, lane: Lane, event: m.Event) -> None:
        if lane == "facts":
            self._hear_facts(event)
        elif self._desk is not None and not isinstance(event, m.Looked | m.ReadAhead):
            self._hear_files(event)

    def _hear_facts(self, event: m.Event) -> None:
        events: list[m.Event] = [event]
        while events:
            self.facts, effects = step(self.facts, events.pop(0))
            for effect in effects:
                heard = self._carry_fact(effect)
                if heard is not None:
                    events.append(heard)
                if isinstance(heard, m.Troubled):
                    log.warning("sync: %s", heard.words)
                    break
        self._show()

    def _carry_fact(self, effect: m.Effect) -> m.Event | None:
        match effect:
            case m.Ask():
                self._couriers["facts"].carry(effect.number, effect.request)
            case m.Arm():
                self._timers["facts"] = effect.at
            case m.Report():
                log.info("sync: %s %s", effect.connection, effect.words)
                since = wall_ms() if effect.connection != self.status.connection else self.status.since
                self._set(connection=effect.connection, words=effect.words, slow=effect.slow, since=since)
            case _:
                heard = commit(self._replica, effect, self._now(), self._changed)
                if isinstance(heard, m.ReadAhead) and heard.push is not None:
                    with suppress(UnicodeDecodeError):  # what the disk spoiled is told when it is asked for
                        _ = heard.push.packed  # now, while the server is at work on the one before
                if isinstance(heard, m.Hurried):
                    self._inbox.put(("files", heard))
                    heard = None
                if heard is None:
                    self._count(effect)
                return heard
        return None

    def _count(self, effect: m.Local) -> None:
        if isinstance(effect, m.Acknowledge):
            self.sent += effect.sent
            self._inbox.put(("files", m.Hurried(self._now(), "hint")))  # files named by these facts are taken from now on
        elif isinstance(effect, m.Receive):
            self.received += len(effect.page.rows)
            if any(row.entry.envelope.files or row.entry.envelope.type in ERASURES for row in effect.page.rows):
                self._inbox.put(("files", m.Hurried(self._now(), "hint")))  # some are to fetch, to send once more, or to go

    def _hear_files(self, event: FileEvent) -> None:
        assert self._desk is not None
        events: list[FileEvent] = [event]
        while events:
            self.files, effects = file_step(self.files, events.pop(0))
            for effect in effects:
                heard = self._carry_file(effect)
                if heard is not None:
                    events.append(heard)
                if isinstance(heard, m.Troubled):
                    break
        self._show()

    def _carry_file(self, effect: FileEffect) -> FilesLooked | m.Troubled | None:
        assert self._desk is not None
        match effect:
            case m.Ask():
                self._couriers["files"].carry(effect.number, effect.request)
            case m.Arm():
                self._timers["files"] = effect.at
            case Nudge():
                self._inbox.put(("facts", m.Hurried(self._now(), effect.why, effect.asked)))
            case _:
                return self._desk.commit(effect, self._now(), busy=self._facts_moving())
        return None

    def _facts_moving(self) -> bool:
        """Facts are on their way, and it is not known that the way is blocked."""
        return self.facts.phase in ("asking", "local") and not self.facts.fruitless and self.facts.view.run is not None

    def _changed(self, streams: frozenset[str]) -> None:
        self._set(streams=streams)
        self.status = msgspec.structs.replace(self.status, streams=frozenset())

    def _seal_when_done(self) -> None:
        """The office took this device out of service: once facts and files are handed over, it is closed."""
        if self.facts.phase == "stopped" and self.facts.report.connection == "revoked" and not self.status.sealed and self._seal():
            log.warning("sync: this device was taken out of service and is sealed")
            self._set(sealed=True, words=WORDS)

    def _show(self) -> None:
        self._seal_when_done()
        whole = quiet(self.facts) and self.facts.report.connection != "upgrade"
        synced = wall_ms() if self._was_asking and whole else self.status.synced
        self._was_asking = not quiet(self.facts)
        self._set(
            syncing=self.facts.phase == "asking", files=waiting_words(self.files), synced=synced,
            sending=_sending(self.facts), moving=_moving(self.files),
        )  # fmt: skip

    def _set(self, **changes: object) -> None:
        """Publish what is news."""
        status = msgspec.structs.replace(self.status, **changes)
        if status != self.status:
            self.status = status
            self._publish(status)

    # --- Is it done? --------------------------------------------------------------------------------------------------------------

    def finished(self) -> bool:
        """Everything is exchanged, or it is of no use to wait for the rest now."""
        if not self._inbox.empty():
            return False
        facts = quiet(self.facts) or self.facts.phase == "stopped"
        if facts:
            return files_quiet(self.files) or self._gives_files_up()
        return self._gives_up()

    def _gives_files_up(self) -> bool:
        lane = self.files
        wait = lane.wake - self._now()
        return lane.phase == "rest" and lane.tries > 0 and (lane.tries >= GIVE_UP_AFTER or wait > PATIENCE_MS)

    def _gives_up(self) -> bool:
        state = self.facts
        wait = state.wake - self._now()
        if state.phase != "rest" or not state.fruitless or wait <= MIN_GAP_MS:
            return state.phase == "rest" and state.fruitless > GIVE_UP_AFTER
        tries = 2 if state.report.connection == "offline" else GIVE_UP_AFTER
        return state.report.connection in _HOPELESS or wait > PATIENCE_MS or state.fruitless >= tries

    def report(self) -> SyncReport:
        state = self.facts
        connection = state.report.connection
        problem: str | None = None
        if self.status.sealed:
            problem = WORDS
        elif not quiet(state):
            problem = sentence(connection, state.report.words)
            if connection in ("online", "unknown"):
                problem = f"Not everything could be exchanged. {state.report.words}".strip()
        elif connection == "upgrade":
            problem = sentence(connection, state.report.words)
        elif not files_quiet(self.files) or self.files.aside:
            words = "; ".join(dict.fromkeys(waiting_words(self.files)))
            problem = "Facts are exchanged, but some files are not." + (f" ({words})" if words else "")
        return SyncReport(connection in ("online", "upgrade"), self.sent, self.received, problem, connection)


def _sending(state: State) -> tuple[str, int, int] | None:
    if state.phase != "asking" or not isinstance(state.request, m.AskPush):
        return None
    run = state.request.run
    return run.epoch, run.from_seq, run.from_seq + len(run.entries) - 1


def _moving(lane: FileLane) -> Moving | None:
    item = lane.item
    if item is None or lane.phase == "stopped" or (lane.phase == "rest" and lane.idle):
        return None
    if item.fetch:
        return Moving(item.sha256, item.have, max(1, item.size), fetch=True)
    there = amount_of(lane.held) if lane.held is not None and lane.held.sha256 == item.sha256 else 0
    return Moving(item.sha256, min(there, item.size), max(1, item.size))


def sync_once(
    replica: DeviceReplica, transport: Asking, *, files: Path | None = None, app_version: str = "", limit_s: float = 600,
    seal: Callable[[], bool] = lambda: False,
) -> SyncReport:  # fmt: skip
    """Exchange everything there is, or find out why not; at most `limit_s` seconds. `seal` as for Runner.

    Raises:
        Problem: `sync-failed`, a defect of this program.
    """
    runner = Runner(replica, transport, files=files, app_version=app_version, seal=seal)
    deadline = monotonic_ms() + int(limit_s * 1000)
    alarm = threading.Timer(limit_s, runner.wake)
    alarm.daemon = True
    alarm.start()
    try:
        runner.start()
        while not runner.finished() and monotonic_ms() < deadline:
            runner.turn()
    except StuckMachine as defect:
        log.exception("the machine for facts would wait for nothing")
        hint = "Everything recorded is safe on this device. Try again; the log file in the home's logs folder says more."
        raise Problem("sync-failed", "Sync stopped because of a mistake in this program.", hint) from defect
    finally:
        alarm.cancel()
        runner.stop()
    return runner.report()
