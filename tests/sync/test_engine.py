"""The rules of sending, and each row of the table of answers."""

from __future__ import annotations

import base64
from itertools import pairwise

import msgspec
import pytest

from fieldapp.domain.entry import chain_hash
from fieldapp.store.rows import Head
from fieldapp.sync import messages as m
from fieldapp.sync.engine import quiet, step
from fieldapp.sync.machine import DEADLINE_MS, MIN_GAP_MS, POLL_MS, READ_GAP_MS, State
from fieldapp.sync.pacing import SLOW_AFTER, SLOW_MS
from fieldapp.sync.protocol import PUSH_ENTRIES, BackfillDone, EpochHead, StreamAdded
from tests.sync.table import (
    EPOCH,
    HISTORY,
    LOG,
    UNSENT,
    VIEW,
    Hand,
    a_page,
    a_run,
    a_token,
    hash_after,
    receipt_for,
    refused,
)  # fmt: skip

REPORT = m.Report


def reports(said: list[m.Effect]) -> list[str]:
    return [effect.connection for effect in said if isinstance(effect, m.Report)]


def kinds(said: list[m.Effect]) -> list[type]:
    return [type(effect) for effect in said if not isinstance(effect, m.Report | m.Arm | m.Ask | m.ReadOn)]


# --- The straight road -----------------------------------------------------------------------------------------------------------


def test_a_sync_without_news_is_one_request() -> None:
    hand = Hand()
    assert isinstance(hand.start(), m.AskPull)
    said = hand.answer(a_page())
    assert quiet(hand.state)
    assert reports(said) == ["online"]
    assert POLL_MS * 3 // 4 <= hand.pause <= POLL_MS


def test_unsent_goes_first_then_the_log_is_read() -> None:
    hand = Hand(UNSENT)
    request = hand.start()
    assert isinstance(request, m.AskPush)
    assert request.run == UNSENT.run
    said = hand.answer(receipt_for(request.run), VIEW)
    head = Head(EPOCH, 3, hash_after(request.run))
    assert m.Acknowledge(head, 5_000, 3) in said
    assert isinstance(hand.request, m.AskPull)


def test_the_first_contact_asks_for_a_token_and_remembers_the_history() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, token="", incarnation=""))
    request = hand.start()
    assert isinstance(request, m.AskToken)
    said = hand.answer(a_token(), msgspec.structs.replace(VIEW, incarnation=""))
    assert m.Remember({"token": "t2"}) in said
    said = hand.answer(a_page())
    assert m.Remember({"incarnation": HISTORY}) in said
    assert m.Forget() not in said


def test_a_renewal_whose_answer_was_lost_is_asked_for_with_the_same_nonce() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, token=""))
    first = hand.start()
    hand.answer(m.Fault("timeout"))
    hand.wait()
    assert hand.request == first
    hand.answer(a_token(), VIEW, after=MIN_GAP_MS)
    hand.answer(refused(401), VIEW)
    while hand.state.phase == "rest":
        hand.wait()
    assert isinstance(hand.request, m.AskToken)
    assert hand.request != first


def test_more_is_read_until_there_is_no_more() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page(more=True, cursors={"org": "9:00000000", LOG: "0:"}))
    assert isinstance(hand.request, m.AskPull)
    hand.answer(a_page(cursors={"org": "9:00000000", LOG: "0:"}))
    assert quiet(hand.state)


def test_what_is_to_be_backfilled_is_asked_for() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, backfills=((LOG, "job:1", 0, 9),)))
    request = hand.start()
    assert isinstance(request, m.AskPull)
    assert [(wanted.stream, wanted.after, wanted.upto) for wanted in request.request.backfills] == [("job:1", 0, 9)]
    said = hand.answer(a_page(backfilled=(BackfillDone("job:1", 9, True),)), VIEW)
    assert next(effect.page.backfilled for effect in said if isinstance(effect, m.Receive)) == (("job:1", 9, True),)
    assert quiet(hand.state)


def test_of_a_full_outbox_the_next_run_goes_before_the_receipt_of_the_last_is_written_down() -> None:
    hand = Hand(UNSENT)
    first = a_run()
    second = a_run(2, 4, hash_after(first))
    hand.following = second
    hand.start()
    hand.following = None
    said = hand.answer(receipt_for(first))
    assert [type(effect) for effect in said if not isinstance(effect, m.Report)] == [m.Ask, m.Acknowledge, m.ReadOn, m.Arm]
    assert hand.request == m.AskPush(second)
    assert not quiet(hand.state)
    said = hand.answer(receipt_for(second), VIEW)
    assert kinds(said) == [m.Acknowledge]
    assert isinstance(hand.request, m.AskPull)


