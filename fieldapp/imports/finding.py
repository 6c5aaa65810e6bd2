"""What an import has to say about a place in a file: refused or only worth knowing."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something about a spreadsheet: the sheet, the row as the spreadsheet numbers it (None: the whole sheet), the reason."""

    sheet: str
    row: int | None
    reason: str


class LineFinding(msgspec.Struct, frozen=True):
    """Something about a text file: the line on which the row starts, counted from 1, and the reason."""

    line: int
    reason: str
