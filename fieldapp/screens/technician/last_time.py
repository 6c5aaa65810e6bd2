"""What was found last time at the same asset: from its readings, else from earlier jobs on this device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fieldapp.domain.asset import AssetState
from fieldapp.domain.job import JobState, VerdictName
from fieldapp.domain.progress import StepPlace
from fieldapp.store.queries.history import earlier_jobs
from fieldapp.store.queries.reader import Reader
from fieldapp.store.queries.states import asset_state


@dataclass(frozen=True)
class Before:
    """A value found earlier. at: milliseconds UTC; verdict: None for a reading, which nobody judged."""

    value: str
    unit: str
    at: int
    verdict: VerdictName | None = None
    reason: str = ""


@dataclass(frozen=True)
class Visit:
    """The last visit in one line: when, and the step keys of what was not simply good."""

    job: JobState
    at: int
    failed: tuple[str, ...]
    borderline: tuple[str, ...]


class LastTime:
    """Reads when first asked; one for each job that is looked at."""

    def __init__(self, reader: Reader, job: JobState) -> None:
        self._reader, self._job = reader, job

    @property
    def stream(self) -> str:
        return f"job:{self._job.id}"

    @cached_property
    def earlier(self) -> tuple[JobState, ...]:
        """Jobs done before on the same equipment, the latest first."""
        return earlier_jobs(self._reader, self._job)

    @cached_property
    def asset(self) -> AssetState | None:
        """The job's first asset, with everything that happened there."""
        return asset_state(self._reader, self._job.assets[0]) if self._job.assets else None

    def of(self, place: StepPlace) -> Before | None:
        """What was found at this step last time."""
        found = [before for before in (self._reading(place), self._result(place)) if before is not None]
        return max(found, key=lambda before: (before.at, before.verdict is not None)) if found else None

    def visit(self) -> Visit | None:
        """The last visit of which this device has the results."""
        for job in self.earlier:
            judged = [(key, state.result) for key, state in job.steps.items() if state.result is not None]
            at = max((result.by.at for _key, result in judged), default=0)
            if judged:
                return Visit(
                    job, at,
                    tuple(key for key, result in judged if result.verdict == "fail"),
                    tuple(key for key, result in judged if result.verdict == "borderline"),
                )  # fmt: skip
        return None

    def _reading(self, place: StepPlace) -> Before | None:
        quantity = place.step.quantity
        if not quantity or self.asset is None:
            return None
        own = {reading.by.entry for reading in self._job.readings}
        readings = [item for item in self.asset.readings if item.quantity == quantity and item.by.entry not in own]
        last = max(readings, key=lambda item: item.by.at, default=None)
        return Before(last.value, last.unit, last.by.at) if last else None

    def _result(self, place: StepPlace) -> Before | None:
        for job in self.earlier:
            state = job.steps.get(place.key)
            if state is not None and state.result is not None:
                result = state.result
                return Before(result.value or "", result.unit, result.by.at, result.verdict, result.reason)
        return None
