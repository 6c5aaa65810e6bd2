"""A section that is done several times: which turn it is, how many there are, and the one more that is offered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from fieldapp.domain.procedure import Group
from fieldapp.domain.progress import StepPlace, outline
from fieldapp.domain.recording import plan_record
from fieldapp.screens.technician.outline import Section, draw_row, outline_rows
from fieldapp.screens.technician.turns import following, turn_of, turns
from tests.domain.forms import NOW_MS, accepted, follow, pinned, procedure, step
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import at_work

HomeOf = Callable[[str], FieldHome]
ROOMS = procedure(
    step("floor", "text"),
    step("name", "text", group="room"), step("level", "number", group="room"),
    step("end", "text"),
    groups=(Group("room", {"en": "Room"}, repeat=3),),
)  # fmt: skip


def places(*recorded: str) -> tuple[StepPlace, ...]:
    life = accepted(ROOMS)
    job = life.job
    for key in recorded:
        job = follow(life, plan_record(job, pinned(ROOMS), key, "1", now_ms=NOW_MS).bodies)
    return outline(job, pinned(ROOMS), now_ms=NOW_MS)


def after(key: str, *recorded: str, past: bool = False) -> str:
    found = following(places(*recorded), key, past=past)
    return found.key if found else ""


def headings(*recorded: str) -> list[str]:
    rows = [row for row in outline_rows(places(*recorded)) if isinstance(row, Section) and row.level == 1]
    return [str(draw_row(row, 40)) for row in rows]


FIRST, SECOND = ("P/name#1", "P/level#1"), ("P/name#2", "P/level#2")
THIRD = ("P/name#3", "P/level#3")


def test_the_outline_counts_the_turns_and_asks_for_one_more() -> None:
    assert headings() == ["+ Room 1?"]
    assert headings(*FIRST) == ["Room 1/1", "+ Room 2?"]
    assert headings(*FIRST, *SECOND) == ["Room 1/2", "Room 2/2", "+ Room 3?"]
    assert headings(*FIRST, *SECOND, *THIRD) == ["Room 1/3", "Room 2/3", "Room 3/3"], "no more than the procedure allows"


def test_turns_of_a_place() -> None:
    found = places(*FIRST, *SECOND)
    turn = turn_of(next(place for place in found if place.key == "P/level#2"))
    assert turn is not None
    assert (turn.number, turns(found, turn)) == (2, 2)
    assert turn_of(found[0]) is None


def test_after_the_last_step_of_a_turn_the_one_more_is_asked_about() -> None:
    assert after("P/floor", "P/floor") == "P/name#1", "never begun: it is gone into"
    assert after("P/name#1", "P/floor", "P/name#1") == "P/level#1"
    assert after("P/level#1", "P/floor", *FIRST) == "P/name#2"
    assert after("P/level#2", "P/floor", *FIRST, *SECOND) == "P/name#3"
    assert after("P/level#3", "P/floor", *FIRST, *SECOND, *THIRD) == "P/end"


def test_nothing_entered_there_goes_on_behind_the_section() -> None:
    assert after("P/name#2", "P/floor", *FIRST, past=True) == "P/end"
    assert after("P/name#1", "P/floor", past=True) == "P/end"
    assert after("P/floor", "P/floor", *FIRST) == "P/end", "from elsewhere nobody is asked again"


async def test_a_counted_section_says_which_turn_it_is(field_home: HomeOf) -> None:
    async with at_work(field_home("tech-emre"), "job:j-1062", "FIBRE-SPLICE/fibres") as technician:
        await technician.types("4")
        await technician.keys("enter")
        places = technician.runner.steps.visible  # type: ignore[union-attr]
        keys = [place.key for place in places if place.instance == 2 and place.procedure.code == "FIBRE-SPLICE"]
        await technician.to(keys[0])
        assert "Fibre 2/4" in technician.around
        assert "Fibre 2/4" in technician.screen


def uncounted(home: FieldHome, code: str, group: str) -> None:
    """The procedure does not say how often this section is done: one more turn is offered after each."""
    with sqlite3.connect(home.home.database_file) as conn:
        rows = conn.execute("SELECT key, body FROM documents WHERE stream = ?", (f"procedure:{code}",)).fetchall()
        for key, body in rows:
            published = json.loads(body)
            for section in published["procedure"]["groups"]:
                if section["id"] == group:
                    del section["count"]
            changed = (json.dumps(published).encode(), f"procedure:{code}", key)
            conn.execute("UPDATE documents SET body = ? WHERE stream = ? AND key = ?", changed)
    conn.close()
    assert rows


async def test_one_more_turn_is_left_with_enter(field_home: HomeOf) -> None:
    home = field_home("tech-emre")
    uncounted(home, "FIBRE-SPLICE", "fibre")
    async with at_work(home, "job:j-1062", "FIBRE-SPLICE/fibres") as technician:
        await technician.types("4")
        await technician.keys("enter")
        assert technician.at == "FIBRE-SPLICE/number#1", "never begun: it is gone into"
        for typed in ("1", "0.3", "0.03", "y"):
            await technician.types(typed)
            await technician.keys("enter")
        assert technician.at == "FIBRE-SPLICE/number#2", "the one more is asked about"
        assert "1 is recorded. Enter with nothing entered goes on without one more." in technician.around
        assert "+ Fibre 2?" in technician.screen
        steps = technician.runner.steps
        assert steps is not None
        keys = [place.key for place in steps.visible]
        behind = next(key for key in keys[keys.index("FIBRE-SPLICE/number#2") :] if "#" not in key)
        counted = steps.progress.total
        await technician.keys("enter")
        assert technician.at == behind
        assert technician.state("FIBRE-SPLICE/number#2").result is None
        assert technician.runner.steps is not None
        assert technician.runner.steps.progress.total == counted, "it is not owed"
        await technician.to("FIBRE-SPLICE/number#2")
        await technician.types("2")
        await technician.keys("enter")
        assert technician.value("FIBRE-SPLICE/number#2") == "2"
        assert technician.at == "FIBRE-SPLICE/cleave_angle#2", "begun, it is a turn like the first"
        assert "Fibre 2/2" in technician.around
