"""From pyxform's tree of a form to the groups and steps of a procedure, in the order of the sheet."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from fieldapp.domain.expression import is_computed
from fieldapp.domain.procedure import Choice, Group, Step, StepType
from fieldapp.domain.words import Words
from fieldapp.imports import limits
from fieldapp.imports.criteria import Extras, read_extras
from fieldapp.imports.finding import Finding
from fieldapp.imports.form_columns import ROW_COLUMN, ExtraCells, filter_columns
from fieldapp.imports.form_expressions import named_lists, quote_filter_words, reference_fault, references, syntax_fault
from fieldapp.imports.form_lists import ChoiceLists
from fieldapp.imports.form_types import GEOPOINT_PATTERN, TypeRule, type_defaults, type_rule
from fieldapp.imports.languages import language_code, words_of
from fieldapp.imports.workbook import Row

_SPECIFY: Words = {"en": "Please specify", "fr": "Veuillez préciser", "zh_CN": "请注明", "zh_TW": "請註明"}
_LOCATION: Words = {
    "en": "Type latitude and longitude in degrees, for example 52.5200 13.4050",
    "zh_CN": "请输入纬度和经度（度），例如 52.5200 13.4050",
}
_YES = frozenset({"yes", "true", "true()", "1"})
_NO = frozenset({"", "no", "false", "false()", "0"})
_OF_A_CHECK = frozenset({"yes", "no"})
_WHOLE = re.compile(r"[0-9]{1,4}\Z")
_COMPUTABLE: frozenset[StepType] = frozenset({"text", "number", "note", "date", "time", "datetime", "choice"})


class FormParts(msgspec.Struct, frozen=True):
    """What came out of a form."""

    steps: tuple[Step, ...]
    groups: tuple[Group, ...]
    choice_lists: dict[str, tuple[Choice, ...]]
    rows: dict[str, int]
    """Row of the sheet by step id."""
    refused: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def read_form(
    tree: dict[str, Any],
    title: str,
    extras: dict[int, ExtraCells],
    choice_columns: tuple[str, ...],
    choice_rows: tuple[Row, ...],
    default: str,
) -> FormParts:
    """Turn the tree into steps.

    Args:
        tree: as workbook_to_json returns it, rows marked with ROW_COLUMN. title: name of the survey sheet.
        extras: our cells by row. choice_columns, choice_rows: of the choices sheet.
        default: code of the form's own language.
    """
    lists = ChoiceLists(tree.get("choices") or {}, choice_columns, choice_rows, default)
    form = _Form(lists, title, extras, filter_columns(choice_columns), default)
    form.walk(tree.get("children", []), None)
    form.check_expressions()
    form.check_translations()
    used = {step.choices_from for step in form.steps if step.choices_from}
    used |= {name for _row, _column, text in form.expressions for name in named_lists(text)}
    kept = {name: lists.choices(name) for name in lists.names if name in used}
    return FormParts(tuple(form.steps), tuple(form.groups), kept, form.rows, tuple(form.refused), (*form.warnings, *lists.warnings))


class _Form:
    def __init__(
        self,
        lists: ChoiceLists,
        title: str,
        extras: dict[int, ExtraCells],
        columns: frozenset[str],
        default: str,
    ) -> None:
        self.lists = lists
        self.title = title
        self.extras = extras
        self.columns = columns
        self.default = default
        self.steps: list[Step] = []
        self.groups: list[Group] = []
        self.refused: list[Finding] = []
        self.warnings: list[Finding] = []
        self.expressions: list[tuple[int, str, str]] = []
        self.dropped: dict[str, int] = {}
        self.counts: dict[str, str] = {}
        self.titles: list[tuple[int, str]] = []
        self.last_row = 0
        self.rows: dict[str, int] = {}

    def refuse(self, row: int, reason: str) -> None:
        self.refused.append(Finding(self.title, row, reason))

    def warn(self, row: int, reason: str) -> None:
        self.warnings.append(Finding(self.title, row, reason))

    def words(self, value: Any) -> Words:
        return words_of(value, self.default)

    def walk(self, children: list[dict[str, Any]], group: str | None) -> None:
        for node in children:
            name, kind = str(node.get("name", "")), str(node.get("type", ""))
            row = int(node.get(ROW_COLUMN) or 0)
            self.last_row = row or self.last_row
            if not row:
                self._generated(node, name, kind, group)
            elif kind in {"group", "repeat"}:
                self._group(node, name, kind, row, group)
            elif kind != "loop":
                self._question(node, name, kind, row, group)

    def _generated(self, node: dict[str, Any], name: str, kind: str, group: str | None) -> None:
        """Rows that pyxform added: counters of repeats, headers of tables, 'specify other' questions, metadata."""
        bind = node.get("bind", {})
        if kind == "group" and name == "meta":
            for child in node.get("children", []):
                if child.get(ROW_COLUMN):
                    self.warn(int(child[ROW_COLUMN]), "recording in the background is not done: the row was left out")
        elif kind == "calculate" and name.endswith("_count"):
            self.counts[name] = str(bind.get("calculate", ""))
        elif name.startswith("generated_table_list_label_") and self.groups:
            self.groups[-1] = msgspec.structs.replace(self.groups[-1], title=self.words(node.get("label")))
        elif kind == "text" and name.endswith("_other"):
            asked = name.removesuffix("_other")
            if any(step.id == name for step in self.steps):
                self.refuse(self.last_row, f"'or_other' adds the question '{name}', but a question of that name exists")
            relevant = f"selected(${{{asked}}}, 'other')"
            self.steps.append(Step(id=name, title=_SPECIFY, type="text", required=True, relevant=relevant, group=group))

    def _group(self, node: dict[str, Any], name: str, kind: str, row: int, parent: str | None) -> None:
        most, count = 0, None
        if kind == "repeat":
            most, count = self._repeat(node, row)
        relevant = self._expression(row, "relevant", node.get("bind", {}).get("relevant"))
        self.groups.append(
            Group(id=name, title=self.words(node.get("label")), parent=parent, relevant=relevant, repeat=most, count=count)
        )
        unused = sorted(self._cells(row).plain.keys() - {"repeat_limit"}) + sorted(self._cells(row).translated)
        if unused:
            self.warn(row, f"{', '.join(unused)} stands at a group, where it means nothing; it was not read")
        self.walk(node.get("children", []), name)

    def _repeat(self, node: dict[str, Any], row: int) -> tuple[int, str | None]:
        """(greatest number of instances, expression for their number or None)."""
        written = str(node.get("control", {}).get("jr:count", "")).strip()
        named = references(written)
        if len(named) == 1 and named[0] in self.counts:
            written = self.counts[named[0]]
        limit = self._cells(row).plain.get("repeat_limit", "")
        most = limits.REPEATS
        if limit:
            if not _WHOLE.match(limit) or not 1 <= int(limit) <= 1000:
                self.refuse(row, f"repeat_limit is '{limit[:40]}'; it must be a whole number from 1 to 1,000")
            else:
                most = int(limit)
        if _WHOLE.match(written):
            if int(written) == 0:
                self.refuse(row, "the repeat is asked zero times")
            return max(1, int(written)), written
        return most, self._expression(row, "repeat_count", written)

    def _cells(self, row: int) -> ExtraCells:
        return self.extras.get(row, ExtraCells({}, {}))

    def _expression(self, row: int, column: str, text: Any) -> str | None:
        """Remember an expression for the check that follows once all names are known; pyxform writes yes as `true()`."""
        if not isinstance(text, str) or not text.strip():
            return None
        self.expressions.append((row, column, text.strip()))
        return text.strip()

    def _question(self, node: dict[str, Any], name: str, kind: str, row: int, group: str | None) -> None:
        rule = type_rule(kind)
        if rule is None:
            self.refuse(row, f"the type '{kind}' is not known")
            return
        if rule.step is None:
            self.dropped[name] = row
            self.warn(row, rule.warning)
            return
        if len(self.steps) >= limits.STEPS:
            if len(self.steps) == limits.STEPS:
                self.refuse(row, f"the form has more than {limits.STEPS:,} questions")
            return
        if rule.warning:
            self.warn(row, rule.warning)
        if name.startswith("generated_note_name_"):
            name = f"note_{row}"
        self.rows[name] = row
        self.steps.append(self._step(node, name, kind, row, group, rule))

    def _step(self, node: dict[str, Any], name: str, kind: str, row: int, group: str | None, rule: TypeRule) -> Step:
        bind: dict[str, Any] = node.get("bind", {})
        step_type = self._step_type(node, kind, row, bind, rule)
        list_name = str(node.get("itemset", "")) if rule.step in {"choice", "multiple_choice"} else ""
        choices = frozenset(choice.id for choice in self.lists.choices(list_name)) if list_name else _OF_A_CHECK
        extras, faults = read_extras(self._cells(row), step_type, choices, self.default)
        for fault in faults:
            self.refuse(row, fault)
        constraint, message, integer = self._constraint(node, kind, row, bind, rule)
        if extras.criterion and extras.criterion.expression:
            self._expression(row, "accept_if", extras.criterion.expression)
        if extras.after_failure and extras.after_failure.step:
            self.expressions.append((row, "after_failure", f"${{{extras.after_failure.step}}}"))
        title = self.words(node.get("label")) or {self.default: name.replace("_", " ")}
        for text in title.values():
            if "${" in text:
                self.titles.append((row, text))
        return Step(
            id=name,
            title=title,
            type=step_type,
            instruction=self._instruction(node, kind),
            required=self._required(bind, row),
            relevant=self._expression(row, "relevant", bind.get("relevant")),
            criterion=extras.criterion,
            unit=extras.unit,
            integer=integer,
            choices_from=list_name or None,
            choice_filter=self._choice_filter(node, row, list_name),
            calculation=self._calculation(bind, row, step_type),
            default=self._default(node, row),
            constraint=constraint,
            constraint_message=message,
            group=group,
            read_only=str(bind.get("readonly", "")).lower() in _YES,
            **_of_extras(extras),
        )

    def _step_type(self, node: dict[str, Any], kind: str, row: int, bind: dict[str, Any], rule: TypeRule) -> StepType:
        step_type = rule.step or "text"
        appearance = str(node.get("control", {}).get("appearance", "")).split()
        if step_type == "file" and "signature" in appearance:
            return "signature"
        if bind.get("calculate") and step_type != "calculated":
            if step_type not in _COMPUTABLE:
                self.warn(row, "only numbers, texts, dates and single choices can be calculated; the calculation was left out")
                return step_type
            return "calculated"
        if kind == "hidden":
            self.warn(row, "a hidden question became a calculated step")
        return step_type

    def _calculation(self, bind: dict[str, Any], row: int, step_type: StepType) -> str | None:
        written = bind.get("calculate")
        if step_type != "calculated":
            return None
        return self._expression(row, "calculation", written) or "''"

    def _constraint(
        self, node: dict[str, Any], kind: str, row: int, bind: dict[str, Any], rule: TypeRule
    ) -> tuple[str | None, Words, bool]:
        """(constraint, its message, whole numbers only?) with what the question type itself demands."""
        parts = [str(bind["constraint"]).strip()] if str(bind.get("constraint", "")).strip() else []
        message = self.words(bind.get("jr:constraintMsg"))
        integer = rule.integer
        own, _hint = type_defaults(kind)
        if own:
            parts.append(own)
        if kind == "range":
            start, end, step = _range(node.get("parameters"))
            parts.append(f". >= {min(start, end)} and . <= {max(start, end)}")
            integer = start == start.to_integral_value() and step == step.to_integral_value()
        if rule.warning and rule.step == "text":
            parts.append(f"regex(., '{GEOPOINT_PATTERN}')")
            message = message or _LOCATION
        if not parts:
            return None, message, integer
        text = parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
        return self._expression(row, "constraint", text), message, integer

    def _instruction(self, node: dict[str, Any], kind: str) -> Words:
        hint, guidance = self.words(node.get("hint")), self.words(node.get("guidance_hint"))
        if not hint and not guidance:
            _constraint, own = type_defaults(kind)
            return {"en": own} if own else {}
        joined = {language: hint.get(language, "") for language in (*hint, *guidance)}
        return {
            language: "\n\n".join(part for part in (text, guidance.get(language, "")) if part) for language, text in joined.items()
        }

    def _required(self, bind: dict[str, Any], row: int) -> bool:
        written = str(bind.get("required", "")).strip()
        if written.lower() in _NO:
            return False
        if written.lower() not in _YES:
            self.warn(row, "whether it is required depends on an expression; it counts as required whenever it applies")
        return True

    def _default(self, node: dict[str, Any], row: int) -> str | None:
        written = node.get("default")
        if written is None or str(written) == "":
            return None
        if is_computed(str(written)):
            self._expression(row, "default", str(written))
        return str(written)

    def _choice_filter(self, node: dict[str, Any], row: int, list_name: str) -> str | None:
        written = str(node.get("choice_filter", "")).strip()
        if not written:
            return None
        values = frozenset(value for choice in self.lists.choices(list_name) for value in choice.columns.values())
        text, quoted, unknown = quote_filter_words(written, self.columns, values)
        if unknown:
            self.refuse(row, f"the choice_filter uses '{unknown}', which is no column of the choices sheet (a text needs quotes)")
            return None
        if quoted:
            self.warn(
                row, f"the choice_filter compares with {', '.join(quoted)}, which is no column: it is read as a text in quotes"
            )
        return self._expression(row, "choice_filter", text)

    def check_expressions(self) -> None:
        """Check what was remembered, now that all names are known."""
        lists = frozenset(self.lists.names)
        known = frozenset(step.id for step in self.steps) | frozenset(group.id for group in self.groups)
        for row, column, text in self.expressions:
            fault = reference_fault(text, known, self.dropped)
            if fault:
                self.refuse(row, f"{column} '{_short(text)}' {fault}")
                continue
            fault = syntax_fault(text, known, lists)
            if fault:
                self.refuse(row, f"{column}: {fault}")
        for row, text in self.titles:
            for name in references(text):
                if name in self.dropped:
                    self.warn(row, f"its text shows ${{{name}}}, but row {self.dropped[name]} is device data that is not kept")

    def check_translations(self) -> None:
        """Say which languages some questions have and others lack."""
        shown = [step for step in self.steps if step.type != "calculated" and step.title is not _SPECIFY]
        for language in sorted({language for step in shown for language in step.title}):
            missing = [step.id for step in shown if language not in step.title]
            if missing:
                some = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
                reason = f"{len(missing)} of {len(shown)} questions have no label in the language {language}: {some}"
                self.warnings.append(Finding(self.title, None, reason))


def _of_extras(extras: Extras) -> dict[str, Any]:
    return {
        "hazard": extras.hazard,
        "standard_minutes": extras.standard_minutes,
        "quantity": extras.quantity,
        "customer_sees": extras.customer_sees,
        "after_failure": extras.after_failure,
    }


def _range(parameters: Any) -> tuple[Decimal, Decimal, Decimal]:
    """(start, end, step) of a range question; pyxform has checked them and filled in 1, 10 and 1."""
    given: dict[str, str] = parameters if isinstance(parameters, dict) else {}
    return Decimal(str(given.get("start", "1"))), Decimal(str(given.get("end", "10"))), Decimal(str(given.get("step", "1")))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."


def default_language(settings: dict[str, str]) -> str:
    """Code of the form's own language: that of `default_language` in the settings sheet, else English."""
    written = settings.get("default_language", "")
    return language_code(written) or "en"
