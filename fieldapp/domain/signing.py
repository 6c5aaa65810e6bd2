"""Signing a step: a typed name, a drawn line where there is one, and the text that was shown above both.

A drawing is kept as compact text: `120x28;3,4 5,6 7,6;40,2` is a canvas of 120 by 28 dots with a line of three points and a dot.
What stands in the input of a signature step is one text, so that it is kept as a draft like any other: the name, and on a line of
its own the drawing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from fieldapp.domain.job import JobState
from fieldapp.domain.procedure import Procedure, Step
from fieldapp.domain.words import say

Point: TypeAlias = tuple[int, int]
Stroke: TypeAlias = tuple[Point, ...]
MOST_POINTS = 3_000
"""A signature has some hundreds; what comes after this many is not drawn."""
_MOST_DOTS = 4_000
_FORM = re.compile(r"(\d{1,4})x(\d{1,4})((?:;\d{1,4},\d{1,4}(?: \d{1,4},\d{1,4})*)*)\Z")
SHOWN_LIMIT = 4_000
"""Characters of the text over a signature; a longer instruction is cut there, on the screen as in the record."""


def strokes_text(width: int, height: int, strokes: Iterable[Sequence[Point]]) -> str:
    """Strokes on a canvas of so many dots, as text; '' where nothing is drawn."""
    lines = [" ".join(f"{x},{y}" for x, y in stroke) for stroke in strokes if stroke]
    return ";".join((f"{width}x{height}", *lines)) if lines else ""


def read_strokes(text: str) -> tuple[int, int, tuple[Stroke, ...]]:
    """(width, height, strokes) of such a text; (0, 0, ()) for one that is none, so that a foreign text draws nothing."""
    match = _FORM.match(text) if len(text) < 16 * MOST_POINTS else None
    if match is None or not (0 < int(match[1]) <= _MOST_DOTS and 0 < int(match[2]) <= _MOST_DOTS):
        return 0, 0, ()
    strokes = [_stroke(part) for part in match[3].split(";") if part]
    return int(match[1]), int(match[2]), tuple(strokes)


def _stroke(text: str) -> Stroke:
    pairs = (pair.partition(",") for pair in text.split(" "))
    return tuple((int(x), int(y)) for x, _comma, y in pairs)


def signature_typed(name: str, strokes: str) -> str:
    """Name and drawing as the one text of the input."""
    return f"{name}\n{strokes}" if strokes else name


def read_signature(typed: str) -> tuple[str, str]:
    """(name, drawing) of such a text; a second line that is no drawing belongs to the name."""
    name, _sep, strokes = typed.rpartition("\n")
    if _sep and read_strokes(strokes)[2]:
        return " ".join(name.split("\n")).strip(), strokes
    return " ".join(typed.split("\n")).strip(), ""


def signature_text(job: JobState, procedure: Procedure, step: Step, language: str) -> str:
    """What somebody signs at a step, the same bytes on the screen and under the hash: the job, the procedure, the step's words."""
    lines = [
        f"{job.number}  {say(job.title, language)}",
        f"{say(procedure.title, language)} ({procedure.code} {procedure.version})",
        say(step.title, language) or step.id,
    ]
    if step.instruction:
        lines.append(say(step.instruction, language))
    return "\n".join(lines)[:SHOWN_LIMIT]
