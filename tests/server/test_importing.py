"""Work that comes to the server in a file: its content counts once, its positions never, and only its own device vouches."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import uuid6

from fieldapp.domain.entry import Entry, FileRef, encode, write_entry
from fieldapp.domain.entry_types import steps
from fieldapp.domain.entry_types.office import EntryReleased
from fieldapp.domain.problem import Problem
from fieldapp.server.answers import Refused
from fieldapp.server.importing import Imported, import_export
from fieldapp.server.receiving import writer
from fieldapp.server.services import ServerServices
from fieldapp.store.exported import file_lines
from fieldapp.store.import_words import ARRIVED, IMPORTED, IMPORTED_IN_PART
from fieldapp.store.importing import Line as ImportLine
from fieldapp.store.journal import journal_line, parse_journal
from fieldapp.store.tables import LogRow, QuarantineRow
from fieldapp.store.verify import verify_server
from fieldapp.sync.protocol import ImportAnswer, ImportRequest, from_wire
from tests.live_server import LiveServer
from tests.server.office import LOG, Line, Office, entry_of
from tests.store.pens import everything

PHOTO = b"a photo " * 50_000
NAME = hashlib.sha256(PHOTO).hexdigest()


def exported(folder: Path, entries: Sequence[Entry], files: Sequence[bytes] = ()) -> Path:
    """What a device would export."""
    target = folder / "unsent.jsonl"
    with target.open("wb") as out:
        out.writelines(journal_line("epoch", seq, entry) for seq, entry in enumerate(entries, start=1))
        for data in files:
            name = hashlib.sha256(data).hexdigest()
            (folder / name).write_bytes(data)
            out.writelines(file_lines(folder / name, name))
    return target


def group(*entries: Entry) -> list[Entry]:
    """These as what one action recorded."""
    name = str(uuid6.uuid7())
    return [
        write_entry(msgspec.structs.replace(entry.envelope, group=name, n=n, of=len(entries)), entry.body_raw or b"")
        for n, entry in enumerate(entries)
    ]


def placed(services: ServerServices) -> list[tuple[str, str, str]]:
    return [(row["entry_id"], row["kind"], row["outcome"]) for row in everything(services.db, LogRow) if row["log"] == LOG]


def aside(services: ServerServices) -> dict[str, tuple[str, str]]:
    """Key of what lies aside to (reason, what was decided)."""
    return {row["id"]: (row["reason"], row["decided"]) for row in everything(services.db, QuarantineRow)}


def test_what_a_file_says_waits_for_its_device_or_for_the_office(office: Office, tmp_path: Path) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who = office.enrol("tech-1")
    photo = FileRef(NAME, len(PHOTO), "a.jpg", "image/jpeg")
    entries = [entry_of(who, stream, steps.NoteAdded("one")), entry_of(who, stream, steps.NoteAdded("two"), files=(photo,))]
    before = placed(services)
    file = exported(tmp_path, entries, [PHOTO])
    assert import_export(services, file) == Imported(held=2, known=0, files=1)
    assert placed(services) == before, "content, never positions"
    assert set(aside(services).values()) == {(IMPORTED, "")}
    assert b"".join(services.storage.read(NAME, 0, 1 << 30)) == PHOTO
    assert import_export(services, file) == Imported(held=0, known=2, files=0), "twice changes nothing"
    office.push(who, *entries)
    assert [row for row in placed(services) if row[0] == entries[0].id] == [(entries[0].id, "entry", "applied")]
    assert set(aside(services).values()) == {(IMPORTED, ARRIVED)}, "nobody waits for a decision any more"
    assert import_export(services, file) == Imported(held=0, known=2, files=0)
    assert verify_server(services.db) == ()


def test_what_came_in_a_file_and_from_its_device_at_once_waits_for_nobody(office: Office) -> None:
    """Neither of two server processes saw the other's: the bytes lie aside undecided, and the entry is in the log."""
    services, stream = office.services, office.job(1, "tech-1")
    who, boss = office.enrol("tech-1"), office.enrol("super")
    entry = entry_of(who, stream, steps.NoteAdded("one"))
    services.replica.take_in([ImportLine.of("", 0, entry)], None, {LOG})
    assert len(services.desk.answer(boss).aside) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.replica, "_arrived", lambda *_: None)
        office.push(who, entry)
    ((key, (_, decided)),) = aside(services).items()
    assert decided == ""
    assert services.desk.answer(boss).aside == ()
    office.push(boss, entry_of(boss, stream, EntryReleased(about=key)))
    assert [row[1:] for row in placed(services) if row[0] == entry.id] == [("entry", "applied")]
    assert verify_server(services.db) == ()


