"""Bodies of requests: bounded before and after inflating, and judged by the same strict rules as every other foreign JSON."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from fieldapp.domain.text import strict_json
from fieldapp.server.answers import Refused
from fieldapp.sync.protocol import DIGEST_HEADER, INFLATE_LIMIT, MEDIA_TYPE, PushRequest

SMALL = 16 * 1024
"""Bytes of a request that anybody may send (enrol, token)."""
PLAIN_LIMIT = 4 * 1024 * 1024
"""Bytes of a request as they come over the network: a full push with every character escaped fits."""

T = TypeVar("T", bound=msgspec.Struct)
_BOUNDED = (PushRequest,)
"""Large requests whose numbers all carry bounds of their own, so that their shape is all there is to be judged."""
_encoder = msgspec.json.Encoder()


async def json_bytes(request: Request, *, plain: int = PLAIN_LIMIT, inflated: int = INFLATE_LIMIT) -> bytes:
    """The body of a JSON request, inflated.

    Raises:
        Refused: `wrong-media-type`, `unknown-encoding` (415), `request-too-large` (413), `bad-encoding`,
            `damaged-in-transit` (400).
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != MEDIA_TYPE:
        raise Refused(415, "wrong-media-type", f"Requests come as {MEDIA_TYPE}.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        body = await _inflate(request, plain, inflated)
    elif encoding in ("identity", ""):
        body = await plain_bytes(request, plain)
    else:
        raise Refused(415, "unknown-encoding", "The body is compressed in a way that this server does not read.", "Use gzip.")
    digest = request.headers.get(DIGEST_HEADER)
    if digest is not None and digest.lower() != hashlib.sha256(body).hexdigest():
        raise Refused(400, "damaged-in-transit", "The request was damaged on its way here.", "Send it again.")
    return body


async def as_far_as_it_came(request: Request, limit: int) -> tuple[bytes, bool]:
    """The body, and whether it came to its end before the connection did.

    Raises:
        Refused: `request-too-large` (413).
    """
    came = bytearray()
    try:
        async for part in request.stream():
            came += part
            if len(came) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        return bytes(came), False
    return bytes(came), True


async def plain_bytes(request: Request, limit: int) -> bytes:
    """The body as it came, at most `limit` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in _stream(request):
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


async def _inflate(request: Request, plain: int, inflated: int) -> bytes:
    unzip, parts, came, made = zlib.decompressobj(wbits=31), list[bytes](), 0, 0
    try:
        async for part in _stream(request):
            came += len(part)
            # One byte of room beyond the limit tells "exactly full" from "goes on": a bomb never gets further than that.
            out = unzip.decompress(part, inflated - made + 1)
            made += len(out)
            if came > plain or made > inflated:
                raise _too_large(plain if came > plain else inflated)
            parts.append(out)
    except zlib.error:
        raise Refused(400, "bad-encoding", "The body is said to be gzip, but it cannot be inflated.") from None
    if not unzip.eof or unzip.unused_data:
        raise Refused(400, "bad-encoding", "The compressed body is cut off or followed by something else.")
    return b"".join(parts)


async def _stream(request: Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            if part:
                yield part
    except ClientDisconnect:
        raise Refused(400, "request-cut-off", "The connection ended in the middle of the request.") from None


def _too_large(limit: int) -> Refused:
    return Refused(413, "request-too-large", f"The request is larger than {limit:,} bytes.", "Send less at a time.")


def decoded(raw: bytes, kind: type[T]) -> T:
    """The body as the wire type it should be.

    Raises:
        Problem: `bad-json`. Refused: `bad-request`, naming the place and the reason.
    """
    try:
        value = _quickly(raw, kind) if kind in _BOUNDED else None
        return value if value is not None else msgspec.convert(strict_json(raw, "request"), kind)
    except msgspec.ValidationError as error:
        raise Refused(400, "bad-request", f"The request does not have the shape it should have: {error}.") from None


def _quickly(raw: bytes, kind: type[T]) -> T | None:
    """The value of bytes that come out the same when written again, as a device's do: then nothing stands in them twice or is left
    over. None where they have to be read closely."""
    if b"\\u" in raw:
        return None
    try:
        value = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if _encoder.encode(value) == raw else None
