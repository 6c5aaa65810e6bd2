"""The server's services, opened once and closed once. Commands of the administrator use them without HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from fieldapp.domain.problem import Problem
from fieldapp.server.accounts import INCARNATION, SECRET, Accounts
from fieldapp.server.answers import Refused
from fieldapp.server.desk import Desk
from fieldapp.server.events import Hints
from fieldapp.server.feed import Feed
from fieldapp.server.file_storage import FolderStorage
from fieldapp.server.files import Files
from fieldapp.server.health import Metrics
from fieldapp.server.people import People
from fieldapp.server.reach import ORG, Session
from fieldapp.server.relay import PostgresRelay
from fieldapp.server.settings import ServerSettings
from fieldapp.store.database import Database
from fieldapp.store.import_words import BY_FILE
from fieldapp.store.migrations import migrate_server
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import QuarantineRow, SettingRow, table_of

QUARANTINED_PER_DEVICE = 5000
"""Entries one device may hand over as bytes: room for any honest outbox, a bound for a stolen one."""
IMPORTED_AT_MOST = 20_000
"""Entries from files that may wait for a decision. They have room of their own: whoever imports a file says in it whose they are,
and must not take from a device the room for what it has to hand over itself."""


class ServerServices:
    """Everything a server process needs, built from its settings. Close it when done."""

    def __init__(self, settings: ServerSettings, db: Database, clock: Callable[[], int]) -> None:
        self.settings, self.db, self.clock = settings, db, clock
        facts = _facts(db)
        self.incarnation = facts[INCARNATION]
        self.metrics = Metrics()
        self.replica = ServerReplica(db, clock)
        self.accounts = Accounts(
            db, clock, secret=bytes.fromhex(facts[SECRET]), incarnation=self.incarnation,
            token_ms=settings.token_hours * 3_600_000, code_ms=settings.code_hours * 3_600_000,
        )  # fmt: skip
        self.feed = Feed(db, clock, incarnation=self.incarnation, oldest_version=settings.oldest_version)
        self.storage = FolderStorage(settings.files_dir, reserve_bytes=settings.reserve_bytes)
        self.files = Files(db, self.storage, largest=settings.file_bytes)
        self.desk = Desk(db, clock, self.storage)
        self.hints = Hints(most=settings.subscribers)
        self.people = People(db, self.replica, clock, self.hints.publish)
        self._relay: PostgresRelay | None = None

    def start_relay(self) -> None:
        """Hear of what other processes receive, where there may be some (PostgreSQL)."""
        if not self.db.is_sqlite and self._relay is None:
            self._relay = PostgresRelay(self.settings.database_url, self.hints)
            self._relay.start()

    def known_logs(self, who: Session) -> set[str]:
        """Every log there is, and those of this person that nobody has written to yet."""
        with self.db.read() as conn:
            return {ORG, who.branch, *(log for (log,) in self.db.rows(conn, "SELECT log FROM log_heads"))}

    def check_quarantine_room(self, device: str) -> None:
        """Raises:
        Refused: `quarantine-full` (507).
        """
        own = (col(QuarantineRow.device) == device, col(QuarantineRow.reason).not_like(f"{BY_FILE}%"))
        if self._aside(*own) >= QUARANTINED_PER_DEVICE:
            raise Refused(507, "quarantine-full", "This device has handed over more than the server keeps.", retry_after=3600)

    def check_import_room(self) -> None:
        """Raises:
        Refused: `quarantine-full` (507).
        """
        if self._aside(col(QuarantineRow.decided) == "", col(QuarantineRow.reason).like(f"{BY_FILE}%")) >= IMPORTED_AT_MOST:
            hint = "The office has to decide on some of it first."
            raise Refused(507, "quarantine-full", "More from files waits for the office than is kept.", hint, retry_after=3600)

    def _aside(self, *where: ColumnElement[bool]) -> int:
        with self.db.read() as conn:
            return int(conn.execute(select(func.count()).select_from(QuarantineRow).where(*where)).scalar_one())

    def close(self) -> None:
        """Write what is still in memory and let go of the database."""
        self.hints.close()
        if self._relay is not None:
            self._relay.stop()
        self.accounts.flush_seen()
        self.db.close()


def open_server(settings: ServerSettings, clock: Callable[[], int] | None = None) -> ServerServices:
    """Open a server's services, creating home and schema where they are not there yet.

    Args:
        clock: milliseconds since 1970 UTC; the machine's by default.

    Raises:
        Problem: `home-unusable`, and those of Database.
    """
    prepare_home(settings.home)
    db = Database(settings.database_url)
    try:
        prepare_database(db)
        return ServerServices(settings, db, clock or wall_clock)
    except BaseException:
        db.close()
        raise


def prepare_home(home: Path) -> None:
    """Make the folder, readable by its owner only.

    Raises:
        Problem: `home-unusable`.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Problem("home-unusable", f"The folder {home} cannot be used ({error.strerror}).", "Choose another.") from None


def prepare_database(db: Database) -> None:
    """Bring the schema up to date and give a new server its incarnation and its secret."""
    migrate_server(db)
    with db.write() as conn:
        facts = {INCARNATION: secrets.token_hex(16), SECRET: secrets.token_hex(32)}
        db.insert_new(conn, SettingRow, [{"name": name, "value": value} for name, value in facts.items()])


def wall_clock() -> int:
    return time.time_ns() // 1_000_000


def _facts(db: Database) -> dict[str, str]:
    with db.read() as conn:
        return {row.name: row.value for row in conn.execute(select(table_of(SettingRow)))}
