"""The server's database, brought to the present tables by Alembic."""

from __future__ import annotations

from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database

SCRIPTS = Path(__file__).with_name("server")
_ONE_AT_A_TIME = 6_041_977
"""Number of the PostgreSQL advisory lock under which server processes that start together migrate one after the other."""


def migrate_server(db: Database) -> None:
    """Make a new database, or bring an older one up to date, in one transaction. Done again, it changes nothing.

    Raises:
        Problem: `database-newer` for one that a later version of the program has written; `database-damaged`.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with db.write() as conn:
        if not db.is_sqlite:
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
        config.attributes["connection"] = conn
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Problem(
                "database-newer",
                f"The server's database was written by a newer version of Fieldapp ({error}).",
                "Nothing was changed. Start the newer version.",
            ) from error
