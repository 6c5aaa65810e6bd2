"""XPath with XLSForm's functions: a thin layer over the `elementpath` library.

The library reads the text and walks paths, axes and predicates. What is replaced: operators (numbers are decimals, comparisons
convert as XPath 1.0 and XForms ask for), functions (functions.py), and the context, which counts every node and call so that no
expression runs away. Import this module only where something is evaluated: the library takes longer to load than a first frame.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from copy import copy
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from elementpath import XPath1Parser, XPathContext
from elementpath.namespaces import XPATH_FUNCTIONS_NAMESPACE
from elementpath.xpath_tokens import XPathFunction

from fieldapp.domain.expression import values
from fieldapp.domain.expression.answers import Answers, Spot, Where
from fieldapp.domain.expression.call import Spec
from fieldapp.domain.expression.functions import FUNCTIONS
from fieldapp.domain.expression.source import Source, prepare, shown
from fieldapp.domain.expression.values import ARITHMETIC, Clock
from fieldapp.domain.problem import Problem

WORK_LIMIT = 200_000
"""Nodes visited and calls made by one evaluation; about half a second on a slow laptop."""
_ANY_MOMENT = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


class Work:
    """What one evaluation has: answers, clock, language, and how much it may still do."""

    def __init__(self, answers: Answers, clock: Clock, language: str) -> None:
        self.answers = answers
        self.clock = clock
        self.language = language
        self.left = WORK_LIMIT
        self.current: Any = None
        self.digits: tuple[int, ...] = ()
        self.everywhere: dict[str, list[Any]] = {}
        self.size = 0

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise Problem("expression-too-heavy", "The expression looks at too much and was stopped.", "Simplify it.")


class Context(XPathContext):
    """The library's context, counting what is visited."""

    work: Work

    def iter_children_or_self(self) -> Iterator[Any]:
        for item in super().iter_children_or_self():
            self.work.spend(1)
            yield item

    def iter_matching_nodes(self, name: str, default_namespace: str | None = None) -> Iterator[Any]:
        self.work.spend(1 + (_children(self.item) if self.axis is None else 0))
        yield from super().iter_matching_nodes(name, default_namespace)

    def iter_parent(self) -> Iterator[Any]:
        self.work.spend(1)
        yield from super().iter_parent()

    def iter_self(self) -> Iterator[Any]:
        self.work.spend(1)
        yield from super().iter_self()

    def iter_siblings(self, axis: str | None = None) -> Iterator[Any]:
        self.work.spend(_children(getattr(self.item, "parent", None)))
        yield from super().iter_siblings(axis)

    def iter_descendants(self, axis: str | None = None) -> Iterator[Any]:
        for item in super().iter_descendants(axis):
            self.work.spend(1)
            yield item

    def iter_ancestors(self, axis: str | None = None) -> Iterator[Any]:
        for item in super().iter_ancestors(axis):
            self.work.spend(1)
            yield item

    def iter_preceding(self) -> Iterator[Any]:
        self.work.spend(self.work.size)
        yield from super().iter_preceding()

    def iter_followings(self) -> Iterator[Any]:
        self.work.spend(2 * self.work.size)
        yield from super().iter_followings()


def _children(node: Any) -> int:
    return len(getattr(node, "children", None) or ())


def _items(token: Any, context: Any) -> list[Any]:
    return list(token.select(copy(context)))


def _first(token: Any, context: Any) -> Any:
    """The first item of an operand; an empty text where there is none, as XForms reads a missing node."""
    return next(iter(_items(token, context)), "")


def _number(token: Any, context: Any) -> Decimal:
    return values.number_of(values.atom_of(_first(token, context)), context.work.clock)


class _Call:
    """One call of a function (call.Call)."""

    def __init__(self, token: Any, context: Any) -> None:
        self._token = token
        self._context = context
        self.answers: Answers = context.work.answers
        self.clock: Clock = context.work.clock
        self.language: str = context.work.language
        self.arity = len(token)

    def items(self, index: int) -> list[Any]:
        return _items(self._token[index], self._context)

    def first(self, index: int) -> Any:
        return _first(self._token[index], self._context)

    def text(self, index: int) -> str:
        return values.text_of(self.first(index))

    def number(self, index: int) -> Decimal:
        return _number(self._token[index], self._context)

    def truth(self, index: int) -> bool:
        return values.truth_of(self.first(index))

    def everywhere(self, index: int) -> list[Any]:
        token = self._token[index]
        if token.symbol == "$":
            return list(self._context.work.everywhere.get(token.value, ()))
        return self.items(index)

    def focus(self) -> Any:
        return "" if self._context.item is None else self._context.item

    def place(self) -> int:
        return int(self._context.position)

    def size(self) -> int:
        return int(self._context.size or 1)

    def current(self) -> Any:
        return self._context.work.current

    def instance_of_current(self) -> int:
        digits = self._context.work.digits
        return digits[-1] if digits else 1

    def spend(self, work: int) -> None:
        self._context.work.spend(work)


