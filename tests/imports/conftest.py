"""Small workbooks made on the spot, and the folders with real input."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fieldapp.imports.form_process import FormAnswer, answer
from fieldapp.imports.xlsform import ImportedProcedure

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
    """Import a form given as survey rows (the first names the columns), choices and settings.

    Read as the limited process reads it, but in this one: what its rows become is the same, in a tenth of the time. That the
    process answers with it, and binds itself, is for tests of `read_procedure`.
    """

    def read(survey: SheetRows, choices: SheetRows = (), settings: SheetRows = ()) -> ImportedProcedure:
        sheets: dict[str, SheetRows] = {"survey": survey}
        if choices:
            sheets["choices"] = choices
        if settings:
            sheets["settings"] = settings
        path = write_book(sheets)
        with warnings.catch_warnings(action="ignore"):  # as there: of the libraries
            said = msgspec.json.encode(answer(path.read_bytes(), path.stem, "", 1, "service"))
        found = msgspec.json.decode(said, type=FormAnswer)
        assert not found.code, found
        return ImportedProcedure(found.procedure, found.warnings, found.refused)

    return read
