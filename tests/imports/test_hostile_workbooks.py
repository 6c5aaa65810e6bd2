"""Workbooks that nobody should have sent: one clear problem each, in bounded time and memory, nothing half-done."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldapp.domain.problem import Problem
from fieldapp.imports import limits, xlsform
from fieldapp.imports.workbook import read_workbook
from fieldapp.imports.xlsform import read_procedure
from tests.imports.conftest import SHARED, SheetRows

HEAD = ("type", "name", "label")
PLAIN: dict[str, SheetRows] = {"survey": [HEAD, ("text", "a", "A")]}
WriteBook = Callable[[dict[str, SheetRows]], Path]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def problem_with(path: Path) -> Problem:
    before = {file.name for file in path.parent.iterdir()}
    started = time.monotonic()
    with pytest.raises(Problem) as caught:
        read_procedure(path)
    assert time.monotonic() - started < limits.WALL_SECONDS
    assert {file.name for file in path.parent.iterdir()} == before
    assert "Traceback" not in str(caught.value)
    assert caught.value.hint
    return caught.value


def rewritten(path: Path, change: Callable[[str, bytes], bytes] | None = None, more: dict[str, bytes] | None = None) -> Path:
    """The workbook with changed or further parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(name, content) if change else content)
        for name, content in (more or {}).items():
            new.writestr(name, content)
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize(
    "content",
    [b"", b"type,name,label\ntext,a,A\n", b"%PDF-1.7\n", b"<html><table></table></html>", b"\x00" * 5000, b"PK"],
    ids=["empty", "csv", "pdf", "html", "zeros", "two letters"],
)
def test_not_a_spreadsheet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "form.xlsx"
    path.write_bytes(content)
    assert problem_with(path).code == "not-a-spreadsheet"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.xlsx", tmp_path):
        with pytest.raises(Problem) as caught:
            read_procedure(path)
        assert caught.value.code == "file-not-found"


def test_another_office_document(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document/>")
    assert problem_with(path).code == "not-a-spreadsheet"


def test_zip_bomb(write_book: WriteBook) -> None:
    path = rewritten(write_book(PLAIN), more={"xl/media/bomb.xml": b"0" * (limits.INFLATED_BYTES + 1)})
    assert path.stat().st_size < 1_000_000
    assert problem_with(path).code == "spreadsheet-too-large"


def test_too_many_parts(write_book: WriteBook) -> None:
    path = rewritten(write_book(PLAIN), more={f"xl/media/{number}.png": b"" for number in range(limits.PARTS + 1)})
    assert problem_with(path).code == "spreadsheet-too-large"


def test_shared_strings_bomb_is_stopped_by_the_limits_of_the_process(write_book: WriteBook) -> None:
    entities = b'<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
    )
    strings = b'<?xml version="1.0"?>' + entities + b"]><sst><si><t>&i;</t></si></sst>"
    path = rewritten(write_book(PLAIN), more={"xl/sharedStrings2.xml": strings})
    assert problem_with(path).code == "spreadsheet-damaged"


def test_a_million_rows(write_book: WriteBook) -> None:
    row = b'<row r="%d"><c t="inlineStr"><is><t>text</t></is></c></row>'
    rows = b"".join(row % number for number in range(1, 1_000_001))
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + rows
        + b"</sheetData></worksheet>"
    )
    assert len(sheet) < limits.INFLATED_BYTES
    path = rewritten(write_book(PLAIN), lambda name, content: sheet if name == "xl/worksheets/sheet1.xml" else content)
    found = problem_with(path)
    assert found.code == "spreadsheet-too-large"
    assert "rows in one sheet" in found.message


def test_more_rows_than_are_read(monkeypatch: pytest.MonkeyPatch, write_book: WriteBook) -> None:
    monkeypatch.setattr(limits, "ROWS", 50)
    data = write_book({"survey": [HEAD, *[("text", "a", "A")] * 50]}).read_bytes()
    with pytest.raises(Problem, match="more than 50 rows"):
        read_workbook(data, frozenset({"survey"}))


