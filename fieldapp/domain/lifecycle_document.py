"""docs/lifecycle.md, drawn from the table in domain/lifecycle.py. Pure: it returns the text."""

from __future__ import annotations

from typing import get_args

from fieldapp.domain.job import Status
from fieldapp.domain.lifecycle import AMENDING, RECORDING, SIDES, TABLE, moves_from

_OPENING = """\
# The life of a job

Drawn from the table in `fieldapp/domain/lifecycle.py`; `python -m tests.domain.golden` writes this page again, a test keeps
the two equal. A move that the table does not allow is a conflict for a person to decide, never an error: the work that was
recorded is kept and shown either way.
"""

_WORDS: dict[Status, str] = {
    "unassigned": "created, nobody has it yet",
    "assigned": "on a technician's list, not yet answered",
    "accepted": "the technician will do it; preparation may be recorded",
    "travelling": "on the way",
    "on_site": "arrived, work not yet started",
    "in_progress": "being worked on",
    "paused": "interrupted, with a reason",
    "completed": "done as the technician sees it; waits for review",
    "sent_back": "the review asks for named steps again",
    "approved": "reviewed and closed",
    "declined": "the technician will not do it, with a reason; the office assigns it again",
    "cannot_complete": "given up on site, with a reason; the office decides what follows",
    "cancelled": "called off by the office",
}


def lifecycle_document() -> str:
    """The whole page as Markdown, ending in a line break."""
    return "\n".join([_OPENING, *_statuses(), "", *_moves(), "", *_diagram(), "", *_matrix(), ""])


def _statuses() -> list[str]:
    rows = [
        f"| `{status}` | {_WORDS[status]} | {_mark(status in RECORDING)} | {_mark(status in AMENDING)} |"
        for status in get_args(Status)
    ]
    return ["## Statuses", "", "| status | meaning | steps are recorded | and amended |", "|---|---|---|---|", *rows]


def _moves() -> list[str]:
    rows = [
        f"| {', '.join(f'`{status}`' for status in before)} | `{entry_type}` | {f'`{after}`' if after else 'stays'} | {side} |"
        for before, entry_type, after, side in TABLE
    ]
    sides = [f"- {side}: {', '.join(sorted(roles))}" for side, roles in SIDES.items()]
    return [
        "## Moves", "",
        "`job.created` begins a job as `unassigned`. The roles on each side (`rule` is the server itself):", "", *sides, "",
        "| from | entry | to | by |", "|---|---|---|---|", *rows,
    ]  # fmt: skip


_DRAWN_FROM = 5
"""A move possible from more statuses than this is told in words: its arrows would hide the others."""


def _diagram() -> list[str]:
    """Moves between two statuses; entries that lead the same way share an arrow, those that change nothing are left out."""
    arrows: dict[tuple[Status, Status], list[str]] = {}
    told: list[str] = []
    for before, entry_type, after, _ in TABLE:
        name = entry_type.removeprefix("job.")
        if after and len(before) > _DRAWN_FROM:
            told.append(f"- {name}, to `{after}`: from {', '.join(f'`{status}`' for status in before)}")
        for status in before:
            if after and after != status and len(before) <= _DRAWN_FROM:
                arrows.setdefault((status, after), []).append(name)
    lines = [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()]
    drawing = ["```mermaid", "stateDiagram-v2", "    [*] --> unassigned: created", *lines, "```"]
    return ["## Diagram", "", *drawing, "", "Not drawn, because they are possible nearly everywhere:", "", *told]


def _matrix() -> list[str]:
    rows = [f"| `{status}` | {_allowed(status, 'technician')} | {_allowed(status, 'dispatcher')} |" for status in get_args(Status)]
    return ["## Who may do what, where", "", "| status | technician | office |", "|---|---|---|", *rows]


def _allowed(status: Status, role: str) -> str:
    return ", ".join(name.removeprefix("job.") for name in moves_from(status, role)) or "-"


def _mark(value: bool) -> str:
    return "yes" if value else "no"
