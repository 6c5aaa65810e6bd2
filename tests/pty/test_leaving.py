"""A terminal that is gone: the app ends and lets go of the home, whatever it was doing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fieldapp.screens.leaving import GRACE_S, LOOK_S
from fieldapp.store.home import Home
from tests.pty.terminal import Terminal

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")]
SOON_S = GRACE_S + LOOK_S + 10


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared / "technician", tmp_path / "technician")
    return tmp_path / "technician"


@pytest.mark.parametrize("told", [None, signal.SIGTERM, signal.SIGHUP])
def test_an_app_without_a_terminal_ends_and_lets_go_of_the_home(home: Path, told: signal.Signals | None) -> None:
    terminal = Terminal.fieldapp("--home", str(home))
    try:
        terminal.until("OVERDUE PROMISE")
        terminal.settled()
        terminal.send("jjjj")
        os.close(terminal._master)  # nobody reads what it writes from now on, and no signal says so
        if told is not None:
            terminal.process.send_signal(told)
        terminal.process.wait(SOON_S)
    except subprocess.TimeoutExpired:
        pytest.fail("it goes on for ever without a terminal")
    finally:
        terminal.process.kill()
        terminal.process.wait(10)
    with Home(home).locked("somebody else", wait=0):
        pass


def test_an_app_whose_screen_nobody_takes_ends_when_told(home: Path) -> None:
    """The terminal is there and stands still: the app waits to write, and hears nothing else."""
    with Terminal.fieldapp("--home", str(home)) as terminal:
        terminal.until("OVERDUE PROMISE")
        for _ in range(400):
            terminal.send("\x1b[B\x1b[A")  # answers that are never read
        terminal.process.send_signal(signal.SIGTERM)
        try:
            terminal.process.wait(SOON_S)
        except subprocess.TimeoutExpired:
            pytest.fail("it waits for its terminal for ever")
