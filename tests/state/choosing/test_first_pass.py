"""The first pass: of many products those that the model expects most of in a session, held to the model's own mean."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from state.candidates.candidates import Candidates
from state.candidates.sources import names
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.features import Context, described
from state.choosing.first_pass import SHARE
from state.feature_set import DIMENSION, Feature
from state.model.sums import Example
from state.session.interest import Interest
from tests.state.shop import T0, predictor_of, settings

PRODUCTS, CATEGORIES = 300, 6
KNOWN = Interest(
    {"p3": 2.0, "p64": 0.5, "p5": -1.0, "elsewhere": 1.0},
    {"c3": 2.5, "c4": 0.4, "nowhere": 1.0},
    3.9,
    visits={"c3": 3.0, "c4": 1.0, "nowhere": 1.0},
)
CONTEXTS = {
    "a stranger": Context(Interest({}, {}, 0.0), "", {}, T0),
    "a stranger from the north": Context(Interest({}, {}, 0.0), "", {}, T0, region="north"),
    "a regular": Context(KNOWN, "c3", {"p9": 1}, T0, {"c3": 2, "c1": 1, "": 1}, region="north"),
}
ALONE = (Feature.NOVELTY, Feature.PRODUCT_AFFINITY, Feature.PRODUCT_SEEN, Feature.SHOWN_UNREWARDED)
"""What the first pass leaves out, besides what lists and moments tell."""


def made(**sections: Any) -> Chooser:
    chooser = Chooser(settings(**sections), np.random.default_rng(5))
    rng = np.random.default_rng(6)
    for i in range(PRODUCTS):
        chooser.catalogue.put(
            Product(
                f"p{i}",
                f"c{i % CATEGORIES}",
                rating=float(rng.uniform(1, 5)),
                rating_count=int(rng.integers(1, 900)),
                price=float(rng.uniform(5, 90)),
            )
        )
    chooser.refresh(T0)
    return chooser


def learned(chooser: Chooser) -> Chooser:
    rng = np.random.default_rng(7)
    examples = []
    for number in range(6_000):
        x = rng.uniform(0, 1, DIMENSION).astype(np.float16)
        x[list(ALONE)] = 0
        category, region = number % CATEGORIES, ("north", "south")[number // PRODUCTS % 2]
        liked = 0.2 * ((category, region) in ((2, "north"), (4, "south")))
        reward = float(np.clip(x[:12] @ rng.normal(0.02, 0.01, 12) + liked, 0, 1))
        examples.append(Example(T0, f"p{number % PRODUCTS}", x.tobytes(), 1.0, reward, reward**2, region=region))
    chooser.use_model(predictor_of(examples, DIMENSION, T0))
    return chooser


@pytest.mark.parametrize("who", CONTEXTS)
def test_it_takes_what_the_model_expects_most_of(who: str) -> None:
    """Of the mean of all that is described, with a standard deviation of the own effect, less what it leaves out."""
    chooser, context = learned(made()), CONTEXTS[who]
    rows = chooser.first_pass.rows
    assert len(rows) == PRODUCTS
    candidates = Candidates(
        rows, column_of_codes=chooser.catalogue.category, column_of_ids=chooser.catalogue.product_ids
    )
    theta = chooser.posterior.theta.copy()
    theta[list(ALONE)] = 0
    found = described(candidates, context, chooser.catalogue, chooser.rates, theta)
    mean = found.mean + np.sqrt(chooser.rates.effect_variance[rows])
    best = chooser.first_pass.best(context, chooser.catalogue, 100)
    assert len(best.rows) == round(100 * SHARE)
    value = dict(zip(rows.tolist(), mean.tolist(), strict=True))
    taken = [value[row] for row in best.rows.tolist()]
    least = sorted(value.values(), reverse=True)[len(taken) - 1]
    rounding = 2e-3
    """Features are described as float16 holds them."""
    assert min(taken) > least - rounding
    assert all(above > below - rounding for above, below in pairwise(taken))


def test_what_the_session_likes_and_where_it_is_make_a_difference() -> None:
    chooser = learned(made())
    best = {who: chooser.first_pass.best(context, chooser.catalogue, 100).rows for who, context in CONTEXTS.items()}
    in_c2 = {
        who: (chooser.catalogue.category[rows] == chooser.catalogue.code_of("c2")).sum() for who, rows in best.items()
    }
    assert set(best["a stranger"].tolist()) != set(best["a stranger from the north"].tolist())
    assert in_c2["a stranger from the north"] > in_c2["a stranger"]
    assert not set(best["a regular"].tolist()) <= set(best["a stranger from the north"].tolist())


def test_it_is_offered_to_every_session_and_of_no_products_before_there_is_a_model() -> None:
    chooser = made()
    assert not len(chooser.first_pass.best(CONTEXTS["a regular"], chooser.catalogue, 100).rows)
    learned(chooser)
    candidates = chooser.consider(CONTEXTS["a stranger"], 100).candidates
    offered = candidates.rows[candidates.sources == names.EXPECTED]
    best = chooser.first_pass.best(CONTEXTS["a stranger"], chooser.catalogue, 100).rows
    assert len(offered) > 5
    assert set(offered.tolist()) <= set(best.tolist())


def test_it_follows_the_model_and_the_catalogue() -> None:
    chooser = learned(made())
    first = chooser.first_pass
    assert chooser.first_pass is first
    chooser.use_model(predictor_of([Example(T0, "p1", bytes(2 * DIMENSION), 1.0, 0.5, 0.25)], DIMENSION, T0 + 1))
    assert chooser.first_pass is not first
    chooser.catalogue.put(Product("new", "c1", price=10.0))
    chooser.refresh(T0 + 60_000)
    assert chooser.catalogue.row_of["new"] in chooser.first_pass.rows


def test_where_each_product_has_a_model_of_its_own_there_is_none() -> None:
    chooser = made(bandit={"form": "disjoint", "policy": "lin_ucb"})
    assert not len(chooser.first_pass.rows)
