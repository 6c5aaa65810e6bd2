"""Waiting for a state of the app, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from fieldapp.screens.app import FieldApp

PATIENCE_S = 30.0
"""This only ends the wait for a state that never comes."""


async def until(pilot: Pilot[Any], holds: Callable[[], object], what: str = "") -> None:
    """Let the app go on until this holds.

    Raises:
        AssertionError: it never came about; with what is on the screen instead.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        await pilot.pause()
        if holds():
            return
        assert time.monotonic() < end, f"never came: {what or holds}\n{shown(pilot.app)}"
        await asyncio.sleep(0.002)


async def press_text(pilot: Pilot[Any], text: str) -> None:
    """Type a text, key by key."""
    names = {" ": "space", "-": "minus", ":": "colon", "/": "slash", ".": "full_stop", ",": "comma", "?": "question_mark"}
    await pilot.press(*(names.get(character, character) for character in text))


def shown(app: App[Any]) -> str:
    """The text on the screen in front, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def text_of(app: FieldApp, selector: str) -> str:
    """The words of a Static of the screen in front."""
    return str(app.screen.query_one(selector, Static).content)
