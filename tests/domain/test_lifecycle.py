"""The lifecycle table: complete, agreeing with the entry types, with the roles, and with the page drawn from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from fieldapp.domain.documents import Role
from fieldapp.domain.entry_types import ENTRY_TYPES
from fieldapp.domain.entry_types.lifecycle import Lifecycle
from fieldapp.domain.job import Status
from fieldapp.domain.lifecycle import AMENDING, OPEN, RECORDING, SIDES, TABLE, allowed, moves_from, next_status
from fieldapp.domain.lifecycle_document import lifecycle_document

STATUSES: tuple[Status, ...] = get_args(Status)
PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def test_every_move_stands_once() -> None:
    pairs = [(status, entry_type) for before, entry_type, _, _ in TABLE for status in before]
    assert len(pairs) == len(set(pairs))


def test_the_table_names_every_lifecycle_entry_with_the_roles_it_has() -> None:
    sides = {entry_type: SIDES[side] for _, entry_type, _, side in TABLE}
    types = {name: kind for name, kind in ENTRY_TYPES.items() if issubclass(kind, Lifecycle) and name != "job.created"}
    assert sides == {name: kind.ROLES for name, kind in types.items()}


def test_every_status_can_be_reached_and_only_two_are_final() -> None:
    reached, found = {"unassigned"}, {"unassigned"}
    while found:
        found = {next_status(status, name) or "" for status in found for name in moves_from(status)} - reached
        reached |= found
    assert reached == set(STATUSES)
    assert [status for status in STATUSES if not any(next_status(status, name) != status for name in moves_from(status))] == [
        "cancelled"
    ]
    assert set(STATUSES) - set(OPEN) == {"completed", "approved", "cancelled"}


@pytest.mark.parametrize("role", get_args(Role))
def test_a_role_makes_the_moves_of_its_side_only(role: str) -> None:
    for status in STATUSES:
        may = set(moves_from(status, role))
        assert may <= set(moves_from(status))
        for before, entry_type, after, side in TABLE:
            if status in before:
                expected = (after or status) if role in SIDES[side] else None
                assert allowed(status, entry_type, role) == expected
                assert (entry_type in may) == (expected is not None)
        assert allowed(status, "job.created", role) is None
    assert allowed("assigned", "job.accepted", "stranger") is None


@pytest.mark.parametrize(
    ("status", "entry_type", "role", "after"),
    [
        ("assigned", "job.accepted", "technician", "accepted"),
        ("assigned", "job.accepted", "supervisor", "accepted"),  # a supervisor with a laptop works too
        ("assigned", "job.accepted", "dispatcher", None),
        ("assigned", "job.assigned", "technician", None),
        ("completed", "job.approved", "technician", None),
        ("completed", "job.approved", "supervisor", "approved"),
        ("completed", "job.cancelled", "dispatcher", None),
        ("paused", "job.arrived", "technician", "on_site"),  # coming back another day
        ("in_progress", "job.left", "technician", None),  # first pause, complete or give up: the clock must not run on
        ("paused", "job.left", "technician", "paused"),
        ("in_progress", "job.rescheduled", "dispatcher", "in_progress"),
        ("sent_back", "job.completed", "technician", "completed"),
        ("approved", "job.sent_back", "supervisor", "sent_back"),
        ("cancelled", "job.assigned", "dispatcher", None),
        ("on_site", "no.such", "technician", None),
    ],
)
def test_moves_that_people_know(status: Status, entry_type: str, role: str, after: Status | None) -> None:
    assert allowed(status, entry_type, role) == after


def test_steps_are_recorded_from_acceptance_until_completion() -> None:
    assert set(RECORDING) == {"accepted", "travelling", "on_site", "in_progress", "paused", "sent_back"}
    assert set(AMENDING) - set(RECORDING) == {"completed", "cannot_complete"}


def test_the_page_is_the_one_drawn_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == lifecycle_document(), "run: python -m tests.domain.golden"


def test_the_page_shows_every_move() -> None:
    page = lifecycle_document()
    for before, entry_type, after, _ in TABLE:
        assert f"`{entry_type}`" in page
        name = entry_type.removeprefix("job.")
        for status in before:
            if after and after != status:
                drawn = re.search(rf"^    {status} --> {after}: .*\b{name}\b", page, re.MULTILINE)
                told = re.search(rf"^- {name}, to `{after}`: from .*`{status}`", page, re.MULTILINE)
                assert bool(drawn) != bool(told), (status, entry_type)
