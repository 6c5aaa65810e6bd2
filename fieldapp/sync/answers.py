"""What the machine for facts does with each answer: the table "Answers and what the device does" of the protocol.

Only a receipt moves an entry out of the outbox; no status code ever deletes anything.
"""

from __future__ import annotations

import base64

import msgspec

from fieldapp.domain.entry import EARLIEST_MS, LATEST_MS, chain_hash
from fieldapp.domain.fold import FOLD_VERSION
from fieldapp.domain.problem import Problem
from fieldapp.store.bulk import many_at_once
from fieldapp.store.rows import Head, Page, Row, Run
from fieldapp.sync import messages as m
from fieldapp.sync.machine import (
    NEVER,
    READ_GAP_MS,
    State,
    Step,
    ask_while,
    back_off,
    correct,
    look,
    new,
    new_view,
    progress,
    push,
    told,
)  # fmt: skip
from fieldapp.sync.pacing import BACKOFF_MAX_MS
from fieldapp.sync.protocol import (
    PULL_BYTES,
    PUSH_BYTES,
    PUSH_ENTRIES,
    EpochHead,
    PullAnswer,
    PullRequest,
    PushAnswer,
    QuarantineRequest,
    Receipt,
    TokenAnswer,
    from_wire,
)  # fmt: skip
from fieldapp.sync.reading import pull_request, view_after

PULL_BYTES_LEAST = 16 * 1024
PUSH_BYTES_LEAST = 4 * 1024
SKEW_STEP_MS = 1_000
"""A clock's skew is written down again when it moved by more."""
PATIENCE = 5
"""Time-outs of one smallest run, while pulls get through, before its first entry counts as what makes the server hang."""
_NOT_THE_ENTRIES = ("log-unknown", "damaged-in-transit", "bad-encoding", "request-cut-off")
"""Reasons of a refusal that lie on the way or at the server: the entries are as good as they were, and are sent again."""
UPGRADE_WAIT_MS = BACKOFF_MAX_MS


def answered(state: State, now: int, answer: m.Answer) -> Step:
    request = state.request
    if isinstance(request, m.AskPull) and not isinstance(answer, m.Good):
        state = new(state, pull_due=True, pull_first=False)
    match request, answer:
        case _, m.Fault():
            return _fault(state, now, answer)
        case _, m.Refused():
            return _refused(state, now, answer)
        case m.AskToken(), m.Good(TokenAnswer() as body):
            # who waited for the next poll waits anew after this look: it is made now instead, or renewing could put it off for ever
            due, renewed = state.pull_due or state.renew, state.renew or state.renewed
            state = new(state, pull_due=due, renew=False, renewed=renewed, token_at=now, token_nonce="")
            state, news = told(state, "online")
            return look(state, *news, m.Remember({"token": body.token}))
        case m.AskPush(run), m.Good(PushAnswer() as body):
            return _pushed(state, now, run, body)
        case m.AskQuarantine(wanted), m.Good(Receipt() as body):
            return _handed_over(state, now, wanted, body)
        case m.AskPull(asked), m.Good(PullAnswer() as body):
            return _pulled(state, now, asked, body, answer.midpoint)
    return _fault(state, now, m.Fault("garbled", "the server answered something else than what was asked"))


def quarantine(run: Run, reason: str) -> QuarantineRequest:
    """The request that hands over the first entry of a run as bytes: envelope, line feed, body."""
    entry = run.entries[0]
    raw = base64.b64encode(entry.raw + b"\n" + (entry.body_raw or b"")).decode("ascii")
    position = chain_hash(run.prev_hash, run.from_seq, entry.hash)
    return QuarantineRequest(run.epoch, run.log, run.from_seq, run.prev_hash, position, raw, reason)


# --- Good answers --------------------------------------------------------------------------------------------------------------


