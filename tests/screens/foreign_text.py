"""Finds foreign text that is handed to a widget without going through `safe_text`, by reading the source.

What people type lies in fields of documents and states (`FIELDS`) and in what some functions give (`WORDS`). Such a text may
reach a widget (`SINKS`, and the assignments `SET`) only inside a call that makes it safe (`SAFE`). Names that were assigned such a
text count as such a text within their function. Calls of other functions end the search: what they give is looked at where they
make it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

FIELDS = frozenset({
    "title", "name", "text", "note", "reason", "comment", "description", "tag", "model", "serial", "access", "address",
    "instruction", "label", "hint", "message",
    "question", "author", "customer", "terms", "phone", "email", "summary", "number", "value", "unit",
})  # fmt: skip
WORDS = frozenset({"say", "name_of_person", "value_words", "result_words", "reason_words", "problem_words", "cause_words"})
SAFE = frozenset({"safe_text", "plain_text", "len", "isinstance", "bool", "int"})
SINKS = frozenset({"Content", "styled", "assemble", "Static", "Label", "update", "notify", "Option", "SystemCommand", "Button"})
SET = frozenset({"border_title", "border_subtitle", "placeholder", "tooltip"})
PARSED = frozenset({"border_title", "border_subtitle"})
OWN = frozenset({"self", "Action", "action", "event", "binding", "row.section", "look"})
"""Whose fields are the program's own words."""


class Leak(NamedTuple):
    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def leaks(file: str, source: str) -> list[Leak]:
    """Every place of a module where foreign text goes to a widget as it is, and every widget that would obey markup."""
    tree = ast.parse(source)
    found = []
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]:
        found += [Leak(file, node.lineno, ast.unparse(node)[:110]) for node in _Function(function).leaks()]
    found += [Leak(file, node.lineno, ast.unparse(node)[:110]) for node in _obeying(tree)]
    return sorted(set(found))


class _Function:
    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._function = function
        self._foreign: set[str] = set()
        for _ in range(3):  # names assigned from names
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and self._is_foreign(node.value):
                    self._foreign |= {target.id for target in node.targets if isinstance(target, ast.Name)}
                elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and self._is_foreign(node.value):
                    self._foreign.add(node.target.id)

    def leaks(self) -> Iterator[ast.AST]:
        for node in ast.walk(self._function):
            if isinstance(node, ast.Call) and _called(node) in SINKS:
                if any(self._is_foreign(part) for part in [*node.args, *(word.value for word in node.keywords)]):
                    yield node
            elif isinstance(node, ast.Assign):
                names = {part.attr for part in node.targets if isinstance(part, ast.Attribute)}
                if names & SET and self._is_foreign(node.value):
                    yield node
                elif names & PARSED and not _own_words(node.value) and not _makes_content(node.value):
                    yield node  # Textual reads markup out of a plain text there

    def _is_foreign(self, node: ast.AST) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self._foreign
            case ast.Attribute(value=owner, attr=attr):
                return attr in FIELDS and ast.unparse(owner).split(".")[0] not in OWN
            case ast.Call():
                return self._call_is_foreign(node)
            case ast.JoinedStr(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
                return any(self._is_foreign(part) for part in parts)
            case ast.FormattedValue(value=part) | ast.Starred(value=part):
                return self._is_foreign(part)
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mod()):
                return self._is_foreign(left) or self._is_foreign(right)
            case ast.IfExp(body=body, orelse=other):
                return self._is_foreign(body) or self._is_foreign(other)
            case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part):
                return self._is_foreign(part)
            case ast.Subscript(value=part):
                return self._is_foreign(part)
        return False

    def _call_is_foreign(self, node: ast.Call) -> bool:
        name = _called(node)
        if name in SAFE:
            return False
        if name in WORDS:
            return True
        parts = [*node.args, *(word.value for word in node.keywords)]
        if name in ("format", "join", "strip", "upper", "replace"):
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node
            return any(self._is_foreign(part) for part in [owner, *parts])
        return False


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _obeying(tree: ast.AST) -> Iterator[ast.AST]:
    """Widgets and calls that would read markup out of a text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        words = {word.arg: word.value for word in node.keywords}
        plain = isinstance(words.get("markup"), ast.Constant) and words["markup"].value is False  # type: ignore[attr-defined]
        called, marked = _called(node), isinstance(words.get("markup"), ast.Constant)
        widget = called in ("Static", "Label") and isinstance(node.func, ast.Name)
        toast = called == "notify" and bool(node.args) and not _own_words(node.args[0])
        if called == "from_markup" or (not plain and (widget or toast or marked)):
            yield node


def _makes_content(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node) in ("safe_text", "Content")


def _own_words(node: ast.AST) -> bool:
    """Words of the program alone: a constant, or a marked constant, or a choice of such."""
    if isinstance(node, ast.IfExp):
        return _own_words(node.body) and _own_words(node.orelse)
    if isinstance(node, ast.Call) and _called(node) in ("_", "plural"):
        return all(isinstance(part, ast.Constant) for part in node.args[:2])
    return isinstance(node, ast.Constant)
