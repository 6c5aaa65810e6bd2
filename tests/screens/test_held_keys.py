"""Keys that had to wait for a step go to its input as if they were typed now, also where a key is a choice and not a letter."""

from __future__ import annotations

from collections.abc import Callable

from fieldapp.screens.technician.inputs.check import YesNo
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from tests.screens.conftest import FieldHome
from tests.screens.until import until


async def test_a_key_let_go_by_the_screen_still_finds_its_binding(field_home: Callable[[str], FieldHome]) -> None:
    app = field_home("tech-anna").app()
    stream = app.session.reader.rows("SELECT stream FROM jobs WHERE number = 'J-1052'")[0]["stream"]
    async with app.run_test(size=(80, 24)) as pilot:
        screen = StepRunnerScreen(stream)
        app.push_screen(screen)
        await until(pilot, lambda: isinstance(app.focused, YesNo))
        boxes = app.focused
        assert isinstance(boxes, YesNo)
        app.keys.hold()
        await pilot.press("y")
        assert boxes.value == ""
        screen.call_later(app.keys.release)  # in the screen's own turn, as when a step has opened
        await until(pilot, lambda: boxes.value == "yes")
