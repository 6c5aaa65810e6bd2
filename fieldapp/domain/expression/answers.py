"""The answers of one procedure, as an expression sees them: a small tree of groups, repeats and steps.

A step inside a repeat has one value per instance. Instances count from 1; in a repeat within a repeat they are counted through:
with at most `n` inner ones, the inner instance `i` of outer instance `o` is number `(o - 1) * n + i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fieldapp.domain.problem import Problem
from fieldapp.domain.procedure import NUMERIC, Choice, Group, Procedure, Step

Where = tuple[str, int]
"""Step or group id, and instance (0 outside repeats)."""
NODES_LIMIT = 20_000
"""Steps, instances and options that one expression may look at."""


class Shape:
    """How groups, repeats and steps of a procedure lie within one another, in the order of the steps."""

    def __init__(self, procedure: Procedure) -> None:
        self.groups = {group.id: group for group in procedure.groups}
        self.steps = {step.id: step for step in procedure.steps}
        self.members: dict[str, list[Step | Group]] = {"": []}
        self._chains: dict[str, tuple[Group, ...]] = {}
        placed: set[str] = set()
        for step in procedure.steps:
            self._place_groups(step.group, placed)
            self.members[step.group if step.group in self.groups else ""].append(step)
        for group in procedure.groups:
            self._place_groups(group.id, placed)

    def _place_groups(self, group_id: str | None, placed: set[str]) -> None:
        parent = ""
        for group in self.chain(group_id):
            if group.id not in placed:
                placed.add(group.id)
                self.members[group.id] = []
                self.members[parent].append(group)
            parent = group.id

    def chain(self, group_id: str | None) -> tuple[Group, ...]:
        """A group with all groups around it, outermost first; empty for an unknown one. A circle is cut where it closes."""
        if not group_id or group_id not in self.groups:
            return ()
        known = self._chains.get(group_id)
        if known is None:
            found: list[Group] = []
            current = self.groups.get(group_id)
            while current is not None and current not in found:
                found.append(current)
                current = self.groups.get(current.parent or "")
            known = self._chains[group_id] = tuple(reversed(found))
        return known

    def repeats(self, name: str) -> tuple[Group, ...]:
        """The repeats around a step or group (the group itself included), outermost first."""
        step = self.steps.get(name)
        return tuple(group for group in self.chain(step.group if step else name) if group.repeat > 0)

    def digits(self, name: str, instance: int) -> tuple[int, ...] | None:
        """Instance numbers, one per repeat around a step or group; None where there can be no such instance."""
        repeats = self.repeats(name)
        if not repeats:
            return () if instance == 0 else None
        left, digits = instance - 1, []
        for group in reversed(repeats):
            left, digit = divmod(left, group.repeat)
            digits.append(digit + 1)
        return tuple(reversed(digits)) if left == 0 and instance > 0 else None

    def instance(self, name: str, digits: Iterable[int]) -> int:
        """The instance number that `digits` belongs to; 0 outside repeats."""
        number = 0
        repeats = self.repeats(name)
        for group, digit in zip(repeats, digits, strict=True):
            number = number * group.repeat + digit - 1
        return number + 1 if repeats else 0


class Spot(NamedTuple):
    """A node of the tree and the instance numbers of the repeats around it (its own included)."""

    node: Any
    digits: tuple[int, ...]


class Tree(NamedTuple):
    root: Any
    spots: dict[str, list[Spot]]
    size: int

    def at(self, name: str, digits: tuple[int, ...]) -> Any | None:
        return next((spot.node for spot in self.spots.get(name, ()) if spot.digits == digits), None)


class Answers:
    """Values by step and instance. Immutable: `with_value` and `without` return others; the tree is built when first needed.

    Args:
        procedure: whose steps the answers belong to.
        values: (step id, instance) to the stored text; places that the procedure does not have are ignored.
    """

    def __init__(self, procedure: Procedure, values: Mapping[Where, str] | None = None, *, shape: Shape | None = None) -> None:
        self.procedure = procedure
        self.shape = shape or Shape(procedure)
        self.values: Mapping[Where, str] = dict(values or {})
        self._trees: dict[str, Tree] = {}
        self._counts: dict[tuple[str, tuple[int, ...]], int] | None = None
        self._lists: dict[str, Any] = {}

    def get(self, step: str, instance: int = 0) -> str:
        """The stored text, '' where nothing is recorded."""
        return self.values.get((step, instance), "")

    def with_value(self, step: str, instance: int, value: str | None) -> Answers:
        """The same answers but for one; None takes it away."""
        values = dict(self.values)
        if value is None:
            values.pop((step, instance), None)
        else:
            values[step, instance] = value
        return self._derived(values)

    def without(self, places: Iterable[Where]) -> Answers:
        """The same answers but for those at `places`."""
        gone = frozenset(places)
        return self._derived({place: value for place, value in self.values.items() if place not in gone})

    def _derived(self, values: Mapping[Where, str]) -> Answers:
        other = Answers(self.procedure, values, shape=self.shape)
        other._lists = self._lists
        return other

    def counts(self) -> dict[tuple[str, tuple[int, ...]], int]:
        """Instances by repeat and the instance numbers around it: as many as the highest one with an answer."""
        if self._counts is None:
            self._counts = {}
            for name, instance in self.values:
                self._count(self._counts, name, instance)
        return self._counts

    def _count(self, found: dict[tuple[str, tuple[int, ...]], int], name: str, instance: int) -> None:
        digits = self.shape.digits(name, instance)
        for depth, group in enumerate(self.shape.repeats(name) if digits else ()):
            place = (group.id, digits[:depth])  # type: ignore[index]
            found[place] = max(found.get(place, 0), digits[depth])  # type: ignore[index]

    def tree(self, here: Where | None = None) -> Tree:
        """The tree of nodes; `here` is there even where nothing is recorded in its instance yet.

        Raises:
            Problem: `expression-too-heavy` beyond NODES_LIMIT.
        """
        counts, key = self.counts(), ""
        if here is not None:
            grown = dict(counts)
            self._count(grown, *here)
            if grown != counts:
                counts = grown
                key = repr(([group.id for group in self.shape.repeats(here[0])], self.shape.digits(*here)))
        if key not in self._trees:
            self._trees[key] = self._build(counts)
        return self._trees[key]

    def _build(self, counts: dict[tuple[str, tuple[int, ...]], int]) -> Tree:
        from xml.etree.ElementTree import Element, SubElement

        from elementpath.tree_builders import get_node_tree

        root = Element("data")
        placed: list[tuple[str, Element, tuple[int, ...]]] = []

        def fill(parent: Element, group_id: str, digits: tuple[int, ...]) -> None:
            for member in self.shape.members.get(group_id, ()):
                if len(placed) > NODES_LIMIT:
                    raise Problem("expression-too-heavy", f"The procedure has more than {NODES_LIMIT:,} places for answers.")
                if isinstance(member, Step):
                    element = SubElement(parent, _tag(member.id))
                    element.text = self.values.get((member.id, self.shape.instance(member.id, digits)), "")
                    if member.type in NUMERIC:
                        element.set("number", "1")
                    placed.append((member.id, element, digits))
                    continue
                several = range(1, counts.get((member.id, digits), 0) + 1)
                for inner in [(*digits, number) for number in several] if member.repeat > 0 else [digits]:
                    element = SubElement(parent, _tag(member.id))
                    placed.append((member.id, element, inner))
                    fill(element, member.id, inner)

        fill(root, "", ())
        node: Any = get_node_tree(root)
        spots: dict[str, list[Spot]] = {}
        for name, element, digits in placed:
            spots.setdefault(name, []).append(Spot(node.tree.elements[element], digits))
        return Tree(node, spots, len(placed) + 1)

    def choices(self, name: str) -> tuple[Choice, ...] | None:
        """A choice list by the name of the list, or of a step that has one; None where there is none."""
        if name in self.procedure.choice_lists:
            return self.procedure.choice_lists[name]
        step = self.shape.steps.get(name)
        return self.procedure.choices_of(step) if step else None

    def list_node(self, name: str, language: str) -> Any | None:
        """The options of a choice list as nodes (`root/item/name`, `label` and further columns); None for an unknown list."""
        key = f"{language}:{name}"
        if key not in self._lists:
            choices = self.choices(name)
            self._lists[key] = None if choices is None else _list_node(choices, language)
        return self._lists[key]


def _list_node(choices: tuple[Choice, ...], language: str) -> Any:
    from xml.etree.ElementTree import Element, SubElement

    from elementpath.tree_builders import get_node_tree

    from fieldapp.domain.words import say

    if sum(len(choice.columns) + 3 for choice in choices) > NODES_LIMIT:
        raise Problem("expression-too-heavy", f"A choice list has more than {NODES_LIMIT:,} cells, too many for an expression.")
    instance = Element("instance")
    root = SubElement(instance, "root")
    for choice in choices:
        item = SubElement(root, "item")
        SubElement(item, "name").text = choice.id
        SubElement(item, "label").text = say(choice.label, language)
        for column, value in choice.columns.items():
            SubElement(item, _tag(column)).text = value
    return get_node_tree(instance)


def _tag(name: str) -> str:
    """A name that cannot be mistaken for a namespace; names that XPath cannot write are reached by `${name}` alone."""
    return name if name and "{" not in name and "}" not in name else "_"
