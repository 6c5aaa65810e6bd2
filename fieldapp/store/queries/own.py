"""Own work by how far it has come: what the sync centre lists."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal

import msgspec

from fieldapp.domain.decision_words import Decided, read_decision
from fieldapp.domain.entry import read_entry
from fieldapp.store.queries.log import LogLine
from fieldapp.store.queries.reader import Reader

Section = Literal["refused", "sending", "unsent", "received", "settled"]
SECTIONS: tuple[Section, ...] = ("refused", "sending", "unsent", "received", "settled")
"""In the order shown: what needs a person first."""
Place = tuple[str, int]
"""Epoch and position."""
Sending = tuple[str, int, int]
"""Epoch, first and last position of the request in flight."""


class OwnLine(msgspec.Struct, frozen=True):
    """One own entry: where it stands, what it says, the number of its job ('' where it is none, or is not known here any more).
    here: the job is on this device. `saved`: milliseconds UTC. decision: what a person decided on it; then `line` has the reason
    for which it did not stand before."""

    place: Place
    section: Section
    line: LogLine
    stream: str
    number: str
    saved: int
    decision: Decided | None = None
    here: bool = True

    @property
    def job(self) -> str:
        """What the entry is about, for people: the job's number; of a job or another stream without one as much as is known."""
        return self.number or stream_words(self.stream)

    @property
    def short(self) -> str:
        """The same where there is room for a number only."""
        return self.number or _ending(self.stream.partition(":")[2])


GONE = "gone"
"""State of a file that was lost before the server had it, and that nobody waits for any more (services/lost_files.py)."""


class OwnFile(msgspec.Struct, frozen=True):
    """A file that is only here (`here`), to be fetched (`wanted`) or at both ends (`sent`). job: the stream of its entry; number:
    of that job, '' where it is not here."""

    sha256: str
    name: str
    media: str
    size: int
    state: str
    job: str = ""
    number: str = ""


class JobFiles(msgspec.Struct, frozen=True):
    """Own files of a job: how many the server has, how many there are, the names of those that are only here, and of those that
    were lost before the server had them."""

    stream: str
    number: str
    arrived: int
    total: int
    missing: tuple[str, ...]
    gone: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        missing = f"; only here: {', '.join(self.missing)}" if self.missing else ""
        gone = f"; lost before that: {', '.join(self.gone)}" if self.gone else ""
        return f"{self.arrived} of {self.total} {'file' if self.total == 1 else 'files'} arrived at the server{missing}{gone}"


_ENDING = 8
_TOLD = 50
"""Settled entries that are told about at most."""
_PLACES = """
SELECT epoch, seq, CASE
    WHEN lane = 'refused' AND outcome = '' THEN 'refused'
    WHEN outcome IN ('conflict', 'held', 'quarantined')
        AND NOT (reason LIKE 'dismissed by %' OR reason LIKE 'not taken by %' OR reason LIKE 'merged by %') THEN 'refused'
    WHEN lane = 'unsent' AND epoch = :epoch AND seq BETWEEN :first AND :last THEN 'sending'
    ELSE lane END AS section
FROM own_entries ORDER BY saved_at DESC, epoch, seq DESC
"""
_LINES = """
SELECT o.epoch, o.seq, o.lane, o.outcome, o.reason, o.received_at, o.saved_at, o.stream, e.raw, e.body,
    coalesce(j.number, g.number, '') AS number, j.stream IS NOT NULL AS here,
    (SELECT l.reason FROM log_rows l WHERE l.entry_id = o.entry_id AND l.kind = 'entry') AS first
FROM own_entries o JOIN entries e ON e.id = o.entry_id LEFT JOIN jobs j ON j.stream = o.stream
LEFT JOIN left_jobs g ON g.stream = o.stream
WHERE (o.epoch, o.seq) IN (VALUES {marks})
"""


def stream_words(stream: str) -> str:
    """A stream of which no number is known, as people tell one from another: the kind of thing, and how its id ends."""
    kind, _, name = stream.partition(":")
    return f"{kind} {_ending(name)}".strip()


def _ending(name: str) -> str:
    return f"…{name[-_ENDING:]}" if len(name) > 2 * _ENDING else name


def own_places(reader: Reader, sending: Sending | None = None) -> dict[Section, list[Place]]:
    """Positions of all own entries by section, the newest first. `sending`: the request in flight, from the sync loop."""
    epoch, first, last = sending or ("", 0, 0)
    found: dict[Section, list[Place]] = {section: [] for section in SECTIONS}
    for row in reader.rows(_PLACES, {"epoch": epoch, "first": first, "last": last}):
        if row["section"] in found:
            found[row["section"]].append((row["epoch"], row["seq"]))
    return found


