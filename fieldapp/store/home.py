"""The folder of one device: one home, one person.

device.json      who this device is: kept beside the journal, not in the database, so a lost database is not a lost device
journal/         unsent entries, line by line (see journal.py), and those received in the last months (see kept.py)
data/            the database, and the search index made from it
files/           evidence, by content hash
inbox/           where photos are put to be attached
logs/            what went wrong, rotated
lock             held by the process that may write; names its holder
desk.json        what the server said of the desk when the office last asked (see sync/asked.py)
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import msgspec

from fieldapp.domain.entry import Moment
from fieldapp.domain.problem import Problem
from fieldapp.store.file_lock import try_lock, unlock
from fieldapp.store.full_disk import full_disk
from fieldapp.store.journal import make_folder, sync_folder

LOCK_WAIT_S = 5.0
"""How long a command that writes waits for the program that holds the home."""


class Identity(msgspec.Struct, frozen=True):
    """Who this device is. `log` is the own branch's; `epochs` names the open line of writing into each log."""

    url: str
    device: str
    code: str
    secret: str
    person: str
    name: str
    role: str
    log: str
    logs: tuple[str, ...] = ()
    epochs: dict[str, str] = {}
    ca_file: str = ""
    sealed: bool = False
    """The office took the device out of service, and everything was handed over: nothing may be opened here any more."""


class Home:
    """Paths and durable small files of a home. Nothing is created until it is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity_file = path / "device.json"
        self.journal_file = path / "journal" / "unsent.jsonl"
        self.database_file = path / "data" / "fieldapp.db"
        self.files = path / "files"
        self.inbox = path / "inbox"
        self.logs = path / "logs"
        self.lock_file = path / "lock"
        self.desk_file = path / "desk.json"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.database_file}"

    def prepare(self) -> None:
        """Make the folders, readable by their owner only.

        Raises:
            Problem: `home-unusable` where they cannot be made.
        """
        try:
            for folder in (self.path, self.journal_file.parent, self.database_file.parent, self.files, self.inbox, self.logs):
                make_folder(folder, 0o700)
        except OSError as error:
            raise _unusable(self.path, error) from error

    def identity(self) -> Identity | None:
        """Who this device is, None before it was enrolled.

        Raises:
            Problem: `identity-damaged`.
        """
        try:
            return msgspec.json.decode(self.identity_file.read_bytes(), type=Identity)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, error) from error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(
                "identity-damaged",
                f"The file that says who this device is cannot be read ({error}).",
                "Unsent work is safe in this folder. Ask the office for a new code, then: fieldapp enrol URL CODE --again.",
            ) from error

    def save_identity(self, identity: Identity) -> None:
        """
        Raises:
            Problem: `disk-full`, `home-unusable`; the one before is still there.
        """
        self.prepare()
        try:
            write_durably(self.identity_file, msgspec.json.format(msgspec.json.encode(identity)))
        except OSError as error:
            raise (full_disk(error) or _unusable(self.path, error)) from error

    @contextmanager
    def locked(self, what: str, wait: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the home for writing.

        Raises:
            Problem: `home-locked`, naming the holder, after `wait` seconds.
        """
        self.prepare()
        try:
            file = self.lock_file.open("a+b", buffering=0)
        except OSError as error:
            raise _unusable(self.path, error) from error
        with file:
            deadline = time.monotonic() + wait
            while not try_lock(file):
                if time.monotonic() >= deadline:
                    raise Problem(
                        "home-locked",
                        f"This device's data is in use by {_holder(file)}.",
                        "Nothing was changed. Finish there first, or do it there.",
                    )
                time.sleep(0.05)
            _name_holder(file, {"what": what, "pid": os.getpid(), "host": socket.gethostname()})
            try:
                yield
            finally:
                _name_holder(file, {})
                unlock(file)


def _unusable(folder: Path, error: OSError) -> Problem:
    return Problem(
        "home-unusable",
        f"The folder {folder} cannot be used ({error.strerror}).",
        "Nothing was changed. See to its rights and its disk, or choose another with --home or FIELDAPP_HOME.",
    )


def _name_holder(file: IO[bytes], holder: dict[str, object]) -> None:
    """Say in the lock file who holds it. The lock itself needs no room on the disk."""
    with contextlib.suppress(OSError):
        file.seek(0)
        file.truncate()
        if holder:
            file.write(json.dumps(holder).encode("ascii"))


def _holder(file: IO[bytes]) -> str:
    file.seek(0)
    try:
        held = json.loads(file.read() or b"{}")
        return f"`{held['what']}` (process {held['pid']} on {held['host']})"
    except (ValueError, KeyError, TypeError):
        return "another program"


def write_durably(path: Path, data: bytes) -> None:
    """Replace a small file so that after a power cut either the old or the new one is there, whole."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


class Clock(Protocol):
    """Where time comes from. `now` is milliseconds UTC by the server's clock as far as known; `moment` is what an entry keeps."""

    def now(self) -> int: ...

    def moment(self) -> Moment: ...


class SystemClock:
    """This machine's clocks. `skew` tells how many milliseconds to add to get the server's time, None while unknown."""

    def __init__(self, skew: Callable[[], int | None] = lambda: None) -> None:
        self._skew = skew
        self._boot = _boot_id()

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + (self._skew() or 0)

    def moment(self) -> Moment:
        local = time.localtime()
        return Moment(
            wall=time.time_ns() // 1_000_000,
            offset=local.tm_gmtoff // 60,
            boot=self._boot,
            up=_since_boot_ns() // 1_000_000,
            skew=self._skew(),
        )


def _since_boot_ns() -> int:
    """A clock that runs through sleep where the system has one."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime_ns(boottime) if boottime is not None else time.monotonic_ns()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""