def _pushed(state: State, now: int, run: Run, body: PushAnswer) -> Step:
    receipt = body.receipt
    if receipt.epoch != run.epoch or receipt.seq < run.from_seq:
        return correct(state, now)
    head = _of_this(receipt, run.from_seq + len(run.entries) - 1, run)
    entries, size = min(PUSH_ENTRIES, state.entries * 2), min(PUSH_BYTES, state.size * 2)
    state = new(
        progress(state), entries=entries, size=size, stuck=None, pull_due=True, pull_first=False, push_tries=0, push_after=NEVER
    )
    state, news = told(state, "online")
    receipts = (m.Acknowledge(head, receipt.time, len(run.entries)), *_wanted(state, body))
    effects = (*news, *receipts, *_other_history(state, body.incarnation))
    following = state.ahead
    if following is None or state.renew or state.revoked or state.poison is not None or body.incarnation != state.view.incarnation:
        return look(state, *effects)
    after = following.run
    if (after.epoch, after.from_seq, after.prev_hash) != (receipt.epoch, receipt.seq + 1, receipt.hash):
        return look(state, *effects)
    return push(new(state, view=new_view(state, run=after)), now, following, *effects)


def _of_this(receipt: Receipt, last: int, run: Run) -> Head:
    """What a receipt says of the run that was sent. One that names more comes of a copy of this device's disk, which was quicker:
    what follows is offered all the same, for the copy may have handed it over as bytes."""
    if receipt.seq <= last:
        return Head(receipt.epoch, receipt.seq, receipt.hash, receipt.safe_seq)
    chain = run.prev_hash
    for seq, entry in enumerate(run.entries, run.from_seq):
        chain = chain_hash(chain, seq, entry.hash)
    return Head(receipt.epoch, last, chain, receipt.safe_seq)


def _handed_over(state: State, now: int, wanted: QuarantineRequest, receipt: Receipt) -> Step:
    if receipt.epoch != wanted.epoch or receipt.seq < wanted.seq:
        return correct(state, now)
    state = new(progress(state), poison=None, stuck=None, pull_due=True, push_tries=0, push_after=NEVER)
    further = receipt.seq > wanted.seq
    head = Head(receipt.epoch, wanted.seq, wanted.hash if further else receipt.hash, receipt.safe_seq)
    return look(state, m.Refuse(wanted.epoch, wanted.seq, wanted.reason, receipt.time), m.Acknowledge(head, receipt.time, 1))


def _pulled(state: State, now: int, asked: PullRequest, body: PullAnswer, midpoint: int | None) -> Step:
    try:
        with many_at_once():
            page = to_page(body)
    except Problem as problem:
        return _fault(
            new(state, pull_due=True), now, m.Fault("garbled", f"the server sent a row that cannot be read: {problem.message}")
        )
    state = new(state, budget=min(PULL_BYTES, state.budget * 2), pull_after=NEVER, pull_first=False)
    state, news = told(state, "online")
    history = _other_history(state, body.incarnation)
    if m.Forget() in history:
        return correct(new(state, pull_due=True), now, *news, *history)
    remember = _times(state, body.time, midpoint)
    # heads first: what the server has lost is unsent again before the page takes anything out of view
    effects: tuple[m.Effect, ...] = (*news, *history, *_heads(asked.epochs, body), m.Receive(page), *_wanted(state, body))
    if (body.more or asked.backfills) and not _brings(page, asked):
        words = "the server says there is more, but sends nothing new"
        return back_off(new(state, pull_due=True), now, None, "online", words, *effects, m.Remember(remember))
    read_after = NEVER if body.more else state.last_ask + READ_GAP_MS
    state = new(progress(state), pull_due=state.pull_due or body.more, read_after=read_after)
    view = view_after(state, asked, body)
    if view is None:
        return look(state, *effects, m.Remember(remember))
    if "skew_ms" in remember:  # that the server was heard of is written down with the last page
        effects, view = (*effects, m.Remember(remember)), msgspec.structs.replace(view, skew=int(remember["skew_ms"]))
    state = new(state, view=view)
    return ask_while(state, now, m.AskPull(pull_request(state)), *effects)


def _brings(page: Page, asked: PullRequest) -> bool:
    """Whether the device is further on after this page than before it."""
    if page.rows or page.added or page.removed or any(asked.cursors.get(log) != cursor for log, cursor in page.cursors.items()):
        return True
    before = {wanted.stream: wanted.after for wanted in asked.backfills}
    return any(done or after > before.get(stream, 0) for stream, after, done in page.backfilled)


def _other_history(state: State, incarnation: str) -> tuple[m.Effect, ...]:
    """The server was restored or exchanged: what was read from it counts no more. The outbox stays."""
    known = state.view.incarnation
    if incarnation == known:
        return ()
    remember = m.Remember({"incarnation": incarnation})
    return (m.Forget(), remember) if known else (remember,)


