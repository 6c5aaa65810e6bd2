"""Several server processes behind one socket, on one PostgreSQL. They share nothing but the database and the folder of files.

The first process only starts the others, starts again whichever dies, and stops them. Each worker holds one end of a pipe: it says
through it that it is ready, and when the other end closes, because it is told to stop or because the first process is gone, it
finishes what is open and leaves.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from fieldapp.domain.problem import Problem
from fieldapp.server.serve import STOP_S, Server, bound, leave_for_good, log_to, quiet_signals
from fieldapp.server.services import open_server
from fieldapp.server.settings import ServerSettings

START_S = 60
"""Seconds that the workers have until all of them take requests."""
EARLY_S = 10.0
"""A worker that dies sooner than this was of no use: the next one waits longer before it starts."""
RESTART_S, RESTART_MAX_S = 0.5, 30.0

log = logging.getLogger(__name__)


@dataclass
class _Worker:
    """One place of a worker, whichever process is in it. `due`: when to start the next one, where there is none."""

    number: int
    process: SpawnProcess | None = None
    line: Connection | None = None
    started: float = 0.0
    early: int = 0
    due: float = 0.0


@dataclass
class _Workers:
    settings: ServerSettings
    sock: socket.socket
    places: list[_Worker] = field(default_factory=list)

    def start(self, place: _Worker) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(self.settings, place.number, self.sock, theirs), name=f"worker {place.number}"
        )
        process.start()
        theirs.close()
        place.process, place.line, place.started = process, ours, time.monotonic()

    def wait_until_ready(self, told_to_stop: Connection) -> bool:
        """Whether all take requests; False where it was told to stop meanwhile.

        Raises:
            Problem: what a worker could not start for, or `worker-failed`.
        """
        waiting = {place.line: place for place in self.places if place.line is not None}
        deadline = time.monotonic() + START_S
        while waiting:
            ready = wait([told_to_stop, *waiting], timeout=max(0.0, deadline - time.monotonic()))
            if told_to_stop in ready:
                return False
            if not ready:
                raise _failed("did not start in time")
            for line in ready:
                place = waiting.pop(line)  # type: ignore[call-overload]
                assert place.line is not None
                try:
                    word = place.line.recv()
                except EOFError:
                    raise _failed(f"number {place.number} ended while it started") from None
                if word is not None:
                    raise Problem(*word)
        return True

    def keep_running(self, told_to_stop: Connection) -> None:
        """Start again whichever dies, until told to stop."""
        while True:
            now = time.monotonic()
            for place in self.places:
                if place.process is None and place.due <= now:
                    self.start(place)
            sentinels = {place.process.sentinel: place for place in self.places if place.process is not None}
            next_start = min((place.due for place in self.places if place.process is None), default=None)
            timeout = None if next_start is None else max(0.0, next_start - now)
            ready = wait([told_to_stop, *sentinels], timeout=timeout)
            if told_to_stop in ready:
                return
            for sentinel in ready:
                self._ended(sentinels[sentinel])  # type: ignore[index]

    def _ended(self, place: _Worker) -> None:
        assert place.process is not None
        place.process.join()
        now = time.monotonic()
        place.early = place.early + 1 if now - place.started < EARLY_S else 0
        delay = min(RESTART_MAX_S, RESTART_S * 2**place.early)
        log.error("worker %d ended with code %s; the next one starts in %.1f s", place.number, place.process.exitcode, delay)
        place.due = now + delay
        self._let_go(place)

    def _let_go(self, place: _Worker) -> None:
        if place.line is not None:
            place.line.close()
        if place.process is not None:
            place.process.close()
        place.process = place.line = None

    def stop(self) -> None:
        """Let all finish what is open; end those that do not in time."""
        for place in self.places:
            if place.line is not None:
                place.line.close()
        deadline = time.monotonic() + STOP_S + 5
        for place in self.places:
            if place.process is not None:
                place.process.join(max(0.0, deadline - time.monotonic()))
                if place.process.is_alive():
                    log.error("worker %d did not stop in time", place.number)
                    place.process.kill()
                    place.process.join()
                self._let_go(place)


def check_workers(settings: ServerSettings) -> None:
    """Raises:
    Problem: `workers-need-postgresql`.
    """
    if settings.workers > 1 and settings.database_url.startswith("sqlite"):
        raise Problem(
            "workers-need-postgresql",
            f"{settings.workers} server processes need a PostgreSQL database: an SQLite file has one writing process.",
            "Name one with --database postgresql://..., or leave --workers out: one process serves a company.",
        )


def run_workers(settings: ServerSettings, *, on_ready: Callable[[int], None] | None = None) -> None:
    """Serve with `settings.workers` processes until SIGTERM or ctrl+c. Arguments and problems as for `run_server`.

    Raises:
        Problem: also `worker-failed`.
    """
    first = open_server(settings)  # the schema is brought up to date once, before anybody serves
    try:
        first.replica.try_held()
    finally:
        first.close()
    log_to(settings.log_file)
    with bound(settings), _bind(settings) as sock, _told_to_stop() as told_to_stop:
        workers = _Workers(settings, sock, [_Worker(number) for number in range(1, settings.workers + 1)])
        try:
            for place in workers.places:
                workers.start(place)
            if workers.wait_until_ready(told_to_stop):
                log.info("%d workers listen on port %d", settings.workers, sock.getsockname()[1])
                if on_ready is not None:
                    on_ready(int(sock.getsockname()[1]))
                workers.keep_running(told_to_stop)
        finally:
            workers.stop()
            log.info("all workers have ended")


@contextmanager
def _bind(settings: ServerSettings) -> Iterator[socket.socket]:
    """The socket that all workers take requests from."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((settings.host, settings.port))
        except OSError as error:
            log.error("cannot listen: %s", error)
            raise SystemExit from None
        yield sock


@contextmanager
def _told_to_stop() -> Iterator[Connection]:
    """A pipe that can be read from once a signal asks this process to end."""
    reader, writer = multiprocessing.Pipe(duplex=False)

    def told(number: int, frame: object) -> None:
        with suppress(OSError):
            writer.send_bytes(b"stop")

    before = {name: signal.signal(name, told) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield reader
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        reader.close()
        writer.close()


def _failed(what: str) -> Problem:
    return Problem("worker-failed", f"A server process {what}.", "Its log file, beside the server's, says why.")


# --- In a worker's process -------------------------------------------------------------------------------------------------------


def _work(settings: ServerSettings, number: int, sock: socket.socket, line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c reaches every process of the terminal; the first one decides
    log_to(settings.log_file.with_stem(f"{settings.log_file.stem}-{number}"))
    try:
        services = open_server(settings)
    except Problem as problem:
        log.error("this worker cannot start: %s", problem)
        line.send((problem.code, problem.message, problem.hint))
        return
    try:
        services.metrics.worker.set(number)
        services.start_relay()
        server = Server(services, on_ready=lambda port: _say_ready(line), by_clock=number == 1)
        leave_for_good()
        threading.Thread(target=_leave_with_the_first, args=(line, server), name="first process", daemon=True).start()
        with quiet_signals():
            server.run(sockets=[sock])
    finally:
        services.close()


def _say_ready(line: Connection) -> None:
    with suppress(OSError):
        line.send(None)


def _leave_with_the_first(line: Connection, server: Server) -> None:
    with suppress(EOFError, OSError):
        line.recv_bytes()  # nothing is ever sent this way: it ends when the other end closes
    server.should_exit = True
