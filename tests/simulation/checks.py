"""What must hold after every step, read with plain SQL from outside: only what was committed is seen.

After a step only what is new is read; at the end everything is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from fieldapp.domain.entry import FileRef
from fieldapp.domain.fold import read_state
from fieldapp.domain.job import JobState
from fieldapp.server.reach import Session
from fieldapp.store.database import marks
from fieldapp.store.receiving import LEAVING
from fieldapp.sync.protocol import PullAnswer
from tests.simulation.company import LOG
from tests.simulation.device import SimDevice
from tests.simulation.server import SimServer

ASKS = 5
"""Requests of a device within a second at most, of those that carry nothing on."""
_OUTCOMES = frozenset(("applied", "held", "conflict", "late", "quarantined"))
_HELD = "SELECT stream FROM memberships WHERE person = ? AND until_pos IS NULL"
_HELD_SINCE = f"{_HELD} AND since_pos <= ?"
"""Without those that left and came again further on than a device has read: it hears of both there, and reads them anew."""


_ERASED = (
    "SELECT e.id FROM erasures x JOIN entries o ON o.id = x.entry_id JOIN stream_rows s ON s.log = x.log AND s.stream = o.stream "
    "AND s.pos < x.pos JOIN entries e ON e.id = s.entry_id "
    "WHERE e.body IS NOT NULL AND e.type NOT IN ('job.erased', 'customer.erased')"
)
"""What stands before an erasure in its stream and has content."""


class _Naming(msgspec.Struct):
    """An entry and the files that it names, read from its envelope."""

    id: str
    files: tuple[FileRef, ...] = ()


_naming = msgspec.json.Decoder(_Naming)


class Broken(AssertionError):
    """An invariant of docs on quality does not hold. The number is the invariant's."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"invariant {number}: {what}")
        self.number = number


def _ids(conn: sqlite3.Connection, query: str, *values: object) -> set[str]:
    return {row[0] for row in conn.execute(query, values)}


