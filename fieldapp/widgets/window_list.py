"""A list of any length: it asks its source for the rows it shows, and for no others.

The line API draws each row when it comes into view (0.06 s and 1.5 MB at any length; a table of 100,000 rows takes 20 s to fill).
A row is one line or more, all rows of a list the same number. Reading a window is one indexed query of the local database, well
under a millisecond, so it is read where it is drawn: there is never a spinner for local data.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from fieldapp.language import later

RowT = TypeVar("RowT", covariant=True)
_WINDOW = 64
"""Rows read at a time."""


class Source(Protocol[RowT]):
    """Where rows come from. `key` names a row, so that the cursor stays on it when rows come and go around it."""

    def count(self) -> int: ...

    def window(self, offset: int, limit: int) -> Sequence[RowT]: ...

    def key(self, row: object) -> Hashable: ...


class Rows(Generic[RowT]):
    """A source over rows that are in memory already."""

    def __init__(self, rows: Sequence[RowT], key: Callable[[RowT], Hashable]) -> None:
        self._rows, self._key = rows, key

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[RowT]:
        return self._rows[offset : offset + limit]

    def key(self, row: object) -> Hashable:
        return self._key(row)  # type: ignore[arg-type]


class WindowList(ScrollView, can_focus=True):
    """Draws rows through `draw(row, width) -> Content` (its lines joined by line feeds).

    Rows for which `skip(row)` is true are headings: they are drawn, the cursor passes over them. While `filling()` says that rows
    still pour in the cursor stays at the top, unless somebody has put it on a row or pressed any key: what is done next is done to
    the row that was seen.
    """

    DEFAULT_CSS = """
    WindowList {
        height: 1fr;
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .window-list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
        & > .window-list--blurred { background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground; }
        & > .window-list--empty { color: $text-muted; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"window-list--cursor", "window-list--blurred", "window-list--empty"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(-1)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("enter", "focused.choose", later("open"), key_display="Enter", id="open"),
    ]
    AROUND: ClassVar[int] = 0
    """Rows kept in view before and after the cursor's, where there is room."""
    cursor: reactive[int] = reactive(0, repaint=False)

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, control: WindowList, row: object | None) -> None:
            super().__init__()
            self.window_list, self.row = control, row

        @property
        def control(self) -> WindowList:
            return self.window_list

    class Chosen(Message):
        """Enter, or a second click, on a row."""

        def __init__(self, control: WindowList, row: object) -> None:
            super().__init__()
            self.window_list, self.row = control, row

        @property
        def control(self) -> WindowList:
            return self.window_list

    def __init__(
        self,
        draw: Callable[[object, int], Content],
        *,
        row_height: int = 1,
        skip: Callable[[object], bool] = lambda row: False,
        filling: Callable[[], bool] = lambda: False,
        empty: str = "",
        id: str | None = None,  # noqa: A002 (Textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._draw, self._row_height, self._skip, self._empty = draw, row_height, skip, empty
        self._filling, self._was_filling, self._placed = filling, False, False
        self._source: Source[object] = Rows[object]((), lambda row: 0)
        self._count = 0
        self._windows: dict[int, Sequence[object]] = {}
        self._begun_in = 0
        self._drawn: tuple[int, int, Sequence[Content]] = (-1, -1, ())

    # --- What is shown ----------------------------------------------------------------------------------------------------------

    def show(self, source: Source[object]) -> None:
        """Show another source, or the same one after it changed. The cursor stays on its row where that still exists near by."""
        current = self.row
        key = self._source.key(current) if current is not None else None
        self._source, self._windows, self._drawn = source, {}, (-1, -1, ())
        empty, self._count = not self._count, source.count()
        if self.is_attached and empty != (not self._count):
            self.screen.refresh_bindings()
        self._measure()
        filling, self._was_filling = self._was_filling or self._filling(), self._filling()  # the last that pours in is news too
        if filling and not self._placed:
            key, self.cursor = None, 0
        if not self.container_size.height:  # longer than the whole screen: the first layout makes room for a scrollbar
            self.show_vertical_scrollbar = self.virtual_size.height > self.app.size.height
        self.cursor = self._find(key, self.cursor)
        self._into_view(animate=False)
        self.refresh()
        self.post_message(self.Moved(self, self.row))

    def set_empty(self, text: str) -> None:
        """What an empty list says: what to do next."""
        self._empty = text
        self.refresh()

    @property
    def row(self) -> object | None:
        """The row under the cursor."""
        return self._at(self.cursor)

    @property
    def count(self) -> int:
        return self._count

    def go_to(self, key: Hashable) -> bool:
        """Put the cursor on the row with this key, if it is there."""
        for index in range(self._count):
            row = self._at(index)
            if row is not None and not self._skip(row) and self._source.key(row) == key:
                self._set(index)
                return True
        return False

    def _at(self, index: int) -> object | None:
        if not 0 <= index < self._count:
            return None
        start = index - index % _WINDOW
        window = self._windows.get(start)
        if window is None:
            if len(self._windows) > 16:
                self._windows.clear()
            window = self._windows[start] = self._source.window(start, _WINDOW)
        return window[index - start] if index - start < len(window) else None

    def _find(self, key: Hashable, near: int) -> int:
        if key is not None:
            for distance in range(min(self._count, 2 * _WINDOW)):
                for index in (near + distance, near - distance):
                    row = self._at(index)
                    if row is not None and not self._skip(row) and self._source.key(row) == key:
                        return index
        near = max(0, min(near, self._count - 1))
        return self._next(near, 1) if self._next(near, 1) is not None else self._next(near, -1) or 0  # type: ignore[return-value]

    def _next(self, index: int, step: int) -> int | None:
        while 0 <= index < self._count:
            row = self._at(index)
            if row is not None and not self._skip(row):
                return index
            index += step
        return None

    def on_key(self) -> None:
        self._placed = True

    # --- Keys and mouse -----------------------------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        target = self._next(self.cursor + step, step)
        if target is not None:
            self._set(target)
        elif step < 0:
            self.scroll_home(animate=False)

    def action_page(self, step: int) -> None:
        rows = max(1, self.size.height // self._row_height - 1)
        target = max(0, min(self._count - 1, self.cursor + step * rows))
        found = self._next(target, step)
        self._set(found if found is not None else self._next(target, -step) or 0)

    def action_edge(self, step: int) -> None:
        found = self._next(0 if step < 0 else self._count - 1, -step)
        if found is not None:
            self._set(found)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to open in an empty list."""
        return None if action == "choose" and not self._count else super().check_action(action, parameters)

    def action_choose(self) -> None:
        self._placed = True
        row = self.row
        if row is not None and not self._skip(row):
            self.post_message(self.Chosen(self, row))

    def on_click(self, event: events.Click) -> None:
        index = self.index_at(event)
        if index is None:
            return
        if index == self.cursor and event.chain > 1:
            self.action_choose()
        self._set(index)

    def index_at(self, event: events.MouseEvent) -> int | None:
        """The row under the pointer; None on a heading, on the border and below the last one."""
        inside = event.get_content_offset(self)
        index = (inside.y + self.scroll_offset.y) // self._row_height if inside is not None else -1
        row = self._at(index)
        return None if row is None or self._skip(row) else index

    def _set(self, index: int) -> None:
        self._placed = True
        if index == self.cursor:
            return
        before, self.cursor = self.cursor, index
        if not self._into_view():
            self._refresh_row(before)
            self._refresh_row(index)
        self.post_message(self.Moved(self, self.row))

    def _into_view(self, animate: bool = False) -> bool:
        """Scroll so that the cursor's row (and a heading just above it) is in view. True where it had to."""
        if not self.container_size.height or not self.allow_vertical_scroll:  # the coming layout begins at the cursor
            self._begun_in = 0
            return False
        first = self.scroll_offset.y
        wanted = self._with_cursor(first, max(1, self.size.height))
        if wanted != first:
            self.scroll_to(y=wanted, animate=animate)
        return wanted != first

    def _with_cursor(self, first: int, height: int) -> int:
        """The line to begin at in `height` lines so that the cursor is in view; `first` where it is."""
        around = max(0, min(self.AROUND, (height // self._row_height - 1) // 2))
        above = self._at(self.cursor - 1)
        over = max(around, 1 if above is not None and self._skip(above) else 0)
        top = max(0, self.cursor - over) * self._row_height
        bottom = min(self._count, self.cursor + 1 + around) * self._row_height
        return top if top < first else max(first, bottom - height)

    def validate_scroll_y(self, value: float) -> float:
        """Asked whenever there is another size, before anything is painted: where the height is another one, the list is laid out
        with its cursor in view at once, instead of being scrolled to it in a second picture."""
        height = self.container_size.height
        if height and height != self._begun_in:
            self._begun_in = height
            value = self.scroll_target_y = self._with_cursor(round(value), height)
        return super().validate_scroll_y(value)

    def _refresh_row(self, index: int) -> None:
        y = index * self._row_height - self.scroll_offset.y
        self.refresh(Region(0, y, self.size.width, self._row_height))

    # --- Drawing ------------------------------------------------------------------------------------------------------------------

    def _measure(self) -> None:
        """Lines are as wide as there is room, so no width is asked for: asking would lay the whole screen out once more."""
        self.virtual_size = Size(0, max(1, self._count * self._row_height))

    def on_resize(self) -> None:
        self._measure()
        self._into_view()

    def on_focus(self) -> None:
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        self._refresh_row(self.cursor)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        line = y + self.scroll_offset.y
        index, part = divmod(line, self._row_height)
        if self._count == 0:
            text = Content(self._empty.split("\n")[y - 1] if 1 <= y <= len(self._empty.split("\n")) else "")
            return self._strip(Content(" ") + text, width, "window-list--empty")
        row = self._at(index)
        if row is None:
            return Strip.blank(width, self.rich_style)
        above = self._drawn if part and self._drawn[:2] == (y - 1, line - 1) else None  # one drawing for all lines of a row
        lines = above[2] if above is not None else self._draw(row, width).split("\n", allow_blank=True)
        self._drawn = (y, line, lines)
        content = lines[part] if part < len(lines) else Content("")
        on_cursor = index == self.cursor and not self._skip(row)
        component = ("window-list--cursor" if self.has_focus else "window-list--blurred") if on_cursor else None
        return self._strip(content, width, component)

    def _strip(self, content: Content, width: int, component: str | None) -> Strip:
        style = self.get_visual_style(component) if component else self.visual_style
        content = content.truncate(width, ellipsis=True)
        if component == "window-list--cursor":  # colours of states are chosen for the ground of the list, not for the cursor's
            content = content.stylize(Style(foreground=style.foreground))
        strips = Visual.to_strips(self, content, width, 1, style, apply_selection=False)
        strip = strips[0] if strips else Strip.blank(width, style.rich_style)
        return strip.adjust_cell_length(width, style.rich_style)
