"""The demo's network: a relay that can be cut, and that waits for a server which starts beside the app."""

from __future__ import annotations

import socket
from contextlib import closing

from fieldapp.commands.demo_network import DemoNetwork


def test_the_first_connection_waits_for_the_server_to_start() -> None:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        network = DemoNetwork(server.getsockname()[1])
        try:
            with closing(socket.create_connection(("127.0.0.1", network.port), timeout=20)) as app:
                app.sendall(b"early")
                server.listen()
                far, _ = server.accept()
                with closing(far):
                    assert far.recv(5) == b"early"
        finally:
            network.cut()
