"""Whatever people type into names, notes and titles: in a real terminal nothing of it acts, vanishes or crashes anything."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from fieldapp.store.home import Home
from tests.pty.hostile import NEVER, NUMBER, SEQUENCES, evil, poison
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.timeout(240)


OWN = re.compile(r"\x1b\](?:0;Fieldapp|22;[a-z-]*|52;c;[A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")
"""The program's own: the window's title, the pointer's shape, what a person copies."""


def harmless(terminal: Terminal) -> None:
    """Every byte that the program has written so far."""
    for sequence in SEQUENCES:
        assert sequence not in terminal.written, sequence
    written = OWN.sub("", terminal.written.decode("utf-8", "replace"))
    assert not {character for character in written if character in NEVER}


class Walk:
    """Goes from screen to screen and remembers what was to be seen."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal, self.seen = terminal, ""

    def see(self, *wanted: str) -> str:
        """Wait for these words; look at everything there is."""
        for words in wanted:
            self.terminal.until(words)
        text = self.terminal.settled()
        harmless(self.terminal)
        assert "Traceback" not in text
        self.seen += text + "\n"
        return text

    def press(self, *keys: str, see: tuple[str, ...] = ()) -> str:
        self.terminal.press(*keys)
        return self.see(*see)


@pytest.fixture
def office_home(prepared: Path, tmp_path: Path) -> Path:
    path = tmp_path / "supervisor"
    shutil.copytree(prepared / "supervisor", path)
    poison(path, "tech-anna")
    _rename(path, evil("Me"))
    return path


@pytest.fixture
def technicians_home(office_home: Path) -> Path:
    """The same work, seen by the technician it was given to."""
    home = Home(office_home)
    identity = home.identity()
    assert identity is not None
    home.save_identity(msgspec.structs.replace(identity, person="tech-anna", role="technician"))
    return office_home


def _rename(path: Path, name: str) -> None:
    home = Home(path)
    identity = home.identity()
    assert identity is not None
    home.save_identity(msgspec.structs.replace(identity, name=name, url="http://127.0.0.1:9"))


def test_a_technicians_screens(technicians_home: Path) -> None:
    with Terminal.fieldapp("--home", str(technicians_home), columns=140, rows=40) as terminal:
        walk = Walk(terminal)
        walk.see(NUMBER)
        walk.press("s", see=("Safe to leave: no",))
        for _ in range(6):
            walk.press("down")
        walk.press("d", see=("Python",))
        walk.press("esc")
        walk.press("esc", see=(NUMBER,))
        walk.press("/", see=("on this device",))
        terminal.send("evil")
        walk.see("job found", "[b]")
        walk.press("enter", see=("customer and asset",))
        for _ in range(8):
            walk.press("pagedown")
        assert "De<" in walk.seen
        for _ in range(4):
            walk.press("]")
        walk.press("f1", see=("Esc closes",))
        walk.press("esc")
        walk.press("r")
        walk.press("enter", see=("St<",))
        for _ in range(4):
            walk.press("f8")
        walk.press("f9")
        walk.press("esc")
        walk.press("f3")
        walk.press("esc")
        walk.press("f2")
        walk.press("esc", "esc", "esc", "esc", see=(NUMBER,))
        for words in ("Ti<", "Cu<", "As<", "Ha<", "In<", "Op<", "Nt<", "Pr<", "Va<"):
            assert words in walk.seen, f"{words} was never shown"
        assert "[b]bold[/b]" in walk.seen
        assert "<U+001B>" in walk.seen
        assert "<U+202E>" in walk.seen
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        harmless(terminal)


def test_the_offices_screens(office_home: Path) -> None:
    with Terminal.fieldapp("--home", str(office_home), columns=140, rows=40) as terminal:
        walk = Walk(terminal)
        walk.see("J-10")
        walk.press("f", see=("Which jobs?",))
        walk.press("esc")
        walk.press("n", see=("New job",))
        terminal.send("Cu<")
        walk.see("Cu<")
        walk.press("esc")
        walk.press("/", see=("on this device",))
        terminal.send("evil")
        walk.see("job found")
        walk.press("enter", see=("Ti<",))
        walk.press("tab")
        for _ in range(6):
            walk.press("down")
        walk.press("enter", see=("One entry",))
        walk.press("esc")
        walk.press("esc")
        walk.press("esc", see=("J-10",))
        walk.press("ctrl+p")
        terminal.send("a")
        walk.see()
        walk.press("esc")
        for words in ("Ti<", "Cu<", "Pe<", "Nt<", "St<", "Me<"):
            assert words in walk.seen, f"{words} was never shown"
        assert "[b]bold[/b]" in walk.seen
        terminal.press("ctrl+q")
        assert terminal.ended() == 0
        harmless(terminal)
