"""Reads .xlsx and .xls into plain rows that know their own row numbers, with every bound checked before anything is parsed.

Runs in the limited process. Nothing is ever calculated, followed or executed: formulas count with the value that the
spreadsheet program stored, workbooks with macros or links to other workbooks are turned away.
"""

from __future__ import annotations

import datetime
import io
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath
from typing import IO, Any

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.imports import limits
from fieldapp.imports.finding import Finding

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NOTHING = "Nothing was imported."
_PROLOG_BYTES = 64 * 1024
_BLOCK_BYTES = 1024 * 1024
_ROW_TAG = re.compile(rb"<(?:[A-Za-z]+:)?row[ />]")
_BLANK_TAIL = "rows after {last} are blank up to row {scanned} and were not looked at further"


class Row(msgspec.Struct, frozen=True):
    """One filled row: its number in the spreadsheet, and the texts by column name."""

    number: int
    cells: dict[str, str]


class Sheet(msgspec.Struct, frozen=True):
    """A sheet with the column names of its first row; blank rows are left out."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    refused: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


class Workbook(msgspec.Struct, frozen=True):
    """The wanted sheets by their lower-case names, and the names of all sheets."""

    names: tuple[str, ...]
    sheets: dict[str, Sheet]


class _Cell(msgspec.Struct, frozen=True):
    """A filled cell: text, or what is wrong with it."""

    text: str
    fault: str = ""


_RawRow = tuple[int, dict[int, _Cell]]


def read_workbook(data: bytes, wanted: frozenset[str]) -> Workbook:
    """Read the sheets named in `wanted` (lower case); where a workbook has one sheet only, that one counts as `survey`.

    Raises:
        Problem: `not-a-spreadsheet`, `spreadsheet-encrypted`, `spreadsheet-damaged`, `spreadsheet-too-large`,
            `spreadsheet-macros`, `spreadsheet-links`.
    """
    if len(data) > limits.FILE_BYTES:
        raise _too_large(f"{len(data):,} bytes", f"{limits.FILE_BYTES:,} bytes")
    if data.startswith(_ZIP):
        _check_container(data)
        return _read_xlsx(data, wanted)
    if data.startswith(_OLE):
        return _read_xls(data, wanted)
    raise _not_a_spreadsheet()


def _not_a_spreadsheet() -> Problem:
    return Problem(
        "not-a-spreadsheet", "This file is not an Excel workbook (.xlsx or .xls).", f"{_NOTHING} Save the form as .xlsx."
    )


def _too_large(what: str, allowed: str) -> Problem:
    return Problem(
        "spreadsheet-too-large",
        f"This workbook has {what}; at most {allowed} are read.",
        f"{_NOTHING} Remove what does not belong to the form.",
    )


def _damaged(reason: str) -> Problem:
    return Problem(
        "spreadsheet-damaged",
        f"This workbook is damaged or cut short: {reason}.",
        f"{_NOTHING} Open it in a spreadsheet program and save it again.",
    )


def _encrypted() -> Problem:
    return Problem(
        "spreadsheet-encrypted", "This workbook is protected by a password.", f"{_NOTHING} Save it without the password."
    )


def _macros() -> Problem:
    return Problem("spreadsheet-macros", "This workbook carries macros.", f"{_NOTHING} Save it as .xlsx without macros.")


def _check_container(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if len(parts) > limits.PARTS:
                raise _too_large(f"{len(parts):,} parts", f"{limits.PARTS:,}")
            inflated = sum(part.file_size for part in parts)
            if inflated > limits.INFLATED_BYTES:
                raise _too_large(f"{inflated:,} bytes when unpacked", f"{limits.INFLATED_BYTES:,}")
            if any(part.flag_bits & 1 for part in parts):
                raise _encrypted()
            if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
                raise _not_a_spreadsheet()
            if any(name.endswith("vbaProject.bin") or name.startswith("xl/macrosheets/") for name in names):
                raise _macros()
            if any(name.startswith("xl/externalLinks/") or name == "xl/connections.xml" for name in names):
                raise Problem(
                    "spreadsheet-links",
                    "This workbook takes values from other workbooks or data sources.",
                    f"{_NOTHING} Replace the links by their values and save it again.",
                )
            for part in parts:
                if PurePosixPath(part.filename).suffix in {".xml", ".rels"}:
                    with archive.open(part) as stream:
                        prolog = stream.read(_PROLOG_BYTES).replace(b"\0", b"")
                        if part.filename.startswith("xl/worksheets/"):
                            _check_listed_rows(prolog, stream)
                    if b"<!DOCTYPE" in prolog or b"<!ENTITY" in prolog:
                        raise _damaged(f"{part.filename} declares its own document type, which no spreadsheet program writes")
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, zlib.error) as error:
        raise _damaged(str(error) or "it cannot be unpacked") from None


def _check_listed_rows(start: bytes, stream: IO[bytes]) -> None:
    listed, block = 0, start
    while block:
        listed += len(_ROW_TAG.findall(block))
        if listed > limits.LISTED_ROWS:
            raise _too_large(f"more than {limits.LISTED_ROWS:,} rows in one sheet", f"{limits.ROWS:,}")
        block = stream.read(_BLOCK_BYTES)


def _read_xlsx(data: bytes, wanted: frozenset[str]) -> Workbook:
    openpyxl: Any = import_module("openpyxl")

    try:
        values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        chosen = _choose(tuple(sheet.title for sheet in values.worksheets), wanted)
        budget = _Budget()
        sheets = {}
        for title, key in chosen.items():
            rows, tail = _xlsx_rows(values[title], formulas[title], budget)
            sheets[key] = _sheet(title, rows, tail)
        return Workbook(tuple(values.sheetnames), sheets)
    except (Problem, MemoryError, RecursionError):
        raise
    except Exception as error:  # whatever a broken container makes the parser raise: all of it means "damaged"
        raise _damaged(f"{type(error).__name__}: {error}"[:200]) from None


def _choose(names: tuple[str, ...], wanted: frozenset[str]) -> dict[str, str]:
    """Sheet name as written to the lower-case name it counts as."""
    if len(names) > limits.SHEETS:
        raise _too_large(f"{len(names):,} sheets", f"{limits.SHEETS:,}")
    chosen = {name: name.strip().lower() for name in names if name.strip().lower() in wanted}
    if not chosen and len(names) == 1:
        return {names[0]: "survey"}
    if len(set(chosen.values())) < len(chosen):
        raise Problem(
            "spreadsheet-sheets", "Two sheets of this workbook have the same name but for case.", f"{_NOTHING} Rename one."
        )
    return chosen


class _Budget:
    """Counts what was read, over all sheets together."""

    def __init__(self) -> None:
        self.cells = 0
        self.characters = 0

    def spend(self, text: str) -> None:
        self.cells += 1
        self.characters += len(text)
        if self.cells > limits.CELLS:
            raise _too_large(f"more than {limits.CELLS:,} filled cells", f"{limits.CELLS:,}")
        if self.characters > limits.TEXT_CHARACTERS:
            raise _too_large(f"more than {limits.TEXT_CHARACTERS:,} characters of text", f"{limits.TEXT_CHARACTERS:,}")


def _xlsx_rows(sheet: Any, formulas: Any, budget: _Budget) -> tuple[list[_RawRow], int]:
    """(filled rows, last row looked at). A sheet that goes on after limits.ROWS with content is refused."""
    found: list[_RawRow] = []
    number = 0
    sheet.reset_dimensions()
    formulas.reset_dimensions()
    last = limits.ROWS + 1
    columns = limits.COLUMNS + 1
    pairs = zip(sheet.iter_rows(max_row=last, max_col=columns), formulas.iter_rows(max_row=last, max_col=columns), strict=False)
    for number, (row, written) in enumerate(pairs, start=1):
        cells: dict[int, _Cell] = {}
        for column, cell in enumerate(row):
            if cell.value is None:
                if column < len(written) and written[column].value is not None:
                    cells[column] = _Cell(
                        "", "holds a formula that was never calculated; open the file in a spreadsheet program and save it"
                    )
                continue
            filled = (
                _Cell("", f"shows the error {cell.value}") if cell.data_type == "e" else _clean(_unescaped(_xlsx_text(cell.value)))
            )
            if filled.text or filled.fault:
                budget.spend(filled.text)
                cells[column] = filled
        if cells:
            _check_extent(number, cells)
            found.append((number, cells))
    return found, number


def _check_extent(number: int, cells: dict[int, _Cell]) -> None:
    if number > limits.ROWS:
        raise _too_large(f"more than {limits.ROWS:,} rows in one sheet", f"{limits.ROWS:,}")
    if max(cells) >= limits.COLUMNS:
        raise _too_large(f"more than {limits.COLUMNS:,} columns in one sheet", f"{limits.COLUMNS:,}")


def _xlsx_text(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(timespec="seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _unescaped(text: str) -> str:
    """Characters that .xlsx writes as `_x000D_` (ECMA-376 part 1, 22.9.2.19)."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text) if "_x" in text else text


