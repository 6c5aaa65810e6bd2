"""Waiting for a state of the app, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from fieldapp.screens.app import FieldApp

_ROUNDS = 2_000


async def until(pilot: Pilot[Any], holds: Callable[[], object], what: str = "") -> None:
    """Let the app go on until this holds; fails after some seconds, saying what never came."""
    for _ in range(_ROUNDS):
        await pilot.pause()
        if holds():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"never came: {what or holds}")


async def press_text(pilot: Pilot[Any], text: str) -> None:
    """Type a text, key by key."""
    names = {" ": "space", "-": "minus", ":": "colon", "/": "slash", ".": "full_stop", ",": "comma", "?": "question_mark"}
    await pilot.press(*(names.get(character, character) for character in text))


def shown(app: FieldApp) -> str:
    """The text on the screen in front, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def text_of(app: FieldApp, selector: str) -> str:
    """The words of a Static of the screen in front."""
    return str(app.screen.query_one(selector, Static).content)
