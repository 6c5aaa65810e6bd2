"""Another time window for a job, typed as people write it, in the branch's time zone."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fieldapp.domain.instant import parse_window, window_text, zone_of
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.language import _
from fieldapp.screens.actions import bindings
from fieldapp.screens.base import FieldModal
from fieldapp.screens.office.device_words import told_of_device
from fieldapp.widgets.paragraphs import Paragraphs
from fieldapp.widgets.safe_text import safe_text


def window_words(typed: str, zone: str) -> Content:
    """What a typed time window means, or that it means nothing yet."""
    try:
        start, end = parse_window(typed, zone_of(zone))
    except Problem:
        return Content.styled(_("Write it like 2026-11-22 09:00/12:00"), "$text-warning")
    minutes = (end - start) // 60_000
    words = _("{window}, {hours} h, time of {zone}").format(
        window=window_text(start, end, zone_of(zone)), hours=f"{minutes // 60}:{minutes % 60:02d}", zone=zone
    )
    return Content.styled(f"✓ {words}", "$text-success")


class RescheduleScreen(FieldModal[tuple[str, str]]):
    """Gives back the window as typed, and the reason ('' for none)."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]
    CSS_PATH = "reschedule.tcss"

    def __init__(self, job: JobState) -> None:
        super().__init__()
        self._job = job

    @property
    def _zone(self) -> str:
        return self.field.session.documents.zone(self.field.session.identity.log)

    def compose(self) -> ComposeResult:
        job = self._job
        now = window_text(job.window_start, job.window_end, zone_of(self._zone))
        with Vertical(classes="window") as window:
            window.border_title = safe_text(_("Another time for {number}").format(number=job.number))
            window.border_subtitle = _("Enter goes on and saves, Esc closes")
            yield Static(_("From - to ({zone})").format(zone=self._zone), markup=False)
            yield Input(now, id="when", max_length=80)
            yield Static(window_words(now, self._zone) if now else Content(_("No time is agreed yet.")), id="means", markup=False)
            yield Static(_("Reason (may be left out)"), markup=False)
            yield Input(id="reason", max_length=1000)
            yield Paragraphs(lambda width: told_of_device(self.field, job, width), classes="muted")

    def on_mount(self) -> None:
        self.query_one("#when", Input).focus()

    @on(Input.Changed, "#when")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#means", Static).update(window_words(event.value, self._zone))

    @on(Input.Submitted, "#when")
    def _window_given(self) -> None:
        if self._valid():
            self.query_one("#reason", Input).focus()

    @on(Input.Submitted, "#reason")
    def _reason_given(self, event: Input.Submitted) -> None:
        if self._valid():
            self.answer((self.query_one("#when", Input).value, event.value.strip()))
        else:
            self.query_one("#when", Input).focus()

    def _valid(self) -> bool:
        try:
            parse_window(self.query_one("#when", Input).value, zone_of(self._zone))
        except Problem as problem:
            self.field.tell(problem)
            return False
        return True
