"""What the server said of the desk when it was last asked: kept in the home, read without any network."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

import msgspec

from fieldapp.store.home import Home
from fieldapp.sync.protocol import DeskAnswer, KnownDevice

SILENT_MS = 24 * 3_600_000
"""A device that has not called for a day is named."""


class Asked(msgspec.Struct, frozen=True):
    """What the server says, now or when it was last asked (`answer.time`); None where it never was. `problem`: why not now."""

    answer: DeskAnswer | None
    problem: str = ""


def silent(answer: DeskAnswer | None, now_ms: int) -> tuple[KnownDevice, ...]:
    """Devices that have not called for a day, the longest silent first."""
    devices = answer.devices if answer else ()
    return tuple(one for one in devices if now_ms - (one.last_seen or one.enrolled_at) > SILENT_MS)


def kept_desk(home: Home) -> DeskAnswer | None:
    """What the server said when it was last asked."""
    try:
        return msgspec.json.decode(home.desk_file.read_bytes(), type=DeskAnswer)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def keep_desk(home: Home, found: DeskAnswer) -> None:
    fresh = home.desk_file.with_name(f"desk.{os.getpid()}.{secrets.token_hex(4)}.new")
    with suppress(OSError):  # nothing is lost: the server is asked again
        fresh.write_bytes(msgspec.json.encode(found))
        fresh.chmod(0o600)
        fresh.replace(home.desk_file)
