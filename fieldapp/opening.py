"""What a command asks for when it opens the app. The program hands in what opens it, so that commands know no screens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Opening(NamedTuple):
    """The app on one home.

    home: folder of the device. offline: without any exchange with a server. url: where the server is reached, '' for the address
    the device was enrolled at. network: cuts and restores the network, and says whether it is there now (the demo).
    """

    home: Path
    offline: bool = False
    url: str = ""
    network: Callable[[], bool] | None = None


OpenApp = Callable[[Opening], int]
"""Opens the app and returns the exit code when the person leaves it."""


def interactive() -> bool:
    """Whether a person sits at a terminal that an app can be shown on."""
    return sys.stdin.isatty() and sys.stdout.isatty()
