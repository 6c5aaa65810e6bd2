"""A screen opens with its whole text in its first picture: what comes after it only draws the same again.

Each later picture comes a sixtieth of a second after the one before. So what stands only in the second one is seen late, however
little it cost: a list scrolled to its cursor afterwards, data read by a worker, a class of the width given after the layout.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from fieldapp.screens.app import FieldApp
from fieldapp.screens.office.review import ReviewScreen
from fieldapp.screens.office.review_job import ReviewJobScreen
from fieldapp.screens.technician.job import JobScreen
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.until import shown, until

Homes = Callable[[str], FieldHome]
JOB = "job:j-1048"
SIZES = ((80, 24), (140, 40))


@asynccontextmanager
async def pictures_of(app: FieldApp, size: tuple[int, int]) -> AsyncIterator[tuple[Pilot[None], list[str]]]:
    """The running app, and the text below the header of every picture of what is opened now, in order; the same one once."""
    pictures: list[str] = []

    def painted() -> None:
        if app.screen is not first:
            picture = shown(app).partition("\n")[2]
            if pictures[-1:] != [picture]:
                pictures.append(picture)

    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.session._services is not None, "what writes is open")
        first = app.screen
        app.post_display_hook = painted  # type: ignore[method-assign]
        yield pilot, pictures


async def opened(home: FieldHome, size: tuple[int, int], open_it: Callable[[FieldApp], Screen[Any]]) -> tuple[int, list[str]]:
    """The line at which its list begins, and its pictures."""
    app = home.app()
    async with pictures_of(app, size) as (pilot, pictures):
        screen = open_it(app)
        app.push_screen(screen)
        await until(pilot, lambda: pictures, "a first picture")
        for _ in range(3):
            await app.workers.wait_for_complete()
            await pilot.pause(0.05)  # nothing tells that no second picture comes
        begins = max((listed.scroll_offset.y for listed in screen.query(WindowList)), default=0)
    return begins, pictures


@pytest.mark.parametrize("size", SIZES)
async def test_the_step_runner_begins_at_the_open_step_of_its_outline(
    field_home: Homes, frozen: object, size: tuple[int, int]
) -> None:
    def far_down(app: FieldApp) -> StepRunnerScreen:
        steps = JobSteps(app.session, JOB, app.now()).visible
        return StepRunnerScreen(JOB, steps[-4].key)

    begins, pictures = await opened(field_home("tech-anna"), size, far_down)
    assert begins > 0, "the step lies below the first page"
    assert len(pictures) == 1, "\n\n".join(pictures)


@pytest.mark.parametrize("size", SIZES)
async def test_a_job(field_home: Homes, frozen: object, size: tuple[int, int]) -> None:
    _, pictures = await opened(field_home("tech-anna"), size, lambda app: JobScreen(JOB))
    assert len(pictures) == 1, "\n\n".join(pictures)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stream", [JOB, "job:j-1030"])
async def test_a_job_under_review(field_home: Homes, frozen: object, size: tuple[int, int], stream: str) -> None:
    _, pictures = await opened(field_home("sup-petra"), size, lambda app: ReviewJobScreen(stream))
    assert len(pictures) == 1, "\n\n".join(pictures)


@pytest.mark.parametrize("size", SIZES)
async def test_the_queue_of_a_branch(field_home: Homes, frozen: object, size: tuple[int, int]) -> None:
    _, pictures = await opened(field_home("sup-petra"), size, lambda app: ReviewScreen())
    assert len(pictures) == 1, "\n\n".join(pictures)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("person", ["tech-anna", "sup-petra"])
async def test_the_first_frame(field_home: Homes, frozen: object, size: tuple[int, int], person: str) -> None:
    """Nothing is worked out while Textual, still busy with its own start, shows none of it."""
    app = field_home(person).app()
    pictures: list[str] = []
    in_vain: list[str] = []

    def painted() -> None:
        picture = shown(app).partition("\n")[2]
        if app._batch_count:
            in_vain.append(picture)
        elif pictures[-1:] != [picture]:
            pictures.append(picture)

    app.post_display_hook = painted  # type: ignore[method-assign]
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.session._services is not None, "what writes is open")
        assert len(app.screen_stack) == 1, "nothing lies below the first screen"
    assert not in_vain
    assert len(pictures) == 1, "\n\n".join(pictures)
    assert "J-" in pictures[0]
