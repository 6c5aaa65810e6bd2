"""Small workbooks made on the spot, and the folders with real input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fieldapp.imports.xlsform import ImportedProcedure, read_procedure

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

SheetRows = Sequence[Sequence[Any]]
Form = Callable[..., ImportedProcedure]


@pytest.fixture
def write_book(tmp_path: Path) -> Callable[[dict[str, SheetRows]], Path]:
    """Write an .xlsx with the given sheets."""

    def write(sheets: dict[str, SheetRows]) -> Path:
        from openpyxl import Workbook

        book = Workbook(write_only=True)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(list(row))
        path = tmp_path / "form.xlsx"
        book.save(path)
        return path

    return write


@pytest.fixture
def form(write_book: Callable[[dict[str, SheetRows]], Path]) -> Form:
    """Import a form given as survey rows (the first names the columns), choices and settings."""

    def read(survey: SheetRows, choices: SheetRows = (), settings: SheetRows = ()) -> ImportedProcedure:
        sheets: dict[str, SheetRows] = {"survey": survey}
        if choices:
            sheets["choices"] = choices
        if settings:
            sheets["settings"] = settings
        return read_procedure(write_book(sheets))

    return read
