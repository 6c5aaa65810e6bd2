"""The end of a device that the office took out of service: once everything was handed over, its data goes.

The identity is marked first, durably; what is marked is wiped whenever somebody comes across it, so that no crash leaves a device
half open. Files are removed, not overwritten: whoever fears for a disk encrypts it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.home import Home

WORDS = "This device was revoked by the office: what was recorded here was handed over, and the data on it was removed."


def sealed() -> Problem:
    """What commands and the app say of a sealed home."""
    return Problem("device-sealed", WORDS, "With a new code from the office: fieldapp enrol URL CODE --again.")


def wipe(home: Home) -> None:
    """Remove database, journal, files and what was said of the desk from a home that is marked as sealed. What was never recorded
    (the inbox) stays.

    Raises:
        Problem: `home-unusable`; the home stays marked, and the next one who opens it goes on.
    """
    identity = home.identity()
    assert identity is not None
    assert identity.sealed, "only a home that has handed everything over is wiped"
    try:
        for path in _data(home):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            "home-unusable", f"{WORDS} Some of it could not be removed yet ({error.strerror}: {error.filename}).",
            "It is tried again whenever Fieldapp is opened here.",
        ) from error  # fmt: skip


def _data(home: Home) -> Iterator[Path]:
    yield from (home.desk_file, *home.path.glob("desk.*.new"))
    for folder in (home.database_file.parent, home.journal_file.parent, home.files):
        if folder.exists():
            yield from list(folder.iterdir())


def wipe_if_possible(home: Home) -> None:
    """The same, where nobody is left to be told."""
    with suppress(Problem):
        wipe(home)
