"""The main job in two real terminals, by keys alone: a technician does it with the network cut, the supervisor approves it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from fieldapp.store.home import Home
from tests.pty.terminal import KEYS, Terminal

pytestmark = pytest.mark.timeout(400)
JOB = "J-1051"
STEPS = (
    ("Job, hazards and access notes read", "y enter"),
    ("Protective equipment with you", "space down space enter"),
    ("Voltage tester: next test due", "space enter"),
    ("Reported to", "Sven enter"),
    ("Work permit", "1 enter"),
    ("Working height of today's work", "1 enter"),
    ("Way out, first aid and fire", "y enter"),
    ("Last-minute risk check", "1 enter"),
    ("Scan the tag on the control panel", "WK-CH1 enter"),
    ("Cooling lost since", "space enter"),
    ("First alarm in the controller", "6 enter"),
    ("Photo of the alarm list", "enter"),
    ("Cause, in words that the customer", "loose enter"),
    ("Cooling is back", "y enter"),
    ("Chilled water leaving", "6,5 enter"),
    ("Time without cooling", "90 enter"),
    ("What prevents a repeat", "nothing enter"),
    ("Work area clean", "y enter"),
    ("Guards and covers back", "y enter"),
    ("State in which the equipment", "1 enter"),
    ("Explained to the customer", "space down down space enter"),
    ("Open points, with a date each", "none enter"),
    ("Handed over at", "space enter"),
    ("Received by", "Sven enter"),
)
"""The step as the screen calls it, and the keys that answer it."""


def keys(terminal: Terminal, line: str) -> None:
    terminal.press(*line.split())


def status(path: Path, table: str = "jobs") -> str:
    with sqlite3.connect(path) as conn:
        row = conn.execute(f"SELECT status FROM {table} WHERE number = ?", (JOB,)).fetchone()
    conn.close()
    return str(row[0])


def signed(path: Path) -> bool:
    """Whether the log's signature is bound to the hash of the text that it holds."""
    with sqlite3.connect(path) as conn:
        rows = conn.execute(
            "SELECT e.body FROM entries e JOIN jobs j ON e.stream = j.stream WHERE e.type = 'signature.given' AND j.number = ?",
            (JOB,),
        ).fetchall()
    conn.close()
    bodies = [json.loads(row[0]) for row in rows]
    return len(bodies) == 1 and all(
        "Cooling is back: yes" in body["text"] and hashlib.sha256(body["text"].encode()).hexdigest() == body["shown"]
        for body in bodies
    )


def do_the_work(anna: Terminal) -> None:
    anna.press("/")
    anna.until("on this device")
    anna.send(JOB)
    anna.until("1 job found")
    anna.press("enter")
    anna.until("customer and asset")
    for key, words in (
        ("a", "Accepted. Saved."),
        ("t", "On the way. Saved."),
        ("v", "Arrived. Saved."),
        ("w", "Work started. Saved."),
    ):
        anna.press(key)
        anna.until(words)
        if key == "t":
            anna.until("all sent")
            anna.press("f12")
            anna.until("The network is cut")
            anna.until("○ offline")
    anna.press("enter")
    for number, (title, answer) in enumerate(STEPS, start=1):
        anna.until(f"Step {number} of 24")
        anna.until(lambda text, title=title: title in text.replace("│", " "))  # type: ignore[misc]
        keys(anna, answer)
        if title.startswith("Photo"):
            anna.until("alarm.png")
            anna.press("enter")
            anna.until("Enough attached")
            anna.press("f8")
    anna.until("Nothing stands in the way")
    anna.press("c")
    anna.until("becomes completed")
    anna.press("enter")
    anna.until("Give the screen to the customer now?")


def hand_over(anna: Terminal) -> None:
    anna.press("enter")
    anna.until("Hand the laptop to the customer")
    anna.press("enter")
    anna.until("Choose a PIN")
    keys(anna, "2580 enter 2580 enter")
    anna.until("What was done")
    for way_out in ("\x03", "\x1a", "\x1c", "\x04", "\x11", "\x10", KEYS["f1"], KEYS["f11"], KEYS["f12"]):
        anna.send(way_out)
        assert "What was done" in anna.settled(0.15), f"{way_out!r} leads out of the customer's pages"
    assert "Cooling is back: yes" in anna.text
    anna.press("enter")
    anna.until("How was it?")
    keys(anna, "5 tab 9 tab 7 enter")
    anna.until("Anything you want to tell us?")
    keys(anna, "quick enter enter")
    anna.until("Your signature")
    keys(anna, "Sven tab space enter")
    anna.until("Is this right?")
    for words in ("5 / 5", "9 / 10", "7 / 7", "quick", "Sven"):
        assert words in anna.text, anna.text
    anna.press("enter")
    anna.until("Thank you!")
    anna.press("ctrl+q", "esc")
    anna.until("Your PIN")
    keys(anna, "2580 enter")
    anna.until("unsent")


def test_a_job_from_accepted_to_approved(demo: Path) -> None:
    technician, supervisor = Home(demo / "technician"), Home(demo / "supervisor")
    technician.inbox.mkdir(exist_ok=True)
    (technician.inbox / "alarm.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"alarm" * 1000)
    with Terminal.fieldapp("demo", "--home", str(demo)) as anna:
        anna.until("● online")
        do_the_work(anna)
        hand_over(anna)
        anna.press("esc", "esc", "esc", "esc")
        anna.until("DONE, WAITING FOR REVIEW")
        anna.press("s")
        anna.until("Safe to leave: no")
        assert "1 photo" in anna.text
        anna.press("f12")
        anna.until("Safe to leave: yes")
        assert status(technician.database_file) == "completed"
        with Terminal.fieldapp("demo", "--home", str(demo), "--as", "supervisor") as petra:
            petra.until("● online")
            petra.until("to review")
            petra.press("f4")
            petra.until(JOB)
            petra.press("/")
            petra.until("on this device")
            petra.send(JOB)
            petra.until("1 job found")
            petra.press("enter")
            petra.until("steps, what failed first")
            petra.press("a")
            petra.until("Approve it as it is?")  # the promise that was broken is said once more
            assert "broken" in petra.text, petra.text
            petra.press("enter")
            petra.until("is approved. Saved.")
            petra.until("all sent")
            petra.press("ctrl+q")
            assert petra.ended() == 0
        anna.press("esc")
        anna.until(lambda text: JOB not in text, wait=90)  # the office's word has arrived: the job is closed
        anna.press("s")
        anna.until("Safe to leave: yes")
        anna.press("ctrl+q")
        assert anna.ended() == 0
    for path in (technician.database_file, supervisor.database_file, demo / "server" / "server.db"):
        assert status(path) == "approved", path
    for path in (technician.database_file, supervisor.database_file):
        assert signed(path), "whoever has the log can see that this is the text that was signed"
    with sqlite3.connect(technician.database_file) as conn:
        lanes = dict(conn.execute("SELECT lane || outcome, count(*) FROM own_entries GROUP BY 1").fetchall())
    conn.close()
    assert set(lanes) == {"settledapplied"}, lanes
