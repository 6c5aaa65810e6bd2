"""The outline of a job's steps: what is done and how it turned out, what is open, grouped by procedure and section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content

from fieldapp.domain.expression import Shape
from fieldapp.domain.procedure import Group
from fieldapp.domain.progress import StepPlace, by_person
from fieldapp.domain.words import Words, say
from fieldapp.language import _, language
from fieldapp.screens.states import VERDICT
from fieldapp.screens.technician.turns import turn_of, turns
from fieldapp.widgets.safe_text import safe_text
from fieldapp.widgets.window_list import Rows, WindowList


@dataclass(frozen=True)
class Section:
    """A heading: a procedure (`level` 0) or a section of it.

    instance: which turn it is where the section is done several times, `of` how many; of 0 for the one more that is offered.
    """

    title: Words
    level: int
    instance: int = 0
    of: int = 0


@dataclass(frozen=True)
class StepRow:
    """One step; `number` counts those that a person does, 0 for the others."""

    place: StepPlace
    number: int


Row = Section | StepRow


def outline_rows(places: Sequence[StepPlace]) -> list[Row]:
    """Rows for the steps that apply now, headings where a procedure or a section begins."""
    rows: list[Row] = []
    shapes: dict[str, Shape] = {}
    procedure = ""
    section: tuple[str, int] | None = None
    counted: dict[tuple[str, str, tuple[int, ...]], int] = {}
    number = 0
    for place in places:
        if not place.relevant:
            continue
        if place.procedure.code != procedure:
            procedure, section = place.procedure.code, None
            rows.append(Section(place.procedure.title, 0))
        at = (place.step.group or "", place.instance)
        if at != section:
            section = at
            shape = shapes.setdefault(procedure, Shape(place.procedure))
            group, number_here = section_of(place, shape)
            if group is not None:
                turn = turn_of(place, shape) if number_here else None
                if turn is not None and turn.section not in counted:
                    counted[turn.section] = turns(places, turn)
                of = 0 if turn is None or place.extra else counted[turn.section]
                rows.append(Section(group.title or {"en": group.id}, 1, number_here, of))
        number += place.counts
        rows.append(StepRow(place, number if place.counts else 0))
    return rows


def section_of(place: StepPlace, shape: Shape | None = None) -> tuple[Group | None, int]:
    """The innermost section of a step, and which time it is done there (0 where it is done once)."""
    shape = shape or Shape(place.procedure)
    chain = shape.chain(place.step.group)
    digits = shape.digits(place.step.id, place.instance) or ()
    return (chain[-1] if chain else None), (digits[-1] if digits else 0)


def draw_row(row: object, width: int, current: str = "") -> Content:
    """One line of the outline. current: key of the step that is open beside it."""
    if isinstance(row, Section):
        words = say(row.title, language())
        if row.instance:
            words = f"{words} {row.instance}/{row.of}" if row.of else f"+ {words} {row.instance}?"
        return safe_text(words, "bold $text-primary" if row.level == 0 else "$text-muted").truncate(width, ellipsis=True)
    assert isinstance(row, StepRow)
    place = row.place
    glyph, colour = glyph_of(place)
    mark = Content.styled("▸", "$text-accent") if place.key == current else Content(" ")
    title = safe_text(say(place.step.title, language()) or place.step.id, "bold" if place.key == current else "")
    required = Content.styled("*", "$text-warning") if place.required and not place.done else Content(" ")
    head = Content.assemble(mark, (glyph, colour), required)
    return Content.assemble(head, title.truncate(max(1, width - 3), ellipsis=True))


def glyph_of(place: StepPlace) -> tuple[str, str]:
    """Glyph and colour: the verdict that stands, else what kind of open step it is."""
    state = place.state
    if state is not None and state.sent_back is not None and not state.sent_back.corrected:
        return "↩", "$text-error"
    if state is not None and state.result is not None:
        glyph, _word, colour = VERDICT[state.result.verdict]
        return glyph, colour
    if place.step.type == "note":
        return "i", "$text-muted"
    if not by_person(place.step):
        return "=", "$text-muted"
    if place.extra:
        return "+", "$text-muted"
    return "○", "$foreground"


class OutlineList(WindowList):
    """The outline as a list; one click opens a step. What comes next stays in view."""

    AROUND = 3

    def __init__(self, *, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(self._row, skip=lambda row: isinstance(row, Section), empty=_("No steps yet."), id=id)
        self.current = ""

    def _row(self, row: object, width: int) -> Content:
        return draw_row(row, width, self.current)

    def show_places(self, places: Sequence[StepPlace], current: str = "") -> None:
        """Show these steps, the open one marked and in view."""
        self.current = current
        self.show(Rows[object](outline_rows(places), key_of))
        if current:
            self.go_to(current)

    def on_click(self, event: events.Click) -> None:
        super().on_click(event)
        if event.chain == 1:
            self.action_choose()


def key_of(row: object) -> str:
    """What the cursor stays on."""
    return row.place.key if isinstance(row, StepRow) else ""
