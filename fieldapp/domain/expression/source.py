"""The text of an XLSForm expression before XPath sees it: bounds, references, function names.

XPath knows neither `${name}` nor `jr:` functions, so references become variables (`$f0`, `$f1`, ...) and the colon a hyphen. What
can be said about an expression without reading it as XPath (too long, unknown function) is said here, in plain words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import NamedTuple

from fieldapp.domain.problem import Problem

TEXT_LIMIT = 4_000
"""Characters of one expression."""
DEPTH_LIMIT = 50
"""Brackets within brackets."""
PARTS_LIMIT = 2_000
"""Names, numbers, strings and signs of one expression."""

REFUSED = {
    "random": "the same answers must give the same value on every machine",
    "randomize": "the same answers must give the same value on every machine",
    "uuid": "the same answers must give the same value on every machine; each entry has an id of its own already",
    "pulldata": "there is no data file beside a procedure; put the rows into a choice list and use instance()",
    "search": "there is no data file beside a procedure; put the rows into a choice list and use a choice filter",
    "property": "a procedure does not know the device it is done on",
    "version": "the version of a procedure stands in each record already",
    "jr-itext": "texts are translated where they are shown",
    "area": "a terminal records no shapes on a map",
    "distance": "a terminal records no shapes on a map",
    "geofence": "a terminal records no shapes on a map",
    "intersects": "a terminal records no shapes on a map",
    "digest": "values are not hashed inside a procedure",
    "base64-decode": "values are not decoded inside a procedure",
    "extract-signed": "signed codes are not opened inside a procedure",
}
"""Functions of the language that are refused, each with the reason."""

_OPERATORS = frozenset({"and", "or", "div", "mod"})
_NODE_TESTS = frozenset({"node", "text"})
_PART = re.compile(
    r"""
    (?P<string>'[^']*'|"[^"]*")
    | (?P<smart>[‘’][^‘’]*[‘’]|[“”][^“”]*[“”])
    | \$\{(?P<reference>[^{}]*)\}
    | (?P<call>(?:jr:)?[^\W\d][\w.\-]*)(?=\s*\()
    | (?P<word>[^\W\d][\w.\-]*|\d+(?:\.\d*)?)
    | (?P<open>[(\[])
    | (?P<close>[)\]])
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED_REFERENCE = re.compile(r"\$\{([^{}]*)\}")


class Source(NamedTuple):
    """An expression ready for the XPath parser. `names[i]` is what `$f<i>` refers to; `quoted` are names inside strings."""

    xpath: str
    names: tuple[str, ...]
    quoted: tuple[str, ...]


def prepare(text: str, functions: Collection[str]) -> Source:
    """Turn XLSForm text into XPath text with variables.

    Args:
        text: the expression. functions: names of the functions that can be called.

    Raises:
        Problem: `bad-expression` for what can be named at once; `expression-too-heavy` beyond the limits.
    """
    if len(text) > TEXT_LIMIT:
        raise Problem("expression-too-heavy", f"An expression of {len(text):,} characters is too long; {TEXT_LIMIT:,} are allowed.")
    if not text.strip():
        raise Problem("bad-expression", "The expression is empty.")
    out: list[str] = []
    names: dict[str, int] = {}
    quoted: list[str] = []
    depth = parts = 0
    for match in _PART.finditer(text):
        kind, part = match.lastgroup, match[0]
        parts += kind != "space"
        if kind == "string":
            quoted += [name.strip() for name in _QUOTED_REFERENCE.findall(part)]
        elif kind == "smart":
            part = _straight(part)
        elif kind == "reference":
            name = _reference(match["reference"], text)
            part = f" $f{names.setdefault(name, len(names))} "
        elif kind == "call":
            part = part.replace(":", "-")
            _check_function(part, functions, text)
        elif kind == "open":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise Problem("expression-too-heavy", f"The expression {shown(text)} has more than {DEPTH_LIMIT} nested brackets.")
        elif kind == "close":
            depth -= 1
        elif kind == "other" and part in "'\"‘’“”":
            raise Problem("bad-expression", f"In the expression {shown(text)} a quotation mark is not closed.")
        elif kind == "other" and part == "$":
            raise Problem("bad-expression", f"In the expression {shown(text)} a $ stands alone.", "Refer to steps as ${step}.")
        out.append(part)
    if parts > PARTS_LIMIT:
        raise Problem("expression-too-heavy", f"The expression {shown(text)} has more than {PARTS_LIMIT:,} parts.")
    if depth:
        raise Problem("bad-expression", f"In the expression {shown(text)} the brackets do not match.")
    return Source("".join(out), tuple(names), tuple(quoted))


def near(name: str, known: Collection[str]) -> str:
    """`Did you mean x?` for a name that is nearly a known one, else ''."""
    close = difflib.get_close_matches(name, sorted(known), n=3)
    return f"Did you mean {', '.join(close)}?" if close else ""


def shown(text: str) -> str:
    """An expression as a message quotes it."""
    seen = "".join(sign if sign.isprintable() else " " for sign in text.strip()[:60])
    return f"'{seen}…'" if len(text.strip()) > 60 else f"'{seen}'"


def _reference(name: str, text: str) -> str:
    name = name.strip()
    if name.startswith("last-saved#"):
        raise Problem(
            "bad-expression",
            f"The expression {shown(text)} refers to the last saved form, which does not exist here.",
            "Earlier readings are shown with the step; take the reference out.",
        )
    if not name:
        raise Problem("bad-expression", f"In the expression {shown(text)} a ${{}} names no step.")
    return name


def _check_function(name: str, functions: Collection[str], text: str) -> None:
    if name in functions or name in _OPERATORS or name in _NODE_TESTS:
        return
    said = name.replace("jr-", "jr:")
    if name in REFUSED:
        raise Problem("bad-expression", f"The function {said}() in {shown(text)} is not available: {REFUSED[name]}.")
    raise Problem("bad-expression", f"The expression {shown(text)} calls {said[:60]}(), which is unknown.", near(name, functions))


def _straight(part: str) -> str:
    inside = part[1:-1]
    return f"'{inside}'" if "'" not in inside else f'"{inside.replace(chr(34), "")}"'
