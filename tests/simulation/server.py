"""The real server code below HTTP: requests of devices in, answers out, with power cuts, restores and lost tokens."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import msgspec

from fieldapp.domain.entry import Entry
from fieldapp.domain.problem import Problem
from fieldapp.server.answers import Refused
from fieldapp.server.feed import Feed
from fieldapp.server.reach import Session
from fieldapp.store.rows import PositionProblem, Run
from fieldapp.store.server import ServerReplica, Writer
from fieldapp.sync import messages as m
from fieldapp.sync.protocol import Detail, EpochHead, PullAnswer, PullRequest, PushAnswer, Receipt, TokenAnswer, from_wire, to_wire
from tests.simulation.company import PEOPLE, ROLES
from tests.simulation.storage import CutDatabase, copy_database


class SimServer:
    """One server. `incarnation` changes when it is restored from a backup. page_bytes: it never gives more rows at a time."""

    def __init__(self, db: CutDatabase, clock: Callable[[], int], page_bytes: int) -> None:
        self.db, self._clock, self._page_bytes = db, clock, page_bytes
        self.incarnation = 1
        self.tokens: dict[str, str] = {}
        self.revoked: set[str] = set()
        self._issued = 0
        self._backup: Path | None = None
        self.restart()

    def restart(self) -> None:
        self.replica = ServerReplica(self.db, self._clock)
        self.feed = Feed(self.db, self._clock, incarnation=str(self.incarnation))

    def record(self, entries: list[Entry]) -> None:
        self.replica.record(entries, ROLES)

    def back_up(self) -> None:
        self._backup = self.db.path.with_suffix(".backup")
        copy_database(self.db.path, self._backup)

    def restore(self) -> bool:
        """Go back to the backup: what came after it is gone here, and the incarnation says so."""
        if self._backup is None:
            return False
        copy_database(self._backup, self.db.path)
        self.incarnation += 1
        self.restart()
        return True

    def answer(self, person: str, token: str, request: m.Request) -> m.Answer:
        """Raises PowerCut where the plan says so; then nobody gets an answer."""
        try:
            return m.Good(self._answer(person, token, request), self._clock())
        except Refused as problem:
            return m.Refused(problem.status, Detail(problem.message, problem.status, problem.code, logs=problem.logs))
        except PositionProblem as problem:
            head = EpochHead(problem.head.epoch, problem.head.seq, problem.head.hash, problem.head.safe_seq)
            return m.Refused(409, Detail(problem.message, 409, problem.code, head=head))
        except Problem as problem:
            return m.Refused(400, Detail(problem.message, 400, problem.code))

    def _answer(self, person: str, token: str, request: m.Request) -> m.Body:
        if isinstance(request, m.AskToken):
            self._issued += 1
            token = f"token-{self._issued}"
            self.tokens[token] = person
            return TokenAnswer(token, self._clock() + 3_600_000, self._clock())
        if self.tokens.get(token) != person:
            raise Refused(401, "token-unknown", "This token is not known here.")
        if person in self.revoked and not isinstance(request, m.AskQuarantine):
            raise Refused(403, "device-revoked", "This device was revoked by the office.")
        who = PEOPLE[person]
        writer = Writer(f"dev-{person}", person, who.role, who.branch)
        match request:
            case m.AskPush(run):
                return self._push(writer, run)
            case m.AskPull(pull):
                session = Session(writer.device, person, who.name, who.role, who.branch)
                asked = msgspec.json.decode(msgspec.json.encode(pull), type=PullRequest)
                asked = msgspec.structs.replace(asked, budget=min(asked.budget, self._page_bytes))
                answer = self.feed.pull(session, asked)
                return msgspec.json.decode(msgspec.json.encode(answer), type=PullAnswer)
            case m.AskQuarantine(wanted):
                head = self.replica.quarantine(
                    writer, epoch=wanted.epoch, log=wanted.log, seq=wanted.seq, prev_hash=wanted.prev_hash,
                    chain=wanted.hash, raw=base64.b64decode(wanted.raw), reason=wanted.reason,
                )  # fmt: skip
                return Receipt(head.epoch, head.seq, head.hash, head.safe_seq, self._clock())
        raise AssertionError(request)

    def _push(self, writer: Writer, run: Run) -> PushAnswer:
        entries = tuple(from_wire(to_wire(entry)) for entry in run.entries)
        done = self.replica.receive(writer, msgspec.structs.replace(run, entries=entries))
        receipt = Receipt(done.head.epoch, done.head.seq, done.head.hash, done.head.safe_seq, self._clock())
        return PushAnswer(receipt, done.statuses, str(self.incarnation), done.wanted)
