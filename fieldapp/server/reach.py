"""Which logs a person reads, and whether whole or only their own part of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fieldapp.domain.roles import WHOLE_LOG

ORG = "org"
"""The log for what all branches share."""


class Session(msgspec.Struct, frozen=True):
    """Who is calling: an enrolled device and its person, as they are now. `expires`: when the token ends, milliseconds UTC."""

    device: str
    person: str
    name: str
    role: str
    branch: str
    expires: int = 0


def readable_logs(role: str, branch: str, known: Iterable[str]) -> tuple[str, ...]:
    """The logs of a person: what is shared, then the own branch; an administrator reads every branch."""
    logs = [ORG] + ([branch] if branch != ORG else [])
    if role == "admin":
        logs += [log for log in sorted(known) if log not in logs]
    return tuple(logs)


def reads_whole(role: str, log: str) -> bool:
    """The office reads its logs whole, everybody the shared one; a technician only streams in scope and own entries."""
    return log == ORG or role in WHOLE_LOG
