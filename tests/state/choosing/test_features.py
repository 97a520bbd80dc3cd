"""What the features say of a candidate in a session: each column against its definition."""

import math
from typing import Any

import numpy as np
import pytest

from state.candidates.candidates import Candidates, find_candidates
from state.candidates.sources.shelf import Asked, Shelf
from state.catalogue.catalogue import UNLISTED, Catalogue
from state.catalogue.product import Product
from state.choosing.features import Context, features
from state.choosing.rates import Rates
from state.feature_set import DIMENSION, NAMES
from state.kernels.columns import ProductColumn
from state.profile.profile_items import FEATURE_REASONS
from state.session.interest import Interest
from tests.state.shop import T0, Visit, event, settings, shop

PRICES = {"a1": 10.0, "a2": 40.0, "b1": 7.0, "b2": None}
NOBODY = Interest({}, {}, 0.0)


def small_catalogue() -> Catalogue:
    catalogue = Catalogue(100, 10)
    for name, price in PRICES.items():
        catalogue.put(Product(name, name[0], price=price, rating=5.0))
    catalogue.refresh(T0)
    return catalogue


def columns(known: Interest, unrewarded: dict[str, int] | None = None) -> dict[str, dict[str, float]]:
    """Feature by name, and in it each product's value."""
    catalogue = small_catalogue()
    rows = np.array(catalogue.listed(PRICES))
    found = Candidates(rows, catalogue.category[rows], list(PRICES))
    x = features(found, Context(known, "", {}, T0, unrewarded or {}), catalogue, Rates(catalogue, None))
    return {name: dict(zip(PRICES, column, strict=True)) for name, column in zip(NAMES, x.T.tolist(), strict=True)}


def near(value: float) -> Any:
    """As close as float16 is."""
    return pytest.approx(value, abs=2e-3)


def test_a_stranger_has_no_taste() -> None:
    x = columns(NOBODY)
    for name in (
        "taste",
        "taste_root",
        "acquaintance",
        "rating_times_taste",
        "category_unrewarded",
        "relative_price_match",
    ):
        assert set(x[name].values()) == {0.0}


def test_taste_is_the_share_of_visits_with_one_more_elsewhere() -> None:
    x = columns(Interest({}, {"a": 1.0}, 1.0, visits={"a": 3, "b": 1}))
    assert [x["taste"][p] for p in PRICES] == [near(3 / 5), near(3 / 5), near(1 / 5), near(1 / 5)]
    assert x["taste_root"]["a1"] == near(math.sqrt(3 / 5))
    assert x["acquaintance"]["b1"] == near(4 / 5)
    assert x["rating_times_taste"]["a1"] == near(3 / 5)


def test_a_category_shown_in_vain_is_halfway_at_four() -> None:
    x = columns(Interest({}, {}, 0.0, visits={"a": 1}), {"a": 4, "b": 1, "not listed": 9})
    assert [x["category_unrewarded"][p] for p in ("a1", "b1")] == [near(1 / 2), near(1 / 5)]
    assert x["category_unrewarded_times_taste"]["a2"] == near(1 / 4)


def test_dearness_is_the_log_price_about_the_categorys_mean() -> None:
    half = (math.log(41) - math.log(11)) / 4
    x = columns(Interest({"a2": 1.0}, {}, 1.0, visits={"a": 1}))
    assert [x["relative_price"][p] for p in PRICES] == [near(-half), near(half), near(0), near(0)]
    assert x["relative_price_times_taste"]["a1"] == near(-half / 2)
    assert x["relative_price_times_usual"]["a1"] == near(-half * half)
    assert [x["relative_price_match"][p] for p in ("a1", "a2", "b1")] == [near(-2 * half), near(0), near(-half)]


def test_dearness_follows_the_catalogue() -> None:
    catalogue = small_catalogue()
    catalogue.put(Product("a3", "a", price=1_000.0))
    catalogue.refresh(T0 + 1_000)
    (row,) = catalogue.listed(["a2"])
    assert catalogue.static[row, ProductColumn.RELATIVE_PRICE] < 0
    catalogue.remove("a3")
    catalogue.refresh(T0 + 2_000)
    assert catalogue.static[row, ProductColumn.RELATIVE_PRICE] > 0


def test_a_product_that_is_not_listed_is_neutral() -> None:
    catalogue = Catalogue(100, 10)
    nowhere = Interest({"x": 1.0}, {"c": 1.0}, 1.0, visits={"c": 1})
    found = find_candidates(Asked(nowhere), Shelf(settings(), catalogue), 5, np.random.default_rng(1))
    x = features(found, Context(nowhere, "c", {}, T0, {"c": 3}), catalogue, Rates(catalogue, None))
    assert found.rows.tolist() == [UNLISTED]
    assert x.shape == (1, DIMENSION)
    for name in ("taste", "category_unrewarded", "relative_price", "relative_price_match", "price_match"):
        assert x[0, NAMES.index(name)] == 0


def test_exposures_without_a_reward_are_in_vain_for_their_category() -> None:
    visit = Visit(shop(categories=1))
    visit.send(event("product_view", product_id="product-1", category_id="category-0"))
    visit.send(visit.impression(1_000, items=4))
    shown = visit.session.slates[-1].product_ids
    visit.send(event("product_view", 5_000, product_id=shown[0], category_id="category-0"))
    x = visit.session.slates[-1].matrix()
    np.testing.assert_allclose(x[:, NAMES.index("category_unrewarded")], 3 / 7, atol=1e-3)


def test_a_thumb_down_is_no_visit() -> None:
    visit = Visit(shop(categories=1))
    visit.send(event("product_view", product_id="product-1", category_id="category-0"))
    down = {"kind": "thumb", "value": -1}
    visit.send(event("feedback", 1_000, product_id="product-2", category_id="category-0", feedback=down))
    assert visit.session.slates[-1].matrix()[0, NAMES.index("acquaintance")] == near(1 / 2)


def test_reasons_name_features_that_exist_and_each_only_once() -> None:
    named = [name for names in FEATURE_REASONS.values() for name in names]
    assert set(named) <= set(NAMES)
    assert len(named) == len(set(named))
