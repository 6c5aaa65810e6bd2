"""Several server processes on one PostgreSQL: no row missed, every outcome right, hints across, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fieldapp.domain.documents import Customer, Site
from fieldapp.domain.entry import Entry
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.domain.entry_types.reference import CustomerRecorded, SiteRecorded
from fieldapp.domain.fold import read_state
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.server.reach import Session
from fieldapp.server.serve import Server, run_server
from fieldapp.server.settings import ServerSettings
from fieldapp.store.tables import LogRow, StreamStateRow, table_of
from fieldapp.sync.protocol import EpochParent, PullAnswer, PullRequest, PushAnswer, PushRequest, to_wire
from tests import live_server as live_server_module
from tests.live_server import Client, LiveServer, serving
from tests.server.office import LOG, Line, entry_of
from tests.server.processes import SEQUENCE, client_at, several_processes, worker_of
from tests.sync import test_live as end_to_end

WRITERS, PUSHES = 16, 6
"""Sixteen devices at once, each pushing six times."""
TRIES = 8
"""Rounds in which a broken law has to show itself."""
pytestmark = pytest.mark.postgres


@pytest.fixture
def processes(several: LiveServer) -> LiveServer:
    several.people()
    return several


def session_of(client: Client) -> Session:
    identity = client.identity
    return Session(identity.device, identity.person, identity.name, identity.role, identity.log)


def push(client: Client, line: Line, *entries: Entry) -> PushAnswer:
    run = line.run(entries)
    parent = EpochParent(*run.parent) if run.parent else None
    wire = tuple(to_wire(entry) for entry in run.entries)
    answer = client.call("push", PushRequest(run.epoch, run.log, run.from_seq, run.prev_hash, wire, parent), PushAnswer)
    line.sent(entries)
    assert (answer.receipt.seq, answer.receipt.hash) == (line.seq, line.hash)
    return answer


class Follower:
    """Reads the log by its cursor, as the office's devices do, and never looks back."""

    def __init__(self, client: Client) -> None:
        self.client, self.cursors, self.seen = client, dict[str, str](), list[str]()

    def pull(self) -> bool:
        """Read one page; whether there is more."""
        page = self.client.call("pull", PullRequest(cursors=self.cursors), PullAnswer)
        self.cursors |= page.cursors
        self.seen += [row.entry.raw.partition('"id":"')[2][:36] for row in page.rows if row.log == LOG]
        return page.more

    def poll(self, done: threading.Event) -> None:
        while not done.is_set():
            self.pull()
        while self.pull():
            pass


def everything_written_at_once(server: LiveServer) -> tuple[set[str], list[Follower]]:
    """Sixteen devices push through both workers while two of the office follow the log: what was sent, and who followed."""
    clients = [client_at(server, "super", 1 + turn % 2) for turn in range(WRITERS)]  # left alone, one may take all of them
    followers = [Follower(client_at(server, "super", worker)) for worker in (1, 2)]
    sent: list[str] = []
    start, done = threading.Barrier(WRITERS), threading.Event()

    def write(client: Client) -> None:
        who, line = session_of(client), Line()
        start.wait(30)
        for turn in range(PUSHES):
            number = f"{who.device[4:]}-{turn}"
            created = lifecycle.JobCreated(f"J-{number}", "c-1", "s-1", {"en": "Service"})
            entries = [entry_of(who, f"job:{number}", body) for body in (created, steps.NoteAdded("seen"))]
            assert push(client, line, *entries).entries == ("received", "received")
            sent.extend(entry.id for entry in entries)

    with ThreadPoolExecutor(WRITERS + len(followers)) as pool:
        reading = [pool.submit(follower.poll, done) for follower in followers]
        try:
            list(pool.map(write, clients))
        finally:
            done.set()
        for future in reading:
            future.result(60)
    return set(sent), followers


def test_sixteen_writers_through_two_workers_and_no_row_is_missed(processes: LiveServer) -> None:
    sent, followers = everything_written_at_once(processes)
    assert len(sent) == WRITERS * PUSHES * 2
    for follower in followers:
        assert sorted(follower.seen) == sorted(sent)
    rows = rows_of(processes)
    assert [row.pos for row in rows] == list(range(1, len(rows) + 1))
    assert {row.outcome for row in rows} == {"applied"}


