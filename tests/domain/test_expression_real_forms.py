"""Expressions of forms that other people wrote: each one is evaluated, or refused for the reason that is really there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fieldapp.domain.expression import Answers, check_expression, evaluate
from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Choice, Group, Procedure, StepType
from tests.domain.forms import NOW_MS, procedure, step

FORMS = Path(__file__).parents[3] / "shared" / "data" / "xlsform"
COLUMNS = {"relevant", "relevance", "constraint", "calculation", "choice_filter", "repeat_count"}
REFUSED = {("bad_calc.xlsx", "because pyxform doesn't know what to do"): "quotation mark"}
"""What is wrong on purpose, and the words that say so."""

pytestmark = [
    pytest.mark.skipif(not FORMS.is_dir(), reason="the folder of real forms is not beside the project"),
    pytest.mark.filterwarnings("ignore:Unknown extension is not supported"),
]


def sheets(path: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of each sheet, by column heading."""
    found: dict[str, list[list[str]]] = {}
    if path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        for sheet in openpyxl.load_workbook(path, data_only=True):
            found[sheet.title] = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    else:
        xlrd = pytest.importorskip("xlrd")
        for sheet in xlrd.open_workbook(path).sheets():
            found[sheet.name] = [[str(cell) for cell in sheet.row_values(row)] for row in range(sheet.nrows)]
    return {
        name: [dict(zip([head.strip() for head in rows[0]], row, strict=False)) for row in rows[1:]] if rows else []
        for name, rows in found.items()
    }


def procedure_of(form: dict[str, list[dict[str, str]]]) -> Procedure:
    """The questions, groups and lists of a form, as far as expressions refer to them."""
    lists: dict[str, list[Choice]] = {}
    for row in form.get("choices", []):
        name = row.get("list_name") or row.get("list name") or ""
        lists.setdefault(name.strip(), []).append(Choice(row.get("name", ""), {"en": row.get("label", "")}, row))
    types: dict[str, StepType] = {
        "integer": "number", "decimal": "number", "calculate": "calculated", "date": "date", "note": "note",
    }  # fmt: skip
    steps: list[Any] = []
    groups: list[Group] = []
    around: list[str] = []
    for row in form["survey"]:
        kind, name = row.get("type", "").strip().lower(), row.get("name", "").strip()
        if kind.startswith(("begin group", "begin_group", "begin repeat", "begin_repeat")):
            groups.append(Group(name, parent=around[-1] if around else None, repeat=20 if "repeat" in kind else 0))
            around.append(name)
        elif kind.startswith("end") and around:
            around.pop()
        elif kind and name:
            listed = kind.split()[1] if kind.startswith("select") and len(kind.split()) > 1 else None
            steps.append(
                step(
                    name,
                    types.get(kind, "text"),
                    group=around[-1] if around else None,
                    choices_from=listed if listed in lists else None,
                )
            )
    return procedure(*steps, groups=tuple(groups), choice_lists={name: tuple(choices) for name, choices in lists.items()})


def expressions(form: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    """(step name, expression), each expression once."""
    found: dict[str, str] = {}
    for row in form["survey"]:
        for column, text in row.items():
            if column.strip().lower() in COLUMNS and text.strip():
                found.setdefault(text.strip(), row.get("name", "").strip())
    return [(name, text) for text, name in found.items()]


@pytest.mark.parametrize("path", sorted(FORMS.glob("*.xls*")), ids=lambda path: path.name)
def test_every_expression_is_worked_out_or_refused_for_the_right_reason(path: Path) -> None:
    form = sheets(path)
    made = procedure_of(form)
    names = {one.id for one in made.steps} | {group.id for group in made.groups}
    answers = Answers(made, {(made.steps[0].id, 0): "1"})
    for name, text in expressions(form):
        at = (name, 1 if answers.shape.repeats(name) else 0)
        expected = REFUSED.get((path.name, text))
        if expected:
            with pytest.raises(Problem, match=expected):
                check_expression(text, names)
            continue
        check_expression(text, names)
        assert isinstance(evaluate(text, answers, at, now_ms=NOW_MS), str)


def test_a_real_inventory_form_computes_what_it_should() -> None:
    path = FORMS / "inventory_generic_updated.xlsx"
    if not path.exists():
        pytest.skip("the inventory form is not beside the project")
    made = procedure_of(sheets(path))
    picked = next(one for one in made.steps if one.id == "commodites_managed")
    chosen = made.choices_of(picked)[:3]
    repeat = next(group for group in made.groups if group.repeat)
    member = next(one for one in made.steps if one.group == repeat.id)
    answers = Answers(made, {(picked.id, 0): " ".join(choice.id for choice in chosen)})
    assert evaluate("count-selected(${commodites_managed})", answers) == "3"
    name = "jr:choice-name(selected-at(${commodites_managed},position(..)-1),'${commodites_managed}')"
    for number, choice in enumerate(chosen, start=1):
        assert evaluate(name, answers, (member.id, number)) == (choice.label["en"] or choice.id)
    limits = "(.>=0 and .<=31) or .=98"
    held = [evaluate(limits, answers.with_value(member.id, 1, value), (member.id, 1)) for value in ("0", "31", "32", "98", "-1")]
    assert held == ["true", "true", "false", "true", "false"]