def _clean(text: str) -> _Cell:
    """Trimmed text with plain line ends and spaces. Terminal escapes and other control characters have no place in a standard."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\v", "\n").replace("\xa0", " ").strip()
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}:
            return _Cell("", f"holds the control character U+{ord(character):04X}")
    if len(text) > limits.CELL_CHARACTERS:
        return _Cell("", f"holds {len(text):,} characters; {limits.CELL_CHARACTERS:,} are allowed")
    return _Cell(text)


def _sheet(title: str, rows: list[_RawRow], scanned: int) -> Sheet:
    refused: list[Finding] = []
    warnings: list[Finding] = []
    if not rows or rows[0][0] != 1:
        if rows:
            refused.append(Finding(title, 1, "row 1 is blank; it must hold the names of the columns"))
        return Sheet(title, (), (), tuple(refused))
    if scanned > limits.ROWS:
        warnings.append(Finding(title, rows[-1][0], _BLANK_TAIL.format(last=rows[-1][0], scanned=limits.ROWS)))
    names: dict[int, str] = {}
    for column, cell in rows[0][1].items():
        if cell.fault:
            refused.append(Finding(title, 1, f"the name of column {_letter(column)} {cell.fault}"))
            continue
        name = " ".join(cell.text.split())
        if name in names.values():
            refused.append(Finding(title, 1, f"the column '{name}' stands twice"))
            continue
        names[column] = name
    read: list[Row] = []
    for number, cells in rows[1:]:
        texts: dict[str, str] = {}
        for column in sorted(cells):
            cell = cells[column]
            name = names.get(column, "")
            if not name:
                if column not in rows[0][1]:
                    warnings.append(Finding(title, number, f"column {_letter(column)} has no name in row 1; its cell was not read"))
            elif cell.fault:
                refused.append(Finding(title, number, f"the cell '{name}' {cell.fault}"))
            else:
                texts[name] = cell.text
        if texts:
            read.append(Row(number, texts))
    return Sheet(title, tuple(names.values()), tuple(read), tuple(refused), tuple(warnings))


def _letter(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _read_xls(data: bytes, wanted: frozenset[str]) -> Workbook:
    xlrd: Any = import_module("xlrd")

    if "EncryptedPackage".encode("utf-16-le") in data:
        raise _encrypted()
    if "_VBA_PROJECT".encode("utf-16-le") in data:
        raise _macros()
    try:
        with open(os.devnull, "w", encoding="utf-8") as silence:  # noqa: PTH123
            book = xlrd.open_workbook(file_contents=data, on_demand=True, logfile=silence)
            chosen = _choose(tuple(book.sheet_names()), wanted)
            budget = _Budget()
            sheets = {key: _sheet(title, list(_xls_rows(book, title, budget)), 0) for title, key in chosen.items()}
            return Workbook(tuple(book.sheet_names()), sheets)
    except (Problem, MemoryError, RecursionError):
        raise
    except Exception as error:  # xlrd raises whatever a broken file makes it stumble over
        if "encrypted" in str(error).lower():
            raise _encrypted() from None
        raise _damaged(f"{type(error).__name__}: {error}"[:200]) from None


def _xls_rows(book: Any, title: str, budget: _Budget) -> Iterator[_RawRow]:
    xlrd: Any = import_module("xlrd")

    sheet = book.sheet_by_name(title)
    for index in range(sheet.nrows):
        cells: dict[int, _Cell] = {}
        for column, (kind, value) in enumerate(zip(sheet.row_types(index), sheet.row_values(index), strict=True)):
            if kind in {xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK}:
                continue
            if kind == xlrd.XL_CELL_ERROR:
                filled = _Cell("", f"shows the error {xlrd.error_text_from_code.get(value, value)}")
            elif kind == xlrd.XL_CELL_BOOLEAN:
                filled = _Cell("TRUE" if value else "FALSE")
            elif kind == xlrd.XL_CELL_DATE:
                filled = _xls_date(value, book.datemode)
            else:
                filled = _clean(_xlsx_text(value))
            if filled.text or filled.fault:
                budget.spend(filled.text)
                cells[column] = filled
        if cells:
            _check_extent(index + 1, cells)
            yield index + 1, cells


def _xls_date(value: float, datemode: int) -> _Cell:
    xlrd: Any = import_module("xlrd")

    try:
        parts = xlrd.xldate_as_tuple(value, datemode)
        if parts[:3] == (0, 0, 0):
            return _Cell(datetime.time(*parts[3:]).isoformat())
        return _Cell(_xlsx_text(datetime.datetime(*parts)))
    except (xlrd.XLDateError, ValueError):
        return _Cell("", f"holds {value}, which is no date")
