"""One job: what it is, its steps, whose it is and on what, and everything that was recorded on it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import allowed
from fieldapp.domain.numbers import parse_date
from fieldapp.domain.problem import Problem
from fieldapp.language import _, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.asking import AskScreen, ConfirmScreen, NoteScreen, Question
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.jobcards import job_summary
from fieldapp.screens.story import Story
from fieldapp.screens.technician.drafting import DraftKeeper
from fieldapp.screens.technician.job_facts import head_line, place_lines, progress_lines, sent_back_lines
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.last_time import LastTime
from fieldapp.screens.technician.moving import MOVES, NOTHING_TO_RATE, MovesJobs, offered
from fieldapp.screens.technician.outline import OutlineList, StepRow
from fieldapp.store.queries.jobs import job_of
from fieldapp.store.queries.log import LogLine, log_of
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.tab_line import TabLine
from fieldapp.widgets.window_list import Rows, WindowList

TABS = (
    ("overview", later("overview")),
    ("steps", later("steps")),
    ("place", later("customer and asset")),
    ("log", later("log")),
)


class JobScreen(MovesJobs, FieldScreen):
    """Args: stream: of the job."""

    AUTO_FOCUS = ""
    TITLE_TEXT = later("Job")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(
            *("steps", "next_tab", "accept", "resume", "travel", "arrive", "start", "complete", "handover", "pause", "decline"),
            *("cannot_complete", "leave_site", "job_note", "commitment", "opportunity", "previous_tab"),
            *("sync_centre", "search"),
        )
    ]
    CSS_PATH = "job.tcss"

    def __init__(self, stream: str) -> None:
        super().__init__()
        self.stream = stream
        self.steps_now: JobSteps | None = None
        self._last: LastTime | None = None
        self._story: Story | None = None
        self._stale: set[str] = set()

    def body(self) -> Iterable[Widget]:
        yield Paragraphs(id="head")
        yield TabLine(TABS, id="tabs")
        with ContentSwitcher(id="parts", initial=TABS[0][0]):
            with VerticalScroll(id="overview", classes="part"):
                yield Paragraphs(id="wanted")
                with Container(id="columns"):
                    yield Paragraphs(id="summary")
                    yield Paragraphs(id="progress")
            yield OutlineList(id="steps")
            with VerticalScroll(id="place", classes="part"):
                yield Paragraphs(id="whose")
            yield WindowList(self._draw_line, row_height=2, empty=_("Nothing is recorded yet."), id="log")

    def on_mount(self) -> None:
        self.drafts = DraftKeeper(self, self.field, self.stream)
        super().on_mount()
        self.open_tab(TABS[0][0])
        self.set_interval(30, self._minute)

    def shows(self, streams: frozenset[str]) -> bool:
        job = self.job()
        named = {
            self.stream,
            *(f"asset:{asset}" for asset in (job.assets if job else ())),
            f"customer:{job.customer if job else ''}",
        }
        return bool(named & streams)

    def reload(self) -> None:
        try:
            self.steps_now = JobSteps(self.field.session, self.stream, self.field.now())
        except Problem as problem:
            self.field.tell(problem)
            self.action_back()
            return
        self._last = LastTime(self.field.session.reader, self.steps_now.job)
        self._stale = {name for name, _label in TABS}
        self.query_one("#head", Paragraphs).show(partial(head_line, self.steps_now.job))
        self._fill(self.tab)
        self.refresh_bindings()

    def _minute(self) -> None:
        """Promises run on: the overview is made anew."""
        if self.steps_now is not None:
            self._stale.add("overview")
            self._fill(self.tab)

    # --- Tabs -------------------------------------------------------------------------------------------------------------------

    @property
    def tab(self) -> str:
        return self.query_one(ContentSwitcher).current or TABS[0][0]

    def open_tab(self, name: str) -> None:
        """Bring a part into view; it is read when it is first looked at."""
        self.query_one(TabLine).active = name
        self.query_one(ContentSwitcher).current = name
        self._fill(name)
        self.query_one(f"#{name}").focus()
        self.refresh_bindings()

    def _fill(self, name: str) -> None:
        steps, last = self.steps_now, self._last
        if steps is None or last is None or name not in self._stale:
            return
        self._stale.discard(name)
        documents = self.field.session.documents
        if name == "overview":
            wanted = self.query_one("#wanted", Paragraphs)
            wanted.display = bool(sent_back_lines(steps, documents, 40))
            wanted.show(lambda width: Content("\n").join(sent_back_lines(steps, documents, width)))
            self.query_one("#summary", Paragraphs).show(lambda width: _without_title(job_summary(self.field, steps.job, width)))
            self.query_one("#progress", Paragraphs).show(lambda width: progress_lines(steps, last, documents, width))
        elif name == "steps":
            self.query_one("#steps", OutlineList).show_places(steps.places)
        elif name == "place":
            self.query_one("#whose", Paragraphs).show(lambda width: place_lines(steps.job, last, documents, width))
        else:
            self._story = Story(documents, steps.procedures, steps.zone)
            line = job_of(self.field.session.reader, self.stream)
            lines = log_of(self.field.session.reader, line.log, self.stream)
            listed = self.query_one("#log", WindowList)
            first = listed.count == 0
            listed.show(Rows[object](lines, lambda row: row.entry.id if isinstance(row, LogLine) else ""))
            if first and lines:
                self.call_after_refresh(listed.go_to, lines[-1].entry.id)

    def _draw_line(self, row: object, width: int) -> Content:
        assert isinstance(row, LogLine)
        assert self._story is not None
        first = Content.assemble(" ", (self._story.who(row), "bold"), " ", self._story.what(row))
        return Content("\n").join([first, Content.assemble("   ", self._story.when(row))])

    @on(WindowList.Chosen, "#log")
    def _line_chosen(self, event: WindowList.Chosen) -> None:
        """The whole of an entry whose line was cut."""
        if isinstance(event.row, LogLine) and self._story is not None:
            row, story = event.row, self._story
            text = Content("\n").join([Content.styled(story.who(row), "bold"), story.what(row), Content(""), story.when(row)])
            self.app.push_screen(ConfirmScreen(_("One entry of the log"), text, _("close")))

    @on(TabLine.Picked)
    def _picked(self, event: TabLine.Picked) -> None:
        self.open_tab(event.tab)

    def action_next_tab(self) -> None:
        self.open_tab(self.query_one(TabLine).neighbour(1))

    def action_previous_tab(self) -> None:
        self.open_tab(self.query_one(TabLine).neighbour(-1))

    # --- Actions ----------------------------------------------------------------------------------------------------------------

    def job(self) -> JobState | None:
        return self.steps_now.job if self.steps_now else None

    def action_steps(self) -> None:
        self._run("")

    @on(WindowList.Chosen, "#steps")
    def _step_chosen(self, event: WindowList.Chosen) -> None:
        if isinstance(event.row, StepRow):
            self._run(event.row.place.key)

    def _run(self, key: str) -> None:
        from fieldapp.screens.technician.step_runner import StepRunnerScreen

        self.app.push_screen(StepRunnerScreen(self.stream, key))

    def action_complete(self) -> None:
        from fieldapp.screens.technician.complete_check import CompleteCheckScreen

        self.app.push_screen(CompleteCheckScreen(self.stream))

    def action_handover(self) -> None:
        from fieldapp.screens.customer.handover import HandoverScreen

        self.app.push_screen(HandoverScreen(self.stream))

    def action_job_note(self) -> None:
        self._say(_("Note on the job"), "note", lambda work, number, text: work.note(number, text), _("Note saved."))

    def action_opportunity(self) -> None:
        self._say(
            _("A need seen on site"), "opportunity", lambda work, number, text: work.opportunity(number, text),
            _("Saved; the office sees it with the next sync."),
        )  # fmt: skip

    def _say(self, title: str, name: str, write: object, told: str) -> None:
        job = self.job()
        if job is None or not callable(write):
            return

        asked = NoteScreen(title, self.drafts, f"{name}:")

        def given(text: str) -> None:
            self.field.record(lambda services: write(services.work, job.number, text), told=told, asked=asked)

        self.field.ask(asked, given)

    def action_commitment(self) -> None:
        job = self.job()
        if job is None:
            return

        questions = [Question(_("What is promised")), Question(_("By when"), _("2026-11-20"), check=parse_date)]
        asked = AskScreen(_("A promise to the customer"), questions)

        def given(answer: tuple[str, ...]) -> None:
            text, due = answer
            self.field.record(
                lambda services: services.work.commitment(job.number, text, due),
                told=_("Promised until {date}. Saved.").format(date=due),
                asked=asked,
            )

        self.field.ask(asked, given, f"{self.stream} commitment")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        job, role = self.job(), self.field.session.identity.role
        if action in MOVES:
            return True if job is not None and offered(job.status, action, role) else None
        if action == "complete":
            return True if job is not None and allowed(job.status, "job.completed", role) else None
        if action == "handover":
            return True if job is not None and job.status not in NOTHING_TO_RATE else None
        return super().check_action(action, parameters)


def _without_title(summary: Content) -> Content:
    """The summary below its first line, which the screen's head says already."""
    lines = summary.split("\n", allow_blank=True)
    return Content("\n").join(lines[1:])
