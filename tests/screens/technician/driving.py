"""A technician at the keyboard: presses keys, waits until everything asked for is done, looks at what is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from fieldapp.domain.job import JobState, StepState
from fieldapp.screens.app import FieldApp
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.store.queries.lists import view_of_job
from fieldapp.widgets.paragraphs import Paragraphs
from tests.screens.conftest import FieldHome
from tests.screens.until import until


class Technician:
    """One running app and the keys pressed in it."""

    def __init__(self, app: FieldApp, pilot: Pilot[None], stream: str) -> None:
        self.app, self.pilot, self.stream = app, pilot, stream

    async def settle(self) -> None:
        """Until nothing that was asked for is under way."""
        for _ in range(3):
            await self.pilot.pause()
            await self.app.workers.wait_for_complete()
            await asyncio.wrap_future(self.app.session.later(lambda services: None))
        await self.pilot.pause()

    async def keys(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def types(self, text: str) -> None:
        await self.keys(*(_KEYS.get(character, character) for character in text))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a state, never for a time."""
        await until(self.pilot, holds)

    async def to(self, key: str) -> None:
        """Open a step by its name, as somebody does who looks for it."""
        runner = self.runner
        assert runner.steps is not None
        place = runner.steps.place(key)
        assert place is not None, f"{key} does not apply now"
        await runner.open(place)
        await self.settle()

    @property
    def runner(self) -> StepRunnerScreen:
        screen = self.app.screen
        assert isinstance(screen, StepRunnerScreen), f"{screen} is in front"
        return screen

    @property
    def at(self) -> str:
        """Key of the step that is open."""
        assert self.runner.place is not None
        return self.runner.place.key

    @property
    def typed(self) -> str:
        """What stands in the input."""
        assert self.runner.input is not None
        return self.runner.input.text

    @property
    def verdict(self) -> str:
        return " ".join(str(self.runner.query_one("#verdict", Paragraphs).render()).split())

    @property
    def around(self) -> str:
        """What is said above the input."""
        return " ".join(f"{self.part('#task')} {self.part('#above')}".split())

    def part(self, selector: str) -> str:
        """What a part of the screen says, scrolled out of view or not."""
        return str(self.app.screen.query_one(selector, Paragraphs).render())

    @property
    def help(self) -> str:
        """Everything that the open help says, scrolled out of view or not."""
        return "\n".join(str(part.render()) for part in self.app.screen.query(".window Paragraphs").results(Paragraphs))

    @property
    def screen(self) -> str:
        """Everything in view, as text."""
        compositor = self.app.screen._compositor
        return "\n".join("".join(segment.text for segment in strip) for strip in compositor.render_strips())

    @property
    def notices(self) -> str:
        return "\n".join(str(notice.message) for notice in self.app._notifications)

    @property
    def job(self) -> JobState:
        job = view_of_job(self.app.session.reader, self.stream)
        assert job is not None
        return job

    def state(self, key: str) -> StepState:
        return self.job.steps.get(key, StepState())

    def value(self, key: str) -> str | None:
        result = self.state(key).result
        return result.value if result else None


_KEYS = {" ": "space", ".": "full_stop", ",": "comma", "-": "minus", ":": "colon", "/": "slash", "+": "plus", "_": "underscore"}


@asynccontextmanager
async def at_work(
    home: FieldHome, stream: str, key: str = "", *, size: tuple[int, int] = (80, 24), runner: bool = True
) -> AsyncIterator[Technician]:
    """The app on this home, in the step runner of this job."""
    app = home.app()
    async with app.run_test(size=size) as pilot:
        technician = Technician(app, pilot, stream)
        await technician.settle()
        if runner:
            app.push_screen(StepRunnerScreen(stream, key))
            await technician.settle()
        yield technician
