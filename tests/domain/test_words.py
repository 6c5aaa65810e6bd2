"""Texts in several languages: which one is said, and in which of its own languages the program speaks to whom."""

from __future__ import annotations

import pytest

from fieldapp.domain.words import say, spoken


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("en", "en"), ("en_GB", "en"), ("de", "en"), ("", "en"), ("C", "en"), ("zho", "en"),
        ("zh", "zh_CN"), ("zh_CN", "zh_CN"), ("zh-cn", "zh_CN"), ("zh_SG", "zh_CN"), ("zh-Hans-HK", "zh_CN"),
        ("zh_TW", "zh_TW"), ("zh-tw", "zh_TW"), ("zh_HK", "zh_TW"), ("zh_MO", "zh_TW"), ("zh-Hant-CN", "zh_TW"),
    ],
)  # fmt: skip
def test_a_code_in_any_spelling_is_one_of_the_three_languages(code: str, language: str) -> None:
    assert spoken(code) == language


def test_a_text_is_said_in_the_nearest_language_there_is() -> None:
    words = {"en": "bar", "zh_CN": "巴", "fr": "barre"}
    assert [say(words, code) for code in ("en", "zh_CN", "zh_TW", "fr_CA", "de")] == ["bar", "巴", "巴", "barre", "bar"]
    assert say({"nl": "b", "fr": "a"}, "de") == "a"
    assert say({}) == say(None) == ""