def test_positions_from_a_sequence_do_miss_rows_in_the_same_test(tmp_path: Path, postgres_url: str) -> None:
    with several_processes(tmp_path / "server", postgres_url, law=SEQUENCE) as server:
        server.people()
        missed: set[str] = set()
        for _ in range(TRIES):
            sent, followers = everything_written_at_once(server)
            missed = {entry for follower in followers for entry in sent - set(follower.seen)}
            if missed:
                break
        assert missed
        assert missed <= {row.entry_id for row in rows_of(server)}  # they are stored: only the followers never hear of them


def rows_of(server: LiveServer) -> list[Any]:
    table = table_of(LogRow)
    with server.services.db.read() as conn:
        return list(conn.execute(select(table).where(table.c.log == LOG).order_by(table.c.pos)))


def test_two_people_on_one_job_through_two_workers_at_once(processes: LiveServer) -> None:
    jobs = 8
    clients = [client_at(processes, "tech-1", 1), client_at(processes, "super", 2)]
    lines = [Line(), Line()]
    boss = session_of(clients[1])
    base: dict[str, str] = {}
    for body in (CustomerRecorded(Customer("c-1", {"en": "Huaxin"}, LOG)), SiteRecorded(Site("s-1", "c-1", {"en": "Hall"}))):
        push(clients[1], lines[1], entry_of(boss, "customer:c-1", body))
    for number in range(jobs):
        stream = f"job:{number}"
        push(clients[1], lines[1], entry_of(boss, stream, lifecycle.JobCreated(f"J-{number}", "c-1", "s-1", {"en": "Service"})))
        given = entry_of(boss, stream, lifecycle.JobAssigned("tech-1"))
        push(clients[1], lines[1], given)
        base[stream] = given.id
    together = threading.Barrier(2)

    def work(number: int) -> dict[str, list[Entry]]:
        who, made = session_of(clients[number]), dict[str, list[Entry]]()
        for stream in base:
            value = steps.StepRecorded(step="SVC-01/pressure", version=1, value=str(number), verdict="pass")
            made[stream] = [
                entry_of(who, stream, value, base=base[stream]),
                entry_of(who, stream, steps.NoteAdded(f"from {number}"), base=base[stream]),
            ]
            together.wait(30)
            push(clients[number], lines[number], *made[stream])
        return made

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(work, range(2))
    found = {row.entry_id: row for row in rows_of(processes)}
    states = table_of(StreamStateRow)
    for stream in base:
        values = sorted((found[made[stream][0].id] for made in (one, two)), key=lambda row: row.pos)
        assert [row.outcome for row in values] == ["applied", "conflict"]
        assert [found[made[stream][1].id].outcome for made in (one, two)] == ["applied", "applied"]
        with processes.services.db.read() as conn:
            raw = conn.execute(select(states.c.state).where(states.c.stream == stream)).scalar_one()
        state = read_state(stream, raw)
        assert isinstance(state, JobState)
        result = state.steps["SVC-01/pressure"].result
        assert result is not None
        assert result.value == ("0" if values[0].entry_id == one[stream][0].id else "1")
        assert [item.entry for item in state.unresolved] == [values[1].entry_id]
        assert {note.text for note in state.notes} == {"from 0", "from 1"}


def test_a_push_to_one_worker_wakes_a_listener_at_the_other(processes: LiveServer) -> None:
    writer, listener = client_at(processes, "super", 1), client_at(processes, "super", 2)
    headers = {**listener.auth, "Fieldapp-Nonce": "0123456789abcdef"}
    with listener.http.stream("GET", "/v1/events", headers=headers) as stream:
        lines = stream.iter_lines()
        first = [next(lines) for _ in range(5)]
        assert 'data: {"log":"north","pos":0}' in first
        who = session_of(writer)
        push(writer, Line(), entry_of(who, "job:1", lifecycle.JobCreated("J-1", "c-1", "s-1", {"en": "Service"})))
        assert next(line for line in lines if "north" in line) == 'data: {"log":"north","pos":1}'


