"""Own files leave a device with their jobs: not before each condition holds, and never without a trace."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.store.database import Database
from fieldapp.store.drafts import Drafts
from fieldapp.store.kept import KEPT_MS, Kept
from fieldapp.store.letting_go import AWAY, files_to_go
from fieldapp.store.queries.own import job_files
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft, Head
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import EpochRow, FileRow
from tests.store.devices import Device, MakeDevice
from tests.store.pens import START_MS, Pen, created, everything

DAY_MS = 86_400_000
PHOTO = b"the hall, from the door" * 50
SHA = hashlib.sha256(PHOTO).hexdigest()


class World:
    """A technician's photo of a job that was closed and has left the device, long ago by every clock."""

    def __init__(self, server_db: Database, device: Device, boss: Pen) -> None:
        self.now = START_MS
        self.db, self.device, self.boss = server_db, device, boss
        self.server = ServerReplica(server_db, lambda: self.now)
        for stream in ("job:1", "job:2"):
            boss.push(self.server, boss.entry(created(), stream))
            boss.say(self.server, lifecycle.JobAssigned("p-lin"), stream)
        device.pull(server_db)
        self.attach("job:1")

    def attach(self, stream: str) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(PHOTO)
        photo = FileRef(SHA, len(PHOTO), "hall.jpg")
        body = steps.FileAttached(SHA, len(PHOTO), "hall.jpg")
        self.device.replica.append([Draft("b1", stream, body, files=(photo,))])

    @property
    def path(self) -> Path:
        return self.device.home.files / SHA

    @property
    def state(self) -> str:
        return str(next(row["state"] for row in everything(self.device.db, FileRow) if row["sha256"] == SHA))

    def send(self) -> None:
        self.device.push(self.server)
        self.device.pull(self.db)
        self.device.replica.mark_file(SHA, "sent")

    def later(self, passed: int = KEPT_MS + 40 * DAY_MS) -> None:
        self.now += passed
        self.device.clock.at = self.now
        self.device.replica.set_settings(last_contact=str(self.now))

    def back_up(self) -> None:
        heads = {head.epoch: head for head in self.device.replica.heads()}
        for row in everything(self.device.db, EpochRow):
            head = heads[row["epoch"]]
            self.device.replica.acknowledge(Head(head.epoch, head.seq, head.hash, head.seq), self.now)

    def take_away(self, stream: str = "job:1") -> None:
        self.boss.say(self.server, lifecycle.JobAssigned("p-wang"), stream)
        self.device.pull(self.db)

    def files_on_job(self, stream: str = "job:1") -> tuple[int, int]:
        reader = Reader(self.device.home.database_file)
        try:
            (found,) = job_files(reader, stream)
            return found.arrived, found.total
        finally:
            reader.close()


@pytest.fixture
def world(sqlite_server: Database, make_device: MakeDevice, boss: Pen) -> Iterator[World]:
    made = World(sqlite_server, make_device(), boss)
    yield made
    assert made.device.findings() == ()


def test_a_file_leaves_when_everything_says_so_and_is_shown_as_being_at_the_server(world: World) -> None:
    world.send()
    world.take_away()
    world.later()
    world.back_up()
    world.device.restart()
    assert not world.path.exists()
    assert world.state == AWAY
    assert world.device.replica.counts().safe_to_leave
    assert world.device.replica.files_waiting() == world.device.replica.files_waiting("wanted") == ()
    world.device.restart()
    world.boss.say(world.server, lifecycle.JobAssigned("p-lin"))
    world.device.pull(world.db)
    assert world.device.view() is not None
    assert world.files_on_job() == (1, 1)
    assert world.state == AWAY, "the row that came again does not say that it is only here"


