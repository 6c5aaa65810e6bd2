"""A terminal with a person in front of it: a real pty, a program in it, keys, and what is to be seen on the screen.

The screen is kept by pyte (a terminal emulator). Every byte that the program wrote is kept too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from tests.pty.program import PtyProgram, lines_of

KEYS = {
    "enter": "\r", "esc": "\x1b", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "tab": "\t", "space": " ",
    "backspace": "\x7f", "ctrl+q": "\x11", "ctrl+p": "\x10", "ctrl+t": "\x14", "pagedown": "\x1b[6~", "pageup": "\x1b[5~",
    "home": "\x1b[H", "end": "\x1b[F",
    "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS", "f5": "\x1b[15~", "f6": "\x1b[17~", "f7": "\x1b[18~",
    "f8": "\x1b[19~", "f9": "\x1b[20~", "f10": "\x1b[21~", "f11": "\x1b[23~", "f12": "\x1b[24~",
}  # fmt: skip
WAIT_S = 30.0
"""A test waits for a state; this only ends one that never comes."""
HAND_S = 0.12
"""Between two keys of a hand. A scanner is many times faster."""


class Terminal(PtyProgram):
    """One program in a terminal of `columns` x `rows`.

    Args:
        words: the command line. environment: added to this process's own.
    """

    def __init__(
        self, words: Sequence[str], *, environment: Mapping[str, str] | None = None, columns: int = 80, rows: int = 24
    ) -> None:
        self.written = b""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        names = ("FIELDAPP_HOME", "FIELDAPP_LANGUAGE", "FIELDAPP_SERVER", "LC_", "LANG", "COLUMNS", "LINES", "NO_COLOR", "TEXTUAL")
        own = {name: value for name, value in os.environ.items() if not name.startswith((*names, "TERM", "COLORTERM"))}
        super().__init__(words, {**own, **(environment or {})}, columns, rows)

    @classmethod
    def fieldapp(cls, *words: str, environment: Mapping[str, str] | None = None, columns: int = 80, rows: int = 24) -> Terminal:
        """`fieldapp ...` in a terminal."""
        return cls([sys.executable, "-m", "fieldapp", *words], environment=environment, columns=columns, rows=rows)

    # --- Looking ------------------------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The screen as lines."""
        return lines_of(self.screen.display)

    def read(self, wait: float = 0.05) -> bool:
        """Take in what the program has written. False once it has closed its end."""
        data = self.take(wait)
        if not data:
            return data is None
        self.written += data
        self._stream.feed(data)
        return True

    def until(self, seen: str | Callable[[str], bool], *, wait: float = WAIT_S) -> str:
        """Wait until a text is on the screen (or a condition of the screen's text holds); returns the screen."""
        holds = (lambda text: seen in text) if isinstance(seen, str) else seen
        deadline = time.monotonic() + wait
        while not holds(self.text):
            alive = self.read()
            if holds(self.text):
                break
            assert alive, f"the program ended before {seen!r} was seen:\n{self.text}"
            assert time.monotonic() < deadline, f"{seen!r} was not seen within {wait} s:\n{self.text}"
        return self.text

    def gone(self, text: str, *, wait: float = WAIT_S) -> str:
        return self.until(lambda screen: text not in screen, wait=wait)

    def settled(self, quiet: float = 0.3) -> str:
        """Wait until nothing has been written for a while: the screen as a person sees it."""
        while True:
            before = len(self.written)
            end = time.monotonic() + quiet
            while time.monotonic() < end:
                if not self.read(min(0.05, quiet)):
                    return self.text
            if len(self.written) == before:
                return self.text

    # --- Typing -------------------------------------------------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Keys by a hand: names of KEYS, or what is typed, letter by letter."""
        for key in keys:
            for part in [KEYS[key]] if key in KEYS else key:
                self.send(part)
                self._pass(HAND_S)

    def answered(self, key: str) -> float:
        """Seconds until the program writes anything after a key. The screen must have settled before."""
        before, start = len(self.written), time.monotonic()
        self.send(KEYS.get(key, key))
        while len(self.written) == before:
            assert self.read(0.005), "the program ended"
            assert time.monotonic() - start < WAIT_S, f"{key!r} was never answered:\n{self.text}"
        return time.monotonic() - start

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.read(left):
                return

    # --- Ending -------------------------------------------------------------------------------------------------------------------

    def ended(self, wait: float = WAIT_S) -> int:
        """Wait until the program has ended; its exit code."""
        deadline = time.monotonic() + wait
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, f"the program did not end within {wait} s:\n{self.text}"
        return self.process.returncode

    def save(self, path: Path) -> None:
        path.write_text(self.text, encoding="utf-8")
