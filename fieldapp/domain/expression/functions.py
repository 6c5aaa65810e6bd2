"""The functions of the XLSForm expression language. **A new one goes into `FUNCTIONS` here, and nowhere else.**

Meanings follow the XLSForm and OpenRosa documents; where those leave it open, blanks are left out of sums and extremes.
Every function sees its call through `Call`, which evaluates an argument only when asked (so `if` and `coalesce` are lazy).
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Any

from fieldapp.domain.expression import values
from fieldapp.domain.expression.call import Call, Spec
from fieldapp.domain.expression.patterns import matches
from fieldapp.domain.expression.values import ARITHMETIC, NAN
from fieldapp.domain.problem import Problem

TEXT_RESULT_LIMIT = 64 * 1024
"""Characters of any text an expression makes on its way."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


# --- truth and choice ------------------------------------------------------------------------------------------------


def _coalesce(call: Call) -> Any:
    for index in range(call.arity):
        item = call.first(index)
        if values.text_of(item):
            return item
    return ""


def _once(call: Call) -> Any:
    recorded = values.text_of(call.current())
    return recorded or call.first(0)


def _checklist(call: Call) -> bool:
    hits = [values.truth_of(item) for index in range(2, call.arity) for item in call.items(index)]
    return _between(Decimal(sum(hits)), call)


def _weighted_checklist(call: Call) -> bool:
    if call.arity % 2:
        raise Problem("bad-expression", "weighted-checklist() needs a weight for each of its values.")
    total = Decimal(0)
    for index in range(2, call.arity, 2):
        if call.truth(index):
            total = ARITHMETIC.add(total, call.number(index + 1))
    return _between(total, call)


def _between(total: Decimal, call: Call) -> bool:
    least, most = call.number(0), call.number(1)
    enough = least < 0 or not values.less(total, least, call.clock)
    return enough and (most < 0 or not values.less(most, total, call.clock))


# --- numbers ---------------------------------------------------------------------------------------------------------


def _filled(call: Call) -> list[Decimal]:
    """Numbers of all arguments; blanks are left out."""
    items = [item for index in range(call.arity) for item in call.items(index)]
    return [values.number_of(item, call.clock) for item in items if values.text_of(item) != ""]


def _sum(call: Call) -> Decimal:
    total = Decimal(0)
    for number in _filled(call):
        total = ARITHMETIC.add(total, number)
    return total


def _extreme(call: Call, pick: Callable[[Decimal, Decimal], Decimal]) -> Decimal:
    numbers = _filled(call)
    if not numbers or any(number.is_nan() for number in numbers):
        return NAN
    best = numbers[0]
    for number in numbers[1:]:
        best = pick(best, number)
    return best


def _rounded(number: Decimal, how: str) -> Decimal:
    return values.seen(number).to_integral_value(how, context=ARITHMETIC) if number.is_finite() else number


def _round(call: Call) -> Decimal:
    number = call.number(0)
    places = call.number(1) if call.arity > 1 else Decimal(0)
    digits = values.whole(places)
    if digits is None or abs(digits) > 30 or not number.is_finite():
        return number if digits is not None and number.is_finite() else NAN
    moved = ARITHMETIC.scaleb(values.seen(number), digits)
    nearest = ARITHMETIC.add(moved, Decimal("0.5")).to_integral_value(ROUND_FLOOR, context=ARITHMETIC)
    return ARITHMETIC.scaleb(nearest, -digits)


def _ceiling(call: Call) -> Decimal:
    return ARITHMETIC.minus(_rounded(ARITHMETIC.minus(call.number(0)), ROUND_FLOOR))


def _power(call: Call) -> Decimal:
    base, exponent = call.number(0), call.number(1)
    return Decimal(1) if exponent == 0 and base == 0 else ARITHMETIC.power(base, exponent)


