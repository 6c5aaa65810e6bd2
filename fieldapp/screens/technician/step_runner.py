"""The step runner: one step fills the screen; Enter records it and goes to the next one that is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from fieldapp.domain.lifecycle import AMENDING, RECORDING
from fieldapp.domain.problem import Problem
from fieldapp.domain.progress import StepPlace, by_person
from fieldapp.domain.signing import signature_text
from fieldapp.language import _, language, later
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldScreen
from fieldapp.screens.technician.around_step import AroundStep
from fieldapp.screens.technician.between_steps import BetweenSteps
from fieldapp.screens.technician.drafting import DraftKeeper
from fieldapp.screens.technician.inputs import Asked, StepInput, input_for
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.judging import Live, live
from fieldapp.screens.technician.last_time import LastTime
from fieldapp.screens.technician.outline import OutlineList, StepRow
from fieldapp.screens.technician.recording import RecordsSteps
from fieldapp.screens.technician.step_facts import above, below, judged_line, progress_line, saved_line, task
from fieldapp.screens.values import value_words
from fieldapp.store.queries.drafts import drafted_steps
from fieldapp.widgets.giving_way import GivesWay
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.window_list import WindowList

if TYPE_CHECKING:
    pass

VERDICT_LINES = 2
"""Lines kept free below the input for what is said of what is typed."""


class StepRunnerScreen(RecordsSteps, AroundStep, BetweenSteps, FieldScreen):
    """Runs the steps of one job.

    Args:
        stream: of the job. key: step to open; '' for where the person left off: a half-typed step, else what was sent back since,
            else the next open one after the step recorded last.
    """

    AUTO_FOCUS = ""
    TITLE_TEXT = later("Steps")
    BINDINGS: ClassVar[list[BindingType]] = [
        *(replace(binding, priority=True) for binding in bindings("read_on")),  # a field with a long text would take the key
        *bindings(
            *("record", "outline", "not_applicable", "not_done", "step_note", "step_file", "previous_step", "next_step"),
            *("ask_expert", "suggest", "complete", "search"),
        ),
        Binding("pageup", "read_back", show=False, priority=True),
    ]
    CSS_PATH = "step_runner.tcss"

    def __init__(self, stream: str, key: str = "") -> None:
        super().__init__()
        self.stream, self._wanted = stream, key
        self.steps: JobSteps | None = None
        self.place: StepPlace | None = None
        self.standing = ""
        self.trouble = False
        self.saved: StepPlace | None = None
        self._opened: tuple[object, ...] = ()
        self._opening = asyncio.Lock()
        self.recording = False
        self.input: StepInput | None = None

    def body(self) -> Iterable[Widget]:
        yield Paragraphs(id="progress")
        with Horizontal():
            yield OutlineList(id="outline")
            with VerticalScroll(id="centre", can_focus=False):
                with GivesWay(to={"above": 0, "slot": 0, "verdict": VERDICT_LINES}, id="instructions"):
                    yield Paragraphs(id="task")
                yield Paragraphs(id="above")
                yield Container(id="slot")
                yield Paragraphs(id="verdict")
                yield Paragraphs(id="below")

    def on_mount(self) -> None:
        self.drafts = DraftKeeper(self, self.field, self.stream)
        self.last: LastTime | None = None
        super().on_mount()
        self.set_interval(20, self._show_progress)

    def on_unmount(self) -> None:
        self.drafts.flush()

    def shows(self, streams: frozenset[str]) -> bool:
        return self.stream in streams or any(stream.startswith("procedure:") for stream in streams)

    # --- What is shown ----------------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        try:
            self.steps = JobSteps(self.field.session, self.stream, self.field.now())
        except Problem as problem:
            self.field.tell(problem)
            self.action_back()
            return
        if self.last is None:
            self.last = LastTime(self.field.session.reader, self.steps.job)
        place = self.steps.place(self.place.key) if self.place is not None else self._first()
        if place is None:
            begun = self.steps.left_off() if self.steps.job.status in RECORDING else None
            place = begun or next(iter(self.steps.visible), None)
        if place is None:
            self.query_one("#above", Paragraphs).show(
                lambda width: Content(_("No steps are on this device for this job yet. Sync first."))
            )
            return
        if self._look(place) == self._opened or self.recording:
            self.place = place
            self._show_texts()
        else:
            self.call_next(self._reopen, place)

    async def _reopen(self, place: StepPlace) -> None:
        """Open a step because what is shown has changed, unless the person has gone on meanwhile."""
        if self.place is None or self.place.key == place.key:
            await self.open(place)

    def _first(self) -> StepPlace | None:
        assert self.steps is not None
        drafted = drafted_steps(self.field.session.reader, self.stream, self.steps.sent_back_at)
        wanted = [self._wanted] if self._wanted else drafted
        found = (self.steps.place(key) for key in wanted)
        return next((place for place in found if place is not None), None)

    def _asked(self, place: StepPlace) -> Asked:
        assert self.steps is not None
        files = tuple(file.name for file in place.state.files) if place.state else ()
        wanted = (place.step.criterion.photos if place.step.criterion else None) or (1 if place.step.type == "file" else 0)
        result = place.state.result if place.state else None
        shown = value_words(place.procedure, place.step, result.value, result.unit) if result and result.value else ""
        if place.step.type == "signature":
            shown = signature_text(self.steps.job, place.procedure, place.step, language())
        return Asked(place, self.steps.offered(place), files, wanted, shown, time.strftime("%Y-%m-%dT%H:%M"))

    def _look(self, place: StepPlace) -> tuple[object, ...]:
        """What an open input depends on: while it stays the same, what is typed stays where it is."""
        asked = self._asked(place)
        return place.key, place.procedure.version, asked.offered, asked.files, asked.shown

    async def open(self, place: StepPlace) -> None:
        """Show a step, with what was half-typed there or what stands. Keys typed meanwhile wait for its field."""
        self.field.keys.hold()
        async with self._opening:
            if self.steps is None or not self.is_attached:
                return
            if self.place is None or place.key != self.place.key:
                self.drafts.flush()
            self.place, self.trouble, self._opened = place, False, self._look(place)
            before, self.input = self.input, None  # until the new one is there nothing is asked of it: the exchange may reload now
            made = input_for(self._asked(place), self._text_for(place))
            on_outline = isinstance(self.focused, OutlineList)
            with self.app.batch_update():
                await self.query_one("#slot", Container).mount(made)
                self.input = made
                if not on_outline:
                    made.grab()
                if before is not None:
                    await before.remove()
                self._show_texts()
            self.call_after_refresh(self._from_the_top)
        self.call_after_refresh(self.field.keys.release)

    def _from_the_top(self) -> None:
        """A step opens with its title; after the layout, since taking the focus scrolls to what has it."""
        for text in self.long_texts():
            text.scroll_home(animate=False, immediate=True)
        self.refresh_bindings()

    def _text_for(self, place: StepPlace) -> str:
        """A draft, else what stands, else the default."""
        assert self.steps is not None
        result = place.state.result if place.state else None
        self.standing = result.value or "" if result else ""
        draft = self.drafts.read(place.key, place.procedure.version)
        if draft is not None:
            return draft
        return self.standing or ("" if result else self.steps.default(place))

    def _show_texts(self) -> None:
        steps, place, last = self.steps, self.place, self.last
        if steps is None or place is None or last is None:
            return
        documents = self.field.session.documents
        self.query_one("#task", Paragraphs).show(lambda width: task(steps, place, width))
        self.query_one("#above", Paragraphs).show(lambda width: above(steps, place, last, documents, width))
        self.query_one("#below", Paragraphs).show(lambda width: below(place, documents, width))
        self.query_one("#outline", OutlineList).show_places(steps.places, place.key)
        self._show_progress()
        self.show_verdict()

    def _show_progress(self) -> None:
        if self.steps is not None:
            self.query_one("#progress", Paragraphs).show(partial(progress_line, self.steps))

    def judged(self) -> Live | None:
        """What is typed, held against the step; None where nothing is to be judged."""
        place, made = self.place, self.input
        if self.steps is None or place is None or made is None or not by_person(place.step) or place.step.type == "file":
            return None
        return live(place, made.text, self.steps.answers(place), now_ms=self.field.now(), zone=self.steps.zone)

    def show_verdict(self) -> None:
        """What is typed and what it is worth; with nothing typed, what was saved just before."""
        found, trouble = self.judged(), self.trouble
        made, saved = self.input, self.saved
        if made is not None and found is not None and not trouble and (not made.settled or (found.wrong and not made.text.strip())):
            found = None  # nothing is typed yet, so nothing is wrong yet
        documents = self.field.session.documents
        if found is None and saved is not None and self.steps is not None and saved.key != (self.place.key if self.place else ""):
            self.query_one("#verdict", Paragraphs).show(lambda width: saved_line(saved, documents, width))
        else:
            self.query_one("#verdict", Paragraphs).show(lambda width: judged_line(found, trouble=trouble, width=width))

    @on(StepInput.Edited)
    def _edited(self, event: StepInput.Edited) -> None:
        place = event.place
        if place is None or self.recording:  # what is being recorded is no draft any more
            return
        self.drafts.typed(place.key, place.procedure.version, event.text)
        if self.place is not None and place.key == self.place.key:
            self.trouble = False
            self.show_verdict()

    # --- The outline ------------------------------------------------------------------------------------------------------------

    @on(WindowList.Chosen, "#outline")
    async def _chosen(self, event: WindowList.Chosen) -> None:
        if isinstance(event.row, StepRow):
            self.saved = None
            await self.open(event.row.place)
            if self.input is not None:
                self.input.grab()

    def action_outline(self) -> None:
        made = self.input
        if isinstance(self.focused, OutlineList) and made is not None:
            made.grab()
        else:
            self.query_one("#outline", OutlineList).focus()

    def action_back(self) -> None:
        """From the outline to the step beside it, from the step to the job."""
        if isinstance(self.focused, OutlineList) and self.input is not None:
            self.input.grab()
            return
        self.drafts.flush()
        super().action_back()

    def scanned(self, code: str) -> None:
        if self.input is None or not self.input.scanned(code):
            super().scanned(code)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        steps, place = self.steps, self.place
        if action in ("not_applicable", "not_done"):
            return True if steps is not None and place is not None and steps.recordable(place) else None
        if action == "step_file":
            return True if steps is not None and place is not None and steps.job.status in AMENDING else None
        if action in ("read_on", "read_back"):
            return not isinstance(self.focused, OutlineList) and any(text.max_scroll_y > 0 for text in self.long_texts())
        if action in ("next_step", "previous_step") and steps is not None and place is not None:
            return True if steps.neighbour(place.key, 1 if action == "next_step" else -1) is not None else None
        return super().check_action(action, parameters)
