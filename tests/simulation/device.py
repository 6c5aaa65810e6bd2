"""A device of the simulation: the real replica on a real disk, the real machine, and a power supply that fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from sqlmodel import col

from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Identity
from fieldapp.store.tables import JobRow
from fieldapp.sync import messages as m
from fieldapp.sync.commits import commit
from fieldapp.sync.engine import step
from fieldapp.sync.machine import State
from tests.simulation.company import LOG, PEOPLE, field_work, make_id
from tests.simulation.storage import CutDatabase, CutJournal, PowerCut, VirtualClock, copy_database


class SimDevice:
    """One device of one person.

    Args:
        send: called with (number, request) to send a request. arm: called with the time of the machine's timer.
    """

    def __init__(
        self,
        person: str,
        db: CutDatabase,
        folder: Path,
        seed: int,
        now: Callable[[], int],
        send: Callable[[int, m.Request], None],
        arm: Callable[[int], None],
        note: Callable[[str], None],
    ) -> None:
        self.person, self.name = PEOPLE[person], person
        self.db, self._folder, self._now, self._send, self._arm, self._note = db, folder, now, send, arm, note
        self._chance = random.Random(f"{seed} {person}")
        self._made = 0
        self._work = 0
        self.cut_in = 0  # the power is cut at the n-th place from now; 0 is never
        self.up = False
        self.disk_identity = Identity(
            "http://127.0.0.1", f"dev-{person}", "A1", "secret", person, self.person.name, self.person.role, LOG, ("org", LOG)
        )
        self.token = self.incarnation = ""
        self._skew_known: int | None = None
        self.clock = VirtualClock(now, lambda: self._skew_known)
        self.journal = CutJournal(folder / person / "journal" / "unsent.jsonl", self._boundary)
        db.boundary = self._boundary
        self.saved: list[str] = []
        self._copy: Path | None = None
        self.state = State(0)
        self.replica: DeviceReplica

    def _boundary(self, place: str) -> None:
        if self.cut_in:
            self.cut_in -= 1
            if not self.cut_in:
                self._note(f"{self.name} power cut {place}")
                raise PowerCut(place)

    def _recall(self) -> None:
        """Read what the machine asked to remember, once instead of at every use."""
        known = self.replica.settings("skew_ms", "token", "incarnation")
        self._skew_known = int(known["skew_ms"]) if "skew_ms" in known else None
        self.token, self.incarnation = known.get("token", ""), known.get("incarnation", "")

    def _remember(self, identity: Identity) -> None:
        self._boundary("before identity")
        self.disk_identity = identity
        self._boundary("after identity")

    def _new_id(self) -> str:
        self._made += 1
        return make_id(self._made, self.name)

    # --- Power ------------------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the disk: nothing else is left. Raises PowerCut when it happens again meanwhile."""
        self.replica = DeviceReplica(self.db, self.journal, self.disk_identity, self.clock, self._new_id, self._remember)
        self.replica.start()
        self._recall()
        self.up = True
        self.state = State(self._chance.getrandbits(63))
        self.hear(m.Started(self._now()))

    def lose_power(self) -> None:
        self.up = False
        self.journal.close()

    def copy_database(self) -> None:
        self._copy = self._folder / self.name / "copy.db"
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        copy_database(self.db.path, self._copy)

    def roll_back(self) -> bool:
        """Put the copy back. False where there is none."""
        if self._copy is not None:
            copy_database(self._copy, self.db.path)
        return self._copy is not None

    # --- The machine ------------------------------------------------------------------------------------------------------------

    def hear(self, event: m.Event) -> None:
        """Advance the machine and carry out what it says, as the runner does."""
        events = [event]
        while events:
            self.state, effects = step(self.state, events.pop(0))
            for effect in effects:
                if isinstance(effect, m.Ask):
                    self._send(effect.number, effect.request)
                elif isinstance(effect, m.Arm):
                    self._arm(effect.at)
                elif isinstance(effect, m.Report):
                    self._note(f"{self.name} {effect.connection} {effect.words}")
                else:
                    if not isinstance(effect, m.Look):
                        self._note(f"{self.name} {type(effect).__name__}")
                    heard = commit(self.replica, effect, self._now())
                    if heard is not None:
                        events.append(heard)
                    if isinstance(effect, m.Remember):
                        self._recall()
                    if isinstance(heard, m.Troubled):
                        self._note(f"{self.name} trouble {heard.words}")
                        break

    # --- The person -------------------------------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, str]:
        with self.db.read() as conn:
            query = select(col(JobRow.stream), col(JobRow.status)).order_by(col(JobRow.stream))
            return {stream: status for stream, status in conn.execute(query)}

    def work(self) -> list[str]:
        """One action of the person. Returns the ids that were reported as saved."""
        self._work += 1
        drafts = field_work(self._chance, self.jobs(), self.person.role, self._work)
        done = self.replica.append(drafts)
        self.saved += done.entries
        self._note(f"{self.name} saved {len(done.entries)} {drafts[0].body.NAME} {drafts[0].stream}")
        self.hear(m.Hurried(self._now(), "saved"))
        return list(done.entries)
