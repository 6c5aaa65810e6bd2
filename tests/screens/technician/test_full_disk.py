"""A disk that fills up under the app: the screen says so, what was typed stays, and recording works again when there is room."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import TextArea

from fieldapp.bootstrap import DeviceServices
from fieldapp.screens.technician.inputs import StepInput
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import at_work

HomeOf = Callable[[str], FieldHome]
QUARTER = "job:j-1052"
STEP = "HANDOVER/open_points"


def pages(services: DeviceServices, more: int | None) -> None:
    """Let the database grow by so many pages at most; None: as it likes."""
    with services.database.write() as conn:
        used = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {1 << 30 if more is None else used + more}")


def fill(services: DeviceServices) -> None:
    """No page is free any more."""
    with services.database.write() as conn:
        conn.exec_driver_sql("CREATE TABLE IF NOT EXISTS filling (x)")
        free = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        conn.exec_driver_sql("INSERT INTO filling VALUES (zeroblob(?))", (4096 * (free + 1),))
    pages(services, 0)


async def test_on_a_full_disk_typed_text_stays_until_there_is_room(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, STEP) as technician:
        text = ("Drain valve drips " * 300).strip()
        await technician.app.session.write(fill)
        technician.runner.query_one(StepInput).query_one(TextArea).insert(text)
        await technician.settle()
        await technician.keys("enter")
        await technician.until(lambda: any("disk is full" in note.message for note in technician.app._notifications))
        assert technician.value(STEP) is None
        assert (technician.at, technician.typed) == (STEP, text)
        await technician.app.session.write(lambda services: pages(services, None))
        await technician.keys("enter")
        await technician.until(lambda: technician.value(STEP) == text)
