"""A stretch of time, in minutes or hours and minutes."""

from __future__ import annotations

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput


class DurationInput(LineInput):
    """`90`, `1:30` and `1 h 30` are the same."""

    def hint(self) -> str:
        return _("minutes (90) or hours and minutes (1:30)")
