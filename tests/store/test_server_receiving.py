"""Receiving on the server, the same on SQLite and PostgreSQL: positions, duplicates, forks, and that nothing received is lost."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import col

from fieldapp.domain.documents import Customer, Site
from fieldapp.domain.entry import FileRef, chain_hash
from fieldapp.domain.entry_types import reference, steps
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.store.import_words import ARRIVED
from fieldapp.store.rows import PositionProblem, Run
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DocumentRow, EntryRow, LogHeadRow, LogRow, PositionRow, QuarantineRow, StreamRow
from fieldapp.store.verify import verify_server
from tests.store.pens import START_MS, Pen, chained, conserved, count, created, digests, everything, outcomes, step


@pytest.fixture
def server(server_db: Database) -> ServerReplica:
    return ServerReplica(server_db, lambda: START_MS + 5_000)


@pytest.fixture
def office() -> Pen:
    return Pen("d-office", "p-mei", "supervisor")


def sound(db: Database) -> bool:
    return conserved(db) and verify_server(db) == ()


def test_a_receipt_names_the_new_head_of_the_epoch(server: ServerReplica, server_db: Database, office: Pen) -> None:
    entries = office.group(created(), step("s1"), step("s2"))
    receipt = office.push(server, *entries)
    assert receipt.statuses == ("received", "received", "received")
    assert (receipt.head.seq, receipt.head.hash) == (3, chained("", 1, entries))
    assert receipt.moved == {"b1": 3}
    assert outcomes(server_db, *entries) == ["applied"] * 3
    assert sound(server_db)


def test_the_same_run_again_is_a_duplicate_and_changes_nothing(server: ServerReplica, server_db: Database, office: Pen) -> None:
    run = office.run(office.group(created(), step()))
    first = server.receive(office.who, run)
    before = everything(server_db, LogRow), digests(server_db)
    again = server.receive(office.who, run)
    assert again.statuses == ("duplicate", "duplicate")
    assert again.head == first.head
    assert again.moved == {}
    assert (everything(server_db, LogRow), digests(server_db)) == before


def test_a_run_that_overlaps_brings_only_what_is_new(server: ServerReplica, server_db: Database, office: Pen) -> None:
    entries = [office.entry(created()), office.entry(step("s1")), office.entry(step("s2"))]
    server.receive(office.who, office.run(entries[:2]))
    receipt = server.receive(office.who, office.run(entries))
    assert receipt.statuses == ("duplicate", "duplicate", "received")
    assert count(server_db, LogRow, col(LogRow.kind) == "entry") == 3
    assert sound(server_db)


def test_a_gap_is_answered_with_the_server_s_head_and_stores_nothing(
    server: ServerReplica, server_db: Database, office: Pen
) -> None:
    office.say(server, created())
    entry = office.entry(step())
    with pytest.raises(PositionProblem) as gap:
        server.receive(office.who, Run(office.epoch, "b1", 5, "0" * 64, (entry,)))
    assert (gap.value.code, gap.value.head.seq, gap.value.head.hash) == ("gap", 1, office.chain)
    assert count(server_db, EntryRow, col(EntryRow.id) == entry.id) == 0


@pytest.mark.parametrize("from_seq", [0, -3])
def test_positions_count_from_one(server: ServerReplica, server_db: Database, office: Pen, from_seq: int) -> None:
    with pytest.raises(PositionProblem):
        server.receive(office.who, Run(office.epoch, "b1", from_seq, "", (office.entry(created()),)))
    assert count(server_db, PositionRow) == 0


def test_another_entry_at_a_known_position_is_a_fork(server: ServerReplica, server_db: Database, office: Pen) -> None:
    server.receive(office.who, office.run([office.entry(created()), office.entry(step("s1"))]))
    with pytest.raises(PositionProblem) as fork:
        server.receive(office.who, office.run([office.entry(created("J-9"), "job:9")]))
    assert fork.value.code == "fork"
    assert fork.value.head.seq == 2
    assert count(server_db, EntryRow) == 2


def test_a_chain_that_begins_elsewhere_is_a_fork(server: ServerReplica, office: Pen) -> None:
    office.say(server, created())
    with pytest.raises(PositionProblem) as fork:
        server.receive(office.who, Run(office.epoch, "b1", 2, "f" * 64, (office.entry(step()),)))
    assert fork.value.code == "fork"


def test_an_epoch_belongs_to_one_device_and_one_log(server: ServerReplica, server_db: Database, office: Pen) -> None:
    office.say(server, created())
    stranger = Pen("d-other", "p-other", "supervisor")
    stranger.epoch, stranger.seq, stranger.chain = office.epoch, office.seq, office.chain
    with pytest.raises(PositionProblem) as fork:
        stranger.push(server, stranger.entry(step()))
    assert fork.value.code == "fork"
    with pytest.raises(PositionProblem):
        server.receive(office.who, Run(office.epoch, "b2", 2, office.chain, (office.entry(step()),)))
    assert count(server_db, EntryRow) == 1


def test_the_same_content_in_a_new_epoch_is_a_duplicate(server: ServerReplica, server_db: Database, office: Pen) -> None:
    entries = [office.entry(created()), office.entry(step())]
    old = office.push(server, *entries).head
    office.open(parent=(old.epoch, 1))
    receipt = office.push(server, *entries, office.entry(step("s2")))
    assert receipt.statuses == ("duplicate", "duplicate", "received")
    assert receipt.head.seq == 3
    assert count(server_db, LogRow, col(LogRow.kind) == "entry") == 3
    assert count(server_db, PositionRow) == 5
    assert sound(server_db)


def test_other_bytes_under_a_known_id_are_kept_as_quarantine(server: ServerReplica, server_db: Database, office: Pen) -> None:
    first = office.say(server, created())
    impostor = office.entry(step("s9"), key=first.id)
    receipt = office.push(server, impostor, office.entry(step("s2")))
    assert receipt.head.seq == 3
    (kept,) = everything(server_db, QuarantineRow)
    assert kept["id"] == impostor.hash
    assert kept["raw"] == impostor.raw + b"\n" + (impostor.body_raw or b"")
    assert "same id" in kept["reason"]
    assert count(server_db, LogRow, col(LogRow.kind) == "entry") == 2
    assert sound(server_db)


def test_two_entries_of_one_run_with_one_id(server: ServerReplica, server_db: Database, office: Pen) -> None:
    first = office.entry(created())
    twin = office.entry(created("J-2"), key=first.id)
    assert office.push(server, first, first, twin).statuses == ("received", "duplicate", "duplicate")
    assert count(server_db, EntryRow) == 1
    assert count(server_db, QuarantineRow) == 1
    assert sound(server_db)


def test_bytes_that_are_no_entry_take_their_position_as_quarantine(server: ServerReplica, server_db: Database, office: Pen) -> None:
    office.say(server, created())
    raw = b"\x00\xff not an entry"
    chain = chain_hash(office.chain, 2, hashlib.sha256(raw).hexdigest())
    arguments = {
        "epoch": office.epoch, "log": "b1", "seq": 2, "prev_hash": office.chain, "chain": chain, "raw": raw,
        "reason": "not \x00 JSON",
    }  # fmt: skip
    head = server.quarantine(office.who, **arguments)  # type: ignore[arg-type]
    assert (head.seq, head.hash) == (2, chain)
    assert server.quarantine(office.who, **arguments) == head  # type: ignore[arg-type]
    with pytest.raises(PositionProblem) as fork:
        server.quarantine(office.who, **{**arguments, "chain": "e" * 64})  # type: ignore[arg-type]
    assert fork.value.code == "fork"
    with pytest.raises(PositionProblem) as gap:
        server.quarantine(office.who, **{**arguments, "seq": 7})  # type: ignore[arg-type]
    assert gap.value.code == "gap"
    office.follow(head)
    assert office.push(server, office.entry(step())).head.seq == 3
    assert everything(server_db, QuarantineRow)[0]["raw"] == raw
    assert sound(server_db)


def test_what_was_handed_over_as_bytes_is_taken_when_it_comes_as_it_was_recorded(
    server: ServerReplica, server_db: Database, office: Pen
) -> None:
    """A copy of the device's disk stood behind a proxy that let nothing through but bytes; the device itself offers the entry."""
    before = office.say(server, created())
    late = office.entry(step())
    run = office.run([late])
    raw = late.raw + b"\n" + (late.body_raw or b"")
    server.quarantine(
        office.who, epoch=office.epoch, log="b1", seq=2, prev_hash=run.prev_hash, chain=chained(run.prev_hash, 2, [late]), raw=raw,
        reason="it is too large to be sent",
    )  # fmt: skip
    receipt = server.receive(office.who, run)
    assert receipt.statuses == ("received",)
    assert (receipt.head.seq, receipt.head.hash) == (2, chained(run.prev_hash, 2, [late]))
    assert outcomes(server_db, before, late) == ["applied", "applied"]
    (bytes_,) = everything(server_db, QuarantineRow)
    assert bytes_["decided"] == ARRIVED
    assert server.receive(office.who, run).statuses == ("duplicate",)
    assert sound(server_db)


