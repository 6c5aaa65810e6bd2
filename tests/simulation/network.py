"""A network that loses, delays, doubles, reorders, cuts off and corrupts; portals and proxies that answer in the server's place.

What comes back is judged by the same code as in the field: bytes and headers in, an answer or a fault out.
"""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import msgspec

from fieldapp.sync import messages as m
from fieldapp.sync.protocol import (
    MEDIA_TYPE,
    EpochParent,
    FileState,
    PullAnswer,
    PushAnswer,
    PushRequest,
    Receipt,
    TokenAnswer,
    TokenRequest,
    to_wire,
)  # fmt: skip
from fieldapp.sync.replies import Bomb, Broken, inflate, judged
from tests.simulation.company import SECRET
from tests.simulation.server import Call, Reply

_encode = msgspec.json.Encoder().encode
_WANTED = {
    "token": TokenAnswer, "push": PushAnswer, "pull": PullAnswer, "quarantine": Receipt, "parts": FileState, "part": FileState,
    "complete": FileState,
}  # fmt: skip


def call_of(request: m.Request, device: str, token: str, nonce: str, part_bytes: int) -> Call | m.Fault:
    """A request of a machine as it travels; a fault where its file cannot be read."""
    match request:
        case m.AskToken(wanted):
            return Call("token", "", wanted, _encode(TokenRequest(device, SECRET, wanted)))
        case m.AskPush(run):
            parent = EpochParent(*run.parent) if run.parent else None
            entries = tuple(to_wire(entry) for entry in run.entries)
            return Call(
                "push", token, nonce, _encode(PushRequest(run.epoch, run.log, run.from_seq, run.prev_hash, entries, parent))
            )
        case m.AskPull(pull):
            return Call("pull", token, nonce, _encode(pull))
        case m.AskQuarantine(wanted):
            return Call("quarantine", token, nonce, _encode(wanted))
        case m.AskParts(sha256):
            return Call("parts", token, nonce, sha256=sha256)
        case m.SendPart():
            start = request.part * part_bytes + request.start
            try:
                data = Path(request.path).read_bytes()[start : start + request.length]
            except OSError as error:
                return m.Fault("local", str(error))
            where = f"bytes {start}-{start + len(data) - 1}/{request.size}"
            return Call("part", token, nonce, data, request.sha256, str(request.part), where)
        case m.AskComplete(sha256):
            return Call("complete", token, nonce, sha256=sha256)
        case m.FetchPart():
            last = request.offset + request.length - 1
            return Call("fetch", token, nonce, sha256=request.sha256, range=f"bytes={request.offset}-{last}")
    raise AssertionError(request)


def heard(call: Call, reply: Reply, wall: int) -> m.Answer:
    """What a device makes of an answer."""
    try:
        body = inflate([reply.body], reply.headers.get("content-encoding", ""))
    except (Bomb, Broken) as error:
        return m.Fault("garbled", f"the answer is damaged ({error})")
    total = reply.headers.get("content-range", "").rpartition("/")[2]
    if reply.status == 206 and total.isdigit():
        return m.Good(m.Chunk(body, int(total)))
    answer = judged(reply.status, reply.headers, body, call.nonce, _WANTED.get(call.name, FileState), wall)
    return answer if isinstance(answer, m.Refused | m.Fault) else m.Good(answer, wall)


# --- Those who answer in the place of the server --------------------------------------------------------------------------------


def portal(chance: random.Random) -> tuple[str, Reply]:
    """A captive portal: a page with 200, a redirect, or 511 (RFC 6585, section 6)."""
    kind = chance.choice(("portal 200", "portal 302", "portal 511"))
    page = b"<html><body>Welcome! Sign in.</body></html>"
    return kind, Reply(int(kind[-3:]), {"content-type": "text/html; charset=utf-8", "location": "http://portal/"}, page)


def proxy_failure(chance: random.Random) -> tuple[str, Reply]:
    headers = {"content-type": "text/html"} | ({"retry-after": "3"} if chance.random() < 0.3 else {})
    return "proxy 502", Reply(chance.choice((502, 503, 504)), headers, b"<h1>Bad gateway</h1>")


TOO_LARGE = Reply(413, {"content-type": "text/html"}, b"<h1>Too large</h1>")


def packed(reply: Reply) -> Reply:
    """As the server compresses what is worth it."""
    return Reply(reply.status, {**reply.headers, "content-encoding": "gzip"}, gzip.compress(reply.body, 1, mtime=0))


def truncated(reply: Reply, chance: random.Random) -> Reply:
    reply = packed(reply)
    return Reply(reply.status, reply.headers, reply.body[: chance.randrange(len(reply.body))])


def corrupted(reply: Reply, chance: random.Random) -> Reply:
    """A byte that somebody on the way has turned, behind the header."""
    reply = packed(reply)
    body = bytearray(reply.body)
    body[chance.randrange(10, len(body))] ^= 1 << chance.randrange(8)
    return Reply(reply.status, reply.headers, bytes(body))


def spoiled(call: Call, chance: random.Random) -> Call:
    """A request of which a byte was turned on the way, or that ended early. A part of a file goes as it is, JSON compressed."""
    cut, plain = chance.random() < 0.5, call.name == "part"
    body = bytearray(call.body if plain else gzip.compress(call.body, 1, mtime=0))
    if cut:
        del body[chance.randrange(len(body)) :]
    else:
        body[chance.randrange(0 if plain else 10, len(body))] ^= 1 << chance.randrange(8)
    digest = "" if plain else hashlib.sha256(call.body).hexdigest()
    return msgspec.structs.replace(call, body=bytes(body), cut=cut, digest=digest)


def stale(call: Call, page: Reply | None) -> Reply:
    """A cache answers with what it gave somebody else: the last page, or some receipt."""
    if call.name == "pull" and page is not None:
        return page
    body = _encode(Receipt("another", 99, "0" * 64, 0, 0)) if call.name != "pull" else b'{"incarnation":"1","time":0,"cursors":{}}'
    return Reply(200, {"content-type": MEDIA_TYPE, "fieldapp-nonce": "of another request"}, body)
