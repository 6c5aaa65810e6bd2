"""Keys in a real terminal: a scanner's burst, and a server that takes connections and never answers."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from fieldapp.store.home import Home
from tests.pty.terminal import Terminal
from tests.screens.silent import silence

pytestmark = pytest.mark.timeout(240)
ANSWER_S = 0.2
"""Each key is answered within this, whatever the network does."""


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    path = tmp_path / "technician"
    shutil.copytree(prepared / "technician", path)
    return path


def point_to(path: Path, url: str) -> None:
    home = Home(path)
    identity = home.identity()
    assert identity is not None
    home.save_identity(msgspec.structs.replace(identity, url=url))


def own_entries(path: Path) -> list[str]:
    with sqlite3.connect(Home(path).database_file) as conn:
        found = conn.execute("SELECT e.type FROM own_entries o JOIN entries e ON e.id = o.entry_id").fetchall()
    conn.close()
    return [row[0] for row in found]


def test_a_scanners_burst_on_today_opens_the_job_and_fires_no_action(home: Path) -> None:
    """The label's letters are accept, travel, arrive, start and decline."""
    with Terminal.fieldapp("--home", str(home)) as terminal:
        terminal.until("OVERDUE PROMISE")
        terminal.settled()
        terminal.send("atvwx-j-1053\r")
        terminal.until("job found" if "job found" in terminal.text else "has all these words")
        assert "atvwx-j-1053" in terminal.text
        terminal.press("esc")
        terminal.until("OVERDUE PROMISE")
        terminal.send("j-1053\r")
        terminal.until("customer and asset")
        assert "J-1053" in terminal.text
        terminal.press("esc")
        terminal.until("OVERDUE PROMISE")
        terminal.send("/j-1055\r")
        terminal.until("customer and asset")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    assert own_entries(home) == []


def test_without_colours_nothing_is_coloured_and_nothing_is_missing(home: Path) -> None:
    """NO_COLOR (no-color.org): shades of grey alone; each state is a glyph and a word anyway."""
    with Terminal.fieldapp("--home", str(home), environment={"NO_COLOR": "1"}) as terminal:
        terminal.until("OVERDUE PROMISE")
        terminal.press("s")
        terminal.until("Safe to leave")
        for words in ("↑ unsent", "⇡ sending", "◐ received", "✓ settled", "✗ refused"):
            assert words in terminal.text
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    painted = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", terminal.written)
    assert painted
    assert [colour for colour in painted if len(set(colour)) > 1] == []


def test_each_key_is_answered_while_the_server_is_silent(home: Path) -> None:
    with silence() as server:
        point_to(home, server.url)
        with Terminal.fieldapp("--home", str(home)) as terminal:
            terminal.until("OVERDUE PROMISE")
            assert server.asked.wait(20), "the sync is waiting for the server by now"
            took: dict[str, float] = {}
            keys = "down down up end home s d esc esc / j 1 backspace esc f1 esc"
            for key in keys.split():
                terminal.settled()
                took[f"{len(took)} {key}"] = terminal.answered(key)
            terminal.settled()
            terminal.press("a")
            terminal.until("1 unsent")
            slow = {key: seconds for key, seconds in took.items() if seconds > ANSWER_S}
            assert not slow
            terminal.press("ctrl+q")
            assert terminal.ended(wait=10) == 0
    assert own_entries(home)