def _heads(asked: tuple[EpochHead, ...], body: PullAnswer) -> tuple[m.Effect, ...]:
    """Where the server stands further back than its receipts said, offer again; where further on or safer, take note. What it has
    as bytes only, though it may be good here, is offered again too."""
    ours = {head.epoch: head for head in asked}
    effects: list[m.Effect] = []
    for server in body.epochs:
        own = ours.get(server.epoch)
        head = Head(server.epoch, server.seq, server.hash, server.safe_seq)
        if own is None or (server.seq, server.hash, server.safe_seq) == (own.seq, own.hash, own.safe_seq):
            continue
        if body.aside.get(server.epoch):
            continue
        effects.append(m.Rewind(head) if server.seq < own.seq else m.Acknowledge(head, body.time))
    return tuple(effects)


def _wanted(state: State, body: PushAnswer | PullAnswer) -> tuple[m.Effect, ...]:
    return (m.SendAgain(body.wanted, state.last_ask),) if body.wanted else ()


def _times(state: State, server_time: int, midpoint: int | None) -> dict[str, str]:
    """When the server was heard of. A time that nobody can have is passed over: nothing recorded from then on could carry it."""
    if not EARLIEST_MS <= server_time <= LATEST_MS:
        return {}
    return {"last_contact": str(server_time), **_skew(state, server_time, midpoint)}


def _skew(state: State, server_time: int, midpoint: int | None) -> dict[str, str]:
    if midpoint is None:
        return {}
    skew, known = server_time - midpoint, state.view.skew
    return {} if known is not None and abs(skew - known) <= SKEW_STEP_MS else {"skew_ms": str(skew)}


def to_page(body: PullAnswer) -> Page:
    """The answer to a pull in the store's words.

    Raises:
        Problem: a row cannot be read.
    """
    return Page(
        rows=tuple(
            Row(row.log, row.pos, row.at, from_wire(row.entry, judged=True), row.kind, row.outcome, row.reason, row.role)
            for row in body.rows
            if row.kind != "scope"
        ),
        cursors=body.cursors,
        added=tuple((added.log, added.stream, added.upto) for added in body.added),
        removed=tuple((removed.log, removed.stream) for removed in body.removed),
        backfilled=tuple((done.stream, done.after, done.done) for done in body.backfilled),
        logs=body.logs,
        digests=tuple((item.stream, item.pos, item.digest) for item in body.digests) if body.fold == FOLD_VERSION else (),
        more=body.more,
    )


# --- Refusals of the server ----------------------------------------------------------------------------------------------------


def _refused(state: State, now: int, answer: m.Refused) -> Step:
    status, detail = answer.status, answer.detail
    words = detail.detail or detail.title
    if status == 401:
        if isinstance(state.request, m.AskToken):
            return _long_wait(new(state, token_nonce=""), now, answer, "other_server", words)
        if not state.renewed:  # soon, however long the wait before: there is a server, and a token lives for an hour only
            return look(new(state, renew=True))
        return correct(new(state, renew=True), now)
    if status == 403 and detail.code == "device-revoked":
        return _revoked(state, now, words)
    if status == 409 and isinstance(state.request, m.AskPush | m.AskQuarantine):
        return _position(state, now, answer)
    if status in (409, 410):
        return correct(new(state, pull_due=True), now, m.Forget())
    if status == 413:
        return _smaller(state, now, words)
    if status in (400, 422) and isinstance(state.request, m.AskPush) and detail.code not in _NOT_THE_ENTRIES:
        return _not_taken(state, now, state.request.run, detail.seq, words)
    if status == 426 and isinstance(state.request, m.AskPull):
        state, news = told(new(progress(state), pull_after=now + UPGRADE_WAIT_MS), "upgrade", words)
        return look(state, *news)
    if status == 507:
        return _long_wait(state, now, answer, "server_full", words)
    if status == 404:
        return back_off(state, now, answer.retry_after, "other_server", words)
    return back_off(state, now, answer.retry_after, "busy", words)


def _revoked(state: State, now: int, words: str) -> Step:
    """Hand over what is unsent, once; where even that is refused, there is nothing left to do."""
    if state.revoked:
        state, news = told(new(state, phase="stopped", request=None), "revoked", "the server does not take what was not sent")
        return state, news
    state, news = told(new(state, revoked=True), "revoked", words)
    return correct(state, now, *news)