@pytest.mark.parametrize("receipt", [{"seq": 2}, {"hash": "f" * 64}])
def test_a_receipt_for_another_place_than_the_run_ends_at_is_looked_at_first(receipt: dict[str, object]) -> None:
    hand = Hand(UNSENT)
    hand.following = a_run(2, 4, hash_after(a_run()))
    hand.start()
    assert kinds(hand.answer(receipt_for(a_run(), **receipt))) == [m.Acknowledge]
    assert hand.request == m.AskPush(a_run())  # what a look shows


def test_a_receipt_that_cannot_be_written_down_is_asked_for_again_though_more_was_sent() -> None:
    hand = Hand(UNSENT)
    hand.following = second = a_run(2, 4, hash_after(a_run()))
    hand.start()
    hand.answer(receipt_for(a_run()))
    sent = hand.state.number
    hand.feed(m.Troubled(hand.now, "the disk is full"))
    assert hand.state.phase == "rest"
    assert hand.feed(m.Answered(hand.now, sent, receipt_for(second))) == []  # it is offered again, and is a duplicate then
    while hand.state.phase == "rest":
        hand.wait()
    assert hand.request == m.AskPush(a_run())


def test_the_next_page_is_asked_for_before_the_last_is_written() -> None:
    wanted = ((LOG, "job:1", 0, 9), (LOG, "job:2", 0, 9), (LOG, "job:3", 0, 9))
    hand = Hand(msgspec.structs.replace(VIEW, backfills=wanted))
    hand.start()
    half = (BackfillDone("job:1", 9, True), BackfillDone("job:2", 4, False))
    said = hand.answer(a_page(backfilled=half, more=True))
    assert [type(effect) for effect in said if not isinstance(effect, m.Report)] == [m.Ask, m.Receive, m.Arm]
    request = hand.request
    assert isinstance(request, m.AskPull)
    assert [(item.stream, item.after) for item in request.request.backfills] == [("job:2", 4), ("job:3", 0)]
    rest = (BackfillDone("job:2", 9, True), BackfillDone("job:3", 9, True))
    assert m.Receive in kinds(hand.answer(a_page(backfilled=rest), VIEW))
    assert quiet(hand.state)


def test_what_a_first_page_brings_into_scope_is_asked_for_at_once() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page(added=(StreamAdded("org", "*", 4), StreamAdded(LOG, "job:2", 7), StreamAdded(LOG, "job:1", 7))))
    request = hand.request
    assert isinstance(request, m.AskPull)
    assert [(item.stream, item.after, item.upto) for item in request.request.backfills] == [("job:1", 0, 7), ("job:2", 0, 7)]


def test_what_is_recorded_while_pages_come_goes_before_the_next_page() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, backfills=((LOG, "job:1", 0, 9), (LOG, "job:2", 0, 9))))
    hand.start()
    hand.hurry("saved")
    hand.answer(a_page(backfilled=(BackfillDone("job:1", 9, True),), more=True), UNSENT)
    assert isinstance(hand.request, m.AskPush)


def test_a_page_that_cannot_be_written_is_asked_for_again_though_the_next_was_asked_for() -> None:
    view = msgspec.structs.replace(VIEW, backfills=((LOG, "job:1", 0, 9), (LOG, "job:2", 0, 9)))
    hand = Hand(view)
    first = hand.start()
    hand.answer(a_page(backfilled=(BackfillDone("job:1", 9, True),), more=True))
    assert hand.request != first
    hand.feed(m.Troubled(hand.now, "the disk is full"))
    while hand.state.phase == "rest":
        hand.wait()
    assert hand.request == first


def test_a_server_that_says_more_and_sends_nothing_is_not_asked_for_ever() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page(more=True))
    assert hand.state.phase == "rest"
    assert hand.state.fruitless == 1


def test_hints_and_new_facts_wake_it_at_once_and_the_timer_reads_the_log() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page(), after=READ_GAP_MS)
    hand.hurry("hint")
    assert isinstance(hand.request, m.AskPull)
    hand.answer(a_page(), after=READ_GAP_MS)
    hand.view = UNSENT
    hand.hurry("saved")
    assert isinstance(hand.request, m.AskPush)
    hand.answer(receipt_for(a_run()), VIEW)
    hand.answer(a_page())
    hand.wait()
    assert isinstance(hand.request, m.AskPull)


