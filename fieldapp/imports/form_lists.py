"""The choice lists of a form: options with their labels and the columns that cascading filters look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldapp.domain.procedure import Choice
from fieldapp.domain.words import Words
from fieldapp.imports.finding import Finding
from fieldapp.imports.form_columns import snake
from fieldapp.imports.languages import words_of
from fieldapp.imports.workbook import Row

_OTHER: Words = {"en": "Other", "fr": "Autre", "zh_CN": "其他", "zh_TW": "其他"}
"""The option that `or_other` adds."""
_NOT_FOR_FILTERS = frozenset({"name", "label", "list name", "__row"})


class ChoiceLists:
    """Reads each list once; `warnings` names choices without a label by their row.

    Args:
        lists: as pyxform returns them. columns, rows: of the choices sheet. default: code of the form's own language.
    """

    def __init__(
        self, lists: dict[str, list[dict[str, Any]]], columns: tuple[str, ...], rows: tuple[Row, ...], default: str
    ) -> None:
        self._lists = lists
        self._rows = _rows(columns, rows)
        self._default = default
        self._read: dict[str, tuple[Choice, ...]] = {}
        self.warnings: list[Finding] = []

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._lists)

    def choices(self, list_name: str) -> tuple[Choice, ...]:
        """The options of a list, in order; none for a list that does not exist."""
        if list_name not in self._read:
            self._read[list_name] = tuple(self._choices(list_name))
        return self._read[list_name]

    def _choices(self, list_name: str) -> Iterator[Choice]:
        for entry in self._lists.get(list_name, []):
            name = str(entry.get("name", ""))
            row = self._rows.get((list_name, name))
            label = words_of(entry.get("label"), self._default)
            if name == "other" and row is None:
                label = _OTHER
            elif not label:
                self.warnings.append(Finding("choices", row, f"the choice '{name}' has no label; its name is shown"))
            columns = {key: value for key, value in entry.items() if isinstance(value, str) and key not in _NOT_FOR_FILTERS}
            yield Choice(name, label or {self._default: name}, columns)


def _rows(columns: tuple[str, ...], rows: tuple[Row, ...]) -> dict[tuple[str, str], int]:
    """(list, choice) to the row on which it stands first."""
    list_column = next((column for column in columns if snake(column) == "list_name"), "")
    name_column = next((column for column in columns if snake(column) in {"name", "value"}), "")
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        found.setdefault((row.cells.get(list_column, ""), row.cells.get(name_column, "")), row.number)
    return found
