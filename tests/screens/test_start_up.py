"""What the first frame costs: Textual, the domain and plain sqlite3. Nothing that writes, and nothing that talks to a network."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from textual.worker import WorkerFailed

from fieldapp.screens import session
from tests.screens.conftest import FieldHome
from tests.screens.until import until

HomeOf = Callable[[str], FieldHome]
HEAVY = (
    "sqlalchemy",
    "sqlmodel",
    "httpx",
    "fastapi",
    "uvicorn",
    "pyxform",
    "elementpath",
    "openpyxl",
    "alembic",
    "pydantic",
    "psycopg",
    "hashlib",
    "zoneinfo",
)
_PROBE = """
import asyncio, json, sys
from pathlib import Path
from fieldapp.opening import Opening
from fieldapp.screens.launch import app_for
from fieldapp.settings import DeviceSettings
from fieldapp.store.home import Home

heavy, path = json.loads(sys.argv[1]), Path(sys.argv[2])
home = Home(path)
app = app_for(home, home.identity(), Opening(path, offline=True), DeviceSettings({}))
found = {}

def first_frame():
    if found or type(app.screen).__name__ not in ("TodayScreen", "BoardScreen"):
        return
    lists = [widget for widget in app.screen.query("WindowList")]
    if lists and lists[0].count:
        found["heavy"] = [name for name in heavy if name in sys.modules]
        found["rows"] = lists[0].count
        found["text"] = lists[0].render_line(0).text + lists[0].render_line(1).text

warm = app._warm
app._warm = lambda: (first_frame(), warm())[1]

async def main():
    async with app.run_test(size=(80, 24)) as pilot:
        while not app.session._services:
            await pilot.pause()
        found["after"] = "sqlalchemy" in sys.modules

asyncio.run(main())
print(json.dumps(found))
"""


@pytest.mark.parametrize("person", ["tech-anna", "sup-petra"])
def test_nothing_heavy_is_imported_before_the_first_frame(field_home: HomeOf, person: str) -> None:
    """In a process of its own: at the moment the app goes on to open what writes, its first screen shows its data already."""
    home = field_home(person)
    words = [sys.executable, "-c", _PROBE, json.dumps(HEAVY), str(home.home.path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["heavy"] == []
    assert found["rows"] > 5, "the jobs of the person, by the light road"
    assert "J-" in found["text"]
    assert found["after"], "what writes is opened after the first frame"


def test_the_command_line_reaches_the_app_without_anything_heavy() -> None:
    probe = (
        "import sys, json, fieldapp.__main__, fieldapp.commands, fieldapp.screens.launch\n"
        "print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))"
    )
    words = [sys.executable, "-c", probe, json.dumps([*HEAVY, "textual"])]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2], check=True)
    assert json.loads(ran.stdout) == []


async def test_what_nobody_foresaw_after_the_first_frame_ends_the_app(field_home: HomeOf) -> None:
    """An app that looks well, says "not tried yet" for ever and saves nothing would be worse."""

    def fails(services: object, heard: object) -> NoReturn:
        raise LookupError("a table is missing")

    app = field_home("tech-anna").app(loop=fails)
    with pytest.raises(WorkerFailed, match="a table is missing"):
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 1


async def test_an_app_that_ends_before_it_is_warm_ends_quietly(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.session._services is not None)
        app.session.close()
        app._warm()
        await app.workers.wait_for_complete()
    assert app.return_code in (0, None)


def test_leaving_does_not_fail_on_what_takes_long_to_write(field_home: HomeOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large video that comes from a slow stick: it is attached all the same, and the home is let go after that."""
    monkeypatch.setattr(session, "CLOSE_S", 0.01)
    home, copied = field_home("tech-anna"), threading.Event()
    left = home.session()
    saved = left.later(lambda services: copied.wait() and services.drafts.save("job:1", "p/s1", 1, "the video", 1))
    try:
        left.close()
        assert not saved.done()
    finally:
        copied.set()
    with home.services() as services:  # waits until the home is free
        assert services.drafts.load("job:1", "p/s1", 1) == "the video"
