"""The app as the command line opens it, with its sync: a real server, a network that is cut, a server that is silent."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fieldapp.bootstrap import open_device
from fieldapp.commands.demo_network import DemoNetwork
from fieldapp.commands.fixture_loading import load_fixtures
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.language import language, set_language
from fieldapp.opening import Opening
from fieldapp.screens import app as app_module
from fieldapp.screens.app import FieldApp
from fieldapp.screens.launch import app_for, ended, keep_or_speak
from fieldapp.screens.session import KEPT_LANGUAGE
from fieldapp.screens.technician.sync_centre import SyncCentreScreen
from fieldapp.screens.technician.today import TodayScreen
from fieldapp.settings import DeviceSettings
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.sync.enrol import enrol
from fieldapp.sync.once import sync_once
from fieldapp.sync.status import SyncStatus
from tests.live_server import LiveServer, serving
from tests.screens.silent import silence
from tests.screens.until import shown, text_of, until

SETTINGS = DeviceSettings({})


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A real server with the demo company."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        load_fixtures(server.services)
        yield server


@pytest.fixture
def home(company: LiveServer, tmp_path: Path) -> Home:
    """A device of Anna's that has fetched everything."""
    place = Home(tmp_path / "device")
    enrol(company.url, company.services.accounts.issue_code("tech-anna").code, place, device_name="laptop")
    with open_device(place, "test") as device:
        assert sync_once(device, SETTINGS).problem is None
    return place


def app_of(home: Home, **opening: Any) -> FieldApp:
    identity = home.identity()
    assert identity is not None
    return app_for(home, identity, Opening(home.path, **opening), SETTINGS)


def note(services: Any) -> Any:
    job = services.reader.rows("SELECT stream, log FROM jobs WHERE number = 'J-1053'")[0]
    return services.replica.append([Draft(job["log"], job["stream"], NoteAdded("Said at the gate"))])


async def test_language_and_colours_chosen_on_a_screen_are_there_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIELDAPP_LANGUAGE", raising=False)
    app = app_of(home, offline=True)
    begun = app.theme
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f11", "ctrl+t")
        assert language() == "zh_CN"
        assert app.theme != begun
    set_language("en")
    again = app_of(home, offline=True)
    assert again.theme == app.theme
    keep_or_speak(again.session, "")
    assert language() == "zh_CN"
    monkeypatch.setenv("FIELDAPP_LANGUAGE", "en")
    set_language("en")
    keep_or_speak(again.session, "")
    assert language() == "en"
    keep_or_speak(again.session, "zh_TW")  # chosen on the first screen, before there was a home
    again.session.close()
    later = app_of(home, offline=True)
    assert later.session.kept(KEPT_LANGUAGE) == "zh_TW"
    later.session.close()


async def test_the_first_frame_says_what_is_unsent(home: Home) -> None:
    with open_device(home, "test") as device:
        note(device)
    app = app_of(home, offline=True)
    async with app.run_test(size=(80, 24)):
        assert "1 unsent" in shown(app)


async def test_the_loop_runs_by_itself_and_sends_what_is_recorded(home: Home) -> None:
    app = app_of(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "● online" in shown(app), "online by itself")
        app.record(note)
        reader = app.session.reader
        await until(pilot, lambda: reader.rows("SELECT 1 FROM own_entries WHERE lane = 'settled'"), "sent and settled by itself")
        await until(pilot, lambda: "all sent" in shown(app))


async def test_what_the_office_does_shows_on_the_screen_that_shows_it(company: LiveServer, home: Home, tmp_path: Path) -> None:
    office = Home(tmp_path / "office")
    enrol(company.url, company.services.accounts.issue_code("sup-petra").code, office, device_name="desk")
    app = app_of(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "● online" in shown(app))
        with open_device(office, "test") as desk:
            assert sync_once(desk, SETTINGS).problem is None
            before = desk.reader.rows("SELECT stream, number FROM jobs WHERE assignee = 'tech-anna' AND status = 'assigned'")
            row = before[-1]
            assert row["number"] in shown(app)
            desk.office.assign(row["number"], "tech-emre")
            assert sync_once(desk, SETTINGS).problem is None
        app.hurry()
        await until(pilot, lambda: row["number"] not in shown(app), "the job has left the list of today")


