"""The step runner: live verdict, relevance, amending, leaving out, what follows a failure, drafts, scanners, foreign text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.entry_types.work import QuestionAnswered
from fieldapp.screens.technician.inputs import StepInput
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.store.queries.drafts import draft_of, drafted_steps
from fieldapp.store.rows import Draft
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import at_work

HomeOf = Callable[[str], FieldHome]
QUARTER = "job:j-1052"
SENT_BACK = "job:j-1048"
PPM = "CHILLER-Q/room_ppm"


async def test_the_verdict_appears_while_typing_and_nothing_is_recorded(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        assert technician.verdict == ""
        await technician.types("1.9")
        assert "pass" in technician.verdict
        await technician.keys("backspace", "3")
        assert "borderline" in technician.verdict
        assert "below the warning limit 1.4 bar" in technician.verdict
        await technician.keys("backspace", "backspace", "backspace", "9")
        assert "fail" in technician.verdict
        await technician.keys("x")
        assert "no number yet" in technician.verdict
        assert technician.value("CHILLER-Q/oil_pressure") is None


async def test_enter_on_what_will_not_do_says_why_and_stays(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        await technician.keys("enter")
        assert technician.verdict.startswith("✗")
        await technician.types("-5")
        await technician.keys("enter")
        assert "0 to 20,000 ppm." in technician.verdict
        assert technician.at == PPM
        assert technician.value(PPM) is None


async def test_criterion_hazard_and_last_time_are_in_view(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        assert "between 1.0 and 2.6 bar; warning below" in technician.screen
        assert "Last time" in technician.screen
        assert "1.91 bar" in technician.screen
        await technician.to(PPM)
        assert "Danger" in technician.screen


async def test_a_step_appears_when_it_becomes_relevant_and_goes_again(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/refrigerant") as technician:
        assert technician.runner.steps is not None
        assert technician.runner.steps.place("CHILLER-Q/r134a_note") is None
        await technician.keys("1", "enter")
        assert technician.at == "CHILLER-Q/r134a_note"
        assert "heavier than air" in technician.screen
        await technician.keys("enter")
        assert technician.at == PPM
        await technician.to("CHILLER-Q/refrigerant")
        await technician.keys("2", "enter", "enter")
        assert technician.value("CHILLER-Q/refrigerant") == "r513a"
        assert technician.runner.steps.place("CHILLER-Q/r134a_note") is None


async def test_changing_a_recorded_value_asks_for_the_reason(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        await technician.types("1.9")
        await technician.keys("enter")
        await technician.to("CHILLER-Q/oil_pressure")
        assert technician.typed == "1.9"
        await technician.keys("backspace", "8", "enter")
        assert "Why does the recorded value change?" in technician.screen
        await technician.keys("escape")
        assert technician.value("CHILLER-Q/oil_pressure") == "1.9"
        assert technician.typed == "1.8"
        await technician.keys("enter", "down", "enter")
        state = technician.state("CHILLER-Q/oil_pressure")
        assert state.result is not None
        assert (state.result.value, state.result.reason) == ("1.8", "measured_again")
        assert [result.value for result in state.earlier] == ["1.9"]


async def test_a_value_that_did_not_change_asks_nothing(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        await technician.types("1.9")
        await technician.keys("enter")
        await technician.to("CHILLER-Q/oil_pressure")
        await technician.types("0")
        await technician.keys("enter")
        assert technician.at != "CHILLER-Q/oil_pressure"
        assert technician.state("CHILLER-Q/oil_pressure").earlier == ()
        assert drafted_steps(technician.app.session.reader, QUARTER) == ()


@pytest.mark.parametrize(("key", "verdict"), [("f3", "not_applicable"), ("f4", "not_done")])
async def test_left_out_with_one_of_the_steps_reasons(field_home: HomeOf, key: str, verdict: str) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        await technician.keys(key)
        assert "Instrument defective" in technician.screen
        assert "own words" not in technician.screen
        await technician.keys("enter")
        result = technician.state(PPM).result
        assert result is not None
        assert (result.verdict, result.reason) == (verdict, "instrument_defect")
        assert technician.at != PPM


async def test_left_out_in_own_words(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/refrigerant") as technician:
        await technician.keys("f4")
        await technician.types("name plate gone")
        await technician.keys("enter")
        result = technician.state("CHILLER-Q/refrigerant").result
        assert result is not None
        assert (result.verdict, result.reason) == ("not_done", "name plate gone")


async def test_letters_act_only_where_nothing_is_typed(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/refrigerant") as technician:
        await technician.keys("f")
        assert "Attach a photo or file" in technician.screen
        await technician.keys("escape")
        await technician.to("HANDOVER/receiver")
        await technician.types("dnefg+")
        assert technician.typed == "dnefg+"
        assert technician.at == "HANDOVER/receiver"


async def test_a_failure_that_stops_the_work_says_so(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        await technician.types("1500")
        await technician.keys("enter")
        assert "Stop work" in technician.screen
        assert "Leave the room, ventilate" in technician.screen
        await technician.keys("enter")
        assert [follow.kind for follow in technician.job.follow_ups] == ["stop_work"]
        assert technician.at == PPM, "nobody is led on to the next step"
        assert "work is stopped" not in technician.around
        await technician.to("CHILLER-Q/oil_pressure")
        assert "The work is stopped until this step passes: Refrigerant in the room air" in technician.around
        await technician.to(PPM)
        await technician.keys("ctrl+u")
        await technician.types("1")
        await technician.keys("enter", "down", "enter")
        await technician.to("CHILLER-Q/oil_pressure")
        assert "work is stopped" not in technician.around


async def test_what_was_just_recorded_is_called_saved_with_its_verdict(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        await technician.types("0.9")
        await technician.keys("enter")
        assert technician.at != "CHILLER-Q/oil_pressure"
        assert technician.verdict == "Saved: Oil pressure difference 0.9 bar ✗ fail"
        await technician.keys("f7")
        assert "Saved" not in technician.verdict


async def test_notes_questions_and_suggestions(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        for key, text in (("f5", "meter warmed up"), ("f9", "is 90 normal here"), ("f10", "name the meter")):
            await technician.keys(key)
            await technician.types(text)
            await technician.keys("enter")
        job = technician.job
        assert [note.text for note in job.steps[PPM].notes] == ["meter warmed up"]
        assert [(item.text, item.step) for item in job.questions] == [("is 90 normal here", PPM)]
        assert [item.text for item in job.suggestions] == ["name the meter"]
        assert "meter warmed up" in technician.screen
        assert "is 90 normal here" in technician.screen
        assert "no answer yet" in technician.screen


async def test_a_note_that_was_left_is_there_again(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, PPM) as technician:
        await technician.keys("f5")
        await technician.types("half a th")
        await technician.keys("escape", "f5")
        await technician.types("ought")
        await technician.keys("enter")
        assert [note.text for note in technician.state(PPM).notes] == ["half a thought"]
        assert drafted_steps(technician.app.session.reader, QUARTER) == ()


async def test_an_experts_answer_and_a_supervisors_note_are_at_their_step(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        services.work.question("J-1048", "Which valve?", step="CHILLER-Q/oil_pressure")
        services.replica.append(
            [Draft("bre", SENT_BACK, QuestionAnswered(_question(services), "The one on the left."))],
        )
    async with at_work(home, SENT_BACK) as technician:
        assert "Sent back" in technician.screen
        assert "purge valve" in technician.screen
        await technician.to("CHILLER-Q/oil_pressure")
        assert "Which valve?" in technician.screen
        assert "The one on the left." in technician.screen


def _question(services: object) -> str:
    from fieldapp.store.queries.lists import view_of_job

    job = view_of_job(services.reader, SENT_BACK)  # type: ignore[attr-defined]
    assert job is not None
    return job.questions[-1].by.entry


# --- Half-typed ---------------------------------------------------------------------------------------------------------------


async def test_half_typed_text_survives_a_power_cut(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    async with at_work(home, QUARTER, "HANDOVER/open_points") as technician:
        await technician.types("Drain val")
        reader = technician.app.session.reader
        await technician.until(lambda: draft_of(reader, QUARTER, "HANDOVER/open_points", 3) == "Drain val")
        after = home.killed()
    async with at_work(after, QUARTER) as technician:
        assert technician.at == "HANDOVER/open_points"
        assert technician.typed == "Drain val"
        await technician.types("ve")
        await technician.keys("enter")
        assert technician.value("HANDOVER/open_points") == "Drain valve"
        assert drafted_steps(technician.app.session.reader, QUARTER) == ()


async def test_half_typed_text_is_on_the_disk_within_a_second_even_while_somebody_types_on(field_home: HomeOf) -> None:
    """Of three fields the fastest, because other work may keep the machine busy."""
    took = []
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        reader = technician.app.session.reader
        for key in ("HANDOVER/open_points", PPM, "CHILLER-Q/oil_pressure"):
            await technician.to(key)
            assert technician.runner.place is not None
            began, version = time.perf_counter(), technician.runner.place.procedure.version
            while not draft_of(reader, QUARTER, key, version) and time.perf_counter() - began < 5:
                await technician.pilot.press("4")
            took.append(time.perf_counter() - began)
    assert min(took) < 1, took


async def test_escape_and_quitting_lose_nothing(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    async with at_work(home, QUARTER, PPM) as technician:
        await technician.pilot.press("4", "2", "escape")
    async with at_work(home, QUARTER) as technician:
        assert (technician.at, technician.typed) == (PPM, "42")
        await technician.pilot.press("0", "ctrl+q")
    async with at_work(home, QUARTER) as technician:
        assert (technician.at, technician.typed) == (PPM, "420")


async def test_a_draft_of_another_version_is_not_shown(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        services.drafts.save(QUARTER, PPM, 3, "99", 1)
    async with at_work(home, QUARTER, PPM) as technician:
        assert technician.typed == ""


async def test_it_opens_where_the_person_left_off(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        first = technician.at
        await technician.keys("y", "enter")
        second = technician.at
        await technician.keys("escape")
        from fieldapp.screens.technician.step_runner import StepRunnerScreen

        technician.app.push_screen(StepRunnerScreen(QUARTER))
        await technician.settle()
        assert technician.at == second != first


async def test_it_opens_after_the_step_recorded_last_and_not_at_one_that_was_left_empty(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        assert "optional" in technician.around
        await technician.keys("enter", "space", "enter")
        assert technician.value("HANDOVER/left_at")
        assert technician.at == "HANDOVER/receiver"
        await technician.keys("escape")
        technician.app.push_screen(StepRunnerScreen(QUARTER))
        await technician.settle()
        assert technician.at == "HANDOVER/receiver"


async def test_what_was_sent_back_comes_before_what_was_half_typed_earlier(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), SENT_BACK, runner=False) as technician:
        steps = JobSteps(technician.app.session, SENT_BACK, technician.app.now())
        back = steps.first_open()
        assert back is not None
        assert steps.sent_back_at
        version = next(place.procedure.version for place in steps.places if place.key == "HANDOVER/open_points")
        for at, opened in ((steps.sent_back_at - 1, back.key), (steps.sent_back_at, "HANDOVER/open_points")):
            await technician.app.session.write(
                lambda services, at=at: services.drafts.save(SENT_BACK, "HANDOVER/open_points", version, "half", at)
            )
            technician.app.push_screen(StepRunnerScreen(SENT_BACK))
            await technician.settle()
            assert technician.at == opened
            technician.app.pop_screen()
            await technician.settle()


async def test_nothing_is_called_saved_where_a_step_was_left_empty(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        await technician.keys("y", "enter", "1", "2", "enter")
        assert "Saved" in technician.verdict
        assert "optional" in technician.around
        await technician.keys("enter")
        assert "Saved" not in technician.verdict


# --- Fast keys ----------------------------------------------------------------------------------------------------------------


async def test_what_is_typed_while_a_step_is_being_recorded_goes_into_the_next(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/chw_in") as technician:
        assert technician.runner.steps is not None
        following = technician.runner.steps.after("CHILLER-Q/chw_in")
        assert following is not None
        await technician.pilot.press(*"12.4", "enter", *"6.9", "enter")
        await technician.until(lambda: technician.value(following.key) is not None)
        assert technician.value("CHILLER-Q/chw_in") == "12.4"
        assert technician.value(following.key) == "6.9"


async def test_a_scanners_burst_fills_the_field_and_fires_nothing(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/tag") as technician:
        await technician.keys("f2")
        before = technician.job.entries
        await technician.pilot.press("slash", *"NK-CH1", "enter")
        await technician.settle()
        assert technician.typed == "NK-CH1"
        assert technician.job.entries == before
        assert technician.at == "CHILLER-Q/tag"


async def test_a_scanner_with_a_prefix_is_heard_in_a_field(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    app = home.app(scanner_prefix="~")
    async with app.run_test() as pilot:
        from fieldapp.screens.technician.step_runner import StepRunnerScreen
        from tests.screens.technician.driving import Technician

        technician = Technician(app, pilot, QUARTER)
        app.push_screen(StepRunnerScreen(QUARTER, "CHILLER-Q/tag"))
        await technician.settle()
        await technician.types("half")
        await pilot.press("tilde", *"WK-CH3", "enter")
        await technician.settle()
        assert technician.typed == "WK-CH3"
        assert technician.value("CHILLER-Q/tag") is None


# --- Foreign text -------------------------------------------------------------------------------------------------------------

HOSTILE = "[b]x[/b] [/] \x1b]52;c;YQ==\x07 \x9b31m \u202eevil\u202c \u200bz"


async def test_foreign_text_is_shown_and_never_obeyed(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    with home.services() as services:
        services.work.record("J-1052", "HANDOVER/open_points", HOSTILE, note=HOSTILE)
        services.work.question("J-1052", HOSTILE, step="HANDOVER/open_points")
        services.replica.append([Draft("bre", QUARTER, NoteAdded(HOSTILE, "HANDOVER/open_points"))])
        services.drafts.save(QUARTER, "HANDOVER/receiver", 3, HOSTILE, 1)
    async with at_work(home, QUARTER, "HANDOVER/open_points", size=(140, 40)) as technician:
        shown = technician.screen
        assert "[b]x[/b]" in shown
        assert "<U+202E>" in shown
        assert not [character for character in shown if character != "\n" and (ord(character) < 32 or 127 <= ord(character) < 160)]
        await technician.to("HANDOVER/receiver")
        assert "<U+001B>" in technician.typed
        await technician.to("HANDOVER/open_points")
        await technician.keys("enter")
        assert technician.state("HANDOVER/open_points").earlier == ()


async def test_news_from_the_server_while_a_step_opens_harms_nothing(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        runner = technician.runner
        assert runner.steps is not None
        place = runner.steps.place("HANDOVER/receiver")
        assert place is not None
        opening = asyncio.ensure_future(runner.open(place))
        while runner.place is None or runner.place.key != place.key:
            await asyncio.sleep(0)
        runner.reload()
        await opening
        await technician.types("ok")
        assert (technician.at, technician.typed) == ("HANDOVER/receiver", "ok")


async def test_the_last_letters_before_leaving_a_step_are_kept_at_that_step(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/receiver") as technician:
        await technician.types("Web")
        left = technician.runner.input
        assert left is not None
        await technician.to("CHILLER-Q/oil_pressure")
        edited = StepInput.Edited("Weber")
        edited.place = left.asked.place
        technician.runner.post_message(edited)
        await technician.settle()
        technician.runner.drafts.flush()
        await technician.settle()
        assert technician.typed == ""
        assert draft_of(technician.app.session.reader, QUARTER, "HANDOVER/receiver", left.asked.place.procedure.version).startswith(
            "Weber"
        )
        assert drafted_steps(technician.app.session.reader, QUARTER) == ("HANDOVER/receiver",)


async def test_escape_leads_from_the_outline_to_the_step_and_from_there_to_the_job(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/oil_pressure") as technician:
        await technician.keys("f2", "escape")
        assert technician.at == "CHILLER-Q/oil_pressure"
        await technician.types("1.9")
        assert technician.typed == "1.9"
        depth = len(technician.app.screen_stack)
        await technician.keys("escape")
        assert len(technician.app.screen_stack) == depth - 1


async def test_an_optional_step_is_left_empty_by_enter_and_nobody_is_led_back_to_it(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        assert "optional" in technician.around
        await technician.keys("enter")
        assert technician.at == "HANDOVER/left_at"
        assert technician.value("HANDOVER/open_points") is None
        steps = technician.runner.steps
        assert steps is not None
        left = steps.after("HANDOVER/receiver")
        assert left is not None
        assert left.required, "only what must be done is gone back to"
        await technician.keys("enter")
        assert technician.at == "HANDOVER/left_at", "a required step stays until something is recorded"
