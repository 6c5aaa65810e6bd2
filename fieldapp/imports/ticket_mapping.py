"""How the columns of somebody's ticket export become jobs: one TOML file per kind of export, shipped in mappings/.

```toml
name = "om"                      # stands before the job numbers
title = "..."                    # what the export is, for people
zone = "America/New_York"        # zone of its clock times
dates = ["%m/%d/%Y %H:%M"]       # forms of its dates, tried in this order
[customer]
id = "solar-fleet"               # optional: derived from the name where absent
name = "Solar fleet"
[columns]                        # ours = theirs
site = "randid"                  # site, asset, start, end, title, description, cause, kind, number
[origins]                        # values of the column `kind`, in small letters; "" for an empty cell, "*" for any other
corrective = "reactive"
[assets]                         # optional: names in small letters to the name as it should read
```
"""

from __future__ import annotations

import datetime
import tomllib
import zoneinfo
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from fieldapp.domain.problem import Problem

Origin = Literal["reactive", "preventive", "proactive", "complaint", "opportunity"]
Column = Literal["site", "asset", "start", "end", "title", "description", "cause", "kind", "number"]


class MappedCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer whose tickets these are; `language` is what their texts are written in."""

    name: str
    id: str = ""
    language: str = "en"


class TicketMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file. `columns` names the file's column for each of ours; site and start must be there."""

    name: str
    zone: str
    dates: tuple[str, ...]
    customer: MappedCustomer
    columns: dict[Column, str]
    origins: dict[str, Origin]
    title: str = ""
    assets: dict[str, str] = {}
    product: str = ""

    def fits(self, header: tuple[str, ...]) -> bool:
        return all(column in header for column in self.columns.values())


def read_mapping(path: Path) -> TicketMapping:
    """Read a mapping file.

    Raises:
        Problem: `file-unreadable` or `bad-mapping` with what is wrong in it.
    """
    try:
        raw = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem("file-unreadable", f"The column mapping {path} cannot be read: {error}.", "Nothing was imported.") from None
    return parse_mapping(raw, path.name)


def parse_mapping(raw: str, where: str) -> TicketMapping:
    """As read_mapping, from text; `where` names it in messages."""
    try:
        mapping = msgspec.convert(tomllib.loads(raw), TicketMapping)
        _check(mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise Problem("bad-mapping", f"The column mapping {where} is wrong: {error}.", "Nothing was imported.") from None
    return mapping


_SAMPLE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def _check(mapping: TicketMapping) -> None:
    if not mapping.name.isascii() or not mapping.name.replace("-", "").isalnum() or len(mapping.name) > 12:
        raise ValueError("`name` must be 1 to 12 letters, digits or hyphens")
    for needed in ("site", "start"):
        if needed not in mapping.columns:
            raise ValueError(f"`columns` must name the column for {needed}")
    if not mapping.customer.name.strip():
        raise ValueError("`customer.name` is empty")
    if not mapping.dates:
        raise ValueError("`dates` is empty")
    for form in mapping.dates:
        datetime.datetime.strptime(_SAMPLE.strftime(form), form)
    try:
        zoneinfo.ZoneInfo(mapping.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`zone` {mapping.zone!r} is not a time zone such as Europe/Berlin") from None
    if "*" not in mapping.origins:
        raise ValueError('`origins` must say what "*" (any other value) is')


def shipped_mappings() -> tuple[TicketMapping, ...]:
    """The mappings that come with the program, by file name."""
    folder = resources.files("fieldapp.imports") / "mappings"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(parse_mapping(file.read_text(encoding="utf-8"), file.name) for file in files)


def find_mapping(wanted: Path | str | None, header: tuple[str, ...]) -> TicketMapping:
    """The mapping asked for by file or name, or the shipped one whose columns all stand in the header.

    Raises:
        Problem: `no-mapping` where none fits (it names the columns), and as read_mapping.
    """
    shipped = shipped_mappings()
    names = ", ".join(mapping.name for mapping in shipped)
    if isinstance(wanted, str):
        for mapping in shipped:
            if mapping.name == wanted:
                return _fitting(mapping, header)
        if not Path(wanted).is_file():
            raise Problem("no-mapping", f"There is no column mapping named '{wanted}'.", f"Shipped ones: {names}; or name a file.")
        wanted = Path(wanted)
    if wanted is not None:
        return _fitting(read_mapping(wanted), header)
    for mapping in shipped:
        if mapping.fits(header):
            return mapping
    shown = ", ".join(f"'{column[:30]}'" for column in header[:12])
    raise Problem(
        "no-mapping",
        f"No column mapping fits this file; its columns are {shown}.",
        "Nothing was imported. Write a mapping and name it.",
    )


def _fitting(mapping: TicketMapping, header: tuple[str, ...]) -> TicketMapping:
    missing = [column for column in mapping.columns.values() if column not in header]
    if missing:
        raise Problem(
            "no-mapping",
            f"The mapping '{mapping.name}' needs the column '{missing[0]}', which this file does not have.",
            "Nothing was imported. Name another mapping.",
        )
    return mapping
