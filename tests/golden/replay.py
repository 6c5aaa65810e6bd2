"""Asking a server of today what devices of an earlier day have asked, and comparing what it says with what was recorded."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from fieldapp.domain.fold import FOLD_VERSION
from tests.golden.corpus import PROTOCOL1, Exchange, restore
from tests.golden.packed import Wired, ask_packed
from tests.live_server import LiveServer

CHANCE = {"device", "code", "token", "secret"}
"""What an enrolment draws by lot."""
OF_THE_FOLD = {"fold", "digests"}
"""What changes with the version of the fold, by its own rules."""


class Clock:
    """The server's clock, ms UTC, as an exchange was recorded."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def set(self, now: int) -> None:
        self.now = now


def server_of(dump: str, folder: Path, clock: Clock) -> LiveServer:
    """A server of today over a database of the corpus."""
    from fieldapp.server.settings import ServerSettings

    restore(PROTOCOL1 / dump, folder / "server.db")
    return LiveServer(ServerSettings(home=folder, port=0, reserve_bytes=0), clock)


def agrees(recorded: Any, today: Any, where: str = "answer", left_out: frozenset[str] = frozenset()) -> Iterator[str]:
    """Where today's answer is not the recorded one. What it says in addition, an old device does not read."""
    if isinstance(recorded, dict) and isinstance(today, dict):
        for name in recorded.keys() - left_out:
            if name not in today:
                yield f"{where}.{name} is missing"
            else:
                yield from agrees(recorded[name], today[name], f"{where}.{name}", left_out)
    elif isinstance(recorded, list) and isinstance(today, list):
        if len(recorded) != len(today):
            yield f"{where} has {len(today)} elements, not {len(recorded)}"
        for number, (one, other) in enumerate(zip(recorded, today, strict=False)):
            yield from agrees(one, other, f"{where}[{number}]", left_out)
    elif recorded != today:
        yield f"{where} is {today!r}, not {recorded!r}"


def ask(client: httpx.Client, exchange: Exchange) -> tuple[int, httpx.Headers, bytes]:
    headers = {**exchange.headers, "Accept-Encoding": "identity"}
    with client.stream(exchange.method, exchange.path, content=exchange.content, headers=headers) as response:
        if not exchange.lines:
            return response.status_code, response.headers, response.read()
        lines = response.iter_lines()
        return response.status_code, response.headers, b"".join(next(lines).encode() + b"\n" for _ in range(exchange.lines))


def faults_of(
    client: httpx.Client, corpus: Iterable[Exchange], at: Callable[[int], None], *, several: bool = False
) -> Iterator[str]:
    """Ask everything in order; what is answered otherwise than it was.

    Args:
        at: sets the server's clock, ms UTC. several: processes answer, each of which writes when and by which version it was
            called once a minute; so the desk may say that later.
    """
    corpus = list(corpus)
    left_out = frozenset() if fold_of(corpus) == FOLD_VERSION else frozenset(OF_THE_FOLD)
    for exchange in corpus:
        at(exchange.at)
        status, headers, body = ask(client, exchange)
        if status != exchange.status:
            yield f"{exchange.name}: {status}, not {exchange.status}: {body[:300]!r}"
            continue
        for name, value in exchange.answer_headers.items():
            if headers.get(name) != value:
                yield f"{exchange.name}: header {name} is {headers.get(name)!r}, not {value!r}"
        if exchange.answer is None:
            if body != exchange.answered:
                yield f"{exchange.name}: {body[:300]!r}, not {exchange.answered[:300]!r}"
            continue
        more = frozenset(CHANCE) if exchange.name.startswith("enrol") else frozenset()
        if exchange.name == "desk":
            more |= {"id", "last_seen"} | ({"app_version"} if several else set())  # drawn by lot; written now and then
        if exchange.status >= 400:
            more |= {"title", "detail", "hint"}  # words for people may become better
        for fault in agrees(exchange.answer, json.loads(body), left_out=left_out | more):
            yield f"{exchange.name}: {fault}"


def fold_of(corpus: Iterable[Exchange]) -> int:
    """The version of the fold by which a corpus was recorded."""
    return next(int(exchange.answer["fold"]) for exchange in corpus if exchange.name == "pull-first")


def whole(value: Any) -> Any:
    """What was understood, defaults spelled out."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [whole(part) for part in value]
    return {name: whole(part) for name, part in value.items()} if isinstance(value, dict) else value


# --- The corpus of bytes ---------------------------------------------------------------------------------------------------------


def inflated(body: bytes, headers: httpx.Headers | dict[str, str]) -> bytes:
    """A body without its compression."""
    encoding = headers.get("Content-Encoding", "identity")
    assert encoding in ("gzip", "identity")
    return gzip.decompress(body) if encoding == "gzip" else body


def faults_of_packed(client: httpx.Client, corpus: Iterable[Wired], photo: bytes, at: Callable[[int], None]) -> Iterator[str]:
    """The same for the corpus of bytes: encodings, digests and contents are compared, however well today's server compresses."""
    for wired in corpus:
        at(wired.at)
        status, headers, body = ask_packed(client, wired, photo)
        if status != wired.status:
            yield f"{wired.name}: {status}, not {wired.status}: {body[:300]!r}"
            continue
        for name in ("Content-Type", "Content-Encoding", "Content-Range", "Fieldapp-Nonce", "Fieldapp-Incarnation"):
            if headers.get(name) != wired.answer_headers.get(name):
                yield f"{wired.name}: header {name} is {headers.get(name)!r}, not {wired.answer_headers.get(name)!r}"
        if wired.answer_headers.get("Content-Type") not in ("application/vnd.fieldapp+json", "application/problem+json"):
            if body != wired.answer(photo):
                yield f"{wired.name}: other bytes"
            continue
        raw = inflated(body, headers)
        if headers.get("Fieldapp-Digest") != hashlib.sha256(raw).hexdigest():
            yield f"{wired.name}: the digest is {headers.get('Fieldapp-Digest')!r}"
        left_out = OF_THE_FOLD | ({"title", "detail", "hint"} if status >= 400 else set())  # words may become better
        recorded = json.loads(inflated(wired.answer(photo), wired.answer_headers))
        for fault in agrees(recorded, json.loads(raw), left_out=frozenset(left_out)):
            yield f"{wired.name}: {fault}"
