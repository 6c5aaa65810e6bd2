"""Everything that keys do a mouse does too; another size of the terminal keeps the place and what is typed."""

from __future__ import annotations

from collections.abc import Callable

from fieldapp.screens.customer.handover import HandoverScreen
from fieldapp.screens.customer.questions import Scale
from fieldapp.screens.technician.inputs.check import YesNo
from fieldapp.screens.technician.inputs.options import OptionList
from fieldapp.screens.technician.job import JobScreen
from fieldapp.services.pin import set_pin
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work

HomeOf = Callable[[str], FieldHome]
QUARTER, SENT_BACK = "job:j-1052", "job:j-1048"


async def click(technician: Technician, words: str, *, times: int = 1) -> None:
    """Click on these words, wherever they stand."""
    for y, line in enumerate(technician.screen.splitlines()):
        if words in line:
            await technician.pilot.click(offset=(line.index(words) + 1, y), times=times)
            await technician.settle()
            return
    raise AssertionError(f"{words!r} is not in view:\n{technician.screen}")


async def test_a_row_of_today_a_key_of_the_footer_and_a_tab(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await click(technician, "J-1051")
        assert getattr(technician.app.screen.query_one("#jobs", WindowList).row, "number", "") == "J-1051"
        await click(technician, "J-1052", times=2)
        assert isinstance(technician.app.screen, JobScreen)
        await click(technician, "customer and asset")
        assert technician.app.screen.tab == "place"
        await click(technician, "start work")
        assert technician.job.status == "in_progress"
        await click(technician, "Esc back")
        assert not isinstance(technician.app.screen, JobScreen)


async def test_steps_boxes_and_options(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        first = technician.at
        await technician.pilot.click(YesNo, offset=(4, 1))
        await technician.settle()
        assert technician.typed == "yes"
        await click(technician, "record")
        assert technician.value(first) == "yes"
        await technician.to("CHILLER-Q/refrigerant")
        await technician.pilot.click(OptionList, offset=(6, 2))
        await technician.settle()
        assert technician.typed == "r513a"
        await technician.pilot.click(OptionList, offset=(6, 0))
        await technician.settle()
        assert technician.typed == "r513a", "the border is no option"
        await click(technician, "R-1234ze")
        assert technician.typed == "r1234ze"
        await click(technician, "Running hours of com")
        assert technician.at != "CHILLER-Q/refrigerant"


async def test_stars_and_numbers_of_the_customer(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        set_pin(services.replica, "4711")
    async with at_work(home, SENT_BACK, runner=False) as technician:
        technician.app.push_screen(HandoverScreen(SENT_BACK))
        await technician.settle()
        await technician.keys("enter")
        await technician.until(lambda: "1 / 5" in technician.screen)
        await technician.keys("enter")
        await technician.until(lambda: "2 / 5" in technician.screen)
        screen = technician.app.screen
        for name, at, score in (("#csat", 10, 4), ("#nps", 31, 10), ("#ces", 1, 1)):
            scale = screen.query_one(name, Scale)
            await technician.pilot.click(scale, offset=(scale.styles.gutter.left + at, 2))
            await technician.settle()
            assert scale.score == score, name


async def test_another_size_keeps_the_place_and_what_is_typed(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        await technician.types("Drain valve")
        for size in ((140, 40), (60, 20), (80, 24)):
            await technician.pilot.resize_terminal(*size)
            await technician.settle()
            assert (technician.at, technician.typed) == ("HANDOVER/open_points", "Drain valve")
            assert "Drain valve" in technician.screen
            assert all(len(line) <= size[0] for line in technician.screen.splitlines())


async def test_a_question_fits_a_small_terminal(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, size=(60, 20)) as technician:
        for keys in (("f1",), ("f4",), ("f5",), ("f6",), ("escape", "x"), ("s", "d")):
            await technician.keys(*keys)
            (window,) = technician.app.screen.query(".window")
            assert window.region.right <= 60, keys
            assert window.region.bottom <= 20, keys
            await technician.keys("escape")