async def test_the_network_is_cut_and_comes_back(company: LiveServer, home: Home) -> None:
    network = DemoNetwork(company.port)
    app = app_of(home, url=network.url, network=network.toggle)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "● online" in shown(app))
            await pilot.press("f12")
            await until(pilot, lambda: "○ offline" in shown(app))
            app.record(note)
            await until(pilot, lambda: "1 unsent" in shown(app))
            app.push_screen(SyncCentreScreen())
            await until(pilot, lambda: "Safe to leave: no" in shown(app))
            await pilot.press("f12")
            await until(pilot, lambda: "Safe to leave: yes" in shown(app))
            assert "● online" in shown(app)
    finally:
        network.cut()


async def test_what_sync_tells_while_the_app_is_being_closed_disturbs_nothing(home: Home) -> None:
    app = app_of(home, offline=True)

    async def tell() -> None:
        while True:
            app.post_message(app.SyncMoved(SyncStatus("online", streams=frozenset({"job:j-1053"}))))
            await asyncio.sleep(0)

    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SyncCentreScreen())
        await until(pilot, lambda: "Safe to leave" in shown(app))
        telling = asyncio.create_task(tell())
    telling.cancel()
    assert not app.is_running


async def test_a_silent_server_costs_no_key_and_no_quitting(home: Home) -> None:
    with silence() as server:
        app = app_of(home, url=server.url)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, server.asked.is_set, "the loop has asked")
            app.record(note)
            await until(pilot, lambda: "1 unsent" in shown(app))
            app.push_screen(SyncCentreScreen())
            await until(pilot, lambda: "asking the server now" in text_of(app, "#connection"))
            began = time.monotonic()
        assert time.monotonic() - began < 2


async def test_without_a_network_nothing_is_asked(home: Home) -> None:
    app = app_of(home, offline=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, TodayScreen))
        app.record(note)
        await until(pilot, lambda: "1 unsent" in shown(app))
        assert "not tried yet" in shown(app)


async def test_an_address_that_cannot_be_used_is_said(home: Home) -> None:
    app = app_of(home, url="http://example.org")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "○ offline" in shown(app))
        app.push_screen(SyncCentreScreen())
        await until(pilot, lambda: "https" in text_of(app, "#connection"))


def test_the_demos_network_breaks_connections_off_and_takes_new_ones(company: LiveServer) -> None:
    import httpx

    network = DemoNetwork(company.port)
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{network.url}/healthz").status_code in (200, 404)
        assert not network.toggle()
        with pytest.raises(httpx.TransportError):
            client.get(f"{network.url}/healthz")
        assert network.toggle()
        assert client.get(f"{network.url}/healthz").status_code in (200, 404)
    network.cut()


