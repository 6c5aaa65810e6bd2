"""A disk that fills up under the app: the screen says so, what was typed stays, and recording works again when there is room.

So it is in every window that asks for something: it is gone when its answer is on the disk, no earlier.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from textual.widgets import Input, TextArea

from fieldapp.bootstrap import DeviceServices
from fieldapp.screens.asking import AskScreen, NoteScreen
from fieldapp.screens.base import FieldModal
from fieldapp.screens.office.new_job import NewJobScreen
from fieldapp.screens.reasons import ReasonScreen
from fieldapp.screens.technician.inputs import StepInput
from fieldapp.screens.technician.job import JobScreen
from fieldapp.store.queries.drafts import draft_of
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work

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


def fill_journal(services: DeviceServices) -> None:
    """The journal has no room any more, the database has."""
    if services.journal._file is None:
        services.journal._open()
    assert services.journal._file is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, services.journal._file)
    os.close(full)


async def test_a_step_of_which_only_the_second_copy_failed_is_recorded_and_the_runner_goes_on(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, STEP) as technician:
        technician.runner.query_one(StepInput).query_one(TextArea).insert("Drain valve drips")
        await technician.app.session.write(fill_journal)
        await technician.keys("enter")
        await technician.until(lambda: "second copy" in technician.notices)
        await technician.until(lambda: technician.value(STEP) == "Drain valve drips")
        await technician.until(lambda: technician.at != STEP)
        await technician.to(STEP)
        await technician.keys("enter")  # what is unchanged is not recorded again
        await technician.until(lambda: technician.at != STEP)
        assert technician.state(STEP).earlier == (), "it is recorded once"


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


LONG = ("Compressor rattles at start. " * 60).strip()
WORDS = ("The compressor rattles, and the customer wants the office to call before anybody comes again. " * 9).strip()


async def refused_then_saved(technician: Technician, window: type[FieldModal[Any]]) -> list[str]:
    """Press Enter on a full disk; then make room and press it again, which closes the window. Gives what stood in it in between."""

    def refusals() -> int:
        return sum("disk is full" in note.message for note in technician.app._notifications)

    before = refusals()
    await technician.keys("enter")
    await technician.until(lambda: refusals() > before)
    asked = technician.app.screen
    assert isinstance(asked, window), f"{asked} is in front"
    kept = [field.text if isinstance(field, TextArea) else field.value for field in asked.query("Input, TextArea")]  # type: ignore[attr-defined]
    await technician.app.session.write(lambda services: pages(services, None))
    await technician.keys("enter")
    await technician.until(lambda: technician.app.screen is not asked)
    return kept


def put(technician: Technician, *texts: str) -> None:
    """Into the fields of the window in front, as if pasted."""
    for field, text in zip(technician.app.screen.query(Input), texts, strict=True):
        field.value = text
        field.focus()


async def test_a_note_refused_by_a_full_disk_stays_until_it_is_saved(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        technician.app.screen.query_one(TextArea).insert(LONG)
        await technician.app.session.write(fill)
        assert await refused_then_saved(technician, NoteScreen) == [LONG]
        assert [note.text for note in technician.job.notes].count(LONG) == 1
        await technician.keys("plus")
        assert technician.app.screen.query_one(TextArea).text == ""


async def test_a_note_of_which_only_the_second_copy_failed_is_recorded_once(field_home: HomeOf) -> None:
    """The database had room, the journal had none: the window closes, for Enter once more would record it twice."""

    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        technician.app.screen.query_one(TextArea).insert("opened the journal")
        await technician.keys("enter")
        await technician.keys("plus")
        asked = technician.app.screen
        asked.query_one(TextArea).insert(LONG)
        await technician.app.session.write(fill_journal)
        await technician.keys("enter")
        await technician.until(lambda: "second copy" in technician.notices)
        await technician.until(lambda: technician.app.screen is not asked)
        assert [note.text for note in technician.job.notes].count(LONG) == 1
        await technician.keys("plus")
        assert technician.app.screen.query_one(TextArea).text == ""


async def test_the_draft_of_a_refused_note_outlives_the_app(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    async with at_work(home, QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        technician.app.screen.query_one(TextArea).insert(LONG)
        await technician.until(lambda: draft_of(technician.app.session.reader, QUARTER, "note:", 0) == LONG)
        await technician.app.session.write(fill)
        await technician.keys("enter")
        await technician.until(lambda: "disk is full" in technician.notices)
        await technician.keys("escape")
        left = home.killed()
        await technician.app.session.write(lambda services: pages(services, None))
        await technician.keys("plus")
        assert technician.app.screen.query_one(TextArea).text == LONG
    async with at_work(left, QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        assert technician.app.screen.query_one(TextArea).text == LONG


async def test_a_reason_refused_by_a_full_disk_stays_until_it_is_saved(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("z")
        await technician.app.session.write(fill)
        technician.app.screen.query_one(WindowList).go_to("")
        put(technician, WORDS)
        assert await refused_then_saved(technician, ReasonScreen) == [WORDS]
        assert technician.job.status == "cannot_complete"


async def test_why_a_step_is_left_out_stays_until_it_is_saved(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/room_ppm") as technician:
        await technician.keys("f4")
        await technician.app.session.write(fill)
        put(technician, WORDS)
        assert await refused_then_saved(technician, ReasonScreen) == [WORDS]
        result = technician.state("CHILLER-Q/room_ppm").result
        assert result is not None
        assert result.verdict == "not_done"
        assert technician.at != "CHILLER-Q/room_ppm"  # and on it goes


async def test_a_promise_refused_by_a_full_disk_stays_until_it_is_saved(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("m")
        await technician.app.session.write(fill)
        put(technician, WORDS, "2026-12-02")
        assert await refused_then_saved(technician, AskScreen) == [WORDS, "2026-12-02"]
        assert WORDS in [promise.text for promise in technician.job.commitments]


async def test_a_new_job_refused_by_a_full_disk_stays_filled_in_until_it_is_saved(field_home: HomeOf) -> None:
    async with at_work(field_home("sup-petra"), "", runner=False) as office:
        count = "SELECT count(*) AS n FROM jobs"
        before = office.app.session.reader.rows(count)[0]["n"]
        await office.keys("n")
        for part in ("weser", "house b", "call", "", "2026-12-02 08:00/10:00", "behrens"):
            await office.types(part)
            await office.keys("enter")
        office.app.screen.query_one("#description", Input).value = LONG
        await office.app.session.write(fill)
        kept = await refused_then_saved(office, NewJobScreen)
        assert (kept[4], kept[6]) == ("2026-12-02 08:00/10:00", LONG)
        assert all(kept[place] for place in (0, 1, 2, 5))
        assert office.app.session.reader.rows(count)[0]["n"] == before + 1


async def refused_and_left(technician: Technician, *, key: str) -> None:
    """Enter on a full disk, Escape, room on the disk, and the same window again."""
    await technician.keys("enter")
    await technician.until(lambda: "disk is full" in technician.notices)
    await technician.keys("escape")
    await technician.app.session.write(lambda services: pages(services, None))
    await technician.keys(key)


async def test_a_reason_that_was_refused_and_left_stands_there_the_next_time(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("z")
        await technician.app.session.write(fill)
        technician.app.screen.query_one(WindowList).go_to("")
        put(technician, WORDS)
        await refused_and_left(technician, key="m")  # another question about the same job is another one
        assert technician.app.screen.query_one(Input).value == ""
        await technician.keys("escape", "z")
        assert technician.app.screen.query_one(Input).value == WORDS
        await technician.keys("enter")
        await technician.until(lambda: technician.job.status == "cannot_complete")
        (row,) = technician.app.session.reader.rows(
            "SELECT body FROM entries WHERE type = 'job.cannot_complete' AND stream = ?", (QUARTER,)
        )
        assert WORDS.encode() in bytes(row["body"])


async def test_a_new_job_that_was_refused_and_left_stands_there_the_next_time(field_home: HomeOf) -> None:
    async with at_work(field_home("sup-petra"), "", runner=False) as office:
        count = "SELECT count(*) AS n FROM jobs"
        before = office.app.session.reader.rows(count)[0]["n"]
        await office.keys("n")
        for part in ("weser", "house b", "call", "", "2026-12-02 08:00/10:00", "behrens"):
            await office.types(part)
            await office.keys("enter")
        office.app.screen.query_one("#description", Input).value = LONG
        filled = [line.value for line in office.app.screen.query(Input)]
        await office.app.session.write(fill)
        await refused_and_left(office, key="n")
        assert [line.value for line in office.app.screen.query(Input)] == filled
        office.app.screen.query_one("#description", Input).focus()
        await office.keys("enter")
        await office.until(lambda: office.app.session.reader.rows(count)[0]["n"] == before + 1)
        await office.keys("n")
        assert office.app.screen.query_one("#description", Input).value == "", "what is saved is not offered again"
