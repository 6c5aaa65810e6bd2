"""A text above an input that gives way to it: however long it is, its beginning and the input are in view together."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.widget import Widget

LEAST = 5
"""Lines that stay, however little room there is: a title and what to do."""


class GivesWay(VerticalScroll, can_focus=False):
    """As high as what it holds, but no higher than the other widgets leave of the room of what both are in; the rest scrolls.

    Args:
        to: ids of the widgets that come first, with the lines that each takes at least.
    """

    DEFAULT_CSS = """
    GivesWay { height: auto; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *children: Widget, to: dict[str, int], id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(*children, id=id)
        self._to = to

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        whole = super().get_content_height(container, viewport, width)
        if whole <= LEAST or not isinstance(self.parent, Widget):
            return whole
        taken = self.styles.margin.height
        for child in self.parent.children:
            if child.id in self._to and child.display:
                inside = max(1, width - child.gutter.width)
                height = child.get_content_height(container, viewport, inside) + child.gutter.height + child.styles.margin.height
                taken += max(self._to[child.id], height)
        return min(whole, max(LEAST, container.height - taken))


def page(text: Widget, step: int) -> bool:
    """Scroll a text by a page, up (-1) or down (1). False where it goes no further that way."""
    at, end = text.scroll_offset.y, text.max_scroll_y
    if (at <= 0) if step < 0 else (at >= end):
        return False
    text.scroll_to(y=at + step * max(1, text.size.height - 1), animate=False, immediate=True)
    return True
