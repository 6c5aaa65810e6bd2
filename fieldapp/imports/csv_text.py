"""Text tables written by anybody's export: unknown encoding, unknown delimiter, quoted cells over several lines.

Nothing in a file makes this module fail but a Problem: rows that cannot be used become findings with their line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.imports.finding import LineFinding

FILE_BYTES = 50 * 1024 * 1024
ROWS = 100_000
COLUMNS = 500
CELL_CHARACTERS = 32_000
"""Characters of one cell; the description of a job must fit into one record of 64 KiB, whatever its script."""
REREADS = 200
"""Rows with misplaced quotation marks that are put up with."""

_DELIMITERS = ",;\t"
_SAMPLE_CHARACTERS = 100_000
_BOM = b"\xef\xbb\xbf"
_NOTHING = "Nothing was imported."


class TableRow(msgspec.Struct, frozen=True):
    """One row: the line on which it starts (from 1), its cells by column name, trimmed."""

    line: int
    cells: dict[str, str]


class Table(msgspec.Struct, frozen=True):
    """A text table as read."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    refused: tuple[LineFinding, ...]
    warnings: tuple[LineFinding, ...]


def read_table(path: Path) -> Table:
    """Read a delimited text file with a header line.

    Raises:
        Problem: `file-not-found`, `file-unreadable`, `table-too-large`, `not-a-table`.
    """
    try:
        if not path.is_file():
            raise Problem("file-not-found", f"There is no file {path}.", _NOTHING)
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise Problem("file-unreadable", f"The file {path} cannot be read: {error.strerror}.", _NOTHING) from None
    return parse_table(data)


def parse_table(data: bytes) -> Table:
    """As read_table, from bytes."""
    if len(data) > FILE_BYTES:
        raise Problem("table-too-large", f"This file has more than {FILE_BYTES:,} bytes.", f"{_NOTHING} Split it.")
    text, warnings = _decode(data)
    delimiter = _delimiter(text)
    refused: list[LineFinding] = []
    rows: list[TableRow] = []
    header: tuple[str, ...] = ()
    for line, cells, fault in _records(text, delimiter):
        if fault:
            if not header:
                raise Problem("not-a-table", f"Line {line} of this file {fault}.", f"{_NOTHING} Save the table as CSV in UTF-8.")
            refused.append(LineFinding(line, f"the row {fault}"))
        elif not header:
            header = _header(cells, line)
        elif not any(cells):
            continue
        elif len(cells) > len(header) and any(cells[len(header) :]):
            refused.append(LineFinding(line, f"the row has {len(cells)} cells, the header names {len(header)} columns"))
        elif len(rows) >= ROWS:
            raise Problem("table-too-large", f"This file has more than {ROWS:,} rows.", f"{_NOTHING} Split it.")
        else:
            rows.append(TableRow(line, dict(zip(header, cells, strict=False))))
    if not header:
        raise Problem("not-a-table", "This file is empty.", f"{_NOTHING} A table needs a line with the names of its columns.")
    return Table(header, tuple(rows), tuple(refused), tuple(warnings))


def _decode(data: bytes) -> tuple[str, list[LineFinding]]:
    """UTF-8 with or without its mark, else UTF-16 with its mark, else Chinese GB 18030 or Western cp1252, said in a warning."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), [LineFinding(1, "the file is in UTF-16; it was read as that")]
        except UnicodeDecodeError:
            raise Problem("not-a-table", "This file is not text.", f"{_NOTHING} Save the table as CSV in UTF-8.") from None
    try:
        return data.removeprefix(_BOM).decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    chosen = _legacy(data)
    note = "the file is not in UTF-8; it was read as {}: look at letters that are not plain English"
    return data.decode(chosen, "replace"), [LineFinding(1, note.format(chosen))]


def _legacy(data: bytes) -> str:
    """GB 18030 where the bytes are valid in it and most of what is not ASCII reads as common Han characters; else cp1252."""
    try:
        text = data.decode("gb18030")[:_SAMPLE_CHARACTERS]
    except UnicodeDecodeError:
        return "cp1252"
    foreign = [character for character in text if character > "\x7f"]
    common = sum(_common(character) for character in foreign)
    lonely = sum(_alone(text, index) for index in range(len(text)) if text[index] > "\x7f")
    return "gb18030" if foreign and common * 10 >= len(foreign) * 9 and lonely * 2 <= len(foreign) else "cp1252"


def _common(character: str) -> bool:
    """Han characters, and the punctuation and full-width forms that stand between them."""
    return "\u4e00" <= character <= "\u9fff" or "\u3000" <= character <= "\u303f" or "\uff00" <= character <= "\uffef"


def _alone(text: str, index: int) -> bool:
    """True for a Han character with Latin letters on both sides: `caf\xe9 t` in cp1252 looks like that when read as GB 18030."""
    before = text[index - 1] if index else " "
    after = text[index + 1] if index + 1 < len(text) else " "
    return (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())


def _delimiter(text: str) -> str:
    """The one of comma, semicolon and tab that divides the header line most often outside quotes; comma where none does."""
    counts = dict.fromkeys(_DELIMITERS, 0)
    quoted = False
    for character in text[:_SAMPLE_CHARACTERS]:
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            if any(counts.values()):
                break
        elif character in counts and not quoted:
            counts[character] += 1
    best = max(_DELIMITERS, key=lambda mark: counts[mark])
    return best if counts[best] else ","


class _Lines:
    """Feeds physical lines to the csv reader, knows how many it has given, and can go back."""

    def __init__(self, text: str) -> None:
        self.given = 0
        self._lines = list(io.StringIO(text, newline=""))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.given >= len(self._lines):
            raise StopIteration
        self.given += 1
        return self._lines[self.given - 1]


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(line on which the record starts, trimmed cells, what is wrong with it or '').

    A quotation mark that is never closed would swallow the rows after it, so reading is strict and goes on with the line after
    the one that was wrong; after REREADS of these the file is taken to be no table.
    """
    lines = _Lines(text)
    reread = 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.given + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            reread += 1
            if reread > REREADS:
                raise Problem("not-a-table", f"More than {REREADS} rows have misplaced quotation marks.", _NOTHING) from None
            yield start, [], f"cannot be read: a quotation mark is misplaced or never closed ({error})"
            lines.given = start
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        yield start, cells, _fault(cells)


def _fault(cells: list[str]) -> str:
    if len(cells) > COLUMNS:
        return f"has {len(cells):,} cells; {COLUMNS} are allowed"
    for cell in cells:
        if "\x00" in cell:
            return "holds a NUL character"
        if len(cell) > CELL_CHARACTERS:
            return f"has a cell of {len(cell):,} characters; {CELL_CHARACTERS:,} are allowed"
    return ""


def _header(cells: list[str], line: int) -> tuple[str, ...]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    named = [cell for cell in cells if cell]
    if not named:
        raise Problem("not-a-table", f"Line {line} of this file names no columns.", f"{_NOTHING} The first line must name them.")
    twice = sorted({cell for cell in named if named.count(cell) > 1})
    if twice:
        raise Problem(
            "not-a-table", f"The column '{twice[0][:60]}' stands twice in line {line}.", f"{_NOTHING} Rename one of them."
        )
    return tuple(cells)
