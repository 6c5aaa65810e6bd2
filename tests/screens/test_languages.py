"""The program speaks English and Chinese in both scripts, completely: no text untranslated, no catalogue behind its source."""

from __future__ import annotations

import gettext

import pytest
from textual.content import Content

from fieldapp.language import LANGUAGES, _, language_of_environment, plural, set_language
from fieldapp.locales import catalogues
from fieldapp.screens.actions import ACTIONS
from fieldapp.screens.states import LANE, PROMISE, STATUS, VERDICT

TRANSLATED = [code for code in LANGUAGES if code != "en"]


def test_catalogues_are_complete_and_compiled() -> None:
    """Run `python -m fieldapp.locales` after changing a text, and translate what it names."""
    assert catalogues.check() == []


def test_every_language_offered_has_a_catalogue() -> None:
    assert sorted(TRANSLATED) == sorted(catalogues.LANGUAGES)


@pytest.mark.parametrize("code", TRANSLATED)
def test_the_program_speaks_what_the_catalogue_says(code: str) -> None:
    set_language(code)
    compiled = gettext.translation("fieldapp", catalogues.FOLDER, [code])
    assert _("accept") == compiled.gettext("accept") == {"zh_CN": "接单", "zh_TW": "接單"}[code]
    found = plural("{count} job found", "{count} jobs found", 3).format(count=3)
    assert found == {"zh_CN": "找到 3 张工单", "zh_TW": "找到 3 張工單"}[code]


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "zh_TW.UTF-8"}, "zh_TW"), ({"LANG": "zh_HK.UTF-8"}, "zh_TW"), ({"LANG": "de_DE@euro"}, "en"), ({}, "en"),
        ({"LANG": "en_GB.UTF-8", "FIELDAPP_LANGUAGE": "zh_CN"}, "zh_CN"), ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "zh_CN"),
    ],
)  # fmt: skip
def test_the_terminal_names_the_language(environment: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIELDAPP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language_of_environment() == code


def test_a_text_without_a_translation_stays_as_it_is() -> None:
    set_language("zh_CN")
    assert _("Nobody has ever translated this.") == "Nobody has ever translated this."
    assert _("") == ""


@pytest.mark.parametrize("code", TRANSLATED)
def test_labels_fit_the_footer_and_words_their_columns(code: str) -> None:
    set_language(code)
    wide = {action.id: _(action.label) for action in ACTIONS.values() if Content(_(action.label)).cell_length > 12}
    assert not wide
    looks = [*STATUS.values(), *VERDICT.values(), *PROMISE.values(), *LANE.values()]
    assert not [word for _glyph, word, _colour in looks if Content(_(word)).cell_length > 12]


def test_simplified_and_traditional_are_not_mixed() -> None:
    """Characters that exist in one script only do not stand in the other's catalogue."""
    simplified, traditional = set("单设务页线户网络问题记录发处时间这为开关审"), set("單設務頁線戶網絡問題記錄發處時間這為開關審")
    for code, foreign in (("zh_CN", traditional - simplified), ("zh_TW", simplified - traditional)):
        texts = [text for message in catalogues.read(code) if message.id for text in catalogues.strings(message)]
        assert not [text for text in texts if foreign & set(text)]


def test_marks_are_found_inside_f_strings_and_nowhere_else() -> None:
    source = 'a = f"✓ {_(\'Safe\')}"\nb = later("x") + other("y") + plural("one", "many", 3)\nc = _(name)\n'
    assert sorted(map(str, catalogues.marked(source))) == ["('one', 'many')", "Safe", "x"]
