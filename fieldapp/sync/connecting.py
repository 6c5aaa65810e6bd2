"""Making a connection where the network is hostile: names that are never answered, addresses that lead nowhere.

The operating system's own way waits the whole time-out at every address, and for a name as long as it likes. Here each address has
a short turn first, IPv6 and IPv4 by turns (as RFC 8305 orders them), then a longer one; the address that worked last comes first.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import httpcore
import httpx

SHORT_S = 2.0
"""Seconds of an address's first turn while others wait for theirs: more than a slow satellite link takes to answer."""


class Reaching(httpx.HTTPTransport):
    """httpx over connections made this way. For direct connections only: a proxy resolves names itself.

    httpx offers no place for a network backend of httpcore, so the pool it made is exchanged for one that has ours.
    """

    def __init__(self, verify: Any, socket_options: Iterable[tuple[int, int, int]] = ()) -> None:
        super().__init__(verify=verify)
        self._pool.close()
        context = verify if verify is not False else None
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            network_backend=Backend(),
            socket_options=list(socket_options),
            keepalive_expiry=5.0,
            max_connections=32,
        )


class Backend(httpcore.SyncBackend):
    """httpcore's own sockets, reached by trying all addresses of a name in time."""

    def __init__(self) -> None:
        self._names = Names()
        self._worked: dict[str, str] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        until = time.monotonic() + (timeout if timeout is not None else 60.0)
        addresses = self._names.addresses(host, port, until - time.monotonic(), self._worked.get(host))
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for turn in ("short", "long"):
            for number, address in enumerate(addresses):
                left = until - time.monotonic()
                if left <= 0:
                    raise httpcore.ConnectTimeout(f"{host} does not answer")
                wait = min(SHORT_S, left) if turn == "short" and len(addresses) > 1 else left / (len(addresses) - number)
                try:
                    stream = super().connect_tcp(address, port, wait, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                    error = failed
                    continue
                self._worked[host] = address
                return stream
            if len(addresses) < 2 or not isinstance(error, httpcore.ConnectTimeout):
                break  # refused or unreachable everywhere: a second turn says the same
        self._worked.pop(host, None)
        raise error


class Names:
    """Addresses of names, asked for in a thread of their own: the operating system's resolver knows no time-out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: dict[tuple[str, int], Future[list[str]]] = {}

    def addresses(self, host: str, port: int, seconds: float, known: str | None = None) -> list[str]:
        """The addresses of a host, `known` first, IPv6 and IPv4 by turns.

        Raises:
            httpcore.ConnectError: the name is not known here. httpcore.ConnectTimeout: nobody said in time.
        """
        with self._lock:
            key = (host, port)
            said = self._asking.get(key)
            if said is None:  # one that hangs is waited for; another one would hang beside it
                said = self._asking[key] = Future()
                threading.Thread(target=self._ask, args=(key, said), name="sync-names", daemon=True).start()
        try:
            found = said.result(timeout=max(0.0, min(seconds / 2, SHORT_S) if known else seconds))
        except TimeoutError:
            if known:
                return [known]
            raise httpcore.ConnectTimeout(f"nobody says where {host} is") from None
        except OSError as error:
            if known and error.errno == socket.EAI_AGAIN:
                return [known]
            raise httpcore.ConnectError(str(error)) from error
        return sorted(found, key=lambda address: address != known)

    def _ask(self, key: tuple[str, int], said: Future[list[str]]) -> None:
        try:
            said.set_result(_by_turns(socket.getaddrinfo(*key, type=socket.SOCK_STREAM)))
        except OSError as error:
            said.set_exception(error)
        except UnicodeError as error:
            said.set_exception(OSError(socket.EAI_NONAME, f"this can be no name ({error})"))
        finally:
            with self._lock:
                del self._asking[key]


def _by_turns(found: list[Any]) -> list[str]:
    """Addresses of both families by turns, the family first that the system put first."""
    families: dict[int, list[str]] = {}
    for family, *_, address in found:
        families.setdefault(family, []).append(str(address[0]))
    ordered: list[str] = []
    while any(families.values()):
        for addresses in families.values():
            if addresses:
                ordered.append(addresses.pop(0))
    return list(dict.fromkeys(ordered))
