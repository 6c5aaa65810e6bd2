"""A device's database, brought to the present tables step by step."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database

STEPS = Path(__file__).with_name("device")


def migrate_device(db: Database) -> None:
    """Make a new database, or bring an older one up to date. Each step is one transaction: it happened whole or not at all.

    Raises:
        Problem: `database-newer` for one that a later version of the program has written; `database-foreign` for one that
            is not a device's; `database-damaged` for a file that is no database; `disk-full`.
    """
    steps = sorted(STEPS.glob("*.sql"))
    with db.write() as conn:
        done = _version(conn)
        if done > len(steps):
            raise Problem(
                "database-newer",
                f"This device's data was written by a newer version of Fieldapp (tables {done}; this program knows {len(steps)}).",
                "Nothing was changed. Install the newer version again.",
            )
        if not done and conn.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
            raise Problem(
                "database-foreign",
                "The database file in this home is not one of a device of Fieldapp.",
                "Nothing was changed. Move it away or choose another folder with --home.",
            )
    for step in steps[done:]:
        with db.write() as conn:
            if _version(conn) == done:  # else another process was here first
                for statement in step.read_text(encoding="utf-8").split(";\n"):
                    if statement.strip():
                        conn.exec_driver_sql(statement)
                conn.exec_driver_sql(f"PRAGMA user_version = {done + 1}")
            done += 1


def _version(conn: Connection) -> int:
    return int(conn.exec_driver_sql("PRAGMA user_version").scalar_one())
