"""The board by hand: what it shows, and everything the office plans from it, by keys over a real store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import pairwise

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from fieldapp.domain.instant import parse_window, zone_of
from fieldapp.domain.job import JobState
from fieldapp.language import set_language
from fieldapp.screens.app import FieldApp
from fieldapp.screens.job_list import stream_of
from fieldapp.screens.office.assign import AssignScreen
from fieldapp.screens.office.board import BoardScreen
from fieldapp.screens.office.board_filter import FilterScreen
from fieldapp.screens.office.new_job import NewJobScreen
from fieldapp.screens.office.reschedule import window_words
from fieldapp.screens.office.review_job import ReviewJobScreen
from fieldapp.screens.states import STATUS, span
from fieldapp.store.queries.jobs import find_job
from fieldapp.store.queries.lists import JobCard
from fieldapp.sync.status import SyncStatus
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import NOW_MS, FieldHome
from tests.screens.until import press_text, shown, text_of, until

Homes = Callable[[str], FieldHome]


def jobs_of(app: FieldApp) -> WindowList:
    return app.screen.query_one("#jobs", WindowList)


def numbers(app: FieldApp) -> list[str]:
    jobs = jobs_of(app)
    rows = [jobs._at(index) for index in range(jobs.count)]
    return [row.number for row in rows if isinstance(row, JobCard)]


async def go_to(pilot: Pilot[None], number: str) -> None:
    """Move the cursor to a job by keys."""
    app = pilot.app
    assert isinstance(app, FieldApp)
    await pilot.press("home")
    for _ in range(jobs_of(app).count):
        row = jobs_of(app).row
        if isinstance(row, JobCard) and row.number == number:
            return
        await pilot.press("down")
    raise AssertionError(f"{number} is not on the board")


def said(app: FieldApp) -> str:
    """The texts of the window in front, unwrapped."""
    texts = [str(part.content) for part in app.screen.query(Static)]
    texts += [str(part.render()).replace("\n", " ") for part in app.screen.query(Paragraphs)]
    return " ".join(texts)


def job(app: FieldApp, number: str) -> JobState:
    return find_job(app.session.reader, number).view


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_supervisor_starts_on_the_board_with_every_open_job(field_home: Homes, size: tuple[int, int]) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=size) as pilot:
        assert isinstance(app.screen, BoardScreen)
        listed = numbers(app)
        rows = app.session.reader.rows("SELECT number FROM jobs WHERE status NOT IN ('approved', 'cancelled')")
        assert sorted(listed) == sorted(row["number"] for row in rows)
        assert "to review (F4)" in text_of(app, "#counts")
        assert "Enter open" in shown(app)
        assert ("Customer" in shown(app)) is (size[0] >= 110)  # the preview
        await pilot.pause()


def arrives_above(home: FieldHome, stream: str, due: int) -> str:
    """A job gets a promise that puts it on top."""
    with sqlite3.connect(home.home.database_file) as conn:
        conn.execute("UPDATE jobs SET due = ? WHERE stream = ?", (due, stream))
    conn.close()
    return stream


def heard_of_the_server(home: FieldHome, at: int | None) -> None:
    """When everything was exchanged last; None: never yet."""
    with sqlite3.connect(home.home.database_file) as conn:
        conn.execute("DELETE FROM settings WHERE name = 'last_contact'")
        if at is not None:
            conn.execute("INSERT INTO settings (name, value) VALUES ('last_contact', ?)", (str(at),))
    conn.close()


async def test_what_changes_above_never_moves_the_cursor_of_a_home_that_was_in_step(field_home: Homes) -> None:
    """The first thing that is done after a start is followed by another: both are done to the same job."""
    home = field_home("sup-petra")
    heard_of_the_server(home, NOW_MS)
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        jobs, mine = jobs_of(app), stream_of(jobs_of(app).row)
        top = arrives_above(home, "job:j-1051" if mine != "job:j-1051" else "job:j-1054", -1)
        app._heard(SyncStatus("online", syncing=True, streams=frozenset({top})))
        await until(pilot, lambda: stream_of(jobs._at(0)) == top)
        assert stream_of(jobs.row) == mine


@pytest.mark.parametrize("touched", [False, True])
async def test_while_jobs_pour_in_the_board_stays_at_its_top_until_somebody_moves(field_home: Homes, touched: bool) -> None:
    home = field_home("sup-petra")
    heard_of_the_server(home, None)
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        jobs = jobs_of(app)
        if touched:
            await pilot.press("f9")  # nothing moves, but somebody is there
        mine = jobs.row
        late = [f"job:j-{number}" for number in (1078, 1054, 1057, 1058, 1061, 1063, 1062, 1064, 1055, 1052, 1053, 1048)]
        for due, stream in enumerate(late):
            arrives_above(home, stream, -due)
            app._heard(SyncStatus("online", syncing=True, streams=frozenset({stream})))
            await until(pilot, lambda stream=stream: stream_of(jobs._at(0)) == stream)
        assert (stream_of(jobs.row) == stream_of(mine)) is touched
        assert touched or (jobs.cursor, jobs.scroll_offset.y) == (0, 0)
        top = arrives_above(home, "job:j-1051", -100)
        heard_of_the_server(home, NOW_MS)
        app._heard(SyncStatus("online", synced=NOW_MS, streams=frozenset({top})))
        await until(pilot, lambda: stream_of(jobs._at(0)) == top)
        assert touched or stream_of(jobs.row) == top, "the last one that pours in"
        before = jobs.row
        later = arrives_above(home, "job:j-1078", -200)
        app._heard(SyncStatus("online", synced=NOW_MS + 1, streams=frozenset({later})))
        await until(pilot, lambda: stream_of(jobs._at(0)) == later)
        assert stream_of(jobs.row) == stream_of(before), "from then on the cursor stays on its job"


async def test_declined_jobs_stay_in_sight_and_the_most_urgent_promise_is_on_top(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)):
        rows = [row for row in (jobs_of(app)._at(index) for index in range(jobs_of(app).count)) if isinstance(row, JobCard)]
        assert "declined" in {row.status for row in rows}
        dues = [row.due for row in rows if row.due is not None and row.status not in ("completed", "cannot_complete")]
        assert dues == sorted(dues)


@pytest.mark.parametrize("width", [80, 140])
async def test_each_job_names_its_state_its_technician_its_customer_and_its_promise(field_home: Homes, width: int) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(width, 60)) as pilot:
        await pilot.pause()
        lines = shown(app).splitlines()
        names = {person.id: person.name for person in app.session.documents.people()}
        for row in (jobs_of(app)._at(index) for index in range(jobs_of(app).count)):
            assert isinstance(row, JobCard)
            at = next(index for index, line in enumerate(lines) if f" {row.number} " in line)
            first, second = lines[at], lines[at + 1]
            assert row.title["en"] in first
            for words in (STATUS[row.status][1], names.get(row.assignee, "nobody"), row.customer["en"]):
                assert words in second
            if row.due is not None and row.status not in ("completed", "cannot_complete", "declined"):
                left = row.due - app.now()
                assert ("!" in first[12:], "▲" in first[12:]) == (left < 0, 0 <= left < 3_600_000)
                assert span(left) in first


async def test_before_a_job_is_moved_or_cancelled_its_technicians_device_is_named(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1053")
        for key in ("a", "r", "x"):
            await pilot.press(key)
            words = said(app)
            assert "Anna Behrens has it now. Last record received" in words
            assert "The work is under way: call Anna Behrens first." in words
            await pilot.press("escape")


async def test_what_a_broken_promise_asks_for_is_named_with_who_owes_it(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(140, 40)) as pilot:
        await go_to(pilot, "J-1051")
        await until(pilot, lambda: "owed: Call the customer" in text_of(app, "#preview"))
        assert "(dispatcher), by 11-20 09:45" in " ".join(text_of(app, "#preview").split())
        set_language("zh_CN")
        app.speak("zh_CN")
        await until(pilot, lambda: "（调度员）" in text_of(app, "#preview"))


async def test_what_is_unsent_is_counted_where_the_job_is_ones_own(field_home: Homes) -> None:
    home = field_home("sup-petra")
    with home.services() as services:
        services.office.assign("J-1078", "sup-petra")
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1078")
        await pilot.press("a")
        assert "You have it now; 1 record is only here." in said(app)


async def test_filter_by_state_and_technician_and_back_with_escape(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        every = numbers(app)
        await pilot.press("f")
        assert isinstance(app.screen, FilterScreen)
        choices = app.screen.query_one(WindowList)
        while "assigned" not in str(choices._draw(choices.row, 40)) or "unassigned" in str(choices._draw(choices.row, 40)):
            await pilot.press("down")
        await pilot.press("enter")
        assert {job(app, number).status for number in numbers(app)} == {"assigned"}
        assert "Only: assigned" in text_of(app, "#shown")
        await pilot.press("f", "end", "enter")  # the last technician, beside the state
        people = {job(app, number).assignee for number in numbers(app)}
        assert len(people) == 1
        assert {job(app, number).status for number in numbers(app)} == {"assigned"}
        await pilot.press("escape")
        assert numbers(app) == every


async def test_grouping_lays_the_same_jobs_together(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        by_promise = numbers(app)
        await pilot.press("g")
        statuses = [job(app, number).status for number in numbers(app)]
        assert sorted(numbers(app)) == sorted(by_promise)
        assert len({(a, b) for a, b in pairwise(statuses) if a != b}) == len(set(statuses)) - 1
        await pilot.press("g")
        people = [job(app, number).assignee for number in numbers(app)]
        assert people == sorted(people)
        assert "Anna Behrens" in shown(app)
        await pilot.press("g")
        assert numbers(app) == by_promise


async def test_assign_gives_the_job_says_what_is_not_known_and_what_is_missing(field_home: Homes) -> None:
    home = field_home("sup-petra")
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1051")
        before = job(app, "J-1051")
        assert before.assignee == "tech-anna"
        await pilot.press("a")
        assert isinstance(app.screen, AssignScreen)
        assert "Anna Behrens has it now. Last record received" in said(app)
        assert "what is unsent since then is not known" in said(app)
        words = shown(app)
        assert "skills fit" in words or "has it now" in words
        people = app.screen.query_one(WindowList)
        assert people.row.person.id == "tech-anna"  # type: ignore[union-attr]
        await pilot.press("down", "enter")
        await until(pilot, lambda: job(app, "J-1051").assignee != "tech-anna", "the job with somebody else")
        await until(pilot, lambda: app._notifications, "what it came to")
        told = " ".join(note.message for note in app._notifications)
        assert "J-1051 is given to" in told
        assert "Anna Behrens will see that it was taken away" in told
        assert "is not known to have" in told
    with home.services() as services:
        assert find_job(services.reader, "J-1051").view.status == "assigned"


async def test_reschedule_takes_a_window_in_the_branch_s_zone_and_refuses_another(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1054")
        await pilot.press("r", "ctrl+u")
        await press_text(pilot, "2026-12-01 14:00/13:00")
        await pilot.press("enter")
        assert "ends before it starts" in " ".join(note.message for note in app._notifications)
        await pilot.press("ctrl+u")
        await press_text(pilot, "2026-12-01 09:00/12:00")
        assert "time of Europe/Berlin" in text_of(app, "#means")
        await pilot.press("enter")
        await press_text(pilot, "customer asked")
        await pilot.press("enter")
        window = parse_window("2026-12-01 09:00/12:00", zone_of("Europe/Berlin"))
        await until(pilot, lambda: (job(app, "J-1054").window_start, job(app, "J-1054").window_end) == window, "the new window")
        assert job(app, "J-1054").history[-1].reason == "customer asked"


async def test_cancel_needs_a_reason(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1056")
        await pilot.press("x", "escape")
        assert job(app, "J-1056").status == "assigned"
        await pilot.press("x")
        await press_text(pilot, "wrong site")
        await pilot.press("enter")
        await until(pilot, lambda: job(app, "J-1056").status == "cancelled", "the job cancelled")
        assert "wrong site" in job(app, "J-1056").history[-1].reason
        await until(pilot, lambda: "J-1056" not in numbers(app), "the board without it")


async def test_new_job_by_parts_of_names(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(80, 24)) as pilot:
        before = set(numbers(app))
        await pilot.press("n")
        assert isinstance(app.screen, NewJobScreen)
        await press_text(pilot, "weser")
        await pilot.press("enter")
        await press_text(pilot, "house b")
        await pilot.press("enter")
        await press_text(pilot, "call")
        await pilot.press("enter", "enter")
        await press_text(pilot, "2026-12-02 08:00/10:00")
        await pilot.press("enter")
        await press_text(pilot, "behrens")
        await pilot.press("enter")
        await press_text(pilot, "no cooling")
        await pilot.press("enter")
        await until(pilot, lambda: set(numbers(app)) - before, "a new job on the board")
        (number,) = set(numbers(app)) - before
        made = job(app, number)
        assert (made.customer, made.site, made.assignee, made.description) == ("weser", "weser-b", "tech-anna", "no cooling")
        assert made.window_start == parse_window("2026-12-02 08:00/10:00", zone_of("Europe/Berlin"))[0]
        assert made.product == "CH-CALL"
        assert made.procedures


async def test_enter_opens_the_job_with_its_log(field_home: Homes) -> None:
    app = field_home("sup-petra").app()
    async with app.run_test(size=(140, 40)) as pilot:
        await go_to(pilot, "J-1053")
        await pilot.press("enter")
        assert isinstance(app.screen, ReviewJobScreen)
        await pilot.pause()
        words = shown(app)
        assert "created the job J-1053" in words
        assert "recorded" in words
        assert "received" in words
        await pilot.press("escape")
        assert isinstance(app.screen, BoardScreen)


async def test_an_expert_looks_and_does_not_plan(field_home: Homes) -> None:
    app = field_home("expert-ingrid").app()
    async with app.run_test(size=(80, 24)) as pilot:
        await go_to(pilot, "J-1051")
        await pilot.press("a", "r", "x", "n")
        assert isinstance(app.screen, BoardScreen)
        assert job(app, "J-1051").assignee == "tech-anna"


@pytest.mark.parametrize("language", ["en", "zh_CN", "zh_TW"])
async def test_hostile_text_is_shown_and_never_acts(field_home: Homes, language: str) -> None:
    from fieldapp.language import set_language
    from fieldapp.services.creating import JobWish

    home = field_home("sup-petra")
    nasty = "[/b][red]\x1b]52;c;AAAA\x07\u202eevil\u200b {0} {name}"
    with home.services() as services:
        services.office.create(JobWish("weser", "CH-CALL", site="weser-b", title=nasty, description=nasty), person="tech-anna")
    set_language(language)
    app = home.app()
    async with app.run_test(size=(140, 40)) as pilot:
        await go_to(pilot, next(number for number in numbers(app) if number.startswith("J-T1")))
        words = shown(app)
        assert "[/b][red]<U+001B>]52" in words
        assert not any(ord(character) < 32 and character != "\n" for character in words)
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert not any(ord(character) < 32 and character != "\n" for character in shown(app))


def test_a_window_of_days_is_said_in_hours_as_a_short_one_is() -> None:
    assert window_words("2026-11-22 09:00/12:30", "Europe/Berlin").plain.endswith("12:30, 3:30 h, time of Europe/Berlin")
    said = window_words("2026-11-22 09:00/2026-11-26 12:00", "Europe/Berlin").plain
    assert said.endswith("12:00, 99:00 h, time of Europe/Berlin")
