"""Every kind of step is answered by keys alone, and what is recorded is what the procedure means."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import time_machine
from textual import events

from fieldapp.domain.signing import read_strokes
from fieldapp.screens.technician.inputs.base import Field
from fieldapp.screens.technician.inputs.signature import SignHere
from fieldapp.screens.technician.places import LISTED, listed_in
from fieldapp.settings import shown_path, typed_path
from fieldapp.store.queries.drafts import draft_of
from fieldapp.widgets.window_list import WindowList
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import at_work

HomeOf = Callable[[str], FieldHome]
QUARTER = "job:j-1052"
"""A quarterly service that was accepted; nothing is recorded yet."""


@pytest.mark.parametrize(
    ("key", "keys", "value"),
    [
        ("SAFE-PREP/{check}", ["y"], "yes"),
        ("SAFE-PREP/{check}", ["n"], "no"),
        ("SAFE-PREP/{check}", ["space"], "yes"),
        ("SAFE-PREP/{check}", ["space", "space"], "no"),
        ("CHILLER-Q/refrigerant", ["down"], "r134a"),
        ("CHILLER-Q/refrigerant", ["down", "down"], "r513a"),
        ("CHILLER-Q/refrigerant", ["3"], "r1234ze"),
        ("CHILLER-Q/room_findings", ["2", "4"], "ventilation water"),
        ("CHILLER-Q/room_findings", ["space", "down", "space", "up", "space"], "ventilation"),
        ("CHILLER-Q/oil_pressure", list("1.9"), "1.9"),
        ("CHILLER-Q/oil_pressure", ["1", "comma", "9"], "1.9"),
        ("CHILLER-Q/oil_pressure", [*"1.9", "space", *"bar"], "1.9"),
        ("SAFE-PREP/{date}", ["space"], "2026-11-20"),
        ("SAFE-PREP/{date}", [*"20.11.2027"], "2027-11-20"),
        ("SAFE-PREP/{date}", [*"1.2.27"], "2027-02-01"),
        ("SAFE-PREP/{date}", [*"01.02."], "2026-02-01"),
        ("CHILLER-Q/{time}", [*"930"], "09:30:00"),
        ("CHILLER-Q/{time}", [*"9.30"], "09:30:00"),
        ("CHILLER-Q/{time}", ["space"], "09:42:00"),
        ("HANDOVER/left_at", ["space"], "2026-11-20T09:42:00"),
        ("CHILLER-Q/tag", list("NK-CH1"), "NK-CH1"),
        ("HANDOVER/receiver", [*"Sven", "space", *"Toll"], "Sven Toll"),
        ("HANDOVER/open_points", [*"one", "ctrl+j", *"two"], "one\ntwo"),
        ("CHILLER-Q/{timer}", list("15"), "15"),
    ],
)
async def test_recorded_by_keys(field_home: HomeOf, key: str, keys: list[str], value: str) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        code, _, kind = key.partition("/{")
        if kind:
            places = technician.runner.steps.visible  # type: ignore[union-attr]
            key = next(place.key for place in places if place.procedure.code == code and place.step.type == kind.rstrip("}"))
        await technician.to(key)
        await technician.keys(*(_NAMES.get(name, name) for name in keys))
        assert technician.value(key) is None
        await technician.keys("enter")
        assert technician.value(key) == value
        assert technician.at != key


_NAMES = {".": "full_stop", "-": "minus"}


async def test_a_duration_in_hours_and_minutes(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), "job:j-1053") as technician:
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        key = next(place.key for place in places if place.step.type == "duration")
        await technician.to(key)
        await technician.keys("ctrl+u")
        await technician.types("1:30")
        assert "= 90 min (1:30)" in technician.verdict
        for other in ("90 min", "1h30"):
            await technician.keys("ctrl+u")
            await technician.types(other)
            assert "= 90 min (1:30)" in technician.verdict
        await technician.keys("enter")
        assert technician.value(key) == "90"


async def test_the_live_line_says_how_a_day_and_a_time_were_understood(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER) as technician:
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        day = next(place.key for place in places if place.procedure.code == "SAFE-PREP" and place.step.type == "date")
        await technician.to(day)
        for typed in ("1.2.27", "1.2.2027", "2027-02-01"):
            await technician.keys("ctrl+u")
            await technician.types(typed)
            assert "= 2027-02-01, Monday" in technician.verdict
        await technician.keys("ctrl+u")
        await technician.types("1.2")
        assert "This is no date yet." in technician.verdict
        time = next(place.key for place in places if place.procedure.code == "CHILLER-Q" and place.step.type == "time")
        await technician.to(time)
        for typed in ("9:30", "930", "9.30"):
            await technician.keys("ctrl+u")
            await technician.types(typed)
            assert "= 09:30" in technician.verdict


async def test_letters_leave_no_step_out(field_home: HomeOf) -> None:
    """`n` is the answer no where that is asked, and nothing anywhere else; F3 means the same at every step."""
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/refrigerant") as technician:
        await technician.keys("n", "d")
        assert technician.at == "CHILLER-Q/refrigerant"
        assert "Why" not in technician.screen
        check = next(place.key for place in technician.runner.steps.visible if place.step.type == "check")  # type: ignore[union-attr]
        await technician.to(check)
        await technician.keys("n")
        assert technician.typed == "no"
        for key in (check, "CHILLER-Q/refrigerant", "CHILLER-Q/oil_pressure", "HANDOVER/open_points", "HANDOVER/receiver"):
            await technician.to(key)
            assert "F3 not applicable" in technician.screen
            await technician.keys("f3")
            assert "Why does this step not apply?" in technician.screen
            await technician.keys("escape")


async def test_a_long_answer_is_taken_back_by_word_and_as_a_whole(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "HANDOVER/open_points") as technician:
        await technician.keys(*"one", "space", *"two", "ctrl+j", *"three", "space", *"four")
        await technician.keys("ctrl+w")
        assert technician.typed == "one two\nthree "
        await technician.keys("f1")
        for key in ("^w  erase word:", "^u  erase all:"):
            assert key in technician.help
        await technician.keys("escape", "ctrl+u")
        assert technician.typed == ""
        await technician.keys("ctrl+z")
        assert technician.typed == "one two\nthree "


RECEIVER = "HANDOVER/receiver"


async def test_a_signature_is_typed_and_drawn_under_the_text_that_is_signed(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    async with at_work(home, QUARTER, RECEIVER) as technician:
        assert "J-1052" in technician.screen
        await technician.types("Sven Toll")
        canvas = technician.runner.query_one(SignHere)
        await technician.pilot.mouse_down(canvas, offset=(4, 2))
        await technician.pilot.hover(canvas, offset=(20, 3))
        await technician.pilot.mouse_up(canvas, offset=(20, 3))
        await technician.settle()
        reader = technician.app.session.reader
        await technician.until(lambda: "Sven Toll\n" in (draft_of(reader, QUARTER, RECEIVER, 3) or ""))
        strokes = technician.typed.partition("\n")[2]
        assert len(read_strokes(strokes)[2]) == 1
    async with at_work(home, QUARTER) as technician:
        assert (technician.at, technician.typed) == (RECEIVER, f"Sven Toll\n{strokes}")
        shown = technician.runner.input.asked.shown  # type: ignore[union-attr]
        await technician.keys("enter")
        result = technician.state(RECEIVER).result
        assert result is not None
        assert (result.value, result.shown) == ("Sven Toll", hashlib.sha256(shown.encode()).hexdigest())
        assert result.drawing
        await technician.to(RECEIVER)
        assert "with a drawn signature" in technician.around


async def test_a_drawing_is_cleared_and_needs_a_name(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, RECEIVER) as technician:
        canvas = technician.runner.query_one(SignHere)
        await technician.pilot.click(canvas, offset=(4, 2))
        await technician.settle()
        await technician.keys("enter")
        assert "a drawing alone does not say who it was" in technician.verdict
        assert technician.value(RECEIVER) is None
        await technician.keys("delete")
        assert technician.typed == ""
        await technician.types("Sven Toll")
        await technician.keys("enter")
        result = technician.state(RECEIVER).result
        assert result is not None
        assert (result.value, result.drawing) == ("Sven Toll", "")
        assert result.shown


async def test_a_timer_runs_on_while_the_app_is_closed(field_home: HomeOf, frozen: time_machine.Traveller) -> None:
    home = field_home("tech-anna")
    async with at_work(home, QUARTER) as technician:
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        key = next(place.key for place in places if place.step.type == "timer")
        await technician.to(key)
        await technician.keys("space")
        assert "▶" in technician.screen
        await technician.keys("escape")
    frozen.shift(17 * 60)
    async with at_work(home, QUARTER) as technician:
        assert technician.at == key
        assert "0:17:00" in technician.screen
        await technician.keys("space")
        assert technician.typed == "17"
        await technician.keys("enter")
        assert technician.value(key) == "17"


async def test_a_photo_from_the_inbox(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    home.put("panel.jpg", b"a picture")
    async with at_work(home, QUARTER) as technician:
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        key = next(place.key for place in places if place.step.type == "file")
        await technician.to(key)
        await technician.keys("enter")
        assert "panel.jpg" in technician.screen
        await technician.keys("enter")
        files = technician.state(key).files
        assert [file.name for file in files] == ["panel.jpg"]
        assert (home.home.files / files[0].sha256).read_bytes() == b"a picture"
        assert technician.at == key
        assert "panel.jpg" in technician.screen
        await technician.keys("enter")
        assert technician.at != key


async def test_a_photo_by_its_path_and_none_by_a_wrong_one(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    elsewhere = home.home.path.parent / "camera.png"
    elsewhere.write_bytes(b"elsewhere")
    async with at_work(home, QUARTER) as technician:
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        key = next(place.key for place in places if place.step.type == "file")
        await technician.to(key)
        await technician.keys("f6")
        for wrong in ("nothing.png", "~nobody-here/a.png"):
            await technician.types(wrong)
            await technician.keys("enter")
            assert "There is no file here" in technician.screen
            await technician.keys("ctrl+u")
        await technician.types(str(elsewhere))
        await technician.keys("enter")
        assert [file.name for file in technician.state(key).files] == ["camera.png"]


def test_a_folder_with_thousands_shows_the_latest_and_leaves_out_what_is_no_file(tmp_path: Path) -> None:
    for number in range(LISTED + 20):
        (tmp_path / f"{number}.jpg").touch()
        os.utime(tmp_path / f"{number}.jpg", (number, number))
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / ".hidden").touch()
    for name in ("b", "A"):
        (tmp_path / name).mkdir()
    found = listed_in(tmp_path)
    assert [item.path.name for item in found if not item.is_folder] == [f"{n}.jpg" for n in range(LISTED + 19, 19, -1)]
    assert found[0].at == (LISTED + 19) * 1000
    assert [item.path.name for item in found if item.is_folder] == ["A", "b"]
    assert listed_in(tmp_path / "none") == []


async def test_a_photo_from_another_folder_that_is_typed(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    camera = home.home.path.parent / "camera"
    (camera / "today").mkdir(parents=True)
    (camera / "old.png").write_bytes(b"old")
    (camera / "today" / "valve.png").write_bytes(b"valve")
    async with at_work(home, QUARTER) as technician:
        key = next(place.key for place in technician.runner.steps.visible if place.step.type == "file")  # type: ignore[union-attr]
        await technician.to(key)
        await technician.keys("f6")
        await technician.types(str(camera))
        await technician.keys("enter")
        assert "old.png" in technician.screen
        assert "today/" in technician.screen
        await technician.keys("down", "enter")
        assert "valve.png" in technician.screen
        await technician.keys("down", "enter")
        assert "old.png" in technician.screen, "the last row leads to the folder above"
        await technician.types("today")
        await technician.keys("enter", "enter")
        assert [file.name for file in technician.state(key).files] == ["valve.png"]


async def test_what_is_typed_or_dropped_on_the_list_of_files_is_whole_in_the_line(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    home.put("panel.jpg", b"a picture")
    folder = home.home.path.parent / "kept jobs"
    folder.mkdir()
    (folder / "jk.jpg").write_bytes(b"another picture")
    async with at_work(home, QUARTER) as technician:
        key = next(place.key for place in technician.runner.steps.visible if place.step.type == "file")  # type: ignore[union-attr]
        await technician.to(key)
        await technician.keys("f6")
        for character in "panel.jpg":  # all in one instant, as a scanner or a quick hand sends them
            pressed = events.Key("full_stop" if character == "." else character, character)
            pressed.set_sender(technician.app)
            technician.app.post_message(pressed)
        await technician.until(lambda: technician.app.screen.query_one(Field).value == "panel.jpg")
        await technician.keys("ctrl+u", "shift+tab")
        assert isinstance(technician.app.focused, WindowList)
        dropped = events.Paste(f"{folder}/jk.jpg".replace(" ", "\\ ") + " ")
        dropped.set_sender(technician.app)
        technician.app.post_message(dropped)
        await technician.until(lambda: "jk.jpg" in technician.app.screen.query_one(Field).value)
        await technician.keys("enter")
        assert [file.name for file in technician.state(key).files] == ["jk.jpg"]


async def test_an_empty_file_is_refused_and_another_thing_than_a_photo_asked_about(field_home: HomeOf) -> None:
    home = field_home("tech-anna")
    home.put("empty.jpg", b"")
    home.put("list.txt", b"parts")
    async with at_work(home, QUARTER) as technician:
        key = next(place.key for place in technician.runner.steps.visible if place.step.type == "file")  # type: ignore[union-attr]
        await technician.to(key)
        for keys in (("escape", "escape"), ("enter",)):
            await technician.keys("f6")
            await technician.types("empty.jpg")
            await technician.keys("enter")
            assert "empty.jpg is empty" in technician.notices
            assert technician.state(key).files == ()
            await technician.keys("ctrl+u")
            await technician.types("list.txt")
            await technician.keys("enter")
            assert "This is no photo" in technician.screen
            assert technician.state(key).files == ()
            await technician.keys(*keys)
        assert [file.name for file in technician.state(key).files] == ["list.txt"]


async def test_a_calculated_step_shows_what_it_comes_to(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-anna"), QUARTER, "CHILLER-Q/chw_in") as technician:
        await technician.types("12.4")
        await technician.keys("enter")
        await technician.to("CHILLER-Q/chw_out")
        await technician.types("6.9")
        await technician.keys("enter")
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        difference = next(place for place in places if place.step.calculation == "round(${chw_in} - ${chw_out}, 1)")
        assert technician.value(difference.key) == "5.5"
        await technician.to(difference.key)
        assert "5.5 K" in technician.screen
        await technician.keys("5", "enter")
        assert technician.value(difference.key) == "5.5"


async def test_a_long_list_is_searched_and_filtered(field_home: HomeOf) -> None:
    from fieldapp.domain.procedure import Choice, Procedure, Step
    from fieldapp.domain.progress import StepPlace
    from fieldapp.screens.technician.inputs import Asked, input_for
    from fieldapp.screens.technician.inputs.options import OptionList

    choices = tuple(Choice(f"p{number}", {"en": f"Part {number}", "zh_CN": f"配件{number}"}) for number in range(30))
    step = Step("part", {"en": "Part"}, "choice", choices=choices)
    place = StepPlace("P/part", Procedure("P", 1, "service", {"en": "P"}, (step,)), step, 0, True, True, None, False)
    home = field_home("tech-anna")
    async with at_work(home, QUARTER) as technician:
        made = input_for(Asked(place, choices), "")
        await technician.runner.query_one("#slot").mount(made)
        made.grab()
        await technician.types("件27")
        assert technician.runner.query(OptionList).last().count == 1
        await technician.keys("down")
        assert made.text == "p27"


def test_a_path_in_the_home_folder_is_shown_as_it_may_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "anna"))
    inbox, beside = tmp_path / "anna" / "inbox", tmp_path / "anna-2" / "inbox"
    assert shown_path(inbox) == str(Path("~") / "inbox")
    assert typed_path(shown_path(inbox)) == inbox
    assert shown_path(beside) == str(beside)
