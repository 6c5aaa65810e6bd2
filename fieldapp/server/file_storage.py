"""Where the bytes of files lie. Small enough for an S3-compatible store to take its place; what is here is a folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from fieldapp.store.journal import sync_folder

_CHUNK = 256 * 1024


class StorageFull(Exception):
    """No room for what was to be written; nothing of it is kept."""


class FileStorage(Protocol):
    """Files by content hash, arriving in numbered parts. What a call has stored survives a crash once it returns."""

    def parts(self, sha256: str) -> dict[int, int]:
        """Number to size of the parts that are there, whole."""

    def began(self, sha256: str, part: int) -> int:
        """Bytes that are there of a part which is not whole yet."""

    def put_part(self, sha256: str, part: int, data: bytes) -> None:
        """Raises: StorageFull."""

    def put_piece(self, sha256: str, part: int, offset: int, data: bytes, size: int) -> None:
        """Keep bytes of a part of `size` bytes, from `offset` in it on; with its last byte it is whole. Those that leave a hole
        behind what is there are not kept. Raises: StorageFull."""

    def drop_parts(self, sha256: str) -> None: ...

    def assemble(self, sha256: str, parts: int) -> bool:
        """Make the file of its parts; False where its hash is another (the parts stay). Raises: StorageFull."""

    def has(self, sha256: str) -> bool: ...

    def holds(self, sha256: str) -> bool:
        """Whether anything of a file lies here: all of it, parts, or what was put aside."""

    def remove(self, sha256: str) -> None:
        """Let go of a file and its parts for good."""

    def put_aside(self, sha256: str) -> None:
        """Let a file whose content is another one now be missing; its bytes stay for whoever looks at the disk."""

    def read(self, sha256: str, start: int, length: int) -> Iterator[bytes]:
        """Bytes of a whole file, in chunks."""


class FolderStorage:
    """Files in `folder/ab/abcd...`, parts in `folder/parts/abcd.../n`; each written beside its place, fsynced, renamed.

    A part that comes in pieces grows as `n.began`, fsynced with each piece. Whatever a power cut leaves of it, the hash of the
    whole decides.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int = 0) -> None:
        self._folder, self._reserve = folder, reserve_bytes

    def parts(self, sha256: str) -> dict[int, int]:
        found: dict[int, int] = {}
        with contextlib.suppress(FileNotFoundError):
            for path in self._parts(sha256).iterdir():
                if path.name.isdigit():
                    found[int(path.name)] = path.stat().st_size
        return dict(sorted(found.items()))

    def put_part(self, sha256: str, part: int, data: bytes) -> None:
        folder = self._parts(sha256)
        with self._clear_when_full(len(data)), self._placed(folder / str(part)) as path:
            path.write_bytes(data)

    def began(self, sha256: str, part: int) -> int:
        try:
            return self._began(sha256, part).stat().st_size
        except FileNotFoundError:
            return 0

    def put_piece(self, sha256: str, part: int, offset: int, data: bytes, size: int) -> None:
        path = self._began(sha256, part)
        with self._clear_when_full(len(data)):
            _make_folder(path.parent)
            there = self.began(sha256, part)
            if offset > there:
                return
            with contextlib.suppress(FileNotFoundError):  # somebody else has just brought the rest of it
                make = 0 if there else os.O_CREAT  # what had begun and is gone is whole by now: no second one with a hole in it
                with os.fdopen(os.open(path, os.O_RDWR | make | getattr(os, "O_BINARY", 0), 0o600), "r+b") as file:
                    file.seek(offset)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                if path.stat().st_size >= size:
                    path.replace(path.with_name(str(part)))
            sync_folder(path.parent)

    def drop_parts(self, sha256: str) -> None:
        shutil.rmtree(self._parts(sha256), ignore_errors=True)

    def assemble(self, sha256: str, parts: int) -> bool:
        sources = [self._parts(sha256) / str(part) for part in range(parts)]
        target, found = self.path(sha256), hashlib.sha256()
        try:
            with self._clear_when_full(sum(source.stat().st_size for source in sources)), self._placed(target) as path:
                with path.open("wb") as out:
                    for source in sources:
                        data = source.read_bytes()
                        found.update(data)
                        out.write(data)
                if found.hexdigest() != sha256:
                    raise _OtherContent
        except _OtherContent:
            return False
        except FileNotFoundError:
            return self.has(sha256)  # somebody else has just put it together
        return True

    def put_whole(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Keep a whole file whose content was checked already."""
        with self._clear_when_full(0), self._placed(self.path(sha256)) as path, path.open("wb") as out:
            for chunk in chunks:
                out.write(chunk)

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def holds(self, sha256: str) -> bool:
        return any(path.exists() for path in (self.path(sha256), self._aside(sha256), self._parts(sha256)))

    def remove(self, sha256: str) -> None:
        for path in (self.path(sha256), self._aside(sha256)):
            path.unlink(missing_ok=True)
        self.drop_parts(sha256)

    def put_aside(self, sha256: str) -> None:
        aside = self._aside(sha256)
        _make_folder(aside.parent)
        self.path(sha256).replace(aside)
        sync_folder(aside.parent)

    def read(self, sha256: str, start: int, length: int) -> Iterator[bytes]:
        with self.path(sha256).open("rb") as file:
            file.seek(start)
            while length > 0 and (chunk := file.read(min(_CHUNK, length))):
                length -= len(chunk)
                yield chunk

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _aside(self, sha256: str) -> Path:
        return self._folder / "spoiled" / sha256

    def _parts(self, sha256: str) -> Path:
        return self._folder / "parts" / sha256

    def _began(self, sha256: str, part: int) -> Path:
        return self._parts(sha256) / f"{part}.began"

    @contextlib.contextmanager
    def _placed(self, target: Path) -> Iterator[Path]:
        """A path to write to; what is there at the end is fsynced and takes the target's place at once."""
        _make_folder(target.parent)
        path = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        try:
            yield path
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            path.replace(target)
            sync_folder(target.parent)
        finally:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _clear_when_full(self, size: int) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < size + self._reserve:
            raise StorageFull  # the rest belongs to the log: facts go before files
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull from None
            raise


class _OtherContent(Exception):
    pass


def _make_folder(folder: Path) -> None:
    """Make a folder, durably: what lies in it is gone with it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
