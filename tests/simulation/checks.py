"""What must hold after every step, read with plain SQL from outside: only what was committed is seen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fieldapp.store.receiving import LEAVING
from tests.simulation.company import LOG, PEOPLE


class Broken(AssertionError):
    """An invariant of docs on quality does not hold. The number is the invariant's."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"invariant {number}: {what}")
        self.number = number


def _ids(conn: sqlite3.Connection, query: str, *values: object) -> set[str]:
    return {row[0] for row in conn.execute(query, values)}


class Checks:
    """Reads the databases of the server and of devices by name."""

    def __init__(self, server: Path, devices: dict[str, Path]) -> None:
        self._server = sqlite3.connect(server, isolation_level=None)
        self._devices = {name: sqlite3.connect(path, isolation_level=None) for name, path in devices.items()}

    def close(self) -> None:
        for conn in (self._server, *self._devices.values()):
            conn.close()

    def after_push(self) -> None:
        """1: nothing is applied twice. 4: everything received has exactly one outcome. Positions have no gaps."""
        twice = self._server.execute(
            "SELECT entry_id FROM log_rows WHERE kind = 'entry' GROUP BY entry_id HAVING count(*) > 1"
        ).fetchall()
        if twice:
            raise Broken(1, f"in the log twice: {twice}")
        entries, rows = self._server.execute(
            "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM log_rows WHERE kind = 'entry')"
        ).fetchone()
        if entries != rows:
            raise Broken(4, f"{entries} entries received, {rows} with an outcome")
        torn = self._server.execute("SELECT entry_id FROM log_rows WHERE reason LIKE 'the group it belongs to%'").fetchall()
        if torn:
            raise Broken(1, f"groups were torn apart: {torn}")
        for log, count, top, head in self._server.execute(
            "SELECT r.log, count(*), max(r.pos), h.pos FROM log_rows r JOIN log_heads h ON h.log = r.log GROUP BY r.log"
        ):
            if not count == top == head:
                raise Broken(10, f"positions of {log}: {count} rows, last {top}, head {head}")

    def after_receipt(self, name: str) -> None:
        """2: what counts as received is committed at the server."""
        acknowledged = _ids(self._devices[name], "SELECT entry_id FROM own_entries WHERE lane IN ('received', 'settled')")
        missing = acknowledged - _ids(self._server, "SELECT id FROM entries") - self._quarantined()
        if missing:
            raise Broken(2, f"{name} has a receipt for what the server has not: {sorted(missing)}")

    def _quarantined(self) -> set[str]:
        return _ids(self._server, "SELECT entry_id FROM positions WHERE entry_id NOT IN (SELECT id FROM entries)")

    def after_page(self, name: str) -> None:
        """10: every row up to the cursor that is in scope is there. 3: the same head gives the same digest."""
        device, person = self._devices[name], PEOPLE[name]
        for log, cursor in device.execute("SELECT log, cursor FROM cursors").fetchall():
            pos = int(cursor.partition(":")[0])
            if log == LOG and person.role == "technician":
                self._rows_in_scope(name, log, pos)
            else:
                rows = "SELECT pos FROM log_rows WHERE log = ? AND pos <= ? AND entry_id IS NOT NULL"
                missing = set(self._server.execute(rows, (log, pos))) - set(device.execute(rows, (log, pos)))
                if missing:
                    raise Broken(10, f"{name} read {log} up to {pos} without {sorted(missing)}")
        self._digests(name)
        lost = _ids(device, "SELECT entry_id FROM own_entries WHERE entry_id NOT IN (SELECT id FROM entries)")
        if lost:
            raise Broken(6, f"{name} no longer has its own {sorted(lost)}")

    def _rows_in_scope(self, name: str, log: str, pos: int) -> None:
        device = self._devices[name]
        whole = "SELECT stream FROM scope WHERE log = ? AND live AND upto <> ?"  # one that is leaving is not kept up any more
        held = _ids(device, whole, log, LEAVING) & self._members(name)
        own = "SELECT entry_id FROM log_rows WHERE log = ? AND pos <= ? AND device = ?"
        there = _ids(self._server, own, log, pos, f"dev-{name}") & _ids(device, "SELECT entry_id FROM own_entries")
        missing = there - _ids(device, own, log, pos, f"dev-{name}")
        if missing:
            raise Broken(10, f"{name} read {log} up to {pos} without the outcomes of its own {sorted(missing)}")
        rows = "SELECT pos FROM stream_rows WHERE log = ? AND stream = ? AND pos <= ?"
        for stream in sorted(held):
            missing = set(self._server.execute(rows, (log, stream, pos))) - set(device.execute(rows, (log, stream, pos)))
            if missing:
                raise Broken(10, f"{name} read {log} up to {pos} without rows {sorted(missing)} of {stream}")

    def _members(self, name: str) -> set[str]:
        return _ids(self._server, "SELECT stream FROM memberships WHERE person = ? AND until_pos IS NULL", name)

    def _digests(self, name: str) -> None:
        query = "SELECT stream, pos, digest, fold_version FROM stream_states WHERE digest <> ''"
        theirs = {row[0]: row[1:] for row in self._server.execute(query)}
        if PEOPLE[name].role == "technician":  # one that left the scope is no longer whole: it stays only until own work is sent
            members = self._members(name)
            theirs = {stream: row for stream, row in theirs.items() if stream in members}
        for stream, pos, digest, version in self._devices[name].execute(query):
            there = theirs.get(stream)
            if there and there[0] == pos and there[2] == version and there[1] != digest:
                raise Broken(3, f"{name} folds {stream} at {pos} to another state than the server")

    def at_the_end(self, name: str, saved: list[str]) -> None:
        """1: everything saved is at the server, once; its outcome came back; and the device shows what the server shows."""
        missing = set(saved) - _ids(self._server, "SELECT entry_id FROM log_rows WHERE kind = 'entry'")
        if missing:
            raise Broken(1, f"saved on {name} but never at the server: {sorted(missing)}")
        device = self._devices[name]
        left = device.execute("SELECT entry_id, lane FROM own_entries WHERE lane NOT IN ('settled', 'refused')").fetchall()
        if left:
            raise Broken(8, f"{name} is not done with {left}")
        self.after_page(name)
        wanted = (
            self._members(name) if PEOPLE[name].role == "technician" else _ids(self._server, "SELECT stream FROM stream_states")
        )
        query = "SELECT stream, pos, digest FROM stream_states WHERE digest <> ''"
        theirs = {row[0]: row for row in self._server.execute(query) if row[0] in wanted}
        ours = {row[0]: row for row in device.execute(query)}
        wrong = [stream for stream, row in sorted(theirs.items()) if ours.get(stream) != row]
        if wrong:
            raise Broken(3, f"{name} does not show {wrong[0]} as the server has it: {ours.get(wrong[0])} for {theirs[wrong[0]]}")
