"""Noticing that this machine's way into the network changed, without sending anything."""

from __future__ import annotations

import socket

_NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses kept for documentation (RFC 5737, RFC 3849): a datagram socket turned there chooses a route and sends nothing."""


def own_addresses() -> tuple[str, ...]:
    """The addresses this machine would send from; empty entries where there is no way out."""
    found = []
    for family, target in _NOWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            found.append("")
    return tuple(found)
