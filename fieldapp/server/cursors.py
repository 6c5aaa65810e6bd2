"""Cursors: how far a device has read a log, with proof that it read this history."""

from __future__ import annotations

import re
from typing import NamedTuple

from fieldapp.server.answers import Refused

_FORM = re.compile(r"(0:|([1-9][0-9]{0,15}):([0-9a-f]{8})([fo]?)(?:@([1-9][0-9]{0,15}):([0-9a-f]{8}))?)\Z")


class Cursor(NamedTuple):
    """`pos:chain8`, and an `f` behind it where only a part of the log was read, an `o` where only own rows were. Opaque to devices.

    The `f` is there for the day a technician becomes a supervisor: what was read as a part is not a whole, so the cursor does not
    fit any more and the device reads the log again. The `o` is for a person who left a branch and comes back to it.

    `@pos:chain8` behind it, where a page of a part ended before the log did: where the log stood then. What was in scope was judged
    as of there, so a server that was put back to a time before it is another history for this device.
    """

    pos: int
    chain: str
    filtered: bool = False
    own: bool = False
    judged: tuple[int, str] | None = None

    def text(self, *, filtered: bool, own: bool = False, head: Cursor | None = None) -> str:
        """head: where the log stands, where what was read up to here depends on it."""
        if not self.pos:
            return "0:"
        judged = f"@{head.pos}:{head.chain}" if head is not None and head.pos > self.pos else ""
        return f"{self.pos}:{self.chain}{'o' if own else 'f' if filtered else ''}{judged}"


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
    if not found[2]:
        return NEVER
    judged = (int(found[5]), found[6]) if found[5] else None
    return Cursor(int(found[2]), found[3], found[4] == "f", found[4] == "o", judged)
