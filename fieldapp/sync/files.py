"""Files on this device's disk: what there is to send and to fetch, and the pieces of what is coming in.

A fetched file grows under a name of its own and gets its place only when its hash is right and it is fsynced.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.store.journal import sync_folder
from fieldapp.sync import messages as m
from fieldapp.sync.file_lane import FileItem, FileLane, FileSent, FilesLooked, KeepChunk, LookFiles

_BLOCK = 1024 * 1024


class FileDesk:
    """Carries out what the machine for files asks of replica and disk.

    Args:
        folder: the home's files, each under its hash.
    """

    def __init__(self, replica: DeviceReplica, folder: Path) -> None:
        self._replica, self._folder = replica, folder

    def commit(self, effect: LookFiles | FileSent | KeepChunk, now: int, *, busy: bool = False) -> FilesLooked | m.Troubled | None:
        """Carry one effect out. `busy`: facts are on their way."""
        try:
            match effect:
                case LookFiles():
                    return FilesLooked(now, self.items(), busy)
                case FileSent(sha256):
                    self._replica.mark_file(sha256, "sent", now)
                case KeepChunk():
                    self._keep(effect)
        except Problem as problem:
            return m.Troubled(now, str(problem))
        except OSError as error:
            return m.Troubled(now, f"the file cannot be written here ({error.strerror})")
        return None

    def items(self) -> tuple[FileItem, ...]:
        """What only this device has, the small ones first; then what is named but not here. What was erased goes from the disk."""
        for file in self._replica.files_to_erase():
            with suppress(OSError, Problem):  # somebody holds it open, or the disk is full: the next look tries again
                for path in (self._folder / file.sha256, self._part(file.sha256)):
                    path.unlink(missing_ok=True)
                self._replica.forget_file(file.sha256)
        out = [FileItem(file.sha256, file.size, self._place(file.sha256), file.size) for file in self._replica.files_waiting()]
        for file in self._replica.files_waiting("wanted"):
            part = self._part(file.sha256)
            have = part.stat().st_size if part.exists() else 0
            have = have if have < file.size else 0  # whole but not in its place: it was not the right one, or the power went
            out.append(FileItem(file.sha256, file.size, self._place(file.sha256), have, fetch=True))
        return tuple(out)

    def _place(self, sha256: str) -> str:
        return str(self._folder / sha256)

    def _part(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.part"

    def _keep(self, chunk: KeepChunk) -> None:
        part = self._part(chunk.sha256)
        self._folder.mkdir(parents=True, exist_ok=True)
        with part.open("r+b" if part.exists() else "w+b") as file:
            file.seek(chunk.offset)
            file.truncate()
            file.write(chunk.raw)
            file.flush()
            if chunk.offset + len(chunk.raw) < chunk.size:
                return
            os.fsync(file.fileno())
        if _hash_of(part) != chunk.sha256:
            part.unlink()
            raise Problem(
                "wrong-hash", "A file that came from the server is not the one that was announced.", "It is fetched again."
            )
        part.replace(self._folder / chunk.sha256)
        sync_folder(self._folder)
        self._replica.mark_file(chunk.sha256, "sent")


def waiting_words(lane: FileLane) -> tuple[str, ...]:
    """Why files wait, in words, for the sync centre."""
    return tuple(words for words in (lane.words, *(aside.words for aside in lane.aside)) if words)


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
