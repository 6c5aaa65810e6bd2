"""A full disk, said alike wherever it is met: by a database, by a small file beside it, by the system."""

from __future__ import annotations

import errno

from fieldapp.domain.problem import Problem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def not_saved() -> Problem:
    """`disk-full`, of something that was to be saved."""
    return Problem(
        "disk-full",
        "The disk is full or takes no more, so this was not saved.",
        "Everything saved before is safe. Make room and save again.",
    )


def full_disk(error: BaseException) -> Problem | None:
    """`disk-full` where an error of the system says that there is no room; None for every other."""
    return not_saved() if isinstance(error, OSError) and error.errno in _NO_ROOM else None
