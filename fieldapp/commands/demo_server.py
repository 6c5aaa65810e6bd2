"""The demo's server as a process of its own. Several apps may share it: whichever finds it gone starts it again."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

LOOK_S = 2.0
"""How often it is looked at."""
STOP_S = 15


class DemoServer:
    """Keeps the server of a demo running while this object lives.

    Args:
        home: the server's folder. port: where its devices expect it.
    """

    def __init__(self, home: Path, port: int) -> None:
        self._home, self._port = home, port
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="demo-server", daemon=True)

    def start(self) -> None:
        """Returns at once: the app does not wait for its server."""
        self._thread.start()

    def stop(self) -> None:
        """End the server, if it is ours."""
        self._stopping.set()
        self._thread.join(STOP_S)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_S)

    def answers(self) -> bool:
        """Whether something takes connections on the server's port."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _keep(self) -> None:
        while True:
            starting = self._process is not None and self._process.poll() is None
            if not starting and not self.answers() and not self._stopping.is_set():
                words = ["serve", "--server-home", str(self._home), "--port", str(self._port)]
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "fieldapp", *words],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            if self._stopping.wait(LOOK_S):
                return
