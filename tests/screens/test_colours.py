"""Colours only repeat what a glyph and a word say; each set of them can be read; without colours everything is still there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.color import Color
from textual.theme import Theme

from fieldapp.screens.states import LANE, PROMISE, STATUS, VERDICT, Look
from fieldapp.screens.themes import THEMES
from fieldapp.widgets.header import CONNECTIONS
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome

READABLE, HIGH = 4.5, 7.0
"""Contrast of text, WCAG 2.2: level AA, and level AAA for the set that is called high contrast."""


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances (WCAG 2.2, 1.4.3)."""
    lights = sorted(_light(Color.parse(colour)) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _light(colour: Color) -> float:
    parts = [part / 255 for part in colour.rgb]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_can_be_read_on_every_ground_it_stands_on(theme: Theme) -> None:
    least = HIGH if theme.name == "field-contrast" else READABLE
    colours = theme.to_color_system().generate()
    texts = ["foreground", "text-muted", *(f"text-{name}" for name in ("primary", "accent", "success", "warning", "error"))]
    pairs = [(text, ground) for text in texts for ground in ("background", "surface", "panel", "block-cursor-blurred-background")]
    pairs += [("block-cursor-foreground", "block-cursor-background"), ("footer-key-foreground", "footer-background")]
    poor = {pair: round(found, 1) for pair in pairs if (found := contrast(colours[pair[0]], colours[pair[1]])) < least}
    assert not poor


@pytest.mark.parametrize(
    "table", [STATUS, VERDICT, PROMISE, LANE, CONNECTIONS], ids=["status", "verdict", "promise", "lane", "line"]
)
def test_states_of_one_kind_differ_by_word_and_none_is_without_a_glyph(table: dict[str, Look]) -> None:
    words = [word for _glyph, word, _colour in table.values()]
    assert len(set(words)) == len(words)
    assert all(glyph.strip() and word.strip() for glyph, word, _colour in table.values())


@pytest.mark.parametrize("table", [STATUS, VERDICT, PROMISE, LANE], ids=["status", "verdict", "promise", "lane"])
def test_states_of_one_kind_differ_by_glyph(table: dict[str, Look]) -> None:
    glyphs = [glyph for glyph, _word, _colour in table.values()]
    assert len(set(glyphs)) == len(glyphs)


async def test_the_row_under_the_cursor_has_one_colour_that_was_chosen_for_it(field_home: Callable[[str], FieldHome]) -> None:
    """The colours of states are chosen for the ground of the list: amber on a white cursor could not be read."""
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+t", "ctrl+t")
        rows = app.screen.query_one(WindowList)
        await pilot.pause()
        strip = rows.render_line(rows.cursor)
        assert "J-" in strip.text
        used = {(part.style.color.name, part.style.bgcolor.name) for part in strip if part.style and part.text.strip()}  # type: ignore[union-attr]
        assert used == {("#000000", "#ffffff")}


async def test_one_key_goes_round_all_colours(field_home: Callable[[str], FieldHome]) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        seen = [app.theme]
        for _ in THEMES:
            await pilot.press("ctrl+t")
            seen.append(app.theme)
    assert seen == ["field-dark", "field-light", "field-contrast", "field-dark"]
