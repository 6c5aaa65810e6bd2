"""Bytes of a workbook to a procedure: workbook, row checks, pyxform, steps. Runs in the limited process."""

from __future__ import annotations

import copy
import re
from importlib import import_module
from typing import Any, Literal, cast

from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.verdict import check_criterion
from fieldapp.domain.words import Words
from fieldapp.imports.finding import Finding
from fieldapp.imports.form_checks import check_choices, check_rows, choice_lists
from fieldapp.imports.form_columns import ROW_COLUMN, divide_choices, divide_survey, snake, split_header
from fieldapp.imports.form_steps import FormParts, default_language, read_form
from fieldapp.imports.languages import words_of
from fieldapp.imports.workbook import Row, Sheet, read_workbook

_SHEETS = frozenset({"survey", "choices", "settings"})
_PYXFORM_SETTINGS = frozenset({"form_title", "form_id", "default_language", "allow_choice_duplicates", "clean_text_values"})
_IN_ROW = re.compile(r"\[row ?: ?([0-9]+)\]\s*")
_IN_SHEET = re.compile(r"[Oo]n the '(survey|choices|settings)' sheet,? ?")
_LEARN_MORE = re.compile(r"\s*Learn more: \S+")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")
_WORTH_SAYING = re.compile(r"case-insensitive match")


def read_form_bytes(
    data: bytes, *, name: str, code: str, version: int, kind: str
) -> tuple[Procedure | None, tuple[Finding, ...], tuple[Finding, ...]]:
    """(procedure or None where something was refused, warnings, refused), findings in the order of the sheet.

    Args:
        data: the workbook. name: of the file, which stands in where the form has neither title nor id.
        code: of the procedure, '' to take the form's id. version, kind: of the procedure.

    Raises:
        Problem: where the file as a whole cannot be read.
    """
    book = read_workbook(data, _SHEETS)
    survey = book.sheets.get("survey")
    if survey is None or not (survey.columns or survey.refused):
        raise Problem(
            "not-a-form",
            "This workbook has no sheet 'survey' with questions, so it is not an XLSForm.",
            "Nothing was imported. A form has the sheets survey, choices and settings.",
        )
    choices = book.sheets.get("choices")
    divided = divide_survey(survey)
    checked = check_rows(survey.name, divided.columns, divided.rows, choice_lists(choices), divided.media_rows)
    refused = [finding for sheet in book.sheets.values() for finding in sheet.refused]
    unreadable = {(finding.sheet, finding.row) for finding in refused}
    more = [*divided.refused, *checked.refused, *check_choices(choices, checked.multiple)]
    refused += [finding for finding in more if (finding.sheet, finding.row) not in unreadable]
    warnings = [finding for sheet in book.sheets.values() for finding in sheet.warnings]
    warnings += [*divided.warnings, *checked.warnings]
    settings = _settings(book.sheets.get("settings"))
    if not checked.rows and not refused:
        refused.append(Finding(survey.name, None, "the sheet has no questions"))

    choice_columns: tuple[str, ...] = ()
    choice_rows: tuple[Row, ...] = ()
    if choices is not None:
        choice_columns, choice_rows, media = divide_choices(choices)
        warnings += media
    tree, said, failure = _pyxform(survey.name, checked.columns, checked.rows, choice_columns, choice_rows, settings)
    warnings += said
    if failure and not any(failure.row in {None, finding.row} for finding in refused):
        refused.append(failure)
    if tree is None or refused:
        return None, _in_order(warnings), _in_order(refused)

    default = default_language(settings)
    parts = read_form(tree, survey.name, divided.extras, choice_columns, choice_rows, default)
    warnings += [*parts.warnings, *_unknown_languages(survey, choices)]
    procedure = Procedure(
        code=code or _code(settings, name),
        version=version,
        kind=cast(Literal["checklist", "service"], kind),
        title=_setting_words(settings, "form_title", default) or {default: settings.get("form_id") or name},
        steps=parts.steps,
        groups=parts.groups,
        choice_lists=parts.choice_lists,
        purpose=_setting_words(settings, "purpose", default),
        source=settings.get("source", ""),
    )
    refused += parts.refused or _last_look(procedure, parts, survey.name)
    return (None if refused else procedure), _in_order(warnings), _in_order(refused)


def _last_look(procedure: Procedure, parts: FormParts, title: str) -> list[Finding]:
    """What the domain itself finds wrong with the steps, for instance a pattern that no engine reads."""
    return [
        Finding(title, parts.rows.get(step.id), fault) for step in procedure.steps for fault in check_criterion(procedure, step)
    ]


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    unique = dict.fromkeys(findings)
    return tuple(sorted(unique, key=lambda finding: (finding.sheet.lower() != "survey", finding.sheet, finding.row or 0)))


