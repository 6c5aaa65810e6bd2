"""Hints between server processes on one PostgreSQL, by LISTEN and NOTIFY."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import psycopg

from fieldapp.server.events import Hints

CHANNEL = "fieldapp_moved"
AT_WORK = 6_041_978
"""Number of the PostgreSQL advisory lock that every server process holds its share of: a restore needs it alone."""
_RETRY_S = 5.0
_LOOK_S = 1.0
"""How often the listening thread looks whether it should stop."""

log = logging.getLogger(__name__)


class PostgresRelay:
    """Listens on a connection of its own in a thread; a hint lost while it reconnects costs a minute, never an entry."""

    def __init__(self, url: str, hints: Hints) -> None:
        self._url, self._hints = url.replace("postgresql+psycopg:", "postgresql:", 1), hints
        self._stop = threading.Event()
        self._listening = threading.Event()
        self._sender: psycopg.Connection[tuple[object, ...]] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="hints", daemon=True)

    def start(self) -> None:
        self._hints.relay = self.send
        self._thread.start()

    def wait_until_listening(self, timeout: float) -> bool:
        return self._listening.wait(timeout)

    def stop(self) -> None:
        self._stop.set()
        self._hints.relay = None
        self._thread.join(_LOOK_S * 3)
        with self._lock:
            if self._sender is not None:
                self._sender.close()

    def send(self, moved: Mapping[str, int]) -> None:
        """Tell the other processes. A failure is logged: the push it follows is durable already."""
        with self._lock:
            try:
                if self._sender is None or self._sender.closed:
                    self._sender = psycopg.connect(self._url, autocommit=True)
                for name, pos in moved.items():
                    self._sender.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{pos} {name}"))
            except psycopg.Error as error:
                log.warning("other server processes were not told: %s", error)

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    connection.execute("SELECT pg_advisory_lock_shared(%s)", (AT_WORK,))
                    self._listening.set()
                    while not self._stop.is_set():
                        for notice in connection.notifies(timeout=_LOOK_S):
                            pos, _, name = notice.payload.partition(" ")
                            if pos.isdecimal():
                                self._hints.publish_here({name: int(pos)})
            except psycopg.Error as error:
                self._listening.clear()
                log.warning("no hints from other server processes for now: %s", error)
                self._stop.wait(_RETRY_S)
