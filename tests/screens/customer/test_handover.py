"""The laptop in the customer's hands: locked, in three languages, every answer kept, the signature bound to what was shown."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from fieldapp.domain.entry_types.base import read_body
from fieldapp.domain.entry_types.customer import SignatureGiven
from fieldapp.domain.job import JobState
from fieldapp.domain.signing import read_strokes
from fieldapp.language import language
from fieldapp.screens.app import FieldApp
from fieldapp.screens.customer.handover import HandoverScreen
from fieldapp.screens.customer.pin import NewPinScreen, PinScreen
from fieldapp.screens.technician.today import TodayScreen
from fieldapp.services.pin import has_pin, is_pin, set_pin
from fieldapp.store.queries.jobs import find_job
from fieldapp.store.queries.log import log_of
from fieldapp.widgets.drawing import Drawing
from tests.screens.conftest import FieldHome
from tests.screens.technician.test_full_disk import fill_journal
from tests.screens.until import press_text, shown, text_of, until

Homes = Callable[[str], FieldHome]
NUMBER = "J-1048"
"""A job whose steps are recorded."""
PIN = "4711"


def job(app: FieldApp) -> JobState:
    return find_job(app.session.reader, NUMBER).view


def page(app: FieldApp) -> str:
    screen = app.screen
    return screen.page if isinstance(screen, HandoverScreen) else type(screen).__name__


def with_pin(home: FieldHome) -> FieldHome:
    with home.services() as services:
        set_pin(services.replica, PIN)
    return home


async def begin(pilot: Pilot[Any]) -> HandoverScreen:
    """Open the handover and give the laptop away: the customer's first page is there."""
    app = pilot.app
    assert isinstance(app, FieldApp)
    screen = HandoverScreen(find_job(app.session.reader, NUMBER).stream)
    app.push_screen(screen)
    await until(pilot, lambda: page(app) == "ready" and screen.query("#page"), "the technician's page")
    await pilot.press("enter")
    await until(pilot, lambda: page(app) == "text" and screen.query("#shown"), "the text")
    return screen


async def to(pilot: Pilot[Any], name: str) -> None:
    """Go on with Enter until this page is there."""
    app = pilot.app
    assert isinstance(app, FieldApp)
    for _ in range(12):
        if page(app) == name:
            return
        await pilot.press("enter")
        await pilot.pause()
    raise AssertionError(f"{name} never came, {page(app)} is there")


async def test_the_first_handover_asks_for_a_pin_and_keeps_only_its_hash(field_home: Homes) -> None:
    home = field_home("tech-anna")
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(HandoverScreen(find_job(app.session.reader, NUMBER).stream))
        await until(pilot, lambda: page(app) == "ready" and app.screen.query("#page"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewPinScreen), "the question for a PIN")
        await press_text(pilot, "12")
        await pilot.press("enter")
        assert "Too short" in text_of(app, "#wrong")
        await press_text(pilot, "34")
        await pilot.press("enter")
        await press_text(pilot, "1235")
        await pilot.press("enter")
        assert "not the same" in text_of(app, "#wrong")
        assert not has_pin(app.session.reader)
        await press_text(pilot, "1234")
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "text", "the customer's first page")
        stored = app.session.reader.row("SELECT value FROM settings WHERE name = 'handover_pin'")
        assert stored is not None
        assert "1234" not in stored["value"]
        assert is_pin(app.session.reader, "1234")
        assert not is_pin(app.session.reader, "1235")


LOCKED_KEYS = ("ctrl+q", "ctrl+p", "f1", "question_mark", "f11", "ctrl+t", "f12", "slash", "ctrl+c", "ctrl+z", "f3", "f4", "s")


@pytest.mark.parametrize("where", ["text", "scores", "words", "sign", "confirm", "thanks"])
async def test_no_key_leads_out_of_any_page_without_the_pin(field_home: Homes, where: str) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, where)
        for key in LOCKED_KEYS:
            await pilot.press(key)
        await pilot.pause()
        assert app.is_running
        assert app.screen is screen
        assert (language(), app.theme) == ("en", "field-dark")
        assert page(app) == where
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, PinScreen), "the question for the PIN")
        for key in ("ctrl+q", "ctrl+p", "f1", "f11"):
            await pilot.press(key)
        assert isinstance(app.screen, PinScreen)
        await pilot.press("escape")
        assert app.screen is screen
        await pilot.press("escape")
        await press_text(pilot, "0000")
        await pilot.press("enter")
        await until(pilot, lambda: "not the PIN" in text_of(app, "#wrong"), "that it was wrong")
        await press_text(pilot, PIN)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TodayScreen), "the app")
        await pilot.press("f1")
        assert not isinstance(app.screen, TodayScreen)  # help is back


