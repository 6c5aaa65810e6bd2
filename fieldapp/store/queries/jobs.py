"""Jobs as lists and screens show them: rows by index, and the views of only those jobs that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.reader import Reader

CLOSED = ("approved", "cancelled", "declined")
"""Nothing more is to be done on these; lists show them after the others."""
HELPS = (
    "(instr({job}.view, '\"helpers\":[') AND EXISTS (SELECT 1 FROM json_each(CAST({job}.view AS TEXT), '$.helpers') AS helper "
    "WHERE helper.value = {person}))"
)
"""Whether a person helps on a job; to be formatted with the table's and the person's name in the query."""
_LIST = "j.stream, j.log, j.number, j.status, j.assignee, j.customer, j.site, j.product, j.unresolved, j.steps_done"
_CHUNK = 400

_job_decoder = msgspec.json.Decoder(JobState)


class JobFilter(msgspec.Struct, frozen=True):
    """Which jobs to list. `person`: assigned to, or helped by; `customer`: id; `open_only` leaves out the closed ones; `limit` 0
    is no limit."""

    person: str = ""
    statuses: tuple[str, ...] = ()
    customer: str = ""
    open_only: bool = False
    limit: int = 0


class JobLine(msgspec.Struct, frozen=True):
    """One job of a list. `view` has own unsettled work on top; `unsent`: entries of it that are only on this device."""

    stream: str
    log: str
    number: str
    status: str
    view: JobState
    unsent: int


class JobList(msgspec.Struct, frozen=True):
    """The jobs shown, and how many there are in all."""

    lines: tuple[JobLine, ...]
    total: int


def list_jobs(reader: Reader, wanted: JobFilter = JobFilter()) -> JobList:  # noqa: B008 - a frozen value
    """Open jobs by time window (without one: last), then the closed ones, the latest window first."""
    where, values = _where(wanted)
    with reader.snapshot():
        total = int(reader.rows(f"SELECT count(*) AS n FROM jobs j{where}", values)[0]["n"])
        marks = ", ".join("?" for _ in CLOSED)
        order = (
            f" ORDER BY j.status IN ({marks}),"
            f" CASE WHEN j.status IN ({marks}) THEN -coalesce(j.window_start, 0) ELSE coalesce(j.window_start, 1 << 62) END,"
            " j.number"
        )
        limit = " LIMIT ?" if wanted.limit else ""
        last = (*values, *CLOSED, *CLOSED, *((wanted.limit,) if wanted.limit else ()))
        rows = reader.rows(f"SELECT {_LIST} FROM jobs j{where}{order}{limit}", last)
        streams = [row["stream"] for row in rows]
        views, unsent = _views(reader, streams), unsent_by_stream(reader)
    lines = tuple(
        JobLine(row["stream"], row["log"], row["number"], row["status"], views[row["stream"]], unsent.get(row["stream"], 0))
        for row in rows
        if row["stream"] in views
    )
    return JobList(lines, total)


def find_job(reader: Reader, number: str) -> JobLine:
    """The job of that number, whatever its case.

    Raises:
        Problem: `job-unknown`, naming the nearest; `job-ambiguous` where several have it.
    """
    wanted = number.strip()
    found = reader.rows("SELECT stream FROM jobs WHERE number = ?", (wanted,))
    if not found:
        found = reader.rows("SELECT stream FROM jobs WHERE number = ? COLLATE NOCASE ORDER BY number", (wanted,))
    if not found:
        left = reader.row("SELECT number FROM left_jobs WHERE number = ? COLLATE NOCASE", (wanted,))
        if left is not None:
            raise Problem(
                "job-unknown",
                f"The job {left['number']} is no longer on this device: it was given to somebody else, or was closed long ago.",
                "What you recorded on it: fieldapp outbox.",
            )
        raise Problem("job-unknown", f"There is no job {wanted[:40]!r} on this device.", _nearest_hint(reader, wanted))
    if len(found) > 1:
        raise Problem(
            "job-ambiguous",
            f"{len(found)} jobs have the number {wanted[:40]!r}.",
            "Name it by its stream: " + ", ".join(row["stream"] for row in found[:5]) + ".",
        )
    return job_of(reader, found[0]["stream"])


def job_of(reader: Reader, stream: str) -> JobLine:
    """One job by its stream.

    Raises:
        Problem: `job-unknown`.
    """
    row = reader.row(f"SELECT {_LIST}, j.view FROM jobs j WHERE j.stream = ?", (stream,))
    if row is None:
        raise Problem("job-unknown", f"There is no job {stream[:40]!r} on this device.", "")
    count = reader.rows("SELECT count(*) AS n FROM own_entries WHERE lane = 'unsent' AND stream = ?", (stream,))[0]["n"]
    return JobLine(row["stream"], row["log"], row["number"], row["status"], _job_decoder.decode(row["view"]), int(count))


def unsent_by_stream(reader: Reader) -> dict[str, int]:
    """Entries that are only on this device, by the stream they belong to."""
    rows = reader.rows("SELECT stream, count(*) AS n FROM own_entries WHERE lane = 'unsent' GROUP BY stream")
    return {row["stream"]: row["n"] for row in rows}


def numbers_beginning(reader: Reader, prefix: str) -> list[str]:
    """Job numbers that begin with a prefix: where the next own number comes from."""
    rows = reader.rows("SELECT number FROM jobs WHERE number >= ? AND number < ?", (prefix, prefix + "\uffff"))
    return [row["number"] for row in rows]


def known_streams(reader: Reader, kinds: Sequence[Literal["job", "customer", "asset"]]) -> set[str]:
    """Names of the streams of these kinds that this device has seen: what an import must not make twice."""
    found: set[str] = set()
    for kind in kinds:
        first, last = f"{kind}:", f"{kind};"
        for table in ("stream_states", "jobs", "own_entries"):
            rows = reader.rows(f"SELECT DISTINCT stream FROM {table} WHERE stream >= ? AND stream < ?", (first, last))
            found.update(row["stream"] for row in rows)
    return found


def visits_used(reader: Reader, customer: str) -> dict[str, int]:
    """Visits taken so far, by contract: completed and approved jobs of the customer that name one."""
    rows = reader.rows("SELECT view FROM jobs WHERE customer = ? AND status IN ('completed', 'approved')", (customer,))
    used: dict[str, int] = {}
    for row in rows:
        contract = _job_decoder.decode(row["view"]).contract
        if contract:
            used[contract] = used.get(contract, 0) + 1
    return used


def _where(wanted: JobFilter) -> tuple[str, tuple[str, ...]]:
    parts: list[str] = []
    values: list[str] = []
    if wanted.person:
        parts.append(f"(j.assignee = ? OR {HELPS.format(job='j', person='?')})")
        values += [wanted.person, wanted.person]
    if wanted.statuses:
        parts.append(f"j.status IN ({', '.join('?' for _ in wanted.statuses)})")
        values += wanted.statuses
    if wanted.customer:
        parts.append("j.customer = ?")
        values.append(wanted.customer)
    if wanted.open_only:
        parts.append(f"j.status NOT IN ({', '.join('?' for _ in CLOSED)})")
        values += CLOSED
    return (" WHERE " + " AND ".join(parts) if parts else ""), tuple(values)


def _views(reader: Reader, streams: Sequence[str]) -> dict[str, JobState]:
    found: dict[str, JobState] = {}
    for names in _parts(streams):
        rows = reader.rows(f"SELECT stream, view FROM jobs WHERE stream IN ({', '.join('?' for _ in names)})", names)
        found |= {row["stream"]: _job_decoder.decode(row["view"]) for row in rows}
    return found


def _parts(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))


def _nearest_hint(reader: Reader, wanted: str) -> str:
    import difflib

    numbers = [row["number"] for row in reader.rows("SELECT number FROM jobs ORDER BY changed_at DESC LIMIT 500")]
    close = difflib.get_close_matches(wanted.upper(), numbers, n=3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return "`fieldapp jobs` lists them; `fieldapp sync` fetches new ones."
