"""Before a job is completed: everything that stands in its way, each line opening its step; when nothing does, the last word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from fieldapp.domain.job import JobState, VerdictName
from fieldapp.domain.lifecycle import allowed
from fieldapp.domain.problem import Problem
from fieldapp.domain.progress import Blocker, blocks_completion, files_of
from fieldapp.domain.words import say
from fieldapp.language import _, language, later, plural
from fieldapp.screens.actions import bindings
from fieldapp.screens.asking import ConfirmScreen
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.jobcards import hanging
from fieldapp.screens.states import VERDICT, status
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.moving import MOVES, MovesJobs, offered
from fieldapp.screens.values import result_words
from fieldapp.store.queries.drafts import drafted_steps
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList

_LOOK_AGAIN: tuple[VerdictName, ...] = ("fail", "not_done", "not_applicable")
_GLYPHS = {"sent_back": "↩", "corrective": "↪", "stop_work": "✗", "photos": "▣", "procedure_missing": "?", "draft": "✎"}
_GLYPHS |= {name: VERDICT[name][0] for name in _LOOK_AGAIN}


@dataclass(frozen=True)
class Open:
    """One line: what is open at which step, or did not pass there. blocks: completion waits for it."""

    key: str
    title: str
    code: str
    why: str
    blocks: bool = True


class CompleteCheckScreen(MovesJobs, FieldScreen):
    """Args: stream: of the job."""

    AUTO_FOCUS = ""
    TITLE_TEXT = later("Before completion")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("open", "complete", "resume", "start", "handover", "sync_centre")]
    CSS = """
    CompleteCheckScreen #said { padding: 1 2; }
    CompleteCheckScreen WindowList { padding: 0 1; }
    """

    def __init__(self, stream: str) -> None:
        super().__init__()
        self.stream = stream
        self._steps: JobSteps | None = None
        self._open: tuple[Open, ...] = ()

    def body(self) -> Iterable[Widget]:
        yield Paragraphs(id="said")
        yield WindowList(self._draw, row_height=2, id="blockers")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(WindowList).focus()

    def shows(self, streams: frozenset[str]) -> bool:
        return self.stream in streams

    def reload(self) -> None:
        try:
            self._steps = steps = JobSteps(self.field.session, self.stream, self.field.now())
        except Problem as problem:
            self.field.tell(problem)
            self.action_back()
            return
        blockers = blocks_completion(steps.job, steps.procedures, steps.now_ms, steps.zone)
        lines = [Open(item.key, say(item.title, language()) or item.key, item.code, self._why(item)) for item in blockers]
        for key in drafted_steps(self.field.session.reader, self.stream):
            place = steps.place(key)
            if place is not None:
                why = _("Half-typed and not recorded yet.")
                lines.append(Open(key, say(place.step.title, language()), "draft", why, blocks=False))
        lines += self._not_passed({item.key for item in blockers})
        self._open = tuple(lines)
        self.query_one(WindowList).show(Rows[object](self._open, lambda row: (row.key, row.code) if isinstance(row, Open) else ""))
        self.query_one(Paragraphs).show(self._said)
        self.refresh_bindings()

    def _not_passed(self, named: set[str]) -> list[Open]:
        """Steps that failed or were left out: nothing waits for them, but whoever completes the job has them in view once more."""
        assert self._steps is not None
        documents, lines = self.field.session.documents, []
        for place in self._steps.visible:
            result = place.state.result if place.state is not None else None
            if result is None or not place.counts or place.key in named or result.verdict not in _LOOK_AGAIN:
                continue
            if result.verdict == "not_applicable" and not place.required:
                continue
            said = result_words(place.procedure, place.step, result, documents)
            why = _(": ").join((_(VERDICT[result.verdict][1]), said))
            lines.append(Open(place.key, say(place.step.title, language()), result.verdict, why, blocks=False))
        order: tuple[str, ...] = _LOOK_AGAIN
        return sorted(lines, key=lambda item: order.index(item.code))

    @property
    def _blocking(self) -> int:
        return sum(item.blocks for item in self._open)

    def _said(self, width: int) -> Content:
        assert self._steps is not None
        job, progress = self._steps.job, self._steps.progress
        head = Content.assemble(safe_text(f"{job.number}  {say(job.title, language())}", "bold"), "  ", status(job.status))
        lines = [*hanging(head, width, 2), Content("")]
        may = allowed(job.status, "job.completed", self.field.session.identity.role)
        if self._blocking:
            count = self._blocking
            text = plural(
                "{count} thing stands in the way. Enter opens its step.",
                "{count} things stand in the way. Enter opens a step.",
                count,
            )
            lines += hanging(Content.styled("✗ " + text.format(count=count), "bold $text-warning"), width, 2)
        elif job.status == "completed":
            if job.feedback or job.signatures:
                text = _("The job is completed, and the customer's answers are saved.")
            else:
                text = _("The job is completed. h hands over to the customer.")
            lines += hanging(Content.styled("● " + text, "bold $text-success"), width, 2)
        elif may:
            said = _("Nothing stands in the way: {done} of {total} steps are done. c completes the job.")
            lines += hanging(
                Content.styled("✓ " + said.format(done=progress.done, total=progress.total), "bold $text-success"), width, 2
            )
            if self._open:
                lines += hanging(Content.styled(_("Look at these once more; Enter opens the step."), "$text-warning"), width, 2)
        else:
            lines += hanging(
                Content.styled(
                    "· " + _("All required steps are done. Completing comes after the work was started."), "$text-warning"
                ),
                width,
                2,
            )
        return Content("\n").join(lines)

    def _why(self, blocker: Blocker) -> str:
        """The domain's reason in the language of the screen."""
        place = self._steps.place(blocker.key) if self._steps else None
        if blocker.code == "procedure_missing":
            return _("This procedure has not arrived on this device yet; sync first.")
        if place is None:
            return blocker.why
        if blocker.code == "required":
            return _("Required, and nothing is recorded.")
        if blocker.code == "sent_back" and place.state is not None and place.state.sent_back is not None:
            return _("Sent back: {note}").format(note=place.state.sent_back.note)
        if blocker.code == "corrective":
            failed = self._steps.place(place.opened_by) if self._steps else None
            return _("To be done because this failed: {step}").format(
                step=say(failed.step.title, language()) if failed else place.opened_by
            )
        if blocker.code == "photos" and place.step.criterion is not None:
            return _("{count} of {wanted} photos are attached.").format(
                count=len(files_of(place.state)), wanted=place.step.criterion.photos
            )
        return _("It failed, and this failure stops the work until it passes.") if blocker.code == "stop_work" else blocker.why

    def _draw(self, row: object, width: int) -> Content:
        assert isinstance(row, Open)
        glyph = _GLYPHS.get(row.code, "○")
        first = Content.assemble((f" {glyph} ", "$text-warning" if row.blocks else "$text-muted"), safe_text(row.title))
        return Content("\n").join([first, Content.assemble("   ", safe_text(row.why, "$text-muted"))])

    # --- Actions ----------------------------------------------------------------------------------------------------------------

    def job(self) -> JobState | None:
        return self._steps.job if self._steps else None

    @on(WindowList.Chosen)
    def _chosen(self, event: WindowList.Chosen) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Open the step under the cursor, in the step runner below this screen if it is there."""
        from fieldapp.screens.technician.step_runner import StepRunnerScreen

        row = self.query_one(WindowList).row
        if not isinstance(row, Open) or self._steps is None:
            return
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else None
        place = self._steps.place(row.key)
        if isinstance(below, StepRunnerScreen) and below.stream == self.stream and place is not None:
            self.app.pop_screen()
            below.call_next(below.open, place)
        elif place is not None:
            self.app.push_screen(StepRunnerScreen(self.stream, row.key))

    def action_complete(self) -> None:
        if self._steps is None:
            return
        job, progress = self._steps.job, self._steps.progress
        text = _(
            "{number} becomes completed: {done} of {total} steps are done. After that only amendments with a reason are possible."
        )
        said = safe_text(text.format(number=job.number, done=progress.done, total=progress.total))
        self.app.push_screen(ConfirmScreen(_("Complete the job"), said, _("complete")), self._confirmed)

    def _confirmed(self, agreed: bool | None) -> None:
        job = self.job()
        if agreed and job is not None:
            self.field.record(
                lambda services: services.work.move(job.number, "complete"), then=self._completed, told=_("Completed. Saved.")
            )

    def _completed(self, result: object) -> None:
        self.reload()
        job = self.job()
        if job is not None and (job.feedback or job.signatures):  # a job that was sent back: they have rated and signed already
            return
        text = _("Give the screen to the customer now? They see what was done, rate it and sign.")
        self.app.push_screen(ConfirmScreen(_("Hand over to the customer"), text, _("hand over")), self._hand_over)

    def _hand_over(self, agreed: bool | None) -> None:
        if agreed:
            self.action_handover()

    def action_handover(self) -> None:
        from fieldapp.screens.customer.handover import HandoverScreen

        self.app.push_screen(HandoverScreen(self.stream))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        job, role = self.job(), self.field.session.identity.role
        if action == "open":
            return bool(self._open)
        if action == "complete":
            ready = job is not None and not self._blocking and allowed(job.status, "job.completed", role)
            return True if ready else None
        if action == "handover":
            return True if job is not None and job.status in ("completed", "cannot_complete") else None
        if action in MOVES:
            return True if job is not None and offered(job.status, action, role) else None
        return super().check_action(action, parameters)
