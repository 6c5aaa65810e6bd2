"""Own files leave a device by the same rule as what is kept of their entries.

A file of a job goes only when the server has said that it holds it, when every own entry that names it is settled, is in a backup
of the server (`safe_seq`) and was received 90 days ago, when the jobs of these entries have left the device, and when nothing else
names it any more: no kept segment, no line of the journal, no draft. Its row stays and says that the server has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from fieldapp.domain.entry import read_entry
from fieldapp.domain.problem import Problem
from fieldapp.store.database import Database, chunks, marks

AWAY = "away"
"""State of an own file that left this device with its job: the server has it."""

_SHOWN = "SELECT stream FROM jobs UNION ALL SELECT stream FROM stream_states UNION ALL SELECT stream FROM scope"
_SENT = f"""
SELECT sha256 FROM files WHERE state = 'sent' AND job GLOB 'job:*' AND job NOT IN ({_SHOWN})
AND NOT EXISTS (SELECT 1 FROM own_entries o WHERE o.lane = 'settled' AND o.stream = files.job AND o.received_at >= ?)
"""
"""Those of which it is worth asking more."""
_NAMING = """
SELECT e.id, e.raw, e.stream, o.lane FROM entries e LEFT JOIN own_entries o ON o.entry_id = e.id WHERE instr(e.raw, ?)
"""
_DRAFTED = "SELECT 1 FROM drafts WHERE instr(text, ?) LIMIT 1"


def files_to_go(
    db: Database, conn: Connection, before: int, not_safe: Callable[[list[str], int], set[str]], beside: Callable[[], set[str]]
) -> list[str]:
    """Files of this device that nobody needs here any more, by hash.

    Args:
        before: what was received later stays (ms UTC). not_safe: those of own entries (ids) that no backup of the server holds, or
            that were received at a time (ms UTC) or later. beside: files that are named beside the database; asked for only where
            it comes to that.
    """
    candidates = sorted(sha256 for (sha256,) in db.rows(conn, _SENT, (before,)))
    if not candidates:
        return []
    shown = {stream for (stream,) in db.rows(conn, _SHOWN)}
    named: dict[str, set[str]] = {}
    kept = set[str]()
    for name, raw, stream, lane in db.rows(conn, _NAMING, (b'"sha256"',)):
        envelope = read_entry(raw, None, trusted=True).envelope
        # an entry of somebody else, of a job that is here, that waits for a decision, or of a clock that says otherwise
        stays = lane != "settled" or stream in shown or envelope.at.wall >= before
        for file in envelope.files:
            named.setdefault(file.sha256, set()).add(name)
            if stays:
                kept.add(file.sha256)
    going = [sha256 for sha256 in candidates if sha256 in named and sha256 not in kept]
    unsafe = not_safe(sorted({name for sha256 in going for name in named[sha256]}), before) if going else set()
    going = [sha256 for sha256 in going if unsafe.isdisjoint(named[sha256])]
    held = beside() if going else set()
    return [sha256 for sha256 in going if sha256 not in held and not db.rows(conn, _DRAFTED, (sha256,))]


def let_files_go(db: Database, folder: Path, names: Iterable[str]) -> None:
    """Remove files, and note that they are at the server alone. What the power cuts short is done again at the next start."""
    gone = []
    for sha256 in names:
        with suppress(OSError):  # it is tried again at the next start
            (folder / sha256).unlink(missing_ok=True)
            gone.append(sha256)
    for part in chunks(gone):
        with suppress(Problem), db.write() as conn:
            db.run(conn, f"UPDATE files SET state = ? WHERE state = 'sent' AND sha256 IN ({marks(part)})", (AWAY, *part))
