"""docs/entries.md, drawn from the entry types themselves: who may record each, its body, what it conflicts with, what it changes.

What stands in the code is read from the code; what only a function says (single values, streams, changes) is asked of it, with
each field holding its own name. Pure: it returns the text.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import msgspec.inspect as shapes

from fieldapp.domain import roles
from fieldapp.domain.asset import AssetState, CustomerState
from fieldapp.domain.documents import Role
from fieldapp.domain.entry_types import ENTRY_TYPES, customer, erasure, lifecycle, office, reference, steps, work
from fieldapp.domain.entry_types.base import Body
from fieldapp.domain.fold import fold
from fieldapp.domain.job import JobState, Unresolved
from tests.domain.examples import BY_NAME, made_before
from tests.domain.lives import Life

_OPENING = """\
# Entries

Every type of entry of protocol 1: who may record it, what its body holds, what it can conflict with and what it changes. Drawn
from `fieldapp/domain/entry_types/`; `python -m tests.domain.golden` writes this page again, a test keeps the two equal. Envelopes,
positions and the rules by which outcomes are decided stand in [protocol.md](protocol.md), the moves of a job in
[lifecycle.md](lifecycle.md).

## How to read it

- A body is a JSON object by the strict rules of the protocol, at most 65,536 bytes. A field without a default must be there; one
  that has its default is left out when it is written. Unknown fields are ignored and kept. There are no further limits than
  those named: what a field means is for people and devices to keep to, and whoever reads a field must bear any value of its type.
- *words* is text in several languages: an object from language code (`en`, `zh_CN`, `zh_TW`) to text. *whole number* lies
  between -2^53+1 and 2^53-1. Values of steps and readings, quantities and limits are decimal text (`1.25`), money is in whole minor
  units, instants are milliseconds since 1970 UTC, dates are ISO text.
- **effect**: a `lifecycle` or `single` fact can conflict; an `additive` one never does; a `reference` is a document, the newest
  of which counts; a `decision` settles others.
- **single values**: two entries of different devices that set the same one, neither having seen the other, conflict. `{field}`
  stands for what the field holds; `-` sets none, so nothing can conflict with it.
