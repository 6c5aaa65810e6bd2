"""Breaking lines as both scripts want it: between words, and between Han characters, which have no spaces.

A line never begins with closing punctuation nor ends with opening punctuation (the rules of GB/T 15834 and JIS X 4051).
"""

from __future__ import annotations

from rich.cells import get_character_cell_size
from textual.content import Content

_NOT_FIRST = set("，。、；：！？）》」』】〕…—,.;:!?)]}%”’")
_NOT_LAST = set("（《「『【〔([{“‘")
_SIGNS = set("✓✗≈○•·⚠↩±▲▼")
"""A sign stands with its word."""


def wrap(content: Content, width: int) -> list[Content]:
    """Lines of at most `width` cells. A word longer than a line is cut; spaces at a break are dropped."""
    width = max(2, width)
    lines: list[Content] = []
    for paragraph in content.split("\n", allow_blank=True):
        cuts = _cuts(paragraph.plain, width)
        lines += [line.rstrip() for line in (paragraph.divide(cuts) if cuts else [paragraph])]
    return lines or [Content("")]


def shortened(content: Content, width: int) -> Content:
    """At most `width` cells: what does not fit is left out by whole words where that leaves most of it, with an ellipsis."""
    if content.cell_length <= width:
        return content
    words = wrap(content, width - 1)[0] if width > 2 else content
    return Content.assemble(words, "…") if width // 2 < words.cell_length < width else content.truncate(width, ellipsis=True)


def _cuts(text: str, width: int) -> list[int]:
    """Offsets at which new lines begin."""
    cuts: list[int] = []
    start = used = 0
    best = 0
    index = 0
    while index < len(text):
        size = get_character_cell_size(text[index])
        if index > start and _may_break(text, index):
            best = index
        while used + size > width and index > start and not text[index].isspace():
            cut = best if best > start else index
            cuts.append(cut)
            start = cut
            used = sum(get_character_cell_size(character) for character in text[start:index])
        used += size
        index += 1
    return cuts


def _may_break(text: str, index: int) -> bool:
    before, after = text[index - 1], text[index]
    if after.isspace() or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    if before.isspace():
        return index < 2 or text[index - 2] not in _SIGNS
    if before == "-":  # within a word of letters, not within a date or a serial number
        return index > 1 and text[index - 2].isalpha() and after.isalpha()
    return _is_wide(before) or _is_wide(after)


def _is_wide(character: str) -> bool:
    return get_character_cell_size(character) == 2
