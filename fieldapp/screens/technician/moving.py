"""Moving a job through its life from any screen that shows one: accept, travel, arrive, start, pause ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fieldapp.domain.job import JobState, Status
from fieldapp.domain.lifecycle import allowed
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
NOTHING_TO_RATE: tuple[Status, ...] = (
    "unassigned", "assigned", "declined", "cancelled", "accepted", "travelling", "on_site",
)  # fmt: skip
"""In these statuses no work was begun: there is nothing that a customer could be shown, so a handover is not offered."""
_SAID_BY_ANOTHER: tuple[tuple[str, Status], ...] = (("start", "sent_back"),)
"""The table of a job's life allows both to start and to resume what was sent back; a person is offered one key: it goes on."""
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


def offered(status: Status, action: str, role: str) -> bool:
    """Whether a job of this status can be moved so, and no other key says the same."""
    return allowed(status, MOVES[action], role) is not None and (action, status) not in _SAID_BY_ANOTHER


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
        number, told = job.number, f"{job.number}{_(': ')}{_(_TOLD[action])}"
        if action not in _WITH_REASON:
            screen.field.record(lambda services: services.work.move(number, verb), told=told)
            return
        from fieldapp.screens.reasons import ReasonScreen

        asked = ReasonScreen.for_move(screen.field, job, action)

        def given(answer: tuple[str, str]) -> None:
            reason, note = answer
            screen.field.record(lambda services: services.work.move(number, verb, reason=reason, note=note), told=told, asked=asked)

        screen.field.ask(asked, given, f"{number} {verb}")

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
