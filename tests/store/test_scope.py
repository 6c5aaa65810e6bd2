"""Who holds what, and until when: jobs nobody was given, jobs of two, jobs closed long ago; on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest
from sqlmodel import col

from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.store.database import Database
from fieldapp.store.scope import KEPT_AFTER_CLOSING_MS
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import MembershipRow, NeedRow
from tests.store.devices import MakeDevice, head_of
from tests.store.pens import START_MS, Pen, count, created, everything, job_state, outcomes

pytestmark = pytest.mark.usefixtures("sound")

DAY_MS = 86_400_000


class Clock:
    def __init__(self) -> None:
        self.now = START_MS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(server_db: Database, clock: Clock) -> ServerReplica:
    return ServerReplica(server_db, clock)


def held(db: Database, person: str) -> set[str]:
    return {row["stream"] for row in everything(db, MembershipRow) if row["person"] == person and row["until_pos"] is None}


JOB = {"job:1", "customer:c1", "asset:a1"}


def open_job(server: ServerReplica, pen: Pen, stream: str = "job:1") -> None:
    pen.push(server, pen.entry(created(assets=("a1",)), stream, also=("customer:c1", "asset:a1")))


# --- Jobs that nobody was given -----------------------------------------------------------------------------------------------


def test_what_a_technician_found_on_site_is_theirs_until_it_is_given_to_somebody(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen
) -> None:
    open_job(server, lin)
    assert held(server_db, "p-lin") == JOB
    later = lin.say(server, steps.NoteAdded("it drips"))
    assert outcomes(server_db, later) == ["applied"]  # in another push, when nothing of the job is new any more
    boss.say(server, lifecycle.JobAssigned("p-wang"), base=later.id)
    assert held(server_db, "p-lin") == set()
    assert held(server_db, "p-wang") == JOB
    assert outcomes(server_db, lin.say(server, steps.NoteAdded("still drips"))) == ["late"]


def test_what_the_office_creates_takes_no_position_for_its_scope(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    open_job(server, boss)
    assert held(server_db, "p-mei") == set()
    assert head_of(server_db) == 1
    boss.say(server, lifecycle.JobAssigned("p-lin"))
    assert head_of(server_db) == 3


# --- Jobs of two ---------------------------------------------------------------------------------------------------------------


def test_a_helper_holds_the_job_beside_the_one_it_was_given_to(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen
) -> None:
    wang = Pen("d-wang", "p-wang", "technician")
    open_job(server, boss)
    boss.say(server, lifecycle.JobAssigned("p-lin"))
    base = boss.say(server, lifecycle.HelpersNamed(("p-wang",))).id
    assert held(server_db, "p-lin") == held(server_db, "p-wang") == JOB
    one, two = lin.say(server, steps.NoteAdded("left side"), base=base), wang.say(server, steps.NoteAdded("right side"), base=base)
    assert outcomes(server_db, one, two) == ["applied", "applied"]
    boss.say(server, lifecycle.JobAssigned("p-wang"))
    assert (held(server_db, "p-lin"), held(server_db, "p-wang")) == (set(), JOB)
    boss.say(server, lifecycle.HelpersNamed(()))
    assert held(server_db, "p-wang") == JOB
    state = job_state(server_db)
    assert (state.assignee, state.helpers) == ("p-wang", ())


def test_a_technician_names_no_helpers(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    open_job(server, boss)
    base = boss.say(server, lifecycle.JobAssigned("p-lin")).id
    assert outcomes(server_db, lin.say(server, lifecycle.HelpersNamed(("p-lin",)), base=base)) == ["quarantined"]


# --- Closed long ago -----------------------------------------------------------------------------------------------------------


def close(server: ServerReplica, boss: Pen, clock: Clock, stream: str = "job:1") -> None:
    boss.clock = clock.now
    boss.say(server, lifecycle.JobCancelled("sold"), stream)


def test_a_closed_job_leaves_after_ninety_days_and_not_before(
    server: ServerReplica, server_db: Database, boss: Pen, clock: Clock
) -> None:
    open_job(server, boss)
    boss.say(server, lifecycle.JobAssigned("p-lin"))
    open_job(server, boss, "job:2")
    boss.say(server, lifecycle.JobAssigned("p-lin"), "job:2")
    close(server, boss, clock)
    clock.now += KEPT_AFTER_CLOSING_MS - DAY_MS
    assert server.let_old_jobs_go() == {}
    assert held(server_db, "p-lin") == {*JOB, "job:2"}
    clock.now += 2 * DAY_MS
    head = head_of(server_db)
    assert server.let_old_jobs_go() == {"b1": head + 1}
    assert held(server_db, "p-lin") == {"job:2", "customer:c1", "asset:a1"}  # what an open job needs stays
    assert server.let_old_jobs_go() == {}
    assert head_of(server_db) == head + 1
    assert count(server_db, NeedRow, col(NeedRow.job) == "job:1") == 0


def test_a_job_taken_up_again_after_a_year_comes_back(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, clock: Clock
) -> None:
    for gone in (True, False):  # whether the server had let it go meanwhile
        stream = f"job:{gone}"
        open_job(server, boss, stream)
        boss.say(server, lifecycle.JobAssigned("p-lin"), stream)
        for body in (lifecycle.JobAccepted(), lifecycle.WorkStarted(), lifecycle.JobCompleted()):
            base = boss.say(server, body, stream).id
        boss.say(server, lifecycle.JobApproved(), stream)
        clock.now += 400 * DAY_MS
        if gone:
            server.let_old_jobs_go()
            assert held(server_db, "p-lin") == set()
            assert outcomes(server_db, lin.say(server, steps.NoteAdded("found in a pocket"), stream, base=base)) == ["late"]
        boss.clock = clock.now
        boss.say(server, lifecycle.JobSentBack(("P/s1",), "the customer called"), stream)
        assert stream in held(server_db, "p-lin")
        assert server.let_old_jobs_go() == {}


def test_the_device_lets_go_of_it_and_sends_what_it_still_had(
    sqlite_server: Database, make_device: MakeDevice, boss: Pen, clock: Clock
) -> None:
    server, device = ServerReplica(sqlite_server, clock), make_device()
    open_job(server, boss)
    boss.say(server, lifecycle.JobAssigned("p-lin"))
    device.pull(sqlite_server)
    device.say(steps.NoteAdded("written on the last day"))
    close(server, boss, clock)
    clock.now += 200 * DAY_MS
    server.let_old_jobs_go()
    device.pull(sqlite_server)
    assert device.view() is not None  # something of ours is still only here
    assert device.replica.counts().unsent == 1
    device.push(server)
    device.pull(sqlite_server)
    device.pull(sqlite_server)
    assert device.view() is None
    assert [note.text for note in job_state(sqlite_server).notes] == ["written on the last day"]
    assert [line.outcome for line in job_state(sqlite_server).unresolved] == []
    assert device.findings() == ()