def test_a_hint_during_a_pull_is_not_lost() -> None:
    hand = Hand()
    hand.start()
    hand.hurry("hint")
    hand.answer(a_page(), after=READ_GAP_MS)
    assert isinstance(hand.request, m.AskPull)


def test_hints_in_a_row_make_no_more_than_three_pulls_a_second() -> None:
    hand = Hand()
    asked = [hand.start()]
    began = hand.now
    while hand.now < began + 1_000:
        if hand.state.phase == "asking":
            hand.answer(a_page(), after=10)
        hand.hurry("hint")
        if hand.state.phase == "rest":
            hand.wait()
        asked.append(hand.request)
    assert len(asked) == 4  # the last one as the second is over
    assert all(isinstance(request, m.AskPull) for request in asked)


def test_what_was_recorded_does_not_wait_for_the_next_pull() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page(), after=10)
    hand.hurry("hint")
    assert hand.state.phase == "rest"
    hand.view = UNSENT
    hand.hurry("saved")
    assert isinstance(hand.request, m.AskPush)


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    hand = Hand(UNSENT)
    hand.start()
    before = hand.state
    assert hand.feed(m.Answered(hand.now, hand.state.number - 1, receipt_for(a_run()))) == []
    assert hand.state == before


def test_a_request_that_hangs_is_given_up() -> None:
    hand = Hand()
    hand.start()
    number = hand.state.number
    hand.now += DEADLINE_MS
    said = hand.feed(m.TimerFired(hand.now))
    assert reports(said) == ["offline"]
    assert hand.state.phase == "rest"
    hand.wait()
    assert hand.state.number == number + 1


# --- No answer of the server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "connection"),
    [
        (m.Fault("offline"), "offline"),
        (m.Fault("timeout"), "offline"),
        (m.Fault("insecure"), "offline"),
        (m.Fault("garbled"), "offline"),
        (m.Fault("sign_in_page"), "sign_in_page"),
        (m.Fault("busy"), "busy"),
        (refused(408), "busy"),
        (refused(425), "busy"),
        (refused(429), "busy"),
        (refused(500), "busy"),
        (refused(503), "busy"),
        (refused(507), "server_full"),
        (refused(404), "other_server"),
        (refused(418), "busy"),
    ],
)
@pytest.mark.parametrize("view", [VIEW, UNSENT])
def test_no_answer_backs_off_and_keeps_everything(fault: m.Answer, connection: str, view: m.View) -> None:
    hand = Hand(view)
    request = hand.start()
    said = hand.answer(fault)
    assert kinds(said) == []
    assert reports(said) == [connection]
    assert hand.state.phase == "rest"
    while hand.state.phase == "rest":
        hand.wait()
    asked = {type(request), type(hand.request)}
    assert asked <= {m.AskPush, m.AskPull}


def test_back_off_grows_with_full_jitter_and_has_an_end() -> None:
    first, late = [], []
    for seed in range(300):
        hand = Hand(seed=seed)
        hand.start()
        for tries in range(12):
            hand.answer(m.Fault("offline"))
            if tries == 0:
                first.append(hand.pause)
            if tries == 11:
                late.append(hand.pause)
            while hand.state.phase == "rest":
                hand.wait()
    assert 0 <= min(first) < 100
    assert 900 < max(first) <= 1_000
    assert min(late) >= 150_000
    assert max(late) <= 300_000


def test_no_progress_five_times_running_slows_down_and_says_so() -> None:
    hand = Hand()
    hand.start()
    said: list[m.Effect] = []
    for _ in range(5):
        said = hand.answer(m.Fault("offline"))
        if hand.state.fruitless < 5:
            assert not hand.state.report.slow
            while hand.state.phase == "rest":
                hand.wait()
    assert REPORT("offline", "", slow=True) in said
    assert hand.pause >= 30_000


def test_retry_after_wins_over_everybody() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(503, wait=90_000))
    assert 90_000 <= hand.pause <= 99_000
    until = hand.state.wake
    for why in ("saved", "hint", "asked", "network"):
        hand.hurry(why)  # type: ignore[arg-type]
        assert hand.state.phase == "rest"
        assert hand.state.wake == until


