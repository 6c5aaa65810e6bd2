"""Which contract covers a job, in which words, and which promises its segment gets."""

from __future__ import annotations

from itertools import permutations
from typing import get_args

import pytest

from fieldapp.domain.coverage import (
    BRANCH_HOURS,
    MODEL_NAMES,
    MODEL_TERMS,
    calendars_for,
    coverage_words,
    find_coverage,
    promises_for,
    terms_of,
    variant_for,
)
from fieldapp.domain.documents import Calendar, CommercialModel, Contract, Product, Promise, Variant

TODAY = "2026-11-21"


def contract(name: str, model: CommercialModel = "per_visit", **more: object) -> Contract:
    return Contract(name, "c-1", model, {"en": name}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "covers"),
    [
        (contract("all"), True),
        (contract("this product", products=("chiller", "lift")), True),
        (contract("other product", products=("lift",)), False),
        (contract("these assets", assets=("a-1", "a-2", "a-3")), True),
        (contract("one of the assets", assets=("a-1",)), False),
        (contract("first day", valid_from=TODAY), True),
        (contract("last day", valid_to=TODAY), True),
        (contract("tomorrow", valid_from="2026-11-22"), False),
        (contract("yesterday", valid_to="2026-11-20"), False),
        (contract("one visit left", visits=4), True),
        (contract("used up", visits=3), False),
    ],
    ids=lambda value: value.id if isinstance(value, Contract) else None,
)
def test_what_a_contract_covers(made: Contract, covers: bool) -> None:
    found = find_coverage([made], "chiller", ("a-1", "a-2"), TODAY, {made.id: 3})
    assert found == (made if covers else None)


def test_a_job_without_assets_is_not_covered_by_a_contract_for_assets() -> None:
    assert find_coverage([contract("assets", assets=("a-1",))], "chiller", (), TODAY) is None
    assert find_coverage([contract("all")], "chiller", (), TODAY) is not None
    assert find_coverage([], "chiller", (), TODAY) is None


def test_the_best_of_several_whatever_their_order() -> None:
    ranked = [
        contract("asset and product", assets=("a-1",), products=("chiller",)),
        contract("asset", assets=("a-1",)),
        contract("product", products=("chiller",)),
        contract("warranty", "warranty"),
        contract("rental", "rental"),
        contract("newer", valid_from="2026-01-01"),
        contract("older", valid_from="2025-01-01"),
        contract("as old", valid_from="2025-01-01"),
    ]
    for best in range(len(ranked) - 2):
        for order in list(permutations(ranked[best:]))[:200]:
            assert find_coverage(order, "chiller", ("a-1",), TODAY) == ranked[best]
    assert find_coverage(reversed(ranked[6:]), "chiller", (), TODAY) == ranked[7]


def test_the_contract_has_the_last_word_on_what_is_included() -> None:
    oil, filters, parts = {"en": "Oil"}, {"en": "Filters"}, {"en": "Parts"}
    product = Product("chiller", {}, "basic", included=(oil, filters), excluded=(parts,))
    assert terms_of(None, product) == ((oil, filters), (parts,))
    assert terms_of(contract("plain"), product) == ((oil, filters), (parts,))
    full = contract("full", included=(parts, oil), excluded=(filters,))
    assert terms_of(full, product) == ((oil, parts), (filters,))


def test_every_model_has_words_in_every_language() -> None:
    models = {*get_args(CommercialModel), ""}
    assert set(MODEL_NAMES) == set(MODEL_TERMS) == models
    for words in (*MODEL_NAMES.values(), *MODEL_TERMS.values()):
        assert set(words) == {"en", "zh_CN", "zh_TW"}
        assert all(words.values())
    for table in (MODEL_NAMES, MODEL_TERMS):
        for language in ("en", "zh_CN", "zh_TW"):
            assert len({words[language] for words in table.values()}) == len(models)


def test_coverage_in_words() -> None:
    oil = {"en": "Oil change", "zh_CN": "换油"}
    said = coverage_words("flat_subscription", (oil,), ({"en": "Parts"},), "zh_CN")
    assert (said.title, said.included, said.excluded) == ("包年服务", ("换油",), ("Parts",))
    assert "不另收费" in said.terms
    assert coverage_words("", (), ()).title == "No contract"


def test_a_segment_gets_its_variant() -> None:
    slow, fast = Promise("response", {}, "response", 240), Promise("response", {}, "response", 60)
    fix, rating = Promise("fix", {}, "resolution", 480), Promise("rating", {}, "rating", 4)
    product = Product(
        "chiller", {}, "basic", promises=(slow, fix), price=100,
        variants=(Variant("gold", promises=(rating, fast), price=90), Variant("silver")),
    )  # fmt: skip
    assert promises_for(product, "gold", "") == (fast, fix, rating)
    assert promises_for(product, "silver", "") == promises_for(product, "", "") == promises_for(product, "none", "") == (slow, fix)
    assert variant_for(product, "gold") == product.variants[0]
    assert variant_for(Product("p", {}, "basic", variants=(Variant(""),)), "") is None


def test_a_promise_by_branch_hours_gets_the_calendar_of_the_branch_that_does_the_job() -> None:
    own, other = Calendar("north", "Europe/Berlin"), Calendar("always")
    named = [Promise(f"p{calendar}", {}, "arrival", 60, calendar) for calendar in (BRANCH_HOURS, "always", None, "lost")]
    product = Product("chiller", {}, "basic", promises=tuple(named))
    promises = promises_for(product, "", "north")
    assert [promise.calendar for promise in promises] == ["north", "always", None, "lost"]
    assert calendars_for(promises, {"north": own, "always": other}.get) == ((other, own), ("lost",))
    assert [promise.calendar for promise in promises_for(product, "", "")] == [None, "always", None, "lost"]