def test_what_the_office_released_is_not_doubled_by_its_device(office: Office, tmp_path: Path) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who, boss = office.enrol("tech-1"), office.enrol("super")
    entry = entry_of(who, stream, steps.NoteAdded("one"))
    import_export(services, exported(tmp_path, [entry]))
    (key,) = aside(services)
    office.push(boss, entry_of(boss, stream, EntryReleased(about=key)))
    mine = [row for row in placed(services) if row[0] == entry.id]
    assert mine[-1][2] == "applied"
    assert office.push(who, entry).statuses == ("duplicate",)
    assert [row for row in placed(services) if row[0] == entry.id] == mine
    assert verify_server(services.db) == ()


def test_the_work_of_a_device_that_this_server_never_knew_can_be_released(office: Office, tmp_path: Path) -> None:
    """The old server and the laptop are gone; the office began anew and has the stick."""
    services, stream = office.services, office.job(1, "tech-1")
    boss = office.enrol("super")
    unknown = msgspec.structs.replace(office.enrol("tech-1"), device="a-laptop-of-old")
    entry = entry_of(unknown, stream, steps.NoteAdded("from another time"))
    assert import_export(services, exported(tmp_path, [entry])).held == 1
    (key,) = aside(services)
    office.push(boss, entry_of(boss, stream, EntryReleased(about=key)))
    assert [row[2] for row in placed(services) if row[0] == entry.id][-1] == "applied"


def test_damage_costs_what_is_damaged(office: Office, tmp_path: Path) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who = office.enrol("tech-1")
    photo = FileRef(NAME, len(PHOTO), "a.jpg", "image/jpeg")
    pair = group(entry_of(who, stream, steps.NoteAdded("one")), entry_of(who, stream, steps.NoteAdded("two")))
    alone = entry_of(who, stream, steps.NoteAdded("alone"), files=(photo,))
    file = exported(tmp_path, [*pair, alone], [PHOTO])
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b"two", b"tvo") + lines[2] + lines[3] + b"\x00garbage\n")
    found = import_export(services, file)
    assert (found.held, found.damaged, found.broken_files, found.whole) == (2, (2, 5), (NAME,), False)
    assert sorted(reason for reason, _ in aside(services).values()) == sorted([IMPORTED, IMPORTED_IN_PART])
    whole = exported(tmp_path, [*pair, alone], [PHOTO])
    assert import_export(services, whole) == Imported(held=1, known=2, files=1)
    office.push(who, *pair, alone)
    assert {row[2] for row in placed(services) if row[0] in {entry.id for entry in (*pair, alone)}} == {"applied"}