# --- operators -------------------------------------------------------------------------------------------------------


def _operands(token: Any, symbols: tuple[str, ...]) -> list[tuple[str, Any]]:
    """A chain such as `a + b - c` from left to right as (sign, operand), so that long chains need no deep recursion."""
    found: list[tuple[str, Any]] = []
    while token.symbol in symbols and len(token) == 2:
        found.append((token.symbol, token[1]))
        token = token[0]
    found.append(("", token))
    return found[::-1]


def _logic(symbol: str, decisive: bool) -> Callable[..., bool]:
    def evaluate(self: Any, context: Any = None) -> bool:
        for _, operand in _operands(self, (symbol,)):
            context.work.spend(1)
            if values.truth_of(_first(operand, context)) is decisive:
                return decisive
        return not decisive

    return evaluate


def _arithmetic(*symbols: str) -> Callable[..., Decimal]:
    def evaluate(self: Any, context: Any = None) -> Decimal:
        if len(self) == 1:  # a sign before a number
            number = _number(self[0], context)
            return number.copy_negate() if self.symbol == "-" else number
        (_, first), *others = _operands(self, symbols)
        total = _number(first, context)
        for symbol, operand in others:
            context.work.spend(1)
            total = _ARITHMETIC[symbol](total, _number(operand, context))
        return total

    return evaluate


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    """The remainder with the sign of the dividend, from 15 digits of both so that 0.3 mod 0.1 is 0."""
    return ARITHMETIC.remainder(values.seen(left), values.seen(right))


_ARITHMETIC: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": ARITHMETIC.add,
    "-": ARITHMETIC.subtract,
    "*": ARITHMETIC.multiply,
    "div": ARITHMETIC.divide,
    "mod": _modulo,
}


def _comparison(symbol: str) -> Callable[..., bool]:
    def holds(left: Any, right: Any, clock: Clock) -> bool:
        if symbol == "=":
            return values.equal(left, right, clock)
        if symbol == "!=":
            return not values.equal(left, right, clock)
        if symbol[0] == "<":
            return values.less(left, right, clock) or (symbol == "<=" and _same_number(left, right, clock))
        return values.less(right, left, clock) or (symbol == ">=" and _same_number(left, right, clock))

    def evaluate(self: Any, context: Any = None) -> bool:
        left = [values.atom_of(item) for item in _items(self[0], context)] or [""]
        right = [values.atom_of(item) for item in _items(self[1], context)] or [""]
        context.work.spend(len(left) * len(right))
        return any(holds(one, other, context.work.clock) for one in left for other in right)

    return evaluate


def _same_number(left: Any, right: Any, clock: Clock) -> bool:
    return values.equal(values.number_of(left, clock), values.number_of(right, clock), clock)


def _product_select(self: Any, context: Any = None) -> Iterator[Any]:
    if len(self):
        yield _product(self, context)
    else:
        yield from XPath1Parser.symbol_table["*"].select(self, context)


_product = _arithmetic("*", "div", "mod")


def _product_evaluate(self: Any, context: Any = None) -> Any:
    return _product(self, context) if len(self) else list(_product_select(self, context))


def _symbol_table() -> dict[str, Any]:
    """The library's tokens with our operators and only our functions. Its own classes stay as they are."""
    standard = XPath1Parser.symbol_table
    table: dict[str, Any] = {
        name: token
        for name, token in standard.items()
        if not issubclass(token, XPathFunction) or token.label == "kind test" or "::" in name
    }
    for axis_name in ("namespace", "@", "{", "comment", "processing-instruction"):
        table.pop(axis_name, None)
    replaced: dict[str, Any] = {
        "or": _logic("or", decisive=True),
        "and": _logic("and", decisive=False),
        "+": _arithmetic("+", "-"),
        "-": _arithmetic("+", "-"),
        "div": _product,
        "mod": _product,
        **{symbol: _comparison(symbol) for symbol in ("=", "!=", "<", "<=", ">", ">=")},
    }
    for symbol, evaluate in replaced.items():
        table[symbol] = type(standard[symbol].__name__, (standard[symbol],), {"evaluate": evaluate})
    table["*"] = type("Product", (standard["*"],), {"evaluate": _product_evaluate, "select": _product_select})
    table.update({name: _function(name, spec) for name, spec in FUNCTIONS.items()})
    return table


