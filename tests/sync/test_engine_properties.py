"""Whatever happens in whatever order: pending means waiting for something, nothing leaves but by receipt, nobody is hammered."""

from __future__ import annotations

from collections import deque

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldapp.store.rows import Head
from fieldapp.sync import messages as m
from fieldapp.sync.engine import step
from fieldapp.sync.machine import State
from fieldapp.sync.protocol import BackfillDone, EpochHead, StreamAdded
from tests.sync.table import EPOCH, LOG, VIEW, a_page, a_run, a_token, hash_after, receipt_for, refused

HEADS = st.sampled_from([None, EpochHead(EPOCH, 0, ""), EpochHead(EPOCH, 2, "h"), EpochHead("other", 1, "x")])
FAULTS = st.builds(
    m.Fault,
    st.sampled_from(["offline", "timeout", "sign_in_page", "busy", "too_large", "insecure", "garbled"]),
    st.just(""),
    st.sampled_from([None, None, None, 0, 30_000, 10**12]),
)
REFUSALS = st.builds(
    lambda status, code, head, seq, wait: refused(status, code, head=head, seq=seq, wait=wait),
    st.sampled_from([400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 425, 426, 429, 500, 502, 503, 507]),
    st.sampled_from(["", "gap", "fork", "device-revoked", "cursor-diverged", "log-unknown"]),
    HEADS,
    st.sampled_from([None, 0, 1, 2, 3, 99]),
    st.sampled_from([None, None, 0, 5_000]),
)
PAGES = st.builds(
    lambda more, incarnation, added, heads, cursor: a_page(
        more=more,
        incarnation=incarnation,
        added=added,
        epochs=heads,
        cursors={LOG: cursor},
        backfilled=(BackfillDone("job:1", 4, False),) if more else (),
    ),
    st.booleans(),
    st.sampled_from(["h-1", "h-1", "h-1", "h-2"]),
    st.sampled_from([(), (StreamAdded(LOG, "job:1", 5),)]),
    st.sampled_from([(), (EpochHead(EPOCH, 0, ""),), (EpochHead(EPOCH, 2, "h"),)]),
    st.sampled_from(["0:", "7:00000000"]),
)
RECEIPTS = st.builds(
    lambda epoch, seq: m.Good(m.Receipt(epoch, seq, "h", 0, 1)), st.sampled_from([EPOCH, "other"]), st.integers(0, 6)
)
PUSHED = st.builds(
    lambda count, first, changes: receipt_for(a_run(count, first), **changes),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([{}, {"seq": 0}, {"epoch": "other"}, {"hash": "x"}]),
)
ANSWERS = st.one_of(FAULTS, REFUSALS, PAGES, RECEIPTS, PUSHED, st.just(a_token()))
VIEWS = st.builds(
    lambda run, backfills, token, seq, incarnation: msgspec.structs.replace(
        VIEW, run=run, backfills=backfills, token=token, heads=(Head(EPOCH, seq, "h"),), incarnation=incarnation
    ),
    st.sampled_from([None, None, a_run(1), a_run(3), a_run(3, groups=[7, 7, 7]), a_run(2, 3, "h")]),
    st.sampled_from([(), ((LOG, "job:1", 0, 9),)]),
    st.sampled_from(["t", "t", "t", ""]),
    st.integers(0, 3),
    st.sampled_from(["", "h-1", "h-1"]),
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["go", "go", "go", "go", "go", "early", "late", "hurry", "trouble", "stray"]),
        ANSWERS,
        VIEWS,
        st.sampled_from(["saved", "asked", "hint", "network", "renew"]),
        st.integers(0, 40_000),
    ),
    max_size=60,
)


def next_event(state: State, now: int, move: str, answer: m.Answer, view: m.View, why: m.Why) -> m.Event:
    if move == "hurry":
        return m.Hurried(now, why)
    if move == "early":
        return m.TimerFired(now)
    if move == "stray":
        return m.Answered(now, state.number - 1, answer)
    if state.phase == "local":
        return m.Troubled(now, "trouble", EPOCH if why == "asked" else "") if move == "trouble" else m.Looked(now, view)
    if state.phase == "asking" and move != "late":
        return m.Answered(now, state.number, answer)
    return m.TimerFired(now)


