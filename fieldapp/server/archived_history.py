"""Whether the history in a backup's archive is what was written: every hash and every chain, computed anew."""

from __future__ import annotations

from typing import Any

from fieldapp.domain.entry import chain_hash, sha256
from fieldapp.domain.problem import Problem
from fieldapp.server.archive import ArchiveReader
from fieldapp.store.server import row_chain


def check_history(reader: ArchiveReader) -> None:
    """Compute every hash and chain anew: of entries, of logs and of the devices' lines of writing.

    Raises:
        Problem: `history-damaged`, naming the place.
    """
    try:
        _check_history(reader)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(f"a row has another shape ({error})") from None


def _check_history(reader: ArchiveReader) -> None:
    hashes: dict[str, str] = {}
    for row in reader.rows("entries"):
        if sha256(row["raw"]) != row["hash"]:
            raise _damaged(f"the entry {row['id']} is not what was written")
        hashes[row["id"]] = row["hash"]
    reached: dict[str, tuple[int, str]] = {}
    for row in reader.rows("log_rows"):
        pos, chain = reached.get(row["log"], (0, ""))
        about = hashes[row["entry_id"]] if row["entry_id"] else ""
        if row["pos"] != pos + 1 or row_chain(chain, row["pos"], row["kind"], about, row["outcome"]) != row["chain"]:
            raise _damaged(f"the log {row['log']} is broken at position {pos + 1}")
        reached[row["log"]] = (row["pos"], row["chain"])
    for log, head in reader.manifest.heads.items():
        if reached.get(log, (0, "")) != tuple(head):
            raise _damaged(f"the log {log} does not reach its head")
    lines: dict[str, tuple[int, str]] = {}
    aside = [row["id"] for row in reader.rows("quarantine")]
    for row in reader.rows("positions"):
        seq, chain = lines.get(row["epoch"], (0, ""))
        if row["seq"] != seq + 1 or not _continues(chain, row, hashes, aside):
            raise _damaged(f"the line {row['epoch']} is broken at {seq + 1}")
        lines[row["epoch"]] = (row["seq"], row["hash"])
    for row in reader.rows("device_epochs"):
        if lines.get(row["epoch"], (0, "")) != (row["seq"], row["hash"]):
            raise _damaged(f"the line {row['epoch']} does not reach its head")


def _continues(chain: str, row: dict[str, Any], hashes: dict[str, str], aside: list[str]) -> bool:
    """Whether a position follows from the chain before it. Bytes handed over as quarantine have a position, but were never read as
    an entry; what came under the id of another entry lies aside under its own hash."""
    about = hashes.get(row["entry_id"])
    if about is None or chain_hash(chain, row["seq"], about) == row["hash"]:
        return True
    return any(chain_hash(chain, row["seq"], other) == row["hash"] for other in aside)


def _damaged(reason: str) -> Problem:
    return Problem("history-damaged", f"The history does not verify: {reason}.", "Nothing was changed. Use an earlier backup.")
