"""docs/entries.md is drawn from the entry types, and says what a body really has to be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from fieldapp.domain.documents import Role
from fieldapp.domain.entry import encode
from fieldapp.domain.entry_types import ENTRY_TYPES, read_body
from fieldapp.domain.problem import Problem
from tests.domain.entries_document import entries_document
from tests.domain.examples import BY_NAME
from tests.domain.lives import Life

PAGE = Path(__file__).parents[2] / "docs" / "entries.md"
DRAWN = entries_document()
NAMES = sorted(ENTRY_TYPES)


def test_the_page_is_the_one_drawn_from_the_types() -> None:
    assert PAGE.read_text(encoding="utf-8") == DRAWN, "run: python -m tests.domain.golden"


def section(heading: str) -> str:
    found = re.search(rf"^### {re.escape(heading)}$(.*?)(?=^##|\Z)", DRAWN, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def cells(name: str) -> list[str]:
    """The row of a type in the table of all."""
    (row,) = [line for line in DRAWN.splitlines() if line.startswith(f"| [`{name}`]")]
    return [cell.strip() for cell in row.strip("| ").split(" | ")]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_calls_needed_is_what_a_body_needs(name: str) -> None:
    """A body of the fields without a default is read; without one of them it is not."""
    fields = dict(re.findall(r"^\| `(\w+)` \|.*\| (must be given|`.*`) \|$", section(name), re.MULTILINE))
    example = json.loads(encode(BY_NAME[name]))
    assert set(fields) == set(type(BY_NAME[name]).__struct_fields__)
    needed = {field: example[field] for field, default in fields.items() if default == "must be given"}
    assert read_body(Life().write(name, json.dumps(needed).encode()).entry) is not None
    for field in needed:
        less = {other: value for other, value in needed.items() if other != field}
        with pytest.raises(Problem, match="shape"):
            read_body(Life().write(name, json.dumps(less).encode()).entry)


@pytest.mark.parametrize("name", NAMES)
def test_who_may_record_it_and_where_it_belongs(name: str) -> None:
    kind = ENTRY_TYPES[name]
    _, streams, effect, who, touched = cells(name)
    people = set(get_args(Role)) - {"rule"}
    named = people if who == "everybody" else set() if who == "the server alone" else set(who.split(", "))
    assert named | {"rule"} == kind.ROLES
    assert {part.strip("`").partition(":")[0] for part in streams.split(", ")} == {kind.STREAM, *kind.OTHER_STREAMS}
    assert effect == kind.EFFECT
    assert (touched == "-") == (not BY_NAME[name].touches())


def test_every_link_on_the_page_leads_somewhere() -> None:
    headings = {re.sub(r"[^a-z0-9_\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", DRAWN, re.M)}
    links = set(re.findall(r"\]\(#([^)]*)\)", DRAWN))
    assert links <= headings
    assert len(links) > len(NAMES)


def test_a_stream_is_named_after_what_the_page_says() -> None:
    assert cells("site.recorded")[1] == "`customer:{site.customer}`"
    assert cells("job.erased")[1] == "`job:{kept.id}`"
    assert cells("step.amended")[4] == "`step:{step}`"
    assert cells("signature.given")[4] == "`signature:{role}`"
    assert "The newest of each `{version}` counts." in section("procedure.published")
    assert "whole number, 0 to 10 or null" in section("feedback.given")
