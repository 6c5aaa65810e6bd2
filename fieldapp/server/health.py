"""Is it well, and how much is it doing: what a monitor asks. Nothing here is secret or about a person."""

from __future__ import annotations

import hmac

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import text

from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database
from fieldapp.sync.protocol import is_loopback


def database_answers(db: Database) -> bool:
    try:
        with db.read() as conn:
            conn.execute(text("SELECT 1"))
    except Problem:
        return False
    return True


class Metrics:
    """Counters of one server, in a registry of their own: several servers may run in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("fieldapp_requests", "Requests answered", ["call", "status"], registry=self._registry)
        self.seconds = Histogram("fieldapp_request_seconds", "Time to answer", ["call"], registry=self._registry)
        self.entries = Counter("fieldapp_entries", "Entries pushed", ["status"], registry=self._registry)
        self.rows = Counter("fieldapp_rows_pulled", "Rows sent to devices", registry=self._registry)
        self.listeners = Gauge("fieldapp_listeners", "Open event streams", registry=self._registry)
        self.worker = Gauge("fieldapp_worker", "Which of several server processes these figures are of", registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)


def may_read_metrics(client: str, forwarded: bool, token: str, expected: str) -> bool:
    """From this machine, unless it only passed the request on for somebody else; or with the token."""
    if expected and hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode("utf-8")):
        return True
    return is_loopback(client) and not forwarded