def test_bytes_of_an_entry_that_is_there_already_trouble_nobody(server: ServerReplica, server_db: Database, office: Pen) -> None:
    """A new line of writing begins with what the old one had brought, and a proxy lets nothing but bytes through."""
    known = office.say(server, created())
    raw, chain = known.raw + b"\n" + (known.body_raw or b""), chained("", 1, [known])
    line = {"epoch": "a-new-line", "log": "b1", "seq": 1, "prev_hash": "", "chain": chain, "raw": raw, "reason": "too large"}
    head = server.quarantine(office.who, **line)  # type: ignore[arg-type]
    assert (head.seq, head.hash) == (1, chain)
    assert server.quarantine(office.who, **line) == head  # type: ignore[arg-type]
    assert count(server_db, QuarantineRow) == 0
    assert outcomes(server_db, known) == ["applied"]
    assert sound(server_db)


def test_files_that_entries_name_are_wanted_until_they_have_come(server: ServerReplica, office: Pen) -> None:
    photo = FileRef("a" * 64, 2048, "photo.jpg", "image/jpeg")
    body = steps.FileAttached(sha256=photo.sha256, size=photo.size, name=photo.name)
    office.say(server, created())
    assert office.push(server, office.entry(body, files=(photo,))).wanted == (photo.sha256,)
    assert office.push(server, office.entry(step())).wanted == ()


