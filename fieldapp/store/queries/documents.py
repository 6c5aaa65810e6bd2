"""Reference documents as this device holds them: who, where, what is sold, what is promised, how it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from fieldapp.domain.documents import Asset, Branch, Calendar, Contract, Customer, Pack, Person, Product, Segment, Site
from fieldapp.domain.entry import sha256
from fieldapp.domain.entry_types import reference, type_of
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.store.queries.reader import Reader

BodyT = TypeVar("BodyT", bound=reference.Reference)

_ONE = "SELECT body FROM documents WHERE stream = ? AND type = ? AND key = ?"
_OF_STREAM = "SELECT stream, key, body FROM documents WHERE stream = ? AND type = ?"
_OF_TYPE = "SELECT stream, key, body FROM documents WHERE type = ?"
_OWN = """
SELECT e.stream, e.type, e.hash, e.body FROM own_entries o JOIN entries e ON e.id = o.entry_id
WHERE o.outcome = '' AND o.lane IN ('unsent', 'received') AND (e.type LIKE '%.recorded' OR e.type LIKE '%.published')
ORDER BY o.saved_at, o.epoch, o.seq
"""
"""What this device recorded and the server has not decided on yet: it counts here like own work on a job does."""
_PINNED = """
SELECT e.body FROM stream_rows s JOIN entries e ON e.id = s.entry_id
WHERE s.stream = ? AND e.type = 'procedure.published' AND e.hash = ?
"""


class Version(msgspec.Struct, frozen=True):
    """A published version of a procedure: what a job pins. `entry` is the hash of the entry that published it."""

    code: str
    version: int
    kind: str
    title: dict[str, str]
    entry: str


class Documents:
    """Documents of one device, by id or code. None where a document is not here.

    Args:
        reader: the device's database. files: folder of files by content hash, for procedures too large for an entry.
    """

    def __init__(self, reader: Reader, files: Path) -> None:
        self._reader, self._files = reader, files
        self._procedures: dict[tuple[str, int, str], Procedure] = {}
        self._own_documents: dict[tuple[str, str, str], tuple[bytes, str]] = {}
        self._own_seen = -1

    def branch(self, branch: str) -> Branch | None:
        body = self._one(reference.BranchRecorded, f"branch:{branch}")
        return body.branch if body else None

    def branches(self) -> tuple[Branch, ...]:
        return tuple(body.branch for body in self._all(reference.BranchRecorded))

    def zone(self, branch: str) -> str:
        """Name of the branch's time zone; UTC where the branch is not known here."""
        found = self.branch(branch)
        return found.zone if found else "UTC"

    def person(self, person: str) -> Person | None:
        body = self._one(reference.PersonRecorded, f"person:{person}")
        return body.person if body else None

    def people(self) -> tuple[Person, ...]:
        return tuple(body.person for body in self._all(reference.PersonRecorded))

    def customer(self, customer: str) -> Customer | None:
        body = self._one(reference.CustomerRecorded, f"customer:{customer}")
        return body.customer if body else None

    def customers(self) -> tuple[Customer, ...]:
        return tuple(body.customer for body in self._all(reference.CustomerRecorded))

    def site(self, customer: str, site: str) -> Site | None:
        body = self._one(reference.SiteRecorded, f"customer:{customer}", site)
        return body.site if body else None

    def sites(self, customer: str) -> tuple[Site, ...]:
        return tuple(body.site for body in self._of(reference.SiteRecorded, f"customer:{customer}"))

    def contracts(self, customer: str) -> tuple[Contract, ...]:
        return tuple(body.contract for body in self._of(reference.ContractRecorded, f"customer:{customer}"))

    def asset(self, asset: str) -> Asset | None:
        body = self._one(reference.AssetRecorded, f"asset:{asset}")
        return body.asset if body else None

    def assets(self, customer: str) -> tuple[Asset, ...]:
        """The customer's assets."""
        return tuple(body.asset for body in self._all(reference.AssetRecorded) if body.asset.customer == customer)

    def product(self, code: str) -> Product | None:
        body = self._one(reference.ProductRecorded, f"product:{code}")
        return body.product if body else None

    def products(self) -> tuple[Product, ...]:
        return tuple(body.product for body in self._all(reference.ProductRecorded))

    def segment(self, code: str) -> Segment | None:
        body = self._one(reference.SegmentRecorded, f"segment:{code}")
        return body.segment if body else None

    def packs(self, kind: str) -> tuple[Pack, ...]:
        """Packs of one kind: parts, symptoms, causes, remedies, reasons, calendar."""
        return tuple(body.pack for body in self._all(reference.PackPublished) if body.pack.kind == kind)

    def calendar(self, code: str) -> Calendar | None:
        for pack in self.packs("calendar"):
            if pack.calendar is not None and pack.calendar.code == code:
                return pack.calendar
        return None

    # --- Procedures -------------------------------------------------------------------------------------------------------------

    def versions(self, code: str) -> tuple[Version, ...]:
        """Published versions of a procedure, the newest last."""
        stream, name = f"procedure:{code}", reference.ProcedurePublished.NAME
        rows = self._reader.rows("SELECT key, body, entry_hash FROM documents WHERE stream = ? AND type = ?", (stream, name))
        bodies = {row["key"]: (row["body"], row["entry_hash"]) for row in rows}
        bodies |= {key: found for (of, kind, key), found in self._own().items() if (of, kind) == (stream, name)}
        found = []
        for raw, entry_hash in bodies.values():
            body = _decode(reference.ProcedurePublished, raw)
            if body is not None:
                found.append(Version(body.code, body.version, body.kind, body.title, entry_hash))
        return tuple(sorted(found, key=lambda version: version.version))

    def procedure_codes(self) -> tuple[str, ...]:
        name = reference.ProcedurePublished.NAME
        rows = self._reader.rows("SELECT DISTINCT stream FROM documents WHERE type = ?", (name,))
        streams = {row["stream"] for row in rows} | {stream for stream, kind, _ in self._own() if kind == name}
        return tuple(sorted(stream.partition(":")[2] for stream in streams))

    def procedure(self, code: str, version: int, entry: str = "") -> Procedure | None:
        """A procedure version. With `entry` (the hash a job pins) exactly what that entry published, also where a later entry
        published the same version anew. None where it, or the file it lies in, is not here yet."""
        key = (code, version, entry)
        known = self._procedures.get(key)
        if known is not None:
            return known
        body = self._published(code, version, entry)
        found = self._procedure_in(body) if body is not None else None
        if found is not None and entry:  # only what a hash pins never changes
            self._procedures[key] = found
        return found

    def pinned(self, procedures: tuple[PinnedProcedure, ...]) -> dict[str, Procedure]:
        """Code to procedure for those that a job pins and that are here."""
        found = {pin.code: self.procedure(pin.code, pin.version, pin.entry) for pin in procedures}
        return {code: procedure for code, procedure in found.items() if procedure is not None}

    def _published(self, code: str, version: int, entry: str) -> reference.ProcedurePublished | None:
        stream = f"procedure:{code}"
        own = self._own().get((stream, reference.ProcedurePublished.NAME, str(version)))
        if own is not None and entry in ("", own[1]):
            return _decode(reference.ProcedurePublished, own[0])
        row = self._reader.row(
            "SELECT body, entry_hash FROM documents WHERE stream = ? AND type = 'procedure.published' AND key = ?",
            (stream, str(version)),
        )
        if row is not None and entry in ("", row["entry_hash"]):
            return _decode(reference.ProcedurePublished, row["body"])
        row = self._reader.row(_PINNED, (stream, entry)) if entry else None
        return _decode(reference.ProcedurePublished, row["body"]) if row is not None else None

    def _procedure_in(self, body: reference.ProcedurePublished) -> Procedure | None:
        if body.procedure is not None:
            return body.procedure
        if not body.document:
            return None
        try:
            raw = (self._files / body.document).read_bytes()
        except OSError:
            return None
        if sha256(raw) != body.document:
            raise Problem(
                "file-damaged",
                f"The stored procedure {body.code} version {body.version} is damaged on this disk.",
                "Nothing recorded is lost. Delete the file and sync; `fieldapp doctor` names it.",
            )
        return _decode_procedure(raw, body)

    # --- Rows -------------------------------------------------------------------------------------------------------------------

    def _one(self, kind: type[BodyT], stream: str, key: str = "") -> BodyT | None:
        own = self._own().get((stream, kind.NAME, key))
        if own is not None:
            return _decode(kind, own[0])
        row = self._reader.row(_ONE, (stream, kind.NAME, key))
        return _decode(kind, row["body"]) if row is not None else None

    def _of(self, kind: type[BodyT], stream: str) -> list[BodyT]:
        rows = self._reader.rows(_OF_STREAM, (stream, kind.NAME))
        return self._with_own(kind, {(row["stream"], row["key"]): row["body"] for row in rows}, stream)

    def _all(self, kind: type[BodyT]) -> list[BodyT]:
        rows = self._reader.rows(_OF_TYPE, (kind.NAME,))
        return self._with_own(kind, {(row["stream"], row["key"]): row["body"] for row in rows})

    def _with_own(self, kind: type[BodyT], bodies: dict[tuple[str, str], bytes], only: str = "") -> list[BodyT]:
        """The documents of these rows with own ones in their place, by stream and key."""
        for (stream, name, key), (raw, _) in self._own().items():
            if name == kind.NAME and only in ("", stream):
                bodies[stream, key] = raw
        found = (_decode(kind, bodies[place]) for place in sorted(bodies))
        return [body for body in found if body is not None]

    def _own(self) -> dict[tuple[str, str, str], tuple[bytes, str]]:
        """(stream, type, key) to (body, entry hash) of own unsettled documents; read again only when the database changed."""
        changed = self._reader.rows("PRAGMA data_version")[0][0]
        if changed != self._own_seen:
            self._own_documents = {}
            for row in self._reader.rows(_OWN):
                kind = type_of(row["type"])
                if kind is None or not issubclass(kind, reference.Reference) or row["body"] is None:
                    continue
                body = _decode(kind, row["body"])
                if body is not None:
                    self._own_documents[row["stream"], row["type"], body.key()] = (row["body"], row["hash"])
            self._own_seen = changed
        return self._own_documents


def _decode_procedure(raw: bytes, body: reference.ProcedurePublished) -> Procedure:
    try:
        return msgspec.json.decode(raw, type=Procedure)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem("bad-body", f"The file of procedure {body.code} version {body.version} is not one: {error}.") from None


def _decode(kind: type[BodyT], raw: bytes) -> BodyT | None:
    """A document that a later version of the program wrote in another shape is left out rather than in everybody's way."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
