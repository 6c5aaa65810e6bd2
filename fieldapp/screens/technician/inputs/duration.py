"""A stretch of time, in minutes or hours and minutes."""

from __future__ import annotations

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput


class DurationInput(LineInput):
    """`90`, `90 min`, `1:30` and `1h30` are the same."""

    def hint(self) -> str:
        return _("minutes (90), or hours (1:30, 1h30)")
