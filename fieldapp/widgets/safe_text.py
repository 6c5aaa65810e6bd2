"""The one way for foreign text to reach the terminal."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style

from fieldapp.domain.safe import plain_text


def safe_text(text: str, style: str | Style = "", *, lines: bool = False) -> Content:
    """Text that a person typed, as content without markup, escapes or control characters.

    Args:
        style: Textual style for all of it. lines: keep its line breaks.
    """
    return Content.styled(plain_text(text, lines=lines), style) if style else Content(plain_text(text, lines=lines))