async def test_after_five_wrong_pins_even_the_right_one_waits(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        await pilot.press("escape")
        for _ in range(5):
            await press_text(pilot, "0000")
            await pilot.press("enter")
            await until(pilot, lambda: app.screen.query_one(Input).value == "", "the field empty again")
        await pilot.press("escape", "escape")  # opening the window anew does not help
        await press_text(pilot, PIN)
        await pilot.press("enter")
        await until(pilot, lambda: "Wait half a minute" in text_of(app, "#wrong"), "the pause")
        assert isinstance(app.screen, PinScreen)


async def test_the_text_is_word_for_word_the_service_s_in_each_language(field_home: Homes) -> None:
    home = with_pin(field_home("tech-anna"))
    with home.services() as services:
        texts = {code: services.work.handover_text(NUMBER, code) for code in ("en", "zh_CN", "zh_TW")}
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        for code in ("en", "zh_CN", "zh_TW", "en"):
            await until(pilot, lambda code=code: text_of(app, "#shown") == texts[code], f"the text in {code}")
            assert language() == code
            await pilot.press("f2")
        await until(pilot, lambda: language() == "zh_CN")
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "scores")
        assert language() == "zh_CN"  # the other pages follow
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, PinScreen))
        assert language() == "en"  # staff read their own language
        await press_text(pilot, PIN)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TodayScreen))
        assert language() == "en"


async def test_scores_by_arrows_and_digits_each_can_be_left_out(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, "scores")
        answers = screen.answers
        await pilot.press("right", "right", "right", "left")
        assert answers.csat == 2
        await pilot.press("5", "right", "9")  # stays in its scale
        assert answers.csat == 5
        await pilot.press("down", "1")
        assert answers.nps == 1
        await pilot.press("0")
        assert answers.nps == 10
        await pilot.press("0")
        assert answers.nps == 0
        await pilot.press("backspace")
        assert answers.nps is None
        await pilot.press("down", "7")
        assert (answers.csat, answers.nps, answers.ces) == (5, None, 7)
        await to(pilot, "confirm")
        assert "5 / 5" in shown(app)
        assert "Recommendation" not in shown(app)
        await pilot.press("enter", "enter", "enter")
        await until(pilot, lambda: page(app) == "thanks", "the thanks")
        given = job(app).feedback[-1]
        assert (given.csat, given.nps, given.ces, given.language) == (5, None, 7, "en")
        assert len(job(app).feedback) == 2  # the fixture's and this one: Enter three times recorded it once
        assert len(job(app).signatures) == 1  # nobody signed this time


async def test_the_signature_is_bound_to_the_hash_of_exactly_what_was_shown(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: language() == "zh_CN" and screen.query("#shown"))
        seen = text_of(app, "#shown")
        await to(pilot, "scores")
        await pilot.press("4")
        await to(pilot, "words")
        await press_text(pilot, "tidy work")
        await pilot.press("tab", "space")
        await to(pilot, "sign")
        await press_text(pilot, "Sven Toll")
        await pilot.press("enter", "enter")
        assert page(app) == "sign"  # no consent yet
        assert str(app.screen.query_one("#wrong").content)  # type: ignore[attr-defined]
        await pilot.press("space")
        drawing = app.screen.query_one(Drawing)
        await pilot.mouse_down(drawing, offset=(4, 2))
        await pilot.hover(drawing, offset=(20, 4))
        await pilot.mouse_up(drawing, offset=(20, 4))
        await until(pilot, lambda: screen.answers.strokes, "the drawn line")
        await to(pilot, "confirm")
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "thanks")
        state = job(app)
        sign, given = state.signatures[-1], state.feedback[-1]
        assert (sign.name, sign.consent) == ("Sven Toll", True)
        assert sign.shown == hashlib.sha256(seen.encode()).hexdigest()
        assert sign.drawing
        assert (given.csat, given.comment, given.contact_me, given.language) == (4, "tidy work", True, "zh_CN")
        lines = log_of(app.session.reader, app.session.identity.log, find_job(app.session.reader, NUMBER).stream)
        body = read_body(lines[-1].entry)
        assert isinstance(body, SignatureGiven)
        assert body.text == seen
        width, height, strokes = read_strokes(body.strokes)
        assert (width, height) == (116, 20)
        assert len(strokes[0]) >= 2


async def test_a_key_that_bounces_records_once(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, "scores")
        await pilot.press("4")
        await to(pilot, "confirm")
        before = len(job(app).feedback)
        await screen.action_page_on()
        await screen.action_page_on()  # before the first is on the disk
        await until(pilot, lambda: page(app) == "thanks")
        await app.session.write(lambda services: None)
        assert len(job(app).feedback) == before + 1


async def test_what_only_the_second_copy_of_failed_is_recorded_once(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        await to(pilot, "scores")
        await pilot.press("4")
        await to(pilot, "confirm")
        before = len(job(app).feedback)
        await app.session.write(fill_journal)
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "thanks", "the end: another Enter would record it once more")
        await until(pilot, lambda: app.session.reader.row("SELECT 1 FROM drafts WHERE step = 'handover'") is None)
        assert len(job(app).feedback) == before + 1


