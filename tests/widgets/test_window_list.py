"""A list of any length reads what it shows and little more, and its cursor stays on its row."""

from __future__ import annotations

from collections.abc import Sequence

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