def test_rows_are_counted_before_the_sheet_is_parsed(monkeypatch: pytest.MonkeyPatch, write_book: WriteBook) -> None:
    monkeypatch.setattr(limits, "LISTED_ROWS", 30)
    few, many = ({"survey": [HEAD, *[("text", "a", "A")] * count]} for count in (29, 30))
    assert len(read_workbook(write_book(few).read_bytes(), frozenset({"survey"})).sheets["survey"].rows) == 29
    with pytest.raises(Problem, match="more than 30 rows"):
        read_workbook(write_book(many).read_bytes(), frozenset({"survey"}))


def test_a_filled_cell_in_the_last_row_of_all(write_book: WriteBook) -> None:
    """Formatting down to the last row is common; it must cost nothing, and what was not looked at is said."""
    last = b'<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>far away</t></is></c></row></sheetData>'
    path = rewritten(
        write_book(PLAIN),
        lambda name, content: content.replace(b"</sheetData>", last) if name == "xl/worksheets/sheet1.xml" else content,
    )
    found = read_procedure(path)
    assert found.procedure is not None
    assert [finding.row for finding in found.warnings] == [2]
    assert "not looked at" in found.warnings[0].reason


def test_too_many_columns(write_book: WriteBook) -> None:
    wide = write_book({"survey": [(*HEAD, *(f"c{number}" for number in range(limits.COLUMNS)))]})
    assert "columns" in problem_with(wide).message


def test_more_cells_and_characters_than_are_read(monkeypatch: pytest.MonkeyPatch, write_book: WriteBook) -> None:
    data = write_book({"survey": [HEAD], "choices": [["x" * 100] * 50] * 20}).read_bytes()
    monkeypatch.setattr(limits, "CELLS", 900)
    with pytest.raises(Problem, match="more than 900 filled cells"):
        read_workbook(data, frozenset({"survey", "choices"}))
    monkeypatch.setattr(limits, "CELLS", 9_000)
    monkeypatch.setattr(limits, "TEXT_CHARACTERS", 90_000)
    with pytest.raises(Problem, match="90,000 characters"):
        read_workbook(data, frozenset({"survey", "choices"}))


def test_too_many_sheets(write_book: WriteBook) -> None:
    path = write_book({**PLAIN, **{f"s{number}": [] for number in range(limits.SHEETS + 1)}})
    assert "sheets" in problem_with(path).message


def test_a_file_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    with path.open("wb") as file:
        file.truncate(limits.FILE_BYTES + 1)
    assert problem_with(path).code == "spreadsheet-too-large"


def test_a_cell_too_long(write_book: WriteBook) -> None:
    found = read_procedure(write_book({"survey": [HEAD, ("text", "a", "A"), ("text", "b", "b" * (limits.CELL_CHARACTERS + 1))]}))
    assert [(finding.sheet, finding.row) for finding in found.refused] == [("survey", 3)]


