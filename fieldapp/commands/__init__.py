"""The command line: the same services as the screens, for scripts and for terminals without room.

Importing this package is light: no database, no network, no screen library. A command's family is imported when it is called, and
what a family needs is imported when it runs. tests/commands/test_light.py watches this.
"""

from __future__ import annotations

from collections.abc import Sequence

from fieldapp.commands.calling import call
from fieldapp.opening import OpenApp


def run(argv: Sequence[str], open_app: OpenApp | None = None) -> int:
    """Carry out one command line. Returns the exit code: 0 done, 1 failed, 2 not understood. Never raises, never a traceback.

    Args:
        open_app: opens the app, for `fieldapp` alone and the demo; without it those two say what else can be done.
    """
    return call(list(argv), open_app)
