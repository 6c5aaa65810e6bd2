"""No key is lost between two screens: what is typed ahead acts on the screen that closes or opens, in order, each key once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual import events
from textual.widgets import Input, TextArea

from fieldapp.screens.app import FieldApp
from fieldapp.screens.asking import AskScreen, Question
from fieldapp.screens.help import HelpScreen
from fieldapp.screens.search import SearchScreen
from fieldapp.screens.technician.job import JobScreen
from fieldapp.screens.technician.today import TodayScreen
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.until import until

Homes = Callable[[str], FieldHome]

_CHARACTERS = {"space": " ", "plus": "+", "slash": "/"}


def type_ahead(app: FieldApp, *keys: str) -> None:
    """All of these are there before the app looks at the first of them, as when it is busy."""
    for key in keys:
        app.post_message(events.Key(key, _CHARACTERS.get(key, key if len(key) == 1 else None)).set_sender(app))


@pytest.mark.parametrize("downs", [1, 2, 5])
async def test_what_is_typed_right_after_escape_acts_on_the_screen_behind(field_home: Homes, downs: int) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        today = app.screen
        assert isinstance(today, TodayScreen)
        jobs = today.query_one(WindowList)
        rows = [jobs._at(index) for index in range(jobs.count)]
        first = jobs.cursor
        for _ in range(3):
            await pilot.press("f1")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            type_ahead(app, "escape", *["down"] * downs)
            await until(pilot, lambda: app.screen is today and app.keys.going is None)
        stops = [index for index in range(len(rows)) if not jobs._skip(rows[index])]
        assert jobs.cursor == stops[min(len(stops) - 1, stops.index(first) + 3 * downs)]


async def test_a_whole_way_through_screens_typed_ahead_is_gone_step_by_step(field_home: Homes) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        today = app.screen
        type_ahead(app, "down", "enter", "f1", "escape", "plus", *"Pump", "space", *"warm")
        await until(pilot, lambda: isinstance(app.focused, TextArea) and app.focused.text == "Pump warm")
        type_ahead(app, "escape", "escape", "slash", *"chill")
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == "chill")
        assert isinstance(app.screen, SearchScreen)
        type_ahead(app, "escape", "up", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.keys.going is None)
        assert app.screen_stack[-2] is today


async def test_a_key_taken_along_by_a_screen_that_somebody_else_closes_goes_to_the_one_behind(field_home: Homes) -> None:
    """As when what was being saved is saved, and its window closes, while a key is on its way through it."""
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        today = app.screen
        app.push_screen(AskScreen("A question", [Question("Why")]))
        await until(pilot, lambda: isinstance(app.focused, Input))
        field, busy = app.focused, asyncio.Event()
        assert field is not None
        field.call_later(busy.wait)
        type_ahead(app, "f1", "escape", "slash", "x")
        await asyncio.sleep(0)
        app.pop_screen()
        busy.set()
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == "x")
        assert isinstance(app.screen, SearchScreen)
        assert app.screen_stack[-2] is today


async def test_keys_are_obeyed_once_each_in_a_field(field_home: Homes) -> None:
    app = field_home("tech-anna").app()
    text = "the quick brown fox jumps over the lazy dog"
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(AskScreen("A question", [Question("Why")]))
        await until(pilot, lambda: isinstance(app.focused, Input))
        field = app.focused
        assert isinstance(field, Input)
        type_ahead(app, *("space" if letter == " " else letter for letter in text))
        await until(pilot, lambda: len(field.value) >= len(text) and app.keys.going is None)
        assert field.value == text


async def test_the_app_may_end_while_keys_are_on_their_way(field_home: Homes) -> None:
    for _ in range(3):
        app = field_home("tech-anna").app()
        async with app.run_test(size=(80, 24)):
            type_ahead(app, "f1", "escape", "enter", "escape", "f1")
            await asyncio.sleep(0)
            app.exit()
        assert app.return_code == 0
