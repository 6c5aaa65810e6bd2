"""What comes to a device and what leaves it, over real HTTP: agreement by digests, and what is asked twice before it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import uuid6
from sqlalchemy import update
from sqlmodel import col

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.documents import Asset, Customer
from fieldapp.domain.entry import Entry, Envelope, Moment, encode, write_entry
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.entry_types.reference import AssetRecorded, CustomerRecorded
from fieldapp.store.doubts import DOUBT_MS
from fieldapp.store.rows import Draft, Page
from fieldapp.store.tables import DisagreementRow, DoubtRow, EpochRow, JobRow, LogRow, OwnEntryRow, QuarantineRow, ScopeRow
from fieldapp.store.verify import verify_device, verify_server
from fieldapp.sync.once import sync_once
from tests.live_server import LiveServer, live_server, serving  # noqa: F401
from tests.store.pens import everything
from tests.sync.homes import LOG, SETTINGS, device_of, new_job, note


class Rules:
    """What the office does, recorded on the server itself."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server

    def record(self, stream: str, body: Body, *, log: str = LOG, also: tuple[str, ...] = ()) -> Entry:
        name = str(uuid6.uuid7())
        envelope = Envelope(
            id=name, log=log, stream=stream, type=body.NAME, author="server", device="server", group=name,
            at=Moment(self.server.services.clock(), skew=0), body="", also=also,
        )  # fmt: skip
        entry = write_entry(envelope, encode(body))
        self.server.services.replica.record([entry], {"server": "rule"})
        return entry

    def job(self, number: str, person: str = "tech-1", *, log: str = LOG, customer: str = "c-1", asset: str = "a-1") -> str:
        stream = f"job:{number}"
        body = lifecycle.JobCreated(number, customer, "s-1", {"en": "Service"}, assets=(asset,))
        self.record(stream, body, log=log, also=(f"customer:{customer}", f"asset:{asset}"))
        if person:
            self.record(stream, lifecycle.JobAssigned(person), log=log)
        return stream


@pytest.fixture
def rules(live_server: LiveServer) -> Rules:  # noqa: F811
    live_server.people()
    made = Rules(live_server)
    made.record("customer:c-1", CustomerRecorded(Customer("c-1", {"en": "Huaxin"}, LOG)))
    made.record("asset:a-1", AssetRecorded(Asset("a-1", "c-1", "s-1", "CH-1", {"en": "Chiller"})))
    return made


def synced(device: DeviceServices) -> int:
    """One exchange; how many rows came."""
    report = sync_once(device, SETTINGS)
    assert report.problem is None
    return report.received


def held(device: DeviceServices) -> set[str]:
    return {row["stream"] for row in everything(device.database, ScopeRow) if not row["stream"].startswith("*")}


def jobs(device: DeviceServices) -> set[str]:
    return {row["stream"] for row in everything(device.database, JobRow)}


def sound(device: DeviceServices) -> bool:
    return verify_device(device.database, device.identity.role, journal=device.journal) == ()


# --- Agreement -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", ["tech-1", "super"])
def test_a_stream_that_folds_to_something_else_is_read_once_more(rules: Rules, tmp_path: Path, person: str) -> None:
    stream = rules.job("1")
    rules.record(stream, steps.NoteAdded("first"))
    with device_of(rules.server, person, tmp_path / "a") as device:
        synced(device)
        with device.database.write() as conn:  # as a defect of an earlier version might have left it
            conn.execute(update(LogRow).where(col(LogRow.log) == LOG, col(LogRow.pos) == 6).values(outcome="quarantined"))
        device.replica.rebuild()
        rules.record(stream, steps.NoteAdded("second"))
        synced(device)
        (job,) = everything(device.database, JobRow)
        assert b"first" in job["view"]
        assert b"second" in job["view"]
        assert everything(device.database, DisagreementRow) == []
        assert sound(device)
        before = len(everything(device.database, LogRow))
        rules.record(stream, steps.NoteAdded("third"))
        assert synced(device) == 1
        assert len(everything(device.database, LogRow)) == before + 1
        assert b"third" in everything(device.database, JobRow)[0]["view"]


