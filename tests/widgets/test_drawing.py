"""A drawn signature as text and as braille."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldapp.domain.signing import read_strokes, strokes_text
from fieldapp.widgets.drawing import braille

POINTS = st.tuples(st.integers(0, 119), st.integers(0, 27))


@given(st.lists(st.lists(POINTS, min_size=1, max_size=9), max_size=6))
def test_text_and_strokes_are_one_another_s_inverse(strokes: list[list[tuple[int, int]]]) -> None:
    text = strokes_text(120, 28, strokes)
    if not strokes:
        assert text == ""
        return
    assert read_strokes(text) == (120, 28, tuple(tuple(stroke) for stroke in strokes))
    assert text.isascii()


@pytest.mark.parametrize(
    "text", ["", "120x28;", "0x0;1,1", "120x28;1", "x", "9999x9999;1,1", "120x28;1,1 2,", "120x28\n;1,1", "1x1;" + "1,1 " * 99_999]
)
def test_foreign_text_draws_nothing(text: str) -> None:
    assert read_strokes(text) == (0, 0, ())


def test_a_line_lights_every_dot_between_its_points() -> None:
    assert braille([[(0, 0), (3, 0)]], 2, 1) == ["⠉⠉"]
    assert braille([[(0, 0), (0, 3)]], 1, 1) == ["⡇"]
    assert braille([[(1, 1)], [(99, 99)]], 1, 1) == ["⠐"]
    assert braille([], 2, 1) == ["  "]
