"""A customer is forgotten: everywhere, also by a device that was away for a year, and every chain still verifies."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import uuid6
from sqlalchemy import select
from sqlmodel import col

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.documents import Contact, Customer, Person
from fieldapp.domain.entry import Entry, Envelope, FileRef, Moment, encode, read_entry, write_entry
from fieldapp.domain.entry_types import customer, lifecycle, office, steps
from fieldapp.domain.entry_types.reference import CustomerRecorded, PersonRecorded, ProcedurePublished
from fieldapp.domain.problem import Problem
from fieldapp.server.erasing import erase_customer
from fieldapp.server.reach import Session
from fieldapp.services.unsent import import_unsent
from fieldapp.store.database import Database
from fieldapp.store.exported import file_lines
from fieldapp.store.journal import journal_line
from fieldapp.store.judge import Writer
from fieldapp.store.queries.search import SearchIndex
from fieldapp.store.rows import Draft
from fieldapp.store.tables import DraftRow, EntryRow, FileRow, JobRow, LogRow, StreamStateRow
from fieldapp.store.verify import verify_server
from fieldapp.sync.answers import to_page
from fieldapp.sync.files import FileDesk
from fieldapp.sync.once import sync_once
from fieldapp.sync.protocol import Backfill, PullRequest
from tests.live_server import LiveServer, live_server  # noqa: F401
from tests.store.pens import everything
from tests.sync.homes import LOG, SETTINGS, device_of
from tests.sync.test_scope_changes import Rules, held, jobs, rules, sound, synced  # noqa: F401

SECRETS = (b"Frau Krause", b"second floor", b"PNG of the hall")
ALSO = ("customer:c-2", "asset:a-1")


def traces(folder: Path) -> set[tuple[str, bytes]]:
    """Files in which a word of the customer still stands."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()  # the search compares without case
            found |= {(str(path.relative_to(folder)), secret) for secret in SECRETS if secret.lower() in data}
    return found


def work_on(device: DeviceServices, stream: str) -> str:
    """What a visit records; the hash of its photo."""
    data = SECRETS[2] * 100
    name = hashlib.sha256(data).hexdigest()
    device.home.files.mkdir(exist_ok=True)
    (device.home.files / name).write_bytes(data)
    photo = FileRef(name, len(data), "hall.png")
    for body in (lifecycle.JobAccepted(), lifecycle.WorkStarted("Frau Krause opened")):
        device.replica.append([Draft(LOG, stream, body, ALSO)])
    device.replica.append([Draft(LOG, stream, steps.NoteAdded("Frau Krause, second floor"))])
    device.replica.append([Draft(LOG, stream, steps.ReadingTaken("a-1", "oil", "1.2", "bar"), also=("asset:a-1",))])
    device.replica.append([Draft(LOG, stream, steps.FileAttached(name, len(data), "hall.png"), files=(photo,))])
    device.replica.append([Draft(LOG, stream, customer.SignatureGiven("Frau Krause", "0" * 64, True, "I confirm"))])
    device.replica.append([Draft(LOG, stream, lifecycle.JobCompleted("Frau Krause signed"), ALSO)])
    return name


@pytest.fixture
def visited(rules: Rules, tmp_path: Path) -> str:  # noqa: F811
    """A customer with a finished job, another customer with one; both known on two devices and in the office."""
    person = Customer("c-2", {"en": "Frau Krause"}, LOG, contacts=(Contact("Frau Krause", "030 1"),))
    rules.record("customer:c-2", CustomerRecorded(person))
    rules.job("2", customer="c-2")
    rules.job("1")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        name = work_on(device, "job:2")
        device.replica.append([Draft(LOG, "job:1", steps.NoteAdded("of another customer"))])
        device.drafts.save("job:2", "p/s1", 1, "Frau Krause wants", 1)
        synced(device)
    rules.record("job:2", lifecycle.JobApproved())
    return name


def searched(device: DeviceServices, typed: str) -> list[str]:
    index = SearchIndex(device.home.database_file, device.home.files)
    for _ in index.refresh():
        pass
    return [found.stream for found in index.find(typed)]


def entries_of(device: DeviceServices) -> list[Entry]:
    return [read_entry(row["raw"], row["body"]) for row in everything(device.database, EntryRow)]


