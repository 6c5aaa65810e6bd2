"""Every screen as it looks: at 80x24 and 140x40, in English and Chinese, over the demo company with the clocks at NOW.

How frames are stored and stored anew: tests/screens/frames.py.
"""

from __future__ import annotations

import os
import pkgutil
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList

from fieldapp import screens
from fieldapp.bootstrap import open_device
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.domain.words import say
from fieldapp.language import _, set_language
from fieldapp.screens.base import FieldModal
from fieldapp.screens.customer.handover import HandoverScreen
from fieldapp.screens.office.board import BoardScreen
from fieldapp.screens.office.board_filter import BoardFilter
from fieldapp.screens.office.open_points import WORDS, ApproveAnywayScreen
from fieldapp.screens.office.review import ReviewScreen
from fieldapp.screens.office.review_job import ReviewJobScreen
from fieldapp.screens.search import SearchScreen
from fieldapp.screens.technician.complete_check import CompleteCheckScreen
from fieldapp.screens.technician.job import TABS, JobScreen
from fieldapp.screens.technician.job_steps import JobSteps
from fieldapp.screens.technician.step_runner import StepRunnerScreen
from fieldapp.screens.technician.sync_centre import SyncCentreScreen
from fieldapp.screens.welcome import WelcomeApp, WelcomeScreen
from fieldapp.services.pin import set_pin
from fieldapp.settings import DeviceSettings
from fieldapp.store.home import Home
from fieldapp.store.rows import Draft
from fieldapp.sync.status import SyncStatus
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import NOW_MS, FieldHome
from tests.screens.frames import FOLDER, SIZES, Gallery, settled, unpainted
from tests.screens.until import until

HomeOf = Callable[[str], FieldHome]
Opens = Callable[[str], Gallery]
SENT_BACK, UNDER_WAY, NEW, UNASSIGNED = "job:j-1048", "job:j-1053", "job:j-1051", "job:j-1078"
LANGUAGES = ("en", "zh_CN")


@pytest.fixture(params=LANGUAGES)
def spoken(request: pytest.FixtureRequest) -> str:
    """The language of the walk."""
    return str(request.param)


@pytest.fixture
def gallery(request: pytest.FixtureRequest, spoken: str) -> Iterator[Opens]:
    """Opens the gallery of a walk; at the end everything in it must be as stored."""
    set_language(spoken)
    opened: list[Gallery] = []

    def open_one(walk: str) -> Gallery:
        opened.append(Gallery(walk, spoken, update=bool(request.config.option.update_snapshots)))
        return opened[-1]

    with unpainted():
        yield open_one
    for one in opened:
        one.close()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


async def push(pilot: Pilot[Any], screen: Any) -> Any:
    pilot.app.push_screen(screen)
    await settled(pilot)
    return screen


async def typed(pilot: Pilot[Any], text: str) -> None:
    """Put words into the field that has the focus."""
    field = pilot.app.focused
    assert isinstance(field, Input)
    field.value = text
    await settled(pilot)


async def act(pilot: Pilot[Any], shows: Gallery, name: str, action: str) -> None:
    """Take what an action of the screen in front opens, and go back."""
    await pilot.app.run_action(action, pilot.app.screen)
    await settled(pilot)
    await shows.take(pilot, name)
    await press(pilot, "escape")


def empty_home(home: FieldHome, path: Path) -> FieldHome:
    """A device of the same person that has fetched nothing yet."""
    place = Home(path)
    place.prepare()
    place.save_identity(home.identity)
    with open_device(place, "test"):
        return FieldHome(path)


def refuse(home: FieldHome) -> None:
    """Of four own entries: the first stands, the second does not, the third is received, the last was refused."""
    lanes = ("settled", "settled", "received", "refused")
    outcomes = ("applied", "conflict", "", "")
    with sqlite3.connect(home.home.database_file) as conn:
        for seq, (lane, outcome) in enumerate(zip(lanes, outcomes, strict=True), 1):
            why = "the job was given to somebody else before this arrived" if outcome == "conflict" else ""
            why = "the device was revoked" if lane == "refused" else why
            conn.execute(
                "UPDATE own_entries SET lane = ?, outcome = ?, reason = ?, received_at = ? WHERE seq = ?",
                (lane, outcome, why, NOW_MS, seq),
            )
    conn.close()


