"""Today: the technician's jobs by what is urgent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import allowed
from fieldapp.language import _, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.jobcards import draw_card, job_summary
from fieldapp.screens.technician.moving import MOVES, MovesJobs
from fieldapp.store.queries.lists import DayList, Heading, JobCard, view_of_job
from fieldapp.widgets.window_list import WindowList

HEADINGS = {
    "overdue": later("OVERDUE PROMISE"),
    "now": later("NOW"),
    "today": later("TODAY"),
    "later": later("LATER"),
    "done": later("DONE, WAITING FOR REVIEW"),
}


class TodayScreen(MovesJobs, FieldScreen):
    """The list on the left; from 110 columns on, the job under the cursor on the right."""

    TITLE_TEXT = later("Today")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("open", "accept", "travel", "arrive", "start", "resume", "decline", "sync_centre", "search")
    ]
    CSS_PATH = "today.tcss"

    def body(self) -> Iterable[Widget]:
        with Horizontal():
            yield WindowList(self._draw, skip=lambda row: isinstance(row, Heading), id="jobs")
            yield Static(id="preview", markup=False)

    def compose(self) -> ComposeResult:
        yield from super().compose()

    @property
    def _list(self) -> WindowList:
        return self.query_one("#jobs", WindowList)

    def shows(self, streams: frozenset[str]) -> bool:
        return any(stream.partition(":")[0] in ("job", "customer") for stream in streams)

    def reload(self) -> None:
        now = self.field.now()
        self._list.set_empty(_("No jobs for you on this device.\nPress s to fetch what the office has assigned."))
        self._list.show(DayList(self.field.session.reader, self.field.session.identity.person, now=now, day_end=_day_end(now)))

    def on_mount(self) -> None:
        super().on_mount()
        self._list.focus()
        self.set_interval(30, self.reload)

    def _draw(self, row: object, width: int) -> Content:
        if isinstance(row, Heading):
            return Content.styled(f" {_(HEADINGS[row.section])}  {row.count}", "bold $text-muted")
        assert isinstance(row, JobCard)
        return draw_card(row, width, self.field.now())

    @on(WindowList.Moved)
    def _moved(self, event: WindowList.Moved) -> None:
        self.refresh_bindings()
        preview = self.query_one("#preview", Static)
        if not preview.display:
            return
        job = self.job()
        preview.update(Content("") if job is None else job_summary(self.field, job))

    def on_resize(self) -> None:
        """The preview may have come into view."""
        self.call_after_refresh(lambda: self._list.post_message(WindowList.Moved(self._list, self._list.row)))

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        self.action_open()

    def job(self) -> JobState | None:
        """The job under the cursor, whole."""
        row = self._list.row
        return view_of_job(self.field.session.reader, row.stream) if isinstance(row, JobCard) else None

    def action_open(self) -> None:
        row = self._list.row
        if isinstance(row, JobCard):
            from fieldapp.screens.technician.job import JobScreen

            self.app.push_screen(JobScreen(row.stream))

    def action_sync_centre(self) -> None:
        from fieldapp.screens.technician.sync_centre import SyncCentreScreen

        self.app.push_screen(SyncCentreScreen())

    def action_search(self) -> None:
        from fieldapp.screens.search import SearchScreen

        self.app.push_screen(SearchScreen())

    def action_back(self) -> None:
        """Today is the first screen: there is nothing behind it."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self._list.row if self.is_mounted else None
        if action in ("open", *MOVES) and not isinstance(row, JobCard):
            return None
        if action in MOVES and isinstance(row, JobCard):
            return True if allowed(row.status, MOVES[action], self.field.session.identity.role) else None
        if action == "back":
            return False
        return super().check_action(action, parameters)


def _day_end(now: int) -> int:
    """Milliseconds UTC of the coming local midnight."""
    local = time.localtime(now / 1000)
    return int(time.mktime((local.tm_year, local.tm_mon, local.tm_mday + 1, 0, 0, 0, 0, 0, -1)) * 1000)
