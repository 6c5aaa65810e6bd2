"""What becomes of entries on the server, the same on SQLite and PostgreSQL: groups, shapes, roles, scope, conflicts, decisions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from sqlmodel import col

from fieldapp.domain.documents import Customer, Person, Segment, Site
from fieldapp.domain.entry import Entry
from fieldapp.domain.entry_types import lifecycle, office, reference, steps, work
from fieldapp.store.database import Database
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DocumentRow, LogRow, MembershipRow, NeedRow, QuarantineRow, StreamRow
from tests.store.pens import START_MS, Pen, count, created, everything, job_state, later, outcomes, reason, step

pytestmark = pytest.mark.usefixtures("sound")


@pytest.fixture
def server(server_db: Database) -> ServerReplica:
    return ServerReplica(server_db, lambda: START_MS + 5_000)


@pytest.fixture
def wang() -> Pen:
    return Pen("d-wang", "p-wang", "technician")


def dispatch(server: ServerReplica, boss: Pen, person: str = "p-lin", stream: str = "job:1") -> str:
    """A job given to a person. Returns the id of the last entry."""
    boss.push(server, boss.entry(created(assets=("a1",)), stream, also=("customer:c1", "asset:a1")))
    return boss.say(server, lifecycle.JobAssigned(person=person), stream).id


def latest_reason(db: Database, entry: Entry) -> str:
    query = select(col(LogRow.reason)).where(col(LogRow.entry_id) == entry.id).order_by(col(LogRow.pos).desc()).limit(1)
    with db.read() as conn:
        return str(conn.execute(query).scalar_one())


# --- Groups and shapes -----------------------------------------------------------------------------------------------------------


def test_a_group_that_is_not_complete_is_quarantined_whole(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    first, second, _ = boss.group(step("s1"), step("s2"), step("s3"))
    boss.push(server, first, second)
    assert outcomes(server_db, first, second) == ["quarantined", "quarantined"]
    assert job_state(server_db).steps == {}
    assert [item.outcome for item in job_state(server_db).unresolved] == ["quarantined"] * 2


def test_a_group_shares_the_heaviest_outcome(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    good, bad = boss.group(step("s1"), lifecycle.JobApproved())
    boss.push(server, good, bad)
    assert outcomes(server_db, good, bad) == ["conflict", "conflict"]
    assert job_state(server_db).steps == {}
    assert job_state(server_db).status == "assigned"


def test_an_entry_is_judged_after_those_before_it_in_its_group(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    entries = boss.group(created(), lifecycle.JobAssigned(person="p-lin"), lifecycle.JobAccepted())
    boss.push(server, *entries)
    assert outcomes(server_db, *entries) == ["applied"] * 3
    assert job_state(server_db).status == "accepted"


def test_an_entry_for_another_log_is_kept_but_stands_nowhere(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    stray = boss.entry(step("s1"), log="b2")
    boss.push(server, stray)
    assert outcomes(server_db, stray) == ["quarantined"]
    assert "another log" in reason(server_db, stray)
    assert count(server_db, StreamRow, col(StreamRow.entry_id) == stray.id) == 0
    assert job_state(server_db).unresolved == ()


def test_a_stream_belongs_to_one_log_for_ever(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    before = job_state(server_db)
    south = Pen("d-south", "p-south", "supervisor", log="b2", branch="b2")
    reach = south.say(server, lifecycle.JobCancelled(reason="not ours"))
    touch = south.entry(created("J-7"), "job:7", also=("customer:c1",))
    south.push(server, touch)
    assert outcomes(server_db, reach, touch) == ["quarantined", "quarantined"]
    assert job_state(server_db) == before
    assert count(server_db, StreamRow, col(StreamRow.log) == "b2", col(StreamRow.stream) == "customer:c1") == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"step":"P/s1","version":"one","value":"1","verdict":"pass"}',
        b'{"step":"P/s1"}',
        b'{"step":"P/s1","version":1,"value":"1","verdict":"splendid"}',
        b"{}",
    ],
)
def test_a_body_of_the_wrong_shape_is_quarantined_and_hides_nothing(
    server: ServerReplica, server_db: Database, boss: Pen, body: bytes
) -> None:
    dispatch(server, boss)
    poison = boss.entry(name="step.recorded", raw_body=body)
    good = boss.entry(step("s2"))
    boss.push(server, poison, good)
    assert outcomes(server_db, poison, good) == ["quarantined", "applied"]
    assert "shape" in reason(server_db, poison)
    assert list(job_state(server_db).steps) == ["P/s2"]


def test_a_type_not_known_yet_is_held(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    future = boss.entry(name="step.dreamt", raw_body=b'{"of":"spring"}')
    boss.push(server, future)
    assert outcomes(server_db, future) == ["held"]
    (item,) = job_state(server_db).unresolved
    assert (item.entry, item.outcome) == (future.id, "held")


HOSTILE = [
    "null \x00 byte".replace("\x00", "\\u0000"),
    "\x1b]52;c;aGVsbG8=\x07 \x9b31m",
    "[b]bold[/b] [@click=app.quit]x[/]",
    "‮gnp.exe⁦",
    "'; DROP TABLE entries; --",
    "𝕳𝖊𝖑𝖑𝖔 \U0001f9ef 冷水机组 ﷽",
    "\uffff\ufffe\ufdd0",
    "%s %(name)s {0} ${x}",
    "  \r\n\t ",
    "a" * 60_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_gets_the_same_verdict_on_both_databases(
    server: ServerReplica, server_db: Database, boss: Pen, text: str
) -> None:
    dispatch(server, boss)
    note = boss.say(server, steps.NoteAdded(text=text))
    assert outcomes(server_db, note) == ["applied"]
    assert job_state(server_db).notes[0].text == text


@pytest.mark.parametrize("text", ["x" * 201, "\U0001f9ef" * 5000], ids=["201 letters", "5000 pictures"])
def test_a_name_too_long_for_an_index_is_quarantined_on_both_databases(
    server: ServerReplica, server_db: Database, boss: Pen, text: str
) -> None:
    number = boss.entry(created(text), "job:2")
    person = boss.entry(lifecycle.JobAssigned(person=text))
    site = boss.entry(reference.SiteRecorded(Site(id=text, customer="c1", name={"en": "x"})), "customer:c1")
    dispatch(server, boss)
    boss.push(server, number, person, site)
    assert outcomes(server_db, number, person, site) == ["quarantined"] * 3


def test_the_longest_names_fit_both_databases(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    longest = "\U0001f9ef" * 200
    entries = [
        boss.entry(created(longest, assets=(longest,)), "job:2"),
        boss.entry(lifecycle.JobAssigned(person=longest), "job:2"),
        boss.entry(reference.SiteRecorded(Site(id=longest, customer="c1", name={"en": "x"})), "customer:c1"),
    ]
    boss.push(server, *entries)
    assert outcomes(server_db, *entries) == ["applied"] * 3


# --- Roles and scope -------------------------------------------------------------------------------------------------------------


def test_a_technician_may_not_do_the_office_s_work(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    base = dispatch(server, boss)
    grab = lin.say(server, lifecycle.JobAssigned(person="p-wang"), base=base)
    assert outcomes(server_db, grab) == ["quarantined"]
    assert "technician may not" in reason(server_db, grab)
    assert job_state(server_db).assignee == "p-lin"


def chief_and_lin(server: ServerReplica) -> tuple[Pen, Pen, Pen]:
    """A supervisor's and a technician's pens for the shared log, where an administrator has recorded both."""
    root, chief, lin = (
        Pen("d-r", "p-r", "admin", "org"),
        Pen("d-c", "p-c", "supervisor", "org"),
        Pen("d-l", "p-l", "technician", "org"),
    )
    for pen in (chief, lin):
        root.say(server, person(pen.who.person, pen.who.role), f"person:{pen.who.person}")
    return root, chief, lin


def person(name: str, role: Any) -> reference.PersonRecorded:
    return reference.PersonRecorded(Person(name, name.title(), role, "b1"))


def roles(db: Database) -> dict[str, str]:
    bodies = [msgspec.json.decode(row["body"], type=reference.PersonRecorded) for row in everything(db, DocumentRow)]
    return {body.person.id: body.person.role for body in bodies}


def test_only_an_administrator_gives_roles(server: ServerReplica, server_db: Database) -> None:
    root, chief, lin = chief_and_lin(server)
    claims = [pen.say(server, person(pen.who.person, "admin"), f"person:{pen.who.person}") for pen in (chief, lin)]
    assert outcomes(server_db, *claims) == ["quarantined"] * 2
    assert roles(server_db) == {"p-c": "supervisor", "p-l": "technician"}
    chief.say(server, created("J-0"), "job:0")
    freed = chief.say(server, office.EntryReleased(about=claims[0].id), "job:0")
    assert outcomes(server_db, freed) == ["quarantined"]
    assert "may not let" in reason(server_db, freed)
    assert later(server_db, claims[0]) == []
    assert roles(server_db)["p-c"] == "supervisor"
    raised = root.say(server, person("p-c", "admin"), "person:p-c")
    assert outcomes(server_db, raised) == ["applied"]
    assert roles(server_db)["p-c"] == "admin"


def test_a_document_is_about_what_its_stream_is_named_after(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    root, *_ = chief_and_lin(server)
    mask = root.say(server, person("p-l", "admin"), "person:p-new")
    other = boss.say(server, reference.CustomerRecorded(Customer("c9", {"en": "x"}, "b1")), "customer:c1")
    assert outcomes(server_db, mask, other) == ["quarantined"] * 2
    assert "about another person" in reason(server_db, mask)
    assert roles(server_db) == {"p-c": "supervisor", "p-l": "technician"}


def test_what_all_branches_share_lies_in_no_branch_s_log(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    base = dispatch(server, boss)
    own = boss.say(server, reference.SegmentRecorded(Segment("s", {"en": "x"})), "segment:s")
    squat = lin.entry(steps.NoteAdded("mine"), also=("person:p-new",), base=base)
    lin.push(server, squat)
    assert outcomes(server_db, own, squat) == ["quarantined"] * 2
    root = Pen("d-r", "p-r", "admin", log="org")
    arrived = root.say(server, person("p-new", "technician"), "person:p-new")
    assert outcomes(server_db, arrived) == ["applied"]


def test_a_technician_begins_nothing_in_another_branch(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    far = Pen("d-far", "p-far", "technician", log="b1", branch="b2")
    job = far.say(server, created("J-9"), "job:9")
    assert outcomes(server_db, job) == ["quarantined"]
    assert "scope" in reason(server_db, job)
    near = Pen("d-near", "p-near", "technician")
    assert outcomes(server_db, near.say(server, created("J-8"), "job:8")) == ["applied"]


def test_who_writes_is_who_the_device_belongs_to(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    base = dispatch(server, boss)
    forged = lin.say(server, step("s1"), base=base, author="p-mei")
    assert outcomes(server_db, forged) == ["quarantined"]
    assert "author" in reason(server_db, forged)


def test_what_was_never_in_scope_is_quarantined_even_behind_a_broken_group(
    server: ServerReplica, server_db: Database, boss: Pen, wang: Pen
) -> None:
    dispatch(server, boss)
    torn = wang.group(step("s1"), step("s2"))[0]
    peek = wang.entry(step("s3"))
    wang.push(server, torn, peek)
    again = wang.say(server, step("s4"))
    assert outcomes(server_db, torn, peek, again) == ["quarantined"] * 3
    assert "scope" in reason(server_db, peek)


def test_another_branch_s_supervisor_has_no_say(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    foreign = Pen("d-foreign", "p-foreign", "supervisor", log="b1", branch="b2")
    order = foreign.say(server, lifecycle.JobCancelled(reason="mine now"))
    assert outcomes(server_db, order) == ["quarantined"]
    assert job_state(server_db).status == "assigned"


def test_a_technician_does_not_write_to_what_all_branches_share(server: ServerReplica, server_db: Database) -> None:
    lin = Pen("d-lin", "p-lin", "technician", log="org")
    article = lin.say(server, reference.CustomerRecorded(Customer(id="c9", name={"en": "x"}, branch="b1")), "customer:c9")
    assert outcomes(server_db, article) == ["quarantined"]


def test_after_a_job_left_additive_facts_are_late_and_the_rest_a_conflict(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen
) -> None:
    base = dispatch(server, boss)
    boss.say(server, lifecycle.JobAssigned(person="p-wang"))
    time = lin.say(server, work.TimeRecorded(activity="work", minutes=30), base=base)
    value = lin.say(server, step("s1"), base=base)
    assert outcomes(server_db, time, value) == ["late", "conflict"]
    state = job_state(server_db)
    assert [spent.minutes for spent in state.times] == [30]
    assert state.steps == {}


def test_memberships_follow_the_job_at_positions_of_the_log(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    dispatch(server, boss)
    boss.say(server, lifecycle.JobAssigned(person="p-wang"))
    scopes = {row["reason"]: row["pos"] for row in everything(server_db, LogRow) if row["kind"] == "scope"}
    assert len([row for row in everything(server_db, LogRow) if row["kind"] == "scope"]) == 3
    streams = {"job:1", "customer:c1", "asset:a1"}
    members = everything(server_db, MembershipRow)
    assert {row["stream"] for row in members if row["person"] == "p-lin" and row["until_pos"] == scopes["p-lin"]} == streams
    assert {row["stream"] for row in members if row["person"] == "p-wang" and row["until_pos"] is None} == streams
    assert {row["since_pos"] for row in members if row["person"] == "p-wang"} == {scopes["p-wang"]}


def test_a_customer_stays_in_scope_while_any_job_needs_it(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    dispatch(server, boss)
    base = dispatch(server, boss, stream="job:2")
    boss.say(server, lifecycle.JobAssigned(person="p-wang"), "job:1")
    open_ = {row["stream"] for row in everything(server_db, MembershipRow) if row["person"] == "p-lin" and not row["until_pos"]}
    assert open_ == {"job:2", "customer:c1", "asset:a1"}
    assert {row["job"] for row in everything(server_db, NeedRow) if row["person"] == "p-lin"} == {"job:2"}
    reading = steps.ReadingTaken(asset="a1", quantity="p", value="1")
    assert outcomes(server_db, lin.say(server, reading, "job:2", base=base, also=("asset:a1",))) == ["applied"]


def test_a_job_given_back_opens_the_scope_again(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen) -> None:
    dispatch(server, boss)
    boss.say(server, lifecycle.JobAssigned(person="p-wang"))
    base = boss.say(server, lifecycle.JobAssigned(person="p-lin")).id
    assert outcomes(server_db, lin.say(server, lifecycle.JobAccepted(), base=base)) == ["applied"]
    spans = [row for row in everything(server_db, MembershipRow) if (row["person"], row["stream"]) == ("p-lin", "job:1")]
    assert [row["until_pos"] is None for row in spans] == [False, True]


# --- Two lines of writing on one job ----------------------------------------------------------------------------------------------


@pytest.fixture
def base(server: ServerReplica, boss: Pen, lin: Pen) -> str:
    """A job in progress, and the last entry of it that everybody has seen."""
    last = dispatch(server, boss)
    lin.push(server, lin.entry(lifecycle.JobAccepted(), base=last), started := lin.entry(lifecycle.WorkStarted(), base=last))
    return started.id


def test_the_same_step_recorded_offline_by_two_is_a_conflict(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    mine, theirs = lin.entry(step("s1", "1.0"), base=base), boss.entry(step("s1", "2.0"), base=base)
    lin.push(server, mine)
    boss.push(server, theirs)
    assert outcomes(server_db, mine, theirs) == ["applied", "conflict"]
    result = job_state(server_db).steps["P/s1"].result
    assert result is not None
    assert result.value == "1.0"
    assert "p-lin" in reason(server_db, theirs)


def test_different_steps_recorded_offline_by_two_both_stand(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    mine, theirs = lin.entry(step("s1"), base=base), boss.entry(step("s2"), base=base)
    lin.push(server, mine)
    boss.push(server, theirs)
    assert outcomes(server_db, mine, theirs) == ["applied", "applied"]
    assert set(job_state(server_db).steps) == {"P/s1", "P/s2"}


def test_work_done_after_a_cancellation_one_had_not_seen_is_a_conflict(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    boss.say(server, lifecycle.JobCancelled(reason="customer closed"), base=base)
    done = lin.say(server, lifecycle.JobCompleted(), base=base)
    spent = lin.say(server, work.TimeRecorded(activity="work", minutes=45), base=base)
    assert outcomes(server_db, done, spent) == ["conflict", "applied"]
    assert job_state(server_db).status == "cancelled"


def test_a_new_window_stands_in_nobody_s_way(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    moved = boss.say(server, lifecycle.JobRescheduled(window_start=START_MS, window_end=START_MS + 1), base=base)
    done = lin.say(server, lifecycle.JobCompleted(), base=base)
    assert outcomes(server_db, moved, done) == ["applied", "applied"]


def test_two_new_windows_are_a_conflict(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    other = Pen("d-other", "p-other", "dispatcher")
    first = boss.say(server, lifecycle.JobRescheduled(window_start=START_MS, window_end=START_MS + 1), base=base)
    second = other.say(server, lifecycle.JobRescheduled(window_start=START_MS + 5, window_end=START_MS + 6), base=base)
    assert outcomes(server_db, first, second) == ["applied", "conflict"]
    assert job_state(server_db).window_start == START_MS


def test_who_has_seen_the_other_s_entry_may_replace_it(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    seen = lin.say(server, step("s1", "1.0"), base=base)
    change = steps.StepAmended(step="P/s1", version=1, value="3", verdict="pass", reason="misread")
    amended = boss.say(server, change, base=seen.id)
    assert outcomes(server_db, amended) == ["applied"]


def test_one_s_own_line_of_writing_never_conflicts_with_itself(
    server: ServerReplica, server_db: Database, lin: Pen, base: str
) -> None:
    entries = [lin.entry(step("s1", str(n)), base=base) for n in range(3)]
    lin.push(server, *entries)
    lin.push(server, last := lin.entry(step("s1", "9"), base=base))
    assert outcomes(server_db, *entries, last) == ["applied"] * 4


def test_what_builds_on_something_never_received_is_a_conflict(
    server: ServerReplica, server_db: Database, lin: Pen, base: str
) -> None:
    entry = lin.say(server, step("s1"), base="0" * 8 + "-0000-7000-8000-" + "0" * 12)
    assert outcomes(server_db, entry) == ["conflict"]


def test_a_conflicting_entry_stands_in_nobody_s_way(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    lin.say(server, step("s1", "1.0"), base=base)
    boss.say(server, step("s1", "2.0"), base=base)
    assert outcomes(server_db, lin.say(server, step("s1", "1.1"), base=base)) == ["applied"]


def test_a_move_the_table_does_not_allow_is_a_conflict(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    approved = boss.say(server, lifecycle.JobApproved(), base=base)
    assert outcomes(server_db, approved) == ["conflict"]
    assert "in_progress" in reason(server_db, approved)


# --- Held entries and decisions ---------------------------------------------------------------------------------------------------


def test_entries_wait_for_their_job_and_are_released_in_order(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    helper = Pen("d-helper", "p-helper", "supervisor")
    early = [helper.entry(step("s1", str(n))) for n in range(3)]
    strange = helper.entry(name="step.dreamt", raw_body=b"{}")
    helper.push(server, *early, strange)
    assert outcomes(server_db, *early, strange) == ["held"] * 4
    boss.say(server, created())
    assert [later(server_db, entry) for entry in (*early, strange)] == [["applied"]] * 3 + [[]]
    state = job_state(server_db)
    assert state.steps["P/s1"].result is not None
    assert state.steps["P/s1"].result.value == "2"
    assert [item.decided for item in state.unresolved] == ["applied"] * 3 + [""]
    boss.say(server, created())
    assert [later(server_db, entry) for entry in early] == [["applied"]] * 3


def test_a_job_and_what_was_held_for_it_in_one_push(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    early, job = boss.entry(step("s1")), boss.entry(created())
    boss.push(server, early, job)
    assert outcomes(server_db, early, job) == ["held", "applied"]


def test_taking_the_other_value_is_an_outcome_of_its_own(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    lin.say(server, step("s1", "1.0"), base=base)
    theirs = boss.say(server, step("s1", "2.0"), base=base)
    boss.say(server, office.ConflictDecided(about=theirs.id, side="take"))
    assert later(server_db, theirs) == ["applied"]
    state = job_state(server_db)
    assert state.steps["P/s1"].result is not None
    assert state.steps["P/s1"].result.value == "2.0"
    assert [item.decided for item in state.unresolved] == ["take"]


def test_keeping_the_standing_value_is_told_to_who_recorded_the_other(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    lin.say(server, step("s1", "1.0"), base=base)
    theirs = boss.say(server, step("s1", "2.0"), base=base)
    boss.say(server, office.ConflictDecided(about=theirs.id, side="keep", reason="read twice"))
    assert later(server_db, theirs) == ["conflict"]
    assert latest_reason(server_db, theirs) == "not taken by p-mei: read twice"
    assert [item.decided for item in job_state(server_db).unresolved] == ["keep"]


def test_a_quarantined_entry_can_be_released_once(
    server: ServerReplica, server_db: Database, boss: Pen, wang: Pen, base: str
) -> None:
    spent = wang.say(server, work.TimeRecorded(activity="work", minutes=20))
    assert outcomes(server_db, spent) == ["quarantined"]
    other = Pen("d-other", "p-other", "supervisor")
    boss.push(server, *(boss.entry(office.EntryReleased(about=spent.id)) for _ in range(2)))
    other.say(server, office.EntryReleased(about=spent.id))
    assert later(server_db, spent) == ["applied"]
    assert [time.minutes for time in job_state(server_db).times] == [20]


def test_a_late_fact_stands_already_and_releasing_it_counts_nothing_twice(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen
) -> None:
    base = dispatch(server, boss)
    boss.say(server, lifecycle.JobAssigned(person="p-wang"))
    spent = lin.say(server, work.TimeRecorded(activity="work", minutes=30), base=base)
    boss.say(server, office.EntryReleased(about=spent.id))
    assert [time.minutes for time in job_state(server_db).times] == [30]


def test_a_decision_on_another_log_s_entry_decides_nothing(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    south = Pen("d-south", "p-south", "supervisor", log="b2", branch="b2")
    held = south.say(server, step("s1"), "job:south")
    dispatch(server, boss)
    boss.say(server, office.EntryReleased(about=held.id))
    assert later(server_db, held) == []


def test_released_reassignments_change_scopes_too(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    other = Pen("d-other", "p-other", "dispatcher")
    boss.say(server, lifecycle.JobAssigned(person="p-lin"), base=base)
    clash = other.say(server, lifecycle.JobAssigned(person="p-wang"), base=base)
    assert outcomes(server_db, clash) == ["conflict"]
    boss.say(server, office.ConflictDecided(about=clash.id, side="take"))
    assert job_state(server_db).assignee == "p-wang"
    members = {row["person"] for row in everything(server_db, MembershipRow) if row["until_pos"] is None}
    assert members == {"p-wang"}


def test_nothing_was_set_aside_without_a_place_in_the_log(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    assert count(server_db, QuarantineRow) == 0
