"""The demo's network, to be cut and restored: a relay between the app and the server, on a port of its own.

Cut means cut: the port refuses, and every open connection breaks off, as when a cable is pulled. Nothing is simulated in the app.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

_BLOCK = 64 * 1024
STARTS_S = 8
"""So long the demo's server may take to start."""
_RESET = struct.pack("ii", 1, 0)


class DemoNetwork:
    """A relay to a port of this machine, up from the start.

    Args:
        port: of the server. up: whether the network is there at first.
    """

    def __init__(self, port: int, *, up: bool = True) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._reached = False
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        if up:
            self._listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lead_to(self, port: int) -> None:
        """New connections go to this port."""
        self._target = port

    def toggle(self) -> bool:
        """Cut the network, or restore it. Says whether it is there now."""
        if self._listener is None:
            self._listen()
        else:
            self.cut()
        return self._listener is not None

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
            listener.close()
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="demo-network", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = self._server(listener)
            if far is None:
                near.close()  # the server is not there: neither is the connection
                continue
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), name="demo-network", daemon=True).start()

    def _server(self, listener: socket.socket) -> socket.socket | None:
        """A connection to the server. It starts beside the app, so the first one waits for it instead of calling itself offline."""
        until = time.monotonic() + (0 if self._reached else STARTS_S)
        while self._listener is listener:
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                if time.monotonic() >= until:
                    return None
                time.sleep(0.05)
            else:
                far.settimeout(None)
                self._reached = True
                return far
        return None

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_BLOCK):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            gone = {source, sink} & self._open
            self._open -= gone
        for end in gone:
            end.close()
