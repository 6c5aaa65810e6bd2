"""Text that is wrapped for the width it gets, as both scripts want it, and made anew whenever it is drawn."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

Make = Callable[[int], Content]
"""From the width in cells to the text, its lines joined by line feeds."""


class Paragraphs(Widget):
    """Shows what `make(width)` gives. Language and size may change at any time."""

    DEFAULT_CSS = """
    Paragraphs { height: auto; width: 1fr; }
    """

    def __init__(self, make: Make | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._make = make
        self._made: tuple[int, Content] | None = None

    def show(self, make: Make | None) -> None:
        """Show another text; None shows nothing and takes no room. The rest of the screen moves only where its height changes."""
        before = self._made
        self._make, self._made = make, None
        same = before is not None and _height(self._content(before[0])) == _height(before[1])
        self.refresh(layout=not same)

    def _content(self, width: int) -> Content:
        if self._made is None or self._made[0] != width:
            self._made = (width, self._make(width) if self._make else Content(""))
        return self._made[1]

    def notify_style_update(self) -> None:
        self._made = None
        super().notify_style_update()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return _height(self._content(width))

    def render(self) -> RenderResult:
        return self._content(max(1, self.content_size.width))


def _height(content: Content) -> int:
    return content.plain.count("\n") + 1 if content.plain else 0
