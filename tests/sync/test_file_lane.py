"""The machine for files: parts, resuming, putting aside, and that it never stops trying."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from fieldapp.store.tables import FileRow
from fieldapp.sync import messages as m
from fieldapp.sync.file_lane import (
    GAP_MS,
    PIECE_FIRST,
    PIECE_LEAST,
    SLOW_MS,
    YIELD_MS,
    YIELDS,
    FileEffect,
    FileItem,
    FileLane,
    FileSent,
    FilesLooked,
    KeepChunk,
    LookFiles,
    Nudge,
    file_step,
    files_quiet,
)  # fmt: skip
from fieldapp.sync.files import FileDesk, waiting_words
from fieldapp.sync.machine import DEADLINE_MS
from fieldapp.sync.protocol import PART_BYTES, FileState
from tests.store.test_faults import run_limited
from tests.sync.homes import a_replica
from tests.sync.table import refused

SMALL = FileItem("a" * 64, 10, "/x/a", 10)
LARGE = FileItem("b" * 64, 2 * PART_BYTES + 1, "/x/b", 2 * PART_BYTES + 1)
WANTED = FileItem("c" * 64, PART_BYTES + 5, "/x/c", 0, fetch=True)


def test_looking_that_does_not_work_is_tried_again_later() -> None:
    """A database that cannot be read, a folder that cannot be: without a wait nothing else would be done, facts neither."""
    lane, effects = file_step(FileLane(1), m.Started(0))
    for now in (0, 60_000):
        for _ in range(3):
            if effects == (LookFiles(),):
                lane, effects = file_step(lane, m.Troubled(now, "the disk is full"))
        (arm,) = effects
        assert isinstance(arm, m.Arm)
        assert arm.at >= now + GAP_MS
        lane, effects = file_step(lane, m.TimerFired(arm.at))
    assert effects == (LookFiles(),)


class Hand:
    def __init__(self, *items: FileItem) -> None:
        self.now, self.items, self.busy = 1_000, items, False
        self.lane = FileLane(1)
        self.asked: m.Request | None = None
        self.feed(m.Started(self.now))

    def feed(self, event: m.Started | m.Hurried | m.TimerFired | m.Answered | m.Troubled) -> list[FileEffect]:
        said: list[FileEffect] = []
        events: list[object] = [event]
        while events:
            self.lane, effects = file_step(self.lane, events.pop(0))  # type: ignore[arg-type]
            for effect in effects:
                if isinstance(effect, FileSent):
                    self.items = tuple(item for item in self.items if item.sha256 != effect.sha256)
                if isinstance(effect, m.Ask):
                    self.asked = effect.request
                if isinstance(effect, LookFiles):
                    events.append(FilesLooked(self.now, self.items, self.busy))
                else:
                    said.append(effect)
        return said

    def answer(self, answer: m.Answer) -> list[FileEffect]:
        self.now += 10
        return self.feed(m.Answered(self.now, self.lane.number, answer))

    def wait(self) -> None:
        self.now = max(self.now, self.lane.wake)
        self.feed(m.TimerFired(self.now))

    @property
    def request(self) -> m.Request:
        assert self.lane.phase == "asking"
        assert self.asked is not None
        return self.asked


def held(item: FileItem, *parts: int, complete: bool = False) -> m.Good:
    return m.Good(FileState(item.sha256, parts, complete))


def test_a_file_goes_part_by_part_from_where_it_was_interrupted() -> None:
    hand = Hand(LARGE)
    hand.lane = msgspec.structs.replace(hand.lane, piece=PART_BYTES)
    assert hand.request == m.AskParts(LARGE.sha256)
    hand.answer(held(LARGE, 1))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size)
    hand.answer(held(LARGE, 0, 1))
    assert hand.request == m.SendPart(LARGE.sha256, 2, LARGE.path, LARGE.size, 0, 1)
    hand.answer(held(LARGE, 0, 1, 2))
    assert hand.request == m.AskComplete(LARGE.sha256, LARGE.size)
    assert FileSent(LARGE.sha256) in hand.answer(held(LARGE, complete=True))
    assert files_quiet(hand.lane)


def test_a_piece_goes_on_where_the_last_one_ended_and_is_as_large_as_the_link_allows() -> None:
    hand = Hand(LARGE)
    hand.answer(held(LARGE))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size, 0, PIECE_FIRST)
    hand.now += SLOW_MS
    hand.answer(m.Good(FileState(LARGE.sha256, (), False, PIECE_FIRST)))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size, PIECE_FIRST, PIECE_FIRST // 2)
    hand.answer(m.Good(FileState(LARGE.sha256, (), False, PIECE_FIRST + 100)))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size, PIECE_FIRST + 100, PIECE_FIRST * 2)


def test_a_piece_that_takes_too_long_is_asked_after_and_made_smaller_until_the_file_is_put_aside() -> None:
    hand = Hand(SMALL, LARGE)
    hand.answer(held(SMALL, complete=True))
    hand.answer(held(LARGE))
    for expected in (PIECE_FIRST, PIECE_LEAST):
        assert isinstance(hand.request, m.SendPart)
        assert hand.request.length == expected
        hand.answer(m.Fault("timeout"))
        assert not hand.lane.aside or expected == PIECE_LEAST
        hand.wait()
        if expected != PIECE_LEAST:
            assert hand.request == m.AskParts(LARGE.sha256)
            hand.answer(m.Good(FileState(LARGE.sha256, (), False, 0)))
    assert [aside.sha256 for aside in hand.lane.aside] == [LARGE.sha256]


def test_what_is_too_large_for_somebody_on_the_way_goes_in_smaller_pieces_from_then_on() -> None:
    hand = Hand(LARGE)
    hand.lane = msgspec.structs.replace(hand.lane, piece=PART_BYTES)
    hand.answer(held(LARGE))
    hand.answer(m.Fault("too_large"))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size, 0, PART_BYTES // 2)
    hand.answer(m.Good(FileState(LARGE.sha256, (), False, PART_BYTES // 2)))
    assert hand.request == m.SendPart(LARGE.sha256, 0, LARGE.path, LARGE.size, PART_BYTES // 2, PART_BYTES // 2)
    while hand.lane.phase == "asking" and not hand.lane.aside:
        hand.answer(m.Fault("too_large"))
    assert hand.lane.piece == PIECE_LEAST


def test_asking_alone_does_not_bring_a_stuck_file_back_at_once() -> None:
    hand = Hand(SMALL)
    waits = []
    for _ in range(6):
        hand.answer(held(SMALL))
        began = hand.now
        hand.answer(refused(422, "wrong-hash"))
        while hand.lane.phase == "rest":
            hand.wait()
        waits.append(hand.now - began)
    assert max(waits[3:]) > 10_000


def test_a_server_without_room_is_left_alone_for_minutes() -> None:
    hand = Hand(SMALL, LARGE)
    hand.answer(held(SMALL))
    hand.answer(refused(507, "storage-full"))
    assert hand.lane.wake - hand.now >= 150_000
    assert waiting_words(hand.lane)


def test_a_file_the_server_has_already_is_done() -> None:
    hand = Hand(SMALL)
    assert FileSent(SMALL.sha256) in hand.answer(held(SMALL, complete=True))


def test_a_stuck_file_lets_the_next_one_pass_and_gets_another_turn() -> None:
    hand = Hand(SMALL, LARGE)
    hand.answer(refused(404, "file-unknown"))
    hand.wait()
    assert hand.request == m.AskParts(LARGE.sha256)
    hand.answer(held(LARGE, complete=True))
    assert hand.lane.phase == "rest"
    for _ in range(3):
        if hand.lane.phase == "rest":
            hand.wait()
    assert hand.request == m.AskParts(SMALL.sha256)


def test_what_brings_nothing_keeps_its_distance_whichever_file_it_is_about() -> None:
    """A proxy that garbles every answer is not asked about one file after the other in the same second."""
    files = [FileItem(f"{n}" * 64, 10 + n, f"/x/{n}", 10 + n) for n in range(6)]
    hand = Hand(*files)
    times = []
    for number, _ in enumerate(files):
        while hand.lane.phase != "asking":
            hand.wait()
        times.append(hand.now)
        hand.answer(m.Fault("garbled", "the answer is damaged"))
        if number == 2:
            hand.feed(m.Hurried(hand.now, "hint"))
    assert all(later - earlier >= GAP_MS for earlier, later in pairwise(times))


def test_a_hint_gives_a_file_that_was_put_aside_its_turn_but_not_at_once() -> None:
    hand = Hand(SMALL, LARGE)
    hand.answer(refused(404, "file-unknown"))
    hand.wait()
    assert hand.request == m.AskParts(LARGE.sha256)
    hand.feed(m.Hurried(hand.now, "hint"))
    hand.answer(held(LARGE, complete=True))
    assert hand.lane.phase == "rest"
    assert hand.lane.wake == hand.lane.last_ask + GAP_MS
    hand.wait()
    assert hand.request == m.AskParts(SMALL.sha256)


def test_a_file_whose_content_arrived_wrong_is_sent_from_the_start() -> None:
    hand = Hand(SMALL)
    hand.answer(held(SMALL))
    hand.answer(held(SMALL, 0))
    hand.answer(refused(422, "wrong-hash"))
    while hand.lane.phase == "rest":
        hand.wait()
    assert hand.request == m.AskParts(SMALL.sha256)


def test_a_server_that_keeps_nothing_is_not_sent_the_part_for_ever() -> None:
    hand = Hand(SMALL)
    hand.answer(held(SMALL))
    hand.answer(held(SMALL))
    assert hand.lane.phase == "rest"
    assert hand.lane.aside


def test_facts_go_first() -> None:
    hand = Hand()
    hand.items, hand.busy = (SMALL,), True
    hand.feed(m.Hurried(hand.now, "hint"))
    assert hand.lane.phase == "rest"
    assert not files_quiet(hand.lane)
    hand.busy = False
    hand.wait()
    assert hand.lane.phase == "asking"


def test_facts_without_end_do_not_keep_files_here_for_ever() -> None:
    hand = Hand()
    hand.items, hand.busy = (LARGE,), True
    hand.feed(m.Hurried(hand.now, "hint"))
    began, rounds = hand.now, 0
    while hand.lane.phase == "rest":
        hand.wait()
        rounds += 1
        assert rounds <= YIELDS
    assert hand.now - began == YIELDS * YIELD_MS
    hand.answer(held(LARGE))
    assert hand.lane.phase == "rest", "one request, then facts go first again"


def test_a_refused_token_asks_the_other_machine_to_renew_it() -> None:
    hand = Hand(SMALL)
    asked = hand.lane.last_ask
    assert Nudge("renew", asked) in hand.answer(refused(401))
    assert hand.lane.phase == "rest"


def test_of_a_revoked_device_files_wait_for_what_the_other_machine_hears() -> None:
    """A server that was restored to before the revocation takes them again."""
    hand = Hand(SMALL)
    assert Nudge("renew") in hand.answer(refused(403, "device-revoked"))
    assert files_quiet(hand.lane)
    hand.feed(m.Hurried(hand.now, "network"))
    hand.wait()
    assert isinstance(hand.request, m.AskParts)


def test_with_a_new_token_a_file_has_its_turn_soon_however_often_it_was_in_vain_before() -> None:
    hand = Hand(SMALL)
    for _ in range(8):
        hand.answer(m.Fault("offline", "no route"))
        hand.wait()
    hand.answer(refused(401))
    assert hand.lane.wake - hand.now == GAP_MS
    hand.wait()
    hand.answer(refused(401))
    assert hand.lane.wake - hand.now >= GAP_MS
    assert hand.lane.tries > 8, "one that no token helps waits as long as any other"


def test_a_wanted_file_comes_piece_by_piece() -> None:
    hand = Hand(WANTED)
    assert hand.request == m.FetchPart(WANTED.sha256, 0, PIECE_FIRST)
    first = m.Chunk(b"x" * PIECE_FIRST, WANTED.size)
    assert KeepChunk(WANTED.sha256, 0, first.raw, WANTED.size) in hand.answer(m.Good(first))


def test_a_file_that_cannot_be_written_here_is_put_aside() -> None:
    hand = Hand(WANTED)
    hand.lane, _ = file_step(hand.lane, m.Answered(hand.now, hand.lane.number, m.Good(m.Chunk(b"x", WANTED.size))))
    hand.feed(m.Troubled(hand.now, "the disk is full"))
    assert hand.lane.aside[0].words == "the disk is full"
    assert hand.lane.phase == "rest"


def test_a_request_that_hangs_is_given_up() -> None:
    hand = Hand(SMALL)
    hand.now += DEADLINE_MS
    hand.feed(m.TimerFired(hand.now))
    assert hand.lane.phase == "rest"


ANSWERS = st.sampled_from(
    [
        held(SMALL), held(SMALL, 0), held(SMALL, complete=True),
        m.Good(FileState(LARGE.sha256, (1,), False, 77)), held(LARGE, 0), held(LARGE, 0, 1, 2), m.Good(m.Chunk(b"x", 7)),
        m.Good(m.Chunk(b"", 7)), refused(401), refused(404), refused(409, "parts-missing"), refused(413), refused(422),
        refused(500), refused(503, wait=10_000), refused(507), m.Fault("offline"), m.Fault("timeout"), m.Fault("local"),
        m.Fault("sign_in_page"), m.Fault("too_large"),
    ]
)  # fmt: skip


@given(st.lists(ANSWERS, max_size=80))
def test_whatever_is_answered_it_goes_on_and_asks_at_most_once_a_second_in_vain(answers: list[m.Answer]) -> None:
    hand = Hand(SMALL, LARGE, WANTED)
    for answer in answers:
        rounds = 0
        while hand.lane.phase == "rest":
            rounds += 1
            assert hand.lane.wake > hand.now or hand.items == ()
            assert rounds < 20
            hand.wait()
            if not hand.items:
                return
        assert hand.lane.phase == "asking"
        hand.answer(answer)


def test_what_is_fetched_gets_its_place_only_when_its_hash_is_right(tmp_path: Path) -> None:
    data = b"a procedure"
    name = hashlib.sha256(data).hexdigest()
    folder = tmp_path / "files"
    with a_replica(tmp_path) as (replica, db):
        with db.write() as conn:
            conn.execute(insert(FileRow), {"sha256": name, "size": len(data), "name": "p.json", "state": "wanted"})
        desk = FileDesk(replica, folder)
        assert desk.commit(KeepChunk(name, 0, data[:4], len(data)), 0) is None
        assert not (folder / name).exists()
        assert desk.items() == (FileItem(name, len(data), str(folder / name), 4, fetch=True),)
        assert isinstance(desk.commit(KeepChunk(name, 4, b"another", len(data)), 0), m.Troubled)
        assert list(folder.iterdir()) == []
        assert desk.items()[0].have == 0
        assert desk.commit(KeepChunk(name, 0, data[:4], len(data)), 0) is None
        assert desk.commit(KeepChunk(name, 4, data[4:], len(data)), 0) is None
        assert (folder / name).read_bytes() == data
        assert desk.items() == ()


def test_a_disk_that_is_full_while_a_file_comes_in_keeps_what_there_is_and_goes_on_with_room(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from sqlalchemy import insert
        from fieldapp.store.tables import FileRow
        from fieldapp.sync.file_lane import KeepChunk
        from fieldapp.sync.files import FileDesk
        from tests.sync.homes import a_replica
        folder, name, half = Path(sys.argv[1]), sys.argv[2], 1_500_000
        with a_replica(folder) as (replica, db):
            with db.write() as conn:
                conn.execute(insert(FileRow), {"sha256": name, "size": 2 * half, "name": "p.json", "state": "wanted"})
            desk = FileDesk(replica, folder / "files")
            assert desk.commit(KeepChunk(name, 0, b"x" * half, 2 * half), 0) is None
            print(desk.commit(KeepChunk(name, half, b"x" * half, 2 * half), 0).words)
            print(desk.items()[0].have >= half)
    """
    data = b"x" * 3_000_000
    name = hashlib.sha256(data).hexdigest()
    said = run_limited(2_000_000, code, tmp_path, name).splitlines()
    assert said[0].startswith("the file cannot be written here")
    assert said[1] == "True"
    with a_replica(tmp_path) as (replica, _):
        desk = FileDesk(replica, tmp_path / "files")
        (item,) = desk.items()
        assert desk.commit(KeepChunk(name, item.have, data[item.have :], len(data)), 0) is None
        assert (tmp_path / "files" / name).read_bytes() == data
        assert desk.items() == ()