def _by_double(function: Callable[..., float]) -> Callable[[Call], Decimal]:
    """Angles are worked out in doubles; 15 of their digits are kept."""

    def run(call: Call) -> Decimal:
        numbers = [call.number(index) for index in range(call.arity)]
        try:
            result = function(*(float(number) for number in numbers))
        except (ValueError, OverflowError):
            return NAN
        return values.seen(Decimal(repr(result)))

    return run


# --- texts -----------------------------------------------------------------------------------------------------------


def _text(call: Call, text: str, length: int = 0) -> str:
    length = max(length, len(text))
    if length > TEXT_RESULT_LIMIT:
        raise Problem("expression-too-heavy", f"A text of {length:,} characters is too long for an expression.")
    call.spend(len(text) // 64)
    return text


def _joined(call: Call, sign: str, start: int) -> str:
    """All items from argument `start` on with `sign` between; measured before it is made."""
    parts = [values.text_of(item) for index in range(start, call.arity) for item in call.items(index)]
    length = sum(map(len, parts)) + len(sign) * max(0, len(parts) - 1)
    call.spend(len(parts))
    return _text(call, sign.join(parts) if length <= TEXT_RESULT_LIMIT else "", length)


def _substr(call: Call) -> str:
    text = call.text(0)
    start = values.whole(call.number(1))
    end = values.whole(call.number(2)) if call.arity > 2 else len(text)
    return "" if start is None or end is None else text[slice(start, end)]


def _substring(call: Call) -> str:
    """XPath's substring(): positions from 1, both rounded, so that (1.5, 2.6) of '12345' is '234'."""
    text, start = call.text(0), values.whole(call.number(1))
    if start is None:
        return ""
    if call.arity < 3:
        return text[max(start - 1, 0) :]
    length = values.whole(call.number(2))
    return "" if length is None else text[max(start - 1, 0) : max(start - 1 + length, 0)]


def _substring_after(call: Call) -> str:
    text, sign = call.text(0), call.text(1)
    return text.partition(sign)[2] if sign else text


def _substring_before(call: Call) -> str:
    text, sign = call.text(0), call.text(1)
    return text.partition(sign)[0] if sign and sign in text else ""


def _translate(call: Call) -> str:
    text, source, target = call.text(0), call.text(1), call.text(2)
    table: dict[int, int | None] = {}
    for index, sign in enumerate(source):
        table.setdefault(ord(sign), ord(target[index]) if index < len(target) else None)
    return text.translate(table)


def _regex(call: Call) -> bool:
    call.spend(500)
    return matches(call.text(0), call.text(1))


# --- choices and lists -----------------------------------------------------------------------------------------------


def _selected_at(call: Call) -> str:
    picked, index = call.text(0).split(), values.whole(call.number(1))
    return picked[index] if index is not None and 0 <= index < len(picked) else ""


def _choice_name(call: Call) -> str:
    value, name = call.text(0), call.text(1).strip()
    name = name.removeprefix("${").removesuffix("}").strip().rpartition("/")[2]
    from fieldapp.domain.words import say

    for choice in call.answers.choices(name) or ():
        call.spend(1)
        if choice.id == value:
            return say(choice.label, call.language) or choice.id
    return ""


def _instance(call: Call) -> list[Any]:
    name = call.text(0)
    node = call.answers.list_node(name, call.language)
    if node is None:
        raise Problem("bad-expression", f"There is no choice list {name[:60]!r}.")
    return [node]


# --- repeats ---------------------------------------------------------------------------------------------------------


def _position(call: Call) -> Decimal:
    if not call.arity:
        return Decimal(call.place())
    nodes = call.items(0)
    return Decimal(_among_siblings(call, nodes[0])) if nodes and hasattr(nodes[0], "parent") else NAN


def _among_siblings(call: Call, node: Any) -> int:
    parent = node.parent
    if parent is None:
        return 1
    place = 0
    for sibling in parent.children:
        call.spend(1)
        place += sibling.name == node.name
        if sibling is node:
            break
    return place


def _indexed_repeat(call: Call) -> list[Any]:
    """indexed-repeat(step, repeat, number, [inner repeat, number, ...]): the step in that instance, wherever asked from."""
    if not call.arity % 2:
        raise Problem("bad-expression", "indexed-repeat() needs a step, then pairs of a repeat and a number.")
    found = call.everywhere(0)
    for index in range(1, call.arity, 2):
        wanted = values.whole(call.number(index + 1))
        holders = {id(node): node for node in call.everywhere(index)}
        found = [node for node in found if _instance_in(call, node, holders) == wanted]
    return found[:1]


def _instance_in(call: Call, node: Any, holders: dict[int, Any]) -> int | None:
    while node is not None:
        call.spend(1)
        if id(node) in holders:
            return _among_siblings(call, node)
        node = node.parent
    return None


# --- dates -----------------------------------------------------------------------------------------------------------


def _moment(call: Call, index: int = 0) -> datetime.datetime | None:
    item = values.atom_of(call.first(index))
    if isinstance(item, str) and not values.number_of_text(item, call.clock).is_nan() and "-" in item[1:]:
        return call.clock.moment(item.strip())
    return call.clock.from_days(values.number_of(item, call.clock))


def _date(call: Call) -> str:
    moment = _moment(call)
    return moment.date().isoformat() if moment else ""


def _date_time(call: Call) -> str:
    moment = _moment(call)
    return call.clock.with_offset(moment) if moment else ""


def _format_date(call: Call) -> str:
    """format-date(): %Y %y %m %n %b %d %e %H %h %M %S %3 %a and %%; names of months and days in English."""
    moment, pattern = _moment(call), call.text(1)
    if moment is None:
        return ""
    parts = {
        "Y": f"{moment.year:04d}", "y": f"{moment.year % 100:02d}", "m": f"{moment.month:02d}", "n": str(moment.month),
        "b": _MONTHS[moment.month - 1], "d": f"{moment.day:02d}", "e": str(moment.day), "H": f"{moment.hour:02d}",
        "h": str(moment.hour), "M": f"{moment.minute:02d}", "S": f"{moment.second:02d}",
        "3": f"{moment.microsecond // 1000:03d}", "a": _DAYS[moment.weekday()], "%": "%",
    }  # fmt: skip
    out, signs = [], iter(pattern)
    for sign in signs:
        if sign != "%":
            out.append(sign)
            continue
        letter = next(signs, "")
        if letter not in parts:
            raise Problem("bad-expression", f"format-date() does not know %{letter[:1]}.", f"It knows {' '.join(parts)}.")
        out.append(parts[letter])
    return _text(call, "".join(out))


def _decimal_time(call: Call) -> Decimal:
    days = call.number(0)
    return ARITHMETIC.subtract(days, _rounded(days, ROUND_FLOOR)) if days.is_finite() else NAN


def _now(call: Call) -> str:
    return call.clock.now.isoformat(timespec="milliseconds")


FUNCTIONS: dict[str, Spec] = {
    "true": Spec(0, 0, lambda call: True),
    "false": Spec(0, 0, lambda call: False),
    "boolean": Spec(1, 1, lambda call: call.truth(0)),
    "boolean-from-string": Spec(1, 1, lambda call: call.text(0) in ("true", "1")),
    "not": Spec(1, 1, lambda call: not call.truth(0)),
    "if": Spec(3, 3, lambda call: call.first(1) if call.truth(0) else call.first(2)),
    "coalesce": Spec(1, None, _coalesce),
    "once": Spec(1, 1, _once),
    "checklist": Spec(2, None, _checklist),
    "weighted-checklist": Spec(2, None, _weighted_checklist),
    "number": Spec(0, 1, lambda call: call.number(0) if call.arity else values.number_of(call.focus(), call.clock)),
    "int": Spec(1, 1, lambda call: _rounded(call.number(0), ROUND_DOWN)),
    "floor": Spec(1, 1, lambda call: _rounded(call.number(0), ROUND_FLOOR)),
    "ceiling": Spec(1, 1, _ceiling),
    "round": Spec(1, 2, _round),
    "abs": Spec(1, 1, lambda call: ARITHMETIC.abs(call.number(0))),
    "pow": Spec(2, 2, _power),
    "sqrt": Spec(1, 1, lambda call: ARITHMETIC.sqrt(call.number(0))),
    "exp": Spec(1, 1, lambda call: ARITHMETIC.exp(call.number(0))),
    "log": Spec(1, 1, lambda call: ARITHMETIC.ln(call.number(0))),
    "log10": Spec(1, 1, lambda call: ARITHMETIC.log10(call.number(0))),
    "exp10": Spec(1, 1, lambda call: ARITHMETIC.power(Decimal(10), call.number(0))),
    "pi": Spec(0, 0, lambda call: Decimal("3.14159265358979323846264338327950288")),
    "sin": Spec(1, 1, _by_double(math.sin)),
    "cos": Spec(1, 1, _by_double(math.cos)),
    "tan": Spec(1, 1, _by_double(math.tan)),
    "asin": Spec(1, 1, _by_double(math.asin)),
    "acos": Spec(1, 1, _by_double(math.acos)),
    "atan": Spec(1, 1, _by_double(math.atan)),
    "atan2": Spec(2, 2, _by_double(math.atan2)),
    "sum": Spec(1, None, _sum),
    "min": Spec(1, None, lambda call: _extreme(call, min)),
    "max": Spec(1, None, lambda call: _extreme(call, max)),
    "count": Spec(1, 1, lambda call: Decimal(len(call.items(0)))),
    "count-non-empty": Spec(1, 1, lambda call: Decimal(sum(values.text_of(item) != "" for item in call.items(0)))),
    "string": Spec(0, 1, lambda call: call.text(0) if call.arity else values.text_of(call.focus())),
    "concat": Spec(1, None, lambda call: _joined(call, "", 0)),
    "join": Spec(1, None, lambda call: _joined(call, call.text(0), 1)),
    "substr": Spec(2, 3, _substr),
    "substring": Spec(2, 3, _substring),
    "substring-before": Spec(2, 2, _substring_before),
    "substring-after": Spec(2, 2, _substring_after),
    "contains": Spec(2, 2, lambda call: call.text(1) in call.text(0)),
    "starts-with": Spec(2, 2, lambda call: call.text(0).startswith(call.text(1))),
    "ends-with": Spec(2, 2, lambda call: call.text(0).endswith(call.text(1))),
    "string-length": Spec(0, 1, lambda call: Decimal(len(call.text(0) if call.arity else values.text_of(call.focus())))),
    "normalize-space": Spec(0, 1, lambda call: " ".join((call.text(0) if call.arity else values.text_of(call.focus())).split())),
    "translate": Spec(3, 3, _translate),
    "regex": Spec(2, 2, _regex),
    "selected": Spec(2, 2, lambda call: call.text(1).strip() in call.text(0).split()),
    "selected-at": Spec(2, 2, _selected_at),
    "count-selected": Spec(1, 1, lambda call: Decimal(len(call.text(0).split()))),
    "jr-choice-name": Spec(2, 2, _choice_name),
    "instance": Spec(1, 1, _instance),
    "current": Spec(0, 0, lambda call: [call.current()]),
    "position": Spec(0, 1, _position),
    "last": Spec(0, 0, lambda call: Decimal(call.size())),
    "index": Spec(0, 0, lambda call: Decimal(call.instance_of_current())),
    "indexed-repeat": Spec(3, None, _indexed_repeat),
    "today": Spec(0, 0, lambda call: call.clock.now.date().isoformat()),
    "now": Spec(0, 0, _now),
    "date": Spec(1, 1, _date),
    "date-time": Spec(1, 1, _date_time),
    "decimal-date-time": Spec(1, 1, lambda call: call.number(0)),
    "decimal-time": Spec(1, 1, _decimal_time),
    "format-date": Spec(2, 2, _format_date),
    "format-date-time": Spec(2, 2, _format_date),
}
"""Name (with `jr-` for `jr:`) to what it takes and does."""
