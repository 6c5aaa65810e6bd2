from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from fieldapp.widgets.wrapping import shortened, wrap


def _lines(text: str, width: int) -> list[str]:
    return [line.plain for line in wrap(Content(text), width)]


def test_words_stay_whole() -> None:
    assert _lines("Key at the gate house", 10) == ["Key at the", "gate house"]


def test_han_characters_break_anywhere_but_before_closing_punctuation() -> None:
    assert _lines("机房钥匙在门卫处。", 16) == ["机房钥匙在门卫", "处。"]
    assert _lines("机房（地下室）", 6) == ["机房", "（地下", "室）"]


def test_mixed_scripts_break_between_them() -> None:
    assert _lines("冷水机组 YK-2 保养", 13) == ["冷水机组 YK-2", "保养"]


def test_a_word_longer_than_the_line_is_cut() -> None:
    assert _lines("abcdefghij", 4) == ["abcd", "efgh", "ij"]


@given(st.text(alphabet="ab ，。（中文-\n", max_size=60), st.integers(min_value=2, max_value=20))
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = wrap(Content(text), width)
    assert all(line.cell_length <= width for line in lines)
    assert "".join("".join(line.plain for line in lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "width", "left"),
    [
        ("Nordkai Data Centre", 19, "Nordkai Data Centre"),
        ("Nordkai Data Centre", 18, "Nordkai Data…"),
        ("Nordkai Rechenzentrumsbetriebsgesellschaft", 20, "Nordkai Rechenzentr…"),
        ("北港数据中心有限公司", 12, "北港数据中…"),
        ("Nordkai", 1, "…"),
    ],
)
def test_what_does_not_fit_is_left_out_by_words(text: str, width: int, left: str) -> None:
    assert shortened(Content(text), width).plain == left
    assert shortened(Content(text), width).cell_length <= width
