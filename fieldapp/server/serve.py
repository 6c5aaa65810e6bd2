"""Run a server until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import logging
import logging.handlers
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from fieldapp.domain.problem import Problem
from fieldapp.server.app import create_app
from fieldapp.server.scheduled_backup import ScheduledBackups
from fieldapp.server.services import ServerServices, open_server, prepare_home
from fieldapp.server.settings import ServerSettings, check_exposure
from fieldapp.server.upkeep import Upkeep
from fieldapp.store.file_lock import held_file

LOG_BYTES, LOG_FILES = 5 * 1024 * 1024, 5
STOP_S = 10
"""Seconds that open requests have to finish once the server is told to stop."""


class Server(uvicorn.Server):
    """uvicorn, which ends the streams of listeners before it waits for open requests.

    Args:
        on_ready: is told the port. by_clock: does what is due by the clock as well; of several processes one does.
    """

    def __init__(
        self,
        services: ServerServices,
        *,
        port: int | None = None,
        on_ready: Callable[[int], None] | None = None,
        by_clock: bool = True,
    ) -> None:
        settings = services.settings
        proxy: dict[str, Any] = {"proxy_headers": False}
        if settings.trusted_proxy:
            proxy = {"proxy_headers": True, "forwarded_allow_ips": settings.trusted_proxy}
        config = uvicorn.Config(
            create_app(services), host=settings.host, port=settings.port if port is None else port, log_config=None,
            access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=STOP_S, ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key, ws="none", **proxy,
        )  # fmt: skip
        super().__init__(config)
        self._services, self._on_ready = services, on_ready
        self._by_clock: tuple[Upkeep | ScheduledBackups, ...] = (Upkeep(services), ScheduledBackups(services)) if by_clock else ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            for task in self._by_clock:
                task.start()
        if self.started and self._on_ready is not None:
            listening = sockets or self.servers[0].sockets
            self._on_ready(int(listening[0].getsockname()[1]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.hints.close()
        await super().shutdown(sockets)
        for task in self._by_clock:
            task.stop()


def run_server(settings: ServerSettings, *, on_ready: Callable[[int], None] | None = None) -> None:
    """Serve until SIGTERM or ctrl+c; then finish what is open and leave. More than one worker: see workers.py.

    Args:
        on_ready: called with the port once requests are taken.

    Raises:
        Problem: `plain-http-refused`, `tls-incomplete`, `workers-need-postgresql`, `home-unusable`, `database-in-use`,
            `port-taken`, and those of Database.
    """
    from fieldapp.server.workers import check_workers, run_workers  # they are servers themselves

    check_exposure(settings)
    check_workers(settings)
    if settings.workers > 1:
        run_workers(settings, on_ready=on_ready)
        return
    with _alone(settings):
        services = open_server(settings)
        try:
            log_to(settings.log_file)
            services.start_relay()
            services.replica.try_held()  # this version may know what an older one did not
            server = Server(services, on_ready=on_ready)
            leave_for_good()
            with quiet_signals(), bound(settings):
                server.run()
        finally:
            services.close()


@contextlib.contextmanager
def _alone(settings: ServerSettings) -> Iterator[None]:
    """One process serves an SQLite database: the hints of a second would not reach the devices of the first, and what is done by
    the clock would be done twice."""
    if not settings.database_url.startswith("sqlite:///"):
        yield
        return
    prepare_home(settings.home)
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(held_file(file.with_name(f"{file.name}.lock")))
        except OSError:
            held = True  # what is wrong with its folder is said by the database
        if not held:
            hint = "Nothing was changed. Stop that one first, or name another database with --server-home or --database."
            raise Problem("database-in-use", f"Another server works on {file} already.", hint)
        yield


def leave_for_good() -> None:
    """What was imported and built until now stays until the process ends: Python's collector need not look at it ever again, which
    saves a twelfth of a push."""
    gc.collect()
    gc.freeze()


def log_to(file: Path) -> None:
    """Everything this process has to say goes to files that rotate; nothing goes to the screen."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


@contextlib.contextmanager
def bound(settings: ServerSettings) -> Iterator[None]:
    """uvicorn leaves the process where it cannot listen: say what a person can do about it instead."""
    try:
        yield
    except SystemExit:
        raise Problem(
            "port-taken", f"The server cannot listen on {settings.host} port {settings.port}.",
            f"Another program may use it: choose another with --port. Details are in {settings.log_file}.",
        ) from None  # fmt: skip


@contextlib.contextmanager
def quiet_signals() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it is done: it has been obeyed, and leaving is no failure."""
    before = {name: signal.signal(name, lambda *_: None) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
