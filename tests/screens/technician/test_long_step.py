"""However long its instruction is, a step opens with its title and its input in view; the rest is read page by page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fieldapp.domain.words import say
from fieldapp.language import _, set_language
from tests.screens.conftest import FieldHome
from tests.screens.technician.driving import at_work

Homes = Callable[[str], FieldHome]
LONG = {
    "en": "\n".join(f"Line {number}: look closely, do not hurry." for number in range(1, 41)),
    "zh_CN": "\n".join(f"第 {number} 行：仔细看，不要着急。" for number in range(1, 41)),
}


@pytest.mark.parametrize("key", ["CHILLER-CALL/chw_out", "CHILLER-CALL/cause", "SAFE-PREP/ppe", "HANDOVER/receiver"])
@pytest.mark.parametrize("spoken", ["en", "zh_CN"])
async def test_a_long_step_opens_with_its_title_and_its_input_in_view(field_home: Homes, key: str, spoken: str) -> None:
    home = field_home("tech-anna")
    with home.services() as device:
        device.work.move("J-1053", "resume")
    set_language(spoken)
    async with at_work(home, "job:j-1053", "SAFE-PREP/exits") as technician:
        runner = technician.runner
        assert runner.steps is not None
        place = runner.steps.place(key)
        assert place is not None
        await runner.open(replace(place, step=replace(place.step, instruction=LONG)))
        await technician.settle()
        title, made = say(place.step.title, spoken), runner.input
        assert made is not None
        assert title[:20] in technician.screen
        assert say(LONG, spoken).split("\n")[0] in technician.screen
        centre = runner.query_one("#centre")
        assert technician.app.focused is not None
        assert centre.region.contains_region(technician.app.focused.region)
        await technician.keys("x" if key != "SAFE-PREP/ppe" else "space")
        assert title[:20] in technician.screen, "typing scrolls nothing away"
        last = say(LONG, spoken).strip().split("\n")[-1]
        assert last not in technician.screen
        assert f"PgDn {_('read on')}" in technician.screen
        pages = 0
        while last not in technician.screen:
            await technician.keys("pagedown")
            pages += 1
            assert pages < 20, "it has an end"
        await technician.keys(*["pageup"] * pages)
        assert title[:20] in technician.screen
        await technician.to("CHILLER-CALL/downtime")
        assert "PgDn" not in technician.screen
