"""Bodies of requests as they go out: JSON, its digest, and compressed where that pays."""

from __future__ import annotations

import gzip
import hashlib

import msgspec

COMPRESS_FROM = 500
"""Bytes of a request from which compressing pays."""


class Packed(msgspec.Struct, frozen=True):
    """`content` is what is sent, `digest` the SHA-256 (hex) of the JSON before it was compressed."""

    content: bytes
    digest: str
    compressed: bool


def pack(body: msgspec.Struct) -> Packed:
    raw = msgspec.json.encode(body)
    compressed = len(raw) > COMPRESS_FROM
    return Packed(gzip.compress(raw, 6, mtime=0) if compressed else raw, hashlib.sha256(raw).hexdigest(), compressed)
