"""Every real form is imported with its questions in the order of the sheet, or refused for the right reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fieldapp.domain.procedure import Procedure
from fieldapp.imports.xlsform import read_procedure
from tests.imports.conftest import SHARED

FOLDER = SHARED / "xlsform"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder with real forms is not here")

METADATA = {"start", "end", "today", "deviceid", "subscriberid", "simserial", "phonenumber", "uri:deviceid"}

IMPORTED = {
    "choice_filter_test.xlsx": 3,
    "group.xlsx": 3,
    "inventory_generic_updated.xlsx": 28,
    "or_other.xlsx": 3,
    "repeat_date_test.xls": 5,
    "widgets.xls": 32,
    "xlsform_spec_test.xlsx": 40,
    "yes_or_no_question.xlsx": 1,
}
REFUSED = {
    "bad_calc.xlsx": [("survey", 2, r"calculation: .*because pyxform doesn't know")],
    "duplicate_columns.xlsx": [("survey", 1, r"the column 'label' stands twice")],
}


def questions(path: Path) -> list[str]:
    """Names of the questions of a sheet, read with no help from the program: notes without a name by their row."""
    rows: list[list[Any]]
    if path.suffix == ".xls":
        import xlrd

        sheet = xlrd.open_workbook(str(path)).sheet_by_name("survey")
        rows = [sheet.row_values(row) for row in range(sheet.nrows)]
    else:
        import openpyxl

        rows = [list(row) for row in openpyxl.load_workbook(path, data_only=True)["survey"].iter_rows(values_only=True)]
    type_at, name_at = rows[0].index("type"), rows[0].index("name")
    names: list[str] = []
    for number, row in enumerate(rows[1:], start=2):
        kind = str(row[type_at] or "").strip()
        if not kind or re.match(r"(begin|end)[ _]", kind) or kind in METADATA:
            continue
        name = _text(row[name_at]) or f"note_{number}"
        names.append(name)
        if kind.endswith("or_other"):
            names.append(f"{name}_other")
    return names


def _text(value: Any) -> str:
    """A cell as a spreadsheet shows it: the name of one question is the logical value false."""
    return str(value).upper() if isinstance(value, bool) else str(value or "")


def test_every_file_has_an_expectation() -> None:
    assert {path.name for path in FOLDER.glob("*.xls*")} == IMPORTED.keys() | REFUSED.keys()


@pytest.mark.filterwarnings("ignore:Unknown extension:UserWarning")
@pytest.mark.parametrize("name", sorted(IMPORTED))
def test_imported_in_the_order_of_the_sheet(name: str) -> None:
    found = read_procedure(FOLDER / name)
    assert found.refused == ()
    assert found.procedure is not None
    assert [step.id for step in found.procedure.steps] == questions(FOLDER / name)
    assert len(found.procedure.steps) == IMPORTED[name]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_for_the_right_reason(name: str) -> None:
    found = read_procedure(FOLDER / name)
    assert found.procedure is None
    assert [(finding.sheet, finding.row) for finding in found.refused] == [(sheet, row) for sheet, row, _ in REFUSED[name]]
    for finding, (_sheet, _row, reason) in zip(found.refused, REFUSED[name], strict=True):
        assert re.search(reason, finding.reason)


def imported(name: str) -> Procedure:
    procedure = read_procedure(FOLDER / name).procedure
    assert procedure is not None
    return procedure


def test_inventory_keeps_languages_repeat_and_filter() -> None:
    procedure = imported("inventory_generic_updated.xlsx")
    assert procedure.code == "INVQ"
    yes_no = procedure.choice_lists["yesno"]
    assert [choice.label for choice in yes_no] == [
        {"en": "Yes", "fr": "Oui", "pt": "Sim"},
        {"en": "No", "fr": "Non", "pt": "Não"},
    ]
    repeat = next(group for group in procedure.groups if group.repeat)
    assert (repeat.id, repeat.repeat, repeat.count) == ("inv_comm_repeat", 50, "count-selected(${commodites_managed})")
    facility = procedure.step("hfname")
    assert facility is not None
    assert facility.choice_filter == "provid=${provid}"
    assert procedure.choices_of(facility)[0].columns["provid"] == "1"
    quantity = procedure.step("commodity_currentquantity")
    assert quantity is not None
    assert (quantity.type, quantity.integer, quantity.constraint) == ("number", True, ".>=0 and .<=100000")
    assert quantity.group == "inv_comm_repeat"
    assert quantity.required


def test_inventory_names_what_was_left_out_by_sheet_and_row() -> None:
    warnings = read_procedure(FOLDER / "inventory_generic_updated.xlsx").warnings
    left_out = [(finding.sheet, finding.row) for finding in warnings if "device data" in finding.reason]
    assert left_out == [("survey", row) for row in range(2, 8)]
    assert ("survey", 10) in [(finding.sheet, finding.row) for finding in warnings if "location" in finding.reason]


def test_spec_form_keeps_chinese_and_bounds_its_repeat() -> None:
    procedure = imported("xlsform_spec_test.xlsx")
    address, many = procedure.step("address"), procedure.step("select_multiple_test")
    assert address is not None
    assert many is not None
    assert address.title == {"en": "Enter an address", "zh_CN": "您好"}
    assert many.constraint_message["zh_CN"].startswith("對不起 ${my_name}")
    assert [(group.id, group.repeat, group.parent) for group in procedure.groups][:2] == [
        ("everything", 0, None),
        ("repeat_test", 2, "everything"),
    ]


def test_widgets_become_what_a_terminal_can_do() -> None:
    found = read_procedure(FOLDER / "widgets.xls")
    assert found.procedure is not None
    types = {step.id: step.type for step in found.procedure.steps}
    asked = ("my_trigger", "my_barcode", "my_image", "my_audio", "my_video", "my_geopoint", "dateTime")
    assert [types[name] for name in asked] == ["check", "scan", "file", "file", "file", "text", "datetime"]
    assert [finding.row for finding in found.warnings if finding.sheet == "survey"] == [11, 14, 15, 17]
    decimal = found.procedure.step("my_decimal")
    assert decimal is not None
    assert (decimal.default, decimal.constraint) == ("18.31", ". > 10.51 and . < 18.39")
    table = next(group for group in found.procedure.groups if group.id == "table_list_test2")
    assert table.title == {"en": "(An easier to specify list group)"}


def test_or_other_adds_its_question_and_a_forgotten_quote_is_said() -> None:
    found = read_procedure(FOLDER / "or_other.xlsx")
    assert found.procedure is not None
    other, pastel = found.procedure.step("fav_color_other"), found.procedure.step("fav_pastel")
    assert other is not None
    assert pastel is not None
    assert other.relevant == "selected(${fav_color}, 'other')"
    assert pastel.choice_filter == "pastel='yes'"
    assert [(finding.row, "yes" in finding.reason) for finding in found.warnings] == [(3, True)]


def test_cascading_filter_keeps_choices_of_the_same_name() -> None:
    procedure = imported("choice_filter_test.xlsx")
    county = procedure.step("county")
    assert county is not None
    assert [(choice.id, choice.columns["cf"]) for choice in procedure.choices_of(county)] == [
        ("king", "washington"),
        ("pierce", "washington"),
        ("king", "texas"),
        ("cameron", "texas"),
    ]
