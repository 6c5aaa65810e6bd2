"""Strict JSON for bytes that others wrote, and the canonical bytes we write ourselves."""

from __future__ import annotations

import json
from typing import Any

from fieldapp.domain.problem import Problem


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} stands twice")
        found[key] = value
    return found


def strict_json(raw: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object as both databases must judge it: UTF-8, no NaN, no NUL, no lone surrogate, no key twice,
    no floating-point number (values are decimal text or whole numbers).

    Raises:
        Problem: `bad-json`, naming `what` and the reason.
    """

    def refuse_float(text: str) -> Any:
        raise ValueError(f"{text[:40]} is not a whole number; values are written as text")

    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, parse_float=refuse_float, object_pairs_hook=_unique_pairs)
        if "\\u" in text:  # only an escape can smuggle in a NUL or half a character
            json.dumps(value, ensure_ascii=False).encode("utf-8")
            if _has_nul(value):
                raise ValueError("it holds a NUL character")
    except (ValueError, RecursionError) as error:
        raise Problem("bad-json", f"The {what} is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Problem("bad-json", f"The {what} is not a JSON object.")
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_has_nul(item) for item in value)
    return False