def test_two_that_never_agree_do_not_talk_for_ever(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = rules.job("1")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        with monkeypatch.context() as patch:
            patch.setattr("fieldapp.store.heads.digest_of", lambda raw: "0" * 64)  # another fold under the same number
            rules.record(stream, steps.NoteAdded("first"))
        # the server now has a digest of its own kind for this stream, which no device can come to
        assert synced(device) >= 2
        (found,) = device.replica.disagreements()
        assert (found.stream, found.fetching) == (stream, False)
        assert synced(device) == 0
        assert b"first" in everything(device.database, JobRow)[0]["view"]
        rules.record(stream, steps.NoteAdded("second"))  # folded as everybody does again
        synced(device)
        assert device.replica.disagreements() == ()
        assert sound(device)


# --- Asked twice -----------------------------------------------------------------------------------------------------------------


def later(device: DeviceServices, monkeypatch: pytest.MonkeyPatch, milliseconds: int = DOUBT_MS + 1) -> None:
    """The device's clock moves on."""
    now = device.replica.clock.now
    monkeypatch.setattr(device.replica.clock, "now", lambda: now() + milliseconds)


def test_what_leaves_all_at_once_is_asked_for_again(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [rules.job(str(number)) for number in range(4)]
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        assert held(device) == {*streams, "customer:c-1", "asset:a-1"}
        for stream in streams:
            rules.record(stream, lifecycle.JobAssigned("tech-2"))
        synced(device)
        assert device.replica.doubts() == 6
        assert jobs(device) == set(streams)
        synced(device)
        assert device.replica.doubts() == 6
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:  # switched off meanwhile
        assert device.replica.doubts() == 6
        assert jobs(device) == set(streams)
        later(device, monkeypatch)
        synced(device)
        assert (held(device), jobs(device), device.replica.doubts()) == (set(), set(), 0)
        assert sound(device)


def test_what_was_a_slip_stays(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [rules.job(str(number)) for number in range(4)]
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        for stream in streams:
            rules.record(stream, lifecycle.JobAssigned("tech-2"))
        synced(device)
        assert device.replica.doubts() == 6
        for stream in streams[:2]:
            rules.record(stream, lifecycle.JobAssigned("tech-1"))
            rules.record(stream, steps.NoteAdded("yours after all"))
        synced(device)
        assert device.replica.doubts() == 2
        later(device, monkeypatch)
        synced(device)
        assert (jobs(device), device.replica.doubts()) == (set(streams[:2]), 0)
        assert all(b"yours after all" in row["view"] for row in everything(device.database, JobRow))
        assert sound(device)


def test_a_lie_that_is_taken_back_costs_nothing(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server forgets for a moment who holds what, and says so without a word in its log."""
    streams = [rules.job(str(number)) for number in range(4)]
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        gone = tuple((LOG, stream) for stream in (*streams, "customer:c-1", "asset:a-1"))
        device.replica.receive(Page(removed=gone))
        rules.record(streams[0], steps.NoteAdded("meanwhile"))
        synced(device)
        assert device.replica.doubts() == 6
        assert jobs(device) == set(streams)
        later(device, monkeypatch)
        synced(device)
        assert (jobs(device), device.replica.doubts()) == (set(streams), 0)
        assert any(b"meanwhile" in row["view"] for row in everything(device.database, JobRow))
        assert sound(device)
        rules.record(streams[0], steps.NoteAdded("and after"))
        synced(device)
        assert any(b"and after" in row["view"] for row in everything(device.database, JobRow))


def test_unsent_work_on_what_leaves_is_sent_first(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [rules.job(str(number)) for number in range(4)]
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        device.replica.append([note("0", "only here")])
        for stream in streams:
            rules.record(stream, lifecycle.JobAssigned("tech-2"))
        synced(device)
        later(device, monkeypatch)
        synced(device)
        assert jobs(device) == set()
        assert device.replica.counts().settled == 1
        assert everything(device.database, DoubtRow) == []


def test_the_person_is_told(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldapp.checks import checks

    streams = [rules.job(str(number)) for number in range(4)]
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        for stream in streams:
            rules.record(stream, lifecycle.JobAssigned("tech-2"))
        synced(device)
        with device.database.write() as conn:
            row = {"stream": streams[0], "theirs": "a", "ours": "b", "at": 1, "fetching": False}
            device.database.insert(conn, DisagreementRow, [row])
    found = {check.name: check for check in checks(str(tmp_path / "a"), ask_server=False)}
    assert found["scope"].ok
    assert "6 jobs, customers and assets" in found["scope"].words
    assert not found["agreement"].ok
    assert "job:0" in found["agreement"].words


# --- Another branch --------------------------------------------------------------------------------------------------------------


def outcomes(server: LiveServer, log: str) -> dict[str, str]:
    """Entry id to what was decided on it last."""
    rows = [row for row in everything(server.services.db, LogRow) if row["log"] == log and row["entry_id"]]
    return {row["entry_id"]: row["outcome"] for row in rows}


def move(rules: Rules, branch: str, role: str = "technician", person: str = "tech-1") -> None:
    rules.server.services.people.add(person, "Ann Berg", role, branch)


@pytest.fixture
def south(rules: Rules) -> Rules:
    rules.server.services.people.add_branch("south", "South")
    rules.record("customer:c-9", CustomerRecorded(Customer("c-9", {"en": "Weser"}, "south")), log="south")
    rules.record("asset:a-9", AssetRecorded(Asset("a-9", "c-9", "s-9", "CH-9", {"en": "Chiller"})), log="south")
    return rules


def test_a_technician_who_changes_branch(south: Rules, tmp_path: Path) -> None:
    stream = south.job("1")
    with device_of(south.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        unsent = device.replica.append([note("1", "left to say")]).entries
        unsent += device.replica.append([new_job("found")]).entries
        south.record(stream, lifecycle.JobAssigned("tech-2"))
        move(south, "south")
        there = south.job("9", log="south", customer="c-9", asset="a-9")
        sync_once(device, SETTINGS)
        synced(device)
        assert held(device) == {there, "customer:c-9", "asset:a-9"}
        assert jobs(device) == {there}
        found = outcomes(south.server, LOG)
        assert [found[entry] for entry in unsent] == ["late", "applied"]
        counts = device.replica.counts()
        assert (counts.unsent, counts.received, counts.settled) == (0, 0, 2)
        assert (device.replica.identity.log, device.replica.identity.logs) == ("south", ("org", "south"))
        assert device.home.identity() == device.replica.identity
        body = steps.NoteAdded("the first one here")
        (entry,) = device.replica.append([Draft("south", there, body)]).entries
        synced(device)
        assert outcomes(south.server, "south")[entry] == "applied"
        epochs = {row["log"]: row["epoch"] for row in everything(device.database, EpochRow) if not row["closed"]}
        assert len(set(epochs.values())) == len(epochs) == 2
        south.record(stream, steps.NoteAdded("none of theirs"))
        assert synced(device) == 0
        assert sound(device)
        move(south, LOG)  # and back
        south.record(stream, lifecycle.JobAssigned("tech-1"))
        synced(device)
        synced(device)
        assert jobs(device) == {stream, "job:found"}
        assert sound(device)
    assert verify_server(south.server.services.db) == ()


def test_a_supervisor_who_changes_branch(south: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, there = south.job("1"), south.job("9", log="south", customer="c-9", asset="a-9")
    with device_of(south.server, "super", tmp_path / "a") as device:
        synced(device)
        assert jobs(device) == {stream}
        remark = device.replica.append([note("1", "for the record")]).entries
        order = device.replica.append([Draft(LOG, stream, lifecycle.JobCancelled("sold"))]).entries
        move(south, "south", "supervisor", "super")
        sync_once(device, SETTINGS)
        synced(device)
        found = outcomes(south.server, LOG)
        assert [found[entry] for entry in (*remark, *order)] == ["late", "conflict"]
        assert jobs(device) == {stream, there}  # a whole log is not given up at one word
        later(device, monkeypatch)
        synced(device)
        assert jobs(device) == {there}
        assert device.replica.counts().settled == 2
        assert sound(device)
        south.record(stream, steps.NoteAdded("none of theirs"))
        assert synced(device) == 0
        move(south, LOG, "supervisor", "super")
        synced(device)
        synced(device)
        assert stream in jobs(device)
        later(device, monkeypatch)
        synced(device)
        assert jobs(device) == {stream}
        assert sound(device)


# --- Reassigned, cancelled, revoked ----------------------------------------------------------------------------------------------


def test_a_job_reassigned_while_both_are_away(rules: Rules, tmp_path: Path) -> None:
    stream = rules.job("1")
    with (
        device_of(rules.server, "tech-1", tmp_path / "a") as one,
        device_of(rules.server, "tech-2", tmp_path / "b") as two,
    ):
        synced(one)
        synced(two)
        late = one.replica.append([note("1", "done before I knew")]).entries
        late += one.replica.append([Draft(LOG, stream, lifecycle.JobAccepted())]).entries
        rules.record(stream, lifecycle.JobAssigned("tech-2"))
        synced(two)
        accepted = two.replica.append([Draft(LOG, stream, lifecycle.JobAccepted())]).entries
        synced(two)
        sync_once(one, SETTINGS)
        synced(one)
        assert jobs(one) == set()
        found = outcomes(rules.server, LOG)
        assert [found[entry] for entry in (*late, *accepted)] == ["late", "conflict", "applied"]
        assert {row["outcome"] for row in everything(one.database, OwnEntryRow)} == {"late", "conflict"}
        synced(two)
        view = everything(two.database, JobRow)[0]["view"]
        assert b"done before I knew" in view
        assert b'"outcome":"conflict"' in view
        rules.record(stream, lifecycle.JobAssigned("tech-1"))  # and back again, while the second is away
        more = two.replica.append([note("1", "my turn was short")]).entries
        synced(one)
        assert b"done before I knew" in everything(one.database, JobRow)[0]["view"]
        sync_once(two, SETTINGS)
        synced(two)
        assert jobs(two) == set()
        synced(one)
        assert outcomes(rules.server, LOG)[more[0]] == "late"
        assert b"my turn was short" in everything(one.database, JobRow)[0]["view"]
        assert sound(one)
        assert sound(two)


def test_a_job_cancelled_while_its_technician_is_away(rules: Rules, tmp_path: Path) -> None:
    stream = rules.job("1")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        said = device.replica.append([note("1", "was there")]).entries
        said += device.replica.append([Draft(LOG, stream, lifecycle.JobAccepted())]).entries
        rules.record(stream, lifecycle.JobCancelled("sold"))
        synced(device)
        found = outcomes(rules.server, LOG)
        assert [found[entry] for entry in said] == ["applied", "conflict"]
        (job,) = everything(device.database, JobRow)
        assert job["status"] == "cancelled"
        assert b"was there" in job["view"]
        assert sound(device)


def test_two_on_one_job_both_away(rules: Rules, tmp_path: Path) -> None:
    stream = rules.job("1")
    rules.record(stream, lifecycle.HelpersNamed(("tech-2",)))
    with (
        device_of(rules.server, "tech-1", tmp_path / "a") as one,
        device_of(rules.server, "tech-2", tmp_path / "b") as two,
    ):
        synced(one)
        synced(two)
        assert jobs(one) == jobs(two) == {stream}
        for device, text in ((one, "left side"), (two, "right side")):
            device.replica.append([note("1", text)])
            device.replica.append([Draft(LOG, stream, lifecycle.JobAccepted())])
        for device in (one, two, one):
            synced(device)
        views = [everything(device.database, JobRow)[0]["view"] for device in (one, two)]
        assert views[0] == views[1]
        assert b"left side" in views[0]
        assert b"right side" in views[0]
        outcome = {row["outcome"] for row in everything(two.database, OwnEntryRow)}
        assert outcome == {"applied", "conflict"}  # the same move twice: one stands, the other is kept and shown
        assert sound(one)
        assert sound(two)


def test_a_revoked_device_hands_over_and_reads_no_more(rules: Rules, tmp_path: Path) -> None:
    stream = rules.job("1")
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        device.replica.append([note("1", "the last word")])
        rules.server.services.accounts.revoke(device.identity.device)
        rules.record(stream, steps.NoteAdded("after that"))
        report = sync_once(device, SETTINGS)
        assert report.connection == "revoked"
        assert device.replica.counts().safe_to_leave
        assert b"after that" not in everything(device.database, JobRow)[0]["view"]
    kept = b"".join(row["raw"] for row in everything(rules.server.services.db, QuarantineRow))
    assert b"the last word" in kept


def test_what_a_technician_finds_is_seen_by_the_office_and_kept_by_its_finder(rules: Rules, tmp_path: Path) -> None:
    with device_of(rules.server, "tech-1", tmp_path / "a") as device:
        synced(device)
        device.replica.append([new_job("found")])
        synced(device)
        device.replica.append([note("found", "it drips")])
        synced(device)
        assert held(device) >= {"job:found", "customer:c-1"}
        assert {row["outcome"] for row in everything(device.database, OwnEntryRow)} == {"applied"}
    with device_of(rules.server, "tech-1", tmp_path / "second") as again:  # on another laptop of theirs too
        synced(again)
        assert jobs(again) == {"job:found"}
    with device_of(rules.server, "super", tmp_path / "b") as office:
        synced(office)
        assert b"it drips" in everything(office.database, JobRow)[0]["view"]


# --- A version that is too old ---------------------------------------------------------------------------------------------------


def test_a_version_that_may_not_read_sends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "server", oldest_version="99.0") as server:
        server.people()
        with device_of(server, "tech-1", tmp_path / "a") as device:
            for number in range(2):
                device.replica.append([new_job(str(number))])
                report = sync_once(device, SETTINGS)
                assert (report.online, report.sent, report.connection) == (True, 1, "upgrade")
                assert "newer version" in (report.problem or "")
                assert device.replica.counts().received == number + 1
            monkeypatch.setattr("fieldapp.sync.once.version", lambda: "99.0")  # it was upgraded
            assert sync_once(device, SETTINGS).problem is None
            assert device.replica.counts().settled == 2
            assert sound(device)
