"""The demo company into a server: entries as their devices would have sent them, received when they would have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from fieldapp.server.services import ServerServices


class Loaded(msgspec.Struct, frozen=True):
    """What was loaded: entries in all, jobs, files."""

    entries: int
    jobs: int
    files: int


def load_fixtures(services: ServerServices) -> Loaded:
    """Load the demo company, dated relative to now.

    Raises:
        Problem: `fixtures-loaded` where the server knows it already: loaded on another day it would be there twice.
    """
    from fieldapp.domain.problem import Problem
    from fixtures import load

    now = services.clock()
    made = list(load.entries(now))
    if {item.author for item in made} & {person.id for person in services.people.everybody()}:
        raise Problem("fixtures-loaded", "The demo company is in this server already.", "Nothing was changed.")
    services.replica.record(
        [item.entry for item in made],
        {item.author: item.role for item in made},
        {item.id: min(item.received_ms, now) for item in made},
    )
    files = 0
    for file, data in load.files(now):
        services.storage.put_whole(file.sha256, [data])
        services.files.complete(file.sha256)
        files += 1
    jobs = sum(1 for item in made if item.entry.envelope.type == "job.created")
    return Loaded(len(made), jobs, files)
