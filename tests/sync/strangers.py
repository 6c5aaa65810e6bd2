"""Small real HTTP servers on loopback that are no Fieldapp server: portals, proxies, broken and hostile ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fieldapp.sync.protocol import MEDIA_TYPE, NONCE_HEADER


class Reply:
    """What a stranger answers. `echo`: it echoes the nonce as only the server can."""

    def __init__(self, status: int = 200, body: bytes = b"", media: str = MEDIA_TYPE, *, echo: bool = True, **headers: str) -> None:
        self.status, self.body, self.media, self.echo, self.headers = status, body, media, echo, headers


@contextmanager
def stranger(answer: Callable[[BaseHTTPRequestHandler, bytes], Reply]) -> Iterator[str]:
    """Serve whatever `answer` says; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = answer(self, body)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media)
            self.send_header("Content-Length", str(len(reply.body)))
            if reply.echo:
                self.send_header(NONCE_HEADER, self.headers.get(NONCE_HEADER, ""))
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = _do

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw_stranger(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection after another by hand."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if not over.is_set():
                    talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        over.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(5)
        listener.close()
