"""The real server code below HTTP: requests of devices in, bytes of answers out. Crashes, restores, full disks, other servers."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.types import Message

from fieldapp.domain.entry import Entry
from fieldapp.domain.problem import Problem
from fieldapp.server.accounts import Accounts
from fieldapp.server.answers import Refused, problem_answer
from fieldapp.server.bodies import decoded, json_bytes
from fieldapp.server.erasing import Erasure, erase_customer, remove_content
from fieldapp.server.feed import Feed
from fieldapp.server.file_storage import FolderStorage
from fieldapp.server.files import Files
from fieldapp.server.reach import Session
from fieldapp.server.receiving import read_run, writer
from fieldapp.server.services import ServerServices
from fieldapp.store.server import ServerReplica
from fieldapp.sync.protocol import (
    DIGEST_HEADER,
    MEDIA_TYPE,
    NONCE_HEADER,
    PROBLEM_TYPE,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    Receipt,
    TokenRequest,
)  # fmt: skip
from tests.simulation.company import LOG, ROLES
from tests.simulation.storage import Disk

_encoder = msgspec.json.Encoder()


class Call(msgspec.Struct, frozen=True):
    """A request as it travels: what is asked of which address, by whom, with which bytes."""

    name: str
    token: str
    nonce: str
    body: bytes = b""
    sha256: str = ""
    part: str = ""
    range: str = ""
    cut: bool = False
    """The connection ended before the body did."""
    digest: str = ""
    """What the device said of a body that was spoiled on its way, and that comes as it is, compressed."""


class Reply(msgspec.Struct, frozen=True):
    """An answer as it travels."""

    status: int
    headers: dict[str, str]
    body: bytes


Served = Callable[[Session, PullRequest, object], None]


def _as_it_came(call: Call) -> bytes:
    """A body of JSON as the server reads it from the network.

    Raises:
        Refused: as for `json_bytes`.
    """
    pieces = [{"type": "http.request", "body": call.body, "more_body": call.cut}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return pieces.pop(0)

    headers = {"content-type": MEDIA_TYPE, "content-encoding": "gzip", DIGEST_HEADER.lower(): call.digest}
    sent = [(name.encode(), text.encode()) for name, text in headers.items()]
    reading = json_bytes(Request({"type": "http", "method": "POST", "headers": sent}, receive))
    try:
        reading.send(None)
    except StopIteration as read:
        return bytes(read.value)
    raise AssertionError("nothing of this waits")


class SimServer:
    """One server. `told` restores renew the incarnation, others do not.

    Args:
        page_bytes: it never gives more rows at a time. served: told every page that is given to somebody.
    """

    def __init__(self, db: Disk, folder: Path, clock: Callable[[], int], page_bytes: int, token_ms: int, served: Served) -> None:
        self.db, self._folder, self._clock, self._page_bytes, self._token_ms = db, folder, clock, page_bytes, token_ms
        self._served = served
        self.incarnation = 1
        self.oldest = ""
        self.away: tuple[bytes, int] | None = None
        self.backup: bytes | None = None
        self.moved = False
        self.restart()

    def restart(self) -> None:
        incarnation = str(self.incarnation)
        self.replica = ServerReplica(self.db, self._clock)
        self.feed = Feed(self.db, self._clock, incarnation=incarnation, oldest_version=self.oldest)
        secret = b"a server's secret" if self.away is None else b"another server's secret"
        self.accounts = Accounts(self.db, self._clock, secret=secret, incarnation=incarnation, token_ms=self._token_ms)
        self.storage = FolderStorage(self._folder / ("files" if self.away is None else "other-files"))
        self.files = Files(self.db, self.storage, largest=1 << 20)

    def record(self, entries: list[Entry]) -> None:
        self.replica.record(entries, ROLES)

    # --- Erasure: the administrator's command, on what it uses of the server's services -------------------------------------------

    @property
    def hints(self) -> SimServer:
        return self

    @property
    def clock(self) -> Callable[[], int]:
        return self._clock

    def publish(self, moved: dict[str, int]) -> None:
        self.moved = True

    def erase(self, customer: str) -> Erasure:
        return erase_customer(cast(ServerServices, self), customer, "asked to be forgotten")

    def finish_erasing(self) -> None:
        """What the server does each hour: content of erased files that a crash has left goes."""
        remove_content(cast(ServerServices, self))

    # --- Disasters ------------------------------------------------------------------------------------------------------------

    def back_up(self) -> None:
        self.backup = self.db.image()
        shutil.rmtree(self._folder / "backup", ignore_errors=True)
        if (self._folder / "files").is_dir():
            shutil.copytree(self._folder / "files", self._folder / "backup")

    def restore(self, *, told: bool, with_files: bool) -> bool:
        """Go back to the backup: what came after it is gone here, of the files as well or not. False where there is none."""
        if self.backup is None or self.away is not None:
            return False
        self.db.load(self.backup)
        if with_files:
            shutil.rmtree(self._folder / "files", ignore_errors=True)
            if (self._folder / "backup").is_dir():
                shutil.copytree(self._folder / "backup", self._folder / "files")
        self.incarnation += told
        self.restart()
        return True

    def exchange(self, image: bytes) -> None:
        """Another server answers at this address."""
        self.away = (self.db.image(), self.incarnation)
        self.incarnation = 1000
        self.db.load(image)
        self.restart()

    def come_back(self) -> None:
        if self.away is not None:
            image, self.incarnation = self.away
            self.away = None
            self.db.load(image)
            shutil.rmtree(self._folder / "other-files", ignore_errors=True)
            self.restart()

    def fill(self, *, files_only: bool) -> None:
        if files_only:
            self.storage._reserve = 1 << 60
        else:
            self.db.fill()

    def room(self) -> None:
        self.storage._reserve = 0
        self.db.room()

    # --- Requests -------------------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Reply:
        """Raises PowerCut where the plan says so; then nobody gets an answer."""
        try:
            value, status, extra = self._answer(call)
        except Problem as problem:
            response = problem_answer(problem)
            headers = {name.lower(): text for name, text in response.headers.items()}
            headers |= {"content-type": PROBLEM_TYPE, NONCE_HEADER.lower(): call.nonce}
            return Reply(response.status_code, headers, bytes(response.body))
        headers = {"content-type": MEDIA_TYPE, NONCE_HEADER.lower(): call.nonce, **extra}
        return Reply(status, headers, value if isinstance(value, bytes) else _encoder.encode(value))

    def _answer(self, call: Call) -> tuple[object, int, dict[str, str]]:
        if call.digest:
            call = msgspec.structs.replace(call, body=_as_it_came(call))
        if call.name == "token":
            return self.accounts.renew(decoded(call.body, TokenRequest)), 200, {}
        who = self.accounts.session(call.token, revoked_too=call.name == "quarantine")
        match call.name:
            case "push":
                return self._push(who, call.body), 200, {}
            case "pull":
                asked = decoded(call.body, PullRequest)
                self.accounts.seen(who.device, asked.app_version)
                page = self.feed.pull(who, msgspec.structs.replace(asked, budget=min(asked.budget, self._page_bytes)))
                self._served(who, asked, page)
                return page, 200, {}
            case "quarantine":
                wanted = decoded(call.body, QuarantineRequest)
                raw = base64.b64decode(wanted.raw)
                head = self.replica.quarantine(
                    writer(who), epoch=wanted.epoch, log=wanted.log, seq=wanted.seq, prev_hash=wanted.prev_hash,
                    chain=wanted.hash, raw=raw, reason=wanted.reason[:500],
                )  # fmt: skip
                since = self.replica.had_since(raw) or self._clock()
                return Receipt(head.epoch, head.seq, head.hash, head.safe_seq, since), 200, {}
            case "parts":
                return self.files.state(call.sha256), 200, {}
            case "part":
                return self.files.put_part(call.sha256, call.part, call.body, call.range, cut_off=call.cut), 200, {}
            case "complete":
                return self.files.complete(call.sha256), 200, {}
            case "fetch":
                stretch, content = self.files.open(who, call.sha256, call.range)
                extra = {"content-range": f"bytes {stretch.start}-{stretch.start + stretch.length - 1}/{stretch.size}"}
                return b"".join(content), 206, extra
        raise AssertionError(call)

    def _push(self, who: Session, body: bytes) -> PushAnswer:
        run = read_run(decoded(body, PushRequest), ("org", LOG))
        done = self.replica.receive(writer(who), run)
        self.moved = True
        receipt = Receipt(done.head.epoch, done.head.seq, done.head.hash, done.head.safe_seq, self._clock())
        return PushAnswer(receipt, done.statuses, str(self.incarnation), done.wanted)

    def wrong_bytes(self, sha256: str) -> bool:
        """Damage the parts that lie at the server, as a bad disk would. False where there are none."""
        folder = self._folder / "files" / "parts" / sha256
        parts = sorted(folder.iterdir()) if folder.is_dir() else []
        for part in parts:
            content = part.read_bytes()
            part.write_bytes(bytes(byte ^ 1 for byte in content))
        return bool(parts)

    def lose_part(self, sha256: str) -> bool:
        folder = self._folder / "files" / "parts" / sha256
        parts = sorted(folder.iterdir()) if folder.is_dir() else []
        for part in parts[:1]:
            part.unlink()
        return bool(parts)

    def holds(self, sha256: str) -> bool:
        path = self.storage.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


__all__ = ["Call", "Refused", "Reply", "SimServer"]