def test_an_app_that_breaks_says_what_is_safe(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    app = app_of(home, offline=True)

    async def break_it(pilot: Pilot[None]) -> None:
        pilot.app.call_later(lambda: [][1])
        await pilot.pause()

    app.run(headless=True, auto_pilot=break_it)
    with pytest.raises(Problem, match="mistake of its own") as caught:
        ended(app)
    assert caught.value.code == "app-stopped"
    assert "is safe on this device" in caught.value.hint
    assert "IndexError" in capfd.readouterr().err


def test_an_app_that_is_left_ends_well(home: Home) -> None:
    app = app_of(home, offline=True)

    async def leave(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+q")

    app.run(headless=True, auto_pilot=leave)
    assert ended(app) == 0


async def test_a_revoked_device_closes_its_app_and_says_why(company: LiveServer, home: Home) -> None:
    identity = home.identity()
    assert identity is not None
    app = app_of(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.session.write(note)
        company.services.accounts.revoke(identity.device)
        app.hurry()
        await until(pilot, lambda: (home.identity() or identity).sealed)
        await until(pilot, lambda: app._exit)
    with pytest.raises(Problem, match="revoked by the office") as said:
        ended(app)
    assert said.value.code == "device-sealed"
    assert "--again" in said.value.hint
    assert list(home.database_file.parent.iterdir()) == []
    with pytest.raises(Problem, match="revoked by the office"):
        app_of(home)
    with company.services.db.read() as conn:
        query = "SELECT raw FROM quarantine WHERE device = ?"
        assert b"Said at the gate" in b"".join(conn.exec_driver_sql(query, (identity.device,)).scalars())


@pytest.fixture
def soon_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the home held waits a moment only."""
    monkeypatch.setattr(inspect.unwrap(Home.locked), "__defaults__", (0.2,))


async def held_at_the_start(app: FieldApp, pilot: Pilot[None]) -> None:
    """Another program has the home while the app starts."""
    await until(pilot, lambda: "in use by `fieldapp sync`" in notices(app), "told who holds the home")
    assert "not tried yet" in shown(app)


def notices(app: FieldApp) -> str:
    return "\n".join(note.message for note in app._notifications)


async def test_a_home_that_was_held_at_the_start_is_synced_when_it_is_free(
    home: Home, soon_refused: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "OPEN_AGAIN_S", 0.1)
    with ExitStack() as holding:
        holding.enter_context(home.locked("fieldapp sync"))
        app = app_of(home)
        async with app.run_test(size=(80, 24)) as pilot:
            await held_at_the_start(app, pilot)
            holding.close()
            await until(pilot, lambda: "● online" in shown(app), "by itself")
    assert notices(app).count("in use by") <= 1


async def test_what_is_recorded_first_begins_the_sync_that_was_refused_at_the_start(
    home: Home, soon_refused: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "OPEN_AGAIN_S", 3600.0)
    with ExitStack() as holding:
        holding.enter_context(home.locked("fieldapp sync"))
        app = app_of(home)
        async with app.run_test(size=(80, 24)) as pilot:
            await held_at_the_start(app, pilot)
            holding.close()
            app.record(note)
            reader = app.session.reader
            await until(pilot, lambda: reader.rows("SELECT 1 FROM own_entries WHERE lane = 'settled'"), "sent and settled")
            assert "● online" in shown(app)


async def test_damage_that_only_the_writer_meets_is_mended_under_the_running_app(home: Home) -> None:
    with open_device(home, "test") as device:
        note(device)
    with closing(sqlite3.connect(home.database_file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'epochs'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    raw = bytearray(home.database_file.read_bytes())
    raw[(page - 1) * size : page * size] = bytes(size)
    home.database_file.write_bytes(raw)
    app = app_of(home, offline=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "could not be read and lies at" in notices(app), "told")
        await until(pilot, lambda: "1 unsent" in shown(app))
        await app.session.write(lambda services: services.drafts.save("job:1", "P/s", 1, "half", 5))
        assert app.session.reader.rows("SELECT text FROM drafts")[0]["text"] == "half", "it reads the new one"


async def test_who_asks_to_sync_while_another_program_holds_the_home_hears_of_it(
    home: Home, soon_refused: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that the app was begun without a network, and that what is recorded is saved here."""
    monkeypatch.setattr(app_module, "OPEN_AGAIN_S", 3600.0)
    with home.locked("fieldapp sync"):
        app = app_of(home)
        async with app.run_test(size=(80, 24)) as pilot:
            await held_at_the_start(app, pilot)
            await pilot.press("s")
            await until(pilot, lambda: isinstance(app.screen, SyncCentreScreen), "the sync centre")
            await until(pilot, lambda: "in use by `fieldapp sync`" in text_of(app, "#connection"), "said beside the connection")
            before = notices(app).count("in use by")
            await pilot.press("s")
            await until(pilot, lambda: notices(app).count("in use by") > before, "told once more")
            assert "without a network" not in notices(app)
