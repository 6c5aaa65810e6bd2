"""The steps of one job as they stand now, read at once from this device: what the step runner, the job and its check look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldapp.domain.expression import Answers, filter_choices, prefill
from fieldapp.domain.job import JobState
from fieldapp.domain.lifecycle import AMENDING, RECORDING
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Procedure
from fieldapp.domain.progress import Progress, StepPlace, by_person, progress_of, walk
from fieldapp.screens.technician.turns import following
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.reader import Reader

if TYPE_CHECKING:
    from fieldapp.screens.session import Session


class JobSteps:
    """A snapshot; `read` takes a new one.

    Raises:
        Problem: `job-unknown` where the job is no longer on this device.
    """

    def __init__(self, session: Session, stream: str, now_ms: int) -> None:
        reader: Reader = session.reader
        job = view_of_job(reader, stream)
        if job is None:
            raise Problem("job-unknown", "This job is no longer on this device.", "What you recorded on it is safe.")
        self.job: JobState = job
        self.now_ms, self.zone = now_ms, session.documents.zone(session.identity.log)
        self.procedures: dict[str, Procedure] = session.documents.pinned(job.procedures)
        self.places: tuple[StepPlace, ...] = ()
        self._answers: dict[str, Answers] = {}
        for pin in job.procedures:
            procedure = self.procedures.get(pin.code)
            if procedure is not None:
                answers, places = walk(job, procedure, now_ms=now_ms, zone=self.zone)
                self._answers[procedure.code] = answers
                self.places += places

    # --- Places -----------------------------------------------------------------------------------------------------------------

    @property
    def visible(self) -> tuple[StepPlace, ...]:
        """The steps that apply now."""
        return tuple(place for place in self.places if place.relevant)

    @property
    def progress(self) -> Progress:
        return progress_of(self.places)

    @property
    def stopped_by(self) -> tuple[StepPlace, ...]:
        """Steps whose failure stops the work until they pass."""
        return tuple(place for place in self.visible if _stops(place))

    @property
    def required_open(self) -> int:
        return self.progress.required_open

    def place(self, key: str) -> StepPlace | None:
        """The step, if it applies now."""
        return next((place for place in self.places if place.key == key and place.relevant), None)

    def number(self, key: str) -> int:
        """Which of the steps that a person does it is, from 1; 0 for a text or a calculation."""
        counted = [place.key for place in self.places if place.counts]
        return counted.index(key) + 1 if key in counted else 0

    def first_open(self, *, needed: bool = False) -> StepPlace | None:
        """What was sent back, else the first step that is open. needed: only of those that completion waits for."""
        open_ones = [place for place in self.places if place.counts and not place.done]
        back = [place for place in open_ones if place.state is not None and place.state.sent_back is not None]
        return next(iter((*back, *(place for place in open_ones if place.required or not needed))), None)

    def left_off(self) -> StepPlace | None:
        """Where the person goes on: at what was sent back, else at the next open step after the one recorded last."""
        if not self.sent_back_at:
            recorded = [
                (place.state.result.by.at, number)
                for number, place in enumerate(self.places)
                if place.counts and place.state is not None and place.state.result is not None
            ]
            if recorded:
                return self.after(self.places[max(recorded)[1]].key) or self.first_open()
        return self.first_open()

    @property
    def sent_back_at(self) -> int:
        """Since when (ms UTC) the office has been waiting for a step to be done again; 0 where it is not."""
        back = [place.state.sent_back for place in self.places if place.counts and not place.done and place.state is not None]
        return max((item.by.at for item in back if item is not None), default=0)

    def after(self, key: str, *, past: bool = False) -> StepPlace | None:
        """Where Enter goes on: see `following`; then back to what must still be done; None where nothing must."""
        return following(self.places, key, past=past) or self.first_open(needed=True)

    def neighbour(self, key: str, step: int) -> StepPlace | None:
        """The step before (-1) or after (1), whatever is recorded there."""
        visible = self.visible
        keys = [place.key for place in visible]
        target = keys.index(key) + step if key in keys else 0
        return visible[target] if 0 <= target < len(visible) else None

    # --- One step -----------------------------------------------------------------------------------------------------------------

    def answers(self, place: StepPlace) -> Answers:
        return self._answers[place.procedure.code]

    def offered(self, place: StepPlace) -> tuple[Choice, ...]:
        """Options that the other answers let through; all where the filter cannot be worked out."""
        if place.step.type not in ("choice", "multiple_choice"):
            return ()
        try:
            return filter_choices(self.answers(place), place.step, place.instance, now_ms=self.now_ms, zone=self.zone)
        except Problem:
            return place.procedure.choices_of(place.step)

    def default(self, place: StepPlace) -> str:
        """What stands in the field before anything was recorded."""
        try:
            return prefill(self.answers(place), place.step, place.instance, now_ms=self.now_ms, zone=self.zone)
        except Problem:
            return ""

    def recordable(self, place: StepPlace) -> bool:
        """Whether something can be recorded at the step now."""
        standing = place.state is not None and place.state.result is not None
        return by_person(place.step) and self.job.status in (AMENDING if standing else RECORDING)

    def worked_ms(self) -> int:
        """Milliseconds of work in progress so far, by the clocks of who recorded it."""
        total, since = 0, None
        for change in self.job.history:
            working = change.status == "in_progress"
            if working and since is None:
                since = change.by.at
            elif not working and since is not None:
                total, since = total + max(0, change.by.at - since), None
        return total + (max(0, self.now_ms - since) if since is not None else 0)


def _stops(place: StepPlace) -> bool:
    result = place.state.result if place.state is not None else None
    after = place.step.after_failure
    return result is not None and result.verdict == "fail" and after is not None and after.kind == "stop_work"
