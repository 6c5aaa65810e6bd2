"""`import jobs`: rows of a ticket export become tickets, each known by what it says and not by the file it stands in.

The same row always gives the same ticket id, so a file read twice, split or put together with another adds nothing twice.
Two rows with exactly the same content are therefore one ticket; the second is named in a warning. Where the export has numbers,
site and number make the id, and a number that comes again with other content is refused.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import zoneinfo
from pathlib import Path

import msgspec

from fieldapp.imports.csv_text import Table, TableRow, read_table
from fieldapp.imports.finding import LineFinding
from fieldapp.imports.ticket_mapping import Origin, TicketMapping, find_mapping

TITLE_CHARACTERS = 120
NAME_CHARACTERS = 200
TEXT_BYTES = 40_000
"""Bytes of a description as JSON: with everything else the record must stay below 64 KiB."""
_YEARS = range(1970, 2100)
_EMPTY_WORDS = re.compile(r"[\s.\-_/]*\Z")


class Ticket(msgspec.Struct, frozen=True):
    """One row as a job to be. Times are milliseconds UTC; ids are derived from content alone."""

    line: int
    external: str
    """Id of the ticket: the same for the same content, whatever file it stands in."""
    number: str
    """What people will call the job."""
    customer: str
    customer_name: str
    site: str
    site_name: str
    title: str
    origin: Origin
    start: int
    end: int | None = None
    asset: str = ""
    asset_name: str = ""
    description: str = ""
    cause: str = ""
    language: str = "en"
    product: str = ""


class ImportedTickets(msgspec.Struct, frozen=True):
    """What came of a file: tickets in the file's order, rows refused, things worth knowing."""

    rows: tuple[Ticket, ...]
    refused: tuple[LineFinding, ...]
    warnings: tuple[LineFinding, ...]
    mapping: str


def read_tickets(path: Path, mapping: Path | str | None = None) -> ImportedTickets:
    """Read a ticket export.

    Args:
        path: a delimited text file. mapping: a mapping file, the name of a shipped mapping, or None to find one by the header.

    Raises:
        Problem: `file-not-found`, `file-unreadable`, `table-too-large`, `not-a-table`, `no-mapping`, `bad-mapping`.
    """
    table = read_table(path)
    return tickets_of(table, find_mapping(mapping, table.columns))


def tickets_of(table: Table, mapping: TicketMapping) -> ImportedTickets:
    """The tickets of a table under a mapping."""
    tickets: list[Ticket] = []
    refused = list(table.refused)
    warnings = list(table.warnings)
    seen: dict[str, tuple[int, str]] = {}
    zone = zoneinfo.ZoneInfo(mapping.zone)
    for row in table.rows:
        ticket, fault = _ticket(row, mapping, zone)
        if ticket is None:
            refused.append(LineFinding(row.line, fault))
            continue
        content = _content(row)
        line, earlier = seen.setdefault(ticket.external, (row.line, content))
        if line == row.line:
            tickets.append(ticket)
        elif earlier == content:
            warnings.append(LineFinding(row.line, f"the row says exactly what line {line} says; it was taken once"))
        else:
            refused.append(LineFinding(row.line, f"the number '{_cell(row, mapping, 'number')}' stands already in line {line}"))
    refused.sort(key=lambda finding: finding.line)
    warnings.sort(key=lambda finding: finding.line)
    return ImportedTickets(tuple(tickets), tuple(refused), tuple(warnings), mapping.name)


def _cell(row: TableRow, mapping: TicketMapping, ours: str) -> str:
    column = mapping.columns.get(ours, "")  # type: ignore[call-overload]
    return row.cells.get(column, "")


