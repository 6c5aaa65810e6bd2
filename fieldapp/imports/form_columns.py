"""Which columns of an XLSForm are ours, which are pyxform's, and which are nobody's.

Our columns (acceptance limits and what else a standard needs) are taken out by name before pyxform sees the sheet.
"""

from __future__ import annotations

import difflib

import msgspec

from fieldapp.imports.finding import Finding
from fieldapp.imports.workbook import Row, Sheet

ROW_COLUMN = "fieldapp_row"
"""Travels through pyxform with every row, so that whatever comes out knows where it came from."""

EXTRA_COLUMNS = frozenset({
    "accept_min", "accept_max", "warn_min", "warn_max", "accept_choices", "accept_pattern", "accept_if", "accept_message",
    "photos", "unit", "hazard", "standard_minutes", "quantity", "customer_sees", "after_failure", "repeat_limit",
})  # fmt: skip
TRANSLATED_EXTRAS = frozenset({"hazard", "accept_message"})

_MEDIA = frozenset({"image", "big-image", "audio", "video", "media", "autoplay"})
_IGNORED = frozenset({"rows", "noapperrorstring", "no_app_error_string", "buttontext", "compact_tag", "sms_field"})
_EXTRA_CHOICE_COLUMNS = frozenset({"list_name", "list name", "name", "value", "label", "caption"})


class ExtraCells(msgspec.Struct, frozen=True):
    """Our cells of one row: plain ones by column, translated ones by column and language name (`default` without one)."""

    plain: dict[str, str]
    translated: dict[str, dict[str, str]]


class SurveyColumns(msgspec.Struct, frozen=True):
    """A survey sheet divided: what pyxform gets, our cells by row number, what there is to say."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    extras: dict[int, ExtraCells]
    refused: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    media_rows: frozenset[int]
    """Rows that show a picture or play a sound: they may do so instead of a label."""


def snake(name: str) -> str:
    return "_".join(name.split()).lower()


def split_header(header: str, double_colon: bool) -> tuple[str, str]:
    """(column in snake case, language) of `label::Français (fr)`; single colons count where no header has a double one."""
    mark = "::" if double_colon or "::" in header else ":"
    if snake(header).startswith(("jr:", "bind:jr:", "bind::jr:")):
        return snake(header), ""
    base, _, rest = header.partition(mark)
    return snake(base), rest.strip()


def divide_survey(sheet: Sheet) -> SurveyColumns:
    """Take our columns out of the survey sheet, drop media and unknown ones with a warning."""
    double_colon = any("::" in column for column in sheet.columns)
    known = _known_survey_columns()
    ours: dict[str, tuple[str, str]] = {}
    media: dict[str, str] = {}
    kept: list[str] = []
    refused: list[Finding] = []
    warnings: list[Finding] = []
    for column in sheet.columns:
        base, rest = split_header(column, double_colon)
        if base in EXTRA_COLUMNS:
            if rest and base not in TRANSLATED_EXTRAS:
                refused.append(Finding(sheet.name, 1, f"the column '{column}': {base} has no translations"))
            elif (base, rest) in ours.values():
                refused.append(Finding(sheet.name, 1, f"the column '{column}' stands twice"))
            else:
                ours[column] = (base, rest)
        elif base.partition(":")[0] in _MEDIA:
            media[column] = base
        elif base == "disabled" or base in known:
            if base not in _IGNORED:
                kept.append(column)
        else:
            near = difflib.get_close_matches(base, sorted(EXTRA_COLUMNS | known), 1, 0.8)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            warnings.append(Finding(sheet.name, 1, f"the column '{column}' is not known and was not read{hint}"))
    rows: list[Row] = []
    with_media: list[int] = []
    extras: dict[int, ExtraCells] = {}
    for row in sheet.rows:
        plain: dict[str, str] = {}
        translated: dict[str, dict[str, str]] = {}
        for column, text in row.cells.items():
            if column in ours:
                base, rest = ours[column]
                if base in TRANSLATED_EXTRAS:
                    translated.setdefault(base, {})[rest or "default"] = text
                else:
                    plain[base] = text
        if plain or translated:
            extras[row.number] = ExtraCells(plain, translated)
        shown = sorted({column for column in row.cells if column in media})
        if shown:
            with_media.append(row.number)
            names = ", ".join(f"'{column}'" for column in shown)
            warnings.append(Finding(sheet.name, row.number, f"media ({names}) cannot be shown in a terminal and was left out"))
        rows.append(Row(row.number, {column: text for column, text in row.cells.items() if column in kept}))
    return SurveyColumns(tuple(kept), tuple(rows), extras, tuple(refused), tuple(warnings), frozenset(with_media))


def _known_survey_columns() -> frozenset[str]:
    from pyxform import aliases
    from pyxform.question import MultipleChoiceQuestion

    return frozenset(aliases.survey_header) | frozenset(MultipleChoiceQuestion.get_slot_names()) | _BIND_COLUMNS


_BIND_COLUMNS = frozenset(
    {"bind", "control", "type", "name", "label", "hint", "guidance_hint", "bind:jr:constraintmsg", "bind::jr:constraintmsg"}
)


def divide_choices(sheet: Sheet) -> tuple[tuple[str, ...], tuple[Row, ...], tuple[Finding, ...]]:
    """(columns, rows, warnings) of the choices sheet without its media columns. All others may be used by a filter."""
    double_colon = any("::" in column for column in sheet.columns)
    media = {column for column in sheet.columns if split_header(column, double_colon)[0] in _MEDIA}
    kept = tuple(column for column in sheet.columns if column not in media)
    warnings = [
        Finding(sheet.name, row.number, "media cannot be shown in a terminal and was left out")
        for row in sheet.rows
        if media & row.cells.keys()
    ]
    rows = tuple(Row(row.number, {name: text for name, text in row.cells.items() if name in kept}) for row in sheet.rows)
    return kept, rows, tuple(warnings)


def filter_columns(columns: tuple[str, ...]) -> frozenset[str]:
    """The columns of the choices sheet that a choice_filter may name."""
    double_colon = any("::" in column for column in columns)
    plain = {column for column in columns if split_header(column, double_colon)[0] not in {"label", "caption"}}
    return frozenset(plain - _EXTRA_CHOICE_COLUMNS) | {"name"}
