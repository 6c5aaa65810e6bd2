"""What can be said about a survey sheet row by row: pyxform stops at the first mistake, an author wants to hear of all."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fieldapp.imports.finding import Finding
from fieldapp.imports.form_columns import snake
from fieldapp.imports.form_types import type_rule
from fieldapp.imports.workbook import Row, Sheet

_TYPE_COLUMNS = frozenset({"type", "command"})
_NAME_COLUMNS = frozenset({"name", "tag", "value"})
_LABEL_COLUMNS = ("label", "caption")
_SHOWN_COLUMNS = ("label", "caption", "hint", "guidance_hint")
_NAME_LENGTH = 80


class CheckedRows(msgspec.Struct, frozen=True):
    """The rows that count with their columns, and what is wrong with them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    multiple: frozenset[str]
    """Choice lists of which several may be chosen."""
    refused: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def check_rows(
    title: str, columns: tuple[str, ...], rows: tuple[Row, ...], lists: frozenset[str], media_rows: frozenset[int]
) -> CheckedRows:
    """Check types, names, choice lists and the nesting of groups; leave out disabled rows and comments with a warning.

    Args:
        title: name of the sheet. columns, rows: as left by divide_survey. lists: names of the choice lists.
        media_rows: rows that had a picture or sound in place of a label; they get their name for one.
    """
    check = _Check(title, columns, lists, media_rows)
    for row in rows:
        check.row(row)
    return check.finish()


def choice_lists(sheet: Sheet | None) -> frozenset[str]:
    if sheet is None:
        return frozenset()
    column = next((column for column in sheet.columns if snake(column) == "list_name"), "")
    return frozenset(row.cells[column] for row in sheet.rows if column in row.cells)


def check_choices(sheet: Sheet | None, multiple: frozenset[str]) -> list[Finding]:
    """Several choices are stored side by side with a blank between: their names hold none."""
    if sheet is None:
        return []
    list_column, name_column = _column(sheet.columns, ("list_name",)), _column(sheet.columns, ("name", "value"))
    return [
        Finding(
            sheet.name,
            row.number,
            f"the choice '{row.cells[name_column]}' has a blank in its name, which a multiple choice forbids",
        )
        for row in sheet.rows
        if row.cells.get(list_column) in multiple and len(row.cells.get(name_column, "").split()) > 1
    ]


def _column(columns: tuple[str, ...], names: Iterable[str]) -> str:
    return next((column for column in columns if snake(column) in names), "")


