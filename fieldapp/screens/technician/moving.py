"""Moving a job through its life from any screen that shows one: accept, travel, arrive, start, pause ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fieldapp.domain.job import JobState
from fieldapp.language import _, later

if TYPE_CHECKING:
    from fieldapp.screens.base import FieldScreen

MOVES = {
    "accept": "job.accepted",
    "decline": "job.declined",
    "travel": "job.travel_started",
    "arrive": "job.arrived",
    "start": "job.started",
    "pause": "job.paused",
    "resume": "job.resumed",
    "cannot_complete": "job.cannot_complete",
    "leave_site": "job.left",
}
"""Action to entry type."""
_VERBS = {"cannot_complete": "cannot-complete", "leave_site": "leave"}
_WITH_REASON = ("decline", "pause", "cannot_complete")
_TOLD = {
    "accept": later("Accepted. Saved."),
    "decline": later("Declined. Saved."),
    "travel": later("On the way. Saved."),
    "arrive": later("Arrived. Saved."),
    "start": later("Work started. Saved."),
    "pause": later("Paused. Saved."),
    "resume": later("Going on. Saved."),
    "cannot_complete": later("Marked as not completable. Saved."),
    "leave_site": later("Left the site. Saved."),
}


class MovesJobs:
    """Mixed into a screen that has `job()`: gives it the actions of MOVES."""

    def job(self) -> JobState | None:
        raise NotImplementedError

    def move(self, action: str) -> None:
        """Ask for a reason where one is needed, then record the move."""
        screen, job = cast("FieldScreen", self), self.job()
        if job is None:
            return
        verb = _VERBS.get(action, action)
        number, told = job.number, _(_TOLD[action])
        if action not in _WITH_REASON:
            screen.field.record(lambda services: services.work.move(number, verb), told=told)
            return
        from fieldapp.screens.asking import ReasonScreen

        def given(answer: tuple[str, str] | None) -> None:
            if answer is not None:
                reason, note = answer
                screen.field.record(lambda services: services.work.move(number, verb, reason=reason, note=note), told=told)

        screen.app.push_screen(ReasonScreen.for_move(screen.field, job, action), given)

    def action_accept(self) -> None:
        self.move("accept")

    def action_decline(self) -> None:
        self.move("decline")

    def action_travel(self) -> None:
        self.move("travel")

    def action_arrive(self) -> None:
        self.move("arrive")

    def action_start(self) -> None:
        self.move("start")

    def action_pause(self) -> None:
        self.move("pause")

    def action_resume(self) -> None:
        self.move("resume")

    def action_cannot_complete(self) -> None:
        self.move("cannot_complete")

    def action_leave_site(self) -> None:
        self.move("leave_site")
