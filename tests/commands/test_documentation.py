"""docs/commands.md and docs/errors.md say what is so: every command, option, JSON key, setting and error code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fieldapp.commands.calling import command_of, parser_of
from fieldapp.commands.registry import COMMANDS, TITLES, Listed
from fieldapp.server.settings import ServerSettings
from fieldapp.settings import DEVICE_KEYS
from tests.commands.runs import ROOT, Commands

TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
OF_ALL = {"--help", "-h", "--home", "--json"}


def section(words: str) -> str:
    found = re.search(rf"^### `fieldapp {words}(?: [^`a-z][^`]*)?`$(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section for `fieldapp {words}`"
    return found[0]


def shape_of(words: str) -> Any:
    """The JSON example in a command's section."""
    found = re.search(r"```json\n(.*?)```", section(words), re.DOTALL)
    assert found, f"docs/commands.md shows no JSON of `fieldapp {words}`"
    return json.loads(found[1])


def keys(value: Any) -> Any:
    """Only the keys of a JSON value, at all depths; of a list's elements together."""
    if isinstance(value, dict):
        return {name: keys(part) for name, part in value.items()}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        for part in value:
            inner = keys(part)
            if isinstance(inner, dict):
                merged = {**merged, **{name: found for name, found in inner.items() if found is not None or name not in merged}}
        return [merged] if merged else None
    return None


def matches(documented: Any, actual: Any) -> bool:
    """Whether both have the same keys wherever both have any."""
    if documented is None or actual is None:
        return True
    if isinstance(documented, dict) and isinstance(actual, dict):
        return documented.keys() == actual.keys() and all(matches(documented[name], actual[name]) for name in documented)
    if isinstance(documented, list) and isinstance(actual, list):
        return matches(documented[0], actual[0])
    return False


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.words)
def test_every_command_and_option_is_documented_and_nothing_else(listed: Listed) -> None:
    parser = parser_of(listed, command_of(listed))
    options = {name for action in parser._actions for name in action.option_strings} - OF_ALL
    said = section(listed.words)
    documented = set(re.findall(r"^\| `(--[a-z-]+)", said, re.MULTILINE)) - OF_ALL
    shared = {"--server-home", "--database"} if listed.family == "administration" else set()
    assert documented == options - shared
    assert parser.description in said
    assert command_of(listed).example in said


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.words)
def test_every_help_names_its_options_and_shows_an_example(listed: Listed) -> None:
    ran = Commands()(*listed.words.split(), "--help")
    assert ran.code == 0
    assert f"Example:\n  fieldapp {listed.words}" in ran.out
    assert ran.out.startswith(f"usage: fieldapp {listed.words}")


def test_no_section_without_a_command() -> None:
    sections = re.findall(r"^### `fieldapp ([a-z -]+?)(?: [A-Z][^`]*)?`$", TEXT, re.MULTILINE)
    assert sections == [listed.words for family in TITLES for listed in COMMANDS if listed.family == family]


def test_every_setting_is_documented() -> None:
    documented = re.findall(r"^\| `((?:device|server)\.[a-z_]+)` \| `([A-Z_]+)`", TEXT, re.MULTILINE)
    expected = [(f"device.{key}", variable) for key, variable in DEVICE_KEYS.items()]
    expected += [(f"server.{key}", f"FIELDAPP_SERVER_{key.upper()}") for key in ServerSettings.model_fields]
    assert documented == expected


# --- Error codes -------------------------------------------------------------------------------------------------------------


def codes() -> Iterator[tuple[str, str]]:
    """(code or pattern, where) of every Problem that the source makes."""
    for file in sorted((ROOT / "fieldapp").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = (
                node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            )
            place = {"Problem": 0, "PositionProblem": 0, "complain": 0, "Refused": 1, "__init__": 0}.get(name)
            if place is None or len(node.args) <= place:
                continue
            yield from ((code, f"{file.relative_to(ROOT)}:{node.lineno}") for code in _texts(node.args[place]) if code)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(node.value)
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        yield "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z]+" for part in node.values)


def test_every_error_code_has_its_line_and_no_line_is_left_over() -> None:
    documented = re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", ERRORS, re.MULTILINE)
    names = [code for code, _ in documented]
    assert names == sorted(set(names)), "one line a code, in alphabetical order"
    assert all(len(line) > 20 for _, line in documented)
    used = list(codes())
    missing = [f"{code} ({where})" for code, where in used if not any(re.fullmatch(code, name) for name in names)]
    assert not missing
    patterns = [code for code, _ in used]
    unused = [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)]
    assert not unused
    assert len(names) > 60