async def at_step(pilot: Pilot[Any], runner: StepRunnerScreen, key: str) -> None:
    assert runner.steps is not None
    place = runner.steps.place(key)
    assert place is not None, f"{key} does not apply now"
    await runner.open(place)
    await settled(pilot)


@pytest.fixture
def a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same facts about the computer on every computer; homes of devices lie in the person's home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for fact, answer in (("python_version", "3.11.9"), ("system", "Linux"), ("release", "6.8.0")):
        monkeypatch.setattr(platform, fact, lambda answer=answer: answer)
    usage = shutil.disk_usage(tmp_path)._replace(free=48 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


@pytest.mark.usefixtures("a_machine")
async def test_a_technicians_day(field_home: HomeOf, gallery: Opens, spoken: str) -> None:
    home, shows = field_home("tech-anna"), gallery("day")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "today")
        await press(pilot, "f1")
        await shows.take(pilot, "help")
        await press(pilot, "escape")
        await app.run_action("search", app.screen)
        await settled(pilot)
        await shows.take(pilot, "search-empty")
        await typed(pilot, "chiller" if spoken == "en" else "冷水")
        await until(pilot, lambda: app.screen.query_one(WindowList).count > 0)
        await shows.take(pilot, "search")
        await typed(pilot, "zzz")
        await shows.take(pilot, "search-nothing")
        await press(pilot, "escape")
        app.action_command_palette()
        await until(pilot, lambda: [found.option_count for found in app.screen.query(OptionList)] > [5])
        await shows.take(pilot, "palette")
        await press(pilot, "escape")
        await push(pilot, SyncCentreScreen())
        await shows.take(pilot, "sync-nothing")
        await press(pilot, "d")
        await shows.take(pilot, "diagnosis")


async def test_what_is_only_here(field_home: HomeOf, gallery: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    home, shows = field_home("tech-anna"), gallery("unsent")
    with home.services() as device:
        for number in range(3):
            device.replica.append([Draft(home.identity.log, UNDER_WAY, NoteAdded(f"Pump runs warm, reading {number}"))])
        device.work.attach("J-1053", "", home.put("pump.png", b"\x89PNG\r\n\x1a\n" + b"x" * 2_345_678))
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "today")
        await press(pilot, "s")
        await shows.take(pilot, "sync-centre")
        await press(pilot, "x")
        await shows.take(pilot, "export")
        await press(pilot, "escape")
        app._heard(SyncStatus("offline", "127.0.0.1 does not answer", since=NOW_MS - 720_000, synced=NOW_MS - 3_600_000))
        await settled(pilot)
        await shows.take(pilot, "offline")
        await press(pilot, "escape")
        await shows.take(pilot, "today-offline")


async def test_what_came_of_it(field_home: HomeOf, gallery: Opens) -> None:
    home, shows = field_home("tech-anna"), gallery("lanes")
    with home.services() as device:
        for number in range(4):
            device.replica.append([Draft(home.identity.log, UNDER_WAY, NoteAdded(f"Pump runs warm, reading {number}"))])
    refuse(home)
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await push(pilot, SyncCentreScreen())
        await shows.take(pilot, "refused")
        await press(pilot, "down")
        await shows.take(pilot, "conflict")
        app._heard(SyncStatus("revoked", since=NOW_MS - 720_000, synced=NOW_MS - 3_600_000))
        await settled(pilot)
        await shows.take(pilot, "revoked")


@pytest.mark.parametrize("spoken", [*LANGUAGES, "zh_TW"], indirect=True)
async def test_nothing_yet(field_home: HomeOf, tmp_path: Path, gallery: Opens) -> None:
    shows = gallery("nothing")
    technician = empty_home(field_home("tech-anna"), tmp_path / "empty").app()
    async with technician.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "today")
    supervisor = empty_home(field_home("sup-petra"), tmp_path / "office").app()
    async with supervisor.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "board")
        await push(pilot, ReviewScreen())
        await shows.take(pilot, "review")


