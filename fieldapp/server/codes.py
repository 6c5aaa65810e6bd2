"""One-time codes that a person types, and how many wrong ones an address may try."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import threading
from collections import OrderedDict

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No I, L, O, 0, 1: nobody has to guess which one was meant."""
_LENGTH = 8
WRONG_TRIES = 10
"""Wrong codes from one address within WINDOW_MS; then it waits."""
WINDOW_MS = 600_000
_ADDRESSES = 4096


def new_code() -> str:
    """A fresh code such as `K7QF-2MXD`: 39 bits, one use, a few days, ten tries per address and ten minutes."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def bare_code(typed: str) -> str:
    """What was typed without hyphens and spaces, in capitals; '' where it cannot be a code."""
    bare = "".join(typed.split()).replace("-", "").upper()
    return bare if len(bare) == _LENGTH and all(letter in ALPHABET for letter in bare) else ""


def code_hash(bare: str, salt: bytes) -> str:
    """What is stored of a code. scrypt (RFC 7914), because 39 bits could be tried out from a plain hash in an hour;
    one salt for all, because a code is looked up by its hash. 4 MiB and about 10 ms a try."""
    return hashlib.scrypt(bare.encode("ascii"), salt=salt, n=2**12, r=8, p=1, dklen=32).hex()


class WrongTries:
    """Counts wrong codes by address, in memory and bounded: the address heard from longest ago is forgotten first."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str, now: int) -> int:
        """Milliseconds until this address may try again, 0 for at once."""
        with self._lock:
            since, count = self._tries.get(_network(address), (now, 0))
        return max(0, since + WINDOW_MS - now) if count >= WRONG_TRIES else 0

    def wrong(self, address: str, now: int) -> None:
        key = _network(address)
        with self._lock:
            since, count = self._tries.pop(key, (now, 0))
            if now - since >= WINDOW_MS:
                since, count = now, 0
            self._tries[key] = (since, count + 1)
            while len(self._tries) > _ADDRESSES:
                self._tries.popitem(last=False)


def _network(address: str) -> str:
    """An IPv6 customer has a whole /64 to try from: it counts as one address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
