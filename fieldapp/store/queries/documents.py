"""Reference documents as this device holds them: who, where, what is sold, what is promised, how it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from fieldapp.domain.documents import Asset, Branch, Calendar, Contract, Customer, Pack, Person, Product, Segment, Site
from fieldapp.domain.entry import sha256
from fieldapp.domain.entry_types import reference
from fieldapp.domain.job import PinnedProcedure
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.store.queries.reader import Reader

BodyT = TypeVar("BodyT", bound=reference.Reference)

_ONE = "SELECT body FROM documents WHERE stream = ? AND type = ? AND key = ?"
_OF_STREAM = "SELECT body FROM documents WHERE stream = ? AND type = ? ORDER BY key"
_OF_TYPE = "SELECT body FROM documents WHERE type = ? ORDER BY stream, key"
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
        self._procedures: dict[tuple[str, int, str], Procedure | None] = {}

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
        rows = self._reader.rows(
            "SELECT body, entry_hash FROM documents WHERE stream = ? AND type = ?", (f"procedure:{code}", "procedure.published")
        )
        found = []
        for row in rows:
            body = _decode(reference.ProcedurePublished, row["body"])
            if body is not None:
                found.append(Version(body.code, body.version, body.kind, body.title, row["entry_hash"]))
        return tuple(sorted(found, key=lambda version: version.version))

    def procedure_codes(self) -> tuple[str, ...]:
        rows = self._reader.rows("SELECT DISTINCT stream FROM documents WHERE type = 'procedure.published' ORDER BY stream")
        return tuple(row["stream"].partition(":")[2] for row in rows)

    def procedure(self, code: str, version: int, entry: str = "") -> Procedure | None:
        """A procedure version. With `entry` (the hash a job pins) exactly what that entry published, also where a later entry
        published the same version anew. None where it, or the file it lies in, is not here yet."""
        key = (code, version, entry)
        if key not in self._procedures:
            body = self._published(code, version, entry)
            self._procedures[key] = self._procedure_in(body) if body is not None else None
        return self._procedures[key]

    def pinned(self, procedures: tuple[PinnedProcedure, ...]) -> dict[str, Procedure]:
        """Code to procedure for those that a job pins and that are here."""
        found = {pin.code: self.procedure(pin.code, pin.version, pin.entry) for pin in procedures}
        return {code: procedure for code, procedure in found.items() if procedure is not None}

    def _published(self, code: str, version: int, entry: str) -> reference.ProcedurePublished | None:
        stream = f"procedure:{code}"
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
        row = self._reader.row(_ONE, (stream, kind.NAME, key))
        return _decode(kind, row["body"]) if row is not None else None

    def _of(self, kind: type[BodyT], stream: str) -> list[BodyT]:
        return _all(kind, [row["body"] for row in self._reader.rows(_OF_STREAM, (stream, kind.NAME))])

    def _all(self, kind: type[BodyT]) -> list[BodyT]:
        return _all(kind, [row["body"] for row in self._reader.rows(_OF_TYPE, (kind.NAME,))])


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


def _all(kind: type[BodyT], bodies: list[bytes]) -> list[BodyT]:
    found = (_decode(kind, body) for body in bodies)
    return [body for body in found if body is not None]