def _position(state: State, now: int, answer: m.Refused) -> Step:
    request, head = state.request, answer.detail.head
    run_epoch = request.run.epoch if isinstance(request, m.AskPush) else request.request.epoch  # type: ignore[union-attr]
    if answer.detail.code == "gap" and head is not None and head.epoch == run_epoch:
        return correct(state, now, m.Rewind(Head(head.epoch, head.seq, head.hash, head.safe_seq)))
    return correct(state, now, m.Fork(run_epoch))


def _not_taken(state: State, now: int, run: Run, seq: int | None, words: str) -> Step:
    """One entry of the run is what the server cannot take: the named one, or, by halving, the one that is left alone."""
    last = run.from_seq + len(run.entries) - 1
    if seq is None or not run.from_seq <= seq <= last:
        if len(run.entries) > 1 and state.entries > 1:
            return correct(new(state, entries=max(1, min(state.entries, len(run.entries)) // 2)), now)
        seq = run.from_seq
    return correct(new(state, poison=(run.epoch, seq, words)), now)


def _long_wait(state: State, now: int, answer: m.Refused, connection: m.Connection, words: str) -> Step:
    """Somebody has to do something first; asking often does not help."""
    return back_off(state, now, answer.retry_after, connection, words, least=BACKOFF_MAX_MS // 2)


# --- No answer of the server ---------------------------------------------------------------------------------------------------

_CONNECTIONS: dict[m.FaultKind, m.Connection] = {
    "offline": "offline",
    "timeout": "offline",
    "sign_in_page": "sign_in_page",
    "busy": "busy",
    "too_large": "busy",
    "insecure": "offline",
    "garbled": "offline",
    "local": "offline",
}


def _fault(state: State, now: int, fault: m.Fault) -> Step:
    if fault.kind == "too_large":
        return _smaller(state, now, fault.words)
    if fault.kind == "timeout":
        state = _shrink(_count_timeout(state))
    return back_off(state, now, fault.retry_after, _CONNECTIONS[fault.kind], fault.words)


def _shrink(state: State) -> State:
    if isinstance(state.request, m.AskPull):
        return new(state, budget=max(PULL_BYTES_LEAST, state.budget // 2))
    if isinstance(state.request, m.AskPush):
        entries = min(state.entries, len(state.request.run.entries))
        size = min(state.size, sum(entry.size for entry in state.request.run.entries))
        return new(state, entries=max(1, entries // 2), size=max(PUSH_BYTES_LEAST, size // 2))
    return state


def _smallest(run: Run) -> bool:
    """Nothing of it can be left for another request: it is one group, and groups are not split."""
    return len({entry.envelope.group for entry in run.entries}) == 1


def _smaller(state: State, now: int, words: str) -> Step:
    """Too large for the server or for something on the way: halve; what is too large alone is handed over as quarantine."""
    request = state.request
    if isinstance(request, m.AskPush) and _smallest(request.run):
        return correct(new(state, poison=(request.run.epoch, request.run.from_seq, words or "it is too large to be sent")), now)
    if isinstance(request, m.AskPush) or (isinstance(request, m.AskPull) and state.budget > PULL_BYTES_LEAST):
        # each halving is a step forward: only what is fruitless at the end counts
        return look(_shrink(new(state, fruitless=max(1, state.fruitless))))
    if isinstance(request, m.AskQuarantine):
        # it is the way that takes nothing: the entry is offered again, it may be good
        state = new(state, poison=None, pull_due=True, pull_first=True)
    return back_off(state, now, None, "busy", words)


def _count_timeout(state: State) -> State:
    """A smallest run that times out again and again while pulls get through is what the server hangs on."""
    request = state.request
    if not isinstance(request, m.AskPush) or not _smallest(request.run):
        return state
    run = request.run
    known = state.stuck if state.stuck and state.stuck[:2] == (run.epoch, run.from_seq) else (run.epoch, run.from_seq, 0)
    times = known[2] + (state.report.connection == "online")  # otherwise it is the network that does not answer
    if times >= PATIENCE:
        return new(state, stuck=None, poison=(run.epoch, run.from_seq, "the server does not answer when it is sent"))
    return new(state, stuck=(*known[:2], times))
