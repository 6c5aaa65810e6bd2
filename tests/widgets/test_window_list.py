"""A list of any length reads what it shows and little more, and its cursor stays on its row."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult
from textual.content import Content

from fieldapp.widgets.window_list import WindowList

MANY = 100_000


class Numbers:
    """Rows are their own keys; how many were read is counted."""

    def __init__(self, first: int = 0, last: int = MANY) -> None:
        self._rows = range(first, last)
        self.read = 0

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[int]:
        found = self._rows[offset : offset + limit]
        self.read += len(found)
        return found

    def key(self, row: object) -> object:
        return row


class OneList(App[None]):
    def compose(self) -> ComposeResult:
        yield WindowList(lambda row, width: Content(f"row {row}"), skip=lambda row: row == 0)


async def test_of_a_hundred_thousand_rows_only_those_in_view_are_read() -> None:
    app, rows = OneList(), Numbers()
    async with app.run_test(size=(40, 20)) as pilot:
        shown = app.query_one(WindowList)
        shown.show(rows)
        shown.focus()
        await pilot.pause()
        assert shown.row == 1, "the first row is a heading"
        assert rows.read <= 200
        await pilot.press("end")
        assert shown.row == MANY - 1
        assert f"row {MANY - 1}" in shown.render_line(19).text
        await pilot.press("pageup", "up", "k", "down", "home")
        assert shown.row == 1
        assert "row 0" in shown.render_line(0).text, "the heading above the first row is in view"
        assert rows.read <= 1_000


async def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    app = OneList()
    async with app.run_test(size=(40, 20)) as pilot:
        shown = app.query_one(WindowList)
        shown.show(Numbers(10, 500))
        shown.focus()
        await pilot.press("pagedown", "down")
        here = shown.row
        assert here not in (None, 10)
        shown.show(Numbers(5, 500))
        assert shown.row == here
        shown.show(Numbers(400, 500))
        assert isinstance(shown.row, int), "its row is gone: one near by"
        shown.show(Numbers(1, 1))
        assert shown.row is None
        await pilot.press("down", "end", "enter")
        assert shown.row is None


class Pictures(App[None]):
    """A list that is shown, and sent to a row far down, before anything is laid out. What each picture of it shows is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[list[str]] = []

    def compose(self) -> ComposeResult:
        yield WindowList(lambda row, width: Content(f"row {row}".rjust(width)))

    def on_mount(self) -> None:
        shown = self.query_one(WindowList)
        shown.show(Numbers(0, 500))
        shown.go_to(300)

    def post_display_hook(self) -> None:
        shown = self.query_one(WindowList)
        if shown.size.height:
            self.pictures.append([shown.render_line(y).text for y in range(shown.size.height)])


async def test_its_first_picture_begins_at_its_cursor_with_its_scrollbar() -> None:
    """A list that is scrolled, or made narrower for a scrollbar, only when it is laid out already is painted twice."""
    app = Pictures()
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        first = app.pictures[0]
        assert first[-1].strip() == "row 300", "the cursor's row, as near to the top of the list as it was"
        assert len(first[-1]) == 39, "the last column is the scrollbar's"
        assert all(picture == first for picture in app.pictures)
        await pilot.resize_terminal(40, 8)
        await pilot.pause()
        assert "row 300" in [line.strip() for line in app.pictures[-1]], "the cursor stays in view of a smaller window"
        app.query_one(WindowList).scroll_to(y=0, animate=False)
        await pilot.pause()
        assert app.pictures[-1][0].strip() == "row 0", "whoever scrolls away from the cursor is left there"


class WithContext(WindowList):
    AROUND = 3


class ContextList(App[None]):
    def compose(self) -> ComposeResult:
        yield WithContext(lambda row, width: Content(f"row {row}"))


@pytest.mark.parametrize(("height", "context"), [(20, 3), (5, 2), (2, 0)])
async def test_rows_around_the_cursor_stay_in_view_where_there_is_room(height: int, context: int) -> None:
    app = ContextList()
    async with app.run_test(size=(40, height)) as pilot:
        shown = app.query_one(WithContext)
        shown.show(Numbers(0, 45))
        shown.focus()
        await pilot.pause()

        def in_view() -> range:
            return range(shown.scroll_offset.y, shown.scroll_offset.y + height)

        for row in range(45):
            assert shown.row == row
            assert {max(0, row - context), row, min(44, row + context)} <= set(in_view())
            await pilot.press("down")
        for row in range(44, -1, -1):
            assert shown.row == row
            assert {max(0, row - context), row, min(44, row + context)} <= set(in_view())
            await pilot.press("up")
        assert shown.go_to(25)
        await pilot.pause()
        assert {25 - context, 25, 25 + context} <= set(in_view())
