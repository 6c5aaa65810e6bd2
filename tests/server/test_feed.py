"""What a pull brings, and what it never brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from sqlalchemy import Connection, event

from fieldapp.domain.entry import Entry, chain_hash
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.server.answers import Refused
from fieldapp.server.erasing import erase_customer
from fieldapp.server.reach import Session
from fieldapp.server.receiving import writer
from fieldapp.server.services import ServerServices
from fieldapp.store.database import plain
from fieldapp.sync.protocol import Backfill, EpochHead, PullAnswer, from_wire
from tests.server.office import LOG, Office, entry_of


class Reader:
    """A device that only pulls, and keeps what it got as a device does."""

    def __init__(self, office: Office, who: Session) -> None:
        self.office, self.who = office, who
        self.cursors: dict[str, str] = {}
        self.wanted: dict[str, Backfill] = {}
        self.rows: dict[tuple[str, int], Entry] = {}
        self.removed: list[str] = []
        self.pages: list[PullAnswer] = []

    def pull(self, **request: object) -> PullAnswer:
        page = self.office.pull(self.who, cursors=self.cursors, backfills=tuple(self.wanted.values()), **request)
        self.pages.append(page)
        self.cursors |= page.cursors
        assert [(row.log, row.pos) for row in page.rows if row.log == LOG] == sorted(
            (row.log, row.pos) for row in page.rows if row.log == LOG
        )
        self.rows |= {(row.log, row.pos): from_wire(row.entry) for row in page.rows}
        for added in page.added:
            if added.stream != "*":
                self.wanted[added.stream] = Backfill(added.log, added.stream, 0, added.upto)
        for done in page.backfilled:
            if done.done:
                self.wanted.pop(done.stream)
            else:
                self.wanted[done.stream] = msgspec.structs.replace(self.wanted[done.stream], after=done.after)
        for gone in page.removed:
            self.removed.append(gone.stream)
            self.wanted.pop(gone.stream, None)
        return page

    def drain(self, **request: object) -> None:
        for _ in range(2000):
            if not self.pull(**request).more and not self.wanted:
                return
        raise AssertionError("it never ends")

    def streams(self) -> set[str]:
        return {stream for (log, _), entry in self.rows.items() if log == LOG for stream in entry.envelope.streams}


@contextmanager
def statements(services: ServerServices) -> Iterator[list[str]]:
    """The statements that the server's pulls run meanwhile."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(statement)

    def trace(conn: Connection) -> None:
        plain(conn).set_trace_callback(note)

    def run(conn: object, cursor: object, statement: str, *rest: object) -> None:
        note(statement)

    engine = services.db._readers
    name, listener = ("begin", trace) if services.db.is_sqlite else ("before_cursor_execute", run)
    event.listen(engine, name, listener)
    yield seen
    event.remove(engine, name, listener)


def test_the_office_reads_the_whole_log_in_order(office: Office) -> None:
    for number in range(3):
        office.job(number, "tech-1")
    reader = Reader(office, office.enrol("super"))
    reader.drain()
    assert {(added.log, added.stream) for added in reader.pages[0].added} == {("org", "*"), (LOG, "*")}
    assert {"job:j-0", "job:j-1", "job:j-2", "asset:a-1", "customer:c-1"} <= reader.streams()
    heads = office.services.feed.heads(reader.who)
    assert {log: int(cursor.split(":")[0]) for log, cursor in reader.cursors.items()} == heads
    kinds = {row.kind for page in reader.pages for row in page.rows}
    assert kinds == {"entry"}


def test_pages_of_any_size_bring_the_same(office: Office) -> None:
    for number in range(6):
        office.note(office.job(number, "tech-1"), "x" * 500 * number)
    for person in ("super", "tech-1"):
        found = []
        for budget in (1, 700, 5000, 10**6):
            reader = Reader(office, office.enrol(person))
            reader.drain(budget=budget)
            found.append(sorted(reader.rows))
            for page in reader.pages:
                sizes = [len(row.entry.raw) + len(row.entry.body or "") for row in page.rows]
                assert sum(sizes[:-1]) < budget or len(sizes) == 1
        assert found[0] == found[1] == found[2] == found[3] != []


def test_a_technician_gets_own_jobs_and_what_they_need_and_nothing_else(office: Office) -> None:
    mine, theirs = office.job(1, "tech-1"), office.job(2, "tech-2")
    office.note(theirs)
    reader = Reader(office, office.enrol("tech-1"))
    first = reader.pull()
    assert {added.stream for added in first.added if added.log == LOG} == {mine, "customer:c-1", "asset:a-1"}
    assert {added.upto for added in first.added if added.log == LOG} == {office.services.feed.heads(reader.who)[LOG]}
    assert not [row for row in first.rows if row.log == LOG]
    reader.drain()
    assert mine in reader.streams()
    only_theirs = [entry for entry in reader.rows.values() if set(entry.envelope.streams) == {theirs}]
    assert only_theirs == []
    known = set(reader.rows)
    office.note(theirs)
    mark = office.note(mine)
    reader.drain()
    assert [entry.id for place, entry in reader.rows.items() if place not in known] == [mark.id]