END_TO_END: list[Callable[[LiveServer, Path], None]] = [
    end_to_end.test_what_is_recorded_arrives_once_and_is_settled,
    end_to_end.test_a_stopped_server_loses_nothing,
    end_to_end.test_a_large_file_goes_in_parts_after_its_fact,
    end_to_end.test_a_lost_database_does_not_forget_a_photo_that_is_only_here,
    end_to_end.test_a_restored_server_gets_the_photos_that_came_after_the_backup,
    end_to_end.test_a_device_enrolled_after_the_backup_is_enrolled_again,
    end_to_end.test_a_revoked_device_hands_over_and_stops,
    end_to_end.test_the_loop_sends_by_itself_and_hears_hints,
    end_to_end.test_a_revoked_device_is_sealed_once_everything_was_handed_over,
    end_to_end.test_a_revoked_device_is_not_sealed_while_something_is_only_there,
    end_to_end.test_what_a_crash_left_of_a_sealed_device_goes_at_the_next_look,
]
"""All of them but the one whose server has no room for files: it has another setting, and a server of its own below."""


@pytest.mark.parametrize("case", END_TO_END, ids=lambda case: case.__name__.removeprefix("test_"))
def test_what_holds_for_one_process_end_to_end_holds_for_several(
    case: Callable[[LiveServer, Path], None], tmp_path: Path, several: LiveServer
) -> None:
    """The tests over real HTTP of tests/sync."""
    case(several, tmp_path)


def test_several_processes_without_room_for_files_take_facts(tmp_path: Path, postgres_url: str) -> None:
    with several_processes(tmp_path / "server", postgres_url, reserve_bytes=1 << 60) as full:
        end_to_end.facts_go_though_files_find_no_room(full, tmp_path)


def test_no_case_end_to_end_is_left_out() -> None:
    there = {name for name in vars(end_to_end) if name.startswith("test_")}
    assert there - {case.__name__ for case in END_TO_END} == {
        "test_a_server_without_room_for_files_takes_facts_and_keeps_nobody_waiting"
    }


def pid_of(server: LiveServer, worker: int, after: int = 0) -> int:
    """The process in a worker's place, as its log names it; waits for another than `after`."""
    log = server.settings.home / "logs" / f"server-{worker}.log"
    for _ in range(600):
        found = [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", log.read_text("utf-8"))]
        if found and found[-1] != after:
            return found[-1]
        threading.Event().wait(0.05)
    raise AssertionError("nobody took its place")


def test_a_worker_that_dies_is_replaced_and_the_others_go_on(processes: LiveServer) -> None:
    other = client_at(processes, "super", 2)
    before = pid_of(processes, 1)
    os.kill(before, signal.SIGKILL)
    push(other, Line(), entry_of(session_of(other), "job:1", lifecycle.JobCreated("J-1", "c-1", "s-1", {"en": "Service"})))
    after = pid_of(processes, 1, after=before)
    assert after != before
    assert worker_of(client_at(processes, "super", 1)) == 1
    pids = [after, pid_of(processes, 2)]
    processes.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_leave_when_the_first_process_is_killed(tmp_path: Path, postgres_url: str) -> None:
    with several_processes(tmp_path / "server", postgres_url) as server:
        pids = [pid_of(server, worker) for worker in (1, 2)]
        process = server._process  # type: ignore[attr-defined]
        process.kill()
        process.communicate()
        server._process = None  # type: ignore[attr-defined]
        deadline = time.monotonic() + 20
        while any(is_running(pid) for pid in pids):
            assert time.monotonic() < deadline, "a worker stayed behind"
            threading.Event().wait(0.05)
        server.services.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_is_due_by_the_clock_is_done_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.is_alive()} & {"upkeep", "backups"}

    with serving(tmp_path / "one", backup_dir=tmp_path / "backups"):
        assert busy() == {"upkeep", "backups"}
    monkeypatch.setattr(live_server_module, "Server", partial(Server, by_clock=False))
    with serving(tmp_path / "two", backup_dir=tmp_path / "backups"):
        assert busy() == set()


def test_sqlite_has_one_process(tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        run_server(ServerSettings(home=tmp_path / "never", workers=2))
    assert raised.value.code == "workers-need-postgresql"
    assert not (tmp_path / "never").exists()