def states(device: DeviceServices) -> dict[str, str]:
    with device.database.read() as conn:
        query = select(col(StreamStateRow.stream), col(StreamStateRow.digest)).where(col(StreamStateRow.digest) != "")
        return {stream: digest for stream, digest in conn.execute(query)}


def server_states(server: LiveServer) -> dict[str, str]:
    return {row["stream"]: row["digest"] for row in everything(server.services.db, StreamStateRow) if row["digest"]}


def test_nothing_of_a_forgotten_customer_is_anywhere(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    server = rules.server
    for person, home in (("super", "office"), ("tech-1", "a")):
        with device_of(server, person, tmp_path / home) as device:
            synced(device)
            assert searched(device, "krause") == ["job:2"]
    assert traces(tmp_path / "server")
    assert ("data/search.db", SECRETS[0]) in traces(tmp_path / "a")
    done = erase_customer(server.services, "c-2", "asked for in writing")
    assert (done.jobs, done.files) == (1, 1)
    assert verify_server(server.services.db) == ()
    assert not server.services.storage.has(visited)
    for person, home in (("super", "office"), ("tech-1", "a")):
        with device_of(server, person, tmp_path / home) as device:
            synced(device)
            assert sound(device)
            theirs = server_states(server)
            assert {stream: digest for stream, digest in states(device).items() if theirs[stream] != digest} == {}
            assert device.replica.disagreements() == ()
            jobs = {row["stream"]: row for row in everything(device.database, JobRow)}
            assert (jobs["job:2"]["number"], jobs["job:2"]["status"]) == ("2", "approved")
            assert b"of another customer" in jobs["job:1"]["view"]
            assert everything(device.database, DraftRow) == []
            assert [row for row in everything(device.database, FileRow) if row["sha256"] == visited] == []
        assert traces(tmp_path / home) == set()
        assert b"kra" not in (tmp_path / home / "data" / "search.db").read_bytes(), "not as a gram either"
        with device_of(server, person, tmp_path / home) as device:
            assert (searched(device, "krause"), searched(device, "2")) == ([], ["job:2"])
        assert traces(tmp_path / home) == set()
    server.stop()
    assert traces(tmp_path / "server") == set()
    server.start()
    assert erase_customer(server.services, "c-2").entries == 0
    with device_of(server, "tech-2", tmp_path / "new") as device:  # who comes later sees what is left
        rules.record("job:1", lifecycle.JobAssigned("tech-2"))
        synced(device)
        assert sound(device)


def test_what_is_aside_on_a_device_goes_and_an_old_stick_brings_nothing_back(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
) -> None:
    """A damaged database, an entry that the server could not read, and a file that was exported before."""
    home, stick = tmp_path / "a", tmp_path / "stick.jsonl"
    with device_of(rules.server, "tech-1", home) as device:
        device.replica.append([Draft(LOG, "job:2", steps.NoteAdded("Frau Krause, refused"))])
        run = device.replica.outgoing(1, 1 << 20)
        assert run is not None
        photo = [e for e in entries_of(device) if e.envelope.files]
        lines = [journal_line("e", seq, entry) for seq, entry in enumerate(photo, start=1)]
        stick.write_bytes(b"".join([*lines, *file_lines(device.home.files / visited, visited)]))
        at = device.replica.entry_at(run.epoch, run.from_seq)
        assert at is not None
        raw = at[0].raw + b"\n" + (at[0].body_raw or b"")
        rules.server.services.replica.quarantine(
            Writer(device.identity.device, "tech-1", "technician", LOG), epoch=run.epoch, log=LOG, seq=run.from_seq,
            prev_hash=at[1], chain=at[2], raw=raw, reason="unreadable",
        )  # fmt: skip
        device.replica.refuse(run.epoch, run.from_seq, "unreadable", rules.server.services.clock())
        (home / "data" / "damaged-20261101-120000.db").write_bytes(b"?? Frau Krause ??")
        (home / "data" / "damaged-20261101-120000.db-wal").write_bytes(b"second floor")
        (home / "desk.json").write_bytes(b'{"aside":"Frau Krause"}')
    erase_customer(rules.server.services, "c-2")
    with device_of(rules.server, "tech-1", home) as device:
        synced(device)
        assert sound(device)
        found = import_unsent(device.home, device.replica, stick)
        assert (found.taken, found.known, found.files) == (0, 1, 0)
    assert traces(home) == set()


def test_why_somebody_decided_goes_with_what_was_decided_on(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    """Outcome rows carry the words of the office: of two decisions that differ, and of one that was made after the erasure."""
    server, homes = rules.server, (("tech-1", "d"), ("super", "b"), ("super", "c"))
    rules.job("4", customer="c-2")
    with device_of(server, "tech-1", tmp_path / "d") as device:
        synced(device)
        said = [device.replica.append([Draft(LOG, "job:4", lifecycle.WorkResumed())]).entries[0] for _ in range(2)]
        synced(device)
    decisions = (office.EntryDismissed(said[0], "Frau Krause says no"), office.EntryReleased(said[0], "Frau Krause says yes"))
    for home in ("b", "c"):
        with device_of(server, "super", tmp_path / home) as boss:
            synced(boss)
    for home, decision in zip(("b", "c"), decisions, strict=True):
        with device_of(server, "super", tmp_path / home) as boss:
            boss.replica.append([Draft(LOG, "job:4", decision)])
            if home == "c":
                boss.replica.append([Draft(LOG, "job:4", office.EntryDismissed(said[1], "too late for Frau Krause"))])
                continue  # sent after the erasure
            synced(boss)
    rules.record("job:4", lifecycle.JobCancelled("closed"))
    for person, home in homes[:2]:
        with device_of(server, person, tmp_path / home) as device:
            synced(device)
        assert traces(tmp_path / home)
    for reason in ("asked", "what came late"):
        assert erase_customer(server.services, "c-2", reason).entries
        for person, home in (*homes, *homes):
            with device_of(server, person, tmp_path / home) as device:
                synced(device)
                assert sound(device)
                theirs = server_states(server)
                assert {stream for stream, digest in states(device).items() if theirs[stream] != digest} == set()
                assert device.replica.disagreements() == ()
        rows = [row["reason"] for row in everything(server.services.db, LogRow) if " by super" in row["reason"]]
        assert "dismissed by super" in rows
        assert any(row.startswith("it was decided already: dismissed by super") for row in rows)
        assert any("Krause" in row for row in rows) == (reason == "asked")
    for _, home in homes:
        assert traces(tmp_path / home) == set()
    assert verify_server(server.services.db) == ()
    before = server_states(server)
    server.services.replica.rebuild(LOG)
    assert server_states(server) == before
    server.stop()
    assert traces(tmp_path / "server") == set()
    server.start()


def test_a_device_that_was_away_for_a_year_forgets_too(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    server = rules.server
    with device_of(server, "tech-1", tmp_path / "a") as device:
        device.replica.append([Draft(LOG, "job:2", steps.NoteAdded("Frau Krause called again"))])  # not sent
    rules.record("job:1", lifecycle.JobAssigned("tech-2"))
    now = server.services.clock()
    server.services.replica._clock = lambda: now + 370 * 86_400_000
    server.services.replica.let_old_jobs_go()
    erase_customer(server.services, "c-2")
    with device_of(server, "tech-1", tmp_path / "a") as device:
        sync_once(device, SETTINGS)
        synced(device)
        assert sound(device)
        assert device.replica.counts().safe_to_leave
    again = erase_customer(server.services, "c-2", "what came late")
    assert again.entries == 1  # it was never lost, and goes when somebody says so
    with device_of(server, "tech-1", tmp_path / "a") as device:
        synced(device)
        assert sound(device)
    assert traces(tmp_path / "a") == set()
    assert verify_server(server.services.db) == ()
    server.stop()
    assert traces(tmp_path / "server") == set()
    server.start()


def test_who_holds_the_asset_alone_forgets_what_other_jobs_brought_to_it(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    """A reading that a colleague took on a job of theirs stands in the history of the asset, which a third person holds as well."""
    server = rules.server
    with device_of(server, "tech-1", tmp_path / "a") as device:
        device.replica.append([Draft(LOG, "job:2", steps.ReadingTaken("a-1", "oil", "Frau Krause read it", "bar"), ("asset:a-1",))])
        synced(device)
    rules.job("5", "tech-2")  # of another customer, on the same asset
    with device_of(server, "tech-2", tmp_path / "b") as device:
        synced(device)
        assert "job:2" not in held(device)
        assert traces(tmp_path / "b")
    erase_customer(server.services, "c-2")
    with device_of(server, "tech-2", tmp_path / "b") as device:
        synced(device)
        assert sound(device)
        assert device.replica.disagreements() == ()
        theirs = server_states(server)
        assert {stream for stream, digest in states(device).items() if theirs[stream] != digest} == set()
    assert traces(tmp_path / "b") == set()


def test_nothing_of_a_history_that_was_read_anew_is_left_for_no_erasure_to_find(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
) -> None:
    stream = rules.job("6", "tech-2", customer="c-2")
    rules.record(stream, steps.NoteAdded("Frau Krause"))
    with device_of(rules.server, "tech-2", tmp_path / "b") as device:
        synced(device)
        assert [entry for entry in entries_of(device) if entry.envelope.stream == stream]
        device.replica.forget_cursors()  # another history, in which the job may be theirs no more
        assert [entry for entry in entries_of(device) if entry.envelope.stream == stream] == []
        assert jobs(device) == {stream}, "it stays in view until that is known"
        synced(device)
        assert sound(device)
        assert [entry for entry in entries_of(device) if entry.envelope.stream == stream]


def test_what_was_handed_over_after_an_erasure_is_no_part_of_it(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    """The server got the bytes of an unreadable entry after the erasure, and has their content: the device keeps it as well."""
    services = rules.server.services
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        erase_customer(services, "c-2")
        device.replica.append([Draft(LOG, "job:2", steps.NoteAdded("handed over later"))])
        run = device.replica.outgoing(1, 1 << 20)
        assert run is not None
        at = device.replica.entry_at(run.epoch, run.from_seq)
        assert at is not None
        name = at[0].id
        raw = at[0].raw + b"\n" + (at[0].body_raw or b"")
        head = services.replica.quarantine(
            Writer(device.identity.device, "tech-1", "technician", LOG), epoch=run.epoch, log=LOG, seq=run.from_seq,
            prev_hash=at[1], chain=at[2], raw=raw, reason="unreadable",
        )  # fmt: skip
        later = services.clock() + 1
        device.replica.refuse(run.epoch, run.from_seq, "unreadable", later)
        device.replica.acknowledge(head, later)
        synced(device)
        kept = {entry.id: entry.body_raw for entry in entries_of(device)}
        assert kept[name]
        services.replica._clock = lambda: later + 1000
        assert erase_customer(services, "c-2", "what came late").jobs == 1
        synced(device)
        kept = {entry.id: entry.body_raw for entry in entries_of(device)}
        assert kept[name] is None


@pytest.mark.parametrize("before", [True, False])
def test_a_late_receipt_says_whether_an_erasure_took_the_bytes(rules: Rules, visited: str, tmp_path: Path, before: bool) -> None:  # noqa: F811
    """The answer to handing over was lost; the erasure is read while the entry counts as unsent, and then the receipt comes."""
    services = rules.server.services
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        device.replica.append([Draft(LOG, "job:2", steps.NoteAdded("Frau Krause, unreadable"))])
        run = device.replica.outgoing(1, 1 << 20)
        assert run is not None
        at = device.replica.entry_at(run.epoch, run.from_seq)
        assert at is not None
        raw = at[0].raw + b"\n" + (at[0].body_raw or b"")

        def hand_over() -> int:
            services.replica.quarantine(
                Writer(device.identity.device, "tech-1", "technician", LOG), epoch=run.epoch, log=LOG, seq=run.from_seq,
                prev_hash=at[1], chain=at[2], raw=raw, reason="unreadable",
            )  # fmt: skip
            since = services.replica.had_since(raw)
            assert since is not None
            return since

        first = hand_over() if before else 0
        now = services.clock()
        services.replica._clock = lambda: now + 1000
        erase_customer(services, "c-2")
        who = Session(device.identity.device, "tech-1", "Ann", "technician", LOG)
        answer = services.feed.pull(who, PullRequest(device.replica.cursors()))
        device.replica.receive(to_page(answer))
        services.replica._clock = lambda: now + 2000
        since = hand_over()
        assert since == first if before else since > now + 1000
        device.replica.refuse(run.epoch, run.from_seq, "unreadable", since)
        kept = {entry.id: entry.body_raw for entry in entries_of(device)}
        assert (kept[at[0].id] is None) == before
    assert (SECRETS[0] in {secret for _, secret in traces(tmp_path / "a")}) != before


def test_a_late_receipt_takes_no_file_that_another_job_names(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    """The same photo on two jobs of two customers: one is erased, by a receipt that comes late, and the other is not even sent."""
    services = rules.server.services
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        data = b"the same hall"
        name = hashlib.sha256(data).hexdigest()
        (device.home.files / name).write_bytes(data)
        photo = FileRef(name, len(data), "hall.png")
        attached = steps.FileAttached(name, len(data), "hall.png")
        device.replica.append([Draft(LOG, "job:2", attached, files=(photo,))])
        device.replica.append([Draft(LOG, "job:1", attached, files=(photo,))])
        run = device.replica.outgoing(1, 1 << 20)
        assert run is not None
        at = device.replica.entry_at(run.epoch, run.from_seq)
        assert at is not None
        raw = at[0].raw + b"\n" + (at[0].body_raw or b"")

        def hand_over(epoch: str) -> None:
            services.replica.quarantine(
                Writer(device.identity.device, "tech-1", "technician", LOG), epoch=epoch, log=LOG, seq=1,
                prev_hash="", chain="c" * 64, raw=raw, reason="unreadable",
            )  # fmt: skip

        hand_over("first")
        now = services.clock()
        services.replica._clock = lambda: now + 1000
        erase_customer(services, "c-2")
        assert services.files.state(name).complete, "nobody is asked for it any more"
        hand_over("second")
        assert services.files.state(name).complete, "nor where it is handed over once more"
        since = services.replica.had_since(raw)
        assert since is not None
        assert since <= now
        who = Session(device.identity.device, "tech-1", "Ann", "technician", LOG)
        device.replica.receive(to_page(services.feed.pull(who, PullRequest(device.replica.cursors()))))
        device.replica.refuse(run.epoch, run.from_seq, "unreadable", since)
        kept = {entry.id: entry.body_raw for entry in entries_of(device)}
        assert kept[at[0].id] is None
        assert {row["sha256"]: row["state"] for row in everything(device.database, FileRow)}[name] == "here"
        synced(device)
        assert (device.home.files / name).read_bytes() == data
        assert services.storage.has(name)


def test_what_the_power_cut_short_is_finished_at_the_next_start(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    erase_customer(rules.server.services, "c-2")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device, monkeypatch.context() as patch:
        patch.setattr(device.replica, "_erase_beside", lambda: None)
        synced(device)
    assert traces(tmp_path / "a")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        assert device.replica.setting("erasing") is None
    assert traces(tmp_path / "a") == set()


def test_a_customer_with_open_jobs_and_an_unknown_one_are_not_forgotten(rules: Rules, visited: str) -> None:  # noqa: F811
    services = rules.server.services
    rules.job("3", customer="c-2")
    with pytest.raises(Problem, match="1 job of this customer is open: 3"):
        erase_customer(services, "c-2")
    with pytest.raises(Problem, match="no customer"):
        erase_customer(services, "c-9")


def test_the_only_copy_of_a_file_stays_while_what_names_it_is_still_to_be_read(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
) -> None:
    """One photo on two jobs, received and not yet uploaded; one of them is erased, and the device loses its database."""
    server, data = rules.server, b"the same hall"
    name = hashlib.sha256(data).hexdigest()
    with device_of(server, "tech-1", tmp_path / "a") as device:
        (device.home.files / name).write_bytes(data)
        photo, attached = FileRef(name, len(data), "hall.png"), steps.FileAttached(name, len(data), "hall.png")
        device.replica.append([Draft(LOG, "job:2", attached, files=(photo,))])
        device.replica.append([Draft(LOG, "job:1", steps.NoteAdded("x" * 3000)) for _ in range(30)])
        device.replica.append([Draft(LOG, "job:1", attached, files=(photo,))])
        while run := device.replica.outgoing(50, 1 << 20):
            received = server.services.replica.receive(Writer(device.identity.device, "tech-1", "technician", LOG), run)
            device.replica.acknowledge(received.head, server.services.clock())
        assert not server.services.storage.has(name)
    erase_customer(server.services, "c-2")
    for folder in ("data", "journal"):
        shutil.rmtree(tmp_path / "a" / folder)
    with device_of(server, "tech-1", tmp_path / "a") as device:
        files, who = (
            FileDesk(device.replica, device.home.files),
            Session(device.identity.device, "tech-1", "Ann", "technician", LOG),
        )
        seen = set()
        while True:
            backfills = tuple(Backfill(*one) for one in device.replica.backfills(100))
            answer = server.services.feed.pull(who, PullRequest(device.replica.cursors(), budget=20_000, backfills=backfills))
            device.replica.receive(to_page(answer))
            files.items()
            seen |= {row["state"] for row in everything(device.database, FileRow) if row["sha256"] == name}
            if not answer.more and not device.replica.backfills(100):
                break
        assert seen == {"erased", "here"}, "the one entry came before the other"
        synced(device)
        assert (device.home.files / name).read_bytes() == data
        assert server.services.storage.has(name)
        assert visited not in {path.name for path in device.home.files.iterdir()}, "what nothing else names has gone"


def test_the_only_copy_of_a_file_stays_before_anything_was_read(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    """The database is lost, and what is kept beside it has spoiled the line of the entry that still names the file."""
    server, data = rules.server, b"the same hall"
    name = hashlib.sha256(data).hexdigest()
    with device_of(server, "tech-1", tmp_path / "a") as device:
        (device.home.files / name).write_bytes(data)
        photo, attached = FileRef(name, len(data), "hall.png"), steps.FileAttached(name, len(data), "hall.png")
        (live,) = device.replica.append([Draft(LOG, "job:1", attached, files=(photo,))]).entries
        device.replica.append([Draft(LOG, "job:2", attached, files=(photo,))])
        while run := device.replica.outgoing(50, 1 << 20):
            received = server.services.replica.receive(Writer(device.identity.device, "tech-1", "technician", LOG), run)
            device.replica.acknowledge(received.head, server.services.clock())
        erase_customer(server.services, "c-2")
        who = Session(device.identity.device, "tech-1", "Ann", "technician", LOG)
        device.replica.receive(to_page(server.services.feed.pull(who, PullRequest(device.replica.cursors()))))
    shutil.rmtree(tmp_path / "a" / "data")
    for path in (tmp_path / "a" / "journal").glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line.replace(b"hall", b"h#ll") if live.encode() in line else line for line in lines))
    with device_of(server, "tech-1", tmp_path / "a") as device:
        assert [row["state"] for row in everything(device.database, FileRow) if row["sha256"] == name] == ["erased"]
        FileDesk(device.replica, device.home.files).items()
        assert (device.home.files / name).exists()
        synced(device)
        assert server.services.storage.has(name)


def test_a_file_that_the_standard_names_comes_back(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    server, size = rules.server, len(SECRETS[2]) * 100
    published = ProcedurePublished("P", 1, "service", {"en": "How"}, None, visited)
    envelope = Envelope(
        id=str(uuid6.uuid7()), log="org", stream="procedure:P", type=published.NAME, author="server", device="server",
        group=str(uuid6.uuid7()), at=Moment(server.services.clock(), skew=0), body="", files=(FileRef(visited, size, "hall.png"),),
    )  # fmt: skip
    server.services.replica.record([write_entry(envelope, encode(published))], {"server": "rule"})
    erase_customer(server.services, "c-2")
    assert server.services.storage.has(visited), "the standard names it too"
    for folder in ("data", "journal"):
        shutil.rmtree(tmp_path / "a" / folder)
    with device_of(server, "tech-1", tmp_path / "a") as device:
        synced(device)
        synced(device)
        assert (device.home.files / visited).exists()
        assert [row["state"] for row in everything(device.database, FileRow) if row["sha256"] == visited] == ["sent"]


def test_a_spoiled_envelope_keeps_nobody_from_forgetting(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        (other,) = [row for row in everything(device.database, EntryRow) if row["stream"] == "customer:c-1"]
        with device.database.write() as conn:
            raw = other["raw"].replace(b'","', b'",#', 1)
            conn.exec_driver_sql("UPDATE entries SET raw = ? WHERE id = ?", (raw, other["id"]))
        erase_customer(rules.server.services, "c-2")
        synced(device)
        bodies = {row["id"]: row["body"] for row in everything(device.database, EntryRow)}
        assert bodies[other["id"]] is not None
        assert traces(tmp_path / "a") == set()


def test_an_erasure_takes_nothing_of_another_branch_that_was_named_by_mistake(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
) -> None:
    rules.record("customer:c-s", CustomerRecorded(Customer("c-s", {"en": "South AG"}, "south")), log="south")
    rules.job("S1", "tech-1", log="south", customer="c-s", asset="a-s")
    rules.record("person:root", PersonRecorded(Person("root", "Root", "admin", LOG)), log="org")
    with device_of(rules.server, "root", tmp_path / "r") as boss:
        synced(boss)
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        device.replica.append([Draft(LOG, "job:2", steps.NoteAdded("Frau Krause"), ("job:S1",))])
        synced(device)
    with device_of(rules.server, "root", tmp_path / "r") as boss:
        synced(boss)
        before = states(boss)
        assert "job:S1" in before
        assert "quarantined" in {row["outcome"] for row in everything(boss.database, LogRow)}
        erase_customer(rules.server.services, "c-2")
        synced(boss)
        assert states(boss).keys() == before.keys()
        assert states(boss)["job:S1"] == before["job:S1"]
        assert "job:S1" in {row["stream"] for row in everything(boss.database, JobRow)}
        assert sound(boss)


def test_what_has_to_go_beside_the_database_goes_once_in_a_first_reading(
    rules: Rules,  # noqa: F811
    visited: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3, 13):
        rules.record(f"customer:c-{number}", CustomerRecorded(Customer(f"c-{number}", {"en": "X"}, LOG)))
        stream = rules.job(str(number), customer=f"c-{number}")
        for _ in range(5):
            rules.record(stream, steps.NoteAdded("x" * 2000))
        rules.record(stream, lifecycle.JobCancelled("closed"))
        erase_customer(rules.server.services, f"c-{number}")
    made: list[int] = []
    scrub = Database.scrub
    monkeypatch.setattr(Database, "scrub", lambda self: (made.append(1), scrub(self))[1])
    with device_of(rules.server, "super", tmp_path / "new") as boss:
        who, pages, more = Session(boss.identity.device, "super", "S", "supervisor", LOG), 0, True
        while more:
            answer = rules.server.services.feed.pull(who, PullRequest(boss.replica.cursors(), budget=20_000))
            boss.replica.receive(to_page(answer))
            pages, more = pages + 1, answer.more
            assert not (made and more)
        assert pages > 2
        synced(boss)
        assert len(made) == 1
        erase_customer(rules.server.services, "c-2")
        synced(boss)
        assert len(made) > 1, "what is erased later goes at once"


def test_what_a_restored_server_brings_back_outlives_a_restart(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        who = Session(device.identity.device, "tech-1", "Ann", "technician", LOG)
        before = to_page(rules.server.services.feed.pull(who, PullRequest({})))
        erase_customer(rules.server.services, "c-2")
        synced(device)
        gone = {entry.id for entry in entries_of(device) if entry.body_raw is None}
        device.replica.forget_cursors()
        device.replica.receive(before)
        back = {entry.id for entry in entries_of(device) if entry.body_raw is not None} & gone
        assert back
        device.replica.start()
        assert back <= {entry.id for entry in entries_of(device) if entry.body_raw is not None}
        kept = {entry.id: entry.body_raw for entry in device.journal.read().entries}
        assert all(kept[name] is not None for name in back & kept.keys()), "and its second copy is whole again"
        assert back & kept.keys()


def test_a_late_receipt_empties_every_view_that_showed_the_entry(rules: Rules, visited: str, tmp_path: Path) -> None:  # noqa: F811
    services = rules.server.services
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        device.replica.append([Draft(LOG, "job:1", steps.NoteAdded("Frau Krause both"), ("job:2",))])
        run = device.replica.outgoing(1, 1 << 20)
        assert run is not None
        at = device.replica.entry_at(run.epoch, run.from_seq)
        assert at is not None
        raw = at[0].raw + b"\n" + (at[0].body_raw or b"")
        services.replica.quarantine(
            Writer(device.identity.device, "tech-1", "technician", LOG), epoch=run.epoch, log=LOG, seq=run.from_seq,
            prev_hash=at[1], chain=at[2], raw=raw, reason="unreadable",
        )  # fmt: skip
        since = services.replica.had_since(raw)
        assert since is not None
        services.replica._clock = lambda: since + 1000
        erase_customer(services, "c-2")
        who = Session(device.identity.device, "tech-1", "Ann", "technician", LOG)
        device.replica.receive(to_page(services.feed.pull(who, PullRequest(device.replica.cursors()))))
        device.replica.refuse(run.epoch, run.from_seq, "unreadable", since)
        views = {row["stream"]: row["view"] for row in everything(device.database, JobRow)}
        assert not [stream for stream, view in views.items() if b"Krause both" in view]