def test_reassigning_removes_here_and_adds_there(office: Office) -> None:
    stream, other = office.job(1, "tech-1"), office.job(2, "tech-1")
    one, two = Reader(office, office.enrol("tech-1")), Reader(office, office.enrol("tech-2"))
    one.drain()
    two.drain()
    assert two.streams() == set()
    office.assign(stream, "tech-2")
    office.note(stream, "for the second only")
    one.drain()
    two.drain()
    assert one.removed == [stream]
    assert stream in two.streams()
    assert "for the second only" not in str(one.rows)
    office.assign(stream, "tech-1")
    one.removed.clear()
    page = one.pull()
    assert [added.stream for added in page.added] == [stream]
    assert one.removed == []
    one.drain()
    assert "for the second only" in str(one.rows)
    assert other in one.streams()


def test_leaving_and_coming_back_between_two_pulls_counts_as_coming(office: Office) -> None:
    stream = office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    office.assign(stream, "tech-2")
    office.note(stream, "meanwhile")
    office.assign(stream, "tech-1")
    page = reader.pull()
    assert stream in {added.stream for added in page.added}
    assert stream not in {gone.stream for gone in page.removed}
    reader.drain()
    assert "meanwhile" in str(reader.rows)


def test_a_stream_that_left_is_not_served_whatever_is_asked(office: Office) -> None:
    stream = office.job(1, "tech-1")
    office.job(2, "tech-1")
    who = office.enrol("tech-1")
    office.assign(stream, "tech-2")
    office.note(stream, "not yours")
    head = office.services.feed.heads(who)[LOG]
    page = office.pull(who, backfills=(Backfill(LOG, stream, 0, head), Backfill(LOG, "job:j-9", 0, 10**15)))
    assert "not yours" not in str(page)
    assert {(done.stream, done.done) for done in page.backfilled} == {(stream, True), ("job:j-9", True)}
    assert stream in {gone.stream for gone in page.removed}
    foreign = office.pull(who, cursors={"south": "0:"}, backfills=(Backfill("south", "job:x", 0, 5),))
    assert "south" not in foreign.cursors
    assert foreign.logs == ("org", LOG)


def test_own_outcomes_come_even_out_of_scope(office: Office) -> None:
    stream = office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    office.assign(stream, "tech-2")
    reader.drain()
    late = entry_of(reader.who, stream, steps.NoteAdded("too late"))
    assert office.push(reader.who, late).statuses == ("received",)
    page = reader.pull()
    assert [(from_wire(row.entry).id, row.outcome) for row in page.rows] == [(late.id, "late")]
    lost = Reader(office, reader.who)
    lost.drain()
    assert late.id in {entry.id for entry in lost.rows.values()}


@pytest.mark.parametrize("person", ["tech-1", "super"])
def test_who_left_a_branch_gets_own_rows_of_it_and_nothing_else(office: Office, person: str) -> None:
    stream = office.job(1, "tech-1")
    reader = Reader(office, office.enrol(person))
    reader.drain()
    mine = entry_of(reader.who, stream, steps.NoteAdded("written before"), base=None)
    office.push(reader.who, mine)
    office.note(stream, "not theirs any more")
    office.services.people.add_branch("south", "South")
    at_home, known = reader.who, set(reader.rows)
    reader.who = msgspec.structs.replace(at_home, branch="south")
    page = reader.pull()
    assert page.logs == ("org", "south")
    assert [entry.id for place, entry in reader.rows.items() if place not in known and place[0] == LOG] == [mine.id]
    assert reader.cursors[LOG].endswith("o")
    assert not [added for added in page.added if added.log == LOG]
    again = office.pull(reader.who, cursors=reader.cursors, backfills=(Backfill(LOG, stream, 0, 10**6),))
    assert [gone.stream for gone in again.removed] == [stream]
    assert not again.rows
    stranger = office.enrol("tech-2")
    assert LOG not in office.pull(msgspec.structs.replace(stranger, branch="south"), cursors=reader.cursors).cursors
    reader.who = at_home
    page = reader.pull()
    expected = {stream, "customer:c-1", "asset:a-1"} if person == "tech-1" else {"*"}
    assert {added.stream for added in page.added if added.log == LOG} == expected
    reader.drain()
    assert "not theirs any more" in str(reader.rows)


