"""One job under review: its steps with verdicts and values, and its log as a story; approve it, or send steps back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import allowed
from fieldapp.domain.progress import StepPlace, outline
from fieldapp.domain.review import findings
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.jobcards import hanging
from fieldapp.screens.office.arrived import arrived_words, attached_files, not_arrived
from fieldapp.screens.office.asking_server import AsksServer
from fieldapp.screens.office.finding_words import findings_lines
from fieldapp.screens.office.open_points import open_points
from fieldapp.screens.office.step_rows import draw_step, step_detail, step_rows
from fieldapp.screens.states import status
from fieldapp.screens.story import Story
from fieldapp.screens.technician.drafting import DraftKeeper
from fieldapp.screens.technician.outline import StepRow
from fieldapp.services.names import name_of_person
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.log import LogLine, log_of
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

_CONFIRM_WIDTH = 60
_MOVES = {"approve": "job.approved", "send_back": "job.sent_back"}


class ReviewJobScreen(AsksServer):
    """Steps on the left, the log on the right; below 110 columns one at a time.

    Args:
        stream: of the job.
    """

    TITLE_TEXT = later("Job under review")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("other_side", "approve", "send_back", "mark", "step_order", "sync_centre")]
    CSS_PATH = "review_job.tcss"

    def __init__(self, stream: str) -> None:
        super().__init__()
        self._stream = stream
        self._places: tuple[StepPlace, ...] = ()
        self._marked: set[str] = set()
        self._has_files = False
        self._missing: dict[str, str] = {}
        self._by_risk = True
        self._shown = self._width = 0
        self._told: dict[tuple[str, int], Content] = {}
        self._drawn: dict[tuple[str, int, bool], Content] = {}
        self._drafts: DraftKeeper | None = None

    def body(self) -> Iterable[Widget]:
        yield Static(id="about", markup=False)
        with Horizontal():
            with Vertical(id="steps-side", classes="side"):
                yield Static(id="steps-title", classes="side-title", markup=False)
                yield WindowList(self._draw_step, skip=lambda row: not isinstance(row, StepRow), id="steps")
                yield Static(id="detail", markup=False)
            with Vertical(id="log-side", classes="side"):
                yield Static(id="log-title", classes="side-title", markup=False)
                yield WindowList(self._draw_line, row_height=2, id="log", empty=_("Nothing is recorded yet."))

    @property
    def _steps(self) -> WindowList:
        return self.query_one("#steps", WindowList)

    @property
    def _log(self) -> WindowList:
        return self.query_one("#log", WindowList)

    def asks(self) -> bool:
        """Whether its files have arrived."""
        return self._has_files

    def shows(self, streams: frozenset[str]) -> bool:
        return self._stream in streams

    def on_mount(self) -> None:
        self._drafts = DraftKeeper(self, self.field, self._stream)
        super().on_mount()
        self._steps.focus()

    def job(self) -> JobState | None:
        return view_of_job(self.field.session.reader, self._stream)

    # --- What is shown ------------------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        job = self.job()
        self._told, self._drawn = {}, {}
        if job is None:
            return
        session, now = self.field.session, self.field.now()
        zone = session.documents.zone(session.identity.log)
        procedures = session.documents.pinned(job.procedures)
        self._places = outline(job, procedures, now_ms=now, zone=zone)
        self._story = Story(session.documents, procedures, zone)
        self._lines = log_of(session.reader, session.identity.log, self._stream)
        self.query_one("#about", Static).update(self._about(job, now))
        self._steps.set_empty(_("This job has no steps."))
        self._show_steps()
        self._log.show(Rows[object](self._lines, lambda row: row.entry.id if isinstance(row, LogLine) else ""))
        self._has_files, self._missing = bool(attached_files(job)), not_arrived(job, self.answer)
        self._width = self.size.width
        self._titles()
        self._detail()
        self.refresh_bindings()

    def _show_steps(self) -> None:
        rows = step_rows(self._places, by_risk=self._by_risk)
        self._shown = sum(isinstance(row, StepRow) for row in rows)
        self._steps.show(Rows[object](rows, lambda row: row.place.key if isinstance(row, StepRow) else ""))

    def _titles(self) -> None:
        steps = plural("{count} step", "{count} steps", self._shown).format(count=self._shown)
        order = _("what failed first") if self._by_risk else _("in order")
        marked = "   ▣ " + _("{count} to send back").format(count=len(self._marked)) if self._marked else ""
        entries = plural("Log: {count} entry", "Log: {count} entries", len(self._lines)).format(count=len(self._lines))
        other = "" if self.has_class("-wide") else "   " + _("(Tab: {other})")
        steps_title, log_title = self.query_one("#steps-title", Static), self.query_one("#log-title", Static)
        steps = _("{steps}, {order}").format(steps=steps, order=order)
        steps_title.update(Content(f"{steps}{marked}{other.format(other=_('the log'))}"))
        log_title.update(Content(f"{entries}{other.format(other=_('the steps'))}"))

    def on_resize(self, event: events.Resize) -> None:
        """With room for both sides there is no other side to be named."""
        if self._filled and event.size.width != self._width:
            self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self._width = self.size.width
        job = self.job()
        if job is not None:
            self.query_one("#about", Static).update(self._about(job, self.field.now()))
        self._titles()

    def on_descendant_focus(self) -> None:
        self.query_one("#steps-title").set_class(self._steps.has_focus, "-here")
        self.query_one("#log-title").set_class(self._log.has_focus, "-here")

    def _about(self, job: JobState, now: int) -> Content:
        documents, lang = self.field.session.documents, language()
        customer = documents.customer(job.customer)
        who = name_of_person(documents, job.assignee) if job.assignee else _("nobody")
        lines = [
            Content.assemble(
                safe_text(f"{job.number}  {say(job.title, lang)}", "bold"), "  ", status(job.status), "  ", safe_text(who),
                "  ", safe_text(say(customer.name, lang) if customer else job.customer, "$text-muted"),
            ),
        ]  # fmt: skip
        found = findings(job, now)
        if found or job.status in ("completed", "cannot_complete", "approved"):
            lines += findings_lines(found, documents, max(20, self.size.width - 2))
        if arrived := arrived_words(job, self.answer):
            named = safe_text(f"▣ {arrived}", "$text-warning")
            lines.append(named.truncate(max(20, self.size.width - 2), ellipsis=True))
        late = sum(1 for line in self._lines if line.outcome == "late")
        if late:
            words = plural(
                "{count} record came late and stands: see the log", "{count} records came late and stand: see the log", late
            )
            lines.append(Content.styled(f"⇠ {words.format(count=late)}", "$text-warning"))
        voice = [
            Content.assemble(
                ("★ ", "$text-accent"), safe_text(_scores(given.csat, given.nps, given.ces)), safe_text(_quoted(given.comment))
            )
            for given in job.feedback[-1:]
        ] + [
            Content.assemble(("✎ ", "$text-accent"), safe_text(sign.name), _(" (drawn)") if sign.drawing else "")
            for sign in job.signatures[-1:]
        ]
        if voice:
            lines.append(Content("   ").join(voice))
        return Content("\n").join(lines)

    def _draw_step(self, row: object, width: int) -> Content:
        key = row.place.key if isinstance(row, StepRow) else str(row)
        marked = key in self._marked
        if (key, width, marked) not in self._drawn:
            self._drawn[key, width, marked] = draw_step(row, width, self.field.session.documents, marked=marked)
        return self._drawn[key, width, marked]

    def _draw_line(self, row: object, width: int) -> Content:
        assert isinstance(row, LogLine)
        if (row.entry.id, width) not in self._told:
            what = Content.assemble((f" {self._story.who(row)}  ", "bold"), self._story.mark(row), self._story.what(row))
            what = what.truncate(width - 1, ellipsis=True)
            when = Content.assemble("   ", self._story.when(row)).truncate(width, ellipsis=True)
            self._told[row.entry.id, width] = Content.assemble(what, "\n", when)
        return self._told[row.entry.id, width]

    @on(WindowList.Moved, "#steps")
    def _moved(self) -> None:
        self._detail()
        self.refresh_bindings()

    def _detail(self) -> None:
        """About the step under the cursor."""
        row = self._steps.row
        text = step_detail(row.place, self.field.session.documents, self._missing) if isinstance(row, StepRow) else Content("")
        detail = self.query_one("#detail", Static)
        shown = detail.content
        if not (isinstance(shown, Content) and text.is_same(shown)):  # another text is a layout of the whole screen
            detail.update(text)

    @on(WindowList.Chosen, "#steps")
    def _step_chosen(self, event: WindowList.Chosen) -> None:
        """Enter on a step goes to its last entry in the log."""
        row = event.row
        if isinstance(row, StepRow) and row.place.state is not None and row.place.state.result is not None:
            self.action_other_side()
            self.call_after_refresh(self._log.go_to, row.place.state.result.by.entry)

    @on(WindowList.Chosen, "#log")
    def _line_chosen(self, event: WindowList.Chosen) -> None:
        from fieldapp.screens.office.entry import EntryScreen

        if isinstance(event.row, LogLine):
            self.app.push_screen(EntryScreen(event.row, self._story))

    # --- Actions ------------------------------------------------------------------------------------------------------------------

    def action_other_side(self) -> None:
        to_log = not self._log.has_focus
        self.set_class(to_log, "-log")
        (self._log if to_log else self._steps).focus()

    def action_step_order(self) -> None:
        self._by_risk = not self._by_risk
        self._show_steps()
        self._titles()

    def action_mark(self) -> None:
        row = self._steps.row
        if isinstance(row, StepRow):
            self._marked ^= {row.place.key}
            self._steps.refresh()
            self._titles()

    def action_approve(self) -> None:
        job = self.job()
        if job is None:
            return
        points, arrived = open_points(self.field, job), arrived_words(job, self.answer)
        number, told = job.number, _("{number} is approved. Saved.").format(number=job.number)
        if not points:
            found = findings(job, self.field.now())
            if not (found or arrived):
                self._approve(number, told)
                return
            from fieldapp.screens.asking import ConfirmScreen

            lines = findings_lines(found, self.field.session.documents, _CONFIRM_WIDTH) if found else []
            lines += hanging(safe_text(f"▣ {arrived}", "$text-warning"), _CONFIRM_WIDTH, 2) if arrived else []
            text = Content("\n").join([*lines, Content(""), Content(_("Approve it as it is?"))])
            title = _("Approve {number}").format(number=safe_text(number).plain)
            self.app.push_screen(ConfirmScreen(title, text, _("approve")), lambda yes: self._approve(number, told) if yes else None)
            return
        from fieldapp.screens.office.open_points import ApproveAnywayScreen

        points += [safe_text(arrived).plain] if arrived else []
        asked = ApproveAnywayScreen(number, points, self._drafts)

        def given(note: str) -> None:
            self.field.record(
                lambda services: services.office.approve(number, note=note, anyway=True), then=self._left, told=told, asked=asked
            )

        self.field.ask(asked, given)

    def _approve(self, number: str, told: str) -> None:
        self.field.record(lambda services: services.office.approve(number), then=self._left, told=told)

    def action_send_back(self) -> None:
        from fieldapp.screens.asking import NoteScreen

        job = self.job()
        row = self._steps.row
        keys = [place.key for place in self._places if place.key in self._marked]
        if not keys and isinstance(row, StepRow):
            keys = [row.place.key]
        if job is None or not keys:
            return
        number, told = job.number, _("{number} is sent back. Saved.").format(number=job.number)

        titles = [self._story.step_title(key) for key in keys]
        shown = "\n".join(safe_text(f"· {title}").plain for title in titles[:8])
        more = "\n" + _("and {count} more").format(count=len(titles) - 8) if len(titles) > 8 else ""
        hint = shown + more + "\n" + _("The technician reads the note on each of these steps. Enter sends them back.")
        title = plural("What is to be done again? {count} step", "What is to be done again? {count} steps", len(keys))
        asked = NoteScreen(title.format(count=len(keys)), self._drafts, "send-back", hint)

        def given(note: str) -> None:
            self.field.record(
                lambda services: services.office.send_back(number, keys, note), then=self._left, told=told, asked=asked
            )

        self.field.ask(asked, given)

    def _left(self, _done: object) -> None:
        """Decided: back to the list it was opened from."""
        self._marked.clear()
        if self.app.screen is self:
            self.action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _MOVES:
            job = self.job() if self.is_mounted else None
            return True if job and allowed(job.status, _MOVES[action], self.field.session.identity.role) else None
        if action in ("mark", "step_order") and self.is_mounted and not self._steps.has_focus:
            return None
        return super().check_action(action, parameters)


def _scores(csat: int | None, nps: int | None, ces: int | None) -> str:
    named = (("CSAT", csat, 5), ("NPS", nps, 10), ("CES", ces, 7))
    return "  ".join(f"{name} {score}/{most}" for name, score, most in named if score is not None)


def _quoted(comment: str) -> str:
    return f'  "{comment}"' if comment else ""
