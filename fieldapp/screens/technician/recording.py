"""Recording what was entered at the open step: at once, with a reason where something stands there already, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from textual.content import Content

from fieldapp.domain.problem import Problem, RecordedAnyway
from fieldapp.domain.progress import StepPlace
from fieldapp.language import _
from fieldapp.screens.base import SAVING_S, SLOW_S
from fieldapp.screens.reasons import ReasonScreen
from fieldapp.widgets.paragraphs import Paragraphs

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.screens.technician.inputs import StepInput
    from fieldapp.screens.technician.step_runner import StepRunnerScreen
    from fieldapp.services.work import Recorded


class RecordsSteps:
    """Mixed into the step runner: Enter, and what happens until the next step is open."""

    @property
    def _open(self) -> StepRunnerScreen:
        return cast("StepRunnerScreen", self)

    async def action_record(self) -> None:
        runner = self._open
        place, made, found = runner.place, runner.input, runner.judged()
        if runner.steps is None or place is None or made is None or runner.recording:
            return
        if found is None:
            wanting = place.step.type == "file" and len(made.asked.files) < made.asked.wanted
            if wanting and runner.steps.recordable(place):
                runner.action_step_file()
            else:
                await runner.go_on()
            return
        result = place.state.result if place.state else None
        back = place.state is not None and place.state.sent_back is not None and not place.state.sent_back.corrected
        if result is not None and found.value == runner.standing and found.value and not back and not made.more:
            runner.drafts.forget(place.key, place.procedure.version)
            await runner.go_on()
        elif result is None and not place.required and not made.text.strip():
            runner.saved = None
            await runner.go_on(past=place.extra)  # an optional step is left empty, or there is no one more
        elif found.wrong:
            runner.trouble = True
            runner.show_verdict()
        elif result is not None:
            runner.drafts.flush()
            asked = ReasonScreen.for_amend(runner.field)
            about = f"{runner.stream} {place.key} amend"
            runner.field.ask(asked, lambda answer: self._write(place, made, *answer, asked=asked), about)
        else:
            self._write(place, made)

    def _write(
        self, place: StepPlace, made: StepInput, reason: str = "", note: str = "", asked: ReasonScreen | None = None
    ) -> None:
        runner = self._open
        assert runner.steps is not None
        number, version, typed = runner.steps.job.number, place.procedure.version, made.text
        shown = made.asked.shown if place.step.type == "signature" else ""

        def action(services: DeviceServices) -> Recorded:
            with runner.drafts.recording(place.key, version):
                return services.work.record(number, place.key, typed, reason=reason, note=note, shown=shown)

        def refused(problem: Problem) -> None:
            runner.drafts.typed(place.key, version, typed)

        runner.drafts.drop()
        self.write(action, refused, asked)

    def write(
        self,
        action: Callable[[DeviceServices], Recorded],
        refused: Callable[[Problem], object],
        asked: ReasonScreen | None = None,
    ) -> None:
        """Record something about the open step and go on; what is typed meanwhile is meant for the next one.

        asked: the window that gave the reason.
        """
        runner = self._open

        if runner.recording:
            return

        async def recorded(what: Recorded | None = None) -> None:
            slow.stop()
            await self._recorded(what)

        def not_recorded(problem: Problem) -> Awaitable[None] | None:
            if isinstance(problem, RecordedAnyway):
                return recorded()
            slow.stop()
            runner.recording = False
            if asked is None:  # what came meanwhile was meant for the next step; a window has forgotten it already
                runner.field.keys.forget()
            runner.field.keys.release()
            refused(problem)
            if runner.is_attached:
                runner.show_verdict()
            return None

        def say_saving() -> None:
            runner.query_one("#verdict", Paragraphs).show(lambda width: Content.styled(_("Saving ..."), "$text-muted"))

        runner.recording = True
        runner.field.keys.hold(SAVING_S)
        slow = runner.set_timer(SLOW_S, say_saving)
        runner.field.record(action, then=recorded, refused=not_recorded, asked=asked)

    async def _recorded(self, recorded: Recorded | None = None) -> None:
        """Say what follows from a result, where that is known, and go on."""
        runner = self._open
        runner.recording = False
        if runner.is_attached and runner.steps is not None and runner.place is not None:
            runner.saved = runner.steps.place(runner.place.key)
            await runner.go_on(runner.say_consequences(recorded) if recorded is not None else None)
        else:
            runner.field.keys.release()
