"""The job screen and the check before completion."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import ContentSwitcher, OptionList

from fieldapp.screens.help import HelpScreen
from fieldapp.screens.technician.complete_check import CompleteCheckScreen
from fieldapp.screens.technician.job import JobScreen
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.screens.technician.sync_centre import SyncCentreScreen
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import Technician, at_work

HomeOf = Callable[[str], FieldHome]
QUARTER = "job:j-1052"
SENT_BACK = "job:j-1048"


async def _job(technician: Technician, stream: str) -> None:
    technician.app.push_screen(JobScreen(stream))
    await technician.settle()


async def test_the_overview_tells_the_whole_job(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        shown = technician.screen
        for words in (
            "J-1052", "Chiller quarterly service", "[value added]", "Nordkai Data Centre", "Data hall 1", "day list",
            "NF-80031", "Rotating parts", "Shared saving", "On site within the agreed window", "0/41 done", "39 required open",
            "~134 min left", "Last time",
        ):  # fmt: skip
            assert words in shown, words


async def test_what_a_promise_asked_for_and_nobody_did_in_time_is_overdue(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as device:
        device.replica.set_settings(skew_ms=str(3 * 86_400_000))
    async with at_work(home, QUARTER, runner=False) as technician:
        await _job(technician, "job:j-1051")
        assert "overdue: Call the customer" in technician.screen
        assert "owed:" not in technician.screen


async def test_tab_goes_through_the_parts_of_a_job(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, SENT_BACK)
        assert technician.screen.splitlines()[-1].startswith(" Esc back  Enter steps  Tab next tab  ")
        await technician.keys("tab", "tab")
        assert "Sven Toll" in technician.screen
        await technician.keys("shift+tab", "shift+tab")
        assert technician.app.screen.query_one(ContentSwitcher).current == "overview"


async def test_the_palette_begins_with_what_the_screen_is_for(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        offered = [command.title for command in technician.app.get_system_commands(technician.app.screen)]
        assert offered.index("Job: steps") < offered.index("Job: travel") < offered.index("App: back")
        await technician.keys("ctrl+p")
        await technician.until(lambda: "Job: steps" in technician.screen)
        assert "App: back" not in technician.screen, "that is further down"


async def test_what_works_everywhere_works_from_the_palette_and_by_a_click_as_well(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        app = technician.app
        before = app.theme
        await _by_palette(technician, "colours")
        await technician.until(lambda: app.theme != before)
        await _by_palette(technician, "help")
        await technician.until(lambda: isinstance(app.screen, HelpScreen))
        await technician.keys("escape")
        await technician.pilot.click(offset=(76, 23))
        await technician.until(lambda: isinstance(app.screen, HelpScreen))


async def test_help_says_that_letters_are_typed_where_they_are(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        said = "letters and signs are typed"
        await technician.keys("f1")
        assert said in technician.help.replace("\n", " ")
        await technician.keys("escape")
        await technician.to("SAFE-PREP/job_read")
        await technician.keys("f1")
        assert said not in technician.help.replace("\n", " "), "a yes or no is not typed into"


async def test_nothing_is_offered_to_open_where_there_is_nothing(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        assert "Enter open" in technician.screen.splitlines()[-1]
        await technician.keys("s")
        assert "Enter open" not in technician.screen.splitlines()[-1]
        await technician.keys("escape", "a")
        assert technician.notices == "J-1051: Accepted. Saved."
        await technician.keys("s")
        assert "Enter open" in technician.screen.splitlines()[-1]


async def test_brackets_go_round_the_tabs(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, SENT_BACK)
        await technician.keys("right_square_bracket")
        assert "Safety preparation" in technician.screen
        await technician.keys("right_square_bracket")
        assert "Sven Toll" in technician.screen
        assert "Oil pressure difference" in technician.screen
        await technician.keys("left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert "Petra Lindner sent back" in technician.screen, "the latest is in view"
        await technician.keys("enter")
        assert "purge valve" in technician.screen, "Enter shows the whole of a line that was cut"
        await technician.keys("escape")
        await technician.keys("home")
        assert "gave the job to Anna Behrens" in technician.screen
        assert "received" in technician.screen
        await technician.keys("left_square_bracket", "enter")
        assert isinstance(technician.app.screen, JobScreen | StepRunnerScreen)


async def test_a_sent_back_note_is_on_the_first_page(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK, runner=False) as technician:
        await _job(technician, SENT_BACK)
        lines = technician.screen.splitlines()
        note = next(number for number, line in enumerate(lines) if "Sent back" in line)
        assert note < 5, "before everything that was known already"
        assert "purge valve" in technician.screen


async def test_moves_are_offered_as_the_job_allows_them(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), "job:j-1054", runner=False) as technician:
        await _job(technician, "job:j-1054")
        await technician.keys("w")
        assert technician.job.status == "assigned"
        await technician.keys("a")
        assert technician.job.status == "accepted"
        await technician.keys("w")
        assert technician.job.status == "in_progress"
        await technician.keys("p")
        assert "stops the clock" in technician.screen or "Waiting for a part" in technician.screen
        await technician.keys("enter")
        assert technician.job.status == "paused"


async def test_a_promise_needs_a_date(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        await technician.keys("m")
        await technician.types("bring the seal")
        await technician.keys("enter")
        await technician.types("soon")
        await technician.keys("enter")
        assert "is not a date" in technician.screen
        await technician.keys("ctrl+u")
        await technician.types("1.12.2026")
        await technician.keys("enter")
        assert [(item.text, item.due) for item in technician.job.commitments] == [("bring the seal", "2026-12-01")]
        assert "bring the seal" in technician.screen


async def test_notes_and_needs_seen(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        await technician.keys("plus")
        await technician.types("gate code changed")
        await technician.keys("enter", "o")
        await technician.types("second chiller is old")
        await technician.keys("enter")
        assert [note.text for note in technician.job.notes] == ["gate code changed"]
        assert [item.text for item in technician.job.opportunities] == ["second chiller is old"]


# --- Before completion --------------------------------------------------------------------------------------------------------


async def test_required_steps_block_and_each_line_opens_its_step(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        technician.runner.action_complete()
        await technician.settle()
        assert "39 things stand in the way" in technician.screen
        await technician.keys("c")
        assert technician.job.status == "accepted"
        await technician.keys("down", "enter")
        assert "Protective equipment" in technician.screen
        assert technician.runner.place is not None
        assert len(technician.app.screen_stack) == 2, "the step runner below is used, not a second one"


async def test_what_did_not_pass_is_in_view_once_more_before_completion(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        services.work.record("J-1048", "SAFE-PREP/job_read", "no", reason="measured_again")
    async with at_work(home, SENT_BACK) as technician:
        await technician.keys("enter", "down", "enter")
        assert isinstance(technician.app.screen, CompleteCheckScreen)
        assert "Nothing stands in the way" in technician.screen
        assert "Look at these once more" in technician.screen
        assert "✗ Job, hazards and access notes read" in technician.screen
        assert "fail: no" in technician.screen
        await technician.keys("enter")
        assert technician.at == "SAFE-PREP/job_read"


async def test_a_completed_job_goes_to_the_customer_next(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), "job:j-1053", runner=False) as technician:
        await _job(technician, "job:j-1053")
        await technician.keys("r", "enter")
        while isinstance(technician.app.screen, StepRunnerScreen):
            await technician.keys("f4", "enter")
        assert isinstance(technician.app.screen, CompleteCheckScreen)
        assert "Look at these once more" in technician.screen
        await technician.keys("c", "enter")
        assert technician.job.status == "completed"
        assert "Hand over to the customer" in technician.screen


async def test_half_typed_steps_are_named_before_completion(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        await technician.types("not yet")
        technician.runner.action_complete()
        await technician.settle()
        await technician.keys("end")
        assert "Half-typed and not recorded yet." in technician.screen


async def test_the_last_step_of_a_sent_back_job_leads_to_completion(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK) as technician:
        await technician.keys("enter")
        assert "Why does the recorded value change?" in technician.screen
        await technician.keys("down", "enter")
        assert isinstance(technician.app.screen, CompleteCheckScreen)
        assert "Nothing stands in the way" in technician.screen
        await technician.keys("c", "escape")
        assert technician.job.status == "sent_back"
        await technician.keys("c", "enter")
        assert technician.job.status == "completed"
        assert "and the customer's answers are saved" in technician.screen


async def test_stopped_work_is_said_until_it_is_put_right(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        services.work.record("J-1052", "CHILLER-Q/room_ppm", "1500")
    async with at_work(home, QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        assert "work stopped: Leave the room" in " ".join(technician.part("#progress").split())
    with home.services() as services:
        services.work.record("J-1052", "CHILLER-Q/room_ppm", "1", reason="put_right_since")
    async with at_work(home, QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        assert "work stopped" not in technician.part("#progress")


async def test_a_handover_is_offered_once_there_is_something_to_show(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        await _job(technician, QUARTER)
        assert technician.job.status == "accepted"
        assert "hand over" not in technician.screen.splitlines()[-1]
        await technician.keys("h")
        assert isinstance(technician.app.screen, JobScreen)
        await technician.keys("w")
        assert technician.job.status == "in_progress"
        assert "h hand over" in technician.screen.splitlines()[-1]


async def test_a_job_that_was_sent_back_is_gone_on_with_by_one_key(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK, runner=False) as technician:
        for opened in (False, True):
            if opened:
                await _job(technician, SENT_BACK)
            else:
                technician.app.screen.query_one("#jobs", WindowList).go_to(SENT_BACK)
                await technician.settle()
            keys = technician.screen.splitlines()[-1]
            assert "r resume" in keys
            assert "start work" not in keys
        await technician.keys("w")
        assert technician.job.status == "sent_back"
        await technician.keys("r")
        assert technician.job.status == "in_progress"


async def test_news_from_the_server_while_a_screen_is_being_made_harms_nothing(field_home: HomeOf) -> None:
    """The last step is recorded and leads to the check; what the server says about it may arrive before the check is drawn."""
    async with at_work(field_home("tech-anna"), QUARTER, runner=False) as technician:
        for screen in (CompleteCheckScreen(QUARTER), JobScreen(QUARTER), StepRunnerScreen(QUARTER), SyncCentreScreen()):
            technician.app.push_screen(screen)
            assert technician.app.screen is screen
            technician.app.streams_changed(frozenset({QUARTER}))
            screen.sync_moved()
            technician.app.speak("en")
            await technician.settle()
            assert "J-1052" in technician.screen or isinstance(screen, SyncCentreScreen)


async def _by_palette(technician: Technician, label: str) -> None:
    """Choose the one action that is called so."""
    await technician.keys("ctrl+p")
    await technician.types(label)
    await technician.until(lambda: [found.option_count for found in technician.app.screen.query(OptionList)] == [1])
    await technician.keys("enter")
