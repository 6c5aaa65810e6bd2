"""The program's own words in the user's language: gettext catalogues in fieldapp/locales, English where one is missing.

Words of documents (procedures, products) are not translated here; they carry their own languages (domain/words.py).
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

from fieldapp.domain.words import spoken

LANGUAGES = {"en": "English", "zh_CN": "简体中文", "zh_TW": "繁體中文"}
"""Code to the language's own name."""

_FOLDER = Path(__file__).parent / "locales"


class _Current:
    code = "en"
    words: gettext.NullTranslations = gettext.NullTranslations()


def set_language(code: str) -> None:
    """Speak `code` from now on; an unknown one is English."""
    _Current.code = code if code in LANGUAGES else "en"
    _Current.words = gettext.translation("fieldapp", _FOLDER, [_Current.code], fallback=True)


def language() -> str:
    """Code of the language spoken now."""
    return _Current.code


def _(text: str) -> str:
    """The text in the language spoken now."""
    return _Current.words.gettext(text) if text else ""


def plural(one: str, many: str, count: int) -> str:
    """The form for `count`; a `{count}` in it is filled in by the caller."""
    return _Current.words.ngettext(one, many, count)


def later(text: str) -> str:
    """Marks a text for the catalogue that is translated when it is shown."""
    return text


def language_of_environment() -> str:
    """The language asked for by FIELDAPP_LANGUAGE, else by the locale of the terminal."""
    for name in ("FIELDAPP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "").partition(".")[0].partition("@")[0]
        if not value or value in ("C", "POSIX"):
            continue
        return spoken(value)
    return "en"