async def test_a_job(field_home: HomeOf, gallery: Opens) -> None:
    app, shows = field_home("tech-anna").app(), gallery("job")
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        screen = await push(pilot, JobScreen(SENT_BACK))
        for tab, _label in TABS:
            screen.open_tab(tab)
            await settled(pilot)
            await shows.take(pilot, f"sent-back-{tab}")
        await press(pilot, "enter")
        await shows.take(pilot, "log-entry")
        await press(pilot, "escape", "escape")
        await push(pilot, JobScreen(NEW))
        await shows.take(pilot, "new")
        await press(pilot, "x")
        await shows.take(pilot, "decline")
        await press(pilot, "escape", "escape")
        await push(pilot, JobScreen(UNDER_WAY))
        for name, action in (
            ("note", "job_note"), ("promise", "commitment"), ("need", "opportunity"), ("cannot-complete", "cannot_complete"),
        ):  # fmt: skip
            await act(pilot, shows, name, action)
        await press(pilot, "r")
        await act(pilot, shows, "pause", "pause")


STEPS = (
    "SAFE-PREP/exits", "SAFE-PREP/ppe", "SAFE-PREP/tester_valid", "SAFE-PREP/arrived_contact", "SAFE-PREP/permit",
    "CHILLER-CALL/tag", "CHILLER-CALL/down_since", "CHILLER-CALL/alarm_photo", "CHILLER-CALL/chw_out", "CHILLER-CALL/downtime",
    "CHILLER-CALL/cause", "HANDOVER/receiver",
)  # fmt: skip
"""One of each type of input, at a job under way."""
FINISHED_STEPS = ("CHILLER-Q/locked_at", "CHILLER-Q/watched", "CHILLER-Q/evap_approach", "CHILLER-Q/load")


async def test_steps(field_home: HomeOf, gallery: Opens) -> None:
    home, shows = field_home("tech-anna"), gallery("steps")
    with home.services() as device:
        device.work.move("J-1053", "resume")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        runner = await push(pilot, StepRunnerScreen(UNDER_WAY))
        for key in STEPS:
            await at_step(pilot, runner, key)
            await shows.take(pilot, key.replace("/", "-").lower())
        await press(pilot, "escape")
        runner = await push(pilot, StepRunnerScreen(SENT_BACK))
        await shows.take(pilot, "sent-back")
        for key in FINISHED_STEPS:
            await at_step(pilot, runner, key)
            await shows.take(pilot, key.replace("/", "-").lower())


@pytest.mark.usefixtures("a_machine")
async def test_around_a_step(field_home: HomeOf, gallery: Opens) -> None:
    home, shows = field_home("tech-anna"), gallery("around")
    for ago, name, size in ((90, "leak.jpg", 40_000), (3600, "测试报告 2026-11.pdf", 1_234_567)):
        os.utime(home.put(name, b"\xff\xd8\xff" + b"x" * size), times=(NOW_MS / 1000 - ago,) * 2)
    with home.services() as device:
        device.work.move("J-1053", "resume")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        runner = await push(pilot, StepRunnerScreen(UNDER_WAY))
        await at_step(pilot, runner, "CHILLER-CALL/chw_out")
        await typed(pilot, "99")
        await shows.take(pilot, "verdict-while-typing")
        await press(pilot, "f1")
        await shows.take(pilot, "help")
        await press(pilot, "escape")
        for name, action in (
            ("not-applicable", "not_applicable"),
            ("not-done", "not_done"),
            ("note", "step_note"),
            ("file", "step_file"),
            ("expert", "ask_expert"),
            ("suggest", "suggest"),
        ):
            await app.run_action(action, runner)
            await settled(pilot)
            await shows.take(pilot, name)
            await press(pilot, "escape")
        await typed(pilot, "")
        await at_step(pilot, runner, "CHILLER-CALL/discharge_pressure")
        await typed(pilot, "6,4")
        await press(pilot, "enter")
        await shows.take(pilot, "amend")
        await press(pilot, "escape", "f2")
        await shows.take(pilot, "outline")
        await press(pilot, "f2")
        await push(pilot, CompleteCheckScreen(UNDER_WAY))
        await shows.take(pilot, "complete-check")


