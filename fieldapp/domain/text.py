"""Strict JSON for bytes that others wrote."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from fieldapp.domain.problem import Problem

WHOLE_LIMIT = 2**53 - 1
"""Largest whole number (either sign) that every JSON reader and both databases hold exactly (RFC 7493, section 2.2)."""
DEPTH_LIMIT = 64
"""Deepest nesting of lists and objects, the same on every machine whatever room its stack has."""


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number; values are written as text")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value")


def _whole(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > WHOLE_LIMIT:
        raise ValueError(f"the number {text[:20]} is too large")
    return int(text)


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} stands twice")
        found[key] = value
    return found


_quick_decoder = msgspec.json.Decoder(float_hook=_no_float)
_quick_encoder = msgspec.json.Encoder()


def strict_json(raw: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object as both databases must judge it: UTF-8, no NaN, no NUL, no lone surrogate, no key twice,
    no floating-point number (values are decimal text or whole numbers up to WHOLE_LIMIT), nested at most DEPTH_LIMIT deep.

    Raises:
        Problem: `bad-json`, naming `what` and the reason.
    """
    value = _quickly(raw)
    return value if value is not None else _thoroughly(raw, what)


def _quickly(raw: bytes) -> dict[str, Any] | None:
    """The value of bytes that come out the same when written again, as nearly all do; None where they must be read closely.

    Such bytes cannot hold a key twice (one would be gone); escapes and large numbers are left to the close reading.
    """
    if b"\\u" in raw or raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT:
        return None
    try:
        value = _quick_decoder.decode(raw)
    except ValueError:
        return None
    good = isinstance(value, dict) and _quick_encoder.encode(value) == raw and _numbers_fit(value)
    return value if good else None


def _numbers_fit(value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    while level:
        item = level.pop()
        for inner in item.values() if type(item) is dict else item:
            kind = type(inner)
            if kind is dict or kind is list:
                level.append(inner)
            elif kind is int and not -WHOLE_LIMIT <= inner <= WHOLE_LIMIT:
                return False
    return True


def _thoroughly(raw: bytes, what: str) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text, parse_int=_whole, parse_float=_no_float, parse_constant=_no_constant, object_pairs_hook=_unique_pairs
        )
        _check_inside(value, "\\u" in text)  # only an escape can smuggle in a NUL or half a character
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Problem("bad-json", f"The {what} is not valid JSON: {reason}.") from None
    if not isinstance(value, dict):
        raise Problem("bad-json", f"The {what} is not a JSON object.")
    return value


def _check_inside(value: Any, escaped: bool) -> None:
    depth, level = 0, [value]
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise ValueError("it is nested too deep")
        below: list[Any] = []
        for item in level:
            inside = [*item.keys(), *item.values()] if isinstance(item, dict) else item if isinstance(item, list) else [item]
            if escaped:
                for text in inside:
                    if isinstance(text, str):
                        _check_text(text)
            below += [deeper for deeper in inside if isinstance(deeper, (dict, list))]
        level = below


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ValueError("it holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("it holds half a character (a lone surrogate)") from None


def check_typed(text: str, what: str) -> None:
    """Refuse what no record can hold: NUL, and halves of characters as a terminal of another encoding sends them.

    Raises:
        Problem: `bad-value`, naming `what` was typed.
    """
    try:
        _check_text(text)
    except ValueError:
        raise Problem(
            "bad-value", f"The {what} holds characters that cannot be stored.", "Type it again instead of pasting it."
        ) from None
