"""The technician's PIN for the customer's locked screen: local to the device, stored as a salted scrypt hash (RFC 7914).

It keeps a customer inside one screen for a minute. It protects no data: whoever holds the open laptop could end the program.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from fieldapp.domain.problem import Problem
from fieldapp.store.queries.outbox import setting
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.store.device import DeviceReplica

SETTING = "handover_pin"
SHORTEST, LONGEST = 4, 32
_N, _R, _P = 2**14, 8, 1


def has_pin(reader: Reader) -> bool:
    """Whether a PIN was chosen on this device."""
    return setting(reader, SETTING) is not None


def set_pin(replica: DeviceReplica, pin: str) -> None:
    """Choose the PIN; an earlier one is replaced.

    Raises:
        Problem: `bad-pin` for one that is too short or too long.
    """
    if not SHORTEST <= len(pin.strip()) <= LONGEST:
        raise Problem("bad-pin", f"A PIN has {SHORTEST} to {LONGEST} characters.", "Nothing was changed.")
    salt = secrets.token_bytes(16)
    replica.set_settings(**{SETTING: f"scrypt${_N}${_R}${_P}${salt.hex()}${_hash(pin, salt, _N, _R, _P).hex()}"})


def is_pin(reader: Reader, typed: str) -> bool:
    """Whether this is the PIN; takes some 50 ms on purpose. A damaged setting matches nothing."""
    try:
        kind, n, r, p, salt, known = (setting(reader, SETTING) or "").split("$")
        found = _hash(typed, bytes.fromhex(salt), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(found, bytes.fromhex(known))
    except (ValueError, OverflowError):
        return False


def _hash(pin: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(pin.strip().encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=64 * 2**20, dklen=32)
