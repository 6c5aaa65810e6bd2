"""What is said in passing covers nothing: the list, the input and the keys stay in view."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.widgets._toast import Toast

from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.widgets.footer import KeyFooter
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician

HomeOf = Callable[[str], FieldHome]
QUARTER = "job:j-1052"
WORDS = ("Saved.", "Failed. This opens a corrective step: " + "change the oil filter while the machine is locked out " * 2)


@pytest.mark.parametrize("said", WORDS, ids=("short", "long"))
async def test_a_notice_makes_room_instead_of_covering(field_home: HomeOf, said: str) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        technician = Technician(app, pilot, QUARTER)
        await technician.settle()
        today = app.screen.query_one("#jobs", WindowList)
        before = today.region.height
        app.notify(said, timeout=60, markup=False)
        await technician.until(lambda: any(toast.region.height for toast in app.screen.query(Toast)))
        await technician.settle()
        toast = app.screen.query_one(Toast).region
        footer = app.screen.query_one(KeyFooter).region
        assert today.region.height == before - toast.height
        assert not toast.overlaps(today.region)
        assert (toast.bottom, footer.height) == (footer.y, 1)
        assert " ".join(said.split()) in " ".join(technician.screen.replace("▌", " ").split())
        app.push_screen(StepRunnerScreen(QUARTER, "CHILLER-Q/oil_pressure"))
        await technician.settle()
        await technician.until(lambda: any(toast.region.height for toast in app.screen.query(Toast)))
        toast = app.screen.query_one(Toast).region
        assert not any(toast.overlaps(app.screen.query_one(part).region) for part in ("#outline", "#centre", KeyFooter))


async def test_of_several_notices_the_latest_is_in_view(field_home: HomeOf) -> None:
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        technician = Technician(app, pilot, QUARTER)
        await technician.settle()
        for number in range(9):
            app.notify(f"Notice {number}", timeout=60, markup=False)
        await technician.until(lambda: "Notice 8" in technician.screen)
        assert "Notice 7" not in technician.screen
        assert app.screen.query_one("#jobs", WindowList).region.height == 21
