"""The command line: the same services as the screens, for scripts and for terminals without room.

Importing this package is light: no database, no network, no screen library. A command's family is imported when it is called, and
what a family needs is imported when it runs. tests/commands/test_light.py watches this.
"""

from __future__ import annotations

from collections.abc import Sequence

from fieldapp.commands.calling import call


def run(argv: Sequence[str]) -> int:
    """Carry out one command line. Returns the exit code: 0 done, 1 failed, 2 not understood. Never raises, never a traceback."""
    return call(list(argv))
