"""A figure of a benchmark and the table that is printed: ratios taken in one run, never a time as a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line: what was measured, ours and the reference in milliseconds (or bytes), the budget as the ratio at most allowed."""

    name: str
    ours: float
    reference: float
    budget: float | None = None
    unit: str = "ms"
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.reference if self.reference else float("inf")

    @property
    def holds(self) -> bool | None:
        return None if self.budget is None else self.ratio <= self.budget


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def table(figures: Sequence[Figure]) -> str:
    """The figures as text, one a line."""
    rows = [("what", "ours", "reference", "ratio", "budget", "")]
    for figure in figures:
        budget = "-" if figure.budget is None else f"{figure.budget:g}x"
        word = {None: "", True: "holds", False: "MISSED"}[figure.holds]
        rows.append(
            (
                figure.name,
                f"{figure.ours:,.2f} {figure.unit}",
                f"{figure.reference:,.2f} {figure.unit}",
                f"{figure.ratio:.2f}x",
                budget,
                f"{word} {figure.note}".strip(),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
