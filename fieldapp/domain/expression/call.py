"""What a function of the expression language is given, and how it is described."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from fieldapp.domain.expression.answers import Answers
from fieldapp.domain.expression.values import Clock


class Call(Protocol):
    """One call of a function: its arguments, evaluated when asked for, and what it may know."""

    answers: Answers
    clock: Clock
    language: str
    arity: int

    def items(self, index: int) -> list[Any]: ...
    def first(self, index: int) -> Any: ...
    def text(self, index: int) -> str: ...
    def number(self, index: int) -> Decimal: ...
    def truth(self, index: int) -> bool: ...
    def everywhere(self, index: int) -> list[Any]: ...
    def focus(self) -> Any: ...
    def place(self) -> int: ...
    def size(self) -> int: ...
    def current(self) -> Any: ...
    def instance_of_current(self) -> int: ...
    def spend(self, work: int) -> None: ...


class Spec(NamedTuple):
    """least and most arguments (None: any number), and what it does."""

    least: int
    most: int | None
    run: Callable[[Any], Any]
