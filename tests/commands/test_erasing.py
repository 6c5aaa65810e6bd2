"""The administrator forgets a customer of the demo company while the server runs; the office's device forgets with it."""

from __future__ import annotations

from pathlib import Path

from tests.commands.runs import Commands, Device
from tests.commands.test_shapes import documented
from tests.live_server import LiveServer

CLOSED = ("approved", "cancelled", "declined")


def test_a_customer_is_forgotten_by_command(server: LiveServer, supervisor: Device, tmp_path: Path) -> None:
    admin = Commands("--server-home", str(tmp_path / "server"))
    supervisor("sync").good()
    jobs = supervisor("jobs", "--json").json
    customer = next(job["customer"] for job in jobs if job["status"] in ("assigned", "unassigned"))
    admin("admin", "erase", customer).refused("are open")
    admin("admin", "erase", "nobody-of-this-name").refused("no customer")
    for job in jobs:
        if job["customer"] != customer or job["status"] in CLOSED:
            continue
        if job["status"] == "completed":
            supervisor("review", job["number"], "approve", "--anyway", "--note", "closing").good()
        else:
            supervisor("cancel", job["number"], "--reason", "moved away").good()
    supervisor("sync").good()
    told = documented("admin erase", admin("admin", "erase", customer, "--reason", "asked in writing", "--json").json)
    assert told["customer"] == customer
    assert told["jobs"] > 0
    assert told["entries"] > told["jobs"]
    supervisor("sync").good()
    of_customer = [job for job in supervisor("jobs", "--json").json if job["customer"] == customer]
    assert len(of_customer) == told["jobs"]
    assert {job["status"] for job in of_customer} <= set(CLOSED)
    for job in of_customer:
        shown = supervisor("job", job["number"], "--json").json
        assert all(step["value"] is None for part in shown["procedures"] for step in part["steps"])
    supervisor("doctor").good()
    again = admin("admin", "erase", customer).good().out
    assert "Nothing is left to erase" in again
    assert "before-restore" not in again
    (tmp_path / "server" / "server.db.before-restore").write_bytes(b"")
    assert "server.db.before-restore may hold it still" in admin("admin", "erase", customer).good().out
