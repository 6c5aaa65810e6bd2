"""What the office plans from any screen that shows a job: who does it, when, whether at all, and what else is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fieldapp.domain.job import JobState
from fieldapp.language import _
from fieldapp.screens.cause_words import cause_words
from fieldapp.screens.values import sentences
from fieldapp.widgets.safe_text import safe_text

if TYPE_CHECKING:
    from fieldapp.screens.base import FieldScreen
    from fieldapp.services.office import Assigned, Created


class PlansJobs:
    """Mixed into a screen that has `job()`: assign, reschedule, cancel_job and new_job."""

    def job(self) -> JobState | None:
        raise NotImplementedError

    def action_assign(self) -> None:
        from fieldapp.screens.office.assign import AssignScreen

        screen, job = cast("FieldScreen", self), self.job()
        if job is None:
            return
        number = job.number

        asked = AssignScreen(job)

        def chosen(person: str) -> None:
            screen.field.record(lambda services: services.office.assign(number, person), then=told, asked=asked)

        def told(done: Assigned) -> None:
            words = _("{number} is given to {name}. Saved.").format(number=done.number, name=done.person.name)
            if done.before:
                taken = _("{name} will see that it was taken away; what {name} has recorded and not sent still comes in.")
                words = sentences(words, taken.format(name=done.before))
            _say(screen, words, done.warnings)

        screen.field.ask(asked, chosen)

    def action_reschedule(self) -> None:
        from fieldapp.screens.office.reschedule import RescheduleScreen

        screen, job = cast("FieldScreen", self), self.job()
        if job is None:
            return
        number = job.number

        asked = RescheduleScreen(job)

        def chosen(answer: tuple[str, str]) -> None:
            when, reason = answer
            told = _("{number} has another time window. Saved.").format(number=number)
            screen.field.record(lambda services: services.office.reschedule(number, when, reason=reason), told=told, asked=asked)

        screen.field.ask(asked, chosen, f"{number} reschedule")

    def action_cancel_job(self) -> None:
        from fieldapp.screens.office.device_words import device_words
        from fieldapp.screens.reasons import ReasonScreen

        screen, job = cast("FieldScreen", self), self.job()
        if job is None:
            return
        number = job.number

        asked = ReasonScreen.for_move(screen.field, job, "cancel", device_words(screen.field, job))

        def given(answer: tuple[str, str]) -> None:
            reason = ": ".join(part for part in answer if part)
            told = _("{number} is cancelled. Saved.").format(number=number)
            screen.field.record(lambda services: services.office.cancel(number, reason), told=told, asked=asked)

        screen.field.ask(asked, given, f"{number} cancel")

    def action_new_job(self) -> None:
        from fieldapp.screens.office.new_job import NewJob, NewJobScreen

        screen, asked = cast("FieldScreen", self), NewJobScreen()

        def filled(wanted: NewJob) -> None:
            screen.field.record(lambda services: services.office.create(wanted.wish, person=wanted.person), then=told, asked=asked)

        def told(made: Created) -> None:
            words = _("{number} is created. Saved.").format(number=made.number)
            if made.person:
                words = _("{number} is created and given to {name}. Saved.").format(number=made.number, name=made.person)
            _say(screen, words, made.warnings)

        screen.field.ask(asked, filled, "new job")


def _say(screen: FieldScreen, words: str, warnings: tuple[str, ...]) -> None:
    text = safe_text(sentences(words, *(cause_words(warning) for warning in warnings))).plain
    screen.notify(text, severity="warning" if warnings else "information", timeout=8 if warnings else 4, markup=False)
