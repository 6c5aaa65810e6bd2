"""From the language names of a spreadsheet's columns (`label::Français (fr)`) to the language codes of `Words`."""

from __future__ import annotations

import re
from typing import Any

from fieldapp.domain.words import Words, spoken

_CODE_IN_BRACKETS = re.compile(r"\(([A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*)\)\s*\Z")
_BARE_CODE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*\Z")

_NAMES = {
    "english": "en", "french": "fr", "français": "fr", "francais": "fr", "german": "de", "deutsch": "de",
    "spanish": "es", "español": "es", "espanol": "es", "portuguese": "pt", "português": "pt", "portugues": "pt",
    "italian": "it", "italiano": "it", "dutch": "nl", "nederlands": "nl", "russian": "ru", "русский": "ru",
    "arabic": "ar", "العربية": "ar", "hindi": "hi", "swahili": "sw", "kiswahili": "sw", "japanese": "ja", "日本語": "ja",
    "korean": "ko", "한국어": "ko", "vietnamese": "vi", "thai": "th", "turkish": "tr", "polish": "pl", "nepali": "ne",
    "chinese": "zh_CN", "simplified chinese": "zh_CN", "chinese simplified": "zh_CN", "mandarin": "zh_CN",
    "中文": "zh_CN", "简体中文": "zh_CN", "汉语": "zh_CN", "traditional chinese": "zh_TW", "chinese traditional": "zh_TW",
    "繁體中文": "zh_TW", "繁体中文": "zh_TW", "正體中文": "zh_TW",
}  # fmt: skip


def language_code(name: str) -> str | None:
    """`English (en)`, `Français (fr)`, `chinese`, `zh-Hant` to `en`, `fr`, `zh_CN`, `zh_TW`; None for one not recognised."""
    bracketed = _CODE_IN_BRACKETS.search(name)
    if bracketed:
        return _normal(bracketed.group(1))
    plain = " ".join(name.replace("(", " ").replace(")", " ").split()).casefold()
    if plain in _NAMES:
        return _NAMES[plain]
    return _normal(name.strip()) if _BARE_CODE.match(name.strip()) else None


def _normal(code: str) -> str:
    parts = code.replace("-", "_").split("_")
    if parts[0].casefold() in ("zh", "cn"):
        return spoken("_".join(["zh", *parts[1:]]))
    return "_".join([parts[0].lower(), *(part.upper() if len(part) == 2 else part for part in parts[1:])])


def words_of(value: Any, default: str) -> Words:
    """Words from a cell: a plain text (in the form's own language), or a mapping of language names to texts.

    Args:
        value: text, or {language name: text} where `default` names the column without a language.
        default: code of the form's own language.
    """
    if isinstance(value, str):
        return {default: value} if value else {}
    if not isinstance(value, dict):
        return {}
    found: Words = {}
    bare = value.get("default")
    for name, text in value.items():
        if name != "default" and isinstance(text, str) and text:
            found[language_code(name) or name] = text
    if isinstance(bare, str) and bare:
        found.setdefault(default, bare)
    return found