@pytest.mark.parametrize("data", [b"", b"\n", b"a,b\n1,2\n", b"\x00" * 5000])
def test_what_is_no_export_is_refused(services: ServerServices, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(Problem) as refused:
        import_export(services, tmp_path / "x")
    assert refused.value.code == "export-unreadable"


def test_lists_without_end_are_a_damaged_line(office: Office, live_server: LiveServer, tmp_path: Path) -> None:
    who = office.enrol("tech-1")
    deep = b'{"epoch":"e","seq":1,"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    row = b"%08x %s" % (zlib.crc32(deep), deep)
    file = exported(tmp_path, [entry_of(who, office.job(1, "tech-1"), steps.NoteAdded("one"))])
    file.write_bytes(file.read_bytes() + row + b"\n")
    found = import_export(office.services, file)
    assert (found.held, found.damaged) == (1, (2,))
    assert list(parse_journal(file.read_bytes()).damaged) == [2]
    live_server.people()
    told = live_server.enrol("tech-1").call("import", ImportRequest((row.decode(),)), ImportAnswer)
    assert told.damaged == (1,)


def test_files_that_name_a_device_take_no_room_from_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldapp.server.services.QUARANTINED_PER_DEVICE", 3)
    monkeypatch.setattr("fieldapp.server.services.IMPORTED_AT_MOST", 3)
    services, stream = office.services, office.job(1, "tech-1")
    who, other = office.enrol("tech-1"), office.enrol("tech-2")
    forged = [entry_of(who, stream, steps.NoteAdded(f"never said {n}")) for n in range(3)]
    services.replica.take_in([ImportLine.of("", 0, entry) for entry in forged], writer(other), {LOG})
    services.check_quarantine_room(who.device)
    with pytest.raises(Refused, match="More from files"):
        services.check_import_room()
    line = Line()
    for n in range(3):
        entry = entry_of(who, stream, steps.NoteAdded(f"said {n}"))
        raw, before = entry.raw + b"\n" + (entry.body_raw or b""), line.hash
        line.sent([entry])
        services.replica.quarantine(
            writer(who), epoch=line.epoch, log=LOG, seq=line.seq, prev_hash=before, chain=line.hash, raw=raw, reason=IMPORTED
        )
    with pytest.raises(Refused, match="handed over more"):
        services.check_quarantine_room(who.device)


def test_bytes_that_somebody_else_handed_over_first_are_their_author_s_all_the_same(office: Office) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who, other, boss = office.enrol("tech-1"), office.enrol("tech-2"), office.enrol("super")
    entry = entry_of(who, stream, steps.NoteAdded("real work"))
    raw = entry.raw + b"\n" + (entry.body_raw or b"")
    for sender in (other, who, other):
        line = Line()
        line.sent([entry])
        services.replica.quarantine(
            writer(sender), epoch=line.epoch, log=LOG, seq=1, prev_hash="", chain=line.hash, raw=raw, reason="revoked"
        )
    (item,) = services.desk.answer(boss).aside
    assert (item.device, item.person, item.why_not) == (who.device, "tech-1", "")
    office.push(boss, entry_of(boss, stream, EntryReleased(about=item.id)))
    assert [row[2] for row in placed(services) if row[0] == entry.id][-1] == "applied"
    assert verify_server(services.db) == ()


def test_the_same_name_with_other_bytes_lies_aside(office: Office, tmp_path: Path) -> None:
    services, stream = office.services, office.job(1, "tech-1")
    who = office.enrol("tech-1")
    entry = entry_of(who, stream, steps.NoteAdded("one"))
    office.push(who, entry)
    other = write_entry(entry.envelope, encode(steps.NoteAdded("another one")))
    assert import_export(services, exported(tmp_path, [other])).held == 1
    assert "same id" in next(iter(aside(services).values()))[0]
    assert [row[2] for row in placed(services) if row[0] == entry.id] == ["applied"]


def test_places_that_no_device_gives_are_left_out(office: Office) -> None:
    who = office.enrol("tech-1")
    entry = entry_of(who, office.job(1, "tech-1"), steps.NoteAdded("one"))
    for epoch, seq in (("e\x00", 1), ("e" * 200, 1), ("e", 0), ("e", 1 << 70), ("e", -1)):
        line = ImportLine.of(epoch, seq, entry)
        assert (line.epoch, line.seq) == ("", 0)
        office.services.replica.take_in([line], None, {LOG})
    assert len(aside(office.services)) == 1


def test_over_http_one_s_own_work_counts_and_others_waits(live_server: LiveServer) -> None:
    live_server.people()
    first, second, other = live_server.enrol("tech-1"), live_server.enrol("tech-1"), live_server.enrol("tech-2")
    services = live_server.services
    office = Office(services)
    who = services.accounts.session(first.token)
    entries = [entry_of(who, "job:j-1", steps.NoteAdded("one")), entry_of(who, "job:j-1", steps.NoteAdded("two"))]
    lines = tuple(journal_line("e", seq, entry).decode().rstrip("\n") for seq, entry in enumerate(entries, start=1))
    theirs = other.call("import", ImportRequest((lines[0],)), ImportAnswer)
    assert (theirs.taken, theirs.held, theirs.known) == (0, 1, 0), "only the person themselves vouches"
    mine = second.call("import", ImportRequest((*lines, "damaged", "")), ImportAnswer)
    assert (mine.taken, mine.held, mine.known, mine.damaged) == (1, 0, 1, (3, 4))
    again = second.call("import", ImportRequest(lines), ImportAnswer)
    assert (again.taken, again.held, again.known) == (0, 0, 2)
    assert office.push(who, *entries).statuses == ("received", "duplicate")
    kinds = [row for row in placed(services) if row[1] == "entry"]
    assert sorted(row[0] for row in kinds) == sorted(entry.id for entry in entries)
    assert second.post("import", b'{"lines":["' + b"x" * 600_000 + b'"]}').status_code in (400, 413)


def test_what_another_laptop_brought_is_told_to_the_one_that_recorded_it(office: Office) -> None:
    """Its owner carries the file to the spare laptop; the job is somebody else's when the first one comes back."""
    services, stream = office.services, office.job(1, "tech-1")
    first, spare = office.enrol("tech-1"), office.enrol("tech-1")
    job = office.record(stream, steps.NoteAdded("what both have seen"))
    entries = [
        entry_of(first, stream, steps.StepRecorded(step="oil", version=1, value=value, verdict="pass"), base=job.id)
        for value in ("5", "6")
    ]
    taken = services.replica.take_in([ImportLine.of("", 0, entry) for entry in entries], writer(spare), {LOG})
    assert (taken.taken, taken.held) == (2, 0)
    office.assign(stream, "tech-2")
    assert office.push(first, *entries).statuses == ("duplicate", "duplicate")
    told = {from_wire(row.entry).id: row.outcome for row in office.pull(first).rows if row.log == LOG}
    assert told == {entry.id: "applied" for entry in entries}, "and own writing does not stand in the way of itself"
    assert verify_server(services.db) == ()
