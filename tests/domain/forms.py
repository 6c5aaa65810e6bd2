"""Small procedures and jobs for the tests of expressions, verdicts, progress and recording."""

from __future__ import annotations

from typing import Any

import msgspec

from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.lifecycle import JobAccepted, JobAssigned, JobCreated
from fieldapp.domain.job import JobState, PinnedProcedure
from fieldapp.domain.procedure import Procedure, Step, StepType
from tests.domain.lives import Life

NOW_MS = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC."""


def step(id: str, type: StepType = "text", **fields: Any) -> Step:  # noqa: A002
    return Step(id=id, title={"en": id.replace("_", " ")}, type=type, **fields)


def procedure(*steps: Step, code: str = "P", **fields: Any) -> Procedure:
    return Procedure(code=code, version=3, kind="service", title={"en": code}, steps=steps, **fields)


def pinned(*procedures: Procedure) -> dict[str, Procedure]:
    return {one.code: one for one in procedures}


def accepted(*procedures: Procedure, assets: tuple[str, ...] = ()) -> Life:
    """The log of a job that was assigned and accepted, with these procedures pinned."""
    life = Life()
    names = tuple(PinnedProcedure(one.code, one.version) for one in procedures)
    life.add(
        JobCreated(number="J-1", customer="c-1", site="s-1", title={"en": "Test"}, procedures=names, assets=assets),
        role="dispatcher",
    )
    life.office(JobAssigned("p-lin"))
    life.add(JobAccepted())
    return life


def follow(life: Life, bodies: tuple[Body, ...]) -> JobState:
    """The job after a planned group was recorded."""
    for body in bodies:
        life.add(body, after=1)
    return life.job


def round_trip(body: Body) -> Body:
    """The body as another device reads it."""
    raw = msgspec.json.encode(body)
    return msgspec.json.decode(raw, type=type(body))
