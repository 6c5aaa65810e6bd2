"""Board: all jobs of the branch by state, technician and promise risk; what the office does with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.job import Status
from fieldapp.domain.lifecycle import allowed
from fieldapp.domain.roles import OFFICE
from fieldapp.language import _, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.job_list import JobListScreen
from fieldapp.screens.jobcards import SOON_MS, draw_office_card
from fieldapp.screens.office.board_filter import BoardFilter, FilterScreen, filter_words, person_word
from fieldapp.screens.office.planning import PlansJobs
from fieldapp.screens.states import STATUS
from fieldapp.store.queries.lists import BoardList, GroupHeading, Grouping, JobCard, JobsInOrder, due_count, status_counts

GROUPINGS: dict[Grouping, str] = {"": later("by promise"), "status": later("by state"), "assignee": later("by technician")}
TALLIES: tuple[tuple[str, str, str, tuple[Status, ...]], ...] = (
    ("○", later("{count} to assign"), "$text-warning", ("unassigned", "declined")),
    ("◌", later("{count} waiting"), "$text-primary", ("assigned", "accepted")),
    ("▶", later("{count} under way"), "$text-accent", ("travelling", "on_site", "in_progress", "paused")),
    ("↩", later("{count} sent back"), "$text-error", ("sent_back",)),
    ("●", later("{count} to review (F4)"), "$text-success", ("completed", "cannot_complete")),
)
"""The line on top: glyph, words, colour, and the statuses that it counts."""
_MOVES = {"assign": "job.assigned", "reschedule": "job.rescheduled", "cancel_job": "job.cancelled"}


class BoardScreen(JobListScreen, PlansJobs):
    """Two lines a job: what and until when; its state, who does it, for whom."""

    TITLE_TEXT = later("Board")
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(
            "open", "assign", "reschedule", "new_job", "filter", "group", "sync_centre", "search", "cancel_job", "review_queue",
            "desk",
        )
    ]  # fmt: skip
    CSS_PATH = "board.tcss"
    ROW_LINES = 2

    def __init__(self) -> None:
        super().__init__()
        self.wanted = BoardFilter()
        self.grouping: Grouping = ""
        self._ordered: JobsInOrder | None = None
        self._names: dict[str, str] = {}

    def body(self) -> Iterable[Widget]:
        yield Static(id="counts", markup=False)
        yield Static(id="shown", markup=False)
        yield from self.jobs_beside_preview()

    def shows(self, streams: frozenset[str]) -> bool:
        return any(stream.partition(":")[0] in ("job", "customer", "person") for stream in streams)

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(30, self.reload)

    def reload(self) -> None:
        self._fill(None)

    def _fill(self, ordered: JobsInOrder | None) -> None:
        """Show the jobs, read anew or as they were read for another grouping."""
        reader, wanted, now = self.field.session.reader, self.wanted, self.field.now()
        self._names = {person.id: person.name for person in self.field.session.documents.people()}
        shown = BoardList(
            reader,
            statuses=wanted.statuses,
            assignee=wanted.person,
            due_before=now + SOON_MS if wanted.due else None,
            group=self.grouping,
            ordered=ordered,
        )
        self._ordered = shown.ordered
        nothing_at_all = not wanted.chosen
        self.jobs.set_empty(
            _("No open jobs. Press n for a new one, s to fetch what the server has.")
            if nothing_at_all
            else _("No job is like that. Press f to choose other jobs.")
        )
        self.jobs.show(shown)
        self._head(now, shown.jobs)

    def _head(self, now: int, jobs: int) -> None:
        counts = status_counts(self.field.session.reader)
        parts: list[Content] = []
        for glyph, words, colour, statuses in TALLIES:
            count = sum(counts.get(status, 0) for status in statuses)
            style = colour if count else "$text-muted"
            parts.append(Content.styled(f"{glyph} {_(words).format(count=count)}", style))
        self.query_one("#counts", Static).update(Content("  ").join(parts), layout=False)
        late = due_count(self.field.session.reader, now)
        shown = Content.assemble(
            filter_words(self.wanted, self._names), f"  {jobs}  ", _(GROUPINGS[self.grouping]),
            *((("   ! " + plural("{count} promise overdue", "{count} promises overdue", late).format(count=late), "$text-error"),)
              if late else ()),
        )  # fmt: skip
        self.query_one("#shown", Static).update(shown, layout=False)

    def draw(self, row: object, width: int) -> Content:
        if isinstance(row, GroupHeading):
            if row.by == "status":
                glyph, word, _colour = STATUS[row.value]  # type: ignore[index]
                name = f"{glyph} {_(word)}"
            else:
                name = person_word(row.value, self._names)
            return Content.assemble("\n", (f" {name}", "bold $text-muted"), (f"  {row.count}", "$text-muted"))
        assert isinstance(row, JobCard)
        return draw_office_card(row, width, self.field.now(), person_word(row.assignee, self._names))

    def screen_of(self, stream: str) -> Screen[Any]:
        from fieldapp.screens.office.review_job import ReviewJobScreen

        return ReviewJobScreen(stream)

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        def chosen(wanted: BoardFilter | None) -> None:
            if wanted is not None:
                self.wanted = wanted
                self.reload()

        self.app.push_screen(FilterScreen(self.wanted, self._names), chosen)

    def action_group(self) -> None:
        names = list(GROUPINGS)
        self.grouping = names[(names.index(self.grouping) + 1) % len(names)]
        self._fill(self._ordered)

    def action_desk(self) -> None:
        from fieldapp.screens.office.desk import DeskScreen

        self.app.push_screen(DeskScreen())

    def action_review_queue(self) -> None:
        from fieldapp.screens.office.review import ReviewScreen

        self.app.push_screen(ReviewScreen())

    def action_back(self) -> None:
        """The board is the first screen: Esc only takes a filter away."""
        self.wanted = BoardFilter()
        self.reload()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self.jobs.row if self.is_mounted else None
        if action == "open" and not isinstance(row, JobCard):
            return None
        if action in _MOVES:
            moves = isinstance(row, JobCard) and allowed(row.status, _MOVES[action], self.field.session.identity.role)
            return True if moves else None
        if action == "desk":
            return self.field.session.identity.role in OFFICE
        if action == "new_job" and self.field.session.identity.role not in OFFICE:
            return None
        if action == "back":
            return True if self.wanted.chosen else None
        return super().check_action(action, parameters)
