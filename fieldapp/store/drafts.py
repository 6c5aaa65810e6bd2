"""Half-typed text of steps: every keystroke survives a crash, and the same step reopens with the same text.

A draft belongs to a job, a step and the version of the procedure it was typed under: another version may ask something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection

from fieldapp.store.database import Database
from fieldapp.store.tables import DraftRow

_FORGET = "DELETE FROM drafts WHERE job = ? AND step = ? AND version = ?"
_recorded_as: ContextVar[tuple[str, str, int] | None] = ContextVar("recorded_as", default=None)


@contextmanager
def recording(job: str, step: str, version: int) -> Iterator[None]:
    """What this thread records inside was typed as this draft, which goes in the same transaction (see `forget_recorded`): a power
    cut leaves the draft or the record, not both and not neither."""
    before = _recorded_as.set((job, step, version))
    try:
        yield
    finally:
        _recorded_as.reset(before)


def forget_recorded(conn: Connection) -> None:
    """Called where something is recorded, in its transaction."""
    draft = _recorded_as.get()
    if draft is not None:
        conn.exec_driver_sql(_FORGET, draft)


class Drafts:
    """The drafts of one device. Each call is one small transaction; `save` is on disk when it returns.

    Raises (all methods): Problem: `disk-full`, `database-busy`; the draft saved before is still there.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def save(self, job: str, step: str, version: int, text: str, at: int) -> None:
        """Keep what is typed so far. Characters that are none (half of a pair, pasted in) are kept as `?`."""
        kept = text.encode("utf-8", "replace").decode("utf-8")
        with self._db.write() as conn:
            self._db.upsert(conn, DraftRow, [{"job": job, "step": step, "version": version, "text": kept, "at": at}])

    def load(self, job: str, step: str, version: int) -> str | None:
        """The text typed for a step under this version of its procedure, None where there is none."""
        query = "SELECT text FROM drafts WHERE job = ? AND step = ? AND version = ?"
        with self._db.read() as conn:
            found = conn.exec_driver_sql(query, (job, step, version)).scalar()
        return None if found is None else str(found)

    def forget(self, job: str, step: str, version: int) -> None:
        """The text was given up."""
        with self._db.write() as conn:
            conn.exec_driver_sql(_FORGET, (job, step, version))
