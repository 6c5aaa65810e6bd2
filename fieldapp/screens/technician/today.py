"""Today: the technician's jobs by what is urgent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from fieldapp.language import _, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.job_list import JobListScreen
from fieldapp.screens.jobcards import draw_card
from fieldapp.screens.technician.moving import MOVES, MovesJobs, offered
from fieldapp.store.queries.lists import DayList, Heading, JobCard

HEADINGS = {
    "overdue": later("OVERDUE PROMISE"),
    "now": later("NOW"),
    "today": later("TODAY"),
    "later": later("LATER"),
    "done": later("DONE, WAITING FOR REVIEW"),
}


class TodayScreen(JobListScreen, MovesJobs):
    """Headings and one line a job."""

    TITLE_TEXT = later("Today")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("open", "accept", "resume", "travel", "arrive", "start", "decline", "sync_centre", "search")
    ]

    def body(self) -> Iterable[Widget]:
        yield from self.jobs_beside_preview()

    def shows(self, streams: frozenset[str]) -> bool:
        return any(stream.partition(":")[0] in ("job", "customer") for stream in streams)

    def reload(self) -> None:
        now = self.field.now()
        self.jobs.set_empty(_("No jobs for you on this device.\nPress s to fetch what the office has assigned."))
        self.jobs.show(DayList(self.field.session.reader, self.field.session.identity.person, now=now, day_end=_day_end(now)))

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(30, self.reload)

    def draw(self, row: object, width: int) -> Content:
        if isinstance(row, Heading):
            return Content.styled(f" {_(HEADINGS[row.section])}  {row.count}", "bold $text-muted")
        assert isinstance(row, JobCard)
        return draw_card(row, width, self.field.now())

    def screen_of(self, stream: str) -> Screen[Any]:
        from fieldapp.screens.technician.job import JobScreen

        return JobScreen(stream)

    def action_back(self) -> None:
        """Today is the first screen: there is nothing behind it."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self.jobs.row if self.is_mounted else None
        if action in ("open", *MOVES) and not isinstance(row, JobCard):
            return None
        if action in MOVES and isinstance(row, JobCard):
            return True if offered(row.status, action, self.field.session.identity.role) else None
        if action == "back":
            return False
        return super().check_action(action, parameters)


def _day_end(now: int) -> int:
    """Milliseconds UTC of the coming local midnight."""
    local = time.localtime(now / 1000)
    return int(time.mktime((local.tm_year, local.tm_mon, local.tm_mday + 1, 0, 0, 0, 0, 0, -1)) * 1000)