def _ticket(row: TableRow, mapping: TicketMapping, zone: zoneinfo.ZoneInfo) -> tuple[Ticket | None, str]:
    """(ticket, '') or (None, why the row cannot become a job)."""
    site_name = _one_line(_cell(row, mapping, "site"))
    if not site_name:
        return None, f"the row has no site (column '{mapping.columns['site']}' is empty)"
    asset_name = _asset_name(_one_line(_cell(row, mapping, "asset")), mapping)
    for what, name in (("site", site_name), ("asset", asset_name)):
        if len(name) > NAME_CHARACTERS:
            return None, f"the name of the {what} has {len(name):,} characters; {NAME_CHARACTERS} are allowed"
    start_text, end_text = _cell(row, mapping, "start"), _cell(row, mapping, "end")
    if not start_text:
        return None, f"the row has no start (column '{mapping.columns['start']}' is empty)"
    start, end = _instant(start_text, mapping, zone), _instant(end_text, mapping, zone) if end_text else None
    if start is None:
        return None, f"the start '{start_text[:40]}' is not a date that can be read"
    if end_text and end is None:
        return None, f"the end '{end_text[:40]}' is not a date that can be read"
    if end is not None and end < start:
        return None, f"it ends ({end_text}) before it starts ({start_text})"
    description, cause = _cell(row, mapping, "description"), _words(_cell(row, mapping, "cause"))
    size = len(msgspec.json.encode(description)) + len(msgspec.json.encode(cause))
    if size > TEXT_BYTES:
        return None, f"its texts have {size:,} bytes; {TEXT_BYTES:,} are allowed"
    customer = mapping.customer.id or _id("customer", mapping.customer.name)
    site = _id("site", customer, site_name.casefold())
    external = _external(row, mapping, site)
    return Ticket(
        line=row.line,
        external=external,
        number=_number(row, mapping, site_name, external),
        customer=customer,
        customer_name=mapping.customer.name,
        site=site,
        site_name=site_name,
        title=_title(row, mapping, asset_name, description),
        origin=_origin(row, mapping),
        start=start,
        end=end,
        asset=_id("asset", site, asset_name.casefold()) if asset_name else "",
        asset_name=asset_name,
        description=description,
        cause=cause,
        language=mapping.customer.language,
        product=mapping.product,
    ), ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(text: str) -> str:
    """The text, or '' where it is nothing but marks (`. `)."""
    return "" if _EMPTY_WORDS.match(text) else text


def _asset_name(written: str, mapping: TicketMapping) -> str:
    """One way of writing each name: as the mapping gives it, else with a capital first letter."""
    known = mapping.assets.get(written.casefold())
    return known or written[:1].upper() + written[1:]


def _origin(row: TableRow, mapping: TicketMapping) -> Origin:
    kind = _one_line(_cell(row, mapping, "kind")).casefold()
    return mapping.origins.get(kind, mapping.origins["*"])


def _title(row: TableRow, mapping: TicketMapping, asset_name: str, description: str) -> str:
    """The mapped title, else asset and kind (`Inverter: Underperformance`), else the beginning of the description."""
    kind = _one_line(_cell(row, mapping, "kind"))
    composed = _one_line(_cell(row, mapping, "title")) or ": ".join(
        part for part in (asset_name, kind[:1].upper() + kind[1:]) if part
    )
    title = composed or _one_line(description) or "Job"
    return title if len(title) <= TITLE_CHARACTERS else title[: TITLE_CHARACTERS - 1] + "…"


def _instant(text: str, mapping: TicketMapping, zone: zoneinfo.ZoneInfo) -> int | None:
    """Milliseconds UTC of a clock time in the mapping's zone; the first of two where clocks go back; None for no date."""
    for form in mapping.dates:
        try:
            local = datetime.datetime.strptime(text, form)
            if local.year not in _YEARS:
                return None
            aware = local if local.tzinfo else local.replace(tzinfo=zone)
            since = aware.astimezone(datetime.UTC) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
            return since // datetime.timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            continue
    return None


def _content(row: TableRow) -> str:
    """What the row says, whatever the order of its columns."""
    return msgspec.json.encode(sorted((name, text) for name, text in row.cells.items() if name and text)).decode()


def _external(row: TableRow, mapping: TicketMapping, site: str) -> str:
    number = _cell(row, mapping, "number")
    if number:
        return _id("ticket", mapping.name, site, number)
    return _id("ticket", mapping.name, _content(row))


def _number(row: TableRow, mapping: TicketMapping, site_name: str, external: str) -> str:
    """`OM-R23-104` where the export has numbers (unique within a site), else the first 40 bits of the id in base 32."""
    number = _cell(row, mapping, "number")
    readable = f"{mapping.name}-{site_name}-{number}"
    if number and len(readable) <= 40 and re.fullmatch(r"[A-Za-z0-9.-]+", readable):
        return readable
    digest = hashlib.sha256(external.encode("ascii")).digest()[:5]
    return f"{mapping.name}-{base64.b32encode(digest).decode('ascii')}"


def _id(kind: str, *parts: str) -> str:
    """A stable id: the kind's first letter and 24 hex digits of a hash over the parts."""
    raw = msgspec.json.encode([kind, *parts])
    return f"{kind[0]}-{hashlib.sha256(raw).hexdigest()[:24]}"