@pytest.mark.parametrize(
    "missing",
    ["the server has said that it has it", "it is safe", "90 days have passed", "the server's clock", "the device's clock",
     "its job has left", "its outcome has come"],
)  # fmt: skip
def test_a_file_stays_until_each_condition_holds(world: World, missing: str) -> None:
    device = world.device
    world.send()
    if missing == "the server has said that it has it":
        device.replica.mark_file(SHA, "here")
    if missing == "its outcome has come":
        with device.db.write() as conn:
            device.db.run(conn, "UPDATE own_entries SET lane = 'received', outcome = ''")
    if missing != "its job has left":
        world.take_away()
    world.later(80 * DAY_MS if missing == "90 days have passed" else KEPT_MS + 40 * DAY_MS)
    if missing != "it is safe":
        world.back_up()
    if missing == "the server's clock":
        device.replica.set_settings(last_contact=str(START_MS + DAY_MS))
    if missing == "the device's clock":
        device.clock.at = START_MS + DAY_MS
    device.restart()
    assert world.path.read_bytes() == PHOTO
    assert world.state == ("here" if missing == "the server has said that it has it" else "sent")
    match missing:  # now it holds as well
        case "the server has said that it has it":
            device.replica.mark_file(SHA, "sent")
        case "its outcome has come":
            with device.db.write() as conn:
                device.db.run(conn, "UPDATE own_entries SET lane = 'settled', outcome = 'applied'")
        case "its job has left":
            world.take_away()
        case "90 days have passed":
            world.later()
        case "it is safe":
            world.back_up()
        case "the server's clock" | "the device's clock":
            world.later(0)
    device.restart()
    assert not world.path.exists()
    assert world.state == AWAY


@pytest.mark.parametrize("where", ["another job that is here", "an unsent entry", "a draft", "a kept segment", "the journal"])
def test_a_file_that_something_still_names_stays(world: World, where: str) -> None:
    device = world.device
    if where == "another job that is here":
        world.attach("job:2")
    world.send()
    kept = Kept(device.home.journal_file.parent)
    lines = [path.read_bytes() for path in kept.segments()]
    world.take_away()
    world.later()
    world.back_up()
    match where:
        case "an unsent entry":
            world.attach("job:1")
            device.replica.mark_file(SHA, "sent")
        case "a draft":
            Drafts(device.db).save("job:2", "P/s1", 1, f'["{SHA}"]', 1)
        case "a kept segment":  # of a month that is not over
            kept.append(b"".join(lines).splitlines(keepends=True), world.now)
        case "the journal":
            device.journal.append(b"".join(lines).splitlines(keepends=True))
    device.restart()
    assert world.path.read_bytes() == PHOTO
    assert world.state in ("sent", "here")


def test_a_photo_that_is_attached_again_after_it_left_is_offered_again(world: World) -> None:
    world.send()
    world.take_away()
    world.later()
    world.back_up()
    world.device.restart()
    assert world.state == AWAY
    world.attach("job:2")
    assert world.state == "here"
    assert [file.sha256 for file in world.device.replica.files_waiting()] == [SHA]


def test_a_file_that_cannot_be_removed_now_goes_at_the_next_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send()
    world.take_away()
    world.later()
    world.back_up()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        world.device.restart()
    assert world.path.exists()
    assert world.state == "sent"
    world.device.restart()
    assert not world.path.exists()
    assert world.state == AWAY


def test_a_history_that_is_read_anew_asks_nobody_for_a_file_that_left(world: World) -> None:
    world.send()
    world.take_away()
    world.later()
    world.back_up()
    world.device.restart()
    world.device.replica.forget_cursors()
    assert world.state == AWAY
    assert world.device.replica.files_waiting() == ()


def to_go(world: World) -> list[str]:
    """What would go if nothing beside the database named anything."""
    replica, before = world.device.replica, world.now - KEPT_MS
    with world.device.db.read() as conn:
        return files_to_go(world.device.db, conn, before, partial(replica._lines.not_safe, conn), set)


def test_what_no_backup_holds_stays_also_where_no_segment_names_it(world: World) -> None:
    world.send()
    world.take_away()
    world.later()
    assert to_go(world) == []
    world.back_up()
    assert to_go(world) == [SHA]


def test_what_a_clock_of_its_own_calls_younger_stays(world: World) -> None:
    """A server whose clock was a year behind when it received the file: by its receipts the file is old."""
    world.device.clock.at += 60 * DAY_MS
    world.attach("job:1")
    world.device.clock.at = START_MS
    world.send()
    world.take_away()
    world.later()
    world.back_up()
    assert to_go(world) == []
    world.later(30 * DAY_MS)
    assert to_go(world) == [SHA]
