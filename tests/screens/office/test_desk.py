"""The desk by hand: what waits, both sides, each decision with its reason, over a real store and a real server's replica."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.language import set_language
from fieldapp.screens.app import FieldApp
from fieldapp.screens.asking import AskScreen
from fieldapp.screens.office.board import BoardScreen
from fieldapp.screens.office.desk import DeskScreen
from fieldapp.screens.office.review_job import ReviewJobScreen
from fieldapp.screens.session import Session
from fieldapp.screens.technician.job import JobScreen
from fieldapp.store.home import Home
from fieldapp.store.queries.desk import DeskItem, desk_items
from fieldapp.store.queries.own import own_lines, own_places, own_told
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft
from fieldapp.sync.asked import Asked, keep_desk, kept_desk
from fieldapp.sync.protocol import AsideBytes, DeskAnswer
from fieldapp.widgets.window_list import WindowList
from tests.screens.branch import BranchOnDisk
from tests.screens.conftest import NOW_MS
from tests.screens.frames import SIZES, Gallery, settled, unpainted
from tests.screens.office.troubled import JOB, STEP, STREAM, given_away, troubled
from tests.screens.until import press_text, shown, until


@pytest.fixture
def desk(branch: BranchOnDisk) -> BranchOnDisk:
    troubled(branch, NOW_MS)
    return branch


def app_of(home: Home, **options: Any) -> FieldApp:
    identity = home.identity()
    assert identity is not None
    return FieldApp(Session(home, identity), **options)


def rows(app: FieldApp) -> list[object]:
    listed = app.screen.query_one("#items", WindowList)
    return [listed._at(index) for index in range(listed.count)]


def items(app: FieldApp) -> list[DeskItem]:
    return [row for row in rows(app) if isinstance(row, DeskItem)]


async def opened(pilot: Any) -> DeskScreen:
    await pilot.press("f5")
    await until(pilot, lambda: isinstance(pilot.app.screen, DeskScreen) and pilot.app.screen.is_mounted, "the desk")
    await pilot.pause()
    return pilot.app.screen  # type: ignore[no-any-return]


def kind_of(row: object) -> str:
    return "bytes" if isinstance(row, AsideBytes) else row.kind if isinstance(row, DeskItem) else ""


async def on(pilot: Any, kind: str) -> None:
    """Put the cursor on the first row of a kind."""
    listed = pilot.app.screen.query_one("#items", WindowList)
    found = next(row for row in rows(pilot.app) if kind_of(row) == kind)
    assert isinstance(found, DeskItem | AsideBytes)
    listed.go_to(found.id)
    await pilot.pause()


async def test_a_long_detail_is_read_page_by_page_and_the_footer_says_so(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(60, 24)) as pilot:
        await opened(pilot)
        await on(pilot, "conflict")
        box = app.screen.query_one("#detail-box")
        assert box.max_scroll_y > 0
        await until(pilot, lambda: "Space read on" in shown(app))
        await pilot.press("space")
        await until(pilot, lambda: box.scroll_offset.y == box.max_scroll_y)
        await pilot.press("space")
        await until(pilot, lambda: box.scroll_offset.y == 0)
        await pilot.press("space")
        await on(pilot, "held")
        await until(pilot, lambda: box.scroll_offset.y == 0)
        await until(pilot, lambda: "Space" not in shown(app), "all of it is in view")


async def test_everything_that_waits_is_listed_with_both_sides(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(140, 40)) as pilot:
        await opened(pilot)
        assert [item.kind for item in items(app)] == ["conflict", "quarantined", "held"]
        words = shown(app)
        for said in (
            "5 things to decide", "Petra Lindner recorded the same before this arrived", "never in this person's scope",
            "has not arrived yet",
            "it is too large to be sent", "Emre's laptop", "not heard from for 4 d", "type-plate.jpg", "1 of 3 parts are here",
            "Stands now", "9.8 bar", "Came second, does not stand", "9.1 bar", "read on the second gauge",
        ):  # fmt: skip
            assert said in words, said
        assert all(sign.isprintable() or sign == "\n" for sign in words)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReviewJobScreen), "the job")


@pytest.mark.parametrize(("key", "wins", "verb"), [("t", "9.1", "take"), ("o", "9.8", "keep")])
async def test_a_side_is_chosen_with_a_reason_that_its_author_reads(desk: BranchOnDisk, key: str, wins: str, verb: str) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, AskScreen), "the question")
        await pilot.press("enter")
        assert isinstance(app.screen, AskScreen)  # no reason, no decision
        await press_text(pilot, "gauge calibrated in May")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DeskScreen) and items(app)[-1].decided == verb, "the decision")
        assert "the decision is on its way" in shown(app)
        assert app.screen.check_action("desk_theirs", ()) is False  # the cursor went with it
    for person in ("sup-petra", "tech-anna"):
        desk.sync(person)
    assert [item.kind for item in desk_items(Reader(desk.home("sup-petra").database_file))] == ["quarantined", "held"]
    result = desk.view("tech-anna", JOB).steps[STEP].result
    assert result is not None
    assert result.value == wins
    reader = Reader(desk.home("tech-anna").database_file)
    told = [line for line in own_lines(reader, "settled", own_told(reader)) if line.decision is not None]
    assert {(line.decision.verb, line.decision.person, line.decision.reason) for line in told if line.decision} == {
        (verb, "sup-petra", "gauge calibrated in May")
    }


async def test_the_author_sees_the_decision_in_the_sync_centre(desk: BranchOnDisk) -> None:
    with desk.device("sup-petra") as petra:
        (item, *_) = desk_items(petra.reader)
        petra.desk.keep(item.id, "ours", "the second gauge is broken")
    for person in ("sup-petra", "tech-anna"):
        desk.sync(person)
    app = app_of(desk.home("tech-anna"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        await pilot.pause()
        listed = app.screen.query_one("#own", WindowList)
        reader = app.session.reader
        assert [line.stream for line in own_lines(reader, "refused", own_places(reader)["refused"])] == ["job:j-unknown"]
        place = own_told(reader)[0]
        listed.go_to(place)
        await pilot.pause()
        words = " ".join(shown(app).split())
        assert "The office decided that the other one stands." in words
        assert "Petra Lindner: the second gauge is broken" in words
        assert f"≠ {JOB} " in words, "in the list it does not look as if it stood"


async def test_the_job_itself_says_what_waits_and_what_was_decided(desk: BranchOnDisk) -> None:
    set_language("zh_CN")
    app = app_of(desk.home("tech-anna"))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        app.push_screen(JobScreen(STREAM))
        await until(pilot, lambda: "PetraLindner在它到达前已记录同一项" in "".join(shown(app).split()), "what waits")
    with desk.device("sup-petra") as petra:
        (item, *_) = desk_items(petra.reader)
        petra.desk.keep(item.id, "ours", "checked")
    for person in ("sup-petra", "tech-anna"):
        desk.sync(person)
    app = app_of(desk.home("tech-anna"))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        app.push_screen(JobScreen(STREAM))
        await until(pilot, lambda: "公司已裁定：以另一条为准" in "".join(shown(app).split()), "what was decided")


async def test_another_value_from_both(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AskScreen), "the questions")
        await press_text(pilot, "9.4")
        await pilot.press("enter")
        await press_text(pilot, "mean of both")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DeskScreen) and items(app)[-1].decided == "merge", "the decision")
    for person in ("sup-petra", "tech-anna"):
        desk.sync(person)
    result = desk.view("tech-anna", JOB).steps[STEP].result
    assert result is not None
    assert (result.value, result.reason) == ("9.4", "mean of both")


async def test_a_value_that_cannot_be_recorded_is_told_and_decides_nothing(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await press_text(pilot, "much")
        await pilot.press("enter")
        await press_text(pilot, "why")
        await pilot.press("enter")
        await until(pilot, lambda: "much" in "".join(note.message for note in app._notifications), "the refusal")
        asked = app.screen
        assert isinstance(asked, AskScreen)
        assert [field.value for field in asked.query(Input)] == ["much", "why"]  # to be corrected, or left
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DeskScreen), "the desk")
        assert all(not item.decided for item in items(app))


async def test_put_aside_and_let_stand(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await on(pilot, "quarantined")
        await pilot.press("r", "enter")
        await until(pilot, lambda: isinstance(app.screen, DeskScreen) and items(app)[-1].decided == "released", "let stand")
        await on(pilot, "held")
        await pilot.press("r", "enter")  # its job is not here: it cannot stand
        await until(pilot, lambda: "has not arrived yet" in "".join(note.message for note in app._notifications), "the refusal")
        await pilot.press("escape", "x")
        await press_text(pilot, "no such job")
        await pilot.press("enter")
        await until(pilot, lambda: sum(bool(item.decided) for item in items(app)) == 2, "put aside")
    desk.sync("sup-petra")
    assert [item.kind for item in desk_items(Reader(desk.home("sup-petra").database_file))] == ["conflict"]
    assert "not mine" in desk.view("sup-petra", JOB).notes[-1].text


async def test_bytes_are_shown_safely_and_decided_on(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(140, 40)) as pilot:
        screen = await opened(pilot)
        await on(pilot, "bytes")
        words = shown(app)
        assert "It can be read now" in words
        assert "<U+202E>gpj" in words
        assert "[b]bold[/b]" in words
        await pilot.press("x")
        await press_text(pilot, "recorded again")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DeskScreen) and len(screen._rows.decided) == 1, "the decision")
        await pilot.press("home")
        await on(pilot, "bytes")
        assert screen.check_action("desk_release", ()) is False  # the other ones cannot be read
        assert "It cannot stand" in shown(app)
        assert screen.check_action("desk_dismiss", ()) is True


@pytest.mark.parametrize("size", SIZES)
async def test_bytes_that_are_a_whole_record_say_what_it_says(branch: BranchOnDisk, size: tuple[int, int]) -> None:
    with branch.device("tech-anna") as anna:
        anna.replica.append([Draft("bre", STREAM, NoteAdded("the key is at the gate"))])
        run = anna.replica.outgoing(200, 1 << 20)
        assert run is not None
        raw = run.entries[-1].raw + b"\n" + (run.entries[-1].body_raw or b"")
    where = ("bre", "dev-tech-anna", "tech-anna", "it was imported from a file; its device has not sent it itself", NOW_MS - 60_000)
    whole = AsideBytes(hashlib.sha256(raw).hexdigest(), *where, len(raw), raw.decode(), "")
    cut_off = AsideBytes("9f2c" * 16, *where, 81_220, raw.decode()[:200], "")
    keep_desk(branch.home("sup-petra"), DeskAnswer(NOW_MS, (whole, cut_off)))
    app = app_of(branch.home("sup-petra"))
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await on(pilot, "bytes")
        words = shown(app)
        assert f"▒ {JOB}" in words
        assert "▒ 9f2c9f2c9f" in words, "of what has not come here as a whole nothing is said"
        assert words.count("noted: the key is at the gate") == 2
        assert "Anna Behrens: noted: the key is at the gate" in words


@pytest.mark.parametrize("size", SIZES)
async def test_late_work_is_seen_on_the_desk_and_at_the_job_and_asks_for_nothing(
    branch: BranchOnDisk, size: tuple[int, int]
) -> None:
    given_away(branch)
    app = app_of(branch.home("sup-petra"))
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        words = shown(app)
        for said in (
            "0 things to decide", "CAME LATE, STANDS  1", JOB, "the pump is loud", "+2",
            "late: the job was given to Emre Aydin before this arrived",
            "Nothing to decide: it is listed until", "the key is at the gate",
        ):  # fmt: skip
            assert said in words, said
        assert "Does not stand" not in words
        decisions = ("desk_theirs", "desk_ours", "desk_merge", "desk_release", "desk_dismiss")
        assert [app.screen.check_action(action, ()) for action in decisions] == [False] * 5
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReviewJobScreen), "the job")
        await until(pilot, lambda: "3 records came late and stand: see the log" in shown(app), "how many came late")
        await pilot.press("tab", "end")
        await until(pilot, lambda: "⚠ late" in shown(app), "the log")


async def test_who_is_not_of_the_office_has_no_desk(desk: BranchOnDisk) -> None:
    app = app_of(desk.home("tech-anna"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f5")
        assert not isinstance(app.screen, DeskScreen)


async def test_an_empty_desk_says_so(branch: BranchOnDisk) -> None:
    app = app_of(branch.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "Nothing waits for a decision." in shown(app)
        assert "unreadable records, devices, files: not asked for yet" in shown(app)
        await pilot.press("f3")
        assert isinstance(app.screen, BoardScreen)


async def test_keys_work_while_the_server_does_not_answer_and_its_answer_comes_into_the_list(desk: BranchOnDisk) -> None:
    home, answers = desk.home("sup-petra"), threading.Event()
    told = Asked(DeskAnswer(NOW_MS))

    def ask() -> Asked:
        answers.wait(30)
        return told

    app = app_of(home, ask_desk=ask)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert any(isinstance(row, AsideBytes) for row in rows(app))  # what it said last
        await pilot.press("down")
        answers.set()
        await until(pilot, lambda: not any(isinstance(row, AsideBytes) for row in rows(app)), "the answer")
        assert len(items(app)) == 3
    assert kept_desk(home) is not None


@pytest.mark.parametrize("code", ["zh_CN", "zh_TW"])
async def test_columns_stand_under_one_another_in_chinese(desk: BranchOnDisk, code: str) -> None:
    set_language(code)
    app = app_of(desk.home("sup-petra"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        listed = app.screen.query_one("#items", WindowList)
        width = listed.size.width
        drawn = [app.screen._rows.in_list(row, width).plain.split("\n")[0] for row in rows(app) if isinstance(row, DeskItem)]  # type: ignore[attr-defined]
        assert {cell_len(line) for line in drawn} == {width}
        assert len({cell_len(line[: line.index("Anna Behrens")]) for line in drawn if "Anna Behrens" in line}) == 1


def test_what_is_held_for_a_day_is_marked(desk: BranchOnDisk) -> None:
    reader = Reader(desk.home("sup-petra").database_file)
    held = next(item for item in desk_items(reader) if item.kind == "held")
    assert (held.stream, held.overdue(held.since + 86_400_000), held.overdue(held.since + 86_400_001)) == (
        "job:j-unknown",
        False,
        True,
    )
    conflict = next(item for item in desk_items(reader) if item.kind == "conflict")
    assert (conflict.stream, conflict.overdue(held.since + 10**9)) == (STREAM, False)


@pytest.mark.parametrize("spoken", ["en", "zh_CN"])
async def test_the_desk_looks_as_it_should(desk: BranchOnDisk, spoken: str, request: pytest.FixtureRequest) -> None:
    """Frames in tests/screens/frames/desk; `--snapshot-update` stores them anew."""
    set_language(spoken)
    shows = Gallery("desk", spoken, update=bool(request.config.option.update_snapshots))
    app = app_of(desk.home("sup-petra"))
    with unpainted():
        async with app.run_test(size=SIZES[0]) as pilot:
            await opened(pilot)
            await settled(pilot)
            await shows.take(pilot, "conflict")
            for key, name in (("t", "reason"), ("m", "merge")):
                await pilot.press(key)
                await until(pilot, lambda: isinstance(app.screen, AskScreen))
                await shows.take(pilot, name, stored=False)  # what is behind a window is laid out again when it is in front
                await pilot.press("escape")
                await until(pilot, lambda: isinstance(app.screen, DeskScreen))
            for kind in ("quarantined", "held", "bytes"):
                await on(pilot, kind)
                await settled(pilot)
                await shows.take(pilot, kind)
            for key, name in (("end", "file"), ("up", "device")):
                await pilot.press(key)
                await settled(pilot)
                await shows.take(pilot, name)
        given_away(desk)
        app = app_of(desk.home("sup-petra"))
        async with app.run_test(size=SIZES[0]) as pilot:
            await opened(pilot)
            await on(pilot, "late")
            await settled(pilot)
            await shows.take(pilot, "late")
    shows.close()
