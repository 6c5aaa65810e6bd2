"""A home with any number of jobs: the demo company's branch, and some of its jobs and customers over and over under other names.

Everything is received by the real replica, in pages as a server sends them. Of 100 jobs 80 are new, 15 accepted, 2 under way and 3
finished (with all that was recorded on them), so lists and the review queue grow together. Twenty jobs share customers and assets.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.company import new_id
from fieldapp.bootstrap import open_device
from fieldapp.domain.entry import write_entry
from fieldapp.domain.entry_types.lifecycle import JobAssigned, JobCreated
from fieldapp.store.home import Home, Identity
from fieldapp.store.rows import Page, Row
from fixtures.load import FixtureEntry, entries

BRANCH, TECHNICIAN, SUPERVISOR = "bre", "tech-anna", "sup-petra"
_FINISHED, _UNDER_WAY, _ACCEPTED, _NEW = "job:j-1048", "job:j-1053", "job:j-1052", "job:j-1054"
_UNTIL = {_FINISHED: "job.completed", _UNDER_WAY: "step.recorded", _ACCEPTED: "job.accepted", _NEW: "job.assigned"}
"""Templates, and the last kind of entry that is repeated."""
_SHARED = 20
"""Jobs in a row that share the customers and assets of the templates."""
_PAGE = 5_000


def make_home(folder: Path, jobs: int) -> Home:
    """A technician's home in which `jobs` jobs are assigned to her (the demo's own ones come on top)."""
    home = Home(folder)
    home.prepare()
    home.save_identity(_identity(TECHNICIAN, "technician"))
    now = time.time_ns() // 1_000_000
    made = [item for item in entries(now) if item.log in ("org", BRANCH)]
    with open_device(home, "benchmark") as device:
        for log in ("org", BRANCH):
            rows = [
                Row(log, pos, item.received_ms, item.entry, role=item.role)
                for pos, item in enumerate((item for item in made if item.log == log), 1)
            ]
            if log == BRANCH:
                rows += _repeated(made, jobs, now, len(rows))
            for start in range(0, len(rows), _PAGE):
                page = rows[start : start + _PAGE]
                added = ((log, "*", 0),) if start == 0 else ()
                device.replica.receive(Page(rows=tuple(page), cursors={log: f"{page[-1].pos}:00000000"}, added=added))
    return home


def for_the_office(home: Home, folder: Path) -> Home:
    """The same data on a supervisor's device."""
    shutil.copytree(home.path, folder)
    office = Home(folder)
    office.save_identity(_identity(SUPERVISOR, "supervisor"))
    return office


def _identity(person: str, role: str) -> Identity:
    return Identity("http://127.0.0.1:9", "bench", "B1", "secret", person, person, role, BRANCH, ("org", BRANCH))


class _Template:
    """A job of the demo with its customer and asset: what is said again about others."""

    def __init__(self, made: list[FixtureEntry], stream: str) -> None:
        own = [item for item in made if item.stream == stream]
        last = max(place for place, item in enumerate(own) if item.entry.envelope.type == _UNTIL[stream])
        self.job = own[: last + 1]
        created = own[0].body
        assert isinstance(created, JobCreated)
        self.customer, self.asset = created.customer, created.assets[0]
        around = (f"customer:{self.customer}", f"asset:{self.asset}")
        self.around = [item for item in made if item.stream in around and item.entry.envelope.type.endswith(".recorded")]


def _repeated(made: list[FixtureEntry], jobs: int, now: int, pos: int) -> Iterator[Row]:
    templates = {stream: _Template(made, stream) for stream in _UNTIL}
    known: set[tuple[str, int]] = set()
    for number in range(jobs):
        turn, group = number % 100, number // _SHARED
        kind = _FINISHED if turn < 3 else _UNDER_WAY if turn < 5 else _ACCEPTED if turn < 20 else _NEW
        template = templates[kind]
        names = {name: f"{name}-{group}" for name in (template.customer, template.asset)}
        fresh = template.job if (kind, group) in known else [*template.around, *template.job]
        known.add((kind, group))
        for item in fresh:
            pos += 1
            yield _again(item, number, now, pos, names)


def _again(item: FixtureEntry, number: int, now: int, pos: int, names: dict[str, str]) -> Row:
    """One entry of a template, said of job `number`. names: of things, and of entries said so far, to the new ones."""
    body, old = item.body, item.entry.envelope
    if isinstance(body, JobCreated):
        start = now + (number % 1000) * 3_600_000
        body = msgspec.structs.replace(body, number=f"B-{number:05}", window_start=start, window_end=start + 7_200_000)
    elif isinstance(body, JobAssigned):
        body = msgspec.structs.replace(body, person=TECHNICIAN)
    raw = msgspec.json.encode(body)
    for before, after in names.items():
        raw = raw.replace(f'"{before}"'.encode(), f'"{after}"'.encode())
    names[old.id] = new_id()
    kind, _, thing = old.stream.partition(":")
    envelope = msgspec.structs.replace(
        old,
        id=names[old.id],
        stream=f"job:b{number}" if kind == "job" else f"{kind}:{names[thing]}",
        also=tuple(f"{kind}:{names.get(thing, thing)}" for kind, _, thing in (stream.partition(":") for stream in old.also)),
        group=names.setdefault(old.group, new_id()),
        base=names.get(old.base or ""),
    )
    return Row(BRANCH, pos, item.received_ms, write_entry(envelope, raw), role=item.role)
