"""What a device makes of receipts and of pages: nothing is lost, nothing counts twice, own work stays in view."""

from __future__ import annotations

import msgspec
import pytest

from fieldapp.domain.documents import Site
from fieldapp.domain.entry_types import lifecycle, office, reference, steps, work
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.store.rows import Draft, Head, Page, Row
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import CursorRow, DocumentRow, EntryRow, EpochRow, JobRow, LogRow, OwnEntryRow, ScopeRow, StreamRow
from tests.store.devices import Device, MakeDevice, head_of, rows_of, state_digests
from tests.store.pens import START_MS, Pen, created, everything, later, outcomes, outcomes_of, step


@pytest.fixture
def server(sqlite_server: Database) -> ServerReplica:
    return ServerReplica(sqlite_server, lambda: START_MS)


@pytest.fixture
def lin(make_device: MakeDevice) -> Device:
    return make_device()


@pytest.fixture
def boss() -> Pen:
    return Pen("d-boss", "p-mei", "supervisor")


@pytest.fixture
def job(server: ServerReplica, boss: Pen) -> str:
    """A job of Lin's; the id of its last entry."""
    boss.push(server, boss.entry(created(assets=("a1",)), also=("customer:c1", "asset:a1")))
    return boss.say(server, lifecycle.JobAssigned(person="p-lin")).id


def lanes(device: Device) -> list[str]:
    return [row["lane"] for row in everything(device.db, OwnEntryRow)]


def added(db: Database, *streams: str) -> tuple[tuple[str, str, int], ...]:
    return tuple(("b1", stream, head_of(db)) for stream in streams)


def of(*streams: str) -> object:
    return lambda row: bool(set(row.entry.envelope.streams) & set(streams))


def fetch(device: Device, db: Database, *streams: str) -> None:
    """Streams come into scope and are fetched whole."""
    upto = head_of(db)
    rows = rows_of(db, "b1", keep=of(*streams))  # type: ignore[arg-type]
    device.replica.receive(Page((), {"b1": f"{upto}:"}, added(db, *streams)))
    device.replica.receive(Page(tuple(rows), {}, backfilled=tuple((stream, upto, True) for stream in streams)))


def tail(device: Device, db: Database, *streams: str) -> Page:
    """What came into the log since, of these streams and of the device's own."""
    after = int(device.replica.cursors()["b1"].partition(":")[0])

    def keep(row: Row) -> bool:
        return bool(set(row.entry.envelope.streams) & set(streams)) or row.entry.envelope.device == device.who.device

    page = Page(tuple(rows_of(db, "b1", after=after, keep=keep)), {"b1": f"{head_of(db)}:"})
    device.replica.receive(page)
    return page


# --- Receipts ---------------------------------------------------------------------------------------------------------------------


def test_only_a_receipt_moves_entries_out_of_the_outbox(lin: Device, server: ServerReplica) -> None:
    lin.say(steps.NoteAdded(text="one"))
    lin.say(steps.NoteAdded(text="two"))
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    head = server.receive(lin.who, run).head
    assert lanes(lin) == ["unsent", "unsent"]
    assert not lin.replica.counts().safe_to_leave
    lin.replica.acknowledge(head, START_MS)
    assert lanes(lin) == ["received", "received"]
    assert lin.replica.counts().safe_to_leave
    assert lin.replica.outgoing(200, 1 << 20) is None
    assert lin.replica.heads() == (head,)


def test_a_receipt_for_something_else_moves_nothing(lin: Device) -> None:
    lin.say(steps.NoteAdded(text="one"))
    epoch = everything(lin.db, EpochRow)[0]["epoch"]
    for head in (Head(epoch, 1, "f" * 64), Head(epoch, 7, "f" * 64)):
        with pytest.raises(Problem) as foreign:
            lin.replica.acknowledge(head, START_MS)
        assert foreign.value.code == "receipt-foreign"
    assert lanes(lin) == ["unsent"]
    assert lin.replica.acknowledge(Head("another-epoch", 1, "f" * 64), START_MS).entries == ()
    assert lanes(lin) == ["unsent"]


def test_an_old_receipt_that_comes_late_changes_nothing(lin: Device, server: ServerReplica) -> None:
    lin.say(steps.NoteAdded(text="one"))
    (first,) = lin.push(server)
    lin.say(steps.NoteAdded(text="two"))
    (second,) = lin.push(server)
    lin.replica.acknowledge(first, START_MS)
    assert lin.replica.heads() == (second,)
    assert lanes(lin) == ["received", "received"]


