"""A program in a pseudo-terminal, watched with a clock: when it wrote what, and how long a key takes to be painted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.pty.program import PtyProgram, lines_of

KEYS = {
    "enter": "\r", "escape": "\x1b[27u", "up": "\x1b[A", "down": "\x1b[B", "pageup": "\x1b[5~", "pagedown": "\x1b[6~",
    "home": "\x1b[H", "end": "\x1b[F", "tab": "\t", "backspace": "\x7f", "f2": "\x1bOQ", "f4": "\x1bOS", "f7": "\x1b[18~",
    "f8": "\x1b[19~",
}  # fmt: skip
"""Esc as terminals with the kitty protocol send it; of a bare Esc byte Textual waits 100 ms for the rest of a sequence."""
QUIET_S = 0.08
"""Nothing written for so long after a key: what the key changed is painted."""
PATIENCE_S = 30.0


class PtyWindow(PtyProgram):
    """`python -m MODULE ...` in a terminal of its own. `began`: the instant before the process was started.

    Args:
        words: module and arguments. environment: added to a clean one.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24) -> None:
        import pyte

        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._written: list[tuple[float, bytes]] = []
        self._shown: list[tuple[float, str]] = []
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
        self.began = time.perf_counter()
        super().__init__([sys.executable, "-m", *words], {**kept, **environment}, columns, rows)

    def first_sight(self, *texts: str) -> float:
        """Seconds from the start of the process to the write after which all these texts stand on the screen together."""
        self.wait_for(*texts)
        for instant, screen in self._shown:
            if all(text in screen for text in texts):
                return instant - self.began
        raise SystemExit(f"never on the screen together: {texts}\n{self.text()}")

    def wait_for(self, *texts: str) -> None:
        """Read until all these texts stand on the screen and nothing more is written for a while."""
        end = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < end:
            while self._read(0.25):
                pass
            screen = self.text()
            if all(text in screen for text in texts):
                return
        raise SystemExit(f"never seen: {texts}\n{self.text()}")

    def press(self, key: str) -> float:
        """Seconds from a key to the write after which the text below the header stands as it stays; where only colours change,
        to the last write.

        Raises:
            SystemExit: where the key changed nothing: then there is nothing to be measured.
        """
        while self._read(0):
            pass
        before = _below_header(self.text())
        self._shown.clear()
        start = time.perf_counter()
        self.send(KEYS.get(key, key))
        if not self._read(2.0):
            raise SystemExit(f"the key {key!r} changed nothing:\n{self.text()}")
        while self._read(QUIET_S):
            pass
        after = _below_header(self.text())
        painted = self._shown[-1][0]
        if after != before:
            for instant, screen in reversed(self._shown):
                if _below_header(screen) != after:
                    break
                painted = instant
        return painted - start

    def memory_mib(self) -> float:
        """Resident memory of the process now, MiB."""
        kib = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True)
        return int(kib.stdout) / 1024

    def text(self) -> str:
        """The screen as lines. The terminal emulator runs here, when the clock does not."""
        for instant, data in self._written:
            self._stream.feed(data)
            self._shown.append((instant, lines_of(self._screen.display)))
        self._written.clear()
        return lines_of(self._screen.display)

    def _read(self, wait: float) -> bool:
        """Take in one write of the program; False where none came in time."""
        data = self.take(wait)
        if data is None:
            return False
        if not data:
            raise SystemExit("the program ended:\n" + self.text())
        self._written.append((time.perf_counter(), data))
        return True


def _below_header(screen: str) -> str:
    return screen.partition("\n")[2]
