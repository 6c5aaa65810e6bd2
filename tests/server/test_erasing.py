"""A customer is forgotten by the server, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.entry_types.office import EntryDismissed
from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.domain.problem import Problem
from fieldapp.server.answers import Refused
from fieldapp.server.erasing import erase_customer
from fieldapp.server.file_storage import FolderStorage
from fieldapp.server.files import Files
from fieldapp.server.importing import import_export
from fieldapp.server.receiving import writer
from fieldapp.server.services import ServerServices
from fieldapp.server.upkeep import Upkeep
from fieldapp.store.exported import file_lines
from fieldapp.store.tables import DocumentRow, EntryRow, FileRow, JobRow, LogRow, QuarantineRow, StreamStateRow
from fieldapp.store.verify import verify_server
from fieldapp.sync.protocol import from_wire
from tests.server.office import LOG, Office, entry_of
from tests.server.test_feed import Reader
from tests.store.pens import everything

HASH = "ab" * 32


def digests(services: ServerServices) -> dict[str, str]:
    return {row["stream"]: row["digest"] for row in everything(services.db, StreamStateRow)}


def closed_job(office: Office, number: int) -> str:
    stream = office.job(number, "tech-1")
    office.note(stream, "her mother lives upstairs")
    office.record(stream, steps.ReadingTaken("a-1", "oil", "1.2"), also=("asset:a-1",))
    office.record(stream, lifecycle.JobCancelled("moved away"))
    return stream


def test_content_goes_and_every_chain_stays(office: Office, services: ServerServices) -> None:
    stream = closed_job(office, 1)
    who = office.enrol("tech-1")
    photo = FileRef(HASH, 3, "photo.png")
    office.push(who, entry_of(who, stream, steps.FileAttached(HASH, 3, "photo.png"), files=(photo,)))
    refused = entry_of(who, stream, steps.NoteAdded("upstairs"))
    raw = refused.raw + b"\n" + (refused.body_raw or b"")
    services.replica.quarantine(
        writer(who), epoch="e-1", log=LOG, seq=1, prev_hash="", chain="c" * 64, raw=raw, reason="unreadable"
    )
    (key,) = [row["id"] for row in everything(services.db, QuarantineRow)]
    office.record(stream, EntryDismissed(key, "upstairs nobody knows"))
    done = erase_customer(services, "c-1", "asked")
    assert (done.customer, done.jobs, done.files) == ("c-1", 1, 1)
    assert verify_server(services.db) == ()
    left = {row["type"] for row in everything(services.db, EntryRow) if row["log"] == LOG and row["body"] is not None}
    assert left == {"asset.recorded", "job.erased", "customer.erased"}
    aside = [(row["raw"], row["decided"].partition(" by ")[0]) for row in everything(services.db, QuarantineRow)]
    assert aside == [(refused.raw, "dismissed")]
    assert "upstairs" not in str([everything(services.db, table) for table in (QuarantineRow, LogRow)])
    assert {row["type"] for row in everything(services.db, DocumentRow) if row["log"] == LOG} == {"asset.recorded"}
    (job,) = everything(services.db, JobRow)
    assert (job["number"], job["status"], job["assignee"], job["customer"]) == ("J-1", "cancelled", "tech-1", "c-1")
    before = digests(services)
    services.replica.rebuild(LOG)
    assert digests(services) == before
    with pytest.raises(Refused, match="No file of this name"):
        services.files.open(who, HASH, "")
    assert services.files.state(HASH).complete  # whoever still has it sends it no more


def test_what_is_aside_goes_with_its_photos_also_when_it_came_after_an_erasure(
    office: Office, services: ServerServices, tmp_path: Path
) -> None:
    stream, who = closed_job(office, 1), office.enrol("tech-1")
    photo = b"her face"
    name = hashlib.sha256(photo).hexdigest()
    files = (FileRef(name, len(photo), "a.jpg"),)
    for said in ("first", "second"):
        entry = entry_of(who, stream, steps.NoteAdded(f"upstairs, {said}"), files=files if said == "first" else ())
        raw = entry.raw + b"\n" + (entry.body_raw or b"")
        services.replica.quarantine(
            writer(who), epoch=f"e-{said}", log=LOG, seq=1, prev_hash="", chain="c" * 64, raw=raw, reason="revoked"
        )
        if said == "first":
            services.files.put_part(name, "0", photo)
            services.files.complete(name)
            exported = tmp_path / "old.jsonl"
            (tmp_path / name).write_bytes(photo)
            exported.write_bytes(b"".join(file_lines(tmp_path / name, name)))
        erase_customer(services, "c-1", "asked")
        assert not [row for row in everything(services.db, QuarantineRow) if b"upstairs" in row["raw"]], said
        assert not services.storage.has(name)
    assert import_export(services, exported).files == 0, "an old stick does not bring it back"
    assert not services.storage.has(name)
    assert verify_server(services.db) == ()


def test_every_device_of_the_log_hears_of_it(office: Office, services: ServerServices) -> None:
    stream = closed_job(office, 1)
    readers = {person: Reader(office, office.enrol(person)) for person in ("tech-1", "tech-2", "super")}
    for reader in readers.values():
        reader.drain()
    erase_customer(services, "c-1")
    for reader in readers.values():
        known = set(reader.rows)
        reader.drain(fold=FOLD_VERSION)
        fresh = [entry.envelope.type for place, entry in reader.rows.items() if place not in known]
        assert sorted(fresh) == ["customer.erased", "job.erased"]
    late = Reader(office, office.enrol("tech-1"))
    late.drain()
    assert "upstairs" not in str([from_wire(row.entry) for page in late.pages for row in page.rows])
    assert stream in late.streams()


def test_another_customer_s_job_on_the_same_asset_keeps_its_own(office: Office, services: ServerServices) -> None:
    closed_job(office, 1)
    other = "job:other"
    office.record(other, lifecycle.JobCreated("O-1", "c-2", "s-2", {"en": "Service"}, assets=("a-1",)), also=("asset:a-1",))
    kept = office.record(other, steps.ReadingTaken("a-1", "oil", "1.3"), also=("asset:a-1",))
    erase_customer(services, "c-1")
    (asset,) = [row for row in everything(services.db, StreamStateRow) if row["stream"] == "asset:a-1"]
    assert kept.id.encode() in asset["state"]
    assert asset["state"].count(b'"quantity":"oil"') == 1
    assert verify_server(services.db) == ()
    assert next(row for row in everything(services.db, EntryRow) if row["id"] == kept.id)["body"] is not None


def test_only_the_server_erases(office: Office, services: ServerServices) -> None:
    from fieldapp.domain.entry_types.erasure import CustomerErased
    from tests.store.pens import outcomes

    services.people.add("root", "Root", "admin", LOG)
    who = office.enrol("root")
    entry = entry_of(who, "customer:c-1", CustomerErased("c-1"))
    office.push(who, entry)
    assert outcomes(services.db, entry) == ["quarantined"]
    assert {row["type"] for row in everything(services.db, DocumentRow) if row["log"] == LOG} >= {"customer.recorded"}


def test_open_jobs_are_named(office: Office, services: ServerServices) -> None:
    office.job(1, "tech-1")
    with pytest.raises(Problem, match="J-1"):
        erase_customer(services, "c-1")
    assert everything(services.db, EntryRow) == [row for row in everything(services.db, EntryRow) if row["body"] is not None]


def test_what_is_put_together_while_it_is_erased_goes_as_well(office: Office, services: ServerServices) -> None:
    stream, who, photo = closed_job(office, 1), office.enrol("tech-1"), b"her face"
    name = hashlib.sha256(photo).hexdigest()
    files = (FileRef(name, len(photo), "a.jpg"),)
    office.push(who, entry_of(who, stream, steps.FileAttached(name, len(photo), "a.jpg"), files=files))
    services.files.put_part(name, "0", photo)

    class Slow(FolderStorage):
        """The erasure comes between the file's place and its row."""

        def assemble(self, sha256: str, parts: int) -> bool:
            done = super().assemble(sha256, parts)
            assert erase_customer(services, "c-1").files == 1
            return done

    slow = Slow(services.settings.files_dir)
    Files(services.db, slow, largest=1 << 20).complete(name)
    assert not slow.has(name)
    assert [row["state"] for row in everything(services.db, FileRow)] == ["erased"]


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_content_that_a_crash_left_after_an_erasure_goes_later(
    office: Office, services: ServerServices, whole: bool, again: bool
) -> None:
    stream, who, photo = closed_job(office, 1), office.enrol("tech-1"), b"her face"
    name = hashlib.sha256(photo).hexdigest()
    files = (FileRef(name, len(photo), "a.jpg"),)
    office.push(who, entry_of(who, stream, steps.FileAttached(name, len(photo), "a.jpg"), files=files))
    assert erase_customer(services, "c-1").files == 1
    if whole:
        services.storage.put_whole(name, [photo])  # as where the power goes before it is removed
    else:
        services.storage.put_part(name, 0, photo)
    if again:
        assert erase_customer(services, "c-1").files == 0
    else:
        Upkeep(services).round()
    assert not services.storage.holds(name)
