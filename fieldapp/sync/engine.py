"""The machine that sends facts and reads the log, without doing any of it: `step(state, event) -> (state, effects)`.

A pass looks at the replica, asks for one thing, commits what came of it, and looks again, until there is nothing left; then
it rests until a timer or a hint. Nothing but what the last look showed decides, so a crash anywhere costs at most a
repeated request.

Where one request plainly follows another (the next run of a full outbox, the next page of a long log), it is sent before what came
of the first is committed, so that server and device work at the same time. What is sent early is only ever what a look after that
commit would ask for or ask for again: a crash, or a commit that does not work, costs a repeated request here as well.
"""

from __future__ import annotations

import msgspec

from fieldapp.store.rows import Run
from fieldapp.sync import messages as m
from fieldapp.sync.answers import answered, quarantine
from fieldapp.sync.machine import (
    DEADLINE_MS,
    NEVER,
    POLL_MS,
    State,
    Step,
    ask,
    back_off,
    correct,
    look,
    new,
    push,
    rest,
    told,
    wait,
)  # fmt: skip
from fieldapp.sync.pacing import draw
from fieldapp.sync.reading import pull_request

NETWORK_SPREAD_MS = 5_000
"""A network change means a try within this."""


class StuckMachine(Exception):
    """The assertion of the design, kept on in production: pending means a request in flight or a timer armed."""


def quiet(state: State) -> bool:
    """Everything is exchanged, as of the last look: all that may be, where the server wants a newer version for reading."""
    reading = state.pull_due and state.pull_after == NEVER
    return state.phase == "rest" and not state.fruitless and state.view.run is None and not reading


def step(state: State, event: m.Event) -> Step:
    """Advance the machine by one event.

    Effects are to be carried out in order; a local one that does not work is answered by `Troubled` and ends its batch.

    Raises:
        StuckMachine: a defect; the caller starts a fresh machine.
    """
    after: Step = (state, ())
    match event:
        case m.Started():
            after = look(new(state, pull_due=True))
        case m.Hurried():
            after = _hurried(state, event)
        case m.TimerFired():
            after = _timer(state, event.now)
        case m.Looked() if state.phase == "local":
            after = _decide(new(state, view=event.view, troubled=0 if state.writing else state.troubled, writing=False), event.now)
        case m.ReadAhead() if state.phase == "asking" and isinstance(state.request, m.AskPush):
            after = new(state, ahead=event.push), ()
        case m.Answered() if state.phase == "asking" and event.number == state.number:
            after = answered(state, event.now, event.answer)
        case m.Troubled() if state.phase != "stopped":  # also where what was to be noted before asking could not be
            after = _troubled(state, event)
    _check(event, after)
    return after


def _check(event: m.Event, after: Step) -> None:
    state, effects = after
    if not effects or state.phase == "stopped":
        return
    last = effects[-1]
    if state.phase == "local" and isinstance(last, m.Look):
        return
    if state.phase in ("rest", "asking") and isinstance(last, m.Arm) and last.at == state.wake >= event.now:
        return
    raise StuckMachine(f"{state.phase}, wake {state.wake}, after {type(event).__name__} at {event.now}: {effects}")


def _hurried(state: State, event: m.Hurried) -> Step:
    if state.phase == "stopped":
        return state, ()
    if event.asked is not None and event.asked < state.token_at:
        return state, ()  # it went with the token before this one
    state = new(state, hurried=True)
    if event.why in ("asked", "hint", "network"):
        state = new(state, pull_due=True, pull_after=NEVER if event.why == "asked" else state.pull_after)
    elif event.why == "renew":
        state = new(state, renew=True)
    if state.phase == "asking" and event.why == "network" and state.wake > event.now + NETWORK_SPREAD_MS:
        wake = event.now + NETWORK_SPREAD_MS  # the connection it was sent on may be gone without a word
        return new(state, wake=wake), (m.Arm(wake),)
    if event.why == "asked":
        state = new(state, push_after=NEVER)
    if state.phase != "rest":
        return state, ()  # whatever is under way ends in a look
    if event.why == "network":
        spread, seed = draw(state.seed, NETWORK_SPREAD_MS)
        state = new(state, seed=seed, fruitless=min(state.fruitless, 1), push_after=NEVER)
        return wait(state, max(event.now, state.not_before, min(state.wake, event.now + spread)))
    if event.why == "asked" and event.now < state.not_before:
        return wait(state, state.not_before)
    if event.why != "asked" and state.fruitless:
        return state, ()  # a new fact does not make a missing network come back
    return look(state)


def _timer(state: State, now: int) -> Step:
    if state.phase in ("local", "stopped"):
        return state, ()
    if now < state.wake:
        return state, (m.Arm(state.wake),)
    if state.phase == "asking" and state.wake < state.last_ask + DEADLINE_MS:
        return answered(state, now, m.Fault("offline", "the network changed"))
    if state.phase == "asking":
        return answered(state, now, m.Fault("timeout", "the server did not answer in time"))
    return look(state if state.fruitless else new(state, pull_due=True))


def _troubled(state: State, event: m.Troubled) -> Step:
    """A commit did not work. What belongs to another history is mended; a full disk is waited for. What was asked for meanwhile is
    asked for again."""
    state = new(state, request=None)
    if event.epoch:
        return correct(state, event.now, m.Fork(event.epoch))
    state = new(state, pull_due=True, troubled=state.troubled + 1, fruitless=max(state.fruitless, state.troubled))
    return back_off(state, event.now, None, state.report.connection, event.words)


# --- What to ask for -----------------------------------------------------------------------------------------------------------


def _decide(state: State, now: int) -> Step:
    view = state.view
    if state.revoked and view.run is None:
        state, news = told(new(state, phase="stopped", request=None), "revoked", state.report.words)
        return state, news
    if state.renew or not view.token:  # handing over needs a token as well
        return _ask_token(state, now)
    if state.revoked and view.run is not None:
        return _hand_over(state, now, view.run, "the device was revoked")
    pull = (state.pull_due or bool(view.backfills)) and now >= state.pull_after
    if view.run is not None and now >= state.push_after and not (pull and state.pull_first):
        return _push(state, now, view.run)
    if pull and now < state.read_after and not view.backfills:
        return wait(state, state.read_after)
    if pull:
        return ask(state, now, m.AskPull(pull_request(state)))
    return rest(state, now) if view.run is None else wait(state, min(state.push_after, now + POLL_MS))


def _ask_token(state: State, now: int) -> Step:
    if not state.token_nonce:
        high, seed = draw(state.seed, 1 << 63)
        low, seed = draw(seed, 1 << 63)
        state = new(state, seed=seed, token_nonce=f"{high:016x}{low:016x}")
    return ask(state, now, m.AskToken(state.token_nonce))


def _push(state: State, now: int, run: Run) -> Step:
    if state.poison is not None and state.poison[0] == run.epoch:
        seq, reason = state.poison[1:]
        if seq == run.from_seq:
            return _hand_over(state, now, run, reason)
        if run.from_seq < seq < run.from_seq + len(run.entries):
            run = msgspec.structs.replace(run, entries=run.entries[: seq - run.from_seq])
    return push(state, now, m.AskPush(run))


def _hand_over(state: State, now: int, run: Run, reason: str) -> Step:
    wanted = quarantine(run, reason)
    after, effects = ask(state, now, m.AskQuarantine(wanted))
    return after, (m.HandOver(wanted.epoch, wanted.seq, reason), *effects) if after.phase == "asking" else effects