def test_a_person_or_a_new_network_ends_a_back_off() -> None:
    for why, within in (("asked", 0), ("network", 5_000)):
        hand = Hand()
        hand.start()
        for _ in range(8):
            hand.answer(m.Fault("offline"))
            while hand.state.phase == "rest":
                hand.wait()
        hand.answer(m.Fault("offline"), after=MIN_GAP_MS)
        hand.hurry("saved")
        assert hand.pause > 5_000
        hand.hurry(why)  # type: ignore[arg-type]
        if hand.state.phase == "rest":
            assert hand.pause <= within
            hand.wait()
        assert hand.state.phase == "asking"


def test_a_new_network_does_not_wait_for_an_answer_over_the_old_one() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.hurry("network")
    assert hand.state.wake == hand.now + 5_000
    said = hand.wait()
    assert reports(said) == ["offline"]
    assert hand.state.entries == PUSH_ENTRIES  # the size of the run was not what was wrong
    while hand.state.phase == "rest":
        hand.wait()
    assert hand.state.phase == "asking"


def test_what_hinders_pushing_does_not_hinder_reading() -> None:
    hand = Hand(UNSENT)
    assert isinstance(hand.start(), m.AskPush)
    hand.answer(m.Fault("busy"))
    hand.wait()
    assert isinstance(hand.request, m.AskPull)
    hand.answer(a_page(), after=MIN_GAP_MS)
    assert isinstance(hand.request, m.AskPush)


# --- Refusals --------------------------------------------------------------------------------------------------------------------


def test_401_renews_the_token_and_goes_on() -> None:
    hand = Hand(UNSENT)
    hand.start()
    assert kinds(hand.answer(refused(401), after=MIN_GAP_MS)) == []
    assert isinstance(hand.request, m.AskToken)
    hand.answer(a_token(), after=MIN_GAP_MS)
    assert isinstance(hand.request, m.AskPush | m.AskPull)


def with_a_new_token() -> tuple[Hand, int]:
    """A push was refused, and the new token has just come; and when that was asked for."""
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(401), after=MIN_GAP_MS)
    asked = hand.now
    hand.answer(a_token())
    return hand, asked


def test_what_a_new_token_lets_through_keeps_its_distance() -> None:
    """The lane of files asks as well: together no more than five a second."""
    hand, asked = with_a_new_token()
    assert (hand.state.phase, hand.state.wake) == ("rest", asked + MIN_GAP_MS)
    hand.wait()
    hand.answer(receipt_for(UNSENT.run), VIEW)
    assert isinstance(hand.request, m.AskPull), "after progress there is none to keep"


def test_renewing_a_token_for_files_puts_no_reading_off() -> None:
    hand = Hand()
    hand.start()
    hand.answer(a_page())
    for _ in range(3):
        poll = hand.state.wake
        hand.now += 20_000
        assert hand.now < poll
        hand.hurry("renew")
        hand.answer(a_token())
        hand.wait()
        assert isinstance(hand.request, m.AskPull)
        hand.answer(a_page())


def test_a_file_refused_with_the_token_before_asks_for_no_other() -> None:
    hand, asked = with_a_new_token()
    hand.feed(m.Hurried(hand.now, "renew", asked))
    assert not hand.state.renew
    hand.feed(m.Hurried(hand.now, "renew", hand.now))
    assert hand.state.renew


def test_a_token_that_expired_while_the_network_was_away_costs_no_long_wait() -> None:
    hand = Hand(UNSENT)
    hand.start()
    for _ in range(8):
        hand.answer(m.Fault("offline"))
        while hand.state.phase == "rest":
            hand.wait()
    assert hand.state.fruitless >= 8
    back = hand.now
    for answer, asked in ((refused(401, "token-expired"), m.AskToken), (a_token(), m.AskPush | m.AskPull)):
        hand.answer(answer, after=1)
        while hand.state.phase == "rest":
            hand.wait()
        assert isinstance(hand.request, asked)
    assert hand.now - back <= 3 * MIN_GAP_MS
    hand.answer(refused(401, "token-expired"), after=1)
    assert hand.pause >= 30_000, "not again and again"


def test_a_server_that_refuses_every_token_is_not_asked_all_the_time() -> None:
    hand = Hand(UNSENT)
    hand.start()
    asked, began = 0, hand.now
    while hand.now < began + 60_000:
        asked += 1
        hand.answer(a_token() if isinstance(hand.request, m.AskToken) else refused(401), after=1)
        while hand.state.phase == "rest":
            hand.wait()
    assert asked <= 20


def test_a_server_that_does_not_know_the_device_is_another_server() -> None:
    hand = Hand(msgspec.structs.replace(UNSENT, token=""))
    hand.start()
    said = hand.answer(refused(401, "secret-unknown"))
    assert reports(said) == ["other_server"]
    assert kinds(said) == []
    assert hand.pause >= 150_000


