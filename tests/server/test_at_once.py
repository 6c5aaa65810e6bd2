"""Many devices at once: nothing lost, nothing twice, no gap, no deadlock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select

from fieldapp.domain.entry_types import steps
from fieldapp.server.answers import Refused
from fieldapp.server.backup import backup
from fieldapp.server.services import ServerServices
from fieldapp.store.tables import LogRow, table_of
from fieldapp.sync.protocol import EnrolRequest
from tests.server.office import LOG, Office, entry_of
from tests.server.test_feed import Reader


def test_devices_that_push_and_pull_at_once(office: Office, services: ServerServices, tmp_path: Path) -> None:
    shared = [office.job(number, "tech-1") for number in range(4)]
    people = ["tech-1", "tech-1", "tech-1", "super", "super", "super"]
    sessions = [office.enrol(person) for person in people]
    sent: list[str] = []

    def work(number: int) -> Reader:
        reader = Reader(office, sessions[number])
        for turn in range(8):
            order = shared if number % 2 else shared[::-1]
            also = ("asset:a-1",) if turn % 2 else ()
            entries = [entry_of(reader.who, stream, steps.NoteAdded(f"{number} {turn}"), also=also) for stream in order]
            sent.extend(entry.id for entry in entries)
            assert office.push(reader.who, *entries).statuses == ("received",) * len(entries)
            reader.pull()
        return reader

    with ThreadPoolExecutor(len(people)) as pool:
        readers = list(pool.map(work, range(len(people))))
    for reader in readers:
        reader.drain()
        got = [entry.id for entry in reader.rows.values() if entry.id in set(sent)]
        assert sorted(got) == sorted(sent)
    with services.db.read() as conn:
        rows = conn.execute(select(table_of(LogRow)).where(table_of(LogRow).c.log == LOG)).all()
    assert sorted(row.pos for row in rows) == list(range(1, len(rows) + 1))
    assert {row.outcome for row in rows} == {"applied"}
    backup(services.settings.database_url, services.settings.files_dir, tmp_path / "checked.zip")


def test_one_code_makes_one_device_however_many_try(office: Office, services: ServerServices) -> None:
    code = services.accounts.issue_code("tech-1").code

    def enrol(number: int) -> str:
        try:
            return services.accounts.enrol(EnrolRequest(code, "x", "1", f"{number:032x}"), f"192.0.2.{number}").device
        except Refused as problem:
            return problem.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(enrol, range(8)))
    assert found.count("enrol-code-used") == 7
    assert len(services.accounts.devices()) == 1
