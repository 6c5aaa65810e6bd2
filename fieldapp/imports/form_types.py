"""What a question type of XLSForm becomes here, by what pyxform's own table says about it (so aliases need no second list)."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from fieldapp.domain.procedure import StepType


class TypeRule(msgspec.Struct, frozen=True):
    """A step type, or None for what is left out; `warning` says what was lost."""

    step: StepType | None
    warning: str = ""
    integer: bool = False


_NO_TERMINAL = "cannot be recorded in a terminal: it became a file step"
GEOPOINT_PATTERN = r"^-?[0-9]{1,2}(\.[0-9]+)?[ ,]+-?[0-9]{1,3}(\.[0-9]+)?$"
"""Latitude and longitude in decimal degrees, typed one after the other."""

_BY_BIND: dict[str, TypeRule] = {
    "string": TypeRule("text"),
    "int": TypeRule("number", integer=True),
    "decimal": TypeRule("number"),
    "date": TypeRule("date"),
    "time": TypeRule("time"),
    "dateTime": TypeRule("datetime"),
    "barcode": TypeRule("scan"),
    "geopoint": TypeRule("text", "a location is typed here: latitude and longitude in degrees"),
    "geotrace": TypeRule("file", f"a path {_NO_TERMINAL} (attach a track, for instance GPX)"),
    "geoshape": TypeRule("file", f"an area {_NO_TERMINAL} (attach a track, for instance GPX)"),
    "odk:rank": TypeRule("multiple_choice", "ranking became a multiple choice: the order is not kept"),
}
_BY_MEDIA: dict[str, TypeRule] = {
    "image/*": TypeRule("file"),
    "application/*": TypeRule("file"),
    "audio/*": TypeRule("file", f"a sound {_NO_TERMINAL}"),
    "video/*": TypeRule("file", f"a video {_NO_TERMINAL}"),
    "osm/*": TypeRule("file", f"a map feature {_NO_TERMINAL}"),
}


def _types() -> dict[str, dict[str, Any]]:
    from pyxform.question_type_dictionary import QUESTION_TYPE_DICT

    return cast(dict[str, dict[str, Any]], QUESTION_TYPE_DICT)


def type_rule(name: str) -> TypeRule | None:
    """The rule for a question type; None for a type that XLSForm does not have."""
    from pyxform.aliases import _type_alias_map

    known = _types().get(_type_alias_map.get(name, name))
    if known is None:
        return None
    bind, control = known.get("bind", {}), known.get("control", {})
    tag, kind = control.get("tag", ""), bind.get("type", "")
    if "jr:preload" in bind:
        return TypeRule(None, "the device data it stands for is not kept: the row was left out")
    if name == "audit" or tag == "action" or name == "background-geopoint":
        return TypeRule(None, "recording in the background is not done: the row was left out")
    if not bind and tag != "trigger":
        return TypeRule(None, "lists from outside files are not read: the row was left out")
    if tag == "trigger":
        return TypeRule("check")
    if not tag:
        return TypeRule("calculated")
    if tag == "upload":
        return _BY_MEDIA[control.get("mediatype", "application/*")]
    if tag == "select1":
        return TypeRule("choice")
    if tag == "select":
        return TypeRule("multiple_choice")
    if tag == "range":
        return TypeRule("number")
    if bind.get("readonly"):
        return TypeRule("note")
    return _BY_BIND.get(kind)


def type_defaults(name: str) -> tuple[str, str]:
    """(constraint, hint) that the type itself brings, for instance `phone number`; '' for none."""
    known = _types().get(name, {})
    return known.get("bind", {}).get("constraint", ""), str(known.get("hint", ""))
