"""What is said about a step besides its value: left out and why, remarks, files, questions; what a failure asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.content import Content

from fieldapp.domain.entry_types.steps import FollowUpOpened
from fieldapp.domain.progress import StepPlace
from fieldapp.domain.words import say
from fieldapp.language import _, language
from fieldapp.screens.asking import ConfirmScreen, NoteScreen
from fieldapp.screens.reasons import ReasonScreen
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from pathlib import Path

    from fieldapp.bootstrap import DeviceServices
    from fieldapp.domain.recording import LeftOut
    from fieldapp.screens.technician.file_picker import FilePickerScreen
    from fieldapp.screens.technician.step_runner import StepRunnerScreen
    from fieldapp.services.work import Recorded


class AroundStep:
    """Mixed into the step runner: the actions on the open step that are not its value."""

    @property
    def _runner(self) -> StepRunnerScreen:
        return cast("StepRunnerScreen", self)

    # --- Left out ---------------------------------------------------------------------------------------------------------------

    def action_not_applicable(self) -> None:
        self._leave_out("not_applicable")

    def action_not_done(self) -> None:
        self._leave_out("not_done")

    def _leave_out(self, verdict: LeftOut) -> None:
        runner = self._runner
        place = runner.place
        if place is None or runner.steps is None:
            return
        number, version = runner.steps.job.number, place.procedure.version
        asked = ReasonScreen.for_step(runner.field, place.step.reasons, verdict)

        def given(answer: tuple[str, str]) -> None:
            reason, note = answer

            def write(services: DeviceServices) -> Recorded:
                with runner.drafts.recording(place.key, version):
                    return services.work.leave_out(number, place.key, verdict, reason, note=note)

            waiting = runner.drafts.drop()
            runner.write(write, lambda problem: runner.drafts.typed(*waiting) if waiting else None, asked)

        runner.field.ask(asked, given, f"{runner.stream} {place.key} {verdict}")

    # --- Remarks, questions, suggestions ----------------------------------------------------------------------------------------

    def action_step_note(self) -> None:
        self._say(
            _("Note on this step"), "note", _("Note saved."), lambda work, number, key, text: work.note(number, text, step=key)
        )

    def action_ask_expert(self) -> None:
        hint = _("Enter sends it with the next sync; the answer comes back to this step.")
        self._say(
            _("Ask an expert"), "ask", _("Question saved; it goes out with the next sync."),
            lambda work, number, key, text: work.question(number, text, step=key), hint,
        )  # fmt: skip

    def action_suggest(self) -> None:
        hint = _("What should this step say or ask for instead? The process manager decides.")
        self._say(
            _("Suggest a better way"), "suggest", _("Suggestion saved."),
            lambda work, number, key, text: work.suggestion(number, key, text), hint,
        )  # fmt: skip

    def _say(self, title: str, name: str, told: str, write: Callable[..., Recorded], hint: str = "") -> None:
        runner, place = self._runner, self._runner.place
        if place is None or runner.steps is None:
            return
        number = runner.steps.job.number

        runner.drafts.flush()
        asked = NoteScreen(title, runner.drafts, f"{name}:{place.key}", hint)

        def given(text: str) -> None:
            runner.field.record(lambda services: write(services.work, number, place.key, text), told=told, asked=asked)

        runner.field.ask(asked, given)

    # --- Files ------------------------------------------------------------------------------------------------------------------

    def action_step_file(self) -> None:
        from fieldapp.screens.technician.file_picker import FilePickerScreen

        runner, place = self._runner, self._runner.place
        if place is not None and runner.steps is not None:
            attached = place.state.files if place.state else ()
            runner.drafts.flush()
            photos = place.step.criterion is not None and bool(place.step.criterion.photos)
            inbox, title = runner.field.session.home.inbox, say(place.step.title, language())
            picker = FilePickerScreen(inbox, title, attached, photos=photos)
            runner.field.ask(picker, partial(self._attach_file, runner.steps.job.number, place.key, picker))

    def _attach_file(self, number: str, key: str, picker: FilePickerScreen, path: Path) -> None:
        told = _("Attached and saved here: {name}").format(name=safe_text(path.name).plain)
        self._runner.field.record(
            lambda services: services.work.attach(number, key, path), then=self._attached, told=told, asked=picker
        )

    def _attached(self, recorded: Recorded) -> None:
        if recorded.plan is not None and recorded.plan.bodies:
            self.say_consequences(recorded)

    # --- What follows -----------------------------------------------------------------------------------------------------------

    def say_consequences(self, recorded: Recorded) -> StepPlace | None:
        """Say what a failure asks for. Returns where it leads: the corrective step it opened, or itself where it stops the work."""
        runner, plan = self._runner, recorded.plan
        if plan is None or runner.steps is None:
            return None
        for warning in plan.warnings:
            runner.notify(safe_text(warning).plain, severity="warning", timeout=8, markup=False)
        opened: StepPlace | None = None
        for body in plan.bodies:
            if not isinstance(body, FollowUpOpened):
                continue
            if body.kind == "stop_work":
                text = Content.assemble(
                    (_("This failure stops the work until the step passes."), "bold $text-error"),
                    "\n\n",
                    safe_text(body.text, lines=True),
                    "\n\n",
                    (_("Esc leads back to the job; p pauses it there, with the reason."), "$text-muted"),
                )
                opened = runner.steps.place(body.step)
                runner.app.push_screen(ConfirmScreen("⚠ " + _("Stop work"), text, _("understood")))
            elif body.kind == "corrective_step":
                opened = next((place for place in runner.steps.visible if place.opened_by == body.step and not place.done), None)
                runner.notify(
                    _follow(_("Failed. This opens a corrective step: "), body.text), severity="warning", timeout=8, markup=False
                )
            else:
                runner.notify(
                    _follow(_("Failed. The office plans a follow-up visit: "), body.text),
                    severity="warning",
                    timeout=8,
                    markup=False,
                )
        return opened


def _follow(said: str, text: str) -> str:
    return f"{said}{safe_text(text).plain}".strip()
