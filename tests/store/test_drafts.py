"""Half-typed text: found again by job, step and procedure version, whatever happened."""

from __future__ import annotations

import pytest

from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.domain.problem import Problem
from fieldapp.store.drafts import Drafts, recording
from fieldapp.store.rows import Draft
from fieldapp.store.tables import EntryRow
from tests.store.devices import Device, MakeDevice
from tests.store.pens import everything


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


def test_what_is_recorded_and_its_draft_change_in_one_transaction(device: Device) -> None:
    """A power cut between the two would show as unsaved what is saved, or lose what was typed."""
    drafts, note = Drafts(device.db), Draft("b1", "job:1", NoteAdded("remark001"))
    drafts.save("job:1", "note:", 0, "remar", 1)
    drafts.save("job:1", "P/s1", 1, "1,3", 1)
    with device.db.write() as conn:
        conn.exec_driver_sql("CREATE TRIGGER cut BEFORE DELETE ON drafts BEGIN SELECT RAISE(ABORT, 'cut'); END")
    with pytest.raises(Problem, match="cut"), recording("job:1", "note:", 0):
        device.replica.append([note])
    assert everything(device.db, EntryRow) == []
    with device.db.write() as conn:
        conn.exec_driver_sql("DROP TRIGGER cut")
    assert drafts.load("job:1", "note:", 0) == "remar", "nothing was recorded, so nothing is forgotten"
    with recording("job:1", "note:", 0):
        device.replica.append([note])
    device.replica.append([note])
    assert len(everything(device.db, EntryRow)) == 2
    assert drafts.load("job:1", "note:", 0) is None
    assert drafts.load("job:1", "P/s1", 1) == "1,3"
