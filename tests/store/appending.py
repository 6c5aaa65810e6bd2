"""A process that records without end, to be killed. Of its own module: a fork server loads it once for all kills."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import uuid6

from fieldapp.domain.entry_types import steps
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Home, SystemClock
from fieldapp.store.journal import Journal
from fieldapp.store.rows import Draft


def append_for_ever(path: Path, label: str, out: Connection) -> None:
    """Start the device as a program does, then record groups of one to three and say each time what was saved."""
    home = Home(path)
    with home.locked(label):
        identity = home.identity()
        assert identity is not None
        device = DeviceReplica(
            Database(home.database_url), Journal(home.journal_file), identity, SystemClock(), lambda: str(uuid6.uuid7()),
            home.save_identity,
        )  # fmt: skip
        device.start()
        number = 0
        while True:
            number += 1
            drafts = [Draft("b1", f"job:{label}", steps.NoteAdded(text=f"{number}-{n}")) for n in range(1 + number % 3)]
            out.send(device.append(drafts).entries)
