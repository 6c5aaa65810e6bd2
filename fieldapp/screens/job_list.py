"""What Today, Board and Review share: a list of jobs and, from 110 columns on, the job under the cursor beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual import on
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.job import JobState
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.jobcards import job_summary
from fieldapp.screens.session import LAST_CONTACT
from fieldapp.store.queries.lists import view_of_job
from fieldapp.widgets.window_list import WindowList


class JobListScreen(FieldScreen):
    """A screen whose rows with a `stream` are jobs; other rows are headings. It says how a row is drawn and what Enter opens."""

    DEFAULT_CSS = """
    JobListScreen #jobs { width: 1fr; }
    JobListScreen #preview { display: none; width: 56; padding: 0 1; border-left: solid $panel; }
    JobListScreen.-wide #preview { display: block; }
    """
    ROW_LINES = 1

    def draw(self, row: object, width: int) -> Content:
        """A row of the list in `width` columns, ROW_LINES lines high."""
        raise NotImplementedError

    def screen_of(self, stream: str) -> Screen[Any]:
        """What Enter on a job opens."""
        raise NotImplementedError

    def summary(self, row: object, job: JobState | None) -> Content:
        """What stands beside the list about the row under the cursor."""
        return Content("") if job is None else job_summary(self.field, job)

    def jobs_beside_preview(self) -> Iterable[Widget]:
        with Horizontal():
            yield WindowList(
                self.draw, row_height=self.ROW_LINES, skip=lambda row: not stream_of(row), filling=self._filling, id="jobs"
            )
            yield Static(id="preview", markup=False)

    def _filling(self) -> bool:
        """What the server has is being fetched for the first time: nothing stood here that anybody could have looked at."""
        return not self.field.session.kept(LAST_CONTACT)

    @property
    def jobs(self) -> WindowList:
        return self.query_one("#jobs", WindowList)

    def on_mount(self) -> None:
        first = not self._filled
        super().on_mount()
        if first:
            self.jobs.focus()
            self._show_preview()

    def on_resize(self) -> None:
        """The preview may have come into view."""
        self.call_after_refresh(self.call_later, self._show_preview)

    @on(WindowList.Moved, "#jobs")
    def _moved(self) -> None:
        self.refresh_bindings()
        self._show_preview()

    def _show_preview(self) -> None:
        """What the row under the cursor is about, where there is room for it."""
        preview = self.query_one("#preview", Static)
        if preview.display:
            preview.update(self.summary(self.jobs.row, self.job()))

    @on(WindowList.Chosen, "#jobs")
    def _chosen(self, event: WindowList.Chosen) -> None:
        self.action_open()

    def job(self) -> JobState | None:
        """The job under the cursor, whole."""
        stream = stream_of(self.jobs.row)
        return view_of_job(self.field.session.reader, stream) if stream else None

    def action_open(self) -> None:
        stream = stream_of(self.jobs.row)
        if stream:
            self.app.push_screen(self.screen_of(stream))


def stream_of(row: object) -> str:
    """The job's stream that a row is about; '' for a heading."""
    return str(getattr(row, "stream", ""))
