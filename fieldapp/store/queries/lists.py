"""Lists of jobs for screens: the order of all of them once (names only), and what each row shows for those in view.

Sorting 10,000 names takes some milliseconds; a view is decoded only for a row that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from fieldapp.domain.documents import ServiceKind
from fieldapp.domain.entry_types import reference
from fieldapp.domain.job import JobState, Status
from fieldapp.domain.words import Words
from fieldapp.store.queries.reader import Reader

SectionName = Literal["overdue", "now", "today", "later", "done"]
SECTIONS: tuple[SectionName, ...] = ("overdue", "now", "today", "later", "done")

_UNDER_WAY = "('travelling', 'on_site', 'in_progress', 'paused', 'sent_back')"
_DONE = "('completed', 'cannot_complete')"
_CLOSED = "('approved', 'cancelled', 'declined')"


class Heading(msgspec.Struct, frozen=True):
    """A heading between rows of a list."""

    section: SectionName
    count: int


class JobCard(msgspec.Struct, frozen=True):
    """What one row of a list of jobs shows. Instants in milliseconds UTC; `due` is the next undecided promise's."""

    stream: str
    number: str
    status: Status
    title: Words
    customer: Words
    site: str
    assignee: str
    kind: ServiceKind
    window_start: int | None
    window_end: int | None
    due: int | None
    due_name: str
    unsent: int
    unresolved: int
    steps_done: int


class DayList:
    """The jobs of one person by what is urgent: overdue promises, what is under way or due within its window, today, later, done.

    A source of a WindowList: headings and cards. Reads the order when made, cards when they come into view.
    """

    def __init__(self, reader: Reader, person: str, *, now: int, day_end: int, done: bool = True) -> None:
        self._reader = reader
        rows = reader.rows(
            f"""
            SELECT stream, CASE
                WHEN status IN {_DONE} THEN 4
                WHEN due IS NOT NULL AND due < :now THEN 0
                WHEN status IN {_UNDER_WAY} THEN 1
                WHEN window_start IS NOT NULL AND window_start <= :now + 3600000 THEN 1
                WHEN coalesce(window_start, due, 0) < :day_end THEN 2
                ELSE 3 END AS section
            FROM jobs WHERE assignee = :person AND status NOT IN {_CLOSED}
            ORDER BY section, status NOT IN {_UNDER_WAY}, coalesce(due, window_start, 1 << 62), number
            """,
            {"now": now, "day_end": day_end, "person": person},
        )
        self._rows: list[Heading | str] = []
        by_section: dict[int, list[str]] = {}
        for row in rows:
            by_section.setdefault(row["section"], []).append(row["stream"])
        for index, name in enumerate(SECTIONS):
            streams = by_section.get(index, [])
            if streams and (done or name != "done"):
                self._rows += [Heading(name, len(streams)), *streams]

    @property
    def jobs(self) -> int:
        return sum(1 for row in self._rows if isinstance(row, str))

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[Heading | JobCard]:
        return _with_cards(self._reader, self._rows[offset : offset + limit])

    def key(self, row: object) -> str:
        return row.stream if isinstance(row, JobCard) else ""


class BoardList:
    """Jobs of the branch, those at risk first.

    Args:
        statuses, assignee, customer: only these ('' or () for all). closed: closed jobs as well, after the others.
    """

    def __init__(
        self, reader: Reader, *, statuses: tuple[str, ...] = (), assignee: str | None = None, closed: bool = False, words: str = ""
    ) -> None:
        self._reader = reader
        where, values = ["1"], list[str]()
        if statuses:
            where.append(f"status IN ({', '.join('?' for _ in statuses)})")
            values += statuses
        elif not closed:
            where.append(f"status NOT IN {_CLOSED}")
        if assignee is not None:
            where.append("assignee = ?")
            values.append(assignee)
        if words:
            where.append("(number LIKE ? OR customer LIKE ? OR site LIKE ?)")
            values += [f"%{words}%"] * 3
        rows = reader.rows(
            f"""SELECT stream FROM jobs WHERE {" AND ".join(where)}
            ORDER BY status IN {_CLOSED}, status IN {_DONE}, due IS NULL, due, coalesce(window_start, 1 << 62), number""",
            values,
        )
        self._rows: list[Heading | str] = [row["stream"] for row in rows]

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[Heading | JobCard]:
        return _with_cards(self._reader, self._rows[offset : offset + limit])

    def key(self, row: object) -> str:
        return row.stream if isinstance(row, JobCard) else ""


def status_counts(reader: Reader) -> dict[str, int]:
    """Jobs on this device by status."""
    return {row["status"]: row["n"] for row in reader.rows("SELECT status, count(*) AS n FROM jobs GROUP BY status")}


def _with_cards(reader: Reader, rows: Sequence[Heading | str]) -> Sequence[Heading | JobCard]:
    streams = [row for row in rows if isinstance(row, str)]
    cards = cards_of(reader, streams)
    return [row if isinstance(row, Heading) else cards[row] for row in rows if isinstance(row, Heading) or row in cards]


def cards_of(reader: Reader, streams: Sequence[str]) -> dict[str, JobCard]:
    """Cards of these jobs; unknown ones are absent."""
    if not streams:
        return {}
    marks = ", ".join("?" for _ in streams)
    found = reader.rows(
        f"""SELECT j.stream, number, status, customer, site, assignee, kind, window_start, window_end, due, due_name, unresolved,
            steps_done, view, d.body AS who,
            (SELECT count(*) FROM own_entries o WHERE o.stream = j.stream AND o.lane = 'unsent') AS unsent
        FROM jobs j LEFT JOIN documents d ON d.stream = 'customer:' || j.customer AND d.type = 'customer.recorded' AND d.key = ''
        WHERE j.stream IN ({marks})""",
        list(streams),
    )
    cards = {}
    for row in found:
        title = _titles.decode(row["view"]).title
        name = _names.decode(row["who"]).customer.name if row["who"] else {"en": row["customer"]}
        cards[row["stream"]] = JobCard(
            row["stream"], row["number"], cast(Status, row["status"]), title, name, row["site"], row["assignee"],
            cast(ServiceKind, row["kind"]), row["window_start"], row["window_end"], row["due"], row["due_name"], row["unsent"],
            row["unresolved"], row["steps_done"],
        )  # fmt: skip
    return cards


class _Title(msgspec.Struct):
    """Only the title of a view: decoding skips the rest."""

    title: Words = {}


_titles = msgspec.json.Decoder(_Title)
_names = msgspec.json.Decoder(reference.CustomerRecorded)


def view_of_job(reader: Reader, stream: str) -> JobState | None:
    """The whole view of one job, own unsettled work on top."""
    row = reader.row("SELECT view FROM jobs WHERE stream = ?", (stream,))
    return msgspec.json.decode(row["view"], type=JobState) if row else None
