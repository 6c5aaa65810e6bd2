"""Folders of this machine: where a file to be carried away would go, and what lies in one."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

LISTED = 500
"""Files shown of a folder at most, and folders in it."""


@dataclass(frozen=True)
class Found:
    """Something in a folder. size: bytes of a file, -1 for a folder; at: milliseconds of its last change."""

    path: Path
    size: int
    at: int

    @property
    def is_folder(self) -> bool:
        return self.size < 0


def listed_in(folder: Path) -> list[Found]:
    """The files of a folder, the latest first, then its folders by name; hidden ones are left out, an unreadable one has none."""
    files, folders = list[tuple[int, str, int]](), list[str]()
    try:
        with os.scandir(folder) as inside:
            for item in inside:
                with suppress(OSError):
                    if item.name.startswith("."):
                        continue
                    if item.is_dir():
                        folders.append(item.name)
                    elif item.is_file():
                        status = item.stat()
                        files.append((-(status.st_mtime_ns // 1_000_000), item.name, status.st_size))
    except (OSError, ValueError):
        return []
    # A camera's folder has thousands and is looked at again every other second: paths only of those that are shown.
    latest = [Found(folder / name, size, -before) for before, name, size in nsmallest(LISTED, files)]
    return [*latest, *(Found(folder / name, -1, 0) for name in sorted(folders, key=str.casefold)[:LISTED])]


@dataclass(frozen=True)
class Place:
    """A folder that a file can be written to. carried: on a medium that can be taken out."""

    folder: Path
    carried: bool = False


def places(home: Path, user: str) -> list[Place]:
    """Where a file can be put on this machine, the best first: what can be carried away, then Documents, Desktop, the home.

    Args:
        home: the person's home folder, offered last even where it is not there. user: name of the account.
    """
    media = [Place(folder, carried=True) for root in _media(user) for folder in _writable_in(root)]
    own = [Place(home / name) for name in ("Documents", "Desktop") if _writable(home / name)]
    return [*media, *own, Place(home)]


def _media(user: str) -> list[Path]:
    """Folders below which this machine shows its sticks and cards."""
    if sys.platform == "win32":
        return []
    if sys.platform == "darwin":
        return [Path("/Volumes")]
    return [Path("/media") / user, Path("/run/media") / user]


def _writable_in(root: Path) -> list[Path]:
    """Below it, what is mounted and can be written to; the machine's own disk is none of them."""
    try:
        return sorted(path for path in root.iterdir() if path.is_mount() and not path.is_symlink() and _writable(path))
    except OSError:
        return []


def _writable(folder: Path) -> bool:
    try:
        return folder.is_dir() and os.access(folder, os.W_OK)
    except OSError:
        return False