def test_a_run_takes_whole_groups_within_its_limits_but_at_least_one(lin: Device) -> None:
    lin.say(*(steps.NoteAdded(text=f"a{n}") for n in range(3)))
    lin.say(*(steps.NoteAdded(text=f"b{n}") for n in range(4)))

    def sizes(entries: int, size: int) -> int:
        run = lin.replica.outgoing(entries, size)
        assert run is not None
        return len(run.entries)

    assert sizes(200, 1 << 20) == 7
    assert sizes(6, 1 << 20) == 3
    assert sizes(1, 1 << 20) == 3
    assert sizes(200, 10) == 3


def test_what_is_read_behind_a_run_is_what_goes_out_once_it_is_received(lin: Device, server: ServerReplica) -> None:
    for number in range(5):
        lin.say(*(steps.NoteAdded(text=f"{number} {n}") for n in range(2)))
    run = lin.replica.outgoing(4, 1 << 20)
    while run is not None:
        ahead = lin.replica.following(run, 4, 1 << 20)
        lin.replica.acknowledge(server.receive(lin.who, run).head, START_MS)
        run = lin.replica.outgoing(4, 1 << 20)
        assert ahead == run
    assert set(lanes(lin)) == {"received"}


def test_nothing_is_read_ahead_where_something_older_waits_in_another_log(make_device: MakeDevice, server: ServerReplica) -> None:
    office = make_device("d-boss", "p-mei", "supervisor")
    office.say(steps.NoteAdded(text="first"))
    office.replica.append([Draft("org", "customer:c9", steps.NoteAdded(text="second"))])
    office.say(steps.NoteAdded(text="third"))
    run = office.replica.outgoing(1, 1 << 20)
    assert run is not None
    assert run.log == "b1"
    assert office.replica.following(run, 1, 1 << 20) is None
    office.replica.acknowledge(server.receive(office.who, run).head, START_MS)
    second = office.replica.outgoing(1, 1 << 20)
    assert second is not None
    assert second.log == "org"


def test_after_a_gap_the_device_offers_again_from_the_server_s_head(lin: Device, server: ServerReplica) -> None:
    lin.say(steps.NoteAdded(text="one"))
    lin.say(steps.NoteAdded(text="two"))
    first = lin.replica.outgoing(1, 1 << 20)
    assert first is not None
    known = server.receive(lin.who, first).head
    everything_sent = lin.replica.outgoing(200, 1 << 20)
    assert everything_sent is not None
    lin.replica.acknowledge(server.receive(lin.who, everything_sent).head, START_MS)
    assert lin.replica.rewind(known)
    again = lin.replica.outgoing(200, 1 << 20)
    assert again is not None
    assert (again.from_seq, again.prev_hash, len(again.entries)) == (2, known.hash, 1)
    assert lanes(lin) == ["received", "unsent"]


