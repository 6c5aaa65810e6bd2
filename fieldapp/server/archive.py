"""The archive a backup is: a zip with the tables as lines of JSON, the files, and a manifest of what must be in it.

    manifest.json          what is inside, with a SHA-256 of each member; the zip's comment is the manifest's own SHA-256
    tables/<name>.jsonl    one row a line; bytes as {"b": base64}
    files/<sha256>         as they are

The rows say nothing of the database they came from: what was saved on SQLite can be restored on PostgreSQL and the other way round.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.store.journal import sync_folder

FORMAT = 1
_CHUNK = 1024 * 1024
_LINE_LIMIT = 8 * 1024 * 1024
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, LookupError, ValueError, RuntimeError, OverflowError,
)  # fmt: skip
"""What the zip library raises on bytes that are not what they were."""
_MEMBER = re.compile(r"(tables/[a-z_]{1,40}\.jsonl|files/(?P<file>[0-9a-f]{64}))\Z")
"""Nothing else is in a backup: a name is a path where it is restored, and a file's name is its content's hash."""


class Member(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True):
    """What an archive holds. rows: table to number of rows; heads: log to [position, chain]; missing: files that had not arrived;
    created: milliseconds UTC."""

    format: int
    created: int
    incarnation: str
    rows: dict[str, int]
    heads: dict[str, tuple[int, str]]
    members: dict[str, Member]
    missing: tuple[str, ...] = ()


class ArchiveWriter:
    """Writes members one after the other; `seal` and `publish` finish the archive. Until then the file has another name. It holds
    everything the server has, so nobody but the user who runs the server may read it, where the file system knows of users."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f".{target.name}.part")
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        self._file = os.fdopen(handle, "w+b")
        if hasattr(os, "fchmod"):  # one that a killed backup left has the mode of its own day
            with contextlib.suppress(OSError):  # a stick without users
                os.fchmod(handle, 0o600)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=3)
        self._members: dict[str, Member] = {}

    def add(self, name: str, chunks: Iterable[bytes], *, packed: bool = True) -> str:
        """Add a member; its SHA-256."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        found, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as out:
            for chunk in chunks:
                found.update(chunk)
                size += len(chunk)
                out.write(chunk)
        self._members[name] = Member(found.hexdigest(), size)
        return found.hexdigest()

    def seal(self, **facts: Any) -> Manifest:
        """Write the manifest and fsync. The archive still has its other name."""
        manifest = Manifest(format=FORMAT, members=self._members, **facts)
        raw = msgspec.json.encode(manifest, order="sorted")
        self._zip.writestr("manifest.json", raw)
        self._zip.comment = hashlib.sha256(raw).hexdigest().encode("ascii")
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return manifest

    def publish(self) -> None:
        """Give the archive its name: from now on it counts."""
        self.path.replace(self._target)
        sync_folder(self._target.parent)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk even closing has something to write
            self._zip.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


class ArchiveReader:
    """Reads a sealed archive. Nothing in it is believed before `check` has gone through all of it.

    Raises:
        Problem: `backup-unreadable`, `backup-newer`.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        try:
            if source.exists() and not source.is_file():
                raise OSError("it is not a file")  # a pipe would wait for ever
            self._zip = zipfile.ZipFile(source)
        except FileNotFoundError:
            raise Problem("backup-unreadable", f"There is no file {source}.", "Nothing was changed.") from None
        except _DAMAGE as error:
            raise self._damaged(str(error)) from None
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def check(self) -> None:
        """Read every member once and compare it with the manifest."""
        named = {"manifest.json", *self.manifest.members}
        inside = self._zip.namelist()
        if sorted(inside) != sorted(named):
            raise self._damaged("it does not hold what its manifest lists")
        for name, member in self.manifest.members.items():
            place = _MEMBER.match(name)
            if not place or (place["file"] and place["file"] != member.sha256):
                raise self._damaged("it holds something that no backup holds")
            found, size = hashlib.sha256(), 0
            for chunk in self.chunks(name):
                found.update(chunk)
                size += len(chunk)
            if (found.hexdigest(), size) != (member.sha256, member.size):
                raise self._damaged(f"{name} is not what was saved")

    def chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except _DAMAGE as error:
            raise self._damaged(str(error)) from None

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Rows of a table, as they were written.

        Raises:
            Problem: `backup-unreadable`.
        """
        try:
            with self._zip.open(f"tables/{table}.jsonl") as file:
                yield from read_rows(file)
        except (*_DAMAGE, TypeError, AttributeError) as error:
            raise self._damaged(f"its table {table} cannot be read ({type(error).__name__})") from None

    def _read_manifest(self) -> Manifest:
        try:
            raw = b"".join(self.chunks("manifest.json"))
        except Problem:
            raise self._damaged("it has no manifest") from None
        if hashlib.sha256(raw).hexdigest().encode("ascii") != self._zip.comment:
            raise self._damaged("its manifest was changed")
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._damaged("its manifest cannot be read") from None
        if isinstance(value, dict) and isinstance(value.get("format"), int) and value["format"] > FORMAT:
            raise Problem(
                "backup-newer", "A newer version wrote this backup.", "Restore it with that version. Nothing was changed."
            )
        try:
            return msgspec.convert(value, Manifest)
        except msgspec.ValidationError as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, reason: str) -> Problem:
        return Problem(
            "backup-unreadable",
            f"{self._source} is not a whole backup: {reason}.",
            "Nothing was changed. Take another copy of it.",
        )


def row_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Rows as lines of JSON, in chunks."""
    chunk: list[bytes] = []
    size = 0
    for row in rows:
        packed = {name: _packed(value) for name, value in row.items()}
        line = json.dumps(packed, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        chunk.append(line)
        size += len(line)
        if size > _CHUNK:
            yield b"".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk)


def read_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    while line := file.readline(_LINE_LIMIT):
        packed: dict[str, Any] = json.loads(line)
        yield {name: base64.b64decode(value["b"]) if isinstance(value, dict) else value for name, value in packed.items()}


def _packed(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value