def test_403_revoked_hands_over_once_then_stops() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(403, "device-revoked"), after=MIN_GAP_MS)
    assert UNSENT.run is not None
    for left in (3, 2, 1):
        request = hand.request
        assert isinstance(request, m.AskQuarantine)
        wanted = request.request
        rest = a_run(left - 1, 5 - left, wanted.hash) if left > 1 else None
        head = m.Good(m.Receipt(EPOCH, wanted.seq, wanted.hash, 0, 1))
        said = hand.answer(head, msgspec.structs.replace(VIEW, run=rest), after=READ_GAP_MS)
        assert m.Refuse(EPOCH, wanted.seq, "the device was revoked", 1) in said
    assert hand.state.phase == "stopped"
    assert hand.state.report.connection == "revoked"
    assert hand.hurry("asked") == []


def test_403_revoked_even_for_handing_over_stops() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(403, "device-revoked"), after=MIN_GAP_MS)
    said = hand.answer(refused(403, "device-revoked"))
    assert hand.state.phase == "stopped"
    assert kinds(said) == []


def next_request(hand: Hand) -> m.FactRequest:
    """What is asked next, however long the machine waits before."""
    while hand.state.phase == "rest":
        hand.wait()
    return hand.request


def test_a_revoked_device_renews_its_token_to_hand_over() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(403, "device-revoked"), after=MIN_GAP_MS)
    hand.answer(refused(401, "token-expired"), after=MIN_GAP_MS)
    assert isinstance(next_request(hand), m.AskToken)
    hand.answer(a_token(), after=MIN_GAP_MS)
    assert isinstance(next_request(hand), m.AskQuarantine)


def test_a_proxy_that_takes_nothing_condemns_no_entry() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(1)))
    hand.start()
    hand.answer(m.Fault("too_large", "a proxy"), after=MIN_GAP_MS)
    assert isinstance(next_request(hand), m.AskQuarantine)
    hand.answer(m.Fault("too_large", "a proxy"))
    assert isinstance(next_request(hand), m.AskPull)
    hand.answer(a_page())
    assert isinstance(next_request(hand), m.AskPush)


def test_403_otherwise_waits() -> None:
    hand = Hand(UNSENT)
    hand.start()
    assert kinds(hand.answer(refused(403, "person-unknown"))) == []
    assert hand.state.phase == "rest"


def test_409_gap_rewinds_and_offers_again() -> None:
    hand = Hand(UNSENT)
    hand.start()
    said = hand.answer(refused(409, "gap", head=EpochHead(EPOCH, 1, "h1")), after=MIN_GAP_MS)
    assert kinds(said) == [m.Rewind]
    assert m.Rewind(Head(EPOCH, 1, "h1")) in said


def test_a_rewind_to_what_is_no_longer_kept_opens_a_new_epoch() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.now += MIN_GAP_MS
    gap = refused(409, "gap", head=EpochHead(EPOCH, 0, ""))
    hand.state, effects = step(hand.state, m.Answered(hand.now, hand.state.number, gap))
    assert isinstance(effects[0], m.Rewind)
    said = hand.feed(m.Troubled(hand.now, "not kept", EPOCH))
    assert m.Fork(EPOCH) in said


@pytest.mark.parametrize("code", ["fork", "gap"])
def test_409_fork_or_a_gap_without_a_head_opens_a_new_epoch(code: str) -> None:
    hand = Hand(UNSENT)
    hand.start()
    assert m.Fork(EPOCH) in hand.answer(refused(409, code), after=MIN_GAP_MS)


@pytest.mark.parametrize("status", [409, 410])
def test_410_reads_everything_again_and_touches_nothing_unsent(status: int) -> None:
    hand = Hand()
    hand.start()
    assert kinds(hand.answer(refused(status, "cursor-diverged"), after=MIN_GAP_MS)) == [m.Forget]
    assert isinstance(hand.request, m.AskPull)


def test_another_history_in_an_answer_means_the_same() -> None:
    hand = Hand()
    hand.start()
    said = hand.answer(a_page(incarnation="h-2", added=(StreamAdded(LOG, "job:1", 3),)), after=MIN_GAP_MS)
    assert kinds(said) == [m.Forget, m.Remember]
    hand = Hand(UNSENT)
    hand.start()
    good = receipt_for(a_run())
    assert isinstance(good.body, m.PushAnswer)
    said = hand.answer(m.Good(msgspec.structs.replace(good.body, incarnation="h-2")), VIEW)
    assert kinds(said) == [m.Acknowledge, m.Forget, m.Remember]


