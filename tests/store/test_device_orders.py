"""Whatever the order in which things are recorded, sent and read: in the end every device shows what the server's log says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.entry_types import lifecycle, steps, work
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import state_bytes
from fieldapp.store.database import Database
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import LogRow, StreamStateRow
from fieldapp.store.verify import verify_server
from tests.store.devices import Device, state_digests
from tests.store.pens import START_MS, conserved, created, everything, job_state, step

PEOPLE = {
    "boss": ("d-boss", "p-mei", "supervisor"),
    "desk": ("d-desk", "p-tan", "dispatcher"),
    "lin": ("d-lin", "p-lin", "technician"),
    "wang": ("d-wang", "p-wang", "technician"),
}
FACTS: dict[str, Body] = {
    "step one": step("s1", "1"),
    "step one again": step("s1", "2"),
    "step two": step("s2", "3"),
    "amend": steps.StepAmended(step="P/s1", version=1, value="9", verdict="fail", reason="misread"),
    "time": work.TimeRecorded(activity="work", minutes=5),
    "note": steps.NoteAdded(text="seen"),
    "reading": steps.ReadingTaken(asset="a1", quantity="oil", value="1.3"),
    "accept": lifecycle.JobAccepted(),
    "start": lifecycle.WorkStarted(),
    "complete": lifecycle.JobCompleted(),
    "window": lifecycle.JobRescheduled(window_start=START_MS, window_end=START_MS + 1),
    "cancel": lifecycle.JobCancelled(reason="closed"),
    "to lin": lifecycle.JobAssigned(person="p-lin"),
    "to wang": lifecycle.JobAssigned(person="p-wang"),
    "create": created("J-9", assets=("a1",)),
}

people = st.sampled_from(sorted(PEOPLE))
jobs = st.sampled_from(["job:1", "job:2"])
actions = st.one_of(
    st.tuples(st.just("say"), people, jobs, st.lists(st.sampled_from(sorted(FACTS)), min_size=1, max_size=3)),
    st.tuples(st.sampled_from(["push", "push without receipt", "pull"]), people),
    st.tuples(st.sampled_from(["restart", "rebuild", "lose the database", "fork", "read all again"]), people),
)


class World:
    """A server and four devices in a folder of their own."""

    def __init__(self, folder: Path, server_template: Path, device_template: Path) -> None:
        shutil.copy(server_template, folder / "server.db")
        self.server_db = Database(f"sqlite:///{folder / 'server.db'}")
        self.server = ServerReplica(self.server_db, lambda: START_MS)
        self.devices = {name: Device(folder, device_template, *who) for name, who in PEOPLE.items()}
        self.saved: list[str] = []
        self.say("boss", "job:1", ["create", "to lin"])
        self.push("boss")

    def say(self, name: str, job: str, facts: list[str]) -> None:
        also = ("asset:a1",) if {"reading", "create"} & set(facts) else ()
        self.saved += self.devices[name].say(*(FACTS[fact] for fact in facts), stream=job, also=also).entries

    def push(self, name: str, *, receipts: bool = True) -> None:
        self.devices[name].push(self.server, receipts=receipts)

    def pull(self, name: str) -> None:
        device = self.devices[name]
        if device.who.role == "technician":
            device.pull(self.server_db)
        else:
            device.follow_whole_log(self.server_db, step=7)

    def act(self, action: tuple[Any, ...]) -> None:
        verb, name, *rest = action
        device = self.devices[name]
        if verb == "say":
            self.say(name, *rest)
        elif verb == "push":
            self.push(name)
        elif verb == "push without receipt":
            self.push(name, receipts=False)
        elif verb == "pull":
            self.pull(name)
        elif verb == "restart":
            device.restart()
        elif verb == "rebuild":
            device.replica.rebuild()
        elif verb == "lose the database":
            device.put_database(None)
        elif verb == "fork":
            device.replica.fork("b1")
        else:
            device.replica.forget_cursors()

    def settle(self) -> None:
        for name in self.devices:
            self.push(name)
        for name in self.devices:
            self.pull(name)
            self.pull(name)  # what left waited for its own unsent work

    def close(self) -> None:
        for device in self.devices.values():
            device.close()
        self.server_db.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(actions, max_size=30))
def test_every_device_ends_with_the_server_s_states(world_templates: tuple[Path, Path], script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), *world_templates)
        note(repr(script))
        try:
            for action in script:
                world.act(action)
                assert world.devices[action[1]].findings() == ()
            world.settle()
            check(world)
        finally:
            world.close()


def check(world: World) -> None:
    placed = [row["entry_id"] for row in everything(world.server_db, LogRow) if row["kind"] == "entry"]
    assert sorted(placed) == sorted(world.saved)  # each exactly once
    assert conserved(world.server_db)
    assert verify_server(world.server_db) == ()
    theirs = state_digests(world.server_db)
    for device in world.devices.values():
        assert device.findings() == ()
        assert device.replica.counts().unsent == 0
        ours = state_digests(device.db)
        assert ours == {stream: theirs[stream] for stream in ours}
        if device.who.role != "technician":
            assert ours == theirs
        for stream in (stream for stream in ours if stream.startswith("job:")):
            state = job_state(world.server_db, stream)
            view = device.view(stream)
            assert view is None if not state.id else view is not None and state_bytes(view) == state_bytes(state)


def test_a_refold_on_the_server_keeps_the_digests(world_templates: tuple[Path, Path], tmp_path: Path) -> None:
    world = World(tmp_path, *world_templates)
    for name, facts in (
        ("lin", ["accept", "start"]),
        ("boss", ["step one"]),
        ("lin", ["step one again", "reading"]),
        ("desk", ["cancel"]),
    ):
        world.say(name, "job:1", facts)
        world.push(name)
    world.settle()
    with world.server_db.read() as conn:
        before = conn.execute(
            select(col(StreamStateRow.stream), col(StreamStateRow.digest)).order_by(col(StreamStateRow.stream))
        ).all()
    world.server.rebuild("b1")
    with world.server_db.read() as conn:
        assert (
            conn.execute(select(col(StreamStateRow.stream), col(StreamStateRow.digest)).order_by(col(StreamStateRow.stream))).all()
            == before
        )
    check(world)
    world.close()
