"""The machine for files, apart from the one for facts: a stuck file delays neither a fact nor the other files.

Files that are only here go out in parts, the small ones first; files that are named but not here come in. One that does not work is
put aside for a while and the next one has its turn. While facts are on their way, files wait.

A request carries a piece that takes a few seconds, whatever the link: a part of a mebibyte in one where it is fast, some kibibytes
where it is slow. So a fact never waits long behind a piece, and what breaks off costs a few seconds' worth of bytes.
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
YIELDS = 60
"""So often in a row files wait for facts; then one piece goes, or a day full of facts on a slow link would leave them here."""
PIECE_FIRST = 16 * 1024
"""Bytes of the first piece, when nothing is known of the link: 8 s at 2 kB/s."""
PIECE_LEAST = 4 * 1024
QUICK_MS, SLOW_MS = 2_000, 8_000
"""A piece that took less makes the next one larger, one that took more makes it smaller."""


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
    """The machine for facts has to do something: renew the token that a request of this time was refused with."""

    why: m.Why
    asked: int | None = None


FileEvent = m.Started | m.Hurried | m.TimerFired | m.Answered | m.Troubled | FilesLooked
FileEffect = m.Ask | m.Arm | LookFiles | FileSent | KeepChunk | Nudge


class Aside(msgspec.Struct, frozen=True):
    """A file that did not work `tries` times and has its next turn at `until`; `words` say why."""

    sha256: str
    tries: int
    until: int
    words: str = ""


class FileLane(msgspec.Struct, frozen=True):
    """State. phases as in the machine for facts.

    held: what the server has of the file on its way, as of its last answer. most: (file, bytes) it ever had of it: only more is
    progress. piece: bytes of the next request. ceiling: what something on the way lets through at most. carried: bytes of the
    request in flight. yields: how often in a row facts went first. words: why all files wait. vain: the last request brought
    nothing, so the next one keeps its distance, whatever it is about. renewing: the last answer was that the token has expired.
    troubled: what was to be carried out here did not work since the last look that did.
    """

    seed: int
    phase: Literal["rest", "local", "asking", "stopped"] = "rest"
    wake: int = 0
    number: int = 0
    item: FileItem | None = None
    held: FileState | None = None
    most: tuple[str, int] = ("", -1)
    piece: int = PIECE_FIRST
    ceiling: int = PART_BYTES
    carried: int = 0
    yields: int = 0
    tries: int = 0
    aside: tuple[Aside, ...] = ()
    last_ask: int = NEVER
    idle: bool = False
    words: str = ""
    vain: bool = False
    renewing: bool = False
    troubled: bool = False


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
            # what was put aside has its turn again, though not at once: it is not asked about every time that a fact was sent. What
            # failed before says nothing of now, also where an answer that will never come is still waited for
            aside = tuple(msgspec.structs.replace(aside, tries=0, until=event.now) for aside in lane.aside)
            lane = _new(lane, aside=aside, tries=0)
            return _look(lane) if lane.phase == "rest" else (lane, ())
        case m.TimerFired() if lane.phase == "rest" and event.now >= lane.wake:
            return _look(lane)
        case m.TimerFired() if lane.phase == "asking" and event.now >= lane.wake:
            return _answered(lane, event.now, m.Fault("timeout", "the server did not answer in time"))
        case FilesLooked() if lane.phase == "local":
            return _decide(_new(lane, troubled=False), event)
        case m.Answered() if lane.phase == "asking" and event.number == lane.number:
            return _answered(lane, event.now, event.answer)
        case m.Troubled() if lane.phase == "local" and not lane.troubled:
            return _aside(_new(lane, troubled=True), event.now, event.words)
        case m.Troubled() if lane.phase == "local":  # looking itself does not work: without a wait nothing else would be done
            return _back_off(lane, event.now, None, event.words)
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
    if looked.yield_ and lane.yields < YIELDS:
        return _wait(_new(lane, yields=lane.yields + 1), now + YIELD_MS)
    item = ready[0]
    again = any(aside.sha256 == item.sha256 for aside in lane.aside)
    earliest = lane.last_ask + GAP_MS if lane.vain or lane.tries or again else NEVER
    if now < earliest:
        return _wait(lane, earliest)
    number, until = lane.number + 1, now + DEADLINE_MS
    request = _request(lane, item)
    carried = request.length if isinstance(request, m.SendPart | m.FetchPart) else 0
    lane = _new(lane, phase="asking", item=item, number=number, wake=until, last_ask=now, carried=carried, yields=0)
    return lane, (m.Ask(number, request), m.Arm(until))


def _request(lane: FileLane, item: FileItem) -> m.FileRequest:
    if item.fetch:
        return m.FetchPart(item.sha256, item.have, max(1, min(lane.piece, item.size - item.have)))
    held = lane.held
    if held is None or held.sha256 != item.sha256:
        return m.AskParts(item.sha256)
    there = frozenset(held.parts)
    part = next((part for part in range(-(-item.size // PART_BYTES)) if part not in there), None)
    if part is None:
        return m.AskComplete(item.sha256, item.size)
    whole = min(PART_BYTES, item.size - part * PART_BYTES)
    start = held.began if held.began < whole else 0
    return m.SendPart(item.sha256, part, item.path, item.size, start, min(lane.piece, whole - start))


def _paced(lane: FileLane, now: int) -> FileLane:
    """The next piece after one that worked: as much as goes through in a few seconds."""
    took = now - lane.last_ask
    if not lane.carried or lane.carried < lane.piece // 2:
        return lane  # too little was carried to say anything
    if took < QUICK_MS:
        return _new(lane, piece=min(lane.ceiling, lane.piece * (4 if took * 4 < QUICK_MS else 2)))
    return _new(lane, piece=max(PIECE_LEAST, lane.piece // 2)) if took > SLOW_MS else lane


def amount_of(state: FileState) -> int:
    """Bytes of a file that the server holds, the last part counted as a whole one."""
    return len(state.parts) * PART_BYTES + state.began


def _answered(lane: FileLane, now: int, answer: m.Answer) -> FileStep:
    item = lane.item
    if item is None:
        return _look(lane)
    if not isinstance(answer, m.Refused) or answer.status != 401:
        lane = _new(lane, renewing=False)
    match answer:
        case m.Good(FileState() as state) if state.sha256 == item.sha256 and not item.fetch:
            if state.complete:
                return _look(_worked(_paced(lane, now), held=None), FileSent(state.sha256))
            if lane.held == state:
                return _aside(lane, now, "the server does not keep what it is sent")
            return _look(_further(_paced(lane, now), state))
        case m.Good(m.Chunk(raw, total)) if item.fetch and (raw or not total):
            return _look(_worked(_paced(lane, now)), KeepChunk(item.sha256, item.have, raw, total))
        case m.Refused(401) if (
            not lane.renewing
        ):  # soon again with a new token, however long the wait before: that may expire as well
            return _wait(_new(lane, renewing=True, vain=True), now + GAP_MS, Nudge("renew", lane.last_ask))
        case m.Refused(401):
            return _back_off(lane, now, None, "", Nudge("renew", lane.last_ask))
        case m.Refused(403, detail) if detail.code == "device-revoked":
            # the machine for facts hears it too, hands over and ends; where the revocation is forgotten again, files go on
            return _wait(_new(lane, words=detail.title, vain=True), now + BACKOFF_MAX_MS, Nudge("renew"), idle=True)
        case m.Fault("too_large") if lane.carried > PIECE_LEAST and not item.fetch:
            less = max(PIECE_LEAST, lane.carried // 2)
            return _look(_new(lane, piece=less, ceiling=less))
        case m.Refused(507, detail):
            return _back_off(lane, now, answer.retry_after or BACKOFF_MAX_MS // 2, detail.detail or detail.title)
        case m.Refused(status, detail) if status < 500 and status not in (408, 425, 429):
            return _aside(lane, now, detail.detail or detail.title)
        case m.Refused(_, detail):
            return _back_off(lane, now, answer.retry_after, detail.detail or detail.title)
        case m.Fault("local" | "too_large" | "garbled", words):
            return _aside(lane, now, words)
        case m.Fault("timeout", words):
            if lane.piece == PIECE_LEAST or not lane.carried:
                lane, _ = _aside(lane, now, words)
            lane = _new(lane, piece=max(PIECE_LEAST, lane.piece // 4), held=None)
            return _back_off(lane, now, answer.retry_after, words)
        case m.Fault(_, words):
            # a piece may have come through in part: the server is asked first
            return _back_off(_new(lane, held=None), now, answer.retry_after, words)
    return _aside(lane, now, "the server answered something else than what was asked")


def _further(lane: FileLane, state: FileState) -> FileLane:
    """The server holds this much now. Only where that is more than it ever held is it progress: asking alone is none."""
    amount = amount_of(state)
    known = lane.most[1] if lane.most[0] == state.sha256 else -1
    lane = _new(lane, held=state, tries=0, words="", most=(state.sha256, max(amount, known)))
    return _worked(lane) if amount > known >= 0 else _new(lane, vain=False)


def _worked(lane: FileLane, **changes: object) -> FileLane:
    rest = tuple(aside for aside in lane.aside if lane.item is None or aside.sha256 != lane.item.sha256)
    return _new(lane, tries=0, aside=rest, words="", vain=False, **changes)


def _aside(lane: FileLane, now: int, words: str) -> FileStep:
    """This file has to wait; the next one has its turn."""
    sha256 = lane.item.sha256 if lane.item else ""
    before = next((aside.tries for aside in lane.aside if aside.sha256 == sha256), 0)
    delay, seed = backoff(lane.seed, before + 3)
    others = tuple(aside for aside in lane.aside if aside.sha256 != sha256)
    put = Aside(sha256, before + 1, now + max(GAP_MS, delay), words)
    return _look(_new(lane, seed=seed, held=None, aside=(*others, put), vain=True))


def _back_off(lane: FileLane, now: int, retry_after: int | None, words: str, *before: FileEffect) -> FileStep:
    """The way to the server is the trouble: all files wait."""
    delay, seed = backoff(lane.seed, lane.tries + 1, retry_after)
    return _wait(_new(lane, seed=seed, tries=lane.tries + 1, words=words, vain=True), now + max(GAP_MS, delay), *before)