def test_413_halves_down_to_one_group_then_hands_it_over() -> None:
    run = a_run(8)
    hand = Hand(msgspec.structs.replace(VIEW, run=run))
    hand.start()
    sizes = []
    while isinstance(hand.request, m.AskPush | m.AskPull):
        if isinstance(hand.request, m.AskPull):
            hand.answer(a_page(), after=MIN_GAP_MS)
            continue
        sizes.append(len(hand.request.run.entries))
        count = max(1, min(hand.state.entries, sizes[-1]) // 2)
        cut = msgspec.structs.replace(run, entries=run.entries[:count])
        hand.answer(refused(413), msgspec.structs.replace(VIEW, run=cut), after=MIN_GAP_MS)
        while hand.state.phase == "rest":
            hand.wait()
    assert sizes == [8, 4, 2, 1]
    assert isinstance(hand.request, m.AskQuarantine)
    wanted = hand.request.request
    entry = run.entries[0]
    assert (wanted.epoch, wanted.seq, wanted.prev_hash) == (EPOCH, 1, "")
    assert wanted.hash == chain_hash("", 1, entry.hash)
    assert base64.b64decode(wanted.raw) == entry.raw + b"\n" + (entry.body_raw or b"")


def test_a_group_is_never_split_by_halving() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(4, groups=[1, 1, 1, 1])))
    hand.start()
    hand.answer(refused(413), after=MIN_GAP_MS)
    while hand.state.phase == "rest" or isinstance(hand.request, m.AskPull):
        hand.wait() if hand.state.phase == "rest" else hand.answer(a_page(), after=MIN_GAP_MS)
    assert isinstance(hand.request, m.AskQuarantine)


def test_time_outs_halve_too_but_hand_nothing_over_while_the_network_is_what_is_slow() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(8)))
    hand.start()
    for _ in range(20):
        assert not isinstance(hand.request, m.AskQuarantine)
        hand.answer(m.Fault("timeout"))
        hand.view = msgspec.structs.replace(VIEW, run=a_run(hand.state.entries))
        while hand.state.phase == "rest":
            hand.wait()
    assert hand.state.entries == 1
    assert hand.state.budget == 16 * 1024


def test_an_entry_that_makes_the_server_hang_is_handed_over() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(1)))
    hand.start()
    for _ in range(40):
        if isinstance(hand.request, m.AskQuarantine):
            break
        hand.answer(m.Fault("timeout") if isinstance(hand.request, m.AskPush) else a_page(), after=1_000)
        while hand.state.phase == "rest":
            hand.wait()
    assert isinstance(hand.request, m.AskQuarantine)


@pytest.mark.parametrize("status", [400, 422])
def test_an_entry_that_the_server_cannot_read_goes_to_quarantine_and_the_rest_goes_on(status: int) -> None:
    run = a_run(3)
    hand = Hand(msgspec.structs.replace(VIEW, run=run))
    hand.start()
    hand.answer(refused(status, "unreadable-entry", seq=2), after=MIN_GAP_MS)
    if isinstance(hand.request, m.AskPull):
        hand.answer(a_page(), after=MIN_GAP_MS)
    request = hand.request
    assert isinstance(request, m.AskPush)
    assert request.run.entries == run.entries[:1]
    first = hash_after(request.run)
    hand.answer(receipt_for(request.run), msgspec.structs.replace(VIEW, run=a_run(2, 2, first)), after=READ_GAP_MS)
    request = hand.request
    assert isinstance(request, m.AskQuarantine)
    assert request.request.seq == 2
    receipt = m.Receipt(EPOCH, 2, request.request.hash, 0, 1)
    said = hand.answer(m.Good(receipt), msgspec.structs.replace(VIEW, run=a_run(1, 3, request.request.hash)))
    assert kinds(said)[:2] == [m.Refuse, m.Acknowledge]
    request = hand.request
    assert isinstance(request, m.AskPush)
    assert request.run.from_seq == 3


def test_that_an_entry_is_handed_over_is_noted_before_it_is() -> None:
    hand = Hand(UNSENT)
    hand.start()
    said = hand.answer(refused(403, "device-revoked"), after=MIN_GAP_MS)
    assert isinstance(hand.request, m.AskQuarantine)
    handed, asked = (next(n for n, effect in enumerate(said) if isinstance(effect, kind)) for kind in (m.HandOver, m.Ask))
    assert said[handed] == m.HandOver(EPOCH, hand.request.request.seq, "the device was revoked")
    assert handed < asked