def own_told(reader: Reader) -> list[Place]:
    """Positions of settled entries about which there is more to say than that they stand: decided on, or late. The newest first."""
    query = "SELECT epoch, seq FROM own_entries WHERE lane = 'settled' AND reason <> '' ORDER BY saved_at DESC, epoch, seq DESC"
    refused = set(own_places(reader)["refused"])
    places = [(row["epoch"], row["seq"]) for row in reader.rows(query)]
    return [place for place in places if place not in refused][:_TOLD]


def own_lines(reader: Reader, section: Section, places: Sequence[Place]) -> list[OwnLine]:
    """These entries, in the order asked for; positions that are gone are left out."""
    if not places:
        return []
    values = [part for place in places for part in place]
    rows = reader.rows(_LINES.format(marks=", ".join("(?, ?)" for _ in places)), values)
    found = {}
    for row in rows:
        entry = read_entry(row["raw"], row["body"], trusted=True)
        outcome = row["outcome"] or ("quarantined" if row["lane"] == "refused" else None)
        said = read_decision(row["reason"])
        reason = row["reason"] if said is None else row["first"] or ""
        line = LogLine(entry, None, row["received_at"], outcome, reason, row["lane"])
        place = (row["epoch"], row["seq"])
        found[place] = OwnLine(place, section, line, row["stream"], row["number"], row["saved_at"], said, bool(row["here"]))
    return [found[place] for place in places if place in found]


def own_files(reader: Reader) -> list[OwnFile]:
    """Files that have still to go or to come, the small ones first: the order in which they do."""
    query = (
        "SELECT f.sha256, f.name, f.media, f.size, f.state, f.job, coalesce(j.number, '') FROM files f "
        "LEFT JOIN jobs j ON j.stream = f.job WHERE f.state IN ('here', 'wanted') ORDER BY f.state, f.size"
    )
    return [OwnFile(*row) for row in reader.rows(query)]


def given_up_files(reader: Reader) -> list[OwnFile]:
    """Files that were lost and given up, as long as their job is on this device."""
    query = (
        "SELECT f.sha256, f.name, f.media, f.size, f.state, f.job, j.number FROM files f JOIN jobs j ON j.stream = f.job "
        "WHERE f.state = ? ORDER BY j.number, f.name"
    )
    return [OwnFile(*row) for row in reader.rows(query, (GONE,))]


def file_state(reader: Reader, sha256: str) -> str:
    """How a file stands, '' for one that nothing here names."""
    row = reader.row("SELECT state FROM files WHERE sha256 = ?", (sha256,))
    return str(row["state"]) if row else ""


def file_names(reader: Reader, hashes: Collection[str]) -> dict[str, str]:
    """Names of files by their hash."""
    rows = reader.rows(f"SELECT sha256, name FROM files WHERE sha256 IN ({', '.join('?' for _ in hashes)})", tuple(hashes))
    return {row["sha256"]: row["name"] for row in rows}


def job_files(reader: Reader, stream: str = "", *, lost: Container[str] = ()) -> list[JobFiles]:
    """Files recorded here, by job: of one job, or of every job of which some have not arrived at the server yet.

    Args:
        lost: hashes of those that are not on this device any more, whatever the database says (services/lost_files.py).
    """
    rows = reader.rows(
        "SELECT f.job AS stream, coalesce(j.number, g.number) AS number, f.sha256, f.name, f.state FROM files f "
        "LEFT JOIN jobs j ON j.stream = f.job LEFT JOIN left_jobs g ON g.stream = f.job "
        "WHERE f.job != '' AND f.state IN ('here', 'sent', 'away', 'gone') AND (f.job = :stream OR (:stream = '' AND f.job IN "
        "(SELECT job FROM files WHERE state = 'here'))) ORDER BY f.job, f.size",
        {"stream": stream},
    )
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        state = GONE if row["state"] == "here" and row["sha256"] in lost else row["state"]
        found.setdefault(row["stream"], []).append((row["number"] or "", row["name"], state))
    return [
        JobFiles(
            name, files[0][0] or stream_words(name), sum(state not in ("here", GONE) for *_, state in files), len(files),
            tuple(file for _, file, state in files if state == "here"), tuple(file for _, file, state in files if state == GONE),
        )
        for name, files in found.items()
    ]  # fmt: skip
