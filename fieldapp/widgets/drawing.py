"""A canvas to sign on with the mouse, drawn in braille dots: two by four to a cell (Unicode block U+2800).

Its strokes are kept as the text of domain/signing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from fieldapp.domain.signing import MOST_POINTS, Point, read_strokes, strokes_text

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def braille(strokes: Iterable[Sequence[Point]], columns: int, rows: int) -> list[str]:
    """The strokes as lines of braille characters, `columns` by `rows`; what lies outside is left out."""
    cells = [[0] * columns for _ in range(rows)]
    for stroke in strokes:
        for x, y in _dots(stroke):
            if 0 <= x < columns * 2 and 0 <= y < rows * 4:
                cells[y // 4][x // 2] |= _BITS[y % 4][x % 2]
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in row) for row in cells]


def _dots(stroke: Sequence[Point]) -> Iterable[Point]:
    """Every dot of a line through the points (Bresenham, IBM Systems Journal 4(1), 1965)."""
    yield from stroke[:1]
    for (x, y), (to_x, to_y) in pairwise(stroke):
        across, down = abs(to_x - x), -abs(to_y - y)
        step_x, step_y = (1 if x < to_x else -1), (1 if y < to_y else -1)
        error = across + down
        while (x, y) != (to_x, to_y):
            doubled = 2 * error
            if doubled >= down:
                error, x = error + down, x + step_x
            if doubled <= across:
                error, y = error + across, y + step_y
            yield x, y


class Drawing(Widget):
    """Draws while the mouse button is held.

    Args:
        strokes: what stands on it at first, as text. hint: shown while it is empty.
    """

    DEFAULT_CSS = """
    Drawing { width: 60; max-width: 100%; height: 7; background: $surface; color: $foreground; border: round $panel; }
    """

    ALLOW_SELECT = False  # dragging draws, it does not select text

    class Drawn(Message):
        """A stroke ended, or all was cleared. `strokes`: everything on the canvas, as text."""

        def __init__(self, strokes: str) -> None:
            super().__init__()
            self.strokes = strokes

    def __init__(self, strokes: str = "", *, hint: str = "", id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._hint = hint
        self._strokes: list[list[Point]] = [list(stroke) for stroke in read_strokes(strokes)[2]]
        self._drawing = False

    @property
    def strokes(self) -> str:
        return strokes_text(self.content_size.width * 2, self.content_size.height * 4, self._strokes)

    def clear(self) -> None:
        self._strokes = []
        self._told()

    def render(self) -> RenderResult:
        if not self._strokes:
            return Content.styled(self._hint, "$text-muted")
        return Content("\n".join(braille(self._strokes, self.content_size.width, self.content_size.height)))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._drawing = True
        self._strokes.append([])
        self.capture_mouse()
        self._add(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drawing:
            self._add(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._drawing:
            self._drawing = False
            self.release_mouse()
            self._strokes = [stroke for stroke in self._strokes if stroke]
            self._told()

    def _add(self, event: events.MouseEvent) -> None:
        """The dot under the pointer; terminals that report pixels give parts of a cell, the others its middle."""
        gutter = self.styles.gutter
        left, top = event.pointer_x - gutter.left, event.pointer_y - gutter.top
        x = int(left * 2) + (left == int(left))
        y = int(top * 4) + 2 * (top == int(top))
        inside = 0 <= x < self.content_size.width * 2 and 0 <= y < self.content_size.height * 4
        if not inside or sum(map(len, self._strokes)) >= MOST_POINTS or self._strokes[-1][-1:] == [(x, y)]:
            return
        self._strokes[-1].append((x, y))
        self.refresh()

    def _told(self) -> None:
        self.refresh()
        self.post_message(self.Drawn(self.strokes))