async def test_the_customers_turn(field_home: HomeOf, gallery: Opens, spoken: str) -> None:
    home, shows = field_home("tech-anna"), gallery("handover")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        screen = await push(pilot, HandoverScreen(SENT_BACK))
        await until(pilot, lambda: screen.page == "ready" and screen.query("#page"))
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, FieldModal))
        await shows.take(pilot, "new-pin")
    with home.services() as device:
        set_pin(device.replica, "4711")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        screen = HandoverScreen(SENT_BACK)
        app.push_screen(screen)
        await until(pilot, lambda: screen.page == "ready" and screen.query("#page"))
        await settled(pilot)
        while screen.answers.language != spoken:
            await press(pilot, "f2")
        await shows.take(pilot, "ready")
        await press(pilot, "enter")
        await until(pilot, lambda: screen.page == "text" and screen.query("#shown"))
        await settled(pilot)
        await shows.take(pilot, "text")
        await press(pilot, "f8")
        await shows.take(pilot, "scores")
        await press(pilot, "4", "tab", "9", "tab", "2")
        await shows.take(pilot, "scores-given")
        await press(pilot, "f8")
        await shows.take(pilot, "words")
        await press(pilot, "f8")
        await shows.take(pilot, "sign")
        await press(pilot, "escape")
        await shows.take(pilot, "pin")
        await press(pilot, "1", "2", "3", "4", "enter")
        await shows.take(pilot, "pin-wrong")
        await press(pilot, "escape", "f8")
        await shows.take(pilot, "confirm")
        await press(pilot, "enter")
        await until(pilot, lambda: screen.page == "thanks")
        await settled(pilot)
        await shows.take(pilot, "thanks")


async def test_the_office(field_home: HomeOf, gallery: Opens) -> None:
    app, shows = field_home("sup-petra").app(), gallery("office")
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        board = app.screen
        assert isinstance(board, BoardScreen)
        await shows.take(pilot, "board")
        await app.run_action("help")
        await settled(pilot)
        await shows.take(pilot, "help")
        await press(pilot, "escape")
        for name in ("filter", "new_job"):
            await act(pilot, shows, name.replace("_", "-"), name)
        for stream, whose in ((NEW, ""), (UNDER_WAY, "-under-way"), (UNASSIGNED, "-nobody")):
            board.jobs.go_to(stream)
            await settled(pilot)
            await act(pilot, shows, f"assign{whose}", "assign")
        board.jobs.go_to(UNDER_WAY)
        await settled(pilot)
        await act(pilot, shows, "reschedule", "reschedule")
        await act(pilot, shows, "cancel", "cancel_job")
        for name in ("by-state", "by-technician"):
            await press(pilot, "g")
            await shows.take(pilot, name)
        board.wanted = BoardFilter(statuses=("travelling",), person="tech-anna")
        board.reload()
        await settled(pilot)
        await shows.take(pilot, "none-like-that")
        await push(pilot, SyncCentreScreen())
        await shows.take(pilot, "sync-centre")


async def test_a_new_job(field_home: HomeOf, gallery: Opens) -> None:
    app, shows = field_home("sup-petra").app(), gallery("new-job")
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await press(pilot, "n")
        await typed(pilot, "weser")
        await shows.take(pilot, "customer")
        await press(pilot, "enter", "enter")
        await shows.take(pilot, "service")
        await press(pilot, "enter", "enter")
        await shows.take(pilot, "when")
        await typed(pilot, "2026-12-02 08:00/10:00")
        await press(pilot, "enter")
        await shows.take(pilot, "who")


async def test_a_review(field_home: HomeOf, gallery: Opens, spoken: str) -> None:
    app, shows = field_home("sup-petra").app(), gallery("review")
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        queue = await push(pilot, ReviewScreen())
        await until(pilot, lambda: queue.jobs.count > 0)
        await shows.take(pilot, "queue")
        await press(pilot, "enter")
        await shows.take(pilot, "steps")
        await press(pilot, "f1")
        await shows.take(pilot, "help")
        await press(pilot, "escape", "o", "space")
        await shows.take(pilot, "steps-in-order")
        await press(pilot, "b")
        await shows.take(pilot, "send-back")
        await press(pilot, "escape", "tab")
        await shows.take(pilot, "log")
        await press(pilot, "enter")
        await shows.take(pilot, "entry")
        await press(pilot, "escape", "escape", "down", "enter", "a")
        await shows.take(pilot, "approve")
        await press(pilot, "escape")
        steps = [say(place.step.title, spoken) for place in JobSteps(app.session, "job:j-1046", NOW_MS).visible]
        points = [_(words).format(step=steps[number]) for number, words in enumerate([*WORDS.values(), *WORDS.values()])]
        await push(pilot, ApproveAnywayScreen("J-1046", points, None))
        await shows.take(pilot, "approve-anyway")
        await press(pilot, "escape", "escape")
        await push(pilot, ReviewJobScreen(SENT_BACK))
        await shows.take(pilot, "sent-back")
        await press(pilot, "escape")
        await push(pilot, ReviewJobScreen(UNASSIGNED))
        await shows.take(pilot, "nothing-done")


