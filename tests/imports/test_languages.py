"""Names of languages in column headers."""

from __future__ import annotations

import pytest

from fieldapp.imports.languages import language_code, words_of


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("English (en)", "en"), ("english", "en"), ("Français (fr)", "fr"), ("français", "fr"), ("en", "en"), ("pt-br", "pt_BR"),
        ("中文 (zh)", "zh_CN"), ("Chinese", "zh_CN"), ("Chinese (Simplified)", "zh_CN"), ("简体中文 (zh-Hans)", "zh_CN"),
        ("zh_CN", "zh_CN"), ("繁體中文 (zh-Hant)", "zh_TW"), ("zh-TW", "zh_TW"), ("Chinese (Traditional)", "zh_TW"),
        ("香港 (zh-HK)", "zh_TW"),
        ("Swahili (sw)", "sw"), ("Portuguese (Brazil)", None), ("Klingon", None), ("", None),
    ],
)  # fmt: skip
def test_codes(name: str, code: str | None) -> None:
    assert language_code(name) == code


def test_a_named_column_wins_over_the_bare_one() -> None:
    assert words_of({"default": "bare", "English (en)": "named", "中文 (zh)": "中"}, "en") == {"en": "named", "zh_CN": "中"}
    assert words_of({"default": "bare", "中文 (zh)": "中"}, "en") == {"en": "bare", "zh_CN": "中"}
    assert words_of("bare", "de") == {"de": "bare"}
    assert words_of(None, "en") == words_of("", "en") == {}


def test_an_unknown_language_keeps_its_name() -> None:
    assert words_of({"Klingon": "nuqneH"}, "en") == {"Klingon": "nuqneH"}
