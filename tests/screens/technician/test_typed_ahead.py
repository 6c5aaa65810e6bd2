"""Keys that were typed before a question was there are no answer to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual import events
from textual.widgets import TextArea

from fieldapp.bootstrap import DeviceServices
from fieldapp.screens.asking import ConfirmScreen, NoteScreen
from fieldapp.screens.technician.complete_check import CompleteCheckScreen
from fieldapp.screens.technician.drafting import DELAY_S
from fieldapp.screens.technician.inputs import StepInput
from fieldapp.screens.technician.job import JobScreen
from fieldapp.store.queries.drafts import draft_of, drafted_steps
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work
from tests.screens.until import until

HomeOf = Callable[[str], FieldHome]
QUARTER, PPM = "job:j-1052", "CHILLER-Q/room_ppm"
SENT_BACK = "job:j-1048"
OPEN_POINTS = "HANDOVER/open_points"


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


async def test_what_is_pasted_while_a_note_is_being_saved_leaves_no_draft_of_it(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        asked = technician.app.screen
        sheet = asked.query_one(TextArea)
        sheet.insert("Ring at the gate")
        go_on = threading.Event()
        writing = technician.app.session.later(lambda services: go_on.wait(20))
        try:
            ahead(technician, "enter")
            await technician.until(lambda: "Saving ..." in technician.screen)
            sheet.insert(", then at the door")
            assert isinstance(asked, NoteScreen)
            asked.action_record()  # the keys of a window that takes too long are let go
            await technician.pilot.pause(2 * DELAY_S)
        finally:
            go_on.set()
        await technician.until(lambda: writing.done() and asked not in technician.app.screen_stack)
        await technician.pilot.pause(2 * DELAY_S)
        await technician.app.session.write(lambda services: None)
        assert drafted_steps(technician.app.session.reader, QUARTER) == ()
        assert not technician.app.session.typed
        assert [note.text for note in technician.job.notes].count("Ring at the gate") == 1


async def test_what_is_pasted_while_a_note_is_refused_is_kept(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        technician.app.push_screen(JobScreen(QUARTER))
        await technician.settle()
        await technician.keys("plus")
        asked = technician.app.screen
        sheet = asked.query_one(TextArea)
        sheet.insert("Ring at the gate")
        go_on = threading.Event()

        def spoiled(services: DeviceServices) -> None:
            go_on.wait(20)
            with services.database.write() as conn:
                conn.exec_driver_sql("CREATE TRIGGER full BEFORE INSERT ON own_entries BEGIN SELECT RAISE(ABORT, 'no room'); END")

        technician.app.session.later(spoiled)
        try:
            ahead(technician, "enter")
            await technician.until(lambda: "Saving ..." in technician.screen)
            sheet.insert(", then at the door")
        finally:
            go_on.set()
        await technician.until(lambda: "no room" in technician.notices)
        await technician.keys("escape")
        await technician.app.session.write(lambda services: None)
        (field,) = drafted_steps(technician.app.session.reader, QUARTER)
        assert draft_of(technician.app.session.reader, QUARTER, field, 0) == "Ring at the gate, then at the door"


async def test_a_result_that_takes_long_to_save_is_recorded_once_and_says_so(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, OPEN_POINTS) as technician:
        technician.runner.query_one(StepInput).query_one(TextArea).insert("Drain valve drips")
        await technician.settle()
        go_on = threading.Event()
        technician.app.session.later(lambda services: go_on.wait(20))  # a disk that takes its time
        try:
            ahead(technician, "enter")
            await technician.until(lambda: "Saving ..." in technician.verdict)
            await technician.runner.action_record()  # as a second Enter that has waited too long does
        finally:
            go_on.set()
        await technician.until(lambda: technician.value(OPEN_POINTS) == "Drain valve drips")
        await technician.pilot.pause(2 * DELAY_S)
        await technician.app.session.write(lambda services: None)
        assert technician.at != OPEN_POINTS
        assert "already" not in technician.notices
        assert drafted_steps(technician.app.session.reader, QUARTER) == ()
