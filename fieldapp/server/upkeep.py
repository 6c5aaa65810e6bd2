"""What a server does by the clock, with nobody asking: jobs that were closed long ago leave the devices."""

from __future__ import annotations

import logging
import threading

from fieldapp.domain.problem import Problem
from fieldapp.server.services import ServerServices

log = logging.getLogger(__name__)

FIRST_S = 60.0
EVERY_S = 3600.0
"""Jobs leave by the day; each server process looks once an hour, and finds nothing where another one was before it."""


class Upkeep:
    """A thread of its own: requests never wait for it."""

    def __init__(self, services: ServerServices) -> None:
        self._services = services
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End; a round that has begun is waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def round(self) -> None:
        """Do what is due now."""
        self._services.hints.publish(self._services.replica.let_old_jobs_go())

    def _run(self) -> None:
        wait = FIRST_S
        while not self._stop.wait(wait):
            wait = EVERY_S
            try:
                self.round()
            except Problem as problem:
                log.warning("upkeep is tried again in an hour: %s", problem)
            except Exception:  # a defect of ours must not end it for good
                log.exception("upkeep failed")
