"""What a server does by the clock, with nobody asking: jobs that were closed long ago leave the devices, and once a day every file
that should be here is looked for.

A clock that is a year ahead would take every closed job away at once. So time that passed while nobody looked is not believed on
the day it is first seen: where the clock is further on, or further back, than a running server can explain, nothing leaves for a
day, and the log says why. Whoever sets the clock right within that day loses nothing.
"""

from __future__ import annotations

import logging
import threading

from fieldapp.domain.problem import Problem
from fieldapp.server.erasing import remove_content
from fieldapp.server.lost_files import want_lost_files
from fieldapp.server.services import ServerServices
from fieldapp.store.tables import SettingRow

log = logging.getLogger(__name__)

FIRST_S = 60.0
EVERY_S = 3600.0
"""Jobs leave by the day; each server process looks once an hour, and finds nothing where another one was before it."""
LEAP_MS = 2 * 86_400_000
"""The clock moved by more since the last look: the server stood still for days, or somebody set the clock."""
WAIT_MS = 86_400_000
"""So long nothing leaves after that."""
SEEN, DOUBTED = "upkeep_seen", "upkeep_doubted"
"""Settings: the time of the last look, and since when the clock is doubted (0: it is not)."""
FILES_LOOKED = "upkeep_files"
"""Setting: when files were looked for last."""
FILES_EVERY_MS = 86_400_000


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
        if self._is_believed(self._services.clock()):
            self._services.hints.publish(self._services.replica.let_old_jobs_go())
        self._look_for_files(self._services.clock())

    def _look_for_files(self, now: int) -> None:
        """Once a day, whichever process comes first (two at once do no harm). What the storage has lost is asked for; what was
        erased and lies there still goes."""
        db = self._services.db
        with db.read() as conn:
            found = db.rows(conn, "SELECT value FROM settings WHERE name = ?", (FILES_LOOKED,))
        if found and 0 <= now - int(found[0][0]) < FILES_EVERY_MS:
            return
        remove_content(self._services)
        lost = want_lost_files(db, self._services.storage)
        with db.write() as conn:
            db.upsert(conn, SettingRow, [{"name": FILES_LOOKED, "value": str(now)}])
        if lost:
            log.warning("%d files are gone from the storage; they are asked of the devices that recorded them: %s", len(lost), lost)

    def _is_believed(self, now: int) -> bool:
        """Whether the clock went on as clocks do since the last look, or a day has passed since it leapt."""
        db = self._services.db
        with db.write() as conn:
            known = dict(db.rows(conn, "SELECT name, value FROM settings WHERE name IN (?, ?)", (SEEN, DOUBTED)))
            seen, doubted = int(known.get(SEEN, now)), int(known.get(DOUBTED, 0))
            leapt = abs(now - seen) > LEAP_MS
            if leapt:
                doubted = now
                log.warning(
                    "the clock moved by %.1f days since the last look: closed jobs stay on the devices for a day; "
                    "if it is wrong, set it right now",
                    (now - seen) / 86_400_000,
                )
            elif doubted and now - doubted >= WAIT_MS:
                doubted = 0
            db.upsert(conn, SettingRow, [{"name": SEEN, "value": str(now)}, {"name": DOUBTED, "value": str(doubted)}])
        return not doubted

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
