"""A number with its unit; `1,3` and `1.3` are the same."""

from __future__ import annotations

from fieldapp.domain.safe import plain_text
from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput


class NumberInput(LineInput):
    """Decimal sign as the person is used to; the unit stands beside the field and may be typed as well."""

    def hint(self) -> str:
        return _("a whole number") if self.asked.place.step.integer else _("a number, such as 1.3 or 1,3")

    def unit(self) -> str:
        return plain_text(self.asked.place.step.unit or "")
