"""A real TCP link between a device and its server on loopback: as slow as wished, cut after so many bytes, or silent."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BUFFER = 4096
"""Bytes that the operating system may hold for us (it doubles them): what was written must not look as if it had been sent."""


class _Way:
    """One direction of the link, shared fairly by all its connections. rate: bytes a second, None for no limit."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self.carried = 0
        self._free = 0.0
        self._lock = threading.Lock()

    def pass_through(self, count: int, over: threading.Event) -> None:
        """Return when so many bytes have gone through."""
        with self._lock:
            self.carried += count
            if self.rate is None:
                self._free = 0.0
                return
            self._free = until = max(self._free, time.monotonic()) + count / self.rate
        over.wait(max(0.0, until - time.monotonic()))

    @property
    def block(self) -> int:
        """Bytes at a time: about a twentieth of a second's worth."""
        return 65536 if self.rate is None else int(min(65536, max(64, self.rate / 20)))


class Link:
    """The link. Everything can be changed while it carries.

    target: the port it leads to, for connections to come. up, down: the two directions. dead: bytes vanish and connections stay,
    as behind a modem that lost its carrier. closed: nobody answers; every connection is closed at once.
    """

    def __init__(self, port: int) -> None:
        self.up, self.down = _Way(), _Way()
        self.dead = self.closed = False
        self.connections = 0
        self.target = port
        self._cut: int | None = None
        self._spoil, self._chance = 0, random.Random(0)
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rate(self) -> float | None:
        return self.up.rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self.up.rate = self.down.rate = rate

    def cut_after(self, count: int) -> None:
        """Cut every connection once `count` more bytes have gone up."""
        with self._lock:
            self._cut = self.up.carried + count

    def spoil(self, blocks: int, seed: int) -> None:
        """Turn a bit over somewhere in each of the next `blocks` blocks, whichever way they go."""
        with self._lock:
            self._spoil, self._chance = blocks, random.Random(seed)

    def _spoilt(self, block: bytes) -> bytes:
        with self._lock:
            if not self._spoil:
                return block
            self._spoil -= 1
            place, bit = self._chance.randrange(len(block)), self._chance.randrange(8)
        return block[:place] + bytes([block[place] ^ (1 << bit)]) + block[place + 1 :]

    def cut(self) -> None:
        with self._lock:
            opened, self._open = self._open, set()
            self._cut = None
        for connection in opened:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._over.set()
        self.closed = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            here, _ = self._listener.accept()
            if self.closed or self._over.is_set():
                here.close()
                continue
            self.connections += 1
            there = socket.socket()
            there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            try:
                there.connect(("127.0.0.1", self.target))
            except OSError:
                here.close()
                there.close()
                continue
            with self._lock:
                self._open |= {here, there}
            ended = threading.Semaphore(0)
            for source, target, way in ((here, there, self.up), (there, here, self.down)):
                thread = threading.Thread(target=self._pump, args=(source, target, way, ended), daemon=True)
                self._threads.append(thread)
                thread.start()
            thread = threading.Thread(target=self._end, args=(here, there, ended), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, way: _Way, ended: threading.Semaphore) -> None:
        try:
            while not self._over.is_set() and (block := source.recv(way.block)):
                if self.dead:
                    continue
                block = self._spoilt(block)
                cut, self_cut = block, self._cut
                if way is self.up and self_cut is not None and way.carried + len(block) >= self_cut:
                    cut = block[: max(0, self_cut - way.carried)]
                way.pass_through(len(cut), self._over)
                target.sendall(cut)
                if len(cut) < len(block) or way.carried == self_cut:
                    self.cut()
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
        finally:
            ended.release()

    def _end(self, here: socket.socket, there: socket.socket, ended: threading.Semaphore) -> None:
        ended.acquire()
        ended.acquire()
        with self._lock:
            self._open -= {here, there}
        here.close()
        there.close()


@contextmanager
def link_to(port: int) -> Iterator[Link]:
    """A link to the server on `port`."""
    link = Link(port)
    try:
        yield link
    finally:
        link.close()