async def test_the_first_start(tmp_path: Path, frozen: object, gallery: Opens) -> None:
    shows = gallery("welcome")
    app = WelcomeApp(Home(tmp_path / "device"), DeviceSettings({}))
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "welcome")
        screen = app.screen
        assert isinstance(screen, WelcomeScreen)
        screen.post_message(
            WelcomeScreen.Refused(Problem("server-unreachable", "The server does not answer.", "Check the address."))
        )
        await settled(pilot)
        await shows.take(pilot, "refused")


@pytest.mark.parametrize("spoken", ["zh_TW"], indirect=True)
async def test_traditional_chinese(field_home: HomeOf, tmp_path: Path, gallery: Opens) -> None:
    """Every screen once."""
    home, shows = field_home("tech-anna"), gallery("traditional")
    with home.services() as device:
        set_pin(device.replica, "4711")
        device.work.note("J-1053", "泵發熱")
        device.work.move("J-1053", "resume")
    app = home.app()
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "today")
        for name, screen in (
            ("job", JobScreen(NEW)), ("step", StepRunnerScreen(SENT_BACK)), ("complete-check", CompleteCheckScreen(UNDER_WAY)),
            ("sync-centre", SyncCentreScreen()), ("search", SearchScreen("冰水")),
        ):  # fmt: skip
            await push(pilot, screen)
            await shows.take(pilot, name)
            await press(pilot, "escape")
        handover = HandoverScreen(SENT_BACK)
        app.push_screen(handover)
        await until(pilot, lambda: handover.page == "ready" and handover.query("#page"))
        while handover.answers.language != "zh_TW":
            await press(pilot, "f2")
        for page in ("ready", "text", "scores", "words", "sign", "confirm"):
            await until(pilot, lambda page=page: handover.page == page)
            await settled(pilot)
            await shows.take(pilot, f"handover-{page}")
            await press(pilot, "f8")


@pytest.mark.parametrize("spoken", ["zh_TW"], indirect=True)
async def test_traditional_chinese_in_the_office(field_home: HomeOf, tmp_path: Path, gallery: Opens) -> None:
    app, shows = field_home("sup-petra").app(), gallery("traditional-office")
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "board")
        for name in ("assign", "reschedule", "filter", "new_job"):
            await act(pilot, shows, name.replace("_", "-"), name)
        queue = await push(pilot, ReviewScreen())
        await until(pilot, lambda: queue.jobs.count > 0)
        await shows.take(pilot, "queue")
        await press(pilot, "enter")
        await shows.take(pilot, "job")
        await press(pilot, "b")
        await shows.take(pilot, "send-back")
        await press(pilot, "escape", "tab")
        await shows.take(pilot, "log")
    welcome = WelcomeApp(Home(tmp_path / "device"), DeviceSettings({}))
    async with welcome.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await shows.take(pilot, "welcome")


def test_every_screen_has_frames_in_both_languages() -> None:
    """Which frame shows which screen stands in `screens.LANGUAGE.txt` beside the frames; a base of other screens needs none."""
    for module in pkgutil.walk_packages(screens.__path__, f"{screens.__name__}."):
        import_module(module.name)
    ours = {found for found in _below(Screen) if found.__module__.startswith(screens.__name__)}
    bases = {base for screen in ours for base in screen.__mro__[1:]}
    for code in LANGUAGES:
        shown = {line.split()[1] for file in FOLDER.glob(f"*/screens.{code}.txt") for line in file.read_text().splitlines()}
        assert sorted(screen.__qualname__ for screen in ours - bases if screen.__name__ not in shown) == [], code


def _below(parent: type) -> Iterator[type]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)
