"""A name under a step."""

from __future__ import annotations

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput


class SignatureInput(LineInput):
    """Who signs types the name; the customer's own signature with a drawing belongs to the handover."""

    def hint(self) -> str:
        return _("name of the person who signs")