- **changes**: the fields of the stream's state that it changes, under [the states](#the-states). In a stream named in `also` it is
  folded as in its own."""

_FAMILIES = (
    (lifecycle, "Moves of a job"),
    (steps, "Steps"),
    (work, "Work around the steps"),
    (customer, "The customer"),
    (office, "Decisions of the office"),
    (erasure, "Erasure"),
    (reference, "Reference documents"),
)
_STATES: dict[str, type[msgspec.Struct]] = {"job": JobState, "asset": AssetState, "customer": CustomerState}
_WIDTH = 130
_ITEM = re.compile(r"[a-z_]+(, [a-z_]+)*: ")


def entries_document() -> str:
    """The whole page as Markdown, ending in a line break."""
    documents = _documents()
    parts = [_OPENING, "", *_who(), "", *_overview(), ""]
    for module, title in _FAMILIES:
        parts += [f"## {title}", ""]
        for kind in _of(module):
            parts += _body(kind)
    parts += ["## Parts of bodies", ""]
    for part in documents:
        parts += [f"### {part.__name__}", "", *_told(part), *_fields(part)]
    parts += _states(documents)
    return "\n".join(parts).rstrip("\n") + "\n"


# --- Who ------------------------------------------------------------------------------------------------------------------------

_WHO: dict[str, str] = {
    "technician": "works on jobs; reads the streams in scope",
    "supervisor": "works on jobs, plans, reviews, decides; reads the branch's log whole",
    "dispatcher": "plans and decides; reads the branch's log whole",
    "expert": "answers questions; reads the branch's log whole",
    "admin": "gives roles; reads and writes all logs",
    "rule": "the server itself: what rules, imports and its administrator's commands record",
}


def _who() -> list[str]:
    rows = [f"| `{role}` | {_WHO[role]} |" for role in get_args(Role)]
    return [
        "## Roles",
        "",
        "A person has one role and one branch: those of the newest `person.recorded` of their stream that stands.",
        "",
        "| role | who |",
        "|---|---|",
        *rows,
    ]


def _roles(kind: type[Body]) -> str:
    """Who may record it, without the server itself, which may record all."""
    assert "rule" in kind.ROLES, kind
    people = [role for role in get_args(Role) if role in kind.ROLES and role != "rule"]
    if kind.ROLES == roles.EVERYONE:
        return "everybody"
    return ", ".join(people) or "the server alone"


# --- All of them -----------------------------------------------------------------------------------------------------------------


def _overview() -> list[str]:
    rows = [
        f"| [`{kind.NAME}`](#{_anchor(kind.NAME)}) | {_streams(kind)} | {kind.EFFECT} | {_roles(kind)} | {_touched(kind)} |"
        for module, _ in _FAMILIES
        for kind in _of(module)
    ]
    assert len(rows) == len(ENTRY_TYPES)
    return [
        f"## All {len(rows)} types",
        "",
        "The server itself may record all of them. A stream in the second column reads `kind:name`; where the body says what it is",
        "about, the stream's name must be that, or the entry goes to quarantine.",
        "",
        "| type | stream | effect | who | single values |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _of(module: Any) -> list[type[Body]]:
    return [kind for kind in ENTRY_TYPES.values() if kind.__module__ == module.__name__]


def _anchor(name: str) -> str:
    """As Markdown renderers name a heading."""
    return re.sub(r"[^a-z0-9_\- ]", "", name.lower()).replace(" ", "-")


def _streams(kind: type[Body]) -> str:
    own = f"`{kind.STREAM}:{_named_after(kind) or '…'}`"
    return ", ".join([own, *(f"`{other}:…`" for other in sorted(kind.OTHER_STREAMS))])


def _named_after(kind: type[Body]) -> str:
    """The field that a stream of this type must be named after, as `{field}`; '' where any name will do."""
    marked = _marked(BY_NAME[kind.NAME])
    if marked.fits(f"{kind.STREAM}:of another name"):
        return ""
    (found,) = [mark for mark in _marks(marked) if marked.fits(f"{kind.STREAM}:{mark}")]
    return found


def _touched(kind: type[Body]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(_marked(BY_NAME[kind.NAME]).touches())) or "-"


def _marked(value: Any, path: str = "") -> Any:
    """A body in which every text and number says where it stands: `{person.id}`."""
    changed = {}
    for name in value.__struct_fields__:
        inner, place = getattr(value, name), f"{path}{name}"
        if isinstance(inner, str) or type(inner) is int:
            changed[name] = f"{{{place}}}"
        elif isinstance(inner, msgspec.Struct):
            changed[name] = _marked(inner, f"{place}.")
    return msgspec.structs.replace(value, **changed)


def _marks(value: Any) -> Iterator[str]:
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, msgspec.Struct):
            yield from _marks(inner)


# --- One of them -----------------------------------------------------------------------------------------------------------------


def _body(kind: type[Body]) -> list[str]:
    told = f"{kind.EFFECT}, in {_streams(kind)}, by {_roles(kind)}. {_changed(kind)}"
    lines = textwrap.wrap(told[0].upper() + told[1:], _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"### {kind.NAME}", "", *lines, "", *_told(kind), *_fields(kind)]


def _changed(kind: type[Body]) -> str:
    """What it changes, in a sentence."""
    if kind.NAME in erasure.ERASURES:
        after = "it is what `kept` says" if issubclass(kind, erasure.JobErased) else "nothing is left of the others"
        return f"Changes every field of the {kind.STREAM} but `entries`: {after}."
    changes = "; ".join(f"{stream}: {', '.join(f'`{name}`' for name in names)}" for stream, names in _changes(kind))
    said = [f"Changes {changes}."] if changes else []
    if issubclass(kind, reference.Reference):
        key = _marked(BY_NAME[kind.NAME]).key()
        said.append(f"The newest of each `{key}` counts." if key else "The newest of its type in the stream counts.")
    assert said, kind
    return " ".join(said)


def _changes(kind: type[Body]) -> Iterator[tuple[str, list[str]]]:
    """(kind of stream, fields of its state that it changes), where what it speaks about is there."""
    for stream, before in (("job", _waiting_for(kind)), ("asset", AssetState()), ("customer", _with_action(kind))):
        if getattr(kind, f"on_{stream}") is getattr(Body, f"on_{stream}"):
            continue
        life = Life()
        after = fold(before, life.add(_about(kind, before)))
        names = [name for name in before.__struct_fields__ if name != "entries" and getattr(before, name) != getattr(after, name)]
        assert names, (kind, stream)
        yield stream, names


def _waiting_for(kind: type[Body]) -> JobState:
    """A job on which an entry of this type has something to do."""
    if kind.NAME == "job.created":
        return JobState()
    life = Life()
    life.add(BY_NAME["job.created"])
    for name in made_before(kind.NAME):
        life.add(BY_NAME[name])
    job = msgspec.structs.replace(life.job, window_start=None, window_end=None)
    if issubclass(kind, office.Decision):
        item = Unresolved(_about_what(kind), "note.added", "held", "", "p-lin", 0)
        job = msgspec.structs.replace(job, unresolved=(item,))
    return job


def _with_action(kind: type[Body]) -> CustomerState:
    state = CustomerState()
    for name in made_before(kind.NAME):
        if issubclass(ENTRY_TYPES[name], customer.ActionBody):
            after = fold(state, Life().add(BY_NAME[name]))
            assert isinstance(after, CustomerState)
            state = after
    return state


def _about(kind: type[Body], before: object) -> Body:
    """The example, about what the state holds."""
    body = BY_NAME[kind.NAME]
    if isinstance(before, JobState):
        if isinstance(body, work.QuestionAnswered):
            return msgspec.structs.replace(body, question=before.questions[-1].by.entry)
        if isinstance(body, work.SuggestionDecided):
            return msgspec.structs.replace(body, suggestion=before.suggestions[-1].by.entry)
    return body


def _about_what(kind: type[Body]) -> str:
    body = BY_NAME[kind.NAME]
    assert isinstance(body, office.Decision)
    return body.about


# --- Fields ----------------------------------------------------------------------------------------------------------------------


def _told(kind: type[msgspec.Struct]) -> list[str]:
    """What the class says of itself, else what the one it is made from says; a line of its own for each field that is explained."""
    own = (cls.__dict__.get("__doc__") for cls in kind.__mro__ if cls not in (Body, reference.Reference, msgspec.Struct, object))
    doc = re.sub(r"\bNone\b", "null", next((doc for doc in own if doc), ""))
    lines: list[str] = []
    for line in inspect.cleandoc(doc).splitlines():
        if not line:
            lines.append("")
        elif _ITEM.match(line) and not (lines and lines[-1].endswith(";")):
            lines += [*([""] if lines and lines[-1] and not lines[-1].startswith("- ") else []), f"- {line}"]
        elif lines and lines[-1]:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    wrapped = [
        piece
        for line in lines
        for piece in (textwrap.wrap(line, _WIDTH, subsequent_indent="  " * line.startswith("- "), break_long_words=False) or [""])
    ]
    return [*wrapped, ""] if wrapped else []


def _fields(kind: type[msgspec.Struct]) -> list[str]:
    shape = shapes.type_info(kind)
    assert isinstance(shape, shapes.StructType)
    words, notes = _annotated(kind), _explained(kind)
    rows = [f"| `{field.name}` | {_type(field.type, 'Words' in words[field.name])} | {_default(field)} |" for field in shape.fields]
    said = [f"- `{name}`: {note}" for name, note in notes.items()]
    return ["| field | type | default |", "|---|---|---|", *rows, "", *said, *([""] if said else [])]


def _type(shape: shapes.Type, words: bool = False) -> str:
    match shape:
        case shapes.StrType():
            return "text" if shape.max_length is None else f"text, at most {shape.max_length} characters"
        case shapes.IntType():
            return f"whole number{_limits(shape)}"
        case shapes.BoolType():
            return "true or false"
        case shapes.NoneType():
            return "null"
        case shapes.LiteralType():
            return " or ".join(f"`{value}`" if value else '`""`' for value in sorted(map(str, shape.values)))
        case shapes.StructType():
            return f"[{shape.cls.__name__}](#{_anchor(shape.cls.__name__)})"
        case shapes.VarTupleType():
            return f"list of {_type(shape.item_type, words)}"
        case shapes.TupleType():
            return f"list of {len(shape.item_types)}: {_type(shape.item_types[0], words)}"
        case shapes.DictType():
            inner = _type(shape.value_type)
            return "words" if words and inner == "text" else f"object from text to {inner}"
        case shapes.UnionType():
            return " or ".join(_type(part, words) for part in shape.types)
    raise TypeError(shape)


def _limits(shape: shapes.IntType) -> str:
    if shape.ge is not None and shape.le is not None:
        return f", {shape.ge:,} to {shape.le:,}"
    return "" if shape.ge is None else f", at least {shape.ge:,}"


def _default(field: shapes.Field) -> str:
    if field.required:
        return "must be given"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    text = json.dumps(msgspec.to_builtins(value), separators=(",", ":"))
    return f"`{text}`"


def _annotated(kind: type[msgspec.Struct]) -> dict[str, str]:
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        found |= {name: str(said) for name, said in inspect.get_annotations(cls).items()}
    return found


def _explained(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What stands below single fields in the code."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            name, said = before.target.id, ast.literal_eval(after.value)
            if name in kind.__struct_fields__:
                found[name] = " ".join(said.split())
    return found


# --- Parts and states ------------------------------------------------------------------------------------------------------------


def _inner(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The structs that a struct's fields are made of, each as it is first met."""
    seen: dict[type[msgspec.Struct], None] = {}

    def look(shape: shapes.Type) -> None:
        match shape:
            case shapes.StructType():
                if shape.cls not in seen:
                    seen[shape.cls] = None
                    for field in shape.fields:
                        look(field.type)
            case shapes.VarTupleType():
                look(shape.item_type)
            case shapes.TupleType():
                for part in shape.item_types:
                    look(part)
            case shapes.DictType():
                look(shape.value_type)
            case shapes.UnionType():
                for part in shape.types:
                    look(part)

    look(shapes.type_info(kind))
    yield from list(seen)[1:]


def _documents() -> list[type[msgspec.Struct]]:
    """What bodies are made of, but for the states, by name."""
    plain = [kind for kind in ENTRY_TYPES.values() if kind is not erasure.JobErased]
    of_bodies = {inner for kind in plain for inner in _inner(kind)}
    assert not of_bodies & set(_STATES.values())
    return sorted(of_bodies, key=lambda kind: kind.__name__)


def _states(documents: list[type[msgspec.Struct]]) -> list[str]:
    lines = [
        "## The states",
        "",
        "What a stream of one of these kinds folds to: every row of it in order, entries with the outcome that was decided on",
        "them. The fields stand in the order in which the digest takes them. Streams of other kinds have no state. An entry that",
        "does not stand changes only `entries` and, in a job, `unresolved`.",
        "",
    ]
    told: set[type[msgspec.Struct]] = set(documents)
    for stream, state in _STATES.items():
        lines += [f"### {state.__name__}", "", f"Of `{stream}:…`.", "", *_told(state), *_fields(state)]
    for kind in sorted({kind for state in _STATES.values() for kind in _inner(state)} - told, key=lambda kind: kind.__name__):
        lines += [f"### {kind.__name__}", "", *_told(kind), *_fields(kind)]
    return lines
