"""The best of a category: what the model expects most of, in place of what is rated best."""

from typing import Any

import numpy as np

from state.catalogue.product import Product
from state.choosing.choice import RANK_EVERY_MS, Chooser
from state.choosing.features import Context
from state.feature_set import DIMENSION
from state.model.sums import Example
from state.session.interest import Interest
from tests.state.shop import T0, predictor_of, settings

PRODUCTS = 120
SOLD, UNSOLD, NEVER_SHOWN = "c0-0", f"c0-{PRODUCTS - 1}", "c0-60"
"""The one that is rated worst and sells, the one that is rated best and does not, and one that nobody has seen."""


def made(**bandit: Any) -> Chooser:
    """Two categories whose products are rated the better the higher their number."""
    chooser = Chooser(settings(bandit=bandit), np.random.default_rng(5))
    for category in ("c0", "c1"):
        for i in range(PRODUCTS):
            chooser.catalogue.put(
                Product(f"{category}-{i}", category, rating=1 + 4 * i / PRODUCTS, rating_count=500, price=10.0)
            )
    chooser.refresh(T0)
    return chooser


def examples(sold: str = SOLD) -> list[Example]:
    x = np.zeros(DIMENSION, np.float16)
    x[0] = 1
    shown = [f"{category}-{i}" for category in ("c0", "c1") for i in range(PRODUCTS)]
    return [
        Example(T0, name, x.tobytes(), 1.0, reward, reward)
        for name in shown
        if name != NEVER_SHOWN
        for time in range(30)
        if (reward := 1.0 if name == sold and time % 2 else 0.0) is not None
    ]


def best_of(chooser: Chooser, category: str) -> list[str]:
    rows, _ = chooser.shelf.of_category(category)
    return [chooser.catalogue.product_ids[row] for row in rows.tolist()]


def test_what_sells_comes_first_however_it_is_rated() -> None:
    chooser = made()
    before = best_of(chooser, "c0")
    assert before[0] == UNSOLD
    assert before[-1] == SOLD
    chooser.use_model(predictor_of(examples(), DIMENSION))
    after = best_of(chooser, "c0")
    assert after[0] == SOLD
    assert sorted(after) == sorted(before)
    assert {name[:2] for name in best_of(chooser, "c1")} == {"c1"}


def test_what_nobody_has_seen_comes_before_what_does_not_sell() -> None:
    chooser = made()
    chooser.use_model(predictor_of(examples(), DIMENSION))
    after = best_of(chooser, "c0")
    assert after.index(NEVER_SHOWN) < PRODUCTS // 4


def test_it_is_offered_to_who_likes_the_category() -> None:
    """Of 120 products of the category a session gets no more than the first."""
    context = Context(Interest({}, {"c0": 1.0}, 1.0, visits={"c0": 1.0}), "c0", {}, T0)
    chooser = made()
    without = [chooser.consider(context, 30).candidates.product_ids for _ in range(40)]
    chooser.use_model(predictor_of(examples(), DIMENSION))
    offered = [chooser.consider(context, 30).candidates.product_ids for _ in range(40)]
    assert sum(SOLD in candidates for candidates in without) < 20
    assert all(SOLD in candidates for candidates in offered)


def test_an_order_lasts_a_while_and_a_catalogue_begins_anew() -> None:
    chooser = made()
    chooser.use_model(predictor_of(examples(), DIMENSION, T0))
    chooser.use_model(predictor_of(examples("c0-1"), DIMENSION, T0 + RANK_EVERY_MS - 1))
    assert best_of(chooser, "c0")[0] == SOLD
    chooser.use_model(predictor_of(examples("c0-1"), DIMENSION, T0 + RANK_EVERY_MS))
    assert best_of(chooser, "c0")[0] == "c0-1"
    chooser.catalogue.put(Product("c0-new", "c0", rating=5.0, rating_count=500, price=10.0))
    chooser.refresh(T0 + 2 * RANK_EVERY_MS)
    assert best_of(chooser, "c0")[0] == "c0-1"
    assert "c0-new" in best_of(chooser, "c0")


def test_a_variant_with_a_model_of_its_own_leaves_the_order_to_the_first() -> None:
    chooser = made(variants={"other": {"share": 0.5, "half_life": "7 d"}})
    other = next(each for each in chooser.of_all_variants() if each is not chooser)
    chooser.use_model(predictor_of(examples(), DIMENSION))
    chooser.use_model(predictor_of(examples("c0-1"), DIMENSION, T0 + RANK_EVERY_MS), other.model)
    assert other.model != chooser.model
    assert best_of(chooser, "c0")[0] == SOLD
