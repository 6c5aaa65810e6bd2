"""A program in a pseudo-terminal of its own: its start, its bytes, its end. For tests, which look at it as a person does, and for
benchmarks, which look at it with a clock."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from typing import Self

_BYTES = 1 << 16
_END_S = 5


class PtyProgram:
    """One program in a terminal of `columns` x `rows`.

    Args:
        words: the command line. environment: all of it but the terminal's own names and language.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], columns: int, rows: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            list(words),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, close_fds=True,
            env={"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "en_US.UTF-8", **environment},
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, however it takes it, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(_END_S)
        os.close(self._master)

    def send(self, text: str) -> None:
        """All at once, as a scanner or a script does."""
        os.write(self._master, text.encode())

    def take(self, wait: float) -> bytes | None:
        """What the program writes within `wait` seconds; b"" once it has closed its end, None where nothing came."""
        ready, _, _ = select.select([self._master], [], [], wait)
        if not ready:
            return None
        try:
            return os.read(self._master, _BYTES)
        except OSError:
            return b""


def lines_of(display: Sequence[str]) -> str:
    """A terminal emulator's screen as lines."""
    return "\n".join(line.rstrip() for line in display)
