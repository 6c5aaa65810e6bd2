"""Acceptance criteria from the extra columns of a form: limits are checked here, so that no standard contradicts itself."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import msgspec

from fieldapp.domain.procedure import NUMERIC, AfterFailure, Criterion, StepType
from fieldapp.domain.words import Words
from fieldapp.imports.form_columns import ExtraCells
from fieldapp.imports.languages import words_of

_DATED: frozenset[StepType] = frozenset({"date", "time", "datetime"})
_CHOOSING: frozenset[StepType] = frozenset({"choice", "multiple_choice", "check"})
_LIMITS = ("accept_min", "accept_max", "warn_min", "warn_max")
_DIGITS = 40


class Extras(msgspec.Struct, frozen=True):
    """What the extra columns of one row say about its step."""

    criterion: Criterion | None = None
    unit: str | None = None
    hazard: Words = {}
    standard_minutes: int = 0
    quantity: str | None = None
    customer_sees: bool = False
    after_failure: AfterFailure | None = None


def read_extras(cells: ExtraCells, step_type: StepType, choices: frozenset[str], default: str) -> tuple[Extras, list[str]]:
    """(extras, reasons to refuse the row).

    Args:
        cells: our cells of the row. step_type: what the question became. choices: ids of its options (`yes` and `no` of a check).
        default: code of the form's own language.
    """
    faults: list[str] = []
    limits: dict[str, str | None] = {name: cells.plain.get(name) for name in _LIMITS}
    if step_type in NUMERIC:
        amounts = {name: _decimal(text, name, faults) for name, text in limits.items()}
        faults += _contradictions(amounts)
        limits = {name: _text(amount) for name, amount in amounts.items()}
    elif any(limits.values()) and step_type not in _DATED:
        faults.append("accept_min, accept_max, warn_min and warn_max need a number or a date; this step is neither")
    accept = tuple(cells.plain.get("accept_choices", "").replace(",", " ").split())
    if accept and step_type not in _CHOOSING:
        faults.append("accept_choices needs a choice; this step has none")
    elif accept:
        faults += [f"accept_choices names '{name}', which is not in its choice list" for name in accept if name not in choices]
    pattern = cells.plain.get("accept_pattern")
    if pattern and step_type not in {"text", "scan"}:
        faults.append("accept_pattern needs a text; this step is none")
    photos = _whole(cells.plain.get("photos"), "photos", 100, faults)
    if photos and step_type != "file":
        faults.append("photos needs an image or file question; this step is none")
    criterion = Criterion(
        min=limits["accept_min"],
        max=limits["accept_max"],
        warn_min=limits["warn_min"],
        warn_max=limits["warn_max"],
        accept=accept,
        pattern=pattern,
        photos=photos,
        expression=cells.plain.get("accept_if"),
        message=words_of(cells.translated.get("accept_message"), default),
    )
    extras = Extras(
        criterion=criterion if criterion != Criterion() else None,
        unit=cells.plain.get("unit"),
        hazard=words_of(cells.translated.get("hazard"), default),
        standard_minutes=_whole(cells.plain.get("standard_minutes"), "standard_minutes", 10_000, faults) or 0,
        quantity=_name(cells.plain.get("quantity"), faults),
        customer_sees=_yes(cells.plain.get("customer_sees", ""), faults),
        after_failure=_after_failure(cells.plain.get("after_failure", ""), faults),
    )
    return extras, faults


def _decimal(text: str | None, column: str, faults: list[str]) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text.replace("\u2212", "-").strip())  # a typographic minus is still a minus
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or len(value.as_tuple().digits) > _DIGITS or abs(value.adjusted()) > _DIGITS:
        faults.append(f"{column} is '{text[:40]}', which is not a number (write 12.5)")
        return None
    return value


def _text(value: Decimal | None) -> str | None:
    if value is None:
        return None
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain


def _contradictions(limits: dict[str, Decimal | None]) -> list[str]:
    pairs = (
        ("accept_min", "accept_max"), ("warn_min", "warn_max"), ("accept_min", "warn_min"), ("warn_max", "accept_max"),
        ("accept_min", "warn_max"), ("warn_min", "accept_max"),
    )  # fmt: skip
    found: list[str] = []
    for lower, upper in pairs:
        low, high = limits[lower], limits[upper]
        if low is not None and high is not None and low > high:
            found.append(f"the limits contradict each other: {lower} {_text(low)} is above {upper} {_text(high)}")
    return found


def _whole(text: str | None, column: str, most: int, faults: list[str]) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
        faults.append(f"{column} is '{text[:40]}'; it must be a whole number from 0 to {most:,}")
        return None
    return int(text)


def _name(text: str | None, faults: list[str]) -> str | None:
    if text and not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", text):
        faults.append(f"quantity is '{text[:40]}'; it must be a short name such as oil_pressure")
        return None
    return text


def _yes(text: str, faults: list[str]) -> bool:
    if text.lower() in {"yes", "true", "true()", "1"}:
        return True
    if text.lower() not in {"", "no", "false", "false()", "0"}:
        faults.append(f"customer_sees is '{text[:40]}'; it must be yes or no")
    return False


def _after_failure(text: str, faults: list[str]) -> AfterFailure | None:
    """`stop_work`, `follow_up_job` or `corrective_step NAME`."""
    kind, _, step = text.strip().partition(" ")
    if not kind:
        return None
    if kind == "corrective_step" and step.strip():
        return AfterFailure("corrective_step", step.strip())
    if kind == "stop_work" and not step:
        return AfterFailure("stop_work")
    if kind == "follow_up_job" and not step:
        return AfterFailure("follow_up_job")
    faults.append(f"after_failure is '{text[:60]}'; it must be stop_work, follow_up_job or corrective_step and the step's name")
    return None