def test_what_was_decided_is_settled_when_a_restored_server_receives_it_once_more(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(steps.NoteAdded(text="one"))
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    receipted = server.receive(lin.who, run)
    lin.replica.acknowledge(receipted.head, START_MS)
    lin.replica.receive(Page(tuple(rows_of(sqlite_server, "b1", keep=of("job:1"))), {"b1": f"{head_of(sqlite_server)}:"}))
    assert lanes(lin) == ["settled"]
    assert lin.replica.rewind(Head(receipted.head.epoch, 0, ""))  # the server forgot it, and will place it where it was
    assert lanes(lin) == ["unsent"]
    lin.replica.acknowledge(receipted.head, START_MS)
    assert lanes(lin) == ["settled"]


def test_what_a_copy_of_this_device_has_sent_is_settled_when_it_is_chained_anew(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(steps.NoteAdded(text="one"))
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    server.receive(lin.who, run)  # by the copy: this device gets no receipt
    lin.replica.receive(Page(tuple(rows_of(sqlite_server, "b1", keep=of("job:1"))), {"b1": f"{head_of(sqlite_server)}:"}))
    lin.replica.fork("b1")
    again = lin.replica.outgoing(200, 1 << 20)
    assert again is not None
    lin.replica.acknowledge(server.receive(lin.who, again).head, START_MS)
    assert lanes(lin) == ["settled"]


def test_own_work_stays_in_view_when_its_outcome_comes_before_its_job_was_fetched_again(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(steps.NoteAdded(text="one"))
    lin.push(server)
    head = head_of(sqlite_server)
    own = [row for row in rows_of(sqlite_server, "b1", keep=of("job:1")) if row.entry.envelope.device == lin.who.device]
    lin.replica.receive(Page(tuple(own), {"b1": f"{head}:"}, added(sqlite_server, "job:1")))
    assert lanes(lin) == ["settled"]
    view = lin.view()
    assert view is not None
    assert [note.text for note in view.notes] == ["one"]


def test_a_job_whose_first_entry_was_refused_stays_in_view_with_the_work_on_it(lin: Device) -> None:
    lin.say(created())
    lin.say(steps.NoteAdded(text="one"))
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    lin.replica.refuse(run.epoch, 1, "the device was revoked", lin.clock.at)
    view = lin.view()
    assert view is not None
    assert [note.text for note in view.notes] == ["one"]


def test_a_head_this_device_never_had_cannot_be_rewound_to(lin: Device) -> None:
    lin.say(steps.NoteAdded(text="one"))
    epoch = everything(lin.db, EpochRow)[0]["epoch"]
    assert not lin.replica.rewind(Head(epoch, 1, "e" * 64))
    assert not lin.replica.rewind(Head("another-epoch", 0, ""))
    assert lanes(lin) == ["unsent"]


def test_a_fork_chains_what_is_undecided_anew_and_names_where_it_left(lin: Device, server: ServerReplica) -> None:
    """Also what had a receipt: the line that the receipt spoke of is not the server's."""
    received = lin.say(steps.NoteAdded(text="received")).entries
    lin.push(server)
    ids = [lin.say(steps.NoteAdded(text=f"unsent {n}")).entries[0] for n in range(3)]
    before = lin.replica.identity.epochs["b1"]
    lin.replica.fork("b1")
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    assert run.epoch != before
    assert (run.from_seq, run.prev_hash, run.parent) == (1, "", (before, 1))
    assert [entry.id for entry in run.entries] == [*received, *ids]
    assert [line.epoch for line in lin.journal.read().lines] == [run.epoch] * 4
    assert lin.push(server)[0].seq == 4
    assert lin.findings() == ()


def test_what_a_fork_left_behind_twice_is_still_sent(lin: Device) -> None:
    """After a restored server everything is offered again, whatever epoch it was first written in."""
    ids = []
    for number in range(3):
        ids.append(lin.say(steps.NoteAdded(text=str(number))).entries[0])
        lin.replica.fork("b1")
    lin.replica.forget_cursors()
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    assert [entry.id for entry in run.entries] == ids


def test_a_restored_server_gets_everything_again(lin: Device, server: ServerReplica, sqlite_server: Database, job: str) -> None:
    fetch(lin, sqlite_server, "job:1")
    first = lin.say(lifecycle.JobAccepted()).entries
    lin.push(server)
    lin.replica.fork("b1")
    second = lin.say(lifecycle.WorkStarted()).entries
    lin.push(server)
    tail(lin, sqlite_server, "job:1")
    assert lanes(lin) == ["settled", "settled"]
    lin.replica.forget_cursors()
    assert lin.replica.counts().unsent == 2
    assert lin.view() is not None  # shown as it was until it has come again
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    assert [entry.id for entry in run.entries] == [*first, *second]
    lin.push(server)
    fetch(lin, sqlite_server, "job:1")
    assert lin.replica.counts().unsent == 0
    assert lin.findings() == ()


def test_jobs_that_do_not_come_back_after_a_restore_leave_the_lists(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    boss.say(server, created("J-2"), "job:2")
    boss.say(server, reference.SiteRecorded(Site(id="s1", customer="c1", name={"en": "C"})), "customer:c1")
    fetch(lin, sqlite_server, "job:1", "job:2", "customer:c1")
    lin.replica.forget_cursors()
    assert {row["stream"] for row in everything(lin.db, JobRow)} == {"job:1", "job:2"}
    fetch(lin, sqlite_server, "job:1")
    assert {row["stream"] for row in everything(lin.db, JobRow)} == {"job:1", "job:2"}
    lin.replica.receive(Page((), {"b1": f"{head_of(sqlite_server)}:"}))  # nothing new: all has been said
    assert {row["stream"] for row in everything(lin.db, JobRow)} == {"job:1"}
    assert everything(lin.db, DocumentRow) == []


def test_a_refused_entry_stays_in_view_and_the_queue_goes_on(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(lifecycle.JobAccepted())
    bad = lin.say(step("s1")).entries[0]
    lin.say(step("s2"))
    epoch = lin.replica.identity.epochs["b1"]
    found = lin.replica.entry_at(epoch, 2)
    assert found is not None
    entry, before, at = found
    assert entry.id == bad
    first = lin.replica.outgoing(1, 1 << 20)
    assert first is not None
    server.receive(lin.who, first)  # its receipt is lost
    server.quarantine(lin.who, epoch=epoch, log="b1", seq=2, prev_hash=before, chain=at, raw=entry.raw, reason="unreadable")
    lin.replica.refuse(epoch, 2, "unreadable", lin.clock.at)
    assert lanes(lin) == ["received", "refused", "unsent"]
    view = lin.view()
    assert view is not None
    assert list(view.steps) == ["P/s2"]
    assert [(item.entry, item.outcome) for item in view.unresolved] == [(bad, "quarantined")]
    assert lin.push(server)[0].seq == 3
    assert lanes(lin) == ["received", "refused", "received"]
    assert lin.findings() == ()


def test_what_lies_in_quarantine_counts_as_refused_though_its_receipt_was_lost(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    bad = lin.say(step("s1")).entries[0]
    epoch = lin.replica.identity.epochs["b1"]
    found = lin.replica.entry_at(epoch, 1)
    assert found is not None
    entry, before, at = found
    lin.replica.hand_over(epoch, 1, "too large")
    assert lanes(lin) == ["unsent"]
    server.quarantine(lin.who, epoch=epoch, log="b1", seq=1, prev_hash=before, chain=at, raw=entry.raw, reason="too large")
    lin.push(server)  # the receipt was lost with the power: to the server it is a duplicate
    assert lanes(lin) == ["refused"]
    view = lin.view()
    assert view is not None
    assert [(item.entry, item.outcome) for item in view.unresolved] == [(bad, "quarantined")]


def test_what_was_to_be_handed_over_and_is_taken_after_all_is_settled(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(step("s1"))
    lin.replica.hand_over(lin.replica.identity.epochs["b1"], 1, "too large")
    lin.push(server)
    lin.replica.receive(tail(lin, sqlite_server, "job:1"))
    assert [(row["lane"], row["outcome"]) for row in everything(lin.db, OwnEntryRow)] == [("settled", "applied")]


def test_a_fork_offers_what_was_handed_over_as_bytes_again(lin: Device) -> None:
    """A restored server may have lost them, and no cursor tells of it: they have no place in any log."""
    lin.say(steps.NoteAdded(text="one"))
    lin.replica.refuse(lin.replica.identity.epochs["b1"], 1, "too large", lin.clock.at)
    lin.say(steps.NoteAdded(text="two"))
    lin.replica.fork("b1")
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    assert len(run.entries) == 2
    assert [(row["lane"], row["reason"]) for row in everything(lin.db, OwnEntryRow)] == [("unsent", "")] * 2


def test_what_has_its_outcome_already_waits_for_nobody_when_it_is_handed_over(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    """Received in an earlier line of writing, whose receipt was lost; the new one is offered behind a small proxy."""
    fetch(lin, sqlite_server, "job:1")
    lin.say(step("s1"))
    run = lin.replica.outgoing(200, 1 << 20)
    assert run is not None
    server.receive(lin.who, run)
    lin.replica.fork("b1")
    lin.replica.receive(tail(lin, sqlite_server, "job:1"))
    lin.replica.refuse(lin.replica.identity.epochs["b1"], 1, "too large", lin.clock.at)
    newest = everything(lin.db, OwnEntryRow)[-1]
    assert (newest["lane"], newest["outcome"], newest["reason"]) == ("settled", "applied", "")


# --- Pages ------------------------------------------------------------------------------------------------------------------------


def test_a_page_twice_is_a_page_once(lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str) -> None:
    fetch(lin, sqlite_server, "job:1")
    boss.push(server, *(boss.entry(steps.NoteAdded(text=str(n)), base=job) for n in range(5)))
    page = tail(lin, sqlite_server, "job:1")
    once = [everything(lin.db, table) for table in (LogRow, StreamRow, EntryRow, JobRow, CursorRow)], state_digests(lin.db)
    lin.replica.receive(page)
    assert (
        [everything(lin.db, table) for table in (LogRow, StreamRow, EntryRow, JobRow, CursorRow)],
        state_digests(lin.db),
    ) == once
    view = lin.view()
    assert view is not None
    assert len(view.notes) == 5


def test_a_stream_is_fetched_first_and_followed_then(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    upto = head_of(sqlite_server)
    history = rows_of(sqlite_server, "b1", keep=of("job:1"))  # type: ignore[arg-type]
    lin.replica.receive(Page((), {"b1": f"{upto}:"}, added(sqlite_server, "job:1")))
    assert lin.replica.backfills(10) == (("b1", "job:1", 0, upto),)
    boss.say(server, steps.NoteAdded(text="meanwhile"), base=job)
    tail(lin, sqlite_server, "job:1")
    assert lin.view() is None  # a job opens once all it needs is there
    lin.replica.receive(Page(tuple(history[:1]), backfilled=(("job:1", history[0].pos, False),)))
    assert lin.replica.backfills(10) == (("b1", "job:1", history[0].pos, upto),)
    assert lin.view() is None
    lin.replica.receive(Page(tuple(history[1:]), backfilled=(("job:1", upto, True),)))
    assert lin.replica.backfills(10) == ()
    view = lin.view()
    assert view is not None
    assert [note.text for note in view.notes] == ["meanwhile"]
    assert state_digests(lin.db)["job:1"] == state_digests(sqlite_server)["job:1"]
    assert lin.findings() == ()


def test_what_was_leaving_while_history_is_read_again_comes_back_whole(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1", "customer:c1", "asset:a1")
    lin.say(steps.NoteAdded("still only here"))
    lin.replica.receive(Page(removed=(("b1", "job:1"),)))
    lin.replica.forget_cursors()
    upto = head_of(sqlite_server)
    lin.replica.receive(Page((), {"b1": f"{upto}:"}, added(sqlite_server, "job:1", "customer:c1", "asset:a1")))
    asked = {stream: after for _, stream, after, _ in lin.replica.backfills(10)}
    assert asked == {"job:1": 0, "customer:c1": 0, "asset:a1": 0}
    rows = rows_of(sqlite_server, "b1", keep=of(*asked))  # type: ignore[arg-type]
    lin.replica.receive(Page(tuple(rows), {}, backfilled=tuple((stream, upto, True) for stream in asked)))
    view = lin.view()
    assert view is not None
    assert (view.status, [note.text for note in view.notes]) == ("assigned", ["still only here"])
    assert lin.findings() == ()


def test_a_new_fold_does_not_hide_what_is_being_read_again(
    lin: Device, server: ServerReplica, sqlite_server: Database, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1", "customer:c1", "asset:a1")
    lin.replica.forget_cursors()
    lin.replica.rebuild()
    view = lin.view()
    assert view is not None
    assert view.status == "assigned"


def test_a_server_that_knows_nothing_any_more_is_asked_twice(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    for number in (2, 3):
        boss.push(server, boss.entry(created(f"J-{number}"), f"job:{number}"))
        boss.say(server, lifecycle.JobAssigned(person="p-lin"), f"job:{number}")
    streams = ("job:1", "job:2", "job:3", "customer:c1", "asset:a1")
    fetch(lin, sqlite_server, *streams)
    lin.replica.forget_cursors()  # it was restored
    lin.replica.receive(Page((), {"b1": "0:"}))  # and has nothing
    lin.replica.receive(Page((), {"b1": "0:"}))
    assert lin.replica.doubts() == 5
    assert {row["stream"] for row in everything(lin.db, JobRow)} == {"job:1", "job:2", "job:3"}
    assert lin.replica.doubted(10) == ()
    lin.restart()
    lin.clock.at += 60_001
    asked = lin.replica.doubted(10)
    assert {stream for _, stream, _, _ in asked} == set(streams)
    removed = tuple((log, stream) for log, stream, _, _ in asked)
    lin.replica.receive(Page(removed=removed, backfilled=tuple((stream, upto, True) for _, stream, _, upto in asked)))
    assert everything(lin.db, JobRow) == everything(lin.db, ScopeRow) == []
    assert lin.findings() == ()


def test_what_names_another_log_s_stream_hides_nothing_of_it(
    make_device: MakeDevice, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    office = make_device("d-root", "p-root", "admin")
    south = Pen("d-south", "p-south", "supervisor", log="b2", branch="b2")
    south.push(server, south.entry(created("S-1"), "job:s"))
    for number in range(20):  # positions of one log say nothing about those of another
        boss.say(server, steps.NoteAdded(f"{number}"), base=job)
    lin = Pen("d-lin", "p-lin", "technician")
    stray = lin.say(server, steps.NoteAdded("where it does not belong"), "job:s", also=("person:p-root",))
    assert outcomes(sqlite_server, stray) == ["quarantined"]
    for log in ("b2", "b1"):
        office.replica.receive(Page(tuple(rows_of(sqlite_server, log)), {log: f"{head_of(sqlite_server, log)}:"}, ((log, "*", 0),)))
    south.say(server, steps.NoteAdded("after that"), "job:s")
    rows = tuple(rows_of(sqlite_server, "b2", after=1))
    office.replica.receive(Page(rows, {"b2": f"{head_of(sqlite_server, 'b2')}:"}))
    view = office.view("job:s")
    assert view is not None
    assert ([note.text for note in view.notes], view.unresolved) == (["after that"], ())
    assert office.findings() == ()


def test_cursors_and_rows_come_together_or_not_at_all(
    lin: Device, sqlite_server: Database, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(rows_of(sqlite_server, "b1"))

    def power_cut(*_: object) -> None:
        raise Problem("database-failed", "the power went")

    with monkeypatch.context() as patch:
        patch.setattr("fieldapp.store.receiving.Receiver._save_scope", power_cut)
        with pytest.raises(Problem):
            lin.replica.receive(Page(rows, {"b1": "3:"}, (("b1", "*", 0),)))
    assert lin.replica.cursors()["b1"] == "0:"
    assert [everything(lin.db, table) for table in (LogRow, StreamRow, EntryRow, JobRow, ScopeRow)] == [[]] * 5


def test_own_unsettled_work_stays_on_top_of_what_arrives(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(lifecycle.JobAccepted())
    lin.say(step("s1", "mine"))
    boss.say(server, step("s1", "theirs"), base=job)
    tail(lin, sqlite_server, "job:1")
    view = lin.view()
    assert view is not None
    assert view.status == "accepted"
    assert view.steps["P/s1"].result is not None
    assert view.steps["P/s1"].result.value == "mine"
    lin.push(server)
    assert lin.view() == view  # received is not settled
    tail(lin, sqlite_server, "job:1")
    settled = lin.view()
    assert settled is not None
    assert settled.steps["P/s1"].result is not None
    assert settled.steps["P/s1"].result.value == "theirs"
    assert [item.outcome for item in settled.unresolved] == ["conflict"]
    assert [(row["lane"], row["outcome"]) for row in everything(lin.db, OwnEntryRow)] == [
        ("settled", "applied"), ("settled", "conflict"),
    ]  # fmt: skip
    assert lin.findings() == ()


def test_a_later_outcome_reaches_the_own_entry_and_an_earlier_page_does_not_undo_it(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    boss.say(server, step("s1", "theirs"), base=job)
    mine = lin.say(step("s1", "mine")).entries[0]
    lin.push(server)
    first = tail(lin, sqlite_server, "job:1")
    assert everything(lin.db, OwnEntryRow)[0]["outcome"] == "conflict"
    boss.say(server, office.ConflictDecided(about=mine, side="take"))
    tail(lin, sqlite_server, "job:1")
    assert everything(lin.db, OwnEntryRow)[0]["outcome"] == "applied"
    lin.replica.receive(msgspec.structs.replace(first, cursors={}))
    assert everything(lin.db, OwnEntryRow)[0]["outcome"] == "applied"
    assert lin.findings() == ()


def test_outcomes_of_own_entries_come_whatever_the_scope(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    boss.say(server, created("J-2"), "job:2")
    lin.say(work.TimeRecorded(activity="work", minutes=5), stream="job:2")
    lin.push(server)
    tail(lin, sqlite_server)
    assert [(row["lane"], row["outcome"]) for row in everything(lin.db, OwnEntryRow)] == [("settled", "quarantined")]
    assert lin.view("job:2") is None


def test_a_stream_that_leaves_waits_for_what_is_unsent_on_it(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    boss.say(server, created("J-2"), "job:2")
    fetch(lin, sqlite_server, "job:1", "job:2", "customer:c1", "asset:a1")
    lin.say(lifecycle.JobAccepted(), also=("customer:c1",))
    gone = ("job:1", "job:2", "customer:c1", "asset:a1")
    lin.replica.receive(Page(removed=tuple(("b1", stream) for stream in gone)))
    assert lin.view("job:1") is not None
    assert lin.view("job:2") is None
    assert {row["stream"] for row in everything(lin.db, ScopeRow)} == {"job:1", "customer:c1"}
    lin.push(server)
    assert lin.replica.counts().unsent == 0
    lin.replica.receive(Page())
    assert everything(lin.db, ScopeRow) == []
    assert everything(lin.db, JobRow) == []
    assert everything(lin.db, StreamRow) == []
    assert [row["device"] for row in everything(lin.db, EntryRow)] == ["d-lin"]
    assert lin.findings() == ()


def test_a_stream_that_comes_back_while_it_leaves_is_kept(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    fetch(lin, sqlite_server, "job:1")
    lin.say(lifecycle.JobAccepted())
    lin.replica.receive(Page(removed=(("b1", "job:1"),)))
    boss.say(server, steps.NoteAdded(text="yours again"))
    fetch(lin, sqlite_server, "job:1")
    lin.push(server)
    lin.replica.receive(Page())
    view = lin.view()
    assert view is not None
    assert [note.text for note in view.notes] == ["yours again"]
    assert lin.findings() == ()


def test_an_entry_is_folded_into_every_stream_it_names_that_is_held(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str
) -> None:
    boss.say(server, steps.ReadingTaken(asset="a1", quantity="oil", value="1.3"), base=job, also=("asset:a1",))
    fetch(lin, sqlite_server, "asset:a1")
    assert set(state_digests(lin.db)) == {"asset:a1"}
    assert lin.view() is None
    fetch(lin, sqlite_server, "job:1")
    ours, theirs = state_digests(lin.db), state_digests(sqlite_server)
    assert {stream: theirs[stream] for stream in ours} == ours
    assert set(ours) == {"asset:a1", "job:1"}


def test_the_newest_document_counts_whatever_order_pages_come_in(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen
) -> None:
    for name in ("old", "new"):
        boss.say(server, reference.SiteRecorded(Site(id="s1", customer="c1", name={"en": name})), "customer:c1")
    fetch(lin, sqlite_server, "customer:c1")
    assert everything(lin.db, DocumentRow) == everything(sqlite_server, DocumentRow)
    assert b'"new"' in everything(lin.db, DocumentRow)[0]["body"]


def test_held_entries_that_are_released_reach_the_device(
    lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen
) -> None:
    lin.say(step("s1"))
    lin.push(server)
    tail(lin, sqlite_server)
    assert everything(lin.db, OwnEntryRow)[0]["outcome"] == "held"
    mine = lin.replica.entry_at(lin.replica.identity.epochs["b1"], 1)
    assert mine is not None
    boss.say(server, created())
    assert later(sqlite_server, mine[0]) == ["applied"]
    fetch(lin, sqlite_server, "job:1")
    assert everything(lin.db, OwnEntryRow)[0]["outcome"] == "applied"
    assert state_digests(lin.db)["job:1"] == state_digests(sqlite_server)["job:1"]
    assert outcomes_of(sqlite_server, [mine[0].id]) == ["held"]


def test_a_rebuild_changes_nothing(lin: Device, server: ServerReplica, sqlite_server: Database, boss: Pen, job: str) -> None:
    fetch(lin, sqlite_server, "job:1", "customer:c1", "asset:a1")
    boss.say(server, reference.SiteRecorded(Site(id="s1", customer="c1", name={"en": "C"})), "customer:c1")
    tail(lin, sqlite_server, "customer:c1")
    lin.say(lifecycle.JobAccepted(), step("s1"))
    before = [everything(lin.db, JobRow), everything(lin.db, DocumentRow)], state_digests(lin.db)
    assert lin.replica.rebuild() == 3
    assert ([everything(lin.db, JobRow), everything(lin.db, DocumentRow)], state_digests(lin.db)) == before
    assert lin.findings() == ()