def test_who_writes_into_another_branch_hears_nothing_of_who_was_forgotten_there(office: Office) -> None:
    """Anybody's bytes are kept; having some of them there opens nothing of that branch."""
    services, stream = office.services, office.job(1, "tech-1")
    services.people.add_branch("south", "South")
    services.people.add("tech-9", "Di Roth", "technician", "south")
    outside, inside = office.enrol("tech-9"), office.enrol("tech-1")
    office.push(outside, entry_of(outside, "job:nobodys", steps.NoteAdded("of the south")))
    office.push(inside, entry_of(inside, stream, steps.NoteAdded("of the north")))
    office.record(stream, lifecycle.JobCancelled("moved away"))
    erase_customer(services, "c-1", "asked by the family")
    page = office.pull(outside, cursors={LOG: "0:"})
    assert [from_wire(row.entry).envelope.stream for row in page.rows if row.log == LOG] == ["job:nobodys"]
    left = msgspec.structs.replace(inside, branch="south")
    rows = [from_wire(row.entry).envelope.type for row in office.pull(left, cursors={LOG: "0:"}).rows if row.log == LOG]
    assert rows == ["note.added", "job.erased"], "but of their own work they do"


def test_a_later_outcome_comes_with_its_entry(office: Office) -> None:
    reader = Reader(office, office.enrol("super"))
    held = entry_of(reader.who, "job:j-5", lifecycle.JobAssigned("tech-1"))
    office.push(reader.who, held)
    office.job(5)
    reader.drain()
    mine = [row for page in reader.pages for row in page.rows if from_wire(row.entry).id == held.id]
    assert [(row.kind, row.outcome) for row in mine] == [("entry", "held"), ("outcome", "applied")]


def test_nothing_new_is_one_small_answer_and_few_reads(office: Office, services: ServerServices) -> None:
    office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    with statements(services) as seen:
        page = reader.pull(fold=FOLD_VERSION)
    assert len(seen) == 2  # the log, and files that have not arrived
    assert not page.rows
    assert not page.more
    assert len(msgspec.json.encode(page)) < 400


def test_cost_follows_what_changed_not_what_is_stored(office: Office, services: ServerServices) -> None:
    counts = []
    for number in (2, 40):
        for job in range(number):
            office.job(number * 100 + job, "tech-1")
        reader = Reader(office, office.enrol("tech-1"))
        with statements(services) as first:
            reader.drain()
        office.note(f"job:j-{number * 100}")
        with statements(services) as later:
            reader.drain(fold=FOLD_VERSION)
        counts.append((len(first), len(later)))
    assert counts[0] == counts[1]
    assert counts[0][1] <= 7


def test_a_cursor_of_another_history_is_refused_with_the_heads(office: Office) -> None:
    office.job(1, "tech-1")
    who = office.enrol("super")
    reader = Reader(office, who)
    reader.drain()
    pos = int(reader.cursors[LOG].split(":")[0])
    for cursor in (f"{pos}:00000000", f"{pos - 1}:00000000", f"{pos + 1}:{reader.cursors[LOG][-8:]}", f"{10**15}:00000000"):
        with pytest.raises(Refused) as caught:
            office.pull(who, cursors={LOG: cursor})
        assert (caught.value.status, caught.value.code) == (410, "cursor-diverged")
        assert caught.value.logs == {LOG: reader.cursors[LOG]}
    for cursor in ("1", "-1:00000000", "x:y", "01:00000000", "5:ABCDEF00", "5:abcdef00 "):
        with pytest.raises(Refused) as caught:
            office.pull(who, cursors={LOG: cursor})
        assert caught.value.status == 400


def test_a_cursor_in_the_middle_of_a_part_is_good_only_where_its_scope_was_judged(office: Office) -> None:
    """Told at position 5 that a job left at position 9, and asked again after the server was put back to position 7."""
    stream = office.job(1, "tech-1")
    who = office.enrol("tech-1")
    reader = Reader(office, who)
    reader.drain()
    whole = reader.cursors[LOG]
    assert "@" not in whole
    for _ in range(3):
        office.note(stream)
    part, head = reader.pull(budget=1).cursors[LOG], office.services.feed.heads(who)[LOG]
    place, _, judged = part.partition("@")
    assert judged.startswith(f"{head}:")
    office.note(stream)
    assert office.pull(who, cursors={LOG: part}).rows
    for strange in (f"{place}@{head}:00000000", f"{place}@{head + 2}:{judged[-8:]}", f"{place}@{10**15}:{judged[-8:]}"):
        with pytest.raises(Refused) as caught:
            office.pull(who, cursors={LOG: strange})
        assert (caught.value.status, caught.value.code) == (410, "cursor-diverged")
    with pytest.raises(Refused) as caught:
        office.pull(who, cursors={LOG: f"{place}@"})
    assert caught.value.status == 400