def test_what_could_not_be_noted_is_not_handed_over_yet() -> None:
    state, _ = step(State(1, revoked=True, phase="local"), m.Looked(1_000, UNSENT))
    assert state.phase == "asking"
    state, effects = step(state, m.Troubled(1_000, "the disk is full"))
    assert (state.phase, effects[-1]) == ("rest", m.Arm(state.wake))


def test_pushing_in_vain_slows_down_though_reading_works() -> None:
    hand = Hand(UNSENT)
    hand.start()
    times = []
    for _ in range(30):
        if hand.state.phase != "asking":
            hand.wait()
        elif isinstance(hand.request, m.AskPush):
            times.append(hand.now)
            hand.answer(m.Fault("busy", "something between here and the server answers 504"))
        else:
            hand.answer(a_page())
    assert len(times) > SLOW_AFTER + 2
    assert times[-1] - times[-2] >= SLOW_MS // 2


@pytest.mark.parametrize("seed", range(8))
def test_a_push_in_vain_keeps_its_distance_though_a_pull_between_got_through(seed: int) -> None:
    hand = Hand(UNSENT, seed)
    hand.start()
    asked: list[tuple[int, m.FactRequest]] = []
    for _ in range(40):
        if hand.state.phase != "asking":
            hand.wait()
            continue
        asked.append((hand.now, hand.request))
        failed = isinstance(hand.request, m.AskPush)
        hand.answer(m.Fault("sign_in_page", "a portal") if failed else a_page(), after=10)
    again = [after - before for (before, _), (after, what) in pairwise(asked) if isinstance(what, m.AskPush)]
    assert len(again) > 3
    assert min(again) >= MIN_GAP_MS


def test_a_refused_run_without_a_name_is_halved_to_find_the_entry() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(4)))
    hand.start()
    hand.answer(refused(422), msgspec.structs.replace(VIEW, run=a_run(2)), after=MIN_GAP_MS)
    assert hand.state.entries == 2
    assert hand.state.poison is None


@pytest.mark.parametrize(
    ("status", "code"), [(422, "log-unknown"), (400, "damaged-in-transit"), (400, "bad-encoding"), (400, "request-cut-off")]
)
def test_what_happened_at_the_server_or_on_the_way_is_no_fault_of_the_entries(status: int, code: str) -> None:
    hand = Hand(UNSENT)
    hand.start()
    said = hand.answer(refused(status, code))
    assert kinds(said) == []
    assert hand.state.poison is None


def test_426_stops_reading_says_so_and_keeps_pushing() -> None:
    hand = Hand()
    hand.start()
    said = hand.answer(refused(426, "upgrade-needed"))
    assert reports(said) == ["upgrade"]
    hand.view = UNSENT
    hand.hurry("saved")
    assert isinstance(hand.request, m.AskPush)
    said = hand.answer(receipt_for(a_run()), VIEW)
    assert reports(said) == []
    assert hand.state.phase == "rest"
    until = hand.now + 300_000
    while hand.state.phase == "rest":
        assert hand.now < until
        hand.wait()
    assert isinstance(hand.request, m.AskPull)


def test_507_waits_long() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(507, "disk-full"))
    assert hand.pause >= 150_000


# --- Receipts and heads ----------------------------------------------------------------------------------------------------------


def test_a_receipt_for_something_else_moves_nothing() -> None:
    hand = Hand(UNSENT)
    hand.start()
    assert kinds(hand.answer(receipt_for(a_run(), epoch="other"), after=MIN_GAP_MS)) == []
    hand = Hand(msgspec.structs.replace(VIEW, run=a_run(2, 5, "h")))
    hand.start()
    assert kinds(hand.answer(receipt_for(a_run(2, 5, "h"), seq=4), after=MIN_GAP_MS)) == []


def test_a_receipt_with_a_foreign_hash_opens_a_new_epoch() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.now += MIN_GAP_MS
    hand.state, effects = step(hand.state, m.Answered(hand.now, hand.state.number, receipt_for(a_run(), hash="f" * 64)))
    assert isinstance(effects[1], m.Acknowledge)
    assert m.Fork(EPOCH) in hand.feed(m.Troubled(hand.now, "foreign", EPOCH))


