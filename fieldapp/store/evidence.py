"""Evidence: files of a person taken into the home, by content hash, before they count as recorded.

The copy is hashed while it is written, fsynced, and gets its name in one move: after a power cut it is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from fieldapp.domain.entry import FileRef
from fieldapp.domain.problem import Problem
from fieldapp.store.home import Home
from fieldapp.store.journal import sync_folder

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes of one file: some minutes of a telephone's video, and what a server takes that was not told otherwise."""
NAME_LIMIT = 120
"""Characters of a file's name that are kept; the ending stays."""
_BLOCK = 1024 * 1024
_COMING = ".coming-"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
)
"""How the formats that say so themselves begin (their published specifications); the content counts more than the name."""
_ENDINGS: dict[str, str] = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
    ".heic": "image/heic", ".heif": "image/heif", ".tif": "image/tiff", ".tiff": "image/tiff", ".bmp": "image/bmp",
    ".svg": "image/svg+xml", ".pdf": "application/pdf", ".txt": "text/plain", ".log": "text/plain", ".csv": "text/csv",
    ".json": "application/json", ".xml": "application/xml", ".zip": "application/zip", ".mp4": "video/mp4",
    ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".wav": "audio/wav",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
"""A table of our own: the same answer on every machine."""
_UNKNOWN = "application/octet-stream"

_numbers = itertools.count()


def take_in(home: Home, path: Path, *, limit: int = FILE_LIMIT, empty: bool = True) -> FileRef:
    """Copy a file into the home.

    Args:
        path: the file; a link to one will do. limit: most bytes. empty: whether it may have none.

    Returns: its hash, size, name and media type, for the envelope of the entry that names it.

    Raises:
        Problem: `file-unusable` (not there, unreadable, a folder, a device, links in a circle), `file-empty`, `file-too-large`,
            `disk-full`;
            then nothing of it is in the home.
    """
    with _opened(path) as source:
        if not empty and not os.fstat(source.fileno()).st_size:
            raise Problem(
                "file-empty", f"{_shown(path.name)} is empty.", "It was not attached. Take the photo or save the file again."
            )
        return _keep(home, _blocks(source, path), path.name, "", limit)


def take_in_bytes(home: Home, data: bytes, name: str, media: str = "") -> FileRef:
    """Keep bytes that the program made itself (a report, a large procedure) as a file of the home.

    Raises:
        Problem: `file-too-large`, `disk-full`; then nothing of it is in the home.
    """
    return _keep(home, (data,), name, media, FILE_LIMIT)


def media_of(name: str, beginning: bytes) -> str:
    """Media type by the first bytes of the content, else by the name's ending."""
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    if beginning[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "image/heic"
    for first, media in _BEGINNINGS:
        if beginning.startswith(first):
            return media
    return _ENDINGS.get(PurePath(name).suffix.lower(), _UNKNOWN)


def _opened(path: Path) -> BinaryIO:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))  # a pipe must not wait
    except (OSError, ValueError) as error:
        reason = "too many links lead to it" if getattr(error, "errno", None) == errno.ELOOP else _words(error)
        raise _unusable(path, reason) from error
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    folder = stat.S_ISDIR(os.fstat(handle).st_mode)
    os.close(handle)
    raise _unusable(path, "it is a folder" if folder else "it is a device, not a file")


def _blocks(source: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        while block := source.read(_BLOCK):
            yield block
    except OSError as error:
        raise _unusable(path, _words(error)) from error


def _keep(home: Home, blocks: Iterable[bytes], name: str, media: str, limit: int) -> FileRef:
    _sweep(home.files)
    coming = home.files / f"{_COMING}{os.getpid()}-{next(_numbers)}"
    found, size, beginning = hashlib.sha256(), 0, b""
    try:
        home.files.mkdir(parents=True, exist_ok=True, mode=0o700)
        with coming.open("wb") as file:
            for block in blocks:
                size += len(block)
                if size > limit:
                    raise Problem(
                        "file-too-large",
                        f"{_shown(name)} is larger than {limit // (1024 * 1024)} MiB.",
                        "It was not attached. Make it smaller, or take fewer minutes at a time.",
                    )
                beginning = beginning or block[:64]
                found.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        coming.replace(home.files / found.hexdigest())
        sync_folder(home.files)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise Problem(
            "disk-full" if full else "home-unusable",
            f"{_shown(name)} could not be copied ({_words(error)}).",
            "It was not attached; everything saved before is safe." + (" Make room and attach it again." if full else ""),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            coming.unlink(missing_ok=True)
    kept = _kept_name(name)
    return FileRef(found.hexdigest(), size, kept, media or media_of(kept, beginning))


def _sweep(folder: Path) -> None:
    """Copies that a crash cut short. Only one process writes to a home, so another one's are left over."""
    for left in folder.glob(f"{_COMING}*"):
        if not left.name.startswith(f"{_COMING}{os.getpid()}-"):
            left.unlink(missing_ok=True)


def _kept_name(name: str) -> str:
    """The name as text that every database takes, its ending kept where it is shortened."""
    text = _shown(name).replace("\x00", "")
    if len(text) <= NAME_LIMIT:
        return text or "file"
    ending = PurePath(text).suffix[:10]
    return text[: NAME_LIMIT - len(ending)] + ending


def _shown(name: str) -> str:
    """File names on Linux are bytes; those that are no text come with a replacement sign."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # half of a pair, typed or pasted
        return name.encode("utf-8", "replace").decode("utf-8")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unusable(path: Path, reason: str) -> Problem:
    return Problem(
        "file-unusable", f"{_shown(str(path))} cannot be attached: {reason}.", "Nothing was recorded. Choose another file."
    )