def _function(name: str, spec: Spec) -> Any:
    def evaluate(self: Any, context: Any = None) -> Any:
        context.work.spend(1)
        return spec.run(_Call(self, context))

    attributes = {
        "symbol": name,
        "lookup_name": name,
        "label": "function",
        "nargs": spec.least if spec.least == spec.most else (spec.least, spec.most),
        "lbp": 90,
        "rbp": 90,
        "namespace": XPATH_FUNCTIONS_NAMESPACE,
        "evaluate": evaluate,
    }
    return type(name, (XPathFunction,), attributes)


class Parser(XPath1Parser):
    """XPath 1.0 with XLSForm's functions. `instance()` and `current()` may begin a path."""

    symbol_table = _symbol_table()
    tokenizer = None
    PATH_STEP_SYMBOLS = XPath1Parser.PATH_STEP_SYMBOLS | {"instance", "current", "indexed-repeat"}

    def parse(self, source: str) -> Any:
        return super(XPath1Parser, self).parse(source)  # without the library's trial evaluation, which our functions cannot join


# --- compiled expressions --------------------------------------------------------------------------------------------


class Compiled(NamedTuple):
    source: Source
    token: Any


@lru_cache(maxsize=2048)
def compiled(text: str) -> Compiled:
    """The parsed expression.

    Raises:
        Problem: `bad-expression` or `expression-too-heavy`.
    """
    source = prepare(text, FUNCTIONS)
    try:
        return Compiled(source, Parser().parse(source.xpath))
    except RecursionError:
        raise Problem("expression-too-heavy", f"The expression {shown(text)} is nested too deeply.") from None
    except Exception as error:  # whatever a parser of others makes of any text, a person reads one sentence
        raise Problem("bad-expression", f"The expression {shown(text)} cannot be read: {_plain(error)}.") from None


def run(text: str, answers: Answers, at: Where, clock: Clock, language: str, item: Any = None) -> list[Any]:
    """The items an expression evaluates to; `item` stands for `.` instead of the node at `at` (choice filters).

    Raises:
        Problem: `bad-expression` or `expression-too-heavy`.
    """
    source, token = compiled(text)
    try:
        context = _context(source, answers, at, clock, language, item)
        return list(token.select(context))
    except RecursionError:
        raise Problem("expression-too-heavy", f"The expression {shown(text)} is nested too deeply.") from None
    except Problem as problem:
        raise Problem(problem.code, f"{shown(text)}: {problem.message}", problem.hint) from None
    except Exception as error:  # as above
        raise Problem("bad-expression", f"The expression {shown(text)} cannot be worked out: {_plain(error)}.") from None


def _context(source: Source, answers: Answers, at: Where, clock: Clock, language: str, item: Any) -> Context:
    shape = answers.shape
    known = at[0] in shape.steps or at[0] in shape.groups
    digits = (shape.digits(*at) if known else ()) or ()
    tree = answers.tree(at if known and at[1] else None)
    work = Work(answers, clock, language)
    work.digits, work.size = digits, tree.size
    around = [group.id for group in shape.repeats(at[0])] if known else []
    variables: dict[str, list[Any]] = {}
    for index, name in enumerate(source.names):
        if name not in shape.steps and name not in shape.groups:
            raise Problem("bad-expression", f"There is no step {name[:60]!r}.")
        spots = tree.spots.get(name, [])
        inner = [group.id for group in shape.repeats(name)]
        if name in shape.groups and shape.groups[name].repeat > 0:
            inner = inner[:-1]  # a repeat is referred to as a whole, its instances together
        shared = min(_shared(inner, around), len(digits))
        variables[f"f{index}"] = [spot.node for spot in _within(spots, digits[:shared], shared)]
        work.everywhere[f"f{index}"] = [spot.node for spot in spots]
        work.spend(len(spots))
    work.current = item or (tree.at(at[0], digits) if known else None) or tree.root
    context = Context(root=tree.root, item=work.current, current_dt=_ANY_MOMENT)
    context.work = work
    context.variables = dict(variables)
    return context


def _shared(inner: list[str], around: list[str]) -> int:
    """How many repeats, from outside, a name and the place of evaluation have in common."""
    count = 0
    for one, other in zip(inner, around, strict=False):
        if one != other:
            break
        count += 1
    return count


def _within(spots: list[Spot], digits: tuple[int, ...], shared: int) -> list[Spot]:
    return [spot for spot in spots if spot.digits[:shared] == digits]


def _plain(error: Exception) -> str:
    message = str(getattr(error, "message", "") or error) or type(error).__name__
    return "".join(sign if sign.isprintable() else " " for sign in message[:160])
