"""The demo in a real terminal: jobs at once, a network that is cut and restored by a key, two people on one server."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest

from fieldapp.commands.demo import NOTES
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.timeout(240)


def test_the_first_start_makes_everything_and_shows_todays_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with Terminal.fieldapp("demo", "--home", str(folder), "--port", "0") as terminal:
        terminal.until("Making the demo company")
        terminal.until("OVERDUE PROMISE", wait=60)
        terminal.until("● online")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
    began = time.monotonic()
    with Terminal.fieldapp("demo", "--home", str(folder), "--offline") as terminal:
        terminal.until("OVERDUE PROMISE")
        assert time.monotonic() - began < 10
        assert "Making the demo" not in terminal.text
        terminal.until("○ offline")
        terminal.press("f12")
        terminal.until("● online")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0


def test_a_key_cuts_the_network_and_work_goes_on(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("● online")
        terminal.press("f12")
        terminal.until("○ offline")
        terminal.press("/")
        terminal.until("on this device")
        terminal.send("J-1051")
        terminal.until("1 job found")
        terminal.press("enter")
        terminal.until("customer and asset")
        terminal.press("a")
        terminal.until("1 unsent")
        terminal.press("esc", "esc", "s")
        terminal.until("Safe to leave: no, 1 fact is only on this device")
        terminal.press("f12")
        terminal.until("Safe to leave: yes")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0


def test_two_people_share_one_server_and_either_may_leave_first(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo)) as anna:
        anna.until("● online")
        with Terminal.fieldapp("demo", "--home", str(demo), "--as", "supervisor") as petra:
            petra.until("Petra Lindner")
            petra.until("● online")
            anna.press("ctrl+q")
            assert anna.ended() == 0
            petra.press("s")
            petra.until("Safe to leave: yes")
            petra.press("s")
            petra.until(lambda text: "○ offline" in text or "● online" in text)
            petra.press("s")
            petra.until("● online", wait=60)
            petra.press("ctrl+q")
            assert petra.ended() == 0


def test_somebody_who_is_not_in_the_demo_is_refused_in_a_sentence(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo), "--as", "nobody") as terminal:
        terminal.until("Nobody in the demo is called")
        assert terminal.ended() == 1


def test_a_window_that_is_closed_leaves_nothing_running(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("● online")
        url = json.loads((demo / NOTES).read_text(encoding="utf-8"))["url"]
        terminal.process.send_signal(signal.SIGTERM)
        terminal.ended()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0, "the server has ended with the app"
