"""Devices of tests: a home enrolled at a real server, opened as a command opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uuid6

from fieldapp.bootstrap import DeviceServices, open_device
from fieldapp.domain.entry_types.lifecycle import JobCreated
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.settings import DeviceSettings
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Home, Identity, SystemClock
from fieldapp.store.journal import Journal
from fieldapp.store.migrations import migrate_device
from fieldapp.store.rows import Draft
from fieldapp.sync.enrol import enrol
from tests.live_server import LiveServer

SETTINGS = DeviceSettings({})
LOG = "north"


@contextmanager
def device_of(server: LiveServer, person: str, folder: Path) -> Iterator[DeviceServices]:
    home = Home(folder)
    if home.identity() is None:
        enrol(server.url, server.services.accounts.issue_code(person).code, home, device_name="laptop")
    with open_device(home, "test") as device:
        yield device


def new_job(number: str) -> Draft:
    return Draft(LOG, f"job:{number}", JobCreated(number, "c-1", "s-1", {"en": "Found on site"}))


def note(job: str, text: str = "seen") -> Draft:
    return Draft(LOG, f"job:{job}", NoteAdded(text))


@contextmanager
def a_replica(folder: Path) -> Iterator[tuple[DeviceReplica, Database]]:
    """A device's replica on a real database, without a server."""
    db = Database(f"sqlite:///{folder / 'device.db'}")
    migrate_device(db)
    journal = Journal(folder / "journal.jsonl")
    identity = Identity("http://127.0.0.1:1", "dev-1", "A1", "secret", "tech-1", "Ann Berg", "technician", LOG, ("org", LOG))
    try:
        yield DeviceReplica(db, journal, identity, SystemClock(), lambda: str(uuid6.uuid7())), db
    finally:
        journal.close()
        db.close()