def test_a_failure_in_the_middle_leaves_nothing(
    server: ServerReplica, server_db: Database, office: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.say(server, created())
    before = everything(server_db, LogRow), everything(server_db, PositionRow), digests(server_db)
    run = office.run([office.entry(step("s1")), office.entry(step("s2"))])

    def power_cut(*_: object) -> None:
        raise Problem("database-failed", "the power went")

    with monkeypatch.context() as patch:
        patch.setattr("fieldapp.store.heads.StreamHeads.save", power_cut)
        with pytest.raises(Problem):
            server.receive(office.who, run)
    assert (everything(server_db, LogRow), everything(server_db, PositionRow), digests(server_db)) == before
    assert server.receive(office.who, run).statuses == ("received", "received")
    assert sound(server_db)


def test_what_the_server_records_itself_is_there_once(server: ServerReplica, server_db: Database) -> None:
    rule = Pen("server", "fixtures", "rule")
    customer = Customer(id="c1", name={"en": "Huaxin Hospital"}, branch="b1")
    entries = [rule.entry(reference.CustomerRecorded(customer), "customer:c1"), rule.entry(created()), rule.entry(step())]
    assert server.record(entries, {"fixtures": "rule"}) == {"b1": 3}
    assert server.record(entries, {"fixtures": "rule"}) == {}
    (document,) = everything(server_db, DocumentRow)
    assert (document["type"], document["pos"], document["entry_hash"]) == ("customer.recorded", 1, entries[0].hash)
    assert sound(server_db)


def test_eight_writers_at_once_get_gapless_positions_and_one_chain(server: ServerReplica, server_db: Database) -> None:
    boss = Pen("d-boss", "p-boss", "supervisor")
    shared = [boss.entry(created(f"J-{n}", assets=("a1",)), f"job:{n}", also=("customer:c1", "asset:a1")) for n in range(4)]
    boss.push(server, *shared)

    def work(number: int) -> int:
        pen = Pen(f"d-{number}", f"p-{number}", "supervisor")
        for turn in range(6):
            job = f"job:{(number + turn) % 4}"
            reading = steps.ReadingTaken(asset="a1", quantity="p", value="1")
            also = ("asset:a1",) if turn % 2 else ("asset:a1", "customer:c1")
            pen.push(server, pen.entry(reading, job, also=also), *pen.group(step(f"n{number}t{turn}"), step("s"), stream=job))
        return 18

    with ThreadPoolExecutor(8) as pool:
        written = sum(pool.map(work, range(8)))
    rows = everything(server_db, LogRow)
    assert [row["pos"] for row in rows] == list(range(1, len(rows) + 1))
    assert len([row for row in rows if row["kind"] == "entry"]) == written + 4
    (head,) = everything(server_db, LogHeadRow)
    assert (head["pos"], head["chain"]) == (len(rows), rows[-1]["chain"])
    assert count(server_db, StreamRow, col(StreamRow.stream) == "asset:a1") == 8 * 6 + 4
    assert sound(server_db)


def test_writers_with_nothing_in_common_still_take_turns_at_the_log(
    server: ServerReplica, server_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldapp.store.server.BUSY_TRIES", 1)  # the lock alone must do

    def work(number: int) -> None:
        pen, job = Pen(f"d-{number}", f"p-{number}", "supervisor"), f"job:{number}"
        pen.push(server, pen.entry(created(f"J-{number}"), job))
        for turn in range(8):
            pen.push(server, pen.entry(step(f"s{turn}"), job))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [row["pos"] for row in everything(server_db, LogRow)] == list(range(1, 8 * 9 + 1))
    assert sound(server_db)


def test_one_entry_offered_by_two_copies_of_a_device_at_once_is_there_once(server: ServerReplica, server_db: Database) -> None:
    pens = [Pen("d-cloned", "p-1", "supervisor") for _ in range(4)]
    entries = [pens[0].entry(created()), *(pens[0].entry(step(f"s{n}")) for n in range(20))]
    with ThreadPoolExecutor(4) as pool:
        statuses = [status for receipt in pool.map(lambda pen: pen.push(server, *entries), pens) for status in receipt.statuses]
    assert statuses.count("received") == 21
    assert statuses.count("duplicate") == 63
    assert sound(server_db)


def test_a_restart_and_a_refold_give_the_same_digests(server: ServerReplica, server_db: Database, office: Pen) -> None:
    technician = Pen("d-tech", "p-lin", "technician")
    office.say(server, created(assets=("a1",)), also=("customer:c1", "asset:a1"))
    technician.say(server, step("early"), "job:2")
    office.say(server, created("J-2"), "job:2")
    office.push(server, *office.group(step("s1"), step("s2")))
    office.say(server, steps.ReadingTaken(asset="a1", quantity="p", value="2"), also=("asset:a1",))
    site = Site(id="s1", customer="c1", name={"en": "Building C"})
    office.say(server, reference.SiteRecorded(site), "customer:c1")
    before = digests(server_db), everything(server_db, DocumentRow)
    other = Database(server_db.url)
    again = ServerReplica(other, lambda: START_MS)
    assert again.rebuild("b1") == len(before[0])
    assert (digests(other), everything(other, DocumentRow)) == before
    assert verify_server(other) == ()
    office.say(again, step("s3"))
    assert sound(other)
    other.close()


def test_bytes_of_many_devices_at_once_all_find_their_place(server: ServerReplica, server_db: Database) -> None:
    """On PostgreSQL two that insert the same bytes wait for each other; whoever was in the way is tried again."""

    def work(number: int) -> None:
        pen = Pen(f"d-{number}", f"p-{number}", "technician")
        chain = ""
        for seq in range(1, 9):
            raw = b"no entry %d" % (seq if number % 2 else 9 - seq)
            after = chain_hash(chain, seq, hashlib.sha256(raw).hexdigest())
            server.quarantine(
                pen.who, epoch=pen.epoch, log="b1", seq=seq, prev_hash=chain, chain=after, raw=raw, reason="unreadable"
            )
            chain = after

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert count(server_db, PositionRow) == 64
    assert count(server_db, QuarantineRow) == 8
    assert sound(server_db)
