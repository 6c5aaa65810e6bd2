"""From what a person types to what it names: people, customers, products, assets, sites. Never a guess between two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fieldapp.domain.documents import Asset, Customer, Person, Product, Site
from fieldapp.domain.problem import Problem
from fieldapp.domain.words import say
from fieldapp.store.queries.documents import Documents

_Named = TypeVar("_Named")
SHOWN = 8
"""Candidates named in a message at most."""


def person_named(documents: Documents, typed: str) -> Person:
    """A person by id, else by a name or a part of one that only they have.

    Raises:
        Problem: `person-unknown`, `person-ambiguous`.
    """
    return _one("person", typed, documents.people(), lambda person: person.id, lambda person: [person.name])


def customer_named(documents: Documents, typed: str) -> Customer:
    """A customer by id, else by a name or a part of one, in any language.

    Raises:
        Problem: `customer-unknown`, `customer-ambiguous`.
    """
    return _one("customer", typed, documents.customers(), lambda item: item.id, lambda item: list(item.name.values()))


def product_named(documents: Documents, typed: str) -> Product:
    """A service product by code, else by title or a part of one.

    Raises:
        Problem: `service-unknown`, `service-ambiguous`.
    """
    return _one("service", typed, documents.products(), lambda item: item.code, lambda item: list(item.title.values()))


def asset_named(documents: Documents, customer: str, typed: str) -> Asset:
    """An asset of the customer by id, tag or serial number, else by a part of its title.

    Raises:
        Problem: `asset-unknown`, `asset-ambiguous`.
    """
    assets = documents.assets(customer)
    wanted = typed.strip().casefold()
    exact = [asset for asset in assets if wanted and wanted in (asset.tag.casefold(), asset.serial.casefold())]
    if len(exact) == 1:
        return exact[0]
    return _one("asset", typed, assets, lambda item: item.id, lambda item: [item.tag, *item.title.values()])


def site_named(documents: Documents, customer: str, typed: str) -> Site:
    """A site of the customer by id, else by a name or a part of one.

    Raises:
        Problem: `site-unknown`, `site-ambiguous`.
    """
    return _one("site", typed, documents.sites(customer), lambda item: item.id, lambda item: list(item.name.values()))


def name_of_person(documents: Documents, person: str) -> str:
    """The person's name; their id where this device does not know them."""
    found = documents.person(person)
    return found.name if found else person


def _one(
    what: str, typed: str, items: Sequence[_Named], key: Callable[[_Named], str], names: Callable[[_Named], list[str]]
) -> _Named:
    """The one item that the text names: by key, else by a whole name, else by a part of a name."""
    wanted = typed.strip().casefold()
    if not wanted:
        raise Problem(f"{what}-unknown", f"No {what} was named.", _some(items, key, names))
    tests: tuple[Callable[[_Named], bool], ...] = (
        lambda item: key(item) == typed.strip(),
        lambda item: key(item).casefold() == wanted,
        lambda item: wanted in (name.casefold() for name in names(item)),
        lambda item: any(wanted in name.casefold() for name in names(item)),
    )
    for test in tests:
        found = [item for item in items if test(item)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Problem(f"{what}-ambiguous", f"{_quoted(typed)} can be more than one {what}.", _some(found, key, names))
    raise Problem(f"{what}-unknown", f"There is no {what} {_quoted(typed)} on this device.", _near(typed, items, key, names))


def _near(typed: str, items: Sequence[_Named], key: Callable[[_Named], str], names: Callable[[_Named], list[str]]) -> str:
    import difflib

    known = {name.casefold(): item for item in items for name in (key(item), *names(item))}
    close = difflib.get_close_matches(typed.strip().casefold()[:80], sorted(known), n=3)
    if close:
        return "Did you mean " + " or ".join(dict.fromkeys(key(known[name]) for name in close)) + "?"
    return _some(items, key, names) if items else "`fieldapp sync` fetches what is new."


def _some(items: Iterable[_Named], key: Callable[[_Named], str], names: Callable[[_Named], list[str]]) -> str:
    listed = [f"{key(item)} ({next(iter(names(item)), '')})" for item in items]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"There are: {', '.join(listed[:SHOWN])}{more}." if listed else ""


def _quoted(typed: str) -> str:
    return f"{typed.strip()[:60]!r}"


def title_of(documents: Documents, product: str, language: str) -> str:
    """The product's title; its code where this device does not know it."""
    found = documents.product(product)
    return say(found.title, language) if found else product