def test_encrypted_xlsx(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    path.write_bytes(OLE + b"\x00" * 1000 + "EncryptedPackage".encode("utf-16-le") + b"\x00" * 1000)
    assert problem_with(path).code == "spreadsheet-encrypted"


def test_encrypted_parts(write_book: WriteBook) -> None:
    path = write_book(PLAIN)
    data = bytearray(path.read_bytes())
    start = data.find(b"PK\x01\x02")
    while start >= 0:
        data[start + 8] |= 1
        start = data.find(b"PK\x01\x02", start + 1)
    path.write_bytes(data)
    assert problem_with(path).code == "spreadsheet-encrypted"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated(write_book: WriteBook, share: float) -> None:
    path = write_book(PLAIN)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert problem_with(path).code == "spreadsheet-damaged"


def test_broken_xml(write_book: WriteBook) -> None:
    path = rewritten(write_book(PLAIN), lambda name, content: content[:-20] if name.endswith("sheet1.xml") else content)
    assert problem_with(path).code == "spreadsheet-damaged"


def test_truncated_and_broken_xls(tmp_path: Path) -> None:
    real = SHARED / "xlsform" / "widgets.xls"
    if not real.is_file():
        pytest.skip("the folder with real forms is not here")
    data = real.read_bytes()
    path = tmp_path / "form.xls"
    for broken in (data[:600], data[: len(data) // 2], data[:2000] + b"\xff" * 4000 + data[6000:]):
        path.write_bytes(broken)
        assert problem_with(path).code in {"spreadsheet-damaged", "not-a-form"}


def test_macros(write_book: WriteBook) -> None:
    assert problem_with(rewritten(write_book(PLAIN), more={"xl/vbaProject.bin": b"\x01"})).code == "spreadsheet-macros"


def test_links_to_other_workbooks(write_book: WriteBook) -> None:
    path = rewritten(write_book(PLAIN), more={"xl/externalLinks/externalLink1.xml": b"<externalLink/>"})
    assert problem_with(path).code == "spreadsheet-links"


def test_formula_errors_and_formulas_never_calculated(write_book: WriteBook) -> None:
    path = write_book({"survey": [HEAD, ("text", "a", "=1/0"), ("text", "b", "B"), ("text", "c", "#REF!")]})
    found = read_procedure(path)
    assert found.procedure is None
    assert [(finding.sheet, finding.row) for finding in found.refused] == [("survey", 2), ("survey", 4)]
    assert "never calculated" in found.refused[0].reason
    assert "shows the error #REF!" in found.refused[1].reason


def test_no_survey_sheet_and_no_questions(write_book: WriteBook) -> None:
    assert problem_with(write_book({"questions": [HEAD], "other": []})).code == "not-a-form"
    assert problem_with(write_book({"survey": [], "choices": []})).code == "not-a-form"
    empty = read_procedure(write_book({"survey": [HEAD]}))
    assert [(finding.sheet, finding.row) for finding in empty.refused] == [("survey", None)]
    late = read_procedure(write_book({"survey": [(), HEAD, ("text", "a", "A")]}))
    assert [(finding.sheet, finding.row) for finding in late.refused] == [("survey", 1)]


def test_two_sheets_of_one_name(write_book: WriteBook) -> None:
    assert problem_with(write_book({"survey": [HEAD], "Survey ": [HEAD]})).code == "spreadsheet-sheets"


def test_an_expression_that_would_never_end(write_book: WriteBook) -> None:
    found = read_procedure(write_book({"survey": [(*HEAD, "relevant"), ("text", "a", "A", "(" * 3000 + "1" + ")" * 3000)]}))
    assert [(finding.sheet, finding.row) for finding in found.refused] == [("survey", 2)]


def test_the_wall_clock_ends_a_process_that_hangs(write_book: WriteBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WALL_SECONDS", 0.01)
    path = write_book(PLAIN)
    with pytest.raises(Problem) as caught:
        xlsform.read_procedure(path)
    assert caught.value.code == "import-took-too-long"


def test_files_in_the_working_folder_are_not_taken_for_libraries(
    write_book: WriteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_book(PLAIN)
    for name in ("openpyxl.py", "pyxform.py", "msgspec.py"):
        (tmp_path / name).write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    assert read_procedure(path).procedure is not None


def test_the_process_is_bound_in_memory_and_time() -> None:
    """What the process does to itself, seen from inside a process that does it."""
    import subprocess
    import sys

    code = (
        "import resource; from fieldapp.imports import limits; limits.limit_this_process();"
        "print(resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_CPU)[0])"
    )
    if sys.platform != "linux":
        pytest.skip("limits of memory are a matter of Linux here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(limits.MEMORY_BYTES), str(limits.CPU_SECONDS)]


def test_row_numbers_survive_blank_rows_in_the_file() -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "survey"
    sheet["A1"], sheet["B1"] = "type", "name"
    sheet["A40"], sheet["B40"] = "text", "far"
    raw = io.BytesIO()
    book.save(raw)
    read = read_workbook(raw.getvalue(), frozenset({"survey"})).sheets["survey"]
    assert [(row.number, row.cells["name"]) for row in read.rows] == [(40, "far")]
