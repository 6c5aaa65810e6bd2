"""What a person decides on entries that do not stand, the same on SQLite and PostgreSQL: what follows, for whom, and that nothing
is ever lost by it."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlmodel import col

from fieldapp.domain.decision_words import decision_words, read_decision
from fieldapp.domain.documents import Person
from fieldapp.domain.entry import Entry, chain_hash
from fieldapp.domain.entry_types import lifecycle, office, reference, steps, work
from fieldapp.domain.entry_types.base import ENTRY_TYPES, Body
from fieldapp.store.database import Database
from fieldapp.store.server import ServerReplica
from fieldapp.store.tables import DeviceRow, EntryRow, LogRow, PositionRow, QuarantineRow, StreamStateRow
from fieldapp.store.verify import verify_server
from tests.store.pens import START_MS, Pen, conserved, count, created, everything, job_state, later, outcomes, reason, step, uuid

pytestmark = pytest.mark.usefixtures("sound")


@pytest.fixture
def server(server_db: Database) -> ServerReplica:
    return ServerReplica(server_db, lambda: START_MS + 5_000)


@pytest.fixture
def base(server: ServerReplica, boss: Pen, lin: Pen) -> str:
    """A job in progress, and the last entry of it that everybody has seen."""
    boss.push(server, boss.entry(created(assets=("a1",)), also=("customer:c1", "asset:a1")))
    last = boss.say(server, lifecycle.JobAssigned(person="p-lin")).id
    lin.push(server, lin.entry(lifecycle.JobAccepted(), base=last), started := lin.entry(lifecycle.WorkStarted(), base=last))
    return started.id


def latest(db: Database, entry: Entry) -> tuple[str, str]:
    """(outcome, reason) of an entry as it stands now."""
    query = select(col(LogRow.outcome), col(LogRow.reason)).where(col(LogRow.entry_id) == entry.id).order_by(col(LogRow.pos).desc())
    with db.read() as conn:
        row = conn.execute(query.limit(1)).one()
    return row.outcome, row.reason


def value(db: Database, name: str = "s1") -> str | None:
    state = job_state(db).steps.get(f"P/{name}")
    return state.result.value if state and state.result else None


# --- The words ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["released", "dismissed", "take", "keep", "merge"])
@pytest.mark.parametrize("why", ["", "read twice: once wrong", "two\nlines", "x" * 900])
def test_the_words_of_a_decision_can_be_read_again(verb: Any, why: str) -> None:
    words = decision_words(verb, "p-mei", why)
    assert read_decision(words) == (verb, "p-mei", why[:500])


@pytest.mark.parametrize(
    "words", ["", "p-lin recorded step.recorded meanwhile", "released by", "it was released by p-mei", "taken by p mei"]
)
def test_other_reasons_are_no_decision(words: str) -> None:
    assert read_decision(words) is None


# --- What follows ---------------------------------------------------------------------------------------------------------------


def test_what_is_dismissed_stays_what_it_was_and_says_who_and_why(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    torn = lin.group(step("s1"), step("s2"), base=base)[0]
    lin.push(server, torn)
    boss.say(server, office.EntryDismissed(about=torn.id, reason="recorded again"))
    assert latest(server_db, torn) == ("quarantined", "dismissed by p-mei: recorded again")
    (item,) = job_state(server_db).unresolved
    assert (item.outcome, item.decided, "complete" in item.reason) == ("quarantined", "dismissed", True)
    assert server.rebuild("b1")
    assert job_state(server_db).unresolved == (item,)


def test_a_group_is_decided_as_a_whole(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    boss.say(server, step("s1", "9"), base=base)
    pressure = steps.ReadingTaken(asset="a1", quantity="pressure", value="1", step="P/s1")
    result, reading = lin.group(step("s1", "1"), pressure, base=base)
    lin.push(server, result, reading)
    assert outcomes(server_db, result, reading) == ["conflict"] * 2
    boss.say(server, office.ConflictDecided(about=reading.id, side="take", reason="the right gauge"))
    assert [latest(server_db, entry) for entry in (result, reading)] == [("applied", "taken by p-mei: the right gauge")] * 2
    assert value(server_db) == "1"
    assert [taken.value for taken in job_state(server_db).readings] == ["1"]


def test_of_two_decisions_the_first_stands_and_the_other_is_told(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    other = Pen("d-other", "p-wu", "dispatcher")
    boss.say(server, step("s1", "9"), base=base)
    mine = lin.say(server, step("s1", "1"), base=base)
    boss.say(server, office.ConflictDecided(about=mine.id, side="keep", reason="calibrated"))
    against = other.say(server, office.ConflictDecided(about=mine.id, side="take"))
    agreeing = other.say(server, office.EntryDismissed(about=mine.id))
    assert outcomes(server_db, against, agreeing) == ["conflict", "applied"]
    assert reason(server_db, against) == "it was decided already: not taken by p-mei: calibrated"
    assert later(server_db, mine) == ["conflict"]
    assert value(server_db) == "9"


def test_a_move_that_the_table_does_not_allow_cannot_be_taken(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    boss.say(server, lifecycle.JobCancelled(reason="closed"), base=base)
    done = lin.say(server, lifecycle.JobCompleted(), base=base)
    wish = boss.say(server, office.ConflictDecided(about=done.id, side="take"))
    assert outcomes(server_db, done, wish) == ["conflict", "conflict"]
    assert reason(server_db, wish) == "a job that is cancelled does not allow job.completed"
    assert later(server_db, done) == []
    assert [item.decided for item in job_state(server_db).unresolved] == ["", ""]


def test_what_stands_needs_no_decision(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    mine = lin.say(server, step("s1"), base=base)
    wish = boss.say(server, office.EntryDismissed(about=mine.id))
    assert (outcomes(server_db, wish), latest(server_db, mine)) == (["conflict"], ("applied", ""))


def test_a_technician_decides_nothing(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    boss.say(server, step("s1", "9"), base=base)
    mine = lin.say(server, step("s1", "1"), base=base)
    wish = lin.say(server, office.ConflictDecided(about=mine.id, side="take"), base=base)
    assert outcomes(server_db, wish) == ["quarantined"]
    assert later(server_db, mine) == []


@pytest.mark.parametrize("about", ["", "x", "../x", "'; DROP TABLE entries; --", "0" * 63])
def test_a_decision_on_what_has_no_name_is_put_aside(
    server: ServerReplica, server_db: Database, boss: Pen, base: str, about: str
) -> None:
    assert outcomes(server_db, boss.say(server, office.EntryReleased(about=about), base=base)) == ["quarantined"]


def test_a_decision_waits_for_what_it_is_about(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    boss.say(server, step("s1", "9"), base=base)
    mine = lin.entry(step("s1", "1"), base=base)
    early = boss.say(server, office.ConflictDecided(about=mine.id, side="keep"))
    assert outcomes(server_db, early) == ["held"]
    lin.push(server, mine)
    lin.say(server, steps.NoteAdded(text="done"), base=base)
    assert latest(server_db, early)[0] == "applied"
    assert latest(server_db, mine) == ("conflict", "not taken by p-mei")


def test_a_decision_is_not_let_stand_by_another(server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str) -> None:
    mine = lin.say(server, step("s1"), base=base)
    wish = boss.say(server, office.EntryDismissed(about=mine.id))
    again = boss.say(server, office.EntryReleased(about=wish.id))
    assert outcomes(server_db, wish, again) == ["conflict"] * 2
    boss.say(server, office.EntryDismissed(about=wish.id, reason="it stands"))
    assert latest(server_db, wish) == ("conflict", "dismissed by p-mei: it stands")


def test_bodies_that_cannot_be_read_do_not_stand(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    poison = boss.entry(name="step.recorded", raw_body=b'{"step":"P/s1"}')
    strange = boss.entry(name="step.dreamt", raw_body=b"{}")
    boss.push(server, poison, strange)
    assert outcomes(server_db, poison, strange) == ["quarantined", "held"]
    wishes = [boss.say(server, office.EntryReleased(about=entry.id)) for entry in (poison, strange)]
    assert outcomes(server_db, *wishes) == ["conflict"] * 2
    boss.push(server, *(boss.entry(office.EntryDismissed(about=entry.id)) for entry in (poison, strange)))
    assert [latest(server_db, entry)[0] for entry in (poison, strange)] == ["quarantined", "held"]
    assert [item.decided for item in job_state(server_db).unresolved if item.entry in (poison.id, strange.id)] == ["dismissed"] * 2


def test_a_stray_of_another_log_is_dismissed_at_the_desk(server: ServerReplica, server_db: Database, boss: Pen, base: str) -> None:
    stray = boss.say(server, step("s1"), log="b2")
    assert outcomes(server_db, boss.say(server, office.EntryReleased(about=stray.id), "desk:b1")) == ["conflict"]
    boss.say(server, office.EntryDismissed(about=stray.id, reason="wrong branch"), "desk:b1")
    assert latest(server_db, stray) == ("quarantined", "dismissed by p-mei: wrong branch")


# --- Held -----------------------------------------------------------------------------------------------------------------------


def test_a_type_is_tried_again_once_it_is_known(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.delitem(ENTRY_TYPES, work.TimeRecorded.NAME)
        spent = lin.say(server, work.TimeRecorded(activity="work", minutes=20), base=base)
        boss.say(server, steps.NoteAdded(text="meanwhile"), base=base)
        assert latest(server_db, spent)[0] == "held"
    server.rebuild("b1")  # a version that knows more types folds anew
    boss.say(server, steps.NoteAdded(text="after the upgrade"), base=base)
    assert latest(server_db, spent)[0] == "applied"
    assert [time.minutes for time in job_state(server_db).times] == [20]


def test_a_newer_server_tries_again_when_it_starts(
    server: ServerReplica, server_db: Database, lin: Pen, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.delitem(ENTRY_TYPES, steps.NoteAdded.NAME)
        note = lin.say(server, steps.NoteAdded(text="early"), base=base)
        assert server.try_held() == {}
    server.rebuild("b1")
    assert list(server.try_held()) == ["b1"]
    assert latest(server_db, note)[0] == "applied"
    assert server.try_held() == {}


def test_what_was_held_does_not_overwrite_what_others_recorded_meanwhile(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.delitem(ENTRY_TYPES, steps.StepRecorded.NAME)
        early = lin.say(server, step("s1", "1"), base=base)
    server.rebuild("b1")
    amended = steps.StepAmended(step="P/s1", version=1, value="2", verdict="pass", reason="r")
    boss.say(server, amended, base=base)
    assert latest(server_db, early)[0] == "conflict"
    assert value(server_db) == "2"


def test_two_that_wait_for_one_job_and_set_one_value_conflict(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    first, second = Pen("d-1", "p-1", "supervisor"), Pen("d-2", "p-2", "supervisor")
    early = first.say(server, step("s1", "1"))
    other = second.say(server, step("s1", "2"))
    boss.say(server, created())
    assert [latest(server_db, entry)[0] for entry in (early, other)] == ["applied", "conflict"]
    assert value(server_db) == "1"


def test_what_builds_on_something_that_is_still_to_come_waits_for_it(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen
) -> None:
    job, given = boss.entry(created()), boss.entry(lifecycle.JobAssigned(person="p-lin"))
    accepted = lin.say(server, lifecycle.JobAccepted(), base=given.id)
    boss.push(server, job)
    assert latest(server_db, accepted)[0] == "held"
    boss.push(server, given)
    assert latest(server_db, accepted)[0] == "applied"
    assert job_state(server_db).status == "accepted"


def test_a_group_that_waits_is_freed_as_one(server: ServerReplica, server_db: Database, boss: Pen) -> None:
    helper = Pen("d-helper", "p-helper", "supervisor")
    group = helper.group(step("s1"), lifecycle.JobApproved())
    helper.push(server, *group)
    boss.say(server, created())
    assert [latest(server_db, entry)[0] for entry in group] == ["conflict"] * 2
    assert value(server_db) is None


def test_what_was_never_in_scope_is_not_held_either(server: ServerReplica, server_db: Database, base: str) -> None:
    stranger = Pen("d-x", "p-x", "technician")
    future = stranger.entry(name="step.dreamt")
    stranger.push(server, future)
    assert outcomes(server_db, future) == ["quarantined"]


# --- Bytes in quarantine --------------------------------------------------------------------------------------------------------


def hand_over(server: ServerReplica, pen: Pen, raw: bytes, why: str = "it is too large to be sent") -> str:
    """What a device does with an entry that the server does not take. Returns the key of the bytes."""
    key = hashlib.sha256(raw).hexdigest()
    chain = chain_hash(pen.chain, pen.seq + 1, key)
    pen.follow(
        server.quarantine(
            pen.who, epoch=pen.epoch, log=pen.log, seq=pen.seq + 1, prev_hash=pen.chain, chain=chain, raw=raw, reason=why
        )
    )
    return key


def enrolled(db: Database, pen: Pen) -> None:
    row = {
        "id": pen.who.device,
        "person": pen.who.person,
        "code": pen.who.device[-3:],
        "name": "n",
        "secret_hash": "",
        "enrolled_at": 0,
    }
    with db.write() as conn:
        conn.execute(insert(DeviceRow), {**row, "enrol_nonce": "", "revoked_at": None, "last_seen": None, "app_version": ""})


def bytes_of(entry: Entry) -> bytes:
    return entry.raw + b"\n" + (entry.body_raw or b"")


def test_bytes_that_are_an_entry_after_all_can_be_released(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    enrolled(server_db, lin)
    lost = lin.entry(step("s1", "7"), base=base)
    key = hand_over(server, lin, bytes_of(lost))
    after = lin.say(server, step("s2"), base=base)
    assert outcomes(server_db, after) == ["applied"]
    freed = boss.say(server, office.EntryReleased(about=key, reason="now it fits"), "desk:b1")
    assert outcomes(server_db, freed) == ["applied"]
    assert outcomes(server_db, lost) == ["quarantined"]
    assert latest(server_db, lost) == ("applied", "released by p-mei: now it fits")
    assert value(server_db) == "7"
    boss.say(server, office.EntryReleased(about=key), "desk:b1")
    assert count(server_db, LogRow, col(LogRow.entry_id) == lost.id) == 2
    (kept,) = everything(server_db, QuarantineRow)
    assert (kept["decided"], kept["log"], kept["decided_at"]) == ("released by p-mei: now it fits", "b1", START_MS + 5_000)


def test_dismissed_bytes_that_are_an_entry_get_their_place_and_their_outcome(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    enrolled(server_db, lin)
    lost = lin.entry(step("s1", "7"), base=base)
    key = hand_over(server, lin, bytes_of(lost))
    boss.say(server, office.EntryDismissed(about=key, reason="recorded again"), "desk:b1")
    assert latest(server_db, lost) == ("quarantined", "dismissed by p-mei: recorded again")
    assert value(server_db) is None


@pytest.mark.parametrize("raw", [b"\x00\xff no entry", b"{}", b"", b'{"id":"1"}\n{}', "\u202egpj\n\x1b]52;c;aGk=\x07".encode()])
def test_bytes_that_are_no_entry_can_only_be_dismissed(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str, raw: bytes
) -> None:
    enrolled(server_db, lin)
    key = hand_over(server, lin, raw)
    wish = boss.say(server, office.EntryReleased(about=key), "desk:b1")
    assert outcomes(server_db, wish) == ["conflict"]
    assert outcomes(server_db, boss.say(server, office.EntryDismissed(about=key), "desk:b1")) == ["applied"]
    assert everything(server_db, QuarantineRow)[0]["decided"] == "dismissed by p-mei"


def test_bytes_in_another_s_name_or_under_a_known_id_cannot_be_released(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    enrolled(server_db, lin)
    first = lin.say(server, step("s1", "1"), base=base)
    forged = hand_over(server, lin, bytes_of(lin.entry(step("s2"), base=base, author="p-mei")))
    twin = hand_over(server, lin, bytes_of(lin.entry(step("s1", "3"), base=base, key=first.id)))
    wishes = [boss.say(server, office.EntryReleased(about=key), "desk:b1") for key in (forged, twin)]
    assert outcomes(server_db, *wishes) == ["conflict"] * 2
    assert "author" in reason(server_db, wishes[0])
    assert "same id" in reason(server_db, wishes[1])
    assert value(server_db) == "1"


def test_only_an_administrator_releases_a_role(server: ServerReplica, server_db: Database) -> None:
    root, chief = Pen("d-r", "p-r", "admin", "org"), Pen("d-c", "p-c", "supervisor", "org")
    enrolled(server_db, chief)
    claim = chief.entry(reference.PersonRecorded(Person("p-c", "C", "admin", "b1")), "person:p-c")
    key = hand_over(server, chief, bytes_of(claim))
    assert outcomes(server_db, chief.say(server, office.EntryReleased(about=key), "desk:org")) == ["quarantined"]
    assert outcomes(server_db, root.say(server, office.EntryReleased(about=key), "desk:org")) == ["applied"]
    assert latest(server_db, claim)[0] == "applied"


# --- Neighbours, and that nothing is lost ---------------------------------------------------------------------------------------


def test_what_is_quarantined_blocks_no_neighbour(
    server: ServerReplica, server_db: Database, boss: Pen, lin: Pen, base: str
) -> None:
    before = lin.entry(step("s1"), base=base)
    poison = lin.entry(name="step.recorded", raw_body=b"{}", base=base)
    torn = lin.group(step("s2"), step("s3"), base=base)[1]
    after = lin.entry(step("s4"), base=base)
    lin.push(server, before, poison, torn, after)
    hand_over(server, lin, b"no entry")
    last = lin.say(server, step("s5"), base=base)
    assert outcomes(server_db, before, poison, torn, after, last) == ["applied", "quarantined", "quarantined", "applied", "applied"]
    assert sorted(job_state(server_db).steps) == ["P/s1", "P/s4", "P/s5"]


def census(db: Database) -> Counter[str]:
    """How many received entries have which outcome now; bytes that are no entry count as quarantined."""
    with db.read() as conn:
        now = {
            row.entry_id: row.outcome
            for row in conn.execute(
                select(col(LogRow.entry_id), col(LogRow.outcome)).where(col(LogRow.kind) != "scope").order_by(col(LogRow.pos))
            )
        }
        received = set(conn.execute(select(col(PositionRow.entry_id))).scalars())
        entries = set(conn.execute(select(col(EntryRow.id))).scalars())
        aside = set(conn.execute(select(col(QuarantineRow.id))).scalars())
    assert set(now) == entries
    found = Counter(now.get(name, "quarantined") for name in received | entries if name in now or name in aside)
    found["lost"] = len(received - set(now) - aside)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_received_is_the_sum_of_all_outcomes_after_every_push_and_decision(
    server: ServerReplica, server_db: Database, seed: int
) -> None:
    luck = random.Random(seed)
    pens = [Pen("d-boss", "p-mei", "supervisor"), Pen("d-wu", "p-wu", "dispatcher")]
    pens += [Pen(f"d-{name}", f"p-{name}", "technician") for name in ("lin", "wang")]
    for pen in pens:
        enrolled(server_db, pen)
    sent: list[Entry] = []
    keys: list[str] = []

    def body() -> Body:
        about = luck.choice([uuid(), *[entry.id for entry in sent[-12:]], *keys[-3:]])
        return luck.choice(
            [
                created(), lifecycle.JobAssigned(person=luck.choice(["p-lin", "p-wang"])), lifecycle.JobAccepted(),
                lifecycle.WorkStarted(), lifecycle.JobCompleted(), lifecycle.JobCancelled(reason="x"),
                step(luck.choice("ab"), str(luck.randrange(9))), step(luck.choice("ab"), str(luck.randrange(9))),
                steps.NoteAdded(text="n"), work.TimeRecorded(activity="work", minutes=5),
                office.EntryReleased(about=about), office.EntryDismissed(about=about, reason="r"),
                office.ConflictDecided(about=about, side=luck.choice(["keep", "take", "merge"])),
            ]
        )  # fmt: skip

    received = 0
    for _ in range(30):
        pen = luck.choice(pens)
        stream = luck.choice(["job:1", "job:2"])
        seen = luck.choice([None, None, *[entry.id for entry in sent[-8:] if entry.envelope.stream == stream]])
        roll = luck.random()
        if roll < 0.1:
            raw = luck.choice([bytes_of(pen.entry(body(), stream, base=seen)), luck.randbytes(20)])
            keys.append(hand_over(server, pen, raw))
            received += 1
            continue
        if roll < 0.2:
            entries = [pen.entry(name=luck.choice(["step.recorded", "step.dreamt"]), raw_body=b"{}", stream=stream)]
        elif roll < 0.45:
            entries = pen.group(body(), body(), stream=stream, base=seen)[: luck.choice([1, 2, 2, 2])]
        else:
            entries = [pen.entry(body(), stream, base=seen) for _ in range(luck.randrange(1, 4))]
        pen.push(server, *entries)
        sent += entries
        received += len(entries)
        found = census(server_db)
        placed_bytes = sum(1 for row in everything(server_db, QuarantineRow) if row["decided"] and _placed(server_db, row["raw"]))
        assert found["lost"] == 0
        assert found.total() == received + placed_bytes
        assert conserved(server_db)
    assert verify_server(server_db) == ()
    states = [row["digest"] for row in everything_states(server_db)]
    server.rebuild("b1")
    assert [row["digest"] for row in everything_states(server_db)] == states


def _placed(db: Database, raw: bytes) -> bool:
    digest = hashlib.sha256(raw.partition(b"\n")[0]).hexdigest()
    return bool(count(db, EntryRow, col(EntryRow.hash) == digest))


def everything_states(db: Database) -> list[dict[str, Any]]:
    return everything(db, StreamStateRow)
