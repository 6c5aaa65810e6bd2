"""Half-typed text: found again by job, step and procedure version, whatever happened."""

from __future__ import annotations

import pytest

from fieldapp.store.drafts import Drafts
from tests.store.devices import Device, MakeDevice


@pytest.fixture
def device(make_device: MakeDevice) -> Device:
    return make_device()


def test_the_text_is_there_after_a_restart(device: Device) -> None:
    Drafts(device.db).save("job:1", "P/s1", 2, "1,3", 100)
    Drafts(device.db).save("job:1", "P/s1", 2, "1,35", 101)
    device.restart()
    assert Drafts(device.db).load("job:1", "P/s1", 2) == "1,35"


def test_a_draft_belongs_to_its_job_step_and_version(device: Device) -> None:
    drafts = Drafts(device.db)
    drafts.save("job:1", "P/s1", 2, "mine", 100)
    assert drafts.load("job:2", "P/s1", 2) is None
    assert drafts.load("job:1", "P/s1#2", 2) is None
    assert drafts.load("job:1", "P/s1", 3) is None


def test_a_draft_is_forgotten_alone(device: Device) -> None:
    drafts = Drafts(device.db)
    for step in ("P/s1", "P/s2"):
        drafts.save("job:1", step, 1, step, 1)
    drafts.forget("job:1", "P/s1", 1)
    drafts.forget("job:1", "P/s9", 1)
    assert drafts.load("job:1", "P/s1", 1) is None
    assert drafts.load("job:1", "P/s2", 1) == "P/s2"


@pytest.mark.parametrize("text", ["", "冷水机组 \U0001f9ef", "a\nb\tc", "[b]x[/b] \x1b]52;c;x\x07", "a\x00b", "x" * 1_000_000])
def test_any_text_comes_back_as_it_was_typed(device: Device, text: str) -> None:
    Drafts(device.db).save("job:1", "P/s1", 1, text, 1)
    device.restart()
    assert Drafts(device.db).load("job:1", "P/s1", 1) == text


def test_half_a_character_costs_only_itself(device: Device) -> None:
    Drafts(device.db).save("job:1", "P/s1", 1, "read 1.3 \ud83d bar", 1)
    assert Drafts(device.db).load("job:1", "P/s1", 1) == "read 1.3 ? bar"
