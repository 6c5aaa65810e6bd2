"""Servers of several real processes on one PostgreSQL, to be used like a LiveServer.

This file is also the program of those processes: a law named on the command line is broken in each of them, and a file named there
tells them the time.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.live_server import Client, LiveServer

SEQUENCE = "positions-from-a-sequence"
STRETCH = 1000
"""What one transaction takes of the broken law's sequence: more than any push has rows."""
TOLD = "told-the-time-by="


def positions_from_a_sequence() -> None:
    """Break the law of the log: positions come from a PostgreSQL sequence instead of under the lock of the log's head row."""
    from sqlalchemy import text

    from fieldapp.store.server import ServerReplica

    def lock_log(self: ServerReplica, conn: Connection, log: str) -> tuple[int, str]:
        return int(conn.execute(text("SELECT nextval('places')")).scalar_one()), ""

    ServerReplica._lock_log = lock_log  # type: ignore[method-assign]


class ToldTime:
    """A clock in a file, for all processes of a server alike: milliseconds UTC."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self) -> int:
        return int(self.file.read_text("ascii"))

    def set(self, now: int) -> None:
        """In one step: nobody reads half a number."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(now), "ascii")
        fresh.replace(self.file)


def told_the_time(file: str) -> None:
    """Every server that this process opens goes by that clock."""
    from fieldapp.server import services

    services.wall_clock = ToldTime(Path(file))  # type: ignore[assignment]


def make_sequence(url: str) -> None:
    """What the broken law needs. The head's row keeps the highest position, as a table with a sequence would show it."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SEQUENCE places START {STRETCH} INCREMENT {STRETCH}")
        connection.execute(
            "CREATE FUNCTION highest() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.pos < OLD.pos THEN RETURN OLD; END IF; RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER highest BEFORE UPDATE ON log_heads FOR EACH ROW EXECUTE FUNCTION highest()")


@contextmanager
def several_processes(
    home: Path, database: str, *, workers: int = 2, law: str = "", clock: ToldTime | None = None, reserve_bytes: int = 0
) -> Iterator[LiveServer]:
    """A server of `workers` processes on a free port, with services of its own for what the office does.

    Args:
        clock: of all its processes; the machine's where there is none. reserve_bytes: the room on its disk that files leave free.
    """
    from fieldapp.server.services import open_server
    from fieldapp.server.settings import ServerSettings
    from tests.live_server import START_S, LiveServer

    class Processes(LiveServer):
        """`start` and `stop` are those of the real program."""

        _process: subprocess.Popen[str] | None = None

        @property
        def is_running(self) -> bool:
            return self._process is not None

        def start(self) -> None:
            self.services = open_server(self.settings, clock)
            self.services.start_relay()  # what the office does here is heard there
            if law and not self.port:
                make_sequence(database)
            told = f"{TOLD}{clock.file}" if clock else ""
            command = [sys.executable, __file__, str(home), database, str(self.port), str(workers), str(reserve_bytes), law, told]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert self._process.stdout is not None
            said = self._process.stdout.readline()
            assert said, f"the server did not start: {self._process.communicate()[1]}"
            self.port = int(said)

        def stop(self) -> None:
            if self._process is None:
                return
            process, self._process = self._process, None
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=START_S)
            assert (process.returncode, out, err) == (0, "", "")
            self.services.close()

    with Processes(ServerSettings(home=home, database=database, port=0, reserve_bytes=reserve_bytes)) as server:
        yield server


def emptied(server: LiveServer) -> None:
    """Make a running server like a fresh one, in a fraction of the time that one takes to start: nothing recorded, nobody enrolled,
    no files. It stays the same server: its incarnation and its secret are what they were."""
    from fieldapp.store.tables import SERVER

    tables = ", ".join(name for name in SERVER if name != "settings")
    with server.services.db.write() as conn:
        conn.exec_driver_sql(f"TRUNCATE {tables}")
    shutil.rmtree(server.settings.files_dir, ignore_errors=True)


def carried_to_postgres(dump: Path, database: str, folder: Path) -> None:
    """Put what a dump of an SQLite server holds into a PostgreSQL database with tables, as this version has them."""
    from fieldapp.store.database import Database
    from fieldapp.store.migrations import migrate_server
    from fieldapp.store.tables import SERVER, Base
    from tests.golden.corpus import restore

    restore(dump, folder / "carried.db")
    source, target = Database(f"sqlite:///{folder / 'carried.db'}"), Database(database)
    try:
        migrate_server(source)
        with source.read() as old, target.write() as new:
            for table in Base.metadata.sorted_tables:
                rows = [row._asdict() for row in old.execute(table.select())] if table.name in SERVER else []
                if rows:
                    new.execute(table.insert(), rows)
    finally:
        source.close()
        target.close()


def worker_of(client: Client) -> int:
    """Which process answers on this client's connection, which it keeps."""
    lines = client.http.get("/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("fieldapp_worker "))))


def client_at(server: LiveServer, person: str, worker: int) -> Client:
    """A device of this person whose connection is answered by that worker."""
    from tests.live_server import Client

    first = server.enrol(person)
    client = first
    for _ in range(500):
        if worker_of(client) == worker:
            return client
        client = Client(server)
        client.identity, client.token = first.identity, first.token
    raise AssertionError(f"worker {worker} never answers")


if SEQUENCE in sys.argv:
    positions_from_a_sequence()  # the workers' processes import this file as well
if sys.argv[-1].startswith(TOLD):
    told_the_time(sys.argv[-1].removeprefix(TOLD))

if __name__ == "__main__":
    from fieldapp.server.serve import run_server
    from fieldapp.server.settings import ServerSettings

    folder, url, port, count, reserve = sys.argv[1:6]
    run_server(
        ServerSettings(home=Path(folder), database=url, port=int(port), workers=int(count), reserve_bytes=int(reserve)),
        on_ready=lambda taken: print(taken, flush=True),  # noqa: T201
    )
