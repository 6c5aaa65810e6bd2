"""What the rows of a form become, and what is refused with sheet, row and reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import AfterFailure, Choice, Criterion, Step
from fieldapp.imports.xlsform import ImportedProcedure, read_procedure
from tests.imports.conftest import Form

HEAD = ("type", "name", "label")
YES_NO = (("list_name", "name", "label"), ("yn", "yes", "Yes"), ("yn", "no", "No"))


def step_of(found: ImportedProcedure, name: str) -> Step:
    assert found.refused == ()
    assert found.procedure is not None
    step = found.procedure.step(name)
    assert step is not None
    return step


def places(found: ImportedProcedure) -> list[tuple[str, int | None]]:
    assert found.procedure is None
    return [(finding.sheet, finding.row) for finding in found.refused]


@pytest.mark.parametrize(
    ("written", "step_type", "warned"),
    [
        ("text", "text", False), ("integer", "number", False), ("decimal", "number", False), ("date", "date", False),
        ("time", "time", False), ("dateTime", "datetime", False), ("note", "note", False), ("acknowledge", "check", False),
        ("barcode", "scan", False), ("image", "file", False), ("file", "file", False), ("select_one yn", "choice", False),
        ("select_multiple yn", "multiple_choice", False), ("range", "number", False), ("rank yn", "multiple_choice", True),
        ("audio", "file", True), ("video", "file", True), ("geopoint", "text", True), ("geotrace", "file", True),
        ("geoshape", "file", True),
    ],
)  # fmt: skip
def test_types(form: Form, written: str, step_type: str, warned: bool) -> None:
    found = form([HEAD, (written, "q", "A question")], YES_NO)
    assert step_of(found, "q").type == step_type
    assert [(finding.sheet, finding.row) for finding in found.warnings] == ([("survey", 2)] if warned else [])


@pytest.mark.parametrize("written", ["start", "end", "deviceid", "username", "background-audio", "start-geopoint"])
def test_device_data_is_left_out_with_a_warning(form: Form, written: str) -> None:
    found = form([HEAD, ("text", "kept", "Kept"), (written, "gone", None)])
    assert found.procedure is not None
    assert [step.id for step in found.procedure.steps] == ["kept"]
    assert [(finding.sheet, finding.row) for finding in found.warnings] == [("survey", 3)]


def test_everything_a_row_can_say(form: Form) -> None:
    found = form(
        [
            (
                "type", "name", "label::English (en)", "label::Français (fr)", "label::中文 (zh)", "hint::English (en)",
                "guidance_hint::English (en)", "required", "relevant", "constraint", "constraint_message::English (en)",
                "default", "unit", "accept_min", "accept_max", "warn_min", "warn_max", "hazard::English (en)", "hazard::中文 (zh)",
                "standard_minutes", "quantity", "customer_sees", "after_failure",
            ),
            ("acknowledge", "ready", "Ready", "Prêt", "就绪"),
            (
                "decimal", "pressure", "Oil pressure", "Pression d'huile", "油压", "At the gauge", "Wait one minute",
                "yes", "${ready} = 'yes'", ". > 0", "Above zero", "1.1", "bar", 0.8, 1.40, 0.9, "1.3",
                "Hot oil", "热油", 12, "oil_pressure", "yes", "stop_work",
            ),
        ]
    )  # fmt: skip
    assert step_of(found, "pressure") == Step(
        id="pressure",
        title={"en": "Oil pressure", "fr": "Pression d'huile", "zh_CN": "油压"},
        type="number",
        instruction={"en": "At the gauge\n\nWait one minute"},
        required=True,
        relevant="${ready} = 'yes'",
        criterion=Criterion(min="0.8", max="1.4", warn_min="0.9", warn_max="1.3"),
        unit="bar",
        default="1.1",
        constraint=". > 0",
        constraint_message={"en": "Above zero"},
        hazard={"en": "Hot oil", "zh_CN": "热油"},
        standard_minutes=12,
        after_failure=AfterFailure("stop_work"),
        customer_sees=True,
        quantity="oil_pressure",
    )
    assert found.warnings == ()


def test_settings_name_the_procedure(form: Form) -> None:
    settings = [
        ("form_title", "form_title::中文 (zh-Hant)", "form_id", "default_language", "purpose"),
        ("Kontrolle", "檢查", "pump check", "Deutsch (de)", "Damit es läuft"),
    ]
    procedure = form([HEAD, ("text", "q", "Frage")], settings=settings).procedure
    assert procedure is not None
    assert (procedure.code, procedure.title, procedure.purpose) == (
        "PUMP-CHECK",
        {"de": "Kontrolle", "zh_TW": "檢查"},
        {"de": "Damit es läuft"},
    )
    assert procedure.steps[0].title == {"de": "Frage"}


@pytest.mark.parametrize("code", ["../x", "-x", "a b", "检查", "x" * 61])
def test_codes_that_no_procedure_may_have(tmp_path: Path, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read_procedure(tmp_path / "form.xlsx", code=code)
    assert caught.value.code == "bad-code"


def test_a_file_name_that_is_no_text(form: Form, tmp_path: Path) -> None:
    form([HEAD, ("text", "a", "A")])
    odd = tmp_path / os.fsdecode(b"form \xff.xlsx")
    (tmp_path / "form.xlsx").rename(odd)
    procedure = read_procedure(odd, version=3, kind="checklist").procedure
    assert procedure is not None
    assert (procedure.code, procedure.version, procedure.kind) == ("FORM", 3, "checklist")


def test_groups_repeats_and_their_bounds(form: Form) -> None:
    found = form(
        [
            ("type", "name", "label", "relevant", "repeat_count", "repeat_limit"),
            ("integer", "n", "How many"),
            ("begin group", "outer", "Outer", "${n} > 0"),
            ("begin repeat", "fixed", "Fixed", None, 3),
            ("text", "a", "A"),
            ("end repeat",),
            ("end group",),
            ("begin repeat", "counted", "Counted", None, "${n} + 1", 7),
            ("text", "b", "B"),
            ("end repeat",),
            ("begin repeat", "free", "Free"),
            ("text", "c", "C"),
            ("end repeat",),
        ]
    )
    assert found.procedure is not None
    assert [(g.id, g.parent, g.relevant, g.repeat, g.count) for g in found.procedure.groups] == [
        ("outer", None, "${n} > 0", 0, None),
        ("fixed", "outer", None, 3, "3"),
        ("counted", None, None, 7, "${n} + 1"),
        ("free", None, None, 50, None),
    ]
    assert [(s.id, s.group) for s in found.procedure.steps] == [("n", None), ("a", "fixed"), ("b", "counted"), ("c", "free")]


def test_calculations(form: Form) -> None:
    survey = [
        ("type", "name", "label", "calculation", "accept_max", "unit"),
        ("decimal", "a", "A"),
        ("calculate", "twice", "Twice A", "${a} * 2", 10, "mm"),
        ("text", "shown", "Shown", "concat('A is ', ${a})"),
    ]
    found = form(survey)
    twice = step_of(found, "twice")
    assert (twice.type, twice.calculation, twice.unit, twice.criterion) == ("calculated", "${a} * 2", "mm", Criterion(max="10"))
    assert step_of(found, "shown").type == "calculated"


def test_choices_criterion_and_filter(form: Form) -> None:
    survey = [
        ("type", "name", "label", "choice_filter", "accept_choices"),
        ("select_one yn", "first", "First", None, "yes"),
        ("select_multiple parts", "parts", "Parts", "kind = ${first}", "a b"),
    ]
    choices = [
        ("list_name", "name", "label::English (en)", "label::中文 (zh)", "kind"),
        ("yn", "yes", "Yes", "是"),
        ("yn", "no", "No", "否"),
        ("parts", "a", "Part A", "零件甲", "yes"),
        ("parts", "b", "Part B", "零件乙", "no"),
        ("unused", "x", "X", "X"),
    ]
    found = form(survey, choices)
    parts = step_of(found, "parts")
    assert found.procedure is not None
    assert parts.criterion == Criterion(accept=("a", "b"))
    assert sorted(found.procedure.choice_lists) == ["parts", "yn"]
    assert found.procedure.choices_of(parts) == (
        Choice("a", {"en": "Part A", "zh_CN": "零件甲"}, {"kind": "yes"}),
        Choice("b", {"en": "Part B", "zh_CN": "零件乙"}, {"kind": "no"}),
    )


def test_defaults_that_are_texts_and_defaults_that_are_computed(form: Form) -> None:
    survey = [(*HEAD, "default"), ("text", "phone", "Phone", "+49 30 1"), ("date", "day", "Day", "today()")]
    found = form(survey)
    assert (step_of(found, "phone").default, step_of(found, "day").default) == ("+49 30 1", "today()")
    assert places(form([(*HEAD, "default"), ("text", "a", "A", "frobnicate()")])) == [("survey", 2)]


def test_a_list_named_by_an_expression_alone_is_kept(form: Form) -> None:
    survey = [("type", "name", "label", "calculation"), ("calculate", "n", None, "count(instance('yn')/root/item)")]
    found = form(survey, YES_NO)
    assert found.procedure is not None
    assert list(found.procedure.choice_lists) == ["yn"]


def test_range_and_location_bring_their_own_constraints(form: Form) -> None:
    survey = [("type", "name", "label", "parameters"), ("range", "r", "R", "start=0 end=5 step=0.5"), ("geopoint", "g", "G", None)]
    found = form(survey)
    assert (step_of(found, "r").constraint, step_of(found, "r").integer) == (". >= 0 and . <= 5", False)
    assert "regex(" in str(step_of(found, "g").constraint)
    assert "zh_CN" in step_of(found, "g").constraint_message


def test_signature_appearance(form: Form) -> None:
    found = form([("type", "name", "label", "appearance"), ("image", "s", "Sign here", "signature")])
    assert step_of(found, "s").type == "signature"


def test_media_columns_are_warned_of_by_row(form: Form) -> None:
    found = form([("type", "name", "label", "media::image"), ("text", "a", "A"), ("note", "b", None, "b.png")])
    assert [(finding.row, "media::image" in finding.reason) for finding in found.warnings] == [(3, True)]
    assert step_of(found, "b").title == {"en": "b"}


def test_unknown_column_is_named_with_the_nearest(form: Form) -> None:
    found = form([(*HEAD, "accept_mim"), ("integer", "a", "A", 3)])
    assert [finding.row for finding in found.warnings] == [1]
    assert "did you mean 'accept_min'" in found.warnings[0].reason


def test_questions_without_a_translation_are_counted(form: Form) -> None:
    survey = [("type", "name", "label::English (en)", "label::中文 (zh)"), ("text", "a", "A", "甲"), ("text", "b", "B")]
    assert [finding.reason for finding in form(survey).warnings] == ["1 of 2 questions have no label in the language zh_CN: b"]


def test_blank_and_disabled_rows_do_not_move_row_numbers(form: Form) -> None:
    survey = [(*HEAD, "disabled"), (None,), (None,), ("text", "a", "A", "yes"), (None,), ("text", "b", "B"), ("nonsense", "c", "C")]
    assert places(form(survey)) == [("survey", 7)]


@pytest.mark.parametrize(
    ("rows", "row", "reason"),
    [
        ([("telepathy", "a", "A")], 2, "the type 'telepathy' is not known"),
        ([("select_one nowhere", "a", "A")], 2, "the choice list 'nowhere'"),
        ([("select_one yn.csv", "a", "A")], 2, "another file"),
        ([("select_one", "a", "A")], 2, "names no choice list"),
        ([("text", None, "A")], 2, "has no name"),
        ([("text", "a", None)], 2, "has no label"),
        ([(None, "a", "A")], 2, "has no type"),
        ([("text", "a", "A"), ("text", "a", "B")], 3, "stands already in row 2"),
        ([("text", "1 a", "A")], 2, "Names must begin with a letter"),
        ([("begin group", "g", "G"), ("text", "a", "A")], 2, "the group 'g' is never closed"),
        ([("text", "a", "A"), ("end group", None, None)], 3, "never opened"),
        ([("begin repeat", "r", "R"), ("text", "a", "A"), ("end group", None, None)], 4, "the repeat 'r' of row 2 is still open"),
    ],
)
def test_wrong_rows(form: Form, rows: list[tuple[str | None, ...]], row: int, reason: str) -> None:
    found = form([HEAD, *rows], YES_NO)
    assert places(found) == [("survey", row)]
    assert reason in found.refused[0].reason


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("relevant", "${nobody} = 1", "nobody"),
        ("relevant", "${a} = ", "relevant"),
        ("constraint", ". > (1", "constraint"),
        ("calculation", "frobnicate(1)", "frobnicate"),
        ("constraint", "regex(., '(')", "constraint"),
        ("accept_if", "${nobody} > 1", "no question has that name"),
        ("accept_min", "much", "accept_min is 'much', which is not a number"),
        ("accept_min", "NaN", "not a number"),
        ("accept_max", "1e999999", "not a number"),
        ("standard_minutes", "-3", "standard_minutes"),
        ("standard_minutes", 2.5, "standard_minutes"),
        ("accept_choices", "yes", "accept_choices needs a choice"),
        ("photos", 2, "photos needs an image"),
        ("quantity", "Oil pressure!", "quantity"),
        ("customer_sees", "perhaps", "customer_sees"),
        ("after_failure", "run away", "after_failure"),
        ("after_failure", "corrective_step nobody", "nobody"),
        ("accept_pattern", "a+", "accept_pattern needs a text"),
    ],
)
def test_wrong_cells_of_a_number(form: Form, column: str, text: object, reason: str) -> None:
    found = form([(*HEAD, column), ("decimal", "a", "A", None), ("decimal", "b", "B", text)])
    assert places(found) == [("survey", 3)]
    assert reason in found.refused[0].reason


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"accept_min": 3, "accept_max": 2}, "accept_min 3 is above accept_max 2"),
        ({"accept_min": 3, "warn_min": 2}, "accept_min 3 is above warn_min 2"),
        ({"accept_max": 3, "warn_max": 4}, "warn_max 4 is above accept_max 3"),
        ({"warn_min": 5, "warn_max": 4}, "warn_min 5 is above warn_max 4"),
        ({"warn_min": 5, "accept_max": 4}, "warn_min 5 is above accept_max 4"),
    ],
)
def test_limits_that_contradict_each_other(form: Form, limits: dict[str, int], reason: str) -> None:
    found = form([(*HEAD, *limits), ("integer", "a", "A", *limits.values())])
    assert places(found) == [("survey", 2)]
    assert reason in found.refused[0].reason


def test_limits_of_a_date_and_options_of_a_check(form: Form) -> None:
    survey = [(*HEAD, "accept_min", "accept_choices"), ("date", "d", "D", "2026-01-31"), ("acknowledge", "c", "C", None, "yes")]
    found = form(survey)
    assert step_of(found, "d").criterion == Criterion(min="2026-01-31")
    assert step_of(found, "c").criterion == Criterion(accept=("yes",))
    wrong = form([(*HEAD, "accept_min"), ("date", "d", "D", "soon")])
    assert places(wrong) == [("survey", 2)]


def test_a_broken_pattern_is_refused(form: Form) -> None:
    assert places(form([(*HEAD, "accept_pattern"), ("text", "a", "A", "AP-(")])) == [("survey", 2)]


def test_all_mistakes_are_told_at_once(form: Form) -> None:
    survey = [HEAD, ("telepathy", "a", "A"), ("text", "b", "B"), ("select_one gone", "c", "C"), ("text", "b", "B again")]
    assert places(form(survey)) == [("survey", 2), ("survey", 4), ("survey", 5)]


def test_wrong_choices_are_refused_in_their_sheet(form: Form) -> None:
    twice = form([HEAD, ("select_one yn", "a", "A")], [*YES_NO, ("yn", "yes", "Yes again")])
    assert places(twice) == [("choices", 4)]
    nameless = form([HEAD, ("select_one yn", "a", "A")], [*YES_NO, ("yn", None, "Nothing")])
    assert places(nameless) == [("choices", 4)]
    spaced = form([HEAD, ("select_multiple yn", "a", "A")], [*YES_NO, ("yn", "y n", "Both")])
    assert places(spaced) == [("choices", 4)]


def test_filter_with_an_unknown_column(form: Form) -> None:
    found = form([(*HEAD, "choice_filter"), ("select_one yn", "a", "A", "colour = 'red'")], YES_NO)
    assert places(found) == [("survey", 2)]
    assert "'colour', which is no column" in found.refused[0].reason


@pytest.mark.parametrize(
    ("first", "second"), [("label", "label"), ("label", "Label"), ("label", "caption"), ("accept_min", "Accept Min")]
)
def test_duplicate_columns(form: Form, first: str, second: str) -> None:
    found = form([("type", "name", "hint", first, second), ("integer", "a", "A", 1, 1)])
    assert found.procedure is None
    assert {finding.sheet for finding in found.refused} == {"survey"}


def test_an_expression_over_device_data_is_refused(form: Form) -> None:
    found = form([(*HEAD, "relevant"), ("deviceid", "device", None), ("text", "a", "A", "${device} = 'x'")])
    assert places(found) == [("survey", 3)]
    assert "row 2 is device data" in found.refused[0].reason


def test_control_characters_are_refused_and_markup_is_kept(form: Form) -> None:
    kept = form([HEAD, ("text", "a", "[b]bold[/b] {x} 'q' \u202e")])
    assert step_of(kept, "a").title == {"en": "[b]bold[/b] {x} 'q' \u202e"}
    found = form([HEAD, ("text", "a", "A"), ("text", "b", "beep _x001B_]52;c;aGk=_x0007_")])
    assert places(found) == [("survey", 3)]
    assert "control character U+001B" in found.refused[0].reason
