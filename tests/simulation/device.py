"""A device of the simulation: real replica, real files, both real machines, and a power supply that fails."""

from __future__ import annotations

import os
import random
import shutil
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from fieldapp.domain.entry_types.erasure import ERASURES
from fieldapp.domain.problem import Problem
from fieldapp.store.device import DeviceReplica
from fieldapp.store.home import Home, Identity
from fieldapp.store.rows import Draft
from fieldapp.sync import messages as m
from fieldapp.sync.commits import commit
from fieldapp.sync.engine import step
from fieldapp.sync.file_lane import FileLane, Nudge, file_step
from fieldapp.sync.files import FileDesk
from fieldapp.sync.machine import State
from tests.simulation.company import LOG, PEOPLE, SECRET, make_id
from tests.simulation.storage import CutJournal, Disk, PowerCut, VirtualClock

Lane = Literal["facts", "files"]
PIECE = 300


class SimDevice:
    """One device of one person.

    Args:
        name: of this device; a copy of a laptop has another name than the one it is a copy of.
        send: called with (lane, number, request) to send a request. arm: called with a lane and the time of its timer.
    """

    def __init__(
        self,
        name: str,
        person: str,
        db: Disk,
        folder: Path,
        seed: int,
        now: Callable[[], int],
        send: Callable[[Lane, int, m.Request], None],
        arm: Callable[[Lane, int], None],
        note: Callable[[str], None],
    ) -> None:
        self.person, self.name, self.device_id = PEOPLE[person], name, f"dev-{person}"
        self.db, self._now, self._send, self._arm, self._note = db, now, send, arm, note
        self.home = Home(folder / name)
        self._chance = random.Random(f"{seed} {name}")
        self._made = 0
        self.actions = 0
        self.cut_in = 0  # the power is cut at the n-th place from now; 0 is never
        self.up = False
        self._lock = ExitStack()
        self.identity = Identity(
            "http://127.0.0.1", self.device_id, "A1", SECRET, person, self.person.name, self.person.role, LOG, ("org", LOG)
        )
        self.token = self.incarnation = ""
        self._skew_known: int | None = None
        self.clock = VirtualClock(now, lambda: self._skew_known)
        self.journal = CutJournal(self.home.journal_file, self._boundary)
        db.boundary = self._boundary
        self.saved: list[str] = []
        self.said: dict[str, bytes] = {}
        """Entries whose text is looked for in what is shown."""
        self.rot, self.rotted = False, 0
        self._seed = seed
        self.spoiled: set[str] = set()
        """Entries spoiled in the database and in the journal: where one of the two goes as well, nobody can have them back."""
        self.gone: set[str] = set()
        self.version = "1.0"
        self.sealed = self.lost = False
        """Whether it was taken out of service, with its data; and whether a restored server lost what nobody can offer again."""
        self.told = 0
        """How often it heard that a file it had sent is not at the server."""
        self.state, self.lane = State(0), FileLane(0)
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
        self.home.save_identity(identity)
        self.identity = identity
        self._boundary("after identity")

    def _new_id(self) -> str:
        self._made += 1
        return make_id(self._made, self.name)

    # --- Power ------------------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the disk: nothing else is left. Raises PowerCut when it happens again meanwhile."""
        self._lock.enter_context(self.home.locked("app", wait=0))
        self.replica = DeviceReplica(
            self.db, self.journal, self.home.identity() or self.identity, self.clock, self._new_id, self._remember
        )
        self.replica.start()
        self.desk = FileDesk(self.replica, self.home.files)
        self._recall()
        self.up = True
        self.state = State(self._chance.getrandbits(63), self.version)
        self.lane = FileLane(self._chance.getrandbits(63), piece=PIECE)
        self.hear("facts", m.Started(self._now()))
        self.hear("files", m.Started(self._now()))

    def second_instance(self) -> bool:
        """Another window of the app on the same home. True where it was let in."""
        try:
            with self.home.locked("another app", wait=0):
                return True
        except Problem:
            return False

    def lose_power(self) -> None:
        self.up = False
        self.journal.close()
        self._lock.close()

    def copy_home(self, other: SimDevice) -> None:
        """Make another device a copy of this one, as when a disk is cloned."""
        other.db.load(self.db.image())
        shutil.copytree(self.home.path, other.home.path, dirs_exist_ok=True)
        other.clock.error = self.clock.error
        other.saved, other.said = list(self.saved), dict(self.said)
        other.spoiled, other.gone = set(self.spoiled), set(self.gone)

    # --- The machines -----------------------------------------------------------------------------------------------------------

    def hear(self, lane: Lane, event: m.Event) -> None:
        """Advance a machine and carry out what it says, as the runner does."""
        waiting: deque[tuple[Lane, object]] = deque([(lane, event)])
        while waiting:
            lane, what = waiting.popleft()
            if lane == "facts":
                self._facts(what, waiting)
            else:
                self._files(what, waiting)
        if self.state.phase == "stopped" and not self.sealed:
            self.sealed = self.replica.seal()

    def _facts(self, event: object, waiting: deque[tuple[Lane, object]]) -> None:
        self.state, effects = step(self.state, event)  # type: ignore[arg-type]
        for effect in effects:
            self._boundary("between effects")
            kind = type(effect)
            if kind is m.Ask:
                self._send("facts", effect.number, effect.request)
            elif kind is m.Arm:
                self._arm("facts", effect.at)
            elif kind is m.Report:
                self._note(f"{self.name} {effect.connection} {effect.words}")
            else:
                if kind is not m.Look:
                    self._note(f"{self.name} {kind.__name__}")
                heard = commit(self.replica, effect, self._now())
                if isinstance(heard, m.Hurried):
                    self.told += isinstance(effect, m.SendAgain)
                    waiting.append(("files", heard))
                elif heard is not None:
                    waiting.appendleft(("facts", heard))
                if kind is m.Remember:
                    self._recall()
                if kind is m.Acknowledge or (
                    isinstance(effect, m.Receive)
                    and any(row.entry.envelope.files or row.entry.envelope.type in ERASURES for row in effect.page.rows)
                ):
                    waiting.append(("files", m.Hurried(self._now(), "hint")))
                if isinstance(heard, m.Troubled):
                    self._note(f"{self.name} trouble {heard.words}")
                    break

    def _files(self, event: object, waiting: deque[tuple[Lane, object]]) -> None:
        self.lane, effects = file_step(self.lane, event)  # type: ignore[arg-type]
        for effect in effects:
            self._boundary("between effects")
            if isinstance(effect, m.Ask):
                self._send("files", effect.number, effect.request)
            elif isinstance(effect, m.Arm):
                self._arm("files", effect.at)
            elif isinstance(effect, Nudge):
                waiting.append(("facts", m.Hurried(self._now(), effect.why, effect.asked)))
            else:
                heard = self.desk.commit(effect, self._now(), busy=self._facts_moving())
                if heard is not None:
                    waiting.appendleft(("files", heard))
                if isinstance(heard, m.Troubled):
                    break

    def _facts_moving(self) -> bool:
        return self.state.phase in ("asking", "local") and not self.state.fruitless and self.state.view.run is not None

    # --- The person -------------------------------------------------------------------------------------------------------------

    def jobs(self) -> dict[str, str]:
        return dict(self.db.raw.execute("SELECT stream, status FROM jobs ORDER BY stream"))

    def record(self, drafts: list[Draft], said: str = "") -> bool:
        """One action of the person. False where it could not be saved, and the person was told so."""
        try:
            done = self.replica.append(drafts)
        except Problem as problem:
            self._note(f"{self.name} not saved: {problem.code}")
            return False
        self.saved += done.entries
        if self.rot and not drafts[0].stream.startswith("job:n-"):
            self.rot = False
            self.rotted += 1
            broken = "UPDATE entries SET body = CAST(substr(body, 1, length(body) - 2) || '!}' AS BLOB) WHERE id = ?"
            self.db.raw.execute(broken, done.entries[-1:])
            if random.Random(f"{self._seed} rot {self.rotted}").random() < 0.7:  # else the journal's copy mends it
                self._spoil_journal()
                self.spoiled.add(done.entries[-1])
            said = ""
        if said and drafts[0].stream.startswith("job:"):
            self.said |= dict.fromkeys(done.entries[:1], said.encode())
        self._note(f"{self.name} saved {len(done.entries)} {drafts[0].body.NAME} {drafts[0].stream}")
        self.hear("facts", m.Hurried(self._now(), "saved"))
        return True

    def _spoil_journal(self) -> None:
        """The same bit turned in both copies, as in bad memory before either was written: the last line of the journal."""
        with self.home.journal_file.open("r+b") as file:
            file.seek(-10, os.SEEK_END)
            file.write(b"!")