def _settings(sheet: Sheet | None) -> dict[str, str]:
    """The first row of the settings sheet by snake-case name; translated ones keep `::language`."""
    if sheet is None or not sheet.rows:
        return {}
    found: dict[str, str] = {}
    for column, text in sheet.rows[0].cells.items():
        base, rest = split_header(column, True)
        found[f"{base}::{rest}" if rest else base] = text
    return found


def _setting_words(settings: dict[str, str], name: str, default: str) -> Words:
    texts = {key.partition("::")[2] or "default": text for key, text in settings.items() if key.partition("::")[0] == name}
    return words_of(texts, default)


def _code(settings: dict[str, str], name: str) -> str:
    """The form's id (or title, or the file's name) as a procedure code: letters, digits, dot, hyphen."""
    written = re.sub(r"[^A-Za-z0-9._-]+", "-", settings.get("form_id") or settings.get("form_title") or name).strip("-._")[:60]
    return written.upper() if _CODE.match(written) else "FORM"


def _unknown_languages(survey: Sheet, choices: Sheet | None) -> list[Finding]:
    from fieldapp.imports.languages import language_code

    found: list[Finding] = []
    for sheet in (survey, choices):
        if sheet is None:
            continue
        double_colon = any("::" in column for column in sheet.columns)
        seen: dict[str, None] = {}
        for column in sheet.columns:
            base, language = split_header(column, double_colon)
            if base in {"label", "hint", "guidance_hint"} and language and language_code(language) is None:
                seen[language] = None
        found += [Finding(sheet.name, 1, f"the language '{name}' has no known code; write it as 'Name (code)'") for name in seen]
    return found


def _pyxform(
    title: str,
    columns: tuple[str, ...],
    rows: tuple[Row, ...],
    choice_columns: tuple[str, ...],
    choice_rows: tuple[Row, ...],
    settings: dict[str, str],
) -> tuple[dict[str, Any] | None, list[Finding], Finding | None]:
    """(tree, warnings worth saying, why it was refused or None). Blank rows are kept, so that row numbers hold."""
    builder: Any = import_module("pyxform.builder")
    from pyxform.errors import PyXFormError
    from pyxform.xls2json import workbook_to_json
    from pyxform.xls2json_backends import DefinitionData

    marked = tuple(Row(row.number, {**row.cells, ROW_COLUMN: str(row.number)}) for row in rows)
    kept_settings = {name: text for name, text in settings.items() if name in _PYXFORM_SETTINGS}
    definition = DefinitionData(
        survey=_dense(marked),
        survey_header=[dict.fromkeys((*columns, ROW_COLUMN))],
        choices=_dense(choice_rows) or None,
        choices_header=[dict.fromkeys(choice_columns)] if choice_rows else None,
        settings=[kept_settings] if kept_settings else None,
        settings_header=[dict.fromkeys(kept_settings)] if kept_settings else None,
        sheet_names=["survey", "choices", "settings"],
    )
    said: list[str] = []
    tree: dict[str, Any] | None = None
    failure: Finding | None = None
    try:
        tree = workbook_to_json(definition, form_name="data", warnings=said)
        builder.create_survey_element_from_dict(copy.deepcopy(tree)).to_xml(validate=False, warnings=[])
    except PyXFormError as error:
        failure = _finding(str(error), title)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # pyxform raises whatever it stumbles over; for the author all of it means "not a form"
        failure = Finding(title, None, f"the form cannot be understood ({type(error).__name__}: {error})"[:300])
    return tree, [_finding(text, title) for text in said if _WORTH_SAYING.search(text)], failure


def _dense(rows: tuple[Row, ...]) -> list[dict[str, str]]:
    """Rows as pyxform counts them: the first stands for row 2 of the sheet, blank ones are empty."""
    dense: list[dict[str, str]] = [{} for _ in range(rows[-1].number - 1)] if rows else []
    for row in rows:
        dense[row.number - 2] = dict(row.cells)
    return dense


def _finding(text: str, title: str) -> Finding:
    """pyxform's words with sheet and row taken out of them."""
    row, sheet = _IN_ROW.search(text), _IN_SHEET.search(text)
    reason = _LEARN_MORE.sub("", _IN_SHEET.sub("", _IN_ROW.sub("", text)))
    reason = " ".join(reason.split())[:300]
    where = sheet.group(1) if sheet else "choices" if snake(reason).find("choices_sheet") >= 0 and not row else title
    return Finding(where, int(row.group(1)) if row else None, reason)
