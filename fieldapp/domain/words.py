"""Text in several languages, as documents carry it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

Key = Annotated[str, msgspec.Meta(max_length=200)]
"""An id, number or code that rows are found by: short enough for an index of either database, whatever characters it has."""
Words = dict[str, str]
"""Language code (`en`, `zh_CN`, `zh_TW`) to text."""
Spoken = Literal["en", "zh_CN", "zh_TW"]
"""The languages that the program itself speaks."""
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})


@lru_cache(maxsize=256)
def spoken(code: str) -> Spoken:
    """The program's language for a code in any spelling (`zh-Hant-HK`, `zh_SG`, `de`): the script decides before the place."""
    first, *more = code.replace("-", "_").casefold().split("_")
    if first != "zh":
        return "en"
    return "zh_TW" if "hans" not in more and _TRADITIONAL.intersection(more) else "zh_CN"


def say(words: Mapping[str, str] | None, language: str = "en") -> str:
    """The text in `language`, else in one of the same family (`zh_TW` for `zh_CN`), else English, else any; '' for none."""
    if not words:
        return ""
    if language in words:
        return words[language]
    family = language.split("_")[0]
    for code in sorted(words):
        if code.split("_")[0] == family:
            return words[code]
    return words.get("en") or words[min(words)]
