"""Keys that were typed before a question was there are no answer to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual import events
from textual.widgets import TextArea

from fieldapp.screens.asking import ConfirmScreen, NoteScreen
from fieldapp.screens.technician.complete_check import CompleteCheckScreen
from fieldapp.screens.technician.job import JobScreen
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work
from tests.screens.until import until

HomeOf = Callable[[str], FieldHome]
QUARTER, PPM = "job:j-1052", "CHILLER-Q/room_ppm"
SENT_BACK = "job:j-1048"


def ahead(technician: Technician, *keys: str) -> None:
    for key in keys:
        technician.app.post_message(events.Key(key, key if len(key) == 1 else None).set_sender(technician.app))


async def test_that_work_has_to_stop_is_not_acknowledged_unseen(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        await technician.types("1500")
        ahead(technician, "enter", "1", "2", "enter", "4", "5", "enter")
        await until(technician.pilot, lambda: isinstance(technician.app.screen, ConfirmScreen))
        for _ in range(3):
            await technician.settle()
        assert isinstance(technician.app.screen, ConfirmScreen)
        await technician.keys("enter")
        assert not isinstance(technician.app.screen, ConfirmScreen)


async def test_a_job_is_not_completed_by_keys_typed_before_the_question(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK) as technician:
        await technician.keys("enter")
        await technician.keys("down", "enter")
        assert isinstance(technician.app.screen, CompleteCheckScreen)
        before = technician.job.status
        ahead(technician, "c", "enter", "enter")
        await until(technician.pilot, lambda: isinstance(technician.app.screen, ConfirmScreen))
        for _ in range(3):
            await technician.settle()
        assert isinstance(technician.app.screen, ConfirmScreen)
        assert technician.job.status == before


async def test_a_note_without_words_says_that_nothing_is_written(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        technician.app.push_screen(NoteScreen("What is to be done?"))
        await technician.settle()
        await technician.keys("enter")
        assert isinstance(technician.app.screen, NoteScreen)
        assert "Nothing is written yet" in technician.screen


async def test_while_an_answer_is_being_saved_keys_wait_for_what_comes_after_its_window(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        asked = technician.app.screen
        asked.query_one(TextArea).insert("Ring at the gate")
        go_on = threading.Event()
        writing = technician.app.session.later(lambda services: go_on.wait(20))  # a disk that takes its time
        try:
            ahead(technician, "enter", "escape")
            await technician.until(lambda: "Saving ..." in technician.screen)
            assert technician.app.screen is asked  # nothing is called saved, and nothing is given up
        finally:
            go_on.set()
        await technician.until(lambda: writing.done() and asked not in technician.app.screen_stack)
        await technician.until(lambda: not isinstance(technician.app.screen, JobScreen))  # Escape came to the job
        assert [note.text for note in technician.job.notes].count("Ring at the gate") == 1
