"""Sections that are done several times: which turn a step belongs to, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fieldapp.domain.expression import Shape
from fieldapp.domain.procedure import Group
from fieldapp.domain.progress import StepPlace, by_person


@dataclass(frozen=True)
class Turn:
    """One time that a section is done.

    code: of the procedure. group: the innermost section that is repeated. digits: its number, after those of what is around it.
    """

    code: str
    group: Group
    digits: tuple[int, ...]

    @property
    def number(self) -> int:
        return self.digits[-1]

    @property
    def section(self) -> tuple[str, str, tuple[int, ...]]:
        """What its turns have in common."""
        return self.code, self.group.id, self.digits[:-1]


def turn_of(place: StepPlace, shape: Shape | None = None) -> Turn | None:
    """The turn that a step belongs to; None where it is done once."""
    shape = shape or Shape(place.procedure)
    repeats, digits = shape.repeats(place.step.id), shape.digits(place.step.id, place.instance)
    return Turn(place.procedure.code, repeats[-1], digits) if repeats and digits else None


def turns(places: Iterable[StepPlace], turn: Turn) -> int:
    """How many turns of this section there are, without the one more that is offered."""
    shapes: dict[str, Shape] = {}
    found: set[tuple[int, ...]] = set()
    for place in places:
        if place.relevant and not place.extra and place.procedure.code == turn.code and place.instance:
            other = turn_of(place, shapes.setdefault(turn.code, Shape(place.procedure)))
            if other is not None and other.section == turn.section:
                found.add(other.digits)
    return len(found)


def following(places: Iterable[StepPlace], key: str, *, past: bool = False) -> StepPlace | None:
    """Where Enter goes on from a step: the next one that is open, or a text to read; None where none is left behind it.

    After the last step of a section that may be done once more, the one more is asked about, as its first step. A section that was
    never begun is gone into.

    Args:
        places: of the job, in order. past: from the one more that is offered on to what comes after it, since there is none.
    """
    visible = [place for place in places if place.relevant]
    keys = [place.key for place in visible]
    begin = keys.index(key) + 1 if key in keys else 0
    here = turn_of(visible[begin - 1]) if begin else None
    begun = {place.step.id for place in visible if not place.extra}
    for place in visible[begin:]:
        if place.extra:
            turn = turn_of(place)
            if past and here is not None and turn is not None and turn.section == here.section:
                continue
            asked = begin and not visible[begin - 1].extra and _one_more(here, turn)
            if by_person(place.step) and (asked or place.step.id not in begun):
                return place
        elif (place.counts and not place.done) or place.step.type == "note":
            return place
    return None


def _one_more(here: Turn | None, turn: Turn | None) -> bool:
    """Whether this is the turn right after the one the person is in."""
    return here is not None and turn is not None and (turn.section, turn.number) == (here.section, here.number + 1)
