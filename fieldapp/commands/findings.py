"""What a check of a whole database found, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldapp.commands.calling import FAILED, OK
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fieldapp.store.verify import Finding

SHOWN = 20
"""Findings that a person is shown; scripts get all."""


def show_findings(out: Output, found: Sequence[Finding], *, as_json: bool, what: str) -> int:
    """Print findings, the first bad place first. Returns the exit code: 1 where there are any."""
    if as_json:
        shapes = [{"kind": item.kind, "where": item.where, "entry": item.entry, "message": item.message} for item in found]
        out.json({"ok": not found, "findings": shapes})
    elif not found:
        out.line(f"All is whole: every hash, chain, view and file of {what} agrees with what was recorded.")
    else:
        out.line(f"{len(found)} places of {what} do not agree with what was recorded. The first:")
        for item in found[:SHOWN]:
            named = f", entry {item.entry}" if item.entry and item.entry != item.where else ""
            out.line(f"  {item.kind} {item.where}{named}: {item.message.rstrip('.')}.")
        if len(found) > SHOWN:
            out.line(f"  ... and {len(found) - SHOWN} more (--json lists all)")
    return FAILED if found else OK
