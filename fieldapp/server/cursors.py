"""Cursors: how far a device has read a log, with proof that it read this history."""

from __future__ import annotations

import re
from typing import NamedTuple

from fieldapp.server.answers import Refused

_FORM = re.compile(r"(0:|([1-9][0-9]{0,15}):([0-9a-f]{8})([fo]?))\Z")


class Cursor(NamedTuple):
    """`pos:chain8`, and an `f` behind it where only a part of the log was read, an `o` where only own rows were. Opaque to devices.

    The `f` is there for the day a technician becomes a supervisor: what was read as a part is not a whole, so the cursor does not
    fit any more and the device reads the log again. The `o` is for a person who left a branch and comes back to it.
    """

    pos: int
    chain: str
    filtered: bool = False
    own: bool = False

    def text(self, *, filtered: bool, own: bool = False) -> str:
        return f"{self.pos}:{self.chain}{'o' if own else 'f' if filtered else ''}" if self.pos else "0:"


NEVER = Cursor(0, "")


def read_cursor(text: str) -> Cursor:
    """Raises:
    Refused: `bad-request`.
    """
    if not text:
        return NEVER
    found = _FORM.match(text)
    if not found:
        raise Refused(400, "bad-request", f"{text[:40]!r} is not a cursor.")
    return Cursor(int(found[2]), found[3], found[4] == "f", found[4] == "o") if found[2] else NEVER
