"""From one step to another: what comes next, the neighbours, a step by its words, the check before completion."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from textual.widget import Widget

from fieldapp.domain.progress import StepPlace
from fieldapp.language import _
from fieldapp.screens.asking import AskScreen, Question
from fieldapp.widgets.giving_way import page

if TYPE_CHECKING:
    from fieldapp.screens.technician.step_runner import StepRunnerScreen


class BetweenSteps:
    """Mixed into the step runner: the actions that lead from the open step to another one."""

    @property
    def _at(self) -> StepRunnerScreen:
        return cast("StepRunnerScreen", self)

    async def go_on(self, opened: StepPlace | None = None, *, past: bool = False) -> None:
        """To where a failure leads, else to the next open step, else to the check before completion. past: there is no one more."""
        runner = self._at
        if runner.steps is None or runner.place is None:
            return
        target = opened or runner.steps.after(runner.place.key, past=past)
        await runner.open(target or runner.steps.place(runner.place.key) or runner.place)
        if target is None:
            self.action_complete()

    async def action_next_step(self) -> None:
        await self._move(1)

    async def action_previous_step(self) -> None:
        await self._move(-1)

    async def _move(self, step: int) -> None:
        runner = self._at
        if runner.steps is not None and runner.place is not None:
            target = runner.steps.neighbour(runner.place.key, step)
            if target is not None:
                runner.saved = None
                await runner.open(target)

    def action_read_on(self) -> None:
        self._page(1)

    def action_read_back(self) -> None:
        self._page(-1)

    def _page(self, step: int) -> None:
        """First through the instructions and a text to sign, then through all that does not fit; the other way round back."""
        any(page(text, step) for text in self.long_texts()[::step])

    def long_texts(self) -> list[Widget]:
        """What may have more to say than it shows, in the order in which it is read."""
        return [*self._at.query("#instructions, .to-sign"), *self._at.query("#centre")]

    def action_search(self) -> None:
        asked = AskScreen(_("Find a step"), [Question(_("Words of its title, or its name"))])
        self._at.app.push_screen(asked, self._found)

    def _found(self, answer: tuple[str, ...] | None) -> None:
        runner = self._at
        if answer is None or runner.steps is None:
            return
        wanted = answer[0].casefold()
        for place in runner.steps.visible:
            if any(wanted in text.casefold() for text in (place.key, *place.step.title.values())):
                runner.saved = None
                runner.call_next(runner.open, place)
                return
        runner.notify(_("No step has these words."), timeout=4)

    def action_complete(self) -> None:
        from fieldapp.screens.technician.complete_check import CompleteCheckScreen

        app, check, loop = self._at.field, CompleteCheckScreen(self._at.stream), asyncio.get_running_loop()
        self._at.drafts.flush()
        app.push_screen(check)
        written = app.session.later(lambda services: None)  # behind what is half-typed, which the check names
        written.add_done_callback(lambda _: loop.call_soon_threadsafe(check.call_later, check.reload))
