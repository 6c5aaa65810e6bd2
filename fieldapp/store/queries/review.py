"""The queue of finished jobs that wait for a review, the riskiest first."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fieldapp.domain.job import JobState
from fieldapp.domain.review import Finding, findings, finished_at, weight
from fieldapp.domain.words import Words
from fieldapp.store.queries.reader import Reader

_CHUNK = 200
_AT_ONCE = 100
"""So many jobs are worked out in ten milliseconds."""
_WAITING = """
SELECT j.stream, length(j.view) AS size, coalesce(s.pos, 0) AS pos FROM jobs j LEFT JOIN stream_states s ON s.stream = j.stream
WHERE j.status IN ('completed', 'cannot_complete')
"""
_decoder = msgspec.json.Decoder(JobState)


class ReviewLine(msgspec.Struct, frozen=True):
    """A finished job: why to look at it, and how urgently. `finished` in milliseconds UTC; `changed` names this state of it."""

    stream: str
    number: str
    status: str
    title: Words
    customer: str
    assignee: str
    finished: int | None
    found: tuple[Finding, ...]
    weight: int
    changed: tuple[int, int]


class ReviewQueue:
    """Reads the queue again at the cost of what changed: a job's findings are worked out once for each state of it."""

    def __init__(self) -> None:
        self._known: dict[str, ReviewLine] = {}

    def read(self, reader: Reader, now_ms: int) -> tuple[ReviewLine, ...]:
        """The jobs that wait, the weightiest findings first, the longest waiting first among equals."""
        return self._worked_out(reader, now_ms, *self._looked(reader))

    def at_once(self, reader: Reader, now_ms: int) -> tuple[ReviewLine, ...] | None:
        """The same where next to nothing of it is new; None where it would keep somebody waiting for it."""
        wanted, known = self._looked(reader)
        return None if len(wanted) - len(known) > _AT_ONCE else self._worked_out(reader, now_ms, wanted, known)

    def _looked(self, reader: Reader) -> tuple[dict[str, tuple[int, int]], dict[str, ReviewLine]]:
        """The state of each job that waits, and what is worked out for it already."""
        wanted = {row["stream"]: (row["pos"], row["size"]) for row in reader.rows(_WAITING)}
        return wanted, {name: line for name, line in self._known.items() if wanted.get(name) == line.changed}

    def _worked_out(
        self, reader: Reader, now_ms: int, wanted: dict[str, tuple[int, int]], known: dict[str, ReviewLine]
    ) -> tuple[ReviewLine, ...]:
        missing = [name for name in wanted if name not in known]
        for stream, view in _views(reader, missing):
            found = findings(view, now_ms)
            known[stream] = ReviewLine(
                stream, view.number, view.status, view.title, view.customer, view.assignee, finished_at(view), found,
                weight(found), wanted[stream],
            )  # fmt: skip
        self._known = known
        return tuple(sorted(known.values(), key=lambda line: (-line.weight, line.finished or 0, line.number)))


def _views(reader: Reader, streams: list[str]) -> Iterator[tuple[str, JobState]]:
    for start in range(0, len(streams), _CHUNK):
        names = streams[start : start + _CHUNK]
        for row in reader.rows(f"SELECT stream, view FROM jobs WHERE stream IN ({', '.join('?' for _ in names)})", names):
            yield row["stream"], _decoder.decode(row["view"])
