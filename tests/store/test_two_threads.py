"""The app records in one thread while its sync hears of receipts in another."""

from __future__ import annotations

import threading
from pathlib import Path

import uuid6

from fieldapp.domain.entry import chain_hash
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.store.database import Database
from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Identity, SystemClock
from fieldapp.store.journal import Journal
from fieldapp.store.migrations import migrate_device
from fieldapp.store.rows import Draft, Head

NOTES = 150


def test_what_is_recorded_while_a_receipt_arrives_has_its_second_copy(tmp_path: Path) -> None:
    """An emptied journal must not take along what was written into it meanwhile."""
    db = Database(f"sqlite:///{tmp_path / 'device.db'}")
    migrate_device(db)
    who = Identity("http://127.0.0.1", "dev", "A", "s", "ann", "Ann", "technician", "north", ("north",))
    journal = Journal(tmp_path / "journal" / "unsent.jsonl")
    device = DeviceReplica(db, journal, who, SystemClock(), lambda: str(uuid6.uuid7()))
    device.start()
    missing: list[str] = []
    recorded = threading.Event()

    def record() -> None:
        for number in range(NOTES):
            saved = device.append([Draft("north", "job:j-1", NoteAdded(f"note {number}"))])
            copies = {entry.id for entry in journal.read().entries}  # read first: what is unsent later was so before
            run = device.outgoing(200, 1 << 20)
            unsent = {entry.id for entry in run.entries} if run is not None else set()
            missing.extend(entry for entry in saved.entries if entry in unsent and entry not in copies)
        recorded.set()

    thread = threading.Thread(target=record)
    thread.start()
    while not recorded.is_set():
        run = device.outgoing(200, 1 << 20)
        if run is not None:
            head = run.prev_hash
            for place, entry in enumerate(run.entries):
                head = chain_hash(head, run.from_seq + place, entry.hash)
            device.acknowledge(Head(run.epoch, run.from_seq + len(run.entries) - 1, head, 0), 1)
    thread.join()
    journal.close()
    db.close()
    assert missing == []
