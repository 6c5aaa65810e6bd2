"""Today: what is late is what is late, the next move is on the key line, everything is said in the language spoken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.content import Content

from fieldapp.domain.words import say
from fieldapp.language import set_language
from fieldapp.screens.jobcards import RIGHT, draw_card
from fieldapp.store.queries.lists import Heading, JobCard
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work
from tests.screens.until import until

HomeOf = Callable[[str], FieldHome]
PAUSED, SENT_BACK = "job:j-1053", "job:j-1048"


def _sections(technician: Technician) -> dict[str, list[str]]:
    """The jobs below each heading, as listed."""
    listed = technician.app.screen.query_one("#jobs", WindowList)
    found: dict[str, list[str]] = {}
    for row in (listed._at(index) for index in range(listed.count)):
        if isinstance(row, Heading):
            found[row.section] = []
        elif isinstance(row, JobCard):
            found[[*found][-1]].append(row.number)
    return found


async def test_a_promise_whose_clock_stands_still_is_not_overdue(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK, runner=False) as technician:
        sections = _sections(technician)
        assert "J-1048" in sections["now"], "sent back: its clock stands still since it was completed"
        assert "J-1048" not in sections.get("overdue", [])
        assert "J-1053" in sections["now"]
        line = next(line for line in technician.screen.splitlines() if "J-1048" in line)
        assert line.rstrip().endswith("↩ sent back")


async def test_a_paused_job_is_resumed_from_the_list(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), PAUSED, runner=False) as technician:
        technician.app.screen.query_one("#jobs", WindowList).go_to(PAUSED)
        await technician.settle()
        assert "r resume" in technician.screen.splitlines()[-1]
        await technician.keys("r")
        assert technician.job.status == "in_progress"


async def test_what_is_still_far_off_does_not_read_as_past(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), PAUSED, runner=False) as technician:
        lines = [line for line in technician.screen.splitlines() if "J-10" in line]
        assert any(" in " in line[-20:] for line in lines)
        assert all("!" in line or " -" not in line[-20:] for line in lines)


async def test_another_language_reaches_the_header_too(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), PAUSED, runner=False) as technician:
        await technician.keys("f11")
        assert "不来梅分公司" in technician.screen.splitlines()[0]


@pytest.mark.parametrize("spoken", ["en", "zh_CN"])
async def test_at_80_columns_a_customers_name_is_whole_wherever_the_title_leaves_it_room(field_home: HomeOf, spoken: str) -> None:
    set_language(spoken)
    app = field_home("tech-anna").app()
    async with app.run_test(size=(80, 24)) as pilot:
        jobs = app.screen.query_one(WindowList)
        await until(pilot, lambda: jobs.count > 3)
        cards = [row for row in (jobs._at(index) for index in range(jobs.count)) if isinstance(row, JobCard)]
        for card in cards:
            line = draw_card(card, 80, app.now())
            assert line.cell_length == 80
            title, customer = say(card.title, spoken), say(card.customer, spoken)
            if Content(title).cell_length + Content(customer).cell_length + 1 <= 80 - 13 - RIGHT - 2:
                assert title in line.plain
                assert customer in line.plain
            else:
                assert "…" in line.plain
        assert [card for card in cards if Content(say(card.customer, spoken)).cell_length > 18] or spoken != "en"
