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
from fieldapp.store.tables import DisagreementRow, DoubtRow, JobRow, LogRow, ScopeRow
from fieldapp.store.verify import verify_device
from fieldapp.sync.once import sync_once
from tests.live_server import LiveServer, live_server  # noqa: F401
from tests.store.pens import everything
from tests.sync.homes import LOG, SETTINGS, device_of, note


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
    from fieldapp.store.rows import Page

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
