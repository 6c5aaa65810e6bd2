"""Homes with the demo company in them, for tests of screens: built once, copied for each test. No network anywhere.

def test_x(field_home): app = field_home("tech-anna").app()  # a real app over a real local store, at NOW
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from fieldapp.language import set_language
from fieldapp.screens.app import FieldApp
from fieldapp.screens.session import Session
from fieldapp.store.home import Home, Identity
from fixtures.load import FixtureEntry, entries
from tests.made_once import made_once
from tests.screens.idle import waiting_for_idle

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=ZoneInfo("Europe/Berlin"))
NOW_MS = int(NOW.timestamp() * 1000)


class FieldHome:
    """One device's home. `app()` opens it as the program does; a second `app()` on the same home is a restart."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        identity = self.home.identity()
        assert identity is not None
        self.identity: Identity = identity

    def session(self) -> Session:
        return Session(self.home, self.identity)

    def app(self, **options: Any) -> FieldApp:
        return FieldApp(self.session(), **options)

    def services(self) -> Any:
        """What writes, as a context: for preparing a state before the app starts, or looking at it afterwards."""
        from fieldapp.bootstrap import open_device

        return open_device(self.home, "test")

    def killed(self) -> FieldHome:
        """The home as a power cut at this moment would leave it: what is on disk, nothing else."""
        path = self.home.path.with_name(self.home.path.name + "-after")
        shutil.copytree(self.home.path, path)
        return FieldHome(path)

    def put(self, name: str, data: bytes = b"\x89PNG") -> Path:
        """A file in the inbox."""
        path = self.home.inbox / name
        path.write_bytes(data)
        return path


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    set_language("en")
    yield
    set_language("en")


@pytest.fixture(autouse=True)
def until_idle() -> Iterator[None]:
    """Keys and pauses take as long as the app needs."""
    with waiting_for_idle():
        yield


@pytest.fixture
def frozen() -> Iterator[time_machine.Traveller]:
    """NOW, on every clock; it stands still."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="session")
def home_templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a person's home once."""

    @cache
    def template(person: str) -> Path:
        return made_once(tmp_path_factory, f"home-of-{person}", lambda folder: _build(folder, person))

    return template


@pytest.fixture
def field_home(home_templates: Callable[[str], Path], tmp_path: Path, frozen: time_machine.Traveller) -> Callable[[str], FieldHome]:
    """Gives a fresh copy of the home of a person of the demo company, with the clocks at NOW."""
    numbers = itertools.count(1)

    def home(person: str = "tech-anna") -> FieldHome:
        path = tmp_path / f"home-{next(numbers)}"
        shutil.copytree(home_templates(person), path)
        return FieldHome(path)

    return home


def _build(path: Path, person: str) -> Path:
    """What the server would have sent to this person's device, received in one page for each log."""
    from fieldapp.bootstrap import open_device
    from fieldapp.domain.roles import WHOLE_LOG
    from fieldapp.store.rows import Page, Row
    from fixtures.company import read_company

    company = read_company(datetime.fromtimestamp(NOW_MS // 1000, UTC).date())
    someone = company.people[person]
    home = Home(path)
    home.prepare()
    logs = ("org", someone.branch)
    home.save_identity(
        Identity("http://127.0.0.1:9", "dev-test", "T1", "secret", person, someone.name, someone.role, someone.branch, logs)
    )
    with time_machine.travel(NOW, tick=False):
        made = [item for item in _company() if item.log in logs]
        wanted: set[str] | None = None
        if someone.role not in WHOLE_LOG:
            own = {item.stream for item in made if item.entry.envelope.type == "job.assigned" and _assignee(item.body) == person}
            wanted = own | {stream for item in made if item.stream in own for stream in item.also}
        with open_device(home, "test") as device:
            for log in logs:
                of_log = [item for item in made if item.log == log]
                rows = tuple(
                    Row(log, pos, item.received_ms, item.entry, role=item.role)
                    for pos, item in enumerate(of_log, 1)
                    if log == "org" or wanted is None or wanted.intersection((item.stream, *item.also))
                )
                streams = ("*",) if log == "org" or wanted is None else tuple(sorted(wanted))
                added = tuple((log, stream, 0) for stream in streams)
                device.replica.receive(Page(rows=rows, cursors={log: f"{len(of_log)}:00000000"}, added=added))
    with sqlite3.connect(home.database_file) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    return path


@cache
def _company() -> tuple[FixtureEntry, ...]:
    """Everything that was ever recorded in the demo company: made once for the homes of all its people."""
    return tuple(entries(NOW_MS))


def _assignee(body: Any) -> str:
    return str(getattr(body, "person", ""))
