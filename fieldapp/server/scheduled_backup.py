"""Backups that a server makes by itself: every so many hours into a folder, the newest kept.

Several server processes may watch one folder: whoever holds its lock looks once more whether a backup is due, and makes it.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.server.backup import Backup, backup, on_another_disk, same_disk
from fieldapp.server.services import ServerServices
from fieldapp.server.settings import ServerSettings
from fieldapp.store.file_lock import held_file

log = logging.getLogger(__name__)

NO_BACKUPS = (
    "This server makes no backups by itself: a disk that fails takes with it what only the server has, and devices keep everything "
    "they sent. Set server.backup_dir to a folder on another disk, or see to `fieldapp admin backup` by a clock of your own."
)
LOOK_S = 60.0
"""How often it is looked whether a backup is due."""
AGAIN_S = 600.0
"""How long after one that did not work the next is tried."""
_HOUR_MS = 3_600_000
_NAME = re.compile(r"fieldapp-(\d{8}T\d{6})Z\.zip\Z")
_LEFT_OVER = re.compile(r"\.fieldapp-\d{8}T\d{6}Z\.zip\.")
"""What is named so was being made when a process was killed: an archive without its name, or what it was restored into."""


class ScheduledBackups:
    """Backups of one server by the clock.

    Args:
        services: their settings say where to (`backup_dir`; nothing is done without one), how often, and how many to keep.
    """

    def __init__(self, services: ServerServices) -> None:
        self._settings, self._clock, self._db = services.settings, services.clock, services.db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backups", daemon=True)

    def start(self) -> None:
        """Make them in a thread of its own, until `stop`."""
        if warning := where_words(self._settings):
            log.warning("%s", warning)
        if self._settings.backup_dir is not None:
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End soon. A backup that is being made is left behind unfinished: it has no name yet, and counts for nothing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def due(self) -> bool:
        """Whether the newest backup in the folder is older than it may be. One from the future counts for nothing: a clock was
        wrong."""
        folder, now = self._settings.backup_dir, self._clock()
        if folder is None:
            return False
        made = [at for at, _ in _made(folder, now)]
        return not made or now - made[-1] >= self._settings.backup_hours * _HOUR_MS

    def round(self) -> Backup | None:
        """Make a backup if one is due, and let the oldest go. None where none was due, or another process is at it. The log says
        each time where the backup lies on the server's own disk: another disk that was there at the start may have been lost since.

        Raises:
            Problem: those of `backup`; `backup-failed` where the folder cannot be used.
        """
        settings, folder = self._settings, self._settings.backup_dir
        if folder is None or not self.due():
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with held_file(folder / ".lock") as mine:
                if not mine or not self.due():
                    return None
                _sweep(folder)
                target = folder / _name(self._clock())
                made = backup(settings.database_url, settings.files_dir, target, clock=self._clock, running=self._db)
                for _, path in _made(folder, self._clock())[: -settings.backup_keep]:
                    path.unlink(missing_ok=True)
        except OSError as error:
            hint = "Nothing of the server was changed; see to the folder and its disk."
            raise Problem("backup-failed", f"Backups cannot be written to {folder} ({error.strerror}).", hint) from error
        log.info("backed up and verified: %s", made.path)
        if made.warning:
            log.warning("%s", made.warning)
        return made

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = LOOK_S
            try:
                self.round()
            except Problem as problem:
                log.error("the backup did not work and is tried again: %s", problem)
                wait = AGAIN_S
            except Exception:  # a defect of ours must not end it for good
                log.exception("the backup failed")
                wait = AGAIN_S


def where_words(settings: ServerSettings) -> str:
    """What there is to say about where the backups of these settings go, or that there are none; '' where nothing."""
    folder = settings.backup_dir
    if folder is None:
        return NO_BACKUPS
    if on_another_disk(settings.database_url, settings.files_dir, folder):
        return ""
    return same_disk(folder)


def _made(folder: Path, now: int) -> list[tuple[int, Path]]:
    """Those of `_found` that are not from the future. The others stay where they are: were they counted, the one just made would be
    the oldest, and would go in their place."""
    return [(at, path) for at, path in _found(folder) if at <= now + _HOUR_MS]


def _sweep(folder: Path) -> None:
    """Remove what killed processes left of backups they were making, before it fills the disk. To be called under the lock."""
    for path in folder.iterdir():
        if _LEFT_OVER.match(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _found(folder: Path) -> list[tuple[int, Path]]:
    """(when, path) of the backups in a folder that were made by the clock, oldest first; nothing else in it is ever touched."""
    found = []
    with suppress(OSError):
        for path in folder.iterdir():
            if match := _NAME.match(path.name):
                with suppress(ValueError):
                    moment = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
                    found.append((int(moment.timestamp()) * 1000, path))
    return sorted(found)


def _name(now: int) -> str:
    return time.strftime("fieldapp-%Y%m%dT%H%M%SZ.zip", time.gmtime(now // 1000))
