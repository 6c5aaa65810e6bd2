"""A code from a scanner, or typed from the label."""

from __future__ import annotations

from fieldapp.domain.safe import plain_text
from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput


class ScanInput(LineInput):
    """A scanner's burst replaces what stands in the field."""

    def hint(self) -> str:
        return _("scan the code, or type what the label says")

    def scanned(self, code: str) -> bool:
        self.fill(plain_text(code))
        return True
