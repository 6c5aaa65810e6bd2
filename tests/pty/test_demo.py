"""The demo in a real terminal: jobs at once, a network that is cut and restored by a key, two people on one server."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from fieldapp.commands.demo import NOTES
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.timeout(240)


def port_of(demo: Path) -> int:
    """Where its server listens as a rule."""
    return int(json.loads((demo / NOTES).read_text(encoding="utf-8"))["url"].rpartition(":")[2])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_first_start_makes_everything_and_shows_todays_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    words = ("demo", "--home", str(folder), "--port", "0")
    with Terminal.fieldapp(*words) as terminal, Terminal.fieldapp(*words, "--as", "sup-petra") as office:
        terminal.until("Making the demo company")
        terminal.until("OVERDUE PROMISE", wait=60)
        terminal.until("● online")
        office.until("Petra Lindner")  # a second terminal waits until the first has made it, whichever is first
        office.until("● online")
        office.press("ctrl+q")
        assert office.ended() == 0
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
        terminal.press("esc")
        terminal.until("1 job found")
        terminal.press("esc")
        terminal.until("LATER")
        terminal.press("s")
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


def test_an_app_that_is_killed_leaves_no_server_and_the_next_one_starts_its_own(demo: Path) -> None:
    port = port_of(demo)
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("● online")
        assert listens(port)
        terminal.process.kill()
        terminal.process.wait(10)
    deadline = time.monotonic() + 30
    while listens(port):
        assert time.monotonic() < deadline, "the server outlives the app that was killed"
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("● online")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0


def test_a_port_that_another_program_has_taken_is_not_needed(demo: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port_of(demo)))
        other.listen()
        with Terminal.fieldapp("demo", "--home", str(demo)) as anna:
            anna.until("● online")
            with Terminal.fieldapp("demo", "--home", str(demo), "--as", "supervisor") as petra:
                petra.until("● online")
                petra.press("ctrl+q")
                assert petra.ended() == 0
            anna.press("ctrl+q")
            assert anna.ended() == 0


def test_a_device_of_the_demo_that_is_gone_is_made_again(demo: Path) -> None:
    shutil.rmtree(demo / "technician")
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("OVERDUE PROMISE")
        terminal.press("ctrl+q")
        assert terminal.ended() == 0


def test_somebody_who_is_not_in_the_demo_is_refused_in_a_sentence(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo), "--as", "nobody") as terminal:
        terminal.until("Nobody in the demo is called")
        assert terminal.ended() == 1


def test_a_window_that_is_closed_leaves_nothing_running(demo: Path) -> None:
    with Terminal.fieldapp("demo", "--home", str(demo)) as terminal:
        terminal.until("● online")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.ended()
        assert not listens(port_of(demo)), "the server has ended with the app"
