"""The review by hand: why a job is risky, its log as a story, approving it and sending steps back, by keys over a real store."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from fieldapp.domain.job import JobState
from fieldapp.screens.app import FieldApp
from fieldapp.screens.office.board import BoardScreen
from fieldapp.screens.office.desk import DeskScreen
from fieldapp.screens.office.entry import EntryScreen
from fieldapp.screens.office.open_points import ApproveAnywayScreen
from fieldapp.screens.office.review import ReviewScreen
from fieldapp.screens.office.review_job import ReviewJobScreen
from fieldapp.screens.session import Session
from fieldapp.screens.story import Story
from fieldapp.screens.values import day_time
from fieldapp.store.home import Home
from fieldapp.store.queries.jobs import find_job
from fieldapp.store.queries.log import LogLine, log_of
from fieldapp.store.queries.review import ReviewLine, ReviewQueue
from fieldapp.sync.asked import Asked, keep_desk
from fieldapp.sync.protocol import DeskAnswer, MissingFile
from fieldapp.widgets.window_list import WindowList
from tests.screens.branch import BranchOnDisk
from tests.screens.conftest import NOW_MS, FieldHome
from tests.screens.until import press_text, shown, text_of, until

Homes = Callable[[str], FieldHome]


def job(app: FieldApp, number: str) -> JobState:
    return find_job(app.session.reader, number).view


def queue(app: FieldApp) -> list[ReviewLine]:
    listed = app.screen.query_one("#jobs", WindowList)
    return [row for row in (listed._at(index) for index in range(listed.count)) if isinstance(row, ReviewLine)]


def one_line(text: str) -> str:
    """Without the places where it was wrapped."""
    return "".join(text.split())


def app_of(home: Home) -> FieldApp:
    identity = home.identity()
    assert identity is not None
    return FieldApp(Session(home, identity))


async def test_the_queue_holds_finished_jobs_the_riskiest_first_and_says_why(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f4")
        assert isinstance(app.screen, ReviewScreen)
        await until(pilot, lambda: queue(app), "the queue")
        lines = queue(app)
        assert {line.status for line in lines} <= {"completed", "cannot_complete"}
        assert [line.weight for line in lines] == sorted((line.weight for line in lines), reverse=True)
        assert lines[0].number == "J-1030"
        words = shown(app)
        assert "not completed: Waiting for a part" in words
        assert "nothing stands out" in words
        await pilot.press("escape")


async def test_the_office_goes_from_each_of_its_screens_to_the_others(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        for key, screen in (
            ("f4", ReviewScreen),
            ("f5", DeskScreen),
            ("f4", ReviewScreen),
            ("f3", BoardScreen),
            ("f5", DeskScreen),
        ):
            await pilot.press(key)
            await until(pilot, lambda screen=screen: isinstance(app.screen, screen), f"{key}: {screen.__name__}")  # type: ignore[misc]
        await pilot.press("escape")
        assert isinstance(app.screen, BoardScreen), "one level back from wherever it was reached"


async def test_a_long_queue_that_is_new_is_worked_out_beside_the_screen_and_known_the_next_time(
    field_home: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldapp.store.queries.review._AT_ONCE", 0)
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        session = app.session
        await until(pilot, lambda: session.review.at_once(session.reader, app.now()), "it is worked out after the first frame")
        session.review = ReviewQueue()
        assert session.review.at_once(session.reader, app.now()) is None, "nobody waits for it"
        await pilot.press("f4")
        await until(pilot, lambda: queue(app), "the queue")
        assert "4 jobs wait for a review" in shown(app)
        known = session.review.at_once(session.reader, app.now())
        assert known is not None
        assert list(known) == queue(app)


async def test_approve_what_is_in_order_leads_back_to_a_shorter_queue(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f4")
        await until(pilot, lambda: queue(app))
        before = [line.number for line in queue(app)]
        await pilot.press("end", "enter")
        assert isinstance(app.screen, ReviewJobScreen)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen), "the queue again")
        await until(pilot, lambda: [line.number for line in queue(app)] == before[:-1], "the queue without it")
        assert job(app, before[-1]).status == "approved"


async def test_the_evidence_of_a_step_is_named_with_its_size(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1030").stream))
        await until(pilot, lambda: "Scan the tag" in shown(app))
        steps = app.screen.query_one("#steps", WindowList)
        assert steps.go_to("CHILLER-CALL/alarm_photo")
        (photo,) = job(app, "J-1030").steps["CHILLER-CALL/alarm_photo"].files
        await until(pilot, lambda: f"▣ {photo.name} {photo.size} B" in shown(app), "the photo's name and size")


async def test_a_file_that_the_server_has_not_got_is_named_before_its_job_is_approved(field_home: Homes) -> None:
    """What it said last at once, what it says now as soon as it has answered."""
    home, answers = field_home("sup-petra"), threading.Event()
    app = home.app()
    found = find_job(app.session.reader, "J-1030")
    (photo,) = found.view.steps["CHILLER-CALL/alarm_photo"].files
    keep_desk(home.home, DeskAnswer(NOW_MS, files=(MissingFile(photo.sha256, photo.name, photo.size, found.stream, 0, 1),)))

    def ask() -> Asked:
        answers.wait(30)
        return Asked(DeskAnswer(NOW_MS + 60_000))

    app.ask_desk = ask
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(found.stream))
        arrived = f"0 of 1 file is at the server ({day_time(NOW_MS)}), not yet: {photo.name[:10]}"
        await until(pilot, lambda: arrived in shown(app), "what is missing")
        assert app.screen.query_one("#steps", WindowList).go_to("CHILLER-CALL/alarm_photo")
        await until(pilot, lambda: one_line(f"{photo.size} B (not at the server yet)") in one_line(shown(app)), "the photo")
        await pilot.press("a")
        await until(pilot, lambda: "Approve it as it is?" in shown(app), "the question")
        assert shown(app).count("0 of 1 file is at the server") == 2, "behind the question, and in it"
        await pilot.press("escape")
        answers.set()
        await until(pilot, lambda: "not yet:" not in shown(app), "its answer")
        await until(pilot, lambda: f"▣ {photo.name} {photo.size} B" in shown(app) and "(not at" not in shown(app), "the photo")


async def test_what_stands_out_is_said_once_more_before_it_is_approved(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1030").stream))
        await pilot.pause()
        await pilot.press("a")
        await until(pilot, lambda: "Approve it as it is?" in shown(app), "the question")
        assert "1 borderline" in shown(app)
        await pilot.press("escape")
        assert job(app, "J-1030").status == "cannot_complete"
        await pilot.press("a", "enter")
        await until(pilot, lambda: job(app, "J-1030").status == "approved", "approved")


async def test_the_steps_counted_are_the_steps_shown(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1030").stream))
        await pilot.pause()
        listed = app.screen.query_one("#steps", WindowList).count
        assert f"{listed} steps, what failed first" in shown(app)


async def test_open_points_are_named_and_approved_only_with_a_note(field_home: Homes) -> None:
    home = field_home("sup-petra")
    app = home.app()
    stream = ""
    async with app.run_test(size=(80, 24)) as pilot:
        stream = find_job(app.session.reader, "J-1048").stream  # sent back, not corrected
        app.push_screen(ReviewJobScreen(stream))
        await pilot.pause()
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ApproveAnywayScreen), "the open points")
        await until(pilot, lambda: "sent back and not" in shown(app), "the points")
        await pilot.press("enter")
        assert isinstance(app.screen, ApproveAnywayScreen)  # no note, no approval
        await press_text(pilot, "seen on site")
        await pilot.press("escape")
        assert job(app, "J-1048").status == "sent_back"
        await pilot.press("a")
        await until(pilot, lambda: "seen on site" in shown(app), "what was typed, kept")
        await pilot.press("enter")
        await until(pilot, lambda: job(app, "J-1048").status == "approved", "approved")
        assert job(app, "J-1048").history[-1].note == "seen on site"


async def test_a_note_asked_for_again_before_it_is_on_the_disk_is_there(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1048").stream))
        await pilot.pause()
        written = threading.Event()
        app.session.later(lambda services: written.wait(30))  # a slow disk: what is written now waits behind it
        try:
            await pilot.press("a")
            await until(pilot, lambda: isinstance(app.screen, ApproveAnywayScreen), "the open points")
            await press_text(pilot, "seen")
            await pilot.press("escape", "a")
            await until(pilot, lambda: isinstance(app.screen, ApproveAnywayScreen), "the open points again")
            await until(pilot, lambda: "seen" in shown(app), "what was typed")
        finally:
            written.set()
        await until(pilot, lambda: not app.session.typed, "it is on the disk")


async def test_what_an_expert_may_not_do_is_not_offered(field_home: Homes) -> None:
    app = field_home("expert-ingrid").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1046").stream))
        await pilot.pause()
        await pilot.press("a", "b")
        assert isinstance(app.screen, ReviewJobScreen)
        assert job(app, "J-1046").status == "completed"
        assert "approve" not in shown(app).splitlines()[-1]


async def test_steps_are_sorted_by_risk_or_in_order_and_the_story_follows(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1030").stream))
        await pilot.pause()
        assert "what failed first" in text_of(app, "#steps-title")
        lines = shown(app).splitlines()
        title = next(number for number, line in enumerate(lines) if "what failed first" in line)
        assert "Condensing pressure" in lines[title + 1]
        assert "asked: between" in text_of(app, "#detail")
        await pilot.press("enter")  # to its entry in the log
        log = app.screen.query_one("#log", WindowList)
        assert log.has_focus
        await until(pilot, lambda: "Condensing pressure" in shown(app), "the entry in view")
        line = log.row
        assert isinstance(line, LogLine)
        assert line.received_at is not None
        times = f"recorded {day_time(line.entry.envelope.corrected)} · received {day_time(line.received_at)[-5:]}"
        assert times in shown(app)
        await pilot.press("enter")
        assert isinstance(app.screen, EntryScreen)
        assert "Clock skew" in shown(app)
        await pilot.press("escape", "tab", "o")
        assert "in order" in text_of(app, "#steps-title")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_send_back_reaches_the_technician_with_its_note(branch: BranchOnDisk, size: tuple[int, int]) -> None:
    app = app_of(branch.home("sup-petra"))
    async with app.run_test(size=size) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1046").stream))
        await pilot.pause()
        steps = app.screen.query_one("#steps", WindowList)
        await pilot.press("space")
        first = steps.row.place.key  # type: ignore[union-attr]
        await pilot.press("down", "down", "space")
        second = steps.row.place.key  # type: ignore[union-attr]
        assert "2 to send back" in text_of(app, "#steps-title")
        await pilot.press("b")
        await press_text(pilot, "measure again at noon")
        await pilot.press("enter")
        await until(pilot, lambda: job(app, "J-1046").status == "sent_back", "sent back")
    branch.sync("sup-petra")
    branch.sync("tech-emre")
    seen = branch.view("tech-emre", "J-1046")
    assert seen.status == "sent_back"
    for key in (first, second):
        wish = seen.steps[key].sent_back
        assert wish is not None
        assert (wish.note, wish.corrected) == ("measure again at noon", False)
    assert sum(1 for state in seen.steps.values() if state.sent_back is not None and not state.sent_back.corrected) == 2


async def test_what_was_recorded_after_its_receipt_is_told_to_be_of_a_wrong_clock(branch: BranchOnDisk) -> None:
    with branch.device("sup-petra") as petra:
        job = find_job(petra.reader, "J-1052")
        line = log_of(petra.reader, job.log, job.stream)[-1]
        story = Story(petra.documents, {}, "UTC")
        assert "a clock was wrong" not in story.when(line).plain
        hour_before = msgspec.structs.replace(line, received_at=line.entry.envelope.corrected - 3_600_000)
        assert "recorded after its receipt: a clock was wrong" in story.when(hour_before).plain


async def test_a_late_record_and_a_doubtful_clock_are_told_in_the_log(branch: BranchOnDisk) -> None:
    """The job is taken away while its technician works offline with a clock that is an hour off: both stand in the story."""
    with branch.device("tech-anna") as device:
        device.replica.set_settings(skew_ms="3600000")
        device.work.move("J-1052", "travel")
    with branch.device("sup-petra") as office:
        office.office.cancel("J-1052", "customer closed")
    branch.sync("sup-petra")
    branch.sync("tech-anna")
    branch.sync("sup-petra")
    app = app_of(branch.home("sup-petra"))
    async with app.run_test(size=(140, 40)) as pilot:
        app.push_screen(ReviewJobScreen(find_job(app.session.reader, "J-1052").stream))
        await pilot.pause()
        await pilot.press("tab", "end")
        await pilot.pause()
        words = shown(app)
        assert "is on the way" in words
        assert "clock 1:00 slow" in words
        assert "⚠ conflict is on the way" in words
        assert "1 record does not stand" in words
        await pilot.press("enter")
        await until(pilot, lambda: "a person has to decide" in shown(app), "the whole entry")
        assert "its times are doubtful" in shown(app)
