"""Review: the finished jobs that wait for somebody in the office, the riskiest first, each with the reasons in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import work
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.domain.roles import OFFICE
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.job_list import JobListScreen
from fieldapp.screens.jobcards import hanging
from fieldapp.screens.office.board_filter import person_word
from fieldapp.screens.office.finding_words import finding_words, findings_line
from fieldapp.screens.states import STATUS
from fieldapp.screens.values import day_time
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.review import ReviewLine
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows


class ReviewScreen(JobListScreen):
    """Two lines a job: what it is, and why to look at it."""

    TITLE_TEXT = later("Review")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("open", "board", "desk", "sync_centre", "search")]
    CSS_PATH = "review.tcss"
    ROW_LINES = 2

    class QueueRead(Message):
        """The findings of all waiting jobs are worked out."""

        def __init__(self, lines: tuple[ReviewLine, ...]) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        yield Static(id="about", markup=False)
        yield from self.jobs_beside_preview()

    def shows(self, streams: frozenset[str]) -> bool:
        return any(stream.startswith("job:") for stream in streams)

    def reload(self) -> None:
        session, now = self.field.session, self.field.now()
        self._names = {person.id: person.name for person in session.documents.people()}
        lines = session.review.at_once(session.reader, now)
        if lines is None:
            self._read(now)
        else:
            self._show(lines)

    @work(thread=True, group="queue", exclusive=True, exit_on_error=False)
    def _read(self, now: int) -> None:
        """Works out what is new in a thread, where that is much: ten thousand waiting jobs would take seconds."""
        reader = Reader(self.field.session.reader.path)
        try:
            self.post_message(self.QueueRead(self.field.session.review.read(reader, now)))
        except Problem as problem:
            self.app.call_from_thread(self.field.tell, problem)
        finally:
            reader.close()

    def on_review_screen_queue_read(self, event: ReviewScreen.QueueRead) -> None:
        self._show(event.lines)

    def _show(self, lines: tuple[ReviewLine, ...]) -> None:
        self.jobs.set_empty(_("Nothing waits for a review.\nFinished jobs come here as soon as a device has sent them."))
        self.jobs.show(Rows[object](lines, lambda row: row.stream if isinstance(row, ReviewLine) else ""))
        count = plural("{count} job waits for a review", "{count} jobs wait for a review", len(lines)).format(count=len(lines))
        about = Content.assemble((count, "bold"), ("   " + _("the riskiest first") if lines else "", "$text-muted"))
        self.query_one("#about", Static).update(about, layout=False)

    def draw(self, row: object, width: int) -> Content:
        assert isinstance(row, ReviewLine)
        glyph, _word, colour = STATUS[row.status]  # type: ignore[index]
        finished = day_time(row.finished) if row.finished is not None else ""
        name_width = min(20, max(10, width // 5))
        customer = self.field.session.documents.customer(row.customer)
        customer_name = say(customer.name, language()) if customer else row.customer
        room = width - 3 - 10 - name_width - len(finished) - 3
        title_width = room * 3 // 5 if room > 40 else room
        parts = [
            Content.styled(f" {glyph} ", colour),
            _cell(safe_text(row.number, "bold"), 10),
            _cell(safe_text(say(row.title, language())), title_width),
        ]
        if room > title_width:
            parts.append(Content(" ") + _cell(safe_text(customer_name, "$text-muted"), room - title_width - 1))
        parts += [Content(" "), _cell(Content(person_word(row.assignee, self._names)), name_width), Content(" "), Content(finished)]
        why = Content.assemble("   ", findings_line(row.found, self.field.session.documents, width - 4)).truncate(
            width - 1, ellipsis=True
        )
        return Content.assemble(*parts, "\n", why)

    def summary(self, row: object, job: JobState | None) -> Content:
        if not isinstance(row, ReviewLine):
            return Content("")
        why = [line for one in row.found for line in hanging(finding_words(one, self.field.session.documents), 53, 2)]
        return Content("\n").join([*why, Content(""), super().summary(row, job)])

    def screen_of(self, stream: str) -> Screen[Any]:
        from fieldapp.screens.office.review_job import ReviewJobScreen

        return ReviewJobScreen(stream)

    def action_board(self) -> None:
        self.action_back()

    def action_desk(self) -> None:
        from fieldapp.screens.office.desk import DeskScreen

        self.app.switch_screen(DeskScreen())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "desk":
            return self.field.session.identity.role in OFFICE
        return super().check_action(action, parameters)


def _cell(text: Content, width: int) -> Content:
    return text.truncate(max(1, width), ellipsis=True, pad=True)
