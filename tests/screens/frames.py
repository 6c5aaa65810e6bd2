"""Frames: what a screen shows, as lines of text, held against the stored ones in tests/screens/frames/.

`pytest tests/screens/test_snapshots.py --snapshot-update` stores what the screens show now. Look at every changed frame before it
is committed: `git diff tests/screens/frames`.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual._context import visible_screen_stack
from textual.app import App
from textual.geometry import Size
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.screens.app import FieldApp
from fieldapp.widgets.footer import KeyFooter
from fieldapp.widgets.paragraphs import Paragraphs

FOLDER = Path(__file__).parent / "frames"
SIZES = ((80, 24), (140, 40))
_TURNS = 400


class Gallery:
    """Takes the frames of one walk through the screens, in one language and in each of SIZES.

    Args:
        walk: folder of the frames. update: store what is shown instead of comparing it.
    """

    def __init__(self, walk: str, language: str, *, update: bool) -> None:
        self.folder, self.language, self.update = FOLDER / walk, language, update
        self.taken: list[str] = []
        self.screens: dict[str, str] = {}
        self.wrong: list[str] = []

    async def take(self, pilot: Pilot[Any], name: str, *, stored: bool = True) -> None:
        """Look at the screen in front, in both sizes: nothing of our own words is cut, and it is what it was.

        Args:
            stored: False where it shows what another machine or folder would show otherwise.
        """
        for size in sorted(SIZES, key=lambda size: size != pilot.app.size):
            if size != pilot.app.size:
                await pilot.resize_terminal(*size)
            lines = await at_rest(pilot)
            file = self.folder / f"{name}.{self.language}.{size[0]}x{size[1]}.txt"
            where = f"{file.parent.name}/{file.name}"
            self.wrong += [f"{where}: {fault}" for fault in faults(pilot.app.screen, lines)]
            if stored:
                self.taken.append(file.name)
                self.screens[name] = type(pilot.app.screen).__name__
                self._compare(file, where, "\n".join(line.rstrip() for line in lines) + "\n")

    def _list_screens(self) -> None:
        """Which screen each frame shows, beside the frames: what has none is found without walking through everything."""
        file = self.folder / f"screens.{self.language}.txt"
        shown = "".join(f"{name} {screen}\n" for name, screen in sorted(self.screens.items()))
        self._compare(file, f"{file.parent.name}/{file.name}", shown)

    def _compare(self, file: Path, where: str, shown: str) -> None:
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(shown, encoding="utf-8")
            return
        stored = file.read_text(encoding="utf-8") if file.exists() else ""
        if stored != shown:
            changes = difflib.unified_diff(stored.splitlines(), shown.splitlines(), "stored", "shown", lineterm="", n=1)
            self.wrong.append(f"{where} has changed:\n" + "\n".join(changes))

    def close(self) -> None:
        """All frames of the walk were as stored, and none is stored that was not taken."""
        self._list_screens()
        stored = {file for file in self.folder.glob(f"*.{self.language}.*.txt")}
        left = sorted(file.name for file in stored if file.name not in self.taken)
        if self.update:
            for name in left:
                (self.folder / name).unlink()
            left = []
        assert not self.wrong, "\n\n".join(self.wrong)
        assert not left, f"stored, but no longer shown: {left}"


@contextmanager
def unpainted() -> Iterator[None]:
    """Nobody sees the headless terminal: nothing is worked out for it, so that a walk costs half. Frames are drawn when taken."""

    def drop(screen: Screen[Any]) -> None:
        screen._compositor._dirty_regions.clear()
        screen._dirty_widgets.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Screen, "_compositor_refresh", drop)
        yield


async def settled(pilot: Pilot[Any]) -> None:
    """Until nothing that was asked for is under way."""
    app = pilot.app
    await pilot.pause(0)
    await app.workers.wait_for_complete()
    if isinstance(app, FieldApp):
        await asyncio.wrap_future(app.session.later(lambda services: None))
    await pilot.pause(0)


async def at_rest(pilot: Pilot[Any]) -> list[str]:
    """The screen once it stands still."""
    before: list[str] = []
    for _ in range(_TURNS):
        lines = lines_of(pilot.app)
        if lines == before:
            return lines
        before = lines
        await settled(pilot)
        await behind_laid_out(pilot.app)
    raise AssertionError("the screen never came to rest:\n" + "\n".join(before))


async def behind_laid_out(app: App[Any]) -> None:
    """What stands behind a question follows a new size only when it comes to the front; a frame shows it as it will then be."""
    for screen in app._background_screens:
        heard = asyncio.Event()
        screen.call_later(heard.set)
        await heard.wait()
        app.stylesheet.update(screen)
        screen._refresh_layout()


def lines_of(app: App[Any]) -> list[str]:
    """The screen as it stands, line by line, modal windows on top of what is behind them."""
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def faults(screen: Screen[Any], lines: list[str]) -> list[str]:
    """What is wrong with a screen whatever it shows: lines out of step with the columns, own words cut."""
    width, height = screen.size
    found = [f"line {number} is {cell_len(line)} wide" for number, line in enumerate(lines) if cell_len(line) != width]
    if len(lines) != height:
        found.append(f"{len(lines)} lines")
    for widget in screen.query("*"):
        if not widget.display or not widget.region.area or not widget.visible:
            continue
        name = f"{type(widget).__name__}#{widget.id or ''}"
        for title in (widget.border_title, widget.border_subtitle):
            if title and cell_len(str(title)) > widget.outer_size.width - 4:
                found.append(f"{name}: its title is cut: {title}")
        if isinstance(widget, Static | Paragraphs):
            found += [f"{name}: {fault}" for fault in _text_faults(widget)]
        if isinstance(widget, KeyFooter) and not _has_help(widget, lines):
            found.append("the key line does not end with help")
    return found


def _text_faults(widget: Widget) -> list[str]:
    room = widget.content_size
    if not room.area:
        return []
    wanted = widget.get_content_height(Size(room.width, room.height), Size(room.width, room.height), room.width)
    return [f"{wanted} lines in a room of {room.height}"] if wanted > room.height else []


def _has_help(footer: KeyFooter, lines: list[str]) -> bool:
    offered = {active.binding.id for active in footer.screen.active_bindings.values() if active.enabled}
    return "help" not in offered or "F1" in lines[footer.region.y][-14:]