class Checks:
    """Reads the databases of the server and of devices."""

    def __init__(self, server: SimServer) -> None:
        self._sim, self._server = server, server.db.raw
        self._as_of: tuple[object, int] = (None, 0)
        self._known: dict[tuple[str, tuple[object, ...]], list[tuple[Any, ...]]] = {}
        self.forget_server()
        self.may_be_torn = False
        """A database is lost where the power may go amid a journal line: what was never called saved may be a part of a group. Or a
        server was put back that had parts of a group as bytes, for it was too large for a proxy: the others come without them."""
        self.erased: set[str] = set()
        """What has lost its content at the server, at any time."""
        self._shown: dict[str, set[str]] = {}
        self._asked: dict[str, deque[int]] = {}
        self._whole: dict[str, dict[str, int]] = {}

    def _theirs(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the server, read again where it was written to or exchanged since."""
        as_of = (self._sim.replica, self._server.total_changes)
        if as_of != self._as_of:
            self._as_of, self._known = as_of, {}
        rows = self._known.get((query, values))
        if rows is None:
            rows = self._known[query, values] = self._server.execute(query, values).fetchall()
        return rows

    def after_erasing(self) -> None:
        """12: what an erasure comes after has no content."""
        self.erased |= _ids(self._server, "SELECT id FROM entries WHERE body IS NULL")
        for (raw,) in self._server.execute("SELECT raw FROM quarantine WHERE instr(raw, x'0a') = 0"):
            with suppress(msgspec.MsgspecError):
                self.erased.add(_naming.decode(raw).id)
        left = _ids(self._server, _ERASED)
        if left:
            raise Broken(12, f"erased at the server, and still there: {sorted(left)}")

    def forgotten(self, device: SimDevice) -> None:
        """12: what was erased is not on a device that has read everything either: in no database, journal or file."""
        gone = _ids(self._server, "SELECT id FROM entries WHERE body IS NULL")
        if not gone:
            return
        names = sorted(gone)
        left = _ids(device.db.raw, f"SELECT id FROM entries WHERE body IS NOT NULL AND id IN ({marks(names)})", *names)
        if left:
            raise Broken(12, f"{device.name} still has the content of {sorted(left)}")
        documents = _ids(device.db.raw, f"SELECT entry_id FROM documents WHERE entry_id IN ({marks(names)})", *names)
        if documents:
            raise Broken(12, f"{device.name} still has the documents of {sorted(documents)}")
        views = [row[0] for row in device.db.raw.execute("SELECT view FROM jobs UNION ALL SELECT state FROM stream_states")]
        spoken = gone - _ids(self._server, "SELECT id FROM entries WHERE type = 'part.used'")  # what was used stays
        if words := [said for entry, said in device.said.items() if entry in spoken and any(said in view for view in views)]:
            raise Broken(12, f"{device.name} still shows the words {words}")
        for (raw,) in self._server.execute("SELECT raw FROM quarantine WHERE instr(raw, x'0a') = 0 AND decided = ''"):
            with suppress(msgspec.MsgspecError):
                name = _naming.decode(raw).id
                own = "SELECT 1 FROM own_entries o JOIN entries e ON e.id = o.entry_id WHERE o.lane = 'refused' AND e.id = ? "
                if device.db.raw.execute(f"{own} AND o.outcome = '' AND e.body IS NOT NULL", (name,)).fetchone():
                    raise Broken(12, f"{device.name} still has the content of {name}, which it handed over as bytes")
        beside = b"".join(path.read_bytes() for path in sorted(device.home.path.rglob("*.jsonl")))
        words = [said for entry, said in device.said.items() if entry in gone and said in beside]
        if words:
            raise Broken(12, f"{device.name} still has the words {words} beside its database")
        files = _ids(self._server, "SELECT sha256 FROM files WHERE state = 'erased'")
        if kept := sorted(name for name in files if (device.home.files / name).exists()):
            raise Broken(12, f"{device.name} still has the erased files {kept}")

    def forget_server(self) -> None:
        """The server has another history: nothing that was read of it counts."""
        self._read: dict[str, int] = {}
        self._entries: set[str] = set()
        self._keys: set[str] = set()
        self._torn: set[str] = set()
        self._whole = {}

    # --- The server's log -------------------------------------------------------------------------------------------------------

    def after_push(self) -> None:
        """1: nothing is applied twice. 4: everything received has exactly one outcome. Positions have no gaps."""
        if self._sim.away is not None:
            return
        for log, head in self._server.execute("SELECT log, pos FROM log_heads").fetchall():
            last = self._read.get(log, 0)
            rows = self._server.execute(
                "SELECT pos, kind, entry_id, outcome, reason FROM log_rows WHERE log = ? AND pos > ? ORDER BY pos", (log, last)
            ).fetchall()
            for pos, kind, entry, outcome, reason in rows:
                last += 1
                if pos != last:
                    raise Broken(10, f"positions of {log}: {pos} follows {last - 1}")
                if outcome not in _OUTCOMES:
                    raise Broken(4, f"{entry} has the outcome {outcome!r}")
                if reason.startswith("the group it belongs to"):
                    self._torn.add(entry)
                if kind == "entry":
                    if entry in self._entries:
                        raise Broken(1, f"in the log twice: {entry}")
                    self._entries.add(entry)
            if head != last:
                raise Broken(10, f"positions of {log}: last {last}, head {head}")
            self._read[log] = last
        (count,) = self._server.execute("SELECT count(*) FROM entries").fetchone()
        if count != len(self._entries):
            raise Broken(4, f"{count} entries received, {len(self._entries)} with an outcome")
        self._keys = _ids(self._server, "SELECT id FROM quarantine")

    # --- A device ---------------------------------------------------------------------------------------------------------------

    def after_receipt(self, device: SimDevice) -> None:
        """2: what counts as received is committed at the server."""
        missing = _ids(device.db.raw, "SELECT entry_id FROM own_entries WHERE lane <> 'unsent'") - self._entries
        if missing and (lost := self._nowhere(device, missing)):
            raise Broken(2, f"{device.name} has a receipt for what the server has not: {sorted(lost)}")

    def _nowhere(self, device: SimDevice, entries: Iterable[str]) -> set[str]:
        """Those of these own entries whose bytes do not lie in the server's quarantine either."""
        lost = set()
        for entry in entries:
            row = device.db.raw.execute("SELECT raw, body, hash FROM entries WHERE id = ?", (entry,)).fetchone()
            keys = {hashlib.sha256(row[0] + b"\n" + (row[1] or b"")).hexdigest(), row[2]} if row else set()
            named = "SELECT 1 FROM quarantine WHERE instr(CAST(raw AS TEXT), ?)"  # also where the device has lost its copy
            if not keys & self._keys and not self._server.execute(named, (entry,)).fetchone():
                lost.add(entry)
        return lost

    def after_page(self, device: SimDevice) -> None:
        """10: every row up to the cursor that is in scope is there. 3: the same head gives the same digest."""
        raw = device.db.raw
        members: set[str] | None = set() if device.person.role == "technician" else None
        for log, cursor in raw.execute("SELECT log, cursor FROM cursors").fetchall():
            pos = int(cursor.partition(":")[0])
            if log == LOG and members is not None:
                self._rows_in_scope(device, log, pos)
                members = {row[0] for row in self._theirs(_HELD_SINCE, device.person.id, pos)}
            else:
                rows = "SELECT count(*), coalesce(sum(pos), 0) FROM log_rows WHERE log = ? AND pos <= ? AND entry_id IS NOT NULL"
                (theirs,), ours = self._theirs(rows, log, pos), raw.execute(rows, (log, pos)).fetchone()
                if theirs != ours:
                    raise Broken(10, f"{device.name} read {log} up to {pos}: {ours[0]} rows of {theirs[0]}")
        self._digests(device, members)
        self._own_view(device)

    def _rows_in_scope(self, device: SimDevice, log: str, pos: int) -> None:
        raw = device.db.raw
        whole = "SELECT stream FROM scope WHERE log = ? AND live AND upto <> ?"  # one that is leaving is not kept up any more
        live = _ids(raw, whole, log, LEAVING)
        held = live.intersection(stream for (stream,) in self._theirs(_HELD_SINCE, device.person.id, pos))
        own = "SELECT entry_id FROM log_rows WHERE log = ? AND pos <= ? AND device = ?"
        unread = _ids(raw, f"SELECT entry_id FROM own_entries WHERE entry_id NOT IN ({own})", log, pos, device.device_id)
        missing = unread & _ids(self._server, own, log, pos, device.device_id) if unread else unread
        if missing:
            raise Broken(10, f"{device.name} read {log} up to {pos} without the outcomes of its own {sorted(missing)}")
        rows = "SELECT stream, count(*), sum(pos) FROM stream_rows WHERE log = ? AND pos <= ? GROUP BY stream"
        theirs, ours = (
            {row[0]: row[1:] for row in found} for found in (self._theirs(rows, log, pos), raw.execute(rows, (log, pos)))
        )
        for stream in sorted(held):
            if theirs.get(stream) != ours.get(stream):
                raise Broken(10, f"{device.name} read {log} up to {pos}, {stream}: {ours.get(stream)} of {theirs.get(stream)}")
        known = self._whole.setdefault(device.name, {})
        for stream in sorted(live - held):  # it left, or left and came again, after the cursor
            upto = min(pos, known.get(stream, 0))
            one = "SELECT count(*), sum(pos) FROM stream_rows WHERE log = ? AND stream = ? AND pos <= ?"
            theirs_, ours_ = (conn.execute(one, (log, stream, upto)).fetchone() for conn in (self._server, raw))
            if theirs_ != ours_:
                raise Broken(10, f"{device.name} had {stream} of {log} up to {upto}, and has {ours_} of {theirs_}")
        self._whole[device.name] = {stream: at for stream, at in known.items() if stream in live} | dict.fromkeys(held, pos)

    def _members(self, device: SimDevice) -> set[str]:
        person = device.person.id
        return {row[0] for row in self._theirs(_HELD, person)}

    def _digests(self, device: SimDevice, members: set[str] | None) -> None:
        (read,) = device.db.raw.execute("SELECT coalesce(max(cursor + 0), 0) FROM cursors WHERE log = ?", (LOG,)).fetchone()
        if self._theirs("SELECT 1 FROM erasures WHERE log = ? AND pos > ?", LOG, read):
            return  # what the erasure takes, in any stream, is still here
        query = "SELECT stream, pos, digest, fold_version FROM stream_states WHERE digest <> ''"
        theirs = {row[0]: row[1:] for row in self._theirs(query)}
        if members is not None:  # one that left the scope is no longer whole: it stays only until own work is sent
            theirs = {stream: row for stream, row in theirs.items() if stream in members}
        # Kept for own work, or came back and fetched from where it was left. One that is read again because it differs counts.
        partly = _ids(device.db.raw, "SELECT stream FROM scope WHERE upto = ? OR (NOT live AND after > 0)", LEAVING)
        for stream, pos, digest, version in device.db.raw.execute(query):
            if stream in partly:
                continue
            there = theirs.get(stream)
            if there and there[0] == pos and there[2] == version and there[1] != digest:
                raise Broken(3, f"{device.name} folds {stream} at {pos} to another state than the server")

    def _own_view(self, device: SimDevice) -> None:
        """5: no projection is dropped while something of it is unsent. 6: own unsettled work never leaves the view.

        Unsettled is what has no outcome here: unsent, received, or handed over as quarantine. Once its outcome was read an entry
        stands in the server's order, and is shown with its stream, or fetched with it.
        """
        raw = device.db.raw
        lost = _ids(raw, "SELECT entry_id FROM own_entries WHERE entry_id NOT IN (SELECT id FROM entries)")
        if lost:
            raise Broken(6, f"{device.name} no longer has its own {sorted(lost)}")
        shown = _ids(raw, "SELECT stream FROM jobs")
        before = self._shown.get(device.name, set())
        own = raw.execute(
            "SELECT entry_id, stream, lane FROM own_entries WHERE lane IN ('unsent', 'received', 'refused') AND outcome = ''"
        ).fetchall()
        forgotten = _ids(raw, "SELECT id FROM entries WHERE body IS NULL") if self.erased else set()
        if forgotten - self.erased:
            raise Broken(12, f"{device.name} has lost the content of {sorted(forgotten - self.erased)}, which nobody erased")
        told = sorted({stream for entry, stream, _ in own if entry in device.said})
        views = dict(raw.execute(f"SELECT stream, view FROM jobs WHERE stream IN ({marks(told)})", told)) if told else {}
        for entry, stream, lane in own:
            if stream not in shown and lane == "unsent" and stream in before:
                raise Broken(5, f"{device.name} dropped {stream} though {entry} is unsent")
            if stream in shown and entry in device.said and entry not in forgotten and device.said[entry] not in views[stream]:
                raise Broken(6, f"{device.name} does not show its own {entry} in {stream}")
        self._shown[device.name] = shown

    def seen(self, device: SimDevice) -> None:
        """What it shows now, where nothing more can be asked of it."""
        self._shown[device.name] = _ids(device.db.raw, "SELECT stream FROM jobs")

    def forget_device(self, device: SimDevice) -> None:
        """Its database is another one: what it showed before is no promise, and what only it still had is gone."""
        device.gone |= device.spoiled - self._entries
        self.may_be_torn |= bool(device.gone)
        self._shown.pop(device.name, None)
        self._whole.pop(device.name, None)

    # --- What is asked and served -----------------------------------------------------------------------------------------------

    def served(self, who: Session, page: PullAnswer) -> None:
        """7: nothing out of scope is served after a scope change."""
        if who.role != "technician" or self._sim.away is not None:
            return
        mine = sorted(row[0] for row in self._theirs(_HELD, who.person))
        given = [row for row in page.rows if row.log != "org"]
        places = [row.pos for row in given]
        query = f"SELECT log, pos FROM stream_rows WHERE pos BETWEEN ? AND ? AND stream IN ({marks(mine)})"
        theirs = set(self._server.execute(query, (min(places), max(places), *mine))) if places else set()
        for row in given:
            if (row.log, row.pos) in theirs:
                continue
            (device,) = self._server.execute("SELECT device FROM log_rows WHERE log = ? AND pos = ?", (row.log, row.pos)).fetchone()
            if device != who.device and not self._theirs("SELECT 1 FROM erasures WHERE log = ? AND pos = ?", row.log, row.pos):
                raise Broken(7, f"{who.person} was given {row.log} {row.pos}, which is none of theirs")
        strange = {added.stream for added in page.added if added.log != "org"}.difference(mine)
        if strange:
            raise Broken(7, f"{who.person} was told to follow {sorted(strange)}")

    def asks(self, name: str, now: int, carries_on: bool) -> None:
        """11: no device asks more than five times a second.

        Not counted is what is bounded by the work there is (`carries_on`): a request that follows a good answer and asks for what
        was not asked for since the device was started, or began a new line of writing as after a restore. That is the next run or
        entry to hand over (another than the last one), the next page where the server said that there is more or something was
        just sent, the next piece of a file, the first question about a file. What is asked after a failure, or asked again,
        counts, in either lane.
        """
        if carries_on:
            return
        asked = self._asked.setdefault(name, deque(maxlen=ASKS + 1))
        asked.append(now)
        if len(asked) > ASKS and now - asked[0] < 1_000:
            raise Broken(11, f"{name} asked {len(asked)} times within {now - asked[0]} ms")

    # --- The end ----------------------------------------------------------------------------------------------------------------

    def done(self, device: SimDevice) -> bool:
        """Everything was sent, its outcome came, everything was read, every file that lies here is at the server. One that only a
        copy of this disk has is the copy's to send; this device asks about it now and then."""
        raw = device.db.raw
        (left,) = raw.execute(
            "SELECT (SELECT count(*) FROM own_entries WHERE lane = 'unsent') + "
            "(SELECT count(*) FROM scope WHERE NOT live AND upto > 0)"
        ).fetchone()
        waiting = raw.execute("SELECT sha256 FROM files WHERE state = 'here'").fetchall()
        if left or any((device.home.files / name).exists() for (name,) in waiting) or self._waiting_for_an_outcome(device):
            return False
        if self._called_sent(device) & _ids(self._server, "SELECT sha256 FROM files WHERE state = 'wanted'"):
            return False
        cursors = dict(raw.execute("SELECT log, cursor FROM cursors"))
        heads = self._server.execute("SELECT log, pos FROM log_heads").fetchall()
        return all(int(cursors.get(log, "0:").partition(":")[0]) == pos for log, pos in heads)

    @staticmethod
    def _called_sent(device: SimDevice) -> set[str]:
        """Files of which this device says that the server has them."""
        return _ids(device.db.raw, "SELECT sha256 FROM files WHERE state = 'sent'")

    def _waiting_for_an_outcome(self, device: SimDevice) -> list[str]:
        """Own entries that were received and are not settled. What counts as handed over as quarantine has no outcome, but where
        it stands in the log all the same."""
        rows = device.db.raw.execute("SELECT entry_id, lane FROM own_entries WHERE lane IN ('received', 'refused')").fetchall()
        return [entry for entry, lane in rows if lane == "received" or entry in self._entries]

    def whole_server(self) -> None:
        """4, 9 and the scope of everybody, from the start."""
        self.forget_server()
        self.after_push()
        for sha256, state in self._server.execute("SELECT sha256, state FROM files").fetchall():
            if state not in ("here", "wanted", "erased"):
                raise Broken(9, f"the file {sha256} is neither here nor missing")
            if state == "erased" and self._sim.holds(sha256):
                raise Broken(12, f"the erased file {sha256} is still there")
            if state == "here" and not self._sim.holds(sha256):
                raise Broken(9, f"the server says it has {sha256} and has not")
        named = {file.sha256 for (raw,) in self._server.execute("SELECT raw FROM entries") for file in _naming.decode(raw).files}
        unknown = named - _ids(self._server, "SELECT sha256 FROM files")
        if unknown:
            raise Broken(9, f"files are named and not listed: {sorted(unknown)}")
        for entry in sorted(self._torn):  # allowed only where another part of the group could not be read as an entry at all
            if self.may_be_torn:
                break
            unread = "SELECT 1 FROM quarantine q, entries e WHERE e.id = ? AND instr(CAST(q.raw AS TEXT), e.group_id)"
            stands = (  # where a group was too large for a proxy, its entries were handed over one by one: none of it stands
                "SELECT 1 FROM log_rows r JOIN entries o ON o.id = r.entry_id JOIN entries e ON e.group_id = o.group_id "
                "WHERE e.id = ? AND r.outcome IN ('applied', 'late', 'conflict')"
            )
            if self._server.execute(stands, (entry,)).fetchone() and not self._server.execute(unread, (entry,)).fetchone():
                raise Broken(1, f"a group was torn apart: {entry}")
        self._scopes()

    def _scopes(self) -> None:
        """A technician holds what the jobs given to them need, and nothing else. No run lasts 90 days: closed ones are held too."""
        wanted: dict[str, set[str]] = {"tech-1": set(), "tech-2": set()}
        for stream, state in self._server.execute("SELECT stream, state FROM stream_states WHERE stream LIKE 'job:%'").fetchall():
            job = read_state(stream, state)
            assert isinstance(job, JobState)
            needs = {stream, f"customer:{job.customer}", *(f"asset:{asset}" for asset in job.assets)}
            holder = job.assignee or (job.created.author if job.created else "")
            for person in {holder, *job.helpers} if job.id else ():
                wanted.setdefault(person, set()).update(needs)
        for person in ("tech-1", "tech-2"):
            held = _ids(self._server, "SELECT stream FROM memberships WHERE person = ? AND until_pos IS NULL", person)
            if held != wanted[person]:
                raise Broken(7, f"{person} holds {sorted(held ^ wanted[person])} too much or too little")

    def at_the_end(self, device: SimDevice) -> None:
        """1: everything saved is at the server, once; its outcome came back; and the device shows what the server shows."""
        self.arrived(device)
        raw = device.db.raw
        left = _ids(raw, "SELECT entry_id FROM own_entries WHERE lane = 'unsent'") | set(self._waiting_for_an_outcome(device))
        if left:
            raise Broken(8, f"{device.name} is not done with {sorted(left)}")
        self.after_receipt(device)
        self.after_page(device)
        self.forgotten(device)
        technician = device.person.role == "technician"
        wanted = self._members(device) if technician else _ids(self._server, "SELECT stream FROM stream_states")
        query = "SELECT stream, pos, digest FROM stream_states WHERE digest <> ''"
        theirs = {row[0]: row for row in self._server.execute(query) if row[0] in wanted}
        ours = {row[0]: row for row in raw.execute(query)}
        leaving = _ids(raw, "SELECT stream FROM scope WHERE upto = ?", LEAVING)  # many at once are believed a minute later
        wrong = [s for s in sorted(theirs.keys() | ours.keys()) if ours.get(s) != theirs.get(s) and s not in leaving]
        if wrong:
            mine, there = ours.get(wrong[0]), theirs.get(wrong[0])
            raise Broken(3, f"{device.name} does not show {wrong[0]} as the server has it: {mine} for {there}")
        served = _ids(self._server, "SELECT sha256 FROM files WHERE state = 'here'")
        lost = sorted(sha256 for sha256 in self._called_sent(device) if sha256 not in served or not self._sim.holds(sha256))
        if lost:
            raise Broken(9, f"{device.name} counts files as sent that the server has not: {lost}")

    def arrived(self, device: SimDevice) -> None:
        """1: what was saved is in the log, or, where the server could not take it, in its quarantine."""
        missing = set(device.saved) - self._entries - device.gone
        if missing and (lost := self._nowhere(device, missing)):
            raise Broken(1, f"saved on {device.name} but never at the server: {sorted(lost)}")
