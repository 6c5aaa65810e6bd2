"""The desk: what the office decides on entries that do not stand. Every decision is an entry of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from fieldapp.domain.decided import why_not_released
from fieldapp.domain.entry_types import office
from fieldapp.domain.entry_types.base import Body, read_body
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.domain.recording import plan_record
from fieldapp.domain.roles import FIELD, OFFICE
from fieldapp.services.work import also_of
from fieldapp.store.device import DeviceReplica
from fieldapp.store.queries.desk import DeskItem, item_named, on_desk, own_decisions, step_of
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.lists import view_of_job
from fieldapp.store.queries.reader import Reader
from fieldapp.store.rows import Draft, Saved

Keep = Literal["ours", "theirs"]
"""`ours`: what stands in the log; `theirs`: the entry that came second and is in conflict with it."""
_BYTES = re.compile(r"[0-9a-f]{64}\Z")


class DeskDecision(msgspec.Struct, frozen=True):
    """A decision that was recorded: on what, and which one (`released`, `dismissed`, `take`, `keep`, `merge`)."""

    about: str
    verb: str
    saved: Saved


class Desk:
    """Decides on what the logs of this device's person hold.

    Args:
        replica: where it is recorded. reader: the same database, for looking. documents: procedures.
    """

    def __init__(self, replica: DeviceReplica, reader: Reader, documents: Documents) -> None:
        self._replica, self._reader, self._documents = replica, reader, documents

    def release(self, name: str, reason: str = "", log: str = "") -> DeskDecision:
        """Let an entry stand that was held, put aside or in conflict, and its group with it.

        Args:
            name: id of an entry, or a part of it that only one has; the SHA-256 of bytes in quarantine.
            log: of the bytes; the own branch's where empty.

        Raises:
            Problem: `not-your-role`, `desk-unknown`, `desk-ambiguous`, `desk-decided`, `desk-stands`, `desk-cannot-stand` with the
                reason.
        """
        if _BYTES.match(name):
            return self._decide_bytes(office.EntryReleased(name, reason.strip()), log)
        item = self._find(name)
        self._check_can_stand(item)
        if item.kind == "conflict":
            return self._record(item, office.ConflictDecided(item.id, reason.strip(), "take"))
        return self._record(item, office.EntryReleased(item.id, reason.strip()))

    def dismiss(self, name: str, reason: str, log: str = "") -> DeskDecision:
        """Put an entry aside for good; it stays in the log, and its author reads the reason. Arguments and errors as for `release`;
        `reason-needed`."""
        reason = _reason(reason, "Putting a record aside needs a reason.")
        if _BYTES.match(name):
            return self._decide_bytes(office.EntryDismissed(name, reason), log)
        item = self._find(name)
        if item.kind == "conflict":
            return self._record(item, office.ConflictDecided(item.id, reason, "keep"))
        return self._record(item, office.EntryDismissed(item.id, reason))

    def keep(self, name: str, side: str, reason: str) -> DeskDecision:
        """Choose a side of a conflict.

        Args:
            side: `ours`, `theirs`, or the id (or a part of it) of the entry that is to stand.

        Raises:
            Problem: as for `release`; `reason-needed`, `desk-no-conflict`, `desk-no-side`.
        """
        item = self._conflict(name)
        reason = _reason(reason, "Choosing a side needs a reason.")
        if self._side(item, side) == "ours":
            return self._record(item, office.ConflictDecided(item.id, reason, "keep"))
        self._check_can_stand(item)
        return self._record(item, office.ConflictDecided(item.id, reason, "take"))

    def merge(self, name: str, value: str, reason: str) -> DeskDecision:
        """Neither side as it is: amend the step to another value, and close the conflict with it, as one action.

        Raises:
            Problem: as for `keep`; `desk-no-step` where the conflict is not about one step; those of `plan_record`.
        """
        item = self._conflict(name)
        reason = _reason(reason, "Merging needs a reason.")
        role = self._replica.identity.role
        if role not in FIELD:
            raise Problem(
                "not-your-role", f"A {role} does not record results of steps.", "Choose a side, or ask a supervisor to merge them."
            )
        key = step_of(item)
        job = view_of_job(self._reader, item.stream)
        if not key or job is None:
            raise Problem("desk-no-step", "This conflict is not about the result of one step.", "Choose a side instead.")
        plan = plan_record(
            job, self._documents.pinned(job.procedures), key, value, now_ms=self._replica.clock.now(), reason=reason,
            zone=self._documents.zone(item.log),
        )  # fmt: skip
        bodies: list[Body] = [office.ConflictDecided(item.id, reason, "merge"), *plan.bodies]
        saved = self._replica.append([Draft(item.log, item.stream, body, also_of(job, body)) for body in bodies])
        return DeskDecision(item.id, "merge", saved)

    # --- Inside -----------------------------------------------------------------------------------------------------------------

    def _check_role(self) -> None:
        role = self._replica.identity.role
        if role not in OFFICE:
            raise Problem("not-your-role", f"A {role} does not decide at the desk; the office does.", "Nothing was recorded.")

    def _find(self, name: str) -> DeskItem:
        self._check_role()
        desk = on_desk(self._reader, self._replica.clock.now())
        if not item_named(desk.waiting, name) and item_named(desk.late, name):
            raise Problem(
                "desk-stands", "This came late, and it stands: there is nothing to decide.", "Nothing was recorded. Whoever has "
                "the job now can correct it, and you can send its steps back."
            )  # fmt: skip
        found = named(desk.waiting, name)
        if found.decided:
            raise _decided()
        return found

    def _conflict(self, name: str) -> DeskItem:
        item = self._find(name)
        if item.kind != "conflict":
            raise Problem(
                "desk-no-conflict",
                f"This record is not in conflict: it is {item.kind}.",
                "Release it, or dismiss it with a reason.",
            )
        return item

    def _side(self, item: DeskItem, side: str) -> Keep:
        from fieldapp.store.queries.desk import standing_side

        wanted = side.strip().casefold()
        if wanted in ("ours", "theirs"):
            return wanted  # type: ignore[return-value]
        sides: dict[Keep, Sequence[str]] = {
            "theirs": [line.entry.id for line in item.lines],
            "ours": [line.entry.id for line in standing_side(self._reader, item)],
        }
        found: list[Keep] = [
            name for name, ids in sides.items()
            if len(wanted) >= 4 and any(entry.startswith(wanted) or entry.endswith(wanted) for entry in ids)
        ]  # fmt: skip
        if len(found) != 1:
            raise Problem(
                "desk-no-side", f"{side[:40]!r} names no side of this conflict.", "Say ours, theirs, or the id of one entry."
            )
        return found[0]

    def _check_can_stand(self, item: DeskItem) -> None:
        """What the server would say, said at once."""
        role, view = self._replica.identity.role, view_of_job(self._reader, item.stream)
        state = (view or JobState()) if item.stream.startswith("job:") else None
        for line in item.lines:
            try:
                body = read_body(line.entry)
            except Problem:
                body = None
            fault = why_not_released(role, line.entry.envelope, body, state)
            if fault is not None:
                raise Problem(
                    "desk-cannot-stand",
                    f"This record cannot stand as things are: {fault.reason}.",
                    "Nothing was recorded. Change what is in its way first, or dismiss it with a reason.",
                )

    def _record(self, item: DeskItem, body: office.Decision) -> DeskDecision:
        here = item.stream.startswith("job:") and view_of_job(self._reader, item.stream) is not None
        home = item.line.entry.envelope.log == item.log
        stream = item.stream if here and home else f"desk:{item.log}"
        saved = self._replica.append([Draft(item.log, stream, body)])
        return DeskDecision(item.id, body.verb(), saved)

    def _decide_bytes(self, body: office.Decision, log: str) -> DeskDecision:
        self._check_role()
        if body.about in own_decisions(self._reader):
            raise _decided()
        log = log or self._replica.identity.log
        saved = self._replica.append([Draft(log, f"desk:{log}", body)])
        return DeskDecision(body.about, body.verb(), saved)


def named(items: Sequence[DeskItem], name: str) -> DeskItem:
    """The one item that a text names.

    Raises:
        Problem: `desk-unknown`, `desk-ambiguous`.
    """
    found = item_named(items, name)
    if not found:
        raise Problem(
            "desk-unknown", f"Nothing at the desk is called {name.strip()[:64]!r}.", "`fieldapp desk` lists what is there."
        )
    if len(found) > 1:
        raise Problem(
            "desk-ambiguous", f"{name.strip()[:64]!r} can be more than one record.",
            "Give more of the id: " + ", ".join(item.id for item in found[:4]) + ".",
        )  # fmt: skip
    return found[0]


def _decided() -> Problem:
    return Problem("desk-decided", "This was decided here already; the decision is on its way.", "Nothing was recorded twice.")


def _reason(reason: str, words: str) -> str:
    said = reason.strip()
    if not said:
        raise Problem("reason-needed", words, "Whoever recorded it will read it.")
    return said
