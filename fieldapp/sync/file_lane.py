"""The machine for files, apart from the one for facts: a stuck file delays neither a fact nor the other files.

Files that are only here go out in parts, the small ones first; files that are named but not here come in. One that does not work is
put aside for a while and the next one has its turn. While facts are on their way, files wait.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.sync import messages as m
from fieldapp.sync.machine import DEADLINE_MS, NEVER, POLL_MS
from fieldapp.sync.pacing import BACKOFF_MAX_MS, backoff
from fieldapp.sync.protocol import PART_BYTES, FileState

GAP_MS = 1_000
"""Between two requests where the first brought nothing."""
YIELD_MS = 500
"""How long files wait before they look again whether facts are still on their way."""


class FileItem(msgspec.Struct, frozen=True):
    """A file to send (`have` is its size, it is all here) or to fetch (`have` bytes of it are here)."""

    sha256: str
    size: int
    path: str
    have: int
    fetch: bool = False


class FilesLooked(msgspec.Struct, frozen=True, tag=True):
    """What there is to move. `yield_`: facts are on their way, they go first."""

    now: int
    items: tuple[FileItem, ...]
    yield_: bool = False


class LookFiles(msgspec.Struct, frozen=True, tag=True):
    """List what is to be sent and fetched; the answer is FilesLooked."""


class FileSent(msgspec.Struct, frozen=True, tag=True):
    """The server has the file, whole and verified."""

    sha256: str


class KeepChunk(msgspec.Struct, frozen=True, tag=True):
    """Write bytes of a fetched file; where that completes it, verify it and put it in its place."""

    sha256: str
    offset: int
    raw: bytes
    size: int


class Nudge(msgspec.Struct, frozen=True, tag=True):
    """The machine for facts has to do something: renew the token."""

    why: m.Why


FileEvent = m.Started | m.Hurried | m.TimerFired | m.Answered | m.Troubled | FilesLooked
FileEffect = m.Ask | m.Arm | LookFiles | FileSent | KeepChunk | Nudge


class Aside(msgspec.Struct, frozen=True):
    """A file that did not work `tries` times and has its next turn at `until`; `words` say why."""

    sha256: str
    tries: int
    until: int
    words: str = ""


class FileLane(msgspec.Struct, frozen=True):
    """State. held: (file, parts the server has of it), as of its last answer. words: why all files wait. phases as in the
    machine for facts."""

    seed: int
    phase: Literal["rest", "local", "asking", "stopped"] = "rest"
    wake: int = 0
    number: int = 0
    item: FileItem | None = None
    held: tuple[str, tuple[int, ...]] | None = None
    tries: int = 0
    aside: tuple[Aside, ...] = ()
    last_ask: int = NEVER
    idle: bool = False
    words: str = ""


FileStep = tuple[FileLane, tuple[FileEffect, ...]]


def files_quiet(lane: FileLane) -> bool:
    """Nothing is left to move but what has to wait."""
    return lane.phase == "stopped" or (lane.phase == "rest" and lane.idle)


def file_step(lane: FileLane, event: FileEvent) -> FileStep:
    """Advance the machine by one event; effects are to be carried out in order."""
    match event:
        case m.Started():
            return _look(lane)
        case m.Hurried():
            lane = _new(lane, aside=())
            return _look(_new(lane, tries=0)) if lane.phase == "rest" else (lane, ())
        case m.TimerFired() if lane.phase == "rest" and event.now >= lane.wake:
            return _look(lane)
        case m.TimerFired() if lane.phase == "asking" and event.now >= lane.wake:
            return _answered(lane, event.now, m.Fault("timeout", "the server did not answer in time"))
        case FilesLooked() if lane.phase == "local":
            return _decide(lane, event)
        case m.Answered() if lane.phase == "asking" and event.number == lane.number:
            return _answered(lane, event.now, event.answer)
        case m.Troubled() if lane.phase == "local":
            return _aside(lane, event.now, event.words)
    return lane, ()


def _new(lane: FileLane, **changes: object) -> FileLane:
    return msgspec.structs.replace(lane, **changes)


def _look(lane: FileLane, *before: FileEffect) -> FileStep:
    return _new(lane, phase="local", idle=False), (*before, LookFiles())


def _wait(lane: FileLane, until: int, *before: FileEffect, idle: bool = False) -> FileStep:
    return _new(lane, phase="rest", wake=until, idle=idle), (*before, m.Arm(until))


def _decide(lane: FileLane, looked: FilesLooked) -> FileStep:
    now = looked.now
    resting = {aside.sha256: aside.until for aside in lane.aside if aside.until > now}
    ready = [item for item in looked.items if item.sha256 not in resting]
    if not ready:
        soonest = min((until for until in resting.values()), default=now + POLL_MS)
        return _wait(_new(lane, item=None), max(now + GAP_MS, min(soonest, now + POLL_MS)), idle=True)
    if looked.yield_:
        return _wait(lane, now + YIELD_MS)
    item = ready[0]
    earliest = lane.last_ask + GAP_MS if lane.tries or any(aside.sha256 == item.sha256 for aside in lane.aside) else NEVER
    if now < earliest:
        return _wait(lane, earliest)
    number, until = lane.number + 1, now + DEADLINE_MS
    lane = _new(lane, phase="asking", item=item, number=number, wake=until, last_ask=now)
    return lane, (m.Ask(number, _request(lane, item)), m.Arm(until))


def _request(lane: FileLane, item: FileItem) -> m.FileRequest:
    if item.fetch:
        return m.FetchPart(item.sha256, item.have)
    if lane.held is None or lane.held[0] != item.sha256:
        return m.AskParts(item.sha256)
    missing = [part for part in range(-(-item.size // PART_BYTES)) if part not in lane.held[1]]
    return m.SendPart(item.sha256, missing[0], item.path, item.size) if missing else m.AskComplete(item.sha256, item.size)


def _answered(lane: FileLane, now: int, answer: m.Answer) -> FileStep:
    item = lane.item
    if item is None:
        return _look(lane)
    match answer:
        case m.Good(FileState(sha256, parts, complete)) if sha256 == item.sha256 and not item.fetch:
            if complete:
                return _look(_worked(lane, held=None), FileSent(sha256))
            if lane.held == (sha256, parts):
                return _aside(lane, now, "the server does not keep what it is sent")
            return _look(_worked(lane, held=(sha256, parts)))
        case m.Good(m.Chunk(raw, total)) if item.fetch and (raw or not total):
            return _look(_worked(lane), KeepChunk(item.sha256, item.have, raw, total))
        case m.Refused(401):
            return _back_off(lane, now, None, "", Nudge("renew"))
        case m.Refused(403, detail) if detail.code == "device-revoked":
            return _new(lane, phase="stopped"), ()
        case m.Refused(507, detail):
            return _back_off(lane, now, answer.retry_after or BACKOFF_MAX_MS // 2, detail.detail or detail.title)
        case m.Refused(status, detail) if status < 500 and status not in (408, 425, 429):
            return _aside(lane, now, detail.detail or detail.title)
        case m.Refused(_, detail):
            return _back_off(lane, now, answer.retry_after, detail.detail or detail.title)
        case m.Fault("local" | "too_large" | "garbled", words):
            return _aside(lane, now, words)
        case m.Fault("timeout", words):
            lane, _ = _aside(lane, now, words)
            return _back_off(lane, now, answer.retry_after, words)
        case m.Fault(_, words):
            return _back_off(lane, now, answer.retry_after, words)
    return _aside(lane, now, "the server answered something else than what was asked")


def _worked(lane: FileLane, **changes: object) -> FileLane:
    rest = tuple(aside for aside in lane.aside if lane.item is None or aside.sha256 != lane.item.sha256)
    return _new(lane, tries=0, aside=rest, words="", **changes)


def _aside(lane: FileLane, now: int, words: str) -> FileStep:
    """This file has to wait; the next one has its turn."""
    sha256 = lane.item.sha256 if lane.item else ""
    before = next((aside.tries for aside in lane.aside if aside.sha256 == sha256), 0)
    delay, seed = backoff(lane.seed, before + 3)
    others = tuple(aside for aside in lane.aside if aside.sha256 != sha256)
    put = Aside(sha256, before + 1, now + max(GAP_MS, delay), words)
    return _look(_new(lane, seed=seed, held=None, aside=(*others, put)))


def _back_off(lane: FileLane, now: int, retry_after: int | None, words: str, *before: FileEffect) -> FileStep:
    """The way to the server is the trouble: all files wait."""
    delay, seed = backoff(lane.seed, lane.tries + 1, retry_after)
    return _wait(_new(lane, seed=seed, tries=lane.tries + 1, words=words), now + max(GAP_MS, delay), *before)