class _Check:
    def __init__(self, title: str, columns: tuple[str, ...], lists: frozenset[str], media_rows: frozenset[int]) -> None:
        self.title = title
        self.columns = tuple(column for column in columns if snake(column) != "disabled")
        self.media_rows = media_rows
        self.lists = lists
        self.type_column = _column(columns, _TYPE_COLUMNS)
        self.name_column = _column(columns, _NAME_COLUMNS)
        self.disabled_column = _column(columns, ("disabled",))
        self.open: list[tuple[str, int, str]] = []
        self.seen: dict[tuple[str, str], int] = {}
        self.multiple: set[str] = set()
        self.rows: list[Row] = []
        self.refused: list[Finding] = []
        self.warnings: list[Finding] = []

    def refuse(self, row: int, reason: str) -> None:
        self.refused.append(Finding(self.title, row, reason))

    def warn(self, row: int, reason: str) -> None:
        self.warnings.append(Finding(self.title, row, reason))

    def row(self, row: Row) -> None:
        cells = dict(row.cells)
        disabled = cells.pop(self.disabled_column, "").lower()
        if disabled in {"yes", "true", "true()", "1"}:
            self.warn(row.number, "the row is disabled and was left out")
            return
        kind = " ".join(cells.get(self.type_column, "").split())
        name = cells.get(self.name_column, "")
        if not kind:
            labelled = any(snake(column).startswith(_LABEL_COLUMNS) for column in cells)
            if name or labelled:
                self.refuse(row.number, "the question has no type")
            elif cells:
                self.warn(row.number, "the row has neither type, name nor label: it is taken as a comment and was left out")
            return
        self._kind(row.number, kind, name)
        if not any(snake(column).startswith(_SHOWN_COLUMNS) for column in cells) and name and _needs_label(kind):
            if row.number not in self.media_rows:
                self.refuse(row.number, "the question has no label")
            cells["label"] = name
            self.columns = tuple(dict.fromkeys((*self.columns, "label")))
        self.rows.append(Row(row.number, cells))

    def _kind(self, number: int, kind: str, name: str) -> None:
        from pyxform.xls2json import RE_BEGIN_CONTROL, RE_END_CONTROL, RE_SELECT

        begin, end, select = RE_BEGIN_CONTROL.search(kind), RE_END_CONTROL.search(kind), RE_SELECT.search(kind)
        if end:
            self._close(number, _control(end["type"]))
            return
        if begin:
            control = _control(begin["type"])
            if control == "loop":
                self.refuse(number, "loops over a list are not supported; use a repeat")
            self.open.append((control, number, name))
            self._name(number, "group", name, "group or repeat")
            return
        if select:
            self._select(number, select["select_command"], select["list_name"])
        elif kind.split(" ")[0] in {"select_one", "select_multiple", "rank"}:
            self.refuse(number, f"'{kind}' names no choice list")
        elif kind.startswith("osm "):
            pass
        elif type_rule(kind) is None and kind not in _SETTINGS_TYPES:
            self.refuse(number, f"the type '{kind}' is not known")
        if kind != "note" or name:
            self._name(number, "step", name, "question")

    def _select(self, number: int, command: str, list_name: str) -> None:
        from pyxform import aliases

        if "file" in command or "external" in command or "." in list_name:
            self.refuse(number, f"'{command}' takes its choices from another file, which is not read")
        elif "${" in list_name:
            self.refuse(number, "choices taken from earlier answers are not supported")
        elif list_name not in self.lists:
            self.refuse(number, f"the choice list '{list_name}' does not stand in the choices sheet")
        elif aliases.select[command] in {"select all that apply", "rank"}:
            self.multiple.add(list_name)

    def _name(self, number: int, space: str, name: str, what: str) -> None:
        if not name:
            self.refuse(number, f"the {what} has no name")
            return
        if len(name) > _NAME_LENGTH:
            self.refuse(number, f"the name has {len(name)} characters; {_NAME_LENGTH} are allowed")
            return
        earlier = self.seen.setdefault((space, name), number)
        if earlier != number:
            self.refuse(number, f"the name '{name}' stands already in row {earlier}")

    def _close(self, number: int, control: str) -> None:
        if not self.open:
            self.refuse(number, f"this closes a {control} that was never opened")
        elif self.open[-1][0] != control:
            opened, row, name = self.open.pop()
            self.refuse(number, f"this closes a {control}, but the {opened} '{name}' of row {row} is still open")
        else:
            self.open.pop()

    def finish(self) -> CheckedRows:
        for control, row, name in self.open:
            self.refuse(row, f"the {control} '{name}' is never closed")
        return CheckedRows(self.columns, tuple(self.rows), frozenset(self.multiple), tuple(self.refused), tuple(self.warnings))


_SETTINGS_TYPES = frozenset({"form_title", "set_form_title", "form_id", "set_form_id", "prefix"})


def _needs_label(kind: str) -> bool:
    """Groups, metadata and calculations are not shown to anybody; selects and all others are."""
    if kind.startswith(("begin", "end")) or kind in _SETTINGS_TYPES:
        return False
    rule = type_rule(kind)
    return rule is None or rule.step not in {None, "calculated"}


def _control(written: str) -> str:
    from pyxform import aliases

    return str(aliases.control[written])
