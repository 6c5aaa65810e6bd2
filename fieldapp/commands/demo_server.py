"""The demo's server as a process of its own. Several apps may share it: whichever finds it gone starts it again.

It ends with the app that started it, however that app ends: it reads from a pipe that the app holds. Whether it runs is told by a
lock, and on which port by what stands in the locked file: the usual port may belong to another program by now.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.file_lock import held_file

LOOK_S, STARTING_S = 2.0, 0.3
"""How often it is looked at, and how often while it starts."""
STOP_S = 15
_LOCK = "demo.lock"
_TRIES = 10
"""An app that looks whether the server runs holds the lock for a moment."""


class DemoServer:
    """Keeps the server of a demo running while this object lives.

    Args:
        home: the server's folder. port: where it listens unless another program does. listens: told the port, whenever it is looked
            at, as soon as one is known.
    """

    def __init__(self, home: Path, port: int, listens: Callable[[int], object] = lambda port: None) -> None:
        self._home, self._port, self._listens = home, port, listens
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="demo-server", daemon=True)

    def start(self) -> None:
        """Returns at once: the app does not wait for its server."""
        self._thread.start()

    def stop(self) -> None:
        """End the server, if it is ours."""
        self._stopping.set()
        self._thread.join(STOP_S)
        if self._process is not None:
            end(self._process)

    def _keep(self) -> None:
        while True:
            starting = self._process is not None and self._process.poll() is None
            port = port_in_use(self._home)
            if port is not None:
                self._listens(port)
            elif not starting and not self._stopping.is_set():
                self._process = begin(self._home, 0 if answers(self._port) else self._port)
            if self._stopping.wait(LOOK_S if port is not None else STARTING_S):
                return


def begin(home: Path, port: int) -> subprocess.Popen[str]:
    """Start the server's process. Its first line is the port, or nothing and the reason is on its other stream."""
    return subprocess.Popen(
        [sys.executable, "-m", "fieldapp.commands.demo_server", str(home), str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    """Stop the server's process and wait for it."""
    process.terminate()
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate(timeout=STOP_S)


def answers(port: int) -> bool:
    """Whether something takes connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_in_use(home: Path) -> int | None:
    """The port on which the demo's server listens; None where none runs."""
    file = home / _LOCK
    try:
        with held_file(file) as nobody_runs:
            said = "" if nobody_runs else file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return int(said) if said.isdigit() else None


def run(home: Path, port: int, on_ready: Callable[[int], object]) -> None:
    """Serve until told to stop.

    Raises:
        Problem: `home-locked` where the demo's server runs already; those of `run_server`.
    """
    from fieldapp.server.serve import run_server
    from fieldapp.settings import server_settings

    file = home / _LOCK

    def ready(listens: int) -> None:
        file.write_text(str(listens), encoding="ascii")
        on_ready(listens)

    for _ in range(_TRIES):
        with held_file(file) as held:
            if held:
                file.write_text("", encoding="ascii")
                run_server(server_settings(home=home, database="", port=port), on_ready=ready)
                return
        time.sleep(0.1)
    raise Problem("home-locked", "The demo's server runs already.", "Nothing was changed. Its apps use it.")


def _until_left() -> None:
    """Read until the other end of the pipe is closed, as it is when the app ends or is killed; then stop the server."""
    with contextlib.suppress(OSError):
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main(words: list[str]) -> int:
    """The process: the server's folder and the port."""
    threading.Thread(target=_until_left, daemon=True).start()

    def said(port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    try:
        run(Path(words[0]), int(words[1]), said)
    except Problem as problem:
        sys.stderr.write(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
