"""The standard: publishing versions of procedures, so that from then on every job pins exactly what was published."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fieldapp.domain.entry import BODY_LIMIT, FileRef, encode
from fieldapp.domain.entry_types.reference import ProcedurePublished
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.roles import OFFICE
from fieldapp.store.device import DeviceReplica
from fieldapp.store.queries.documents import Documents
from fieldapp.store.rows import Draft, Saved

KeepBytes = Callable[[bytes, str, str], FileRef]
"""Stores bytes as a file by content, durably, under a name and media type."""

SHARED_LOG = "org"
"""The log of what all branches share: one standard for the whole chain."""


class Published(msgspec.Struct, frozen=True):
    """A procedure version. `saved` is None where exactly this was published before."""

    code: str
    version: int
    steps: int
    saved: Saved | None


class Standard:
    """Publishing procedures.

    Args:
        keep: where a procedure goes that is too large for an entry.
    """

    def __init__(self, replica: DeviceReplica, documents: Documents, keep: KeepBytes) -> None:
        self._replica, self._documents, self._keep = replica, documents, keep

    def publish(self, procedure: Procedure) -> Published:
        """Publish a procedure as the next version of its code. What was published already, word for word, is not published again.

        Raises:
            Problem: `not-your-role`, `bad-value` for a code that cannot name a procedure.
        """
        role = self._replica.identity.role
        if role not in OFFICE:
            raise Problem("not-your-role", f"A {role} does not publish procedures; the office does.", "Nothing was published.")
        versions = self._documents.versions(procedure.code)
        for known in reversed(versions):
            published = self._documents.procedure(known.code, known.version, known.entry)
            if published is not None and msgspec.structs.replace(procedure, version=known.version) == published:
                return Published(known.code, known.version, len(published.steps), None)
        version = versions[-1].version + 1 if versions else max(1, procedure.version)
        procedure = msgspec.structs.replace(procedure, version=version)
        body = ProcedurePublished(procedure.code, version, procedure.kind, procedure.title, procedure)
        files: tuple[FileRef, ...] = ()
        if len(encode(body)) > BODY_LIMIT:
            file = self._keep(encode(procedure), f"{procedure.code}-{version}.json", "application/json")
            body = ProcedurePublished(procedure.code, version, procedure.kind, procedure.title, None, file.sha256)
            files = (file,)
        saved = self._replica.append([Draft(SHARED_LOG, f"procedure:{procedure.code}", body, (), files)])
        return Published(procedure.code, version, len(procedure.steps), saved)