@settings(max_examples=600)
@given(st.integers(0, 2**63), MOVES)
def test_it_always_waits_for_something_and_moves_entries_by_receipt_only(seed: int, moves: list[tuple]) -> None:  # type: ignore[type-arg]
    state, effects = step(State(seed), m.Started(0))
    now, armed, flying = 0, None, None
    for move, answer, view, why, delay in moves:
        now += delay
        if state.phase in ("rest", "asking") and move in ("go", "late") and (state.phase == "rest" or move == "late"):
            now = max(now, state.wake)
        event = next_event(state, now, move, answer, view, why)
        before = state
        state, effects = step(state, event)
        for effect in effects:
            if isinstance(effect, m.Ask):
                flying = effect.number
            elif isinstance(effect, m.Arm):
                armed = effect.at
            elif isinstance(effect, m.Acknowledge | m.Refuse):
                _came_by_receipt(before, event, effect)
        if state.phase == "rest":
            assert armed == state.wake
        elif state.phase == "asking":
            assert flying == state.number
            assert armed == state.wake
        elif state.phase == "stopped":
            assert state.revoked


def _came_by_receipt(before: State, event: m.Event, effect: m.Acknowledge | m.Refuse) -> None:
    assert isinstance(event, m.Answered)
    assert isinstance(event.answer, m.Good)
    body = event.answer.body
    if isinstance(body, m.PushAnswer):
        assert isinstance(before.request, m.AskPush)
        run = before.request.run
        last = run.from_seq + len(run.entries) - 1
        further = body.receipt.seq > last  # then only what was sent counts
        named = {(run.epoch, last, hash_after(run)) if further else (body.receipt.epoch, body.receipt.seq, body.receipt.hash)}
    elif isinstance(body, m.Receipt):
        assert isinstance(before.request, m.AskQuarantine)
        asked = before.request.request
        named = {(asked.epoch, asked.seq, asked.hash) if body.seq > asked.seq else (body.epoch, body.seq, body.hash)}
    else:
        assert isinstance(body, m.PullAnswer)
        named = {(head.epoch, head.seq, head.hash) for head in body.epochs}
    if isinstance(effect, m.Acknowledge):
        assert (effect.head.epoch, effect.head.seq, effect.head.hash) in named
    else:
        assert isinstance(body, m.Receipt)
        assert (effect.epoch, effect.seq) == (before.request.request.epoch, before.request.request.seq)


@settings(max_examples=300)
@given(
    st.integers(0, 2**63),
    st.lists(st.tuples(st.one_of(FAULTS, REFUSALS, st.just(a_token())), st.integers(0, 50)), min_size=20, max_size=60),
)
def test_without_progress_nobody_is_asked_more_than_five_times_a_second(seed: int, answers: list[tuple]) -> None:  # type: ignore[type-arg]
    now, asked = 0, deque[int]()
    view = msgspec.structs.replace(VIEW, run=a_run())
    state, _ = step(State(seed), m.Started(0))
    for answer, delay in answers:
        while state.phase != "asking":
            if state.phase == "stopped":
                return
            now = now if state.phase == "local" else max(now, state.wake)
            state, _ = step(state, m.Looked(now, view) if state.phase == "local" else m.TimerFired(now))
        asked.append(now)
        while asked[0] <= now - 1_000:
            asked.popleft()
        assert len(asked) <= 5
        now += delay
        state, _ = step(state, m.Answered(now, state.number, answer))


@given(st.integers(0, 2**63), st.lists(st.sampled_from(["saved", "asked", "hint", "network", "renew"]), max_size=40))
def test_nobody_can_hurry_it_into_hammering_a_server_that_does_not_answer(seed: int, hurries: list[m.Why]) -> None:
    state, _ = step(State(seed), m.Started(0))
    state, _ = step(state, m.Looked(0, VIEW))
    state, _ = step(state, m.Answered(0, 1, m.Fault("offline")))
    asks = 0
    for tick, why in enumerate(hurries):
        now = tick * 20
        state, effects = step(state, m.Hurried(now, why))
        if state.phase == "local":
            state, effects = step(state, m.Looked(now, VIEW))
        if any(isinstance(effect, m.Ask) for effect in effects):
            asks += 1
            state, _ = step(state, m.Answered(now, state.number, m.Fault("offline")))
    assert asks <= 1 + len(hurries) * 20 // 300