def test_bytes_that_wait_for_a_decision_are_told_to_a_device_that_has_no_receipt_for_them(office: Office) -> None:
    who = office.enrol("tech-1")
    stream = office.job(1, "tech-1")
    office.push(who, entry_of(who, stream, steps.NoteAdded("a")))
    line = office.lines[who.device]
    late = entry_of(who, stream, steps.NoteAdded("b"))
    raw = late.raw + b"\n" + (late.body_raw or b"")
    chain = chain_hash(line.hash, 2, late.hash)
    office.services.replica.quarantine(
        writer(who), epoch=line.epoch, log=LOG, seq=2, prev_hash=line.hash, chain=chain, raw=raw, reason="too large"
    )
    assert office.pull(who, epochs=(EpochHead(line.epoch, 1, line.hash),)).aside == {line.epoch: (2,)}
    assert office.pull(who, epochs=(EpochHead(line.epoch, 2, chain),)).aside == {}
    assert office.pull(who, epochs=(EpochHead(line.epoch, 0, ""),)).aside == {line.epoch: (2,)}


def test_a_technician_who_becomes_supervisor_reads_the_log_again(office: Office, services: ServerServices) -> None:
    office.job(1, "tech-2")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain()
    services.people.add("tech-1", "Ann Berg", "supervisor", LOG)
    reader.who = msgspec.structs.replace(reader.who, role="supervisor")
    with pytest.raises(Refused, match="not this server's history"):
        reader.pull()
    reader.cursors.clear()
    reader.drain()
    assert "job:j-1" in reader.streams()


def test_digests_are_of_states_the_device_has_reached(office: Office, services: ServerServices) -> None:
    stream = office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain(fold=FOLD_VERSION)
    first = {digest.stream: digest.pos for page in reader.pages for digest in page.digests}
    assert set(first) == {stream, "customer:c-1", "asset:a-1"}
    office.note(stream)
    page = reader.pull(fold=FOLD_VERSION)
    assert [(digest.stream, digest.pos) for digest in page.digests] == [(stream, int(page.cursors[LOG].split(":")[0]))]
    office.note(stream)
    assert reader.pull(fold=FOLD_VERSION + 1).digests == ()
    office.note(stream)
    office.note(stream)
    cut = reader.pull(fold=FOLD_VERSION, budget=1)
    assert len(cut.rows) == 1
    assert cut.more
    assert cut.digests == ()


def test_digests_wait_for_an_erasure_further_on(office: Office, services: ServerServices) -> None:
    """The server's states lack already what the device is to forget with a later page: they would seem to differ."""
    stream = office.job(1, "tech-1")
    reader = Reader(office, office.enrol("tech-1"))
    reader.drain(fold=FOLD_VERSION)
    office.note(stream)
    office.record(stream, lifecycle.JobCancelled("moved away"))
    erase_customer(services, "c-1", "asked by the family")
    digests = []
    while (page := reader.pull(fold=FOLD_VERSION, budget=1)).more:
        digests.append(page.digests)
    assert len(digests) > 2
    assert not any(digests)
    office.note(stream)
    assert [digest.stream for digest in reader.pull(fold=FOLD_VERSION).digests] == [stream]


def test_heads_of_own_epochs_are_told_and_no_others(office: Office) -> None:
    one, two = office.enrol("tech-1"), office.enrol("tech-2")
    stream = office.job(1, "tech-1")
    office.push(one, entry_of(one, stream, steps.NoteAdded("a")), entry_of(one, stream, steps.NoteAdded("b")))
    line = office.lines[one.device]
    asked = (EpochHead(line.epoch, 0, ""), EpochHead("unheard", 0, ""))
    assert office.pull(one, epochs=asked).epochs == (EpochHead(line.epoch, 2, line.hash), EpochHead("unheard", 0, ""))
    assert office.pull(two, epochs=asked[:1]).epochs == (EpochHead(line.epoch, 0, ""),)


def test_an_old_client_is_asked_to_upgrade(office: Office, services: ServerServices) -> None:
    who = office.enrol("tech-1")
    services.feed._oldest = "0.10"
    for version, allowed in (("0.9.9", False), ("", False), ("0.10.0", True), ("1", True)):
        if allowed:
            assert office.pull(who, app_version=version).oldest_version == "0.10"
        else:
            with pytest.raises(Refused, match="can no longer read"):
                office.pull(who, app_version=version)
    with pytest.raises(Refused) as caught:
        office.pull(who, app_version="1", protocols=(2,))
    assert caught.value.status == 426


def test_many_scope_changes_in_a_row_do_not_hide_what_follows(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldapp.server.feed.ROWS", 3)
    stream = office.job(1)
    for _ in range(4):
        office.assign(stream, "tech-1")
        office.assign(stream, "tech-2")
    office.note(stream, "the last word")
    for person in ("super", "tech-2"):
        reader = Reader(office, office.enrol(person))
        reader.drain()
        assert "the last word" in str(reader.rows)
