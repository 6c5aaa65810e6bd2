"""The steps make exactly the tables that the program works with, on each database, and refuse what they do not know."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.store.migrations import migrate_device, migrate_server
from fieldapp.store.migrations.device_steps import STEPS
from fieldapp.store.tables import DEVICE, SERVER, Base


def schema(db: Database) -> dict[str, Any]:
    """Columns with types, keys, indexes and unique constraints of every table."""
    found: dict[str, Any] = {}
    with db.write() as conn:
        look = inspect(conn)
        for table in look.get_table_names():
            if table == "alembic_version":
                continue
            found[table] = {
                "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in look.get_columns(table)],
                "key": look.get_pk_constraint(table)["constrained_columns"],
                "indexes": sorted((i["name"], i["column_names"], bool(i["unique"])) for i in look.get_indexes(table)),
                "unique": sorted(u["column_names"] for u in look.get_unique_constraints(table)),
            }
            if db.is_sqlite:
                sql = conn.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
                found[table]["without rowid"] = "WITHOUT ROWID" in sql
    return found


def by_models(db: Database, names: tuple[str, ...]) -> dict[str, Any]:
    with db.write() as conn:
        Base.metadata.create_all(conn, tables=[Base.metadata.tables[name] for name in names])
    return schema(db)


def sqlite(path: Path) -> Database:
    return Database(f"sqlite:///{path}")


def test_every_table_belongs_to_a_device_or_the_server() -> None:
    assert set(DEVICE) | set(SERVER) == set(Base.metadata.tables)


def test_a_new_device_database_has_the_tables_of_the_models(tmp_path: Path) -> None:
    made, wanted = sqlite(tmp_path / "made.db"), sqlite(tmp_path / "wanted.db")
    migrate_device(made)
    assert schema(made) == by_models(wanted, DEVICE)  # where they differ: tests/store/draw_schema.py


def test_a_new_server_database_has_the_tables_of_the_models_on_sqlite(tmp_path: Path) -> None:
    made, wanted = sqlite(tmp_path / "made.db"), sqlite(tmp_path / "wanted.db")
    migrate_server(made)
    assert schema(made) == by_models(wanted, SERVER)


@pytest.mark.postgres
def test_a_new_server_database_has_the_tables_of_the_models_on_postgresql(fresh_postgres: Callable[[bool], str]) -> None:
    made, wanted = Database(fresh_postgres(False)), Database(fresh_postgres(False))
    migrate_server(made)
    assert schema(made) == by_models(wanted, SERVER)
    made.close()
    wanted.close()


def test_migrating_again_changes_nothing_and_keeps_what_is_there(server_db: Database) -> None:
    before = schema(server_db)
    with server_db.write() as conn:
        conn.exec_driver_sql("INSERT INTO settings (name, value) VALUES ('a', 'b')")
    migrate_server(server_db)
    assert schema(server_db) == before
    with server_db.read() as conn:
        assert conn.exec_driver_sql("SELECT value FROM settings").scalars().all() == ["b"]


def test_a_device_database_is_migrated_once(tmp_path: Path) -> None:
    db = sqlite(tmp_path / "d.db")
    migrate_device(db)
    with db.write() as conn:
        conn.exec_driver_sql("INSERT INTO settings (name, value) VALUES ('a', 'b')")
    migrate_device(db)
    with db.read() as conn:
        assert conn.exec_driver_sql("PRAGMA user_version").scalar_one() == len(list(STEPS.glob("*.sql")))
        assert conn.exec_driver_sql("SELECT value FROM settings").scalars().all() == ["b"]


def test_a_step_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "0001.sql").write_text("CREATE TABLE one (a INTEGER);\n")
    (steps / "0002.sql").write_text("CREATE TABLE two (a INTEGER);\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr("fieldapp.store.migrations.device_steps.STEPS", steps)
    db = sqlite(tmp_path / "d.db")
    with pytest.raises(Problem):
        migrate_device(db)
    with db.read() as conn:
        assert conn.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all() == ["one"]
        assert conn.exec_driver_sql("PRAGMA user_version").scalar_one() == 1


def test_a_newer_device_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    migrate_device(sqlite(path))
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 900")
    raw.close()
    with pytest.raises(Problem) as refused:
        migrate_device(sqlite(path))
    assert refused.value.code == "database-newer"
    assert "900" in refused.value.message


def test_a_newer_server_database_is_refused(server_db: Database) -> None:
    with server_db.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Problem) as refused:
        migrate_server(server_db)
    assert refused.value.code == "database-newer"


@pytest.mark.parametrize("migrate", [migrate_device, migrate_server])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, migrate: Callable[[Database], None]) -> None:
    path = tmp_path / "d.db"
    path.write_bytes(b"These are the minutes of a meeting.\n" * 200)
    with pytest.raises(Problem) as refused:
        migrate(sqlite(path))
    assert refused.value.code == "database-damaged"
    assert path.read_bytes().startswith(b"These are")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    with pytest.raises(Problem) as refused:
        migrate_device(sqlite(path))
    assert refused.value.code == "database-foreign"


@pytest.mark.postgres
def test_servers_that_start_together_migrate_one_after_the_other(fresh_postgres: Callable[[bool], str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    url = fresh_postgres(False)
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate_server, databases))
    assert set(schema(databases[0])) == set(SERVER)
    for db in databases:
        db.close()


def test_a_device_migrates_without_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from fieldapp.store.database import Database; from fieldapp.store.migrations import migrate_device;"
        f"migrate_device(Database('sqlite:///{tmp_path / 'd.db'}')); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
