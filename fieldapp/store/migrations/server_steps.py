"""The server's database, brought to the present tables by Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database

SCRIPTS = Path(__file__).with_name("server")
_OF_ALEMBIC, _OF_A_DEVICE = "alembic_version", "own_entries"
"""Tables that every server's database has, and every device's."""
_ONE_AT_A_TIME = 6_041_977
"""Number of the PostgreSQL advisory lock under which server processes that start together migrate one after the other."""


def migrate_server(db: Database) -> None:
    """Make a new database, or bring an older one up to date, in one transaction. Done again, it changes nothing.

    Raises:
        Problem: `database-newer` for one that a later version of the program has written; `database-foreign`;
            `database-damaged`.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with db.write() as conn:
        if not db.is_sqlite:
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
        _refuse_foreign(db, conn)
        config.attributes["connection"] = conn
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Problem(
                "database-newer",
                f"The server's database was written by a newer version of Fieldapp ({error}).",
                "Nothing was changed. Start the newer version.",
            ) from error


def refuse_foreign(db: Database) -> None:
    """Leave alone an SQLite file that another program made, or a device: one slip in a path must not cost a technician's work.
    On PostgreSQL others may well have tables of their own beside ours.

    Raises:
        Problem: `database-foreign`; `database-damaged`.
    """
    with db.read() as conn:
        _refuse_foreign(db, conn)


def _refuse_foreign(db: Database, conn: Connection) -> None:
    if not db.is_sqlite:
        return
    tables = {str(name) for (name,) in conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables or _OF_ALEMBIC in tables:
        return
    file = db.url.removeprefix("sqlite:///")
    hint = "Nothing was changed. Name the server's with --server-home or --database."
    if _OF_A_DEVICE in tables:
        raise Problem("database-foreign", f"{file} is the database of a device, not of a server.", hint)
    raise Problem("database-foreign", f"{file} is not a database of a Fieldapp server.", hint)
