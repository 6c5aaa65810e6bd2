"""SIGKILL of the app at random moments, in a real terminal: `python -m tests.pty.app_kills --moments 50 --seed 1`.

A person types into a step, records, hands over, and the app sends what was recorded; then the process is killed. The app is opened
again and must show: whatever the screen had called saved, once; the half-typed text, on the same step of the same version of its
procedure. In the end everything is at the server, once.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fieldapp.store.home import Home
from tests.commands.runs import Device, ServerProcess
from tests.pty.terminal import KEYS, Terminal

TYPED, RECORDED = "J-1053", "J-1051"
"""The job whose step is typed into and which is handed over, and the one that is worked on from its acceptance on."""
FIELD = "What prevents a repeat"
PIN, NAME = "2580", "Sven"
FRAME = {ord(part): None for part in "▊▎"}
KEPT_S = 1.0
"""A keystroke is on the disk within this."""
KEY_S = 0.07
LIFECYCLE = (
    ("assigned", "a", "Accepted."),
    ("accepted", "t", "On the way."),
    ("travelling", "v", "Arrived."),
    ("on_site", "w", "Work started."),
)
ANSWERS = (
    "y enter", "space down space enter", "space enter", "Sven enter", "1 enter", "1 enter", "y enter", "1 enter", "WK-CH1 enter",
    "space enter", "6 enter",
)  # fmt: skip
"""Of the first steps of the job, in order."""
TYPED_ANSWERS = {"Sven", "WK-CH1"}


class Killed(Exception):
    """The moment has come."""


class Lost(AssertionError):
    """What was called saved is not there once, or a text did not come back."""


class Moments:
    """One technician's app, killed again and again.

    Args:
        home: her folder; its server runs. chance: draws the moments.
    """

    def __init__(self, home: Home, server_database: Path, chance: random.Random) -> None:
        self.home, self._server, self._chance = home, server_database, chance
        self.kills: Counter[str] = Counter()
        self.called_saved: Counter[str] = Counter()
        self.kept = 0
        self._remarks = 0
        self._saved_texts: set[str] = set()
        self._tried_texts: set[str] = set()
        self._thanked: set[str] = set()
        self._comments: set[str] = set()
        self._comment = self._note = ""
        self._deadline = float("inf")
        self._left_alone = False

    # --- Being killed -------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _app(self) -> Iterator[Terminal]:
        with Terminal.fieldapp("--home", str(self.home.path)) as app:
            self._app_now = app
            yield app

    def _killed_within(self, longest: float, act: Callable[[], None], earliest: float = 0.0) -> None:
        """Do something and kill the app at a random moment of it; an act that is over earlier is followed by waiting."""
        if self._left_alone:
            act()
            return
        self._deadline = time.monotonic() + self._chance.uniform(earliest, longest)
        try:
            act()
            while True:
                self._pause(0.02)
        except Killed:
            pass
        finally:
            self._deadline = float("inf")
        app = self._app_now
        app.process.kill()
        app.process.wait(10)
        while app.read(0.05) and app.process.poll() is None:
            pass

    def _pause(self, seconds: float) -> None:
        end = min(time.monotonic() + seconds, self._deadline)
        while (left := end - time.monotonic()) > 0:
            self._app_now.read(left)
        if time.monotonic() >= self._deadline:
            raise Killed

    def _until(self, holds: Callable[[str], bool]) -> None:
        if not self._comes(holds, 30):
            raise Lost(f"nothing came of it:\n{self._app_now.text}")

    def _comes(self, holds: Callable[[str], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not holds(self._app_now.text):
            self._pause(0.02)
            if time.monotonic() > end:
                return False
        return True

    def _press(self, line: str) -> None:
        for word in line.split():
            for part in [KEYS[word]] if word in KEYS else word:
                self._app_now.send(part)
                self._pause(KEY_S)

    # --- Ways ---------------------------------------------------------------------------------------------------------------------

    def _open_job(self, app: Terminal, number: str) -> None:
        app.until("help")
        app.press("/")
        app.until("on this device")
        app.send(number)
        app.until("1 job found")
        app.press("enter")
        app.until("customer and asset")
        app.settled(0.15)

    def _open_field(self, app: Terminal) -> None:
        app.press("enter")
        app.until("Step ")
        for _ in range(30):
            app.settled(0.15)
            if FIELD in pane(app.text):
                return
            app.press("f8")
        raise Lost(f"the step {FIELD!r} is nowhere:\n{app.text}")

    # --- What is done -------------------------------------------------------------------------------------------------------------

    def type_into_a_step(self) -> None:
        """Type into a step; afterwards the text stands there again, but for the last second."""
        with self._app() as app:
            self._open_job(app, TYPED)
            self._open_field(app)
            before = self._draft()
            written: list[tuple[float, str]] = []
            words = "".join(self._chance.choice("abcdefgh ijklmnop qrstuvwxyz") for _ in range(60))

            def typing() -> None:
                for letter in words:
                    written.append((time.monotonic(), letter))
                    app.send(letter)
                    self._pause(KEY_S)

            self._killed_within(len(words) * KEY_S, typing)
            end = time.monotonic()
        old = before[1] if before else ""
        typed = old + "".join(letter for _, letter in written)
        sure = old + "".join(letter for at, letter in written if at < end - KEPT_S)
        with self._app() as app:
            self._open_job(app, TYPED)
            app.press("enter")  # where something half-typed waits, the steps open there
            if sure:
                app.until("Step ")
                app.settled(0.2)
                draft = self._draft()
                if draft is None or not (typed.startswith(draft[1]) and draft[1].startswith(sure)):
                    raise Lost(f"typed {typed!r}, at least {sure!r} must be kept, {draft!r} is")
                if before is not None and before[0] != draft[0]:
                    raise Lost(f"the text was typed under version {before[0]} and is back under {draft[0]}")
                shown = "".join(pane(app.text).translate(FRAME).split())
                if FIELD.replace(" ", "") not in shown or "".join(draft[1].split())[-40:] not in shown:
                    raise Lost(f"{draft[1]!r} is not shown:\n{app.text}")
                self.kept += len(sure) - len(old)
                for _ in range(len(draft[1])):
                    app.send(KEYS["backspace"])
                app.settled(0.2)
                app.press("esc")
                app.until("customer and asset")
            else:
                app.settled(0.2)

    def record_a_note(self) -> None:
        """Note something; killed from the first letter to after Enter. A half-typed note is taken up where it was."""
        half = self._half_note()
        text = self._note if half else self._next_remark()
        if half and (not text.startswith(half) or text in self._texts()):
            raise Lost(f"{text!r} was typed; {half!r} is back, {text in self._texts()} on the disk")
        self._note = text
        with self._app() as app:
            self._open_job(app, TYPED)
            app.press("+")
            app.until("Enter saves")
            app.until(half)

            def note() -> None:
                self._press(f"{text[len(half) :]} enter")
                self._until(lambda screen: "Note saved." in screen)
                self._saved_texts.add(text)
                self.called_saved["recording a note"] += 1

            self._killed_within(1.6, note)

    def _next_remark(self) -> str:
        self._remarks += 1
        text = f"remark{self._remarks:03}"
        self._tried_texts.add(text)
        return text

    def record_steps(self) -> None:
        """Go on with the main job: accept, travel, arrive, start, then step after step."""
        with self._app() as app:
            self._open_job(app, RECORDED)
            self._killed_within(2.5, lambda: self._work(app))
        self._check_steps()

    def _work(self, app: Terminal) -> None:
        for status, key, words in LIFECYCLE:
            if self._status() == status:
                self._press(key)
                self._until(lambda screen, words=words: words in screen)  # type: ignore[misc]
                if self._status() == status:
                    raise Lost(f"{words} was said, the job is {status}")
                self.called_saved["recording steps"] += 1
        self._press("enter")
        self._until(lambda screen: "Step " in pane(screen))
        tries = 0
        while (number := step_number(app.text)) <= len(ANSWERS):
            answer, half = ANSWERS[number - 1], self._half_step()
            if answer.split()[0] in TYPED_ANSWERS:  # what a kill left half-typed stands there again
                self._press("backspace " * len(half))
            self._press(answer)
            if not self._comes(lambda screen, number=number: step_number(screen) > number, 6):  # type: ignore[misc]
                tries += 1  # what a kill left half-ticked was ticked off again
                if tries == 4:
                    raise Lost(f"{answer!r} is not recorded:\n{app.text}")
                continue
            if number > len(set(self._steps())):
                raise Lost(f"step {number} was left as recorded, {len(self._steps())} are on the disk")
            self.called_saved["recording steps"] += 1
            tries = 0

    def _check_steps(self) -> None:
        doubled = [step for step, times in Counter(self._steps()).items() if times > 1]
        if doubled:
            raise Lost(f"recorded more than once: {doubled}")

    def hand_over(self) -> None:
        """The customer's pages, killed anywhere between the first and the thanks; what was entered is there again."""
        with self._app() as app:
            self._open_job(app, TYPED)
            app.press("h")
            app.until("Hand the laptop to the customer")
            if not self._comment or self._comment in self._feedback():
                self._comment = f"quick and clean {len(self._comments) + 1}"
                self._comments.add(self._comment)
            comment, kept = self._comment, self._entered()
            before = str(kept.get("comment", ""))
            if not comment.startswith(before) or before in self._feedback():
                raise Lost(f"{before!r} is offered to be recorded once more; the customer now says {comment!r}")

            def customer() -> None:
                self._press("enter")
                self._until(lambda screen: "Choose a PIN" in screen or "What was done" in screen)
                if "Choose a PIN" in app.text:
                    self._press(f"{PIN} enter {PIN} enter")
                    self._until(lambda screen: "What was done" in screen)
                self._press("enter")
                self._until(lambda screen: "How was it?" in screen)
                self._press("5 tab 9 tab 7 enter")
                self._until(lambda screen: "Anything you want to tell us?" in screen)
                if before not in app.text:
                    raise Lost(f"the customer had written {before!r}:\n{app.text}")
                for letter in comment[len(before) :]:
                    app.send(letter)
                    self._pause(KEY_S)
                self._press("enter enter")
                self._until(lambda screen: "Your signature" in screen)
                name = str(kept.get("name", ""))
                if name not in app.text:
                    raise Lost(f"the customer had signed {name!r}:\n{app.text}")
                self._press(f"{NAME[len(name) :]} enter" if kept.get("consent") else f"{NAME[len(name) :]} tab space enter")
                self._until(lambda screen: "Is this right?" in screen)
                if comment not in app.text or NAME not in app.text:
                    raise Lost(f"{comment!r} of {NAME} was entered:\n{app.text}")
                self._press("enter")
                self._until(lambda screen: "Thank you!" in screen)
                self._thanked.add(comment)
                self.called_saved["handing over"] += 1

            self._killed_within(9.0, customer)
        found = Counter(self._feedback())
        if any(times > 1 for times in found.values()):
            raise Lost(f"feedback recorded more than once: {found}")
        if self._thanked - set(found):
            raise Lost(f"thanked for, and not there: {self._thanked - set(found)}")

    def send(self) -> None:
        """The app starts with unsent work and begins to send it."""
        device = Device(self.home.path)
        for _ in range(3):
            text = self._next_remark()
            device("note", TYPED, text).good()
            self._saved_texts.add(text)
            self.called_saved["sending"] += 1
        with self._app() as app:
            self._killed_within(
                2.5, lambda: self._until(lambda screen: "all sent" in screen and app.process.poll() is not None), 0.4
            )

    # --- What is on the disk ------------------------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: object) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.home.database_file)) as conn:
            return conn.execute(query, values).fetchall()

    def _stream(self, number: str) -> str:
        return self._rows("SELECT stream FROM jobs WHERE number = ?", number)[0][0]

    def _status(self) -> str:
        return self._rows("SELECT status FROM jobs WHERE number = ?", RECORDED)[0][0]

    def _bodies(self, kind: str) -> list[dict[str, object]]:
        rows = self._rows(
            "SELECT e.raw, e.body FROM entries e JOIN own_entries o ON o.entry_id = e.id GROUP BY e.id "
            "ORDER BY min(o.epoch), min(o.seq)"
        )
        return [json.loads(body) for raw, body in rows if json.loads(raw)["type"] == kind]

    def _texts(self) -> list[str]:
        return [str(body["text"]) for body in self._bodies("note.added")]

    def _feedback(self) -> list[str]:
        return [str(body["comment"]) for body in self._bodies("feedback.given")]

    def _steps(self) -> list[str]:
        return [str(body["step"]) for body in self._bodies("step.recorded")]

    def _draft(self) -> tuple[int, str] | None:
        """(version, text) of the half-typed step."""
        found = self._rows("SELECT version, text FROM drafts WHERE job = ? AND version > 0", self._stream(TYPED))
        return (int(found[0][0]), found[0][1]) if found else None

    def _half_step(self) -> str:
        """What is on the disk of a step of the job that is worked on, and not recorded."""
        found = self._rows("SELECT text FROM drafts WHERE job = ? AND version > 0", self._stream(RECORDED))
        return found[0][0] if found else ""

    def _half_note(self) -> str:
        found = self._rows("SELECT text FROM drafts WHERE job = ? AND step = 'note:'", self._stream(TYPED))
        return found[0][0] if found else ""

    def _entered(self) -> dict[str, object]:
        """What the customer has entered and not confirmed."""
        found = self._rows("SELECT text FROM drafts WHERE job = ? AND step = 'handover'", self._stream(TYPED))
        return dict(json.loads(found[0][0])) if found else {}

    # --- The end ------------------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Left alone, a person comes to the end of each of these, and the app sends everything; on both disks each thing is there
        once.

        Raises:
            Lost: it is not.
        """
        self._left_alone = True
        for act in (self.record_a_note, self.record_steps, self.hand_over):
            act()
        if not (self._note in self._texts() and len(set(self._steps())) >= len(ANSWERS) and self._thanked):
            raise Lost(f"not to the end: {self._texts()}, {self._steps()}, {self._thanked}")
        with self._app() as app:
            app.until("help")
            app.until(lambda text: "● online" in text and "all sent" in text, wait=60)
            app.settled()
            app.press("ctrl+q")
            app.ended()
        here = Counter(text for text in self._texts() if text in self._tried_texts)
        if missing := self._saved_texts - set(here):
            raise Lost(f"called saved and not there: {sorted(missing)}")
        if doubled := [text for text, times in here.items() if times > 1]:
            raise Lost(f"there more than once: {doubled}")
        own = {row[0] for row in self._rows("SELECT DISTINCT entry_id FROM own_entries")}
        with closing(sqlite3.connect(self._server)) as conn:
            there = Counter(row[0] for row in conn.execute("SELECT entry_id FROM log_rows WHERE kind = 'entry'") if row[0] in own)
            strange = conn.execute("SELECT outcome, count(*) FROM log_rows WHERE outcome <> 'applied' GROUP BY outcome").fetchall()
        if set(there) != own or set(there.values()) - {1}:
            raise Lost(f"{len(own)} recorded, {len(there)} at the server, most often {there.most_common(1)}")
        if strange:
            raise Lost(f"not everything was applied: {strange}")


def pane(screen: str) -> str:
    """What stands right of the outline of the step runner."""
    return "\n".join(line.partition("│")[2] for line in screen.splitlines())


def step_number(screen: str) -> int:
    """The number in `Step 3 of 24`; 99 beyond the last."""
    found = [line for line in pane(screen).splitlines() if line.strip().startswith("Step ")]
    return int(found[0].split()[1]) if found else (99 if "Nothing stands in the way" in screen else 0)


def kill_the_app(folder: Path, moments: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Moments:
    """Copy nothing, prove everything: `folder` holds `server` and `technician` as prepared by tests/commands.

    Raises:
        Lost: something that was called saved is not there once, or half-typed text is gone.
    """
    server = ServerProcess(folder / "server")
    server.start()
    try:
        home = Home(folder / "technician")
        Device(home.path).use_server(server.url)
        chance = random.Random(seed)
        run = Moments(home, folder / "server" / "server.db", chance)
        kinds = {
            "typing": run.type_into_a_step, "recording a note": run.record_a_note, "recording steps": run.record_steps,
            "handing over": run.hand_over, "sending": run.send,
        }  # fmt: skip
        for number in range(moments):
            name = list(kinds)[number % len(kinds)]
            began = time.monotonic()
            kinds[name]()
            run.kills[name] += 1
            told(f"{number + 1:>3} {name}: {time.monotonic() - began:.1f} s")
        run.end()
    finally:
        server.stop()
    return run


def told_of(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in counts.items())


def main() -> int:
    from tests.commands.conftest import _prepare

    parser = argparse.ArgumentParser(prog="python -m tests.pty.app_kills", description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fieldapp-kills-"))
    try:
        _prepare(folder)
        run = kill_the_app(folder, chosen.moments, chosen.seed, told=lambda line: print(line, flush=True))
        print(
            f"{sum(run.kills.values())} kills ({told_of(run.kills)}): {sum(run.called_saved.values())} things called saved "
            f"({told_of(run.called_saved)}), each there once; {run.kept} letters of half-typed text back"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
