"""What came back over HTTP, judged: the server's own answer, its refusal, or something that somebody on the way made up.

Only what echoes the request's nonce is the server's. A captive portal, a proxy or a cache cannot know it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from fieldapp.sync import messages as m
from fieldapp.sync.protocol import DIGEST_HEADER, INFLATE_LIMIT, MEDIA_TYPE, PROBLEM_TYPE, Detail

_BUSY = (408, 425, 429)
_MARKUP = ("text/html", "application/xhtml+xml")
SIGN_IN = "a sign-in page answers instead of the server"


T = TypeVar("T")


class Bomb(Exception):
    """An answer larger than any answer of ours."""


class Broken(Exception):
    """An answer that is said to be compressed, and is not, or was cut off."""


def inflate(parts: Iterable[bytes], encoding: str, limit: int = INFLATE_LIMIT) -> bytes:
    """The bytes of an answer, never more than `limit`, compressed or not.

    Raises:
        Bomb, Broken.
    """
    unzip = zlib.decompressobj(wbits=31) if encoding in ("gzip", "x-gzip") else None
    if unzip is None and encoding not in ("", "identity"):
        raise Broken(encoding)
    found, size = [], 0
    try:
        for part in parts:
            data = part if unzip is None else unzip.decompress(part, limit - size + 1)
            size += len(data)
            if size > limit:
                raise Bomb
            found.append(data)
    except zlib.error as error:
        raise Broken("gzip") from error
    if unzip is not None and not unzip.eof:
        raise Broken("cut off")
    return b"".join(found)


def retry_after(headers: Mapping[str, str], wall: int) -> int | None:
    """Retry-After in milliseconds from now; a date is compared to the answer's own Date, or to `wall` (ms UTC) where it has none:
    the clock here may be wrong by a year."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    until, said = _date(text), _date(headers.get("date", ""))
    return None if until is None else max(0, until - (wall if said is None else said))


def _date(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1000) if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def judged(status: int, headers: Mapping[str, str], body: bytes, nonce: str, wanted: type[T], wall: int) -> T | m.Refused | m.Fault:
    """Judge an answer.

    Args:
        headers: with lower-case names. nonce: what was sent and has to come back. wanted: the type of a good answer.
    Returns: a value of `wanted`, or Refused or Fault.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    later = retry_after(headers, wall)
    if status == 511 or 300 <= status < 400:
        return m.Fault("sign_in_page", SIGN_IN)
    if headers.get("fieldapp-nonce") != nonce:
        return _foreign(status, media, later)
    digest = headers.get(DIGEST_HEADER.lower())
    if digest is not None and digest.lower() != hashlib.sha256(body).hexdigest():
        return m.Fault("garbled", "the answer was damaged on its way", later)
    if status >= 400:
        if media != PROBLEM_TYPE:
            return m.Fault("busy" if status >= 500 else "garbled", f"the server answered {status} without saying why", later)
        try:
            return m.Refused(status, msgspec.json.decode(body, type=Detail), later)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return m.Fault("busy" if status >= 500 else "garbled", f"the server answered {status} without saying why", later)
    if media != MEDIA_TYPE:
        return m.Fault("garbled", f"the server answered with {media or 'something'} instead of its own form", later)
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return m.Fault("garbled", "the server's answer cannot be read", later)


def _foreign(status: int, media: str, later: int | None) -> m.Fault:
    """An answer that is not the server's: of a portal, a proxy, or a wrong address."""
    if status == 413:
        return m.Fault("too_large", "something between here and the server finds this too large", later)
    if status == 407:
        return m.Fault("offline", "the proxy asks for a name and a password", later)
    if status in _BUSY or status >= 500:
        return m.Fault("busy", f"something between here and the server answers {status}", later)
    if status < 300 and media in _MARKUP:
        return m.Fault("sign_in_page", SIGN_IN)
    if status < 300:
        return m.Fault("garbled", "something answers that is not a Fieldapp server")
    return m.Fault("garbled", f"something between here and the server answers {status}, or the address is wrong")
