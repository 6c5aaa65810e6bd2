"""A full disk that no database names: what the system says when a small file has no room either."""

from __future__ import annotations

import errno

from fieldapp.domain.problem import Problem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full_disk(error: BaseException) -> Problem | None:
    """`disk-full` where an error says that there is no room; None for every other."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return Problem(
            "disk-full",
            "The disk is full or takes no more, so this was not saved.",
            "Everything saved before is safe. Make room and save again.",
        )
    return None
