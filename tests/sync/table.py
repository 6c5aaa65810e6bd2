"""The machine on a table: views, answers and a hand that feeds them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fieldapp.domain.entry import Entry, Envelope, Moment, chain_hash, encode, write_entry
from fieldapp.domain.entry_types.steps import NoteAdded
from fieldapp.store.rows import Head, Run
from fieldapp.sync import messages as m
from fieldapp.sync.engine import step
from fieldapp.sync.machine import State
from fieldapp.sync.protocol import Detail, EpochHead, PullAnswer, PushAnswer, Receipt, TokenAnswer

EPOCH, LOG = "e-1", "north"
HISTORY = "h-1"


def name(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-{number:012x}"


def an_entry(number: int, group: int | None = None, text: str = "seen") -> Entry:
    envelope = Envelope(
        id=name(number), log=LOG, stream="job:1", type="note.added", author="p", device="d",
        group=name(number if group is None else group), at=Moment(1_795_420_800_000), body="",
    )  # fmt: skip
    return write_entry(envelope, encode(NoteAdded(text)))


def a_run(count: int = 3, first: int = 1, prev_hash: str = "", groups: Sequence[int] | None = None) -> Run:
    entries = [an_entry(first + n, groups[n] if groups else None) for n in range(count)]
    return Run(EPOCH, LOG, first, prev_hash, tuple(entries))


def hash_after(run: Run) -> str:
    chain = run.prev_hash
    for seq, entry in enumerate(run.entries, run.from_seq):
        chain = chain_hash(chain, seq, entry.hash)
    return chain


VIEW = m.View(cursors={"org": "0:", LOG: "0:"}, heads=(Head(EPOCH, 0, ""),), token="t", incarnation=HISTORY, skew=0)
UNSENT = msgspec.structs.replace(VIEW, run=a_run())


def receipt_for(run: Run, **changes: object) -> m.Good:
    receipt = Receipt(run.epoch, run.from_seq + len(run.entries) - 1, hash_after(run), 0, 5_000)
    return m.Good(PushAnswer(msgspec.structs.replace(receipt, **changes), ("received",) * len(run.entries), HISTORY))


def a_page(**changes: object) -> m.Good:
    page = PullAnswer(incarnation=HISTORY, time=1_000, cursors={"org": "0:", LOG: "0:"}, epochs=(EpochHead(EPOCH, 0, ""),))
    return m.Good(msgspec.structs.replace(page, **changes), 1_000)


def a_token() -> m.Good:
    return m.Good(TokenAnswer("t2", 9_000_000, 1_000))


def refused(
    status: int, code: str = "", *, head: EpochHead | None = None, seq: int | None = None, wait: int | None = None
) -> m.Refused:
    return m.Refused(status, Detail(code or f"status {status}", status, code, head=head, seq=seq), wait)


class Hand:
    """Feeds events to one machine and keeps what it said. `view`: what the next looks at the replica show; `following`: what is
    found there behind a run that is on its way."""

    def __init__(self, view: m.View = VIEW, seed: int = 1) -> None:
        self.now = 1_000_000
        self.view = view
        self.following: Run | None = None
        self.state = State(seed, "1.0")
        self.said: list[m.Effect] = []

    def feed(self, event: m.Event) -> list[m.Effect]:
        """One event, and every look it leads to. Returns what was said, looks left out."""
        said: list[m.Effect] = []
        events = [event]
        while events:
            self.state, effects = step(self.state, events.pop(0))
            for effect in effects:
                if isinstance(effect, m.Look):
                    events.append(m.Looked(self.now, self.view))
                    continue
                if isinstance(effect, m.ReadOn):
                    events.append(m.ReadAhead(self.now, m.AskPush(self.following) if self.following else None))
                said.append(effect)
        self.said += said
        return said

    def start(self) -> m.FactRequest:
        self.feed(m.Started(self.now))
        return self.request

    @property
    def request(self) -> m.FactRequest:
        assert self.state.phase == "asking", self.state.phase
        assert self.state.request is not None
        return self.state.request

    def answer(self, answer: m.Answer, view: m.View | None = None, after: int = 100) -> list[m.Effect]:
        self.now += after
        if view is not None:
            self.view = view
        return self.feed(m.Answered(self.now, self.state.number, answer))

    def wait(self) -> list[m.Effect]:
        """Let time pass until the timer."""
        self.now = max(self.now, self.state.wake)
        return self.feed(m.TimerFired(self.now))

    def hurry(self, why: m.Why) -> list[m.Effect]:
        return self.feed(m.Hurried(self.now, why))

    @property
    def pause(self) -> int:
        """Milliseconds the machine rests from now."""
        assert self.state.phase == "rest", self.state.phase
        return self.state.wake - self.now
