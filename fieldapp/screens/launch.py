"""From the command line to the app: what `fieldapp` and `fieldapp demo` open, and what is left behind when it is closed."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldapp.domain.problem import Problem
from fieldapp.language import language, language_of_environment, set_language
from fieldapp.opening import Opening
from fieldapp.settings import DeviceSettings, device_settings
from fieldapp.store.home import Home, Identity
from fieldapp.store.queries.outbox import setting
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.screens.app import FieldApp
    from fieldapp.screens.session import Session
    from fieldapp.sync.asked import Asked
    from fieldapp.sync.loop import SyncLoop
    from fieldapp.sync.status import SyncStatus

LOG_BYTES, LOG_FILES = 1_000_000, 3


def launch(opening: Opening) -> int:
    """Show the app until the person leaves it. A home that belongs to nobody yet is enrolled first. Returns the exit code.

    A database of which a page turns out to be damaged is made anew, and the app opened again: once.

    Raises:
        Problem: `identity-damaged`, `bad-config`, `home-unusable`, `app-stopped`, and those of the database.
    """
    from fieldapp.bootstrap import refuse_sealed

    settings = device_settings(str(opening.home))
    set_language(settings.language if settings.language else language_of_environment())
    begun = language()
    home = Home(opening.home)
    identity = home.identity()
    log_to(home)
    if identity is None:
        from fieldapp.screens.welcome import WelcomeApp

        identity = WelcomeApp(home, settings).run()
        if identity is None:
            return 0  # the person left; nothing was changed
    refuse_sealed(home, identity)
    chosen = language() if language() != begun else ""
    try:
        return _shown(home, identity, opening, settings, chosen)
    except Problem as problem:
        notices = made_anew(home, problem)
    return _shown(home, identity, opening, settings, chosen, notices)


def _shown(
    home: Home, identity: Identity, opening: Opening, settings: DeviceSettings, chosen: str, notices: Sequence[Problem] = ()
) -> int:
    from fieldapp.screens.tidying import put_off

    put_off()
    try:
        app = app_for(home, identity, opening, settings, notices)
        try:
            keep_or_speak(app.session, chosen)
            app.run()
        finally:
            app.session.close()
    finally:
        gc.enable()
    return ended(app)


def made_anew(home: Home, stopped: Problem) -> tuple[Problem, ...]:
    """Make the database anew where damage to it is what has stopped the app, or only what is folded from its entries where they are
    well. Returns what the person has to know, which is also said below the screen that is gone.

    Raises:
        Problem: what has stopped the app, where that was no damage; what stands in the way of making the database anew.
    """
    if stopped.code not in ("database-damaged", "app-stopped"):
        raise stopped
    from fieldapp.bootstrap import open_device
    from fieldapp.screens.problem_words import problem_words
    from fieldapp.widgets.safe_text import safe_text

    try:
        with open_device(home, "fieldapp", every_page=True) as device:
            notices, mended = device.notices, device.made_anew
            if mended is None and stopped.code == "database-damaged":
                device.replica.rebuild()  # what is shown is folded from the entries, and they are well
                notices += (Problem("shown-made-anew", "What is shown could not be read and was made anew. Nothing is lost."),)
    except Problem as problem:
        raise (stopped if stopped.code == "app-stopped" else problem) from problem
    if mended is None and stopped.code == "app-stopped":
        raise stopped
    for notice in notices:
        sys.stderr.write(f"{safe_text(problem_words(notice)).plain}\n")
    return notices


def keep_or_speak(session: Session, chosen: str) -> None:
    """Keep the language chosen on the first screen; else speak the one kept in this home, unless FIELDAPP_LANGUAGE names one."""
    from fieldapp.screens.session import KEPT_LANGUAGE

    if chosen:
        session.later(lambda services: services.replica.set_settings(**{KEPT_LANGUAGE: chosen}))
        return
    kept = session.kept(KEPT_LANGUAGE)
    if kept and not os.environ.get("FIELDAPP_LANGUAGE"):
        set_language(kept)


def ended(app: FieldApp) -> int:
    """The exit code of an app that has been closed.

    Raises:
        Problem: `device-sealed` where the office has closed it; `database-damaged` where it could not be read; `app-stopped` where
            it was not a person who closed it: nobody is left alone with a traceback.
    """
    identity = app.session.home.identity()
    if identity is not None and identity.sealed:
        from fieldapp.store.sealing import sealed

        raise sealed()
    if app.stopped_by is not None:
        raise app.stopped_by
    if app.return_code:
        raise Problem(
            "app-stopped",
            "Fieldapp has stopped because of a mistake of its own.",
            "What was called saved is safe on this device, half-typed text too. Start it again; if it stops again, "
            "send the lines above to the office.",
        )
    return 0


def app_for(
    home: Home, identity: Identity, opening: Opening, settings: DeviceSettings, notices: Sequence[Problem] = ()
) -> FieldApp:
    """The app on an enrolled home, not running yet. A database of an earlier version is brought up to date first.

    notices: what the person is told when the app is there.
    """
    from fieldapp.bootstrap import bring_up_to_date
    from fieldapp.screens.app import FieldApp
    from fieldapp.screens.session import Session

    notices = (*notices, *bring_up_to_date(home))

    def loop(services: DeviceServices, publish: Callable[[SyncStatus], None]) -> SyncLoop:
        from fieldapp.sync.once import sync_loop

        return sync_loop(services, settings, publish, opening.url)

    session = Session(home, identity)
    session.notices += notices

    def ask() -> Asked:
        from fieldapp.sync.desk import ask_desk

        reader = Reader(home.database_file)
        try:
            return ask_desk(home, identity, settings, setting(reader, "token") or "", opening.url)
        finally:
            reader.close()

    try:
        return FieldApp(
            session,
            ask_desk=None if opening.offline else ask,
            loop=None if opening.offline else loop,
            network=opening.network,
            scanner_prefix=settings.scanner_prefix,
        )
    except BaseException:
        session.close()
        raise


def log_to(home: Home) -> None:
    """What goes wrong is written down in the home's logs; nothing is ever printed over the screen."""
    home.prepare()
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, logging.StreamHandler | LogFile):
            root.removeHandler(old)
            old.close()
    root.addHandler(LogFile(home.logs / "app.log"))
    root.setLevel(logging.WARNING)


class LogFile(logging.Handler):
    """A rotating file that is opened when there is something to write, which need not be before the first frame."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None:
            from logging.handlers import RotatingFileHandler

            self._file = RotatingFileHandler(
                self._path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", errors="replace", delay=True
            )
            self._file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self._file.emit(record)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
