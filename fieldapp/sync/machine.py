"""What the machine for facts knows, and the few moves all its decisions are made of: look, ask, wait, report.

Requests that follow progress (a receipt, new rows) go at once, for their number is bounded by the work there is; all others keep
MIN_GAP_MS apart and are spread by back-off, so that no device asks more than five times a second.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fieldapp.sync import messages as m
from fieldapp.sync.pacing import SLOW_AFTER, backoff, draw
from fieldapp.sync.protocol import PULL_BYTES, PUSH_BYTES, PUSH_ENTRIES

POLL_MS = 60_000
"""Read the log at least this often, whatever hints say."""
DEADLINE_MS = 75_000
"""A request without any answer for so long is given up, should the transport itself hang."""
MIN_GAP_MS = 340
"""Between two requests where the first brought nothing, or only a new token: three a second at most, and the lane of files asks on
its own as well."""
READ_GAP_MS = 340
"""Between two pulls where the first left nothing to read: hints may come faster than that in a large company. And between two
entries that are handed over one by one."""

NEVER = -(1 << 62)
Phase = Literal["rest", "local", "asking", "stopped"]


class State(msgspec.Struct, frozen=True):
    """All the machine knows. Nothing in it needs to survive a restart: what matters is in the replica.

    phase: `rest` (timer `wake` armed), `local` (a look or commit is on its way), `asking` (`request` in flight, given up at
    `wake`), `stopped` (revoked, everything handed over).
    fruitless: tries since the last progress. push_tries, push_after: pushes in vain since the last receipt, and when the next one
    may go; that reading works says nothing of pushing. not_before: what Retry-After asked for. pull_after: the server wants a newer
    version for reading; not to be asked before. read_after: everything was read a moment ago; not to be asked for more before.
    renew: the token has expired. renewed: it was renewed since the last progress. token_at: when this one came.
    poison: (epoch, seq, reason) of an entry that the server does not take. stuck: (epoch, seq, time-outs) of a smallest run that
    only times out. ahead: the push that follows the one in flight, read meanwhile. hurried: something happened since the last look,
    so the next step is to look again. troubled: commits of what came that did not work since the last one that did; nothing is
    asked ahead of them then. writing: the look that was asked for comes after such a commit.
    """

    seed: int
    app_version: str = ""
    phase: Phase = "rest"
    wake: int = 0
    number: int = 0
    request: m.FactRequest | None = None
    last_ask: int = NEVER
    not_before: int = NEVER
    fruitless: int = 0
    push_tries: int = 0
    push_after: int = NEVER
    entries: int = PUSH_ENTRIES
    size: int = PUSH_BYTES
    budget: int = PULL_BYTES
    pull_due: bool = True
    pull_first: bool = False
    pull_after: int = NEVER
    read_after: int = NEVER
    renew: bool = False
    renewed: bool = False
    token_at: int = NEVER
    token_nonce: str = ""
    poison: tuple[str, int, str] | None = None
    stuck: tuple[str, int, int] | None = None
    ahead: m.AskPush | None = None
    hurried: bool = False
    troubled: int = 0
    writing: bool = False
    revoked: bool = False
    view: m.View = m.View()
    report: m.Report = m.Report("unknown")


Step = tuple[State, tuple[m.Effect, ...]]


def new(state: State, **changes: object) -> State:
    return msgspec.structs.replace(state, **changes)


def new_view(state: State, **changes: object) -> m.View:
    return msgspec.structs.replace(state.view, **changes)


def look(state: State, *before: m.Effect) -> Step:
    """Commit, then look at the replica again: the next pass."""
    writing = any(isinstance(effect, m.Acknowledge | m.Receive) for effect in before)
    state = new(state, phase="local", request=None, ahead=None, hurried=False, writing=writing)
    return state, (*before, m.Look(state.entries, state.size))


def wait(state: State, until: int, *before: m.Effect) -> Step:
    return new(state, phase="rest", request=None, ahead=None, wake=until), (*before, m.Arm(until))


def ask(state: State, now: int, request: m.FactRequest) -> Step:
    """Send a request, or wait until it may be sent."""
    # reading that works does not help a push in vain, and the lane of files may ask for a token at any time
    again = isinstance(request, m.AskToken) or (isinstance(request, m.AskPush | m.AskQuarantine) and state.push_tries)
    gap = MIN_GAP_MS if state.fruitless or state.renewed or again else READ_GAP_MS if isinstance(request, m.AskQuarantine) else None
    earliest = max(state.not_before, NEVER if gap is None else state.last_ask + gap)
    if now < earliest:
        return wait(state, earliest)
    if isinstance(request, m.AskPull):
        state = new(state, pull_due=False)
    number, until = state.number + 1, now + DEADLINE_MS
    state = new(state, phase="asking", request=request, number=number, wake=until, last_ask=now, ahead=None)
    return state, (m.Ask(number, request), m.Arm(until))


def ask_while(state: State, now: int, request: m.FactRequest, *meanwhile: m.Effect) -> Step:
    """Send a request, and commit what there is to commit while the server is at work on it."""
    if state.troubled and meanwhile and not isinstance(meanwhile[0], m.ReadOn):
        return look(state, *(effect for effect in meanwhile if not isinstance(effect, m.ReadOn)))
    after, effects = ask(state, now, request)
    return after, (*effects[:-1], *meanwhile, effects[-1])


def push(state: State, now: int, request: m.AskPush, *meanwhile: m.Effect) -> Step:
    """The same with a run of entries; what follows it is read meanwhile as well."""
    return ask_while(state, now, request, *meanwhile, m.ReadOn(request.run, state.entries, state.size))


def told(state: State, connection: m.Connection, words: str = "") -> tuple[State, tuple[m.Effect, ...]]:
    """Report how the connection stands, where that is news."""
    if connection == "online" and state.pull_after != NEVER:
        connection, words = "upgrade", state.report.words
    report = m.Report(connection, words, state.fruitless >= SLOW_AFTER)
    if report == state.report:
        return state, ()
    return new(state, report=report), (report,)


def progress(state: State) -> State:
    return new(state, fruitless=0, not_before=NEVER, renewed=False)


def correct(state: State, now: int, *before: m.Effect) -> Step:
    """The answer says what to do differently: do it at once, unless that was tried in vain a few times already."""
    if state.fruitless + 1 < SLOW_AFTER:
        return look(new(state, fruitless=state.fruitless + 1), *before)
    return back_off(state, now, None, state.report.connection, state.report.words, *before)


def back_off(
    state: State, now: int, retry_after: int | None, connection: m.Connection, words: str, *before: m.Effect, least: int = 0
) -> Step:
    """Commit what there is to commit, and try again later, not before `least` milliseconds unless a person asks for it."""
    pushing = isinstance(state.request, m.AskPush | m.AskQuarantine)
    if pushing:  # whatever hinders pushing must not keep the device from reading
        state = new(state, pull_due=True, pull_first=True, push_tries=state.push_tries + 1)
    state = new(state, fruitless=state.fruitless + 1)
    tries = max(state.fruitless, state.push_tries) if pushing else state.fruitless
    delay, seed = backoff(state.seed, tries, retry_after)
    if retry_after is not None:
        state = new(state, not_before=now + delay)
    else:
        extra, seed = draw(seed, least + 1)
        delay = max(delay, least + extra)
    state, news = told(new(state, seed=seed, push_after=now + delay if pushing else state.push_after), connection, words)
    return wait(state, now + delay, *before, *news)


def rest(state: State, now: int) -> Step:
    """Nothing to do: poll again within POLL_MS, not all devices in the same second."""
    jitter, seed = draw(state.seed, POLL_MS // 4)
    return wait(new(state, seed=seed, fruitless=0), now + POLL_MS - jitter)