async def test_what_is_recorded_is_not_offered_again_whenever_the_power_goes(
    field_home: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = with_pin(field_home("tech-anna"))
    app, recorded = home.app(), asyncio.Event()

    async def power_goes(_screen: HandoverScreen, _done: object) -> None:
        recorded.set()

    monkeypatch.setattr(HandoverScreen, "_recorded", power_goes)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        await to(pilot, "words")
        await press_text(pilot, "tidy")
        await to(pilot, "confirm")
        await until(pilot, lambda: app.session.reader.row("SELECT 1 FROM drafts WHERE step = 'handover'"), "the draft on the disk")
        await pilot.press("enter")
        await until(pilot, recorded.is_set, "that it is recorded")
        assert job(app).feedback[-1].comment == "tidy"
        assert app.session.reader.row("SELECT 1 FROM drafts WHERE step = 'handover'") is None


async def test_nothing_given_records_nothing(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        before = app.session.reader.rows("SELECT count(*) AS n FROM own_entries")[0]["n"]
        await to(pilot, "confirm")
        assert "left everything empty" in shown(app)
        await to(pilot, "thanks")
        assert "Nothing was recorded" in shown(app)
        assert app.session.reader.rows("SELECT count(*) AS n FROM own_entries")[0]["n"] == before


async def test_a_drawing_without_a_name_is_asked_about_and_can_be_cleared(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, "sign")
        drawing = app.screen.query_one(Drawing)
        await pilot.mouse_down(drawing, offset=(4, 2))
        await pilot.mouse_up(drawing, offset=(4, 2))
        await until(pilot, lambda: screen.answers.drawn)
        await pilot.press("enter")
        assert "type your name" in text_of(app, "#wrong")
        await pilot.press("f4")
        await until(pilot, lambda: not screen.answers.drawn, "an empty canvas")
        await to(pilot, "confirm")


async def test_what_was_entered_survives_a_kill_and_is_gone_once_recorded(field_home: Homes) -> None:
    home = with_pin(field_home("tech-anna"))
    app = home.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: language() == "zh_CN")
        await to(pilot, "scores")
        await pilot.press("3")
        await to(pilot, "words")
        await press_text(pilot, "half a sent")
        await until(
            pilot,
            lambda: (
                (row := app.session.reader.row("SELECT text FROM drafts WHERE step = 'handover' AND version = 0")) is not None
                and "half a sent" in row["text"]
            ),
            "the words on disk while the page is still open",
        )
        copy = home.home.path.parent / "killed"
        import shutil

        shutil.copytree(home.home.path, copy)  # what a kill at this moment leaves behind
    again = FieldHome(copy).app()
    async with again.run_test(size=(80, 24)) as pilot:
        assert language() == "en"
        screen = HandoverScreen(find_job(again.session.reader, NUMBER).stream)
        again.push_screen(screen)
        await until(pilot, lambda: "not finished" in shown(again), "that something is left over")
        await pilot.press("enter")
        await until(pilot, lambda: page(again) == "text")
        assert language() == "zh_CN"
        await to(pilot, "words")
        assert again.screen.query_one("#comment", Input).value == "half a sent"
        await press_text(pilot, "ence")
        assert again.screen.query_one("#comment", Input).value == "half a sentence", "a key goes on with it"
        assert screen.answers.csat == 3
        await to(pilot, "thanks")
        await until(
            pilot, lambda: again.session.reader.row("SELECT 1 FROM drafts WHERE step = 'handover'") is None, "no draft any more"
        )
        assert find_job(again.session.reader, NUMBER).view.feedback[-1].comment == "half a sentence"


async def test_hostile_words_of_the_customer_are_shown_and_never_act(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, "words")
        app.screen.query_one("#comment", Input).value = "[/b]\x1b]0;x\x07\u202ex"
        await pilot.pause()
        await to(pilot, "confirm")
        assert "[/b]<U+001B>]0;x<U+0007><U+202E>x" in shown(app)
        assert screen.answers.comment == "[/b]\x1b]0;x\x07\u202ex"


async def test_a_job_on_which_nothing_is_done_is_not_handed_over(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(HandoverScreen(find_job(app.session.reader, "J-1051").stream))  # only assigned
        await until(pilot, lambda: isinstance(app.screen, TodayScreen), "the screen it came from")
        assert "Nothing is done on this job yet" in " ".join(note.message for note in app._notifications)


async def test_enter_leads_through_every_question_of_a_page(field_home: Homes) -> None:
    app = with_pin(field_home("tech-anna")).app()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await begin(pilot)
        await to(pilot, "scores")
        await pilot.press("4", "enter", "9", "enter", "6")
        assert page(app) == "scores"
        assert (screen.answers.csat, screen.answers.nps, screen.answers.ces) == (4, 9, 6)
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "words")
        await press_text(pilot, "fine")
        await pilot.press("enter", "space")
        assert page(app) == "words"
        assert screen.answers.contact_me
        await pilot.press("enter")
        await until(pilot, lambda: page(app) == "sign")
