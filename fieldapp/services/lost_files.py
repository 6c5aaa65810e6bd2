"""Own files whose bytes are gone from this device, or spoiled there, before the server had them: found, said by their names, and
given up.

What was recorded about such a file is safe, the file is not: it can be attached again, or its person says that it is gone for good.
Then the job's log says so too, and the device waits for it no longer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from fieldapp.domain.problem import Problem, RecordedAnyway
from fieldapp.store.home import Home
from fieldapp.store.queries.own import GONE, OwnFile, file_names, own_files
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.services.work import Work
    from fieldapp.store.device import DeviceReplica

_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_SHOWN = 3
"""So many files are named where there are more."""
_BEGINNING = 8
"""Letters of a hash that name a file at least."""


class GivenUp(msgspec.Struct, frozen=True):
    """A file that is not waited for any more. entries: the remark in its job's log; none where the job is not on this device."""

    file: OwnFile
    entries: tuple[str, ...] = ()


def lost_files(home: Home, reader: Reader, *, closely: bool = False) -> tuple[OwnFile, ...]:
    """Files that the server has not confirmed and that are missing in the home's folder, or not of their size any more.

    Args:
        closely: those as well that are of their size and another file now, as a bad disk leaves them: no server ever takes such a
            one. It reads every byte that waits, so it is nothing for the screen's thread.
    """
    waiting = [file for file in own_files(reader) if file.state == "here"]
    return tuple(file for file in waiting if _is_lost(home, file) or (closely and _is_spoiled(home, file)))


def _is_lost(home: Home, file: OwnFile) -> bool:
    try:
        return (home.files / file.sha256).stat().st_size != file.size
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # nobody can tell; whoever reads it says why it cannot be read


def _is_spoiled(home: Home, file: OwnFile) -> bool:
    try:
        with (home.files / file.sha256).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() != file.sha256
    except OSError:
        return False


def lost_names(files: Sequence[OwnFile]) -> str:
    """`plate.jpg of J-1051, pump.jpg of J-1051 and 2 more`."""
    named = [f"{file.name or file.sha256[:12]}{f' of {file.number}' if file.number else ''}" for file in files]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def with_names(reader: Reader, words: str) -> str:
    """Files by their names, where words name them by the hashes under which they are kept."""
    hashes = set(_HASH.findall(words))
    names = file_names(reader, hashes) if hashes else {}
    return _HASH.sub(lambda match: names.get(match.group()) or match.group()[:12], words)


def _gone(home: Home, files: Sequence[OwnFile]) -> list[OwnFile]:
    """Those of these files that nobody can send: only they are read, for recording waits meanwhile."""
    return [file for file in files if _is_lost(home, file) or _is_spoiled(home, file)]


def give_up(
    home: Home, replica: DeviceReplica, reader: Reader, work: Work, name: str, note: Callable[[OwnFile], str]
) -> GivenUp:  # fmt: skip
    """Wait no longer for a lost file. Where its job is on this device, its log says so: the office waits for the file as well.

    Args:
        name: of the file, or how its hash begins. note: the remark on the job, in the person's language.

    Raises:
        Problem: `file-not-lost`, `file-ambiguous`, and those of writing.
    """
    wanted = name.strip()
    waiting = [file for file in own_files(reader) if file.state == "here"]
    called = [file for file in waiting if wanted in (file.name, file.sha256)]
    begins = [file for file in waiting if len(wanted) >= _BEGINNING and file.sha256.startswith(wanted)]
    found = _gone(home, called) or _gone(home, begins)
    if not found:
        raise Problem(
            "file-not-lost", f"No file called {wanted[:60]!r} is missing on this device.", "`fieldapp outbox` names those that are."
        )
    if len(found) > 1:
        raise Problem(
            "file-ambiguous", f"{len(found)} missing files are called {wanted[:60]!r}.",
            "Say how its hash begins: " + ", ".join(f"{file.sha256[:12]} ({file.number or 'no job'})" for file in found[:4]) + ".",
        )  # fmt: skip
    (file,) = found
    try:
        entries = work.note(file.number, note(file)).saved.entries if file.number else ()
    except RecordedAnyway:
        replica.mark_file(file.sha256, GONE)  # else it would be given up, and noted, once more
        raise
    replica.mark_file(file.sha256, GONE)
    return GivenUp(file, entries)
