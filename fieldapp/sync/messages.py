"""What the machines of sync hear (events) and say (effects). Plain frozen values: a run of them can be written down and replayed.

Times (`now`, `at`, delays) are milliseconds of a clock that never jumps; wall time appears only as `midpoint` and in server times.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from fieldapp.store.rows import Head, Page, Run
from fieldapp.sync.packing import Packed, pack
from fieldapp.sync.protocol import (
    PART_BYTES,
    Detail,
    EpochParent,
    FileState,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    Receipt,
    TokenAnswer,
    to_wire,
)  # fmt: skip

Connection = Literal[
    "unknown", "online", "offline", "sign_in_page", "busy", "revoked", "upgrade", "server_full", "other_server"
]  # fmt: skip
"""How the connection stands, one word each; the screens have the sentence for it."""

FaultKind = Literal["offline", "timeout", "sign_in_page", "busy", "too_large", "insecure", "garbled", "local"]
"""Why no answer of the server came: no connection; silence; a portal's page; somebody on the way is overloaded or failing;
somebody on the way finds it too large; no trusted connection; something came that is no answer to what was asked; a file of this
device cannot be read."""


# --- Requests and answers ------------------------------------------------------------------------------------------------------


class AskToken(msgspec.Struct, frozen=True, tag=True):
    """Renew the token; asked again with the same nonce it gives the same token."""

    nonce: str


class AskPush(msgspec.Struct, frozen=True, tag=True, dict=True):
    run: Run

    @cached_property
    def packed(self) -> Packed:
        """As it goes out; made once, perhaps while the one before it is still on its way."""
        run = self.run
        parent = EpochParent(*run.parent) if run.parent else None
        return pack(PushRequest(run.epoch, run.log, run.from_seq, run.prev_hash, tuple(map(to_wire, run.entries)), parent))


class AskPull(msgspec.Struct, frozen=True, tag=True):
    request: PullRequest


class AskQuarantine(msgspec.Struct, frozen=True, tag=True):
    request: QuarantineRequest


class AskParts(msgspec.Struct, frozen=True, tag=True):
    """Which parts of a file the server holds."""

    sha256: str


class SendPart(msgspec.Struct, frozen=True, tag=True):
    """Of part `part` (from 0) of the file at `path`, of `size` bytes in all: `length` bytes (or to its end) from `start` on."""

    sha256: str
    part: int
    path: str
    size: int
    start: int = 0
    length: int = PART_BYTES


class AskComplete(msgspec.Struct, frozen=True, tag=True):
    """All parts are there: put the file together and verify it."""

    sha256: str
    size: int


class FetchPart(msgspec.Struct, frozen=True, tag=True):
    """Bytes of a file from `offset` on, at most `length`."""

    sha256: str
    offset: int
    length: int = PART_BYTES


FactRequest = AskToken | AskPush | AskPull | AskQuarantine
FileRequest = AskParts | SendPart | AskComplete | FetchPart
Request = FactRequest | FileRequest


class Chunk(msgspec.Struct, frozen=True):
    """Bytes of a fetched file, perhaps fewer than asked for; `total` is the size of the whole."""

    raw: bytes
    total: int


Body = TokenAnswer | PushAnswer | PullAnswer | Receipt | FileState | Chunk


class Good(msgspec.Struct, frozen=True):
    """The server's own answer. `midpoint`: wall time (ms UTC) half-way between asking and answer, for the skew."""

    body: Body
    midpoint: int | None = None


class Refused(msgspec.Struct, frozen=True):
    """The server's own refusal, proven by the echoed nonce. `retry_after` in milliseconds."""

    status: int
    detail: Detail
    retry_after: int | None = None


class Fault(msgspec.Struct, frozen=True):
    """No answer of the server; `words` say for a person what came instead."""

    kind: FaultKind
    words: str = ""
    retry_after: int | None = None


Answer = Good | Refused | Fault


# --- Events --------------------------------------------------------------------------------------------------------------------

Why = Literal["saved", "asked", "hint", "network", "renew"]
"""Why to hurry: something was recorded; a person wishes it; the server says a log moved; the network changed; the file lane's
token was refused."""


