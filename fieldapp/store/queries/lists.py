"""Lists of jobs for screens: the order of all of them once (names only), and what each row shows for those in view.

Sorting 10,000 names takes some milliseconds; a view is decoded only for a row that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Row
from typing import Literal, cast, get_args

import msgspec

from fieldapp.domain.documents import ServiceKind
from fieldapp.domain.entry_types import reference
from fieldapp.domain.job import JobState, Status
from fieldapp.domain.words import Words
from fieldapp.store.queries.jobs import HELPS
from fieldapp.store.queries.reader import Reader

SectionName = Literal["overdue", "now", "today", "later", "done"]
SECTIONS: tuple[SectionName, ...] = ("overdue", "now", "today", "later", "done")

_UNDER_WAY = "('travelling', 'on_site', 'in_progress', 'paused', 'sent_back')"
_DONE = "('completed', 'cannot_complete')"
_CLOSED = "('approved', 'cancelled', 'declined')"
_ENDED = "('approved', 'cancelled')"
"""What the office has nothing to do with any more; a declined job waits for another technician."""


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

    A person's are those given to them, those they help with, and those they found that nobody was given yet.
    A source of a WindowList: headings and cards. Reads the order when made, cards when they come into view.
    """

    def __init__(self, reader: Reader, person: str, *, now: int, day_end: int) -> None:
        self._reader = reader
        # Others' jobs as two ranges of the index: "<>" would read every row, with the whole views of the person's own jobs.
        rows = reader.rows(
            f"""
            SELECT stream, CASE
                WHEN status IN {_DONE} THEN 4
                WHEN due IS NOT NULL AND due < :now THEN 0
                WHEN status IN {_UNDER_WAY} THEN 1
                WHEN window_start IS NOT NULL AND window_start <= :now + 3600000 THEN 1
                WHEN coalesce(window_start, due, 0) < :day_end THEN 2
                ELSE 3 END AS section
            FROM jobs WHERE status NOT IN {_CLOSED} AND (assignee = :person OR stream IN (
                SELECT s.stream FROM scope s JOIN jobs j ON j.stream = s.stream
                WHERE (j.assignee < :person OR j.assignee > :person)
                AND (j.assignee = '' OR {HELPS.format(job="j", person=":person")})))
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
            if streams:
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


Grouping = Literal["", "status", "assignee"]
"""How the board lays its jobs together: '' by promise alone."""


class GroupHeading(msgspec.Struct, frozen=True):
    """A heading of the board: the status, or the id of the technician ('' for nobody), that the next `count` jobs share."""

    by: Grouping
    value: str
    count: int


JobsInOrder = Sequence[Row]
"""The board's jobs as they were read: they can be laid together in another way without reading them again."""


class BoardList:
    """Jobs of the branch, the most urgent promise first, what waits for a review after them. A source of a WindowList.

    Args:
        statuses, assignee: only these (() for all that are not closed, None for all; '' is nobody).
        due_before: only those with an undecided promise due before this instant. group: with headings.
        ordered: the same jobs as they were read for another grouping; else they are read now.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        statuses: tuple[str, ...] = (),
        assignee: str | None = None,
        due_before: int | None = None,
        group: Grouping = "",
        ordered: JobsInOrder | None = None,
    ) -> None:
        self._reader = reader
        rows = self.ordered = ordered if ordered is not None else self._read(statuses, assignee, due_before)
        self.jobs = len(rows)
        self._rows: list[GroupHeading | str] = []
        if not group:
            self._rows += [row["stream"] for row in rows]
            return
        groups: dict[str, list[str]] = {}
        for row in rows:
            groups.setdefault(row[group], []).append(row["stream"])
        for value in sorted(groups, key=(lambda name: _ORDER.index(name)) if group == "status" else None):
            self._rows += [GroupHeading(group, value, len(groups[value])), *groups[value]]

    def _read(self, statuses: tuple[str, ...], assignee: str | None, due_before: int | None) -> JobsInOrder:
        where, values = ["1"], list[str | int]()
        if statuses:
            where.append(f"status IN ({', '.join('?' for _ in statuses)})")
            values += statuses
        else:
            where.append(f"status NOT IN {_ENDED}")
        if assignee is not None:
            where.append("assignee = ?")
            values.append(assignee)
        if due_before is not None:
            where.append(f"due < ? AND status NOT IN {_DONE} AND status NOT IN {_ENDED}")
            values.append(due_before)
        return self._reader.rows(
            f"""SELECT stream, status, assignee FROM jobs WHERE {" AND ".join(where)}
            ORDER BY status IN {_ENDED}, status IN {_DONE}, due IS NULL, due, coalesce(window_start, 1 << 62), number""",
            values,
        )

    def count(self) -> int:
        return len(self._rows)

    def window(self, offset: int, limit: int) -> Sequence[GroupHeading | JobCard]:
        rows = self._rows[offset : offset + limit]
        cards = cards_of(self._reader, [row for row in rows if isinstance(row, str)])
        return [
            row if isinstance(row, GroupHeading) else cards[row] for row in rows if isinstance(row, GroupHeading) or row in cards
        ]

    def key(self, row: object) -> str:
        return row.stream if isinstance(row, JobCard) else ""


_ORDER: tuple[str, ...] = get_args(Status)


def status_counts(reader: Reader) -> dict[str, int]:
    """Jobs on this device by status."""
    return {row["status"]: row["n"] for row in reader.rows("SELECT status, count(*) AS n FROM jobs GROUP BY status")}


def open_counts(reader: Reader) -> dict[str, int]:
    """Jobs that a technician still has to do, by technician; '' counts those that nobody has."""
    rows = reader.rows(
        f"""SELECT CASE WHEN status = 'declined' THEN '' ELSE assignee END AS person, count(*) AS n FROM jobs
        WHERE status NOT IN {_ENDED} AND status NOT IN {_DONE} GROUP BY 1"""
    )
    return {row["person"]: row["n"] for row in rows}


def due_count(reader: Reader, before: int) -> int:
    """Jobs to be done that have an undecided promise due before this instant (milliseconds UTC)."""
    rows = reader.rows(
        f"SELECT count(*) AS n FROM jobs WHERE due < ? AND status NOT IN {_DONE} AND status NOT IN {_ENDED}", (before,)
    )
    return int(rows[0]["n"])


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
