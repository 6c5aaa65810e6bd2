"""Half-typed text that is waiting for its person, read by the light road. store/drafts.py keeps it."""

from __future__ import annotations

from fieldapp.store.queries.reader import Reader


def draft_of(reader: Reader, job: str, step: str, version: int) -> str | None:
    """What stood in a field of this job, under this version of its procedure (0 outside steps); None where nothing waits."""
    row = reader.row("SELECT text FROM drafts WHERE job = ? AND step = ? AND version = ?", (job, step, version))
    return None if row is None else str(row["text"])


def drafted_steps(reader: Reader, job: str, since: int = 0) -> tuple[str, ...]:
    """Names of the fields of a job in which something half-typed waits, the latest first.

    since: ms UTC; only what was typed then or later.
    """
    rows = reader.rows("SELECT step FROM drafts WHERE job = ? AND at >= ? ORDER BY at DESC, step", (job, since))
    return tuple(row["step"] for row in rows)