class Started(msgspec.Struct, frozen=True, tag=True):
    now: int


class Hurried(msgspec.Struct, frozen=True, tag=True):
    """asked: when the request went whose token was refused; None where the reason is another."""

    now: int
    why: Why
    asked: int | None = None


class TimerFired(msgspec.Struct, frozen=True, tag=True):
    now: int


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The answer to request `number`; one that is no longer waited for is ignored."""

    now: int
    number: int
    answer: Answer


class View(msgspec.Struct, frozen=True):
    """What the replica says now: the next unsent run, heads, cursors, what is to be backfilled, and what is remembered."""

    run: Run | None = None
    heads: tuple[Head, ...] = ()
    cursors: dict[str, str] = {}
    backfills: tuple[tuple[str, str, int, int], ...] = ()
    token: str = ""
    incarnation: str = ""
    skew: int | None = None


class Looked(msgspec.Struct, frozen=True, tag=True):
    now: int
    view: View


class ReadAhead(msgspec.Struct, frozen=True, tag=True):
    """What follows the run that is on its way; None where nothing does."""

    now: int
    push: AskPush | None


class Troubled(msgspec.Struct, frozen=True, tag=True):
    """A local effect did not work. Either the server's view of `epoch` is not ours (a receipt names what we never wrote, a rewind
    reaches back further than what is kept), or, without an epoch, the store has a problem: `words` say which (a full disk)."""

    now: int
    words: str = ""
    epoch: str = ""


Event = Started | Hurried | TimerFired | Answered | Looked | ReadAhead | Troubled


# --- Effects -------------------------------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True, tag=True):
    number: int
    request: Request


class Arm(msgspec.Struct, frozen=True, tag=True):
    """Wake the machine at `at`; replaces what was armed before."""

    at: int


class Report(msgspec.Struct, frozen=True, tag=True):
    """What a person may see. `slow`: no progress for some time, so tries are few."""

    connection: Connection
    words: str = ""
    slow: bool = False


class Look(msgspec.Struct, frozen=True, tag=True):
    """Read the replica; the answer is `Looked`. The run has at most `entries` entries and `size` bytes (but one whole group)."""

    entries: int
    size: int


class ReadOn(msgspec.Struct, frozen=True, tag=True):
    """While this run is on its way: read what follows it, as for `Look`; the answer is `ReadAhead`. Nothing is lost where that does
    not work."""

    run: Run
    entries: int
    size: int


class Acknowledge(msgspec.Struct, frozen=True, tag=True):
    """A receipt: everything up to the head is durable at the server. `sent`: how many entries the request carried."""

    head: Head
    time: int
    sent: int = 0


class Rewind(msgspec.Struct, frozen=True, tag=True):
    """The server stands further back: offer again from there."""

    head: Head


class Fork(msgspec.Struct, frozen=True, tag=True):
    """The server has another history of `epoch`: open a new one in its log and re-chain what is not received."""

    epoch: str


class HandOver(msgspec.Struct, frozen=True, tag=True):
    """An entry is about to be handed over as quarantine. Noted first: the receipt may be lost, and what the server holds in its
    quarantine looks like any other entry that it has received."""

    epoch: str
    seq: int
    reason: str


class Refuse(msgspec.Struct, frozen=True, tag=True):
    """An entry was handed over as quarantine, at its position. time: of the receipt, by the server's clock (ms UTC)."""

    epoch: str
    seq: int
    reason: str
    time: int


class Receive(msgspec.Struct, frozen=True, tag=True):
    page: Page


class SendAgain(msgspec.Struct, frozen=True, tag=True):
    """When it was asked, the server had not got these files, whatever it said of them before. asked: ms by this machine's clock."""

    files: tuple[str, ...]
    asked: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """The server's history is not the one that was read: read everything again, the outbox untouched."""


class Remember(msgspec.Struct, frozen=True, tag=True):
    values: dict[str, str]


Local = Look | ReadOn | Acknowledge | Rewind | Fork | HandOver | Refuse | Receive | SendAgain | Forget | Remember
Effect = Ask | Arm | Report | Local
