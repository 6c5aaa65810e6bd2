"""Hints that a log has moved, pushed to whoever listens. A hint is never more than a reason to pull: losing one loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping

from fieldapp.domain.entry import encode
from fieldapp.server.answers import Refused

HEARTBEAT_S = 15.0
BEATS_PER_CHECK = 4
"""Heartbeats between two looks at whether the device may still listen."""
PER_DEVICE = 4


class Subscription:
    """One listener. Hints wait here merged by log, so a slow reader costs one number a log and never a queue."""

    def __init__(self, device: str, logs: tuple[str, ...], loop: asyncio.AbstractEventLoop) -> None:
        self.device, self._logs, self._loop = device, frozenset(logs), loop
        self._moved: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self.closed = False

    def hint(self, moved: Mapping[str, int]) -> None:
        """Called from any thread."""
        with self._lock:
            for log in self._logs & moved.keys():
                self._moved[log] = max(self._moved.get(log, 0), moved[log])
        self._rouse()

    def close(self) -> None:
        self.closed = True
        self._rouse()

    def _rouse(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop ended with its server; so did the listener
            self._loop.call_soon_threadsafe(self._wake.set)

    async def lines(self, heads: Mapping[str, int], may_listen: Callable[[], bool], heartbeat: float) -> AsyncIterator[bytes]:
        """The event stream: where the logs stand, then each move; a comment every `heartbeat` seconds of silence.

        Args:
            may_listen: asked now and then (in a thread); the stream ends when it says no.
        """
        self.hint(heads)
        beats = 0
        while not self.closed:
            try:
                await asyncio.wait_for(self._wake.wait(), heartbeat)
            except TimeoutError:
                beats += 1
                if beats % BEATS_PER_CHECK == 0 and not await asyncio.to_thread(may_listen):
                    return
                yield b": beat\n\n"
                continue
            self._wake.clear()
            with self._lock:
                moved, self._moved = self._moved, {}
            for log, pos in sorted(moved.items()):
                yield b"event: moved\ndata: " + encode({"log": log, "pos": pos}) + b"\n\n"


class Hints:
    """Everybody who listens to this server process."""

    def __init__(self, *, most: int, heartbeat: float = HEARTBEAT_S) -> None:
        self._most, self.heartbeat = most, heartbeat
        self._listeners: set[Subscription] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.relay: Callable[[Mapping[str, int]], None] | None = None
        """Tells other server processes; set where there may be some."""

    def __len__(self) -> int:
        return len(self._listeners)

    def publish(self, moved: Mapping[str, int]) -> None:
        """Tell everybody, here and in other processes. Never raises on account of a listener."""
        if moved:
            self.publish_here(moved)
            if self.relay is not None:
                self.relay(moved)

    def publish_here(self, moved: Mapping[str, int]) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.hint(moved)

    def subscribe(self, device: str, logs: tuple[str, ...]) -> Subscription:
        """Raises:
        Refused: `too-many-listeners`, `server-stopping` (503).
        """
        subscription = Subscription(device, logs, asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                raise Refused(503, "server-stopping", "The server is about to stop.", retry_after=5)
            mine = sum(1 for listener in self._listeners if listener.device == device)
            if len(self._listeners) >= self._most or mine >= PER_DEVICE:
                raise Refused(503, "too-many-listeners", "Too many devices listen at once.", "Pull instead.", retry_after=60)
            self._listeners.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        with self._lock:
            self._listeners.discard(subscription)

    def close(self, device: str | None = None) -> None:
        """End the streams of one device, or all of them when the server stops."""
        with self._lock:
            self._closed = self._closed or device is None
            listeners = [listener for listener in self._listeners if device in (None, listener.device)]
        for listener in listeners:
            listener.close()
