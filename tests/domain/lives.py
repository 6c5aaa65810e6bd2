"""Writes the log of a job as devices and the office would: real entries with real bytes, times that only the test decides."""

from __future__ import annotations

from fieldapp.domain.entry import Envelope, Moment, encode, read_entry, write_entry
from fieldapp.domain.entry_types.base import Body, Fact
from fieldapp.domain.fold import State, empty_state, fold
from fieldapp.domain.job import JobState, OutcomeName

MINUTE_MS = 60_000
START_MS = 1_795_420_800_000
"""Monday 2026-11-23 08:00 UTC."""


def uuid(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-{number:012x}"


class Life:
    """One job's log, entry after entry. `at` is the time on every clock, in milliseconds UTC; `add` moves it on first."""

    def __init__(self, job: str = "j-1", *, log: str = "north", start_ms: int = START_MS) -> None:
        self.stream = f"job:{job}"
        self.log = log
        self.at = start_ms
        self.facts: list[Fact] = []

    def add(
        self,
        body: Body,
        *,
        after: int = 0,
        by: str = "p-lin",
        role: str = "technician",
        outcome: OutcomeName = "applied",
        reason: str = "",
        also: tuple[str, ...] = (),
        stream: str = "",
        skew: int | None = 0,
    ) -> Fact:
        """Record a body `after` minutes later, on a device whose clock is off by `skew` (the corrected time stays the same)."""
        return self.write(
            type(body).NAME, encode(body), after=after, by=by, role=role, outcome=outcome, reason=reason, also=also,
            stream=stream, skew=skew,
        )  # fmt: skip

    def write(
        self,
        name: str,
        body: bytes,
        *,
        after: int = 0,
        by: str = "p-lin",
        role: str = "technician",
        outcome: OutcomeName = "applied",
        reason: str = "",
        also: tuple[str, ...] = (),
        stream: str = "",
        skew: int | None = 0,
    ) -> Fact:
        """The same for bytes that no body class of ours wrote."""
        self.at += after * MINUTE_MS
        number = len(self.facts) + 1
        envelope = Envelope(
            id=uuid(number), log=self.log, stream=stream or self.stream, type=name, author=by, device=f"d-{by}",
            group=uuid(number), at=Moment(self.at - (skew or 0), 60, "boot", number, skew), body="",
            base=uuid(number - 1) if number > 1 else None, also=also,
        )  # fmt: skip
        written = write_entry(envelope, body)
        fact = Fact(read_entry(written.raw, written.body_raw), outcome, reason, role)
        self.facts.append(fact)
        return fact

    def office(self, body: Body, *, after: int = 0, by: str = "p-mei", outcome: OutcomeName = "applied", reason: str = "") -> Fact:
        return self.add(body, after=after, by=by, role="dispatcher", outcome=outcome, reason=reason)

    def state(self, stream: str = "") -> State:
        stream = stream or self.stream
        state = empty_state(stream)
        for fact in self.facts:
            if stream in fact.entry.envelope.streams:
                state = fold(state, fact)
        return state

    @property
    def job(self) -> JobState:
        state = self.state()
        assert isinstance(state, JobState)
        return state
