"""A date, a time of day, or both."""

from __future__ import annotations

from textual import events

from fieldapp.language import _
from fieldapp.screens.technician.inputs.base import LineInput
from fieldapp.screens.values import moment_words


class MomentInput(LineInput):
    """Space in an empty field means now."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.first = moment_words(self.first)

    def hint(self) -> str:
        return {
            "date": _("20.11.26 or 2026-11-20; space for today"),
            "time": _("9:30 or 930; space for now"),
        }.get(self.asked.place.step.type, _("20.11. 9:30 or 2026-11-20 09:30; space for now"))

    def meant(self, event: events.Key) -> bool:
        if event.key != "space" or self.text.strip():
            return False
        self.fill(self._now())
        return True

    def _now(self) -> str:
        day, clock = self.asked.now.split("T")
        return {"date": day, "time": clock}.get(self.asked.place.step.type, f"{day} {clock}")