def test_a_server_that_stands_further_back_gets_everything_again() -> None:
    hand = Hand(msgspec.structs.replace(VIEW, heads=(Head(EPOCH, 5, "h5"),)))
    hand.start()
    assert m.Rewind(Head(EPOCH, 3, "h3")) in hand.answer(a_page(epochs=(EpochHead(EPOCH, 3, "h3"),)))


def test_a_server_that_stands_further_on_is_believed_by_its_hash() -> None:
    hand = Hand()
    hand.start()
    said = hand.answer(a_page(epochs=(EpochHead(EPOCH, 3, "h3"),)))
    assert m.Acknowledge(Head(EPOCH, 3, "h3"), 1_000) in said


def test_a_receipt_that_names_more_than_was_sent_counts_for_what_was_sent() -> None:
    """A copy of this device's disk was quicker, and may have handed over as bytes what comes next."""
    hand = Hand(UNSENT)
    hand.start()
    said = hand.answer(receipt_for(a_run(), seq=9, hash="9" * 64))
    assert m.Acknowledge(Head(EPOCH, 3, hash_after(a_run())), 5_000, 3) in said


def test_handing_over_in_vain_keeps_its_distance_as_pushing_does() -> None:
    hand = Hand(UNSENT)
    hand.start()
    hand.answer(refused(422, "bad-entry", seq=1))
    hand.wait()
    assert isinstance(hand.request, m.AskQuarantine)
    hand.answer(m.Fault("too_large", "a proxy"))
    assert hand.state.push_tries == 1
    hand.wait()
    assert isinstance(hand.request, m.AskPull)
    hand.answer(a_page())
    if hand.state.phase == "rest":
        hand.wait()
    assert isinstance(hand.request, m.AskPush)
    assert hand.now >= hand.state.push_after


def test_what_a_server_has_as_bytes_only_is_offered_once_more() -> None:
    hand = Hand()
    hand.start()
    said = hand.answer(a_page(epochs=(EpochHead(EPOCH, 3, "h3"),), aside={EPOCH: (2,)}))
    assert m.Acknowledge not in kinds(said)


def test_a_commit_that_fails_is_tried_again_later() -> None:
    hand = Hand()
    hand.start()
    hand.state, effects = step(hand.state, m.Answered(hand.now, hand.state.number, a_page()))
    assert any(isinstance(effect, m.Receive) for effect in effects)
    said = hand.feed(m.Troubled(hand.now, "The disk is full."))
    assert hand.state.phase == "rest"
    assert hand.state.report.words == "The disk is full."
    assert said
    while hand.state.phase == "rest":
        hand.wait()
    assert isinstance(hand.request, m.AskPull)


def test_a_disk_without_room_for_receipts_slows_pushing_down() -> None:
    hand = Hand(UNSENT)
    hand.start()
    asked = []
    for _ in range(60):
        if hand.state.phase != "asking":
            hand.wait()
            continue
        asked.append(hand.now)
        pushing = isinstance(hand.request, m.AskPush)
        hand.now += 50
        hand.state, effects = step(
            hand.state, m.Answered(hand.now, hand.state.number, receipt_for(a_run()) if pushing else a_page())
        )
        wrote = any(isinstance(effect, m.Acknowledge | m.Receive) for effect in effects)
        hand.feed(m.Troubled(hand.now, "The disk is full.") if wrote else m.Looked(hand.now, hand.view))
    assert len(asked) > SLOW_AFTER + 3
    assert asked[-1] - asked[-2] >= SLOW_MS // 2
    assert hand.state.report.slow


def test_the_skew_is_remembered_when_it_moved() -> None:
    hand = Hand()
    hand.start()
    page = a_page(time=61_000)
    said = hand.answer(page)
    assert any(isinstance(effect, m.Remember) and effect.values.get("skew_ms") == "60000" for effect in said)
    hand = Hand(msgspec.structs.replace(VIEW, skew=60_400))
    hand.start()
    said = hand.answer(page)
    assert not any(isinstance(effect, m.Remember) and "skew_ms" in effect.values for effect in said)


@pytest.mark.parametrize("time", [-(10**15), 10**17, 10**40])
def test_a_time_that_nobody_has_is_passed_over(time: int) -> None:
    """Entries could not carry it: nothing would be recorded from then on."""
    hand = Hand()
    hand.start()
    said = hand.answer(a_page(time=time))
    assert any(isinstance(effect, m.Receive) for effect in said)
    assert not any({"skew_ms", "last_contact"} & effect.values.keys() for effect in said if isinstance(effect, m.Remember))
