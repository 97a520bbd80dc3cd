"""Variety in the lists of a session: caps, boosts, what is hidden, and the counters of what is exposed."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from state.candidates.sources.names import BY_CATEGORY, OF_THE_SESSION
from state.catalogue.product import Product
from state.choosing.features import Context
from state.choosing.variety import Mix
from state.configuration import Variety
from state.feature_set import NAMES
from state.kernels import boosts_of
from state.session.interest import Interest
from state.session.shown import MOST_PRODUCTS
from tests.state.shop import T0, Visit, event, settings, shop

DAY = 86_400_000
NO_CAPS = {"category_share": 1.0, "personal_share": 1.0}
POLICIES = ("thompson_linear", "softmax", "epsilon_greedy", "bayes_ucb", "thompson_beta")


def shown(visit: Visit) -> list[str]:
    assert visit.profile is not None
    return [item["product_id"] for item in visit.profile["score_data"]]


def categories(products: list[str]) -> Counter[int]:
    return Counter(int(product.removeprefix("product-")) % 4 for product in products)


@pytest.mark.parametrize(
    ("items", "category", "personal", "caps"),
    [
        (20, 0.5, 0.9, [10, 18]),
        (20, 0.55, 0.35, [11, 7]),
        (7, 0.5, 0.5, [4, 3]),
        (20, 0.0, 0.0, [1, 0]),
        (5, 1.0, 1.0, [5, 5]),
    ],
)
def test_shares_of_a_list_are_whole_items(items: int, category: float, personal: float, caps: list[int]) -> None:
    """The category's is rounded up and at least one, the personal one down; 0.55 × 20 is 11."""
    assert Mix(Variety(category_share=category, personal_share=personal), items).caps.tolist() == caps


def test_the_kernels_columns_are_those_of_the_feature_set() -> None:
    x = np.zeros((len(NAMES), 3), dtype=np.float32)
    x[NAMES.index("novelty")] = (1.0, 0.5, 0.0)
    x[NAMES.index("rating")] = (1.0, 0.0, -1.0)
    x[NAMES.index("regional_popularity")] = (1.0, 0.5, 0.0)
    for boosts in np.eye(3):
        np.testing.assert_array_equal(boosts_of(x, boosts), [1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("policy", "order_by"),
    [*((policy, "value") for policy in POLICIES), ("thompson_linear", "score"), ("epsilon_greedy", "score")],
)
def test_no_category_has_more_than_its_share_of_any_list(policy: str, order_by: str) -> None:
    variety = {"category_share": 0.3, "personal_share": 0.5}
    bandit = {"policy": policy, "order_by": order_by}
    visit = Visit(shop(settings(variety=variety, bandit=bandit, decisions={"full_share": 0.2}), products=400))
    for step in range(12):
        visit.send(event("product_view", 1_000 * step, event_id=f"v{step}", product_id=f"product-{4 * step + 1}"))
        assert max(categories(shown(visit)).values()) <= 6
        assert len(shown(visit)) == 20


def test_caps_are_given_up_where_a_shop_has_nothing_else() -> None:
    visit = Visit(shop(settings(variety={"category_share": 0.1, "personal_share": 0.0}), products=30, categories=2))
    visit.send(event())
    assert len(shown(visit)) == 20
    first = categories(shown(visit)[:4])
    assert first[0] + first[2] == first[1] + first[3] == 2, "two of each category, before the cap is given up"


def test_part_of_a_list_is_not_personal() -> None:
    """Where all that the session did is of one category, which is believed to be the best."""
    for share, most in ((1.0, 20), (0.5, 10), (0.0, 0)):
        bandit = {"policy": "epsilon_greedy", "epsilon": 0.0, "floor": 0.0}
        variety = {"category_share": 1.0, "personal_share": share}
        visit = Visit(shop(settings(bandit=bandit, variety=variety), products=400))
        for step in range(5):
            visit.send(event("product_view", 1_000 * step, event_id=f"v{step}", product_id=f"product-{4 * step + 1}"))
        personal = sum(source in (*OF_THE_SESSION, *BY_CATEGORY) for source in visit.session.slates[-1].sources)
        assert personal <= most
        assert (personal > 10) == (share == 1)


@pytest.mark.parametrize("boosts", [{"rated": 0.5}, {"newer": 0.5}])
def test_a_boost_raises_what_it_is_for_and_not_what_is_expected_of_it(boosts: dict[str, float]) -> None:
    """Of two products that are worth the least, by rating and age, the one that the boost is for."""
    bandit = {"policy": "epsilon_greedy", "epsilon": 0.0, "floor": 0.0}
    places, expected = [], []
    for given in ({}, boosts):
        personalizer = shop(settings(bandit=bandit, variety={"boosts": given, **NO_CAPS}), products=18)
        name = "five stars" if "rated" in boosts else "new"
        rating, age_ms = (5.0, 900 * DAY) if "rated" in boosts else (1.0, 0)
        personalizer.chooser.catalogue.put(Product(name, "other", rating=rating, created_at=T0 - age_ms))
        personalizer.chooser.refresh(T0 + 1_000)
        context = Context(
            Interest({}, {"category-1": 3.0}, 3.0, visits={"category-1": 3}), "category-1", {}, T0 + 1_000
        )
        slate = personalizer.chooser.choose(context, profile_version=1, cause=b"")
        places.append(slate.product_ids.index(name))
        expected.append(personalizer.chooser.predict(slate)[places[-1]])
    assert places[1] < 5 <= places[0]
    assert expected[0] == expected[1]


def test_diversity_brings_other_categories_up() -> None:
    def most_of_one(diversity: float) -> float:
        variety = {"diversity": diversity, **NO_CAPS}
        visit = Visit(shop(settings(variety=variety, bandit={"confidence": 0.1}), products=400, seed=3))
        sizes = []
        for step in range(20):
            visit.send(event("product_view", 1_000 * step, event_id=f"v{step}", product_id=f"product-{4 * step + 1}"))
            sizes.append(max(categories(shown(visit)[:8]).values()))
        return float(np.mean(sizes))

    assert most_of_one(1.0) < most_of_one(0.0)


def test_what_was_bought_is_not_shown() -> None:
    for hides in (True, False):
        variety = {"hide_bought": hides}
        rules = {"pin": [{"product": "product-9", "position": 0}]}
        visit = Visit(shop(settings(variety=variety, rules=rules)))
        visit.send(event("checkout", product_id="product-9", category_id="category-1"))
        assert ("product-9" in shown(visit)) is not hides, "not even where it is pinned"


def test_what_was_seen_so_often_in_vain_is_shown_no_more_until_something_is_done_with_it() -> None:
    visit = Visit(shop(settings(variety={"times_shown": 2}, bandit={"floor": 0.0}), products=400))
    visit.send(event(event_id="first"))
    seen: Counter[str] = Counter()
    for step in range(1, 9):
        seen.update(shown(visit)[:5])
        visit.send(visit.impression(1_000 * step, items=5, event_id=f"i{step}"))
        visit.send(event("category_view", 1_000 * step + 500, event_id=f"v{step}", category_id="category-1"))
        tired = {product for product, times in seen.items() if times >= 2}
        assert not tired & set(shown(visit))
        assert visit.session.shown == dict(seen)
    assert tired
    product = sorted(tired)[0]
    visit.send(event("product_view", 20_000, event_id="clicked", product_id=product))
    assert product not in visit.session.shown


def test_an_impression_that_takes_back_what_was_assumed_counts_once() -> None:
    visit = Visit(shop(settings(variety={"times_shown": 2}), products=400))
    visit.send(event(event_id="first"))
    decision, listed = (visit.profile or {})["decision_id"], shown(visit)
    visit.send(event("category_view", 2_000, event_id="later"))
    assert visit.effects[-1].counts["exposures"] == 5
    visit.send(event("impression", 1_000, event_id="i", decision_id=decision, shown=listed[:3]))
    counts = visit.effects[-1].counts
    assert (counts["exposures"], counts["exposures_retracted"]) == (3, 5)
    assert visit.session.shown == dict.fromkeys(listed[:3], 1)


def test_no_more_products_are_counted_than_a_session_may_hold() -> None:
    visit = Visit(shop(settings(), products=4_000))
    visit.send(event(event_id="first"))
    counted = []
    for step in range(1, 30):
        visit.send(visit.impression(1_000 * step, items=20, event_id=f"i{step}"))
        counted.append(len(visit.session.shown))
        last = shown(visit)
        visit.send(event("product_view", 1_000 * step + 500, event_id=f"v{step}", product_id=f"product-{step}"))
    assert max(counted) == MOST_PRODUCTS
    assert set(last) - {"product-29"} <= set(visit.session.shown)


def test_nothing_is_left_of_what_was_shown_after_an_erasure() -> None:
    visit = Visit(shop(settings(), products=400))
    visit.send(event(event_id="first"))
    visit.send(visit.impression(1_000, items=5, event_id="i"))
    assert visit.session.shown
    visit.send(event("erase", 2_000))
    assert visit.session.shown == {}


def test_exposures_of_new_products_are_counted() -> None:
    personalizer = shop(settings(), products=0)
    for name, days in (("new", 29), ("old", 31), ("undated", None)):
        created = None if days is None else T0 - days * DAY
        personalizer.chooser.catalogue.put(Product(name, "category-1", created_at=created))
    visit = Visit(personalizer)
    visit.send(event("product_view", 1_000, event_id="first"))
    visit.send(visit.impression(2_000, items=3, event_id="i"))
    counts: dict[str, Any] = visit.effects[-1].counts
    assert (counts["exposures"], counts["exposures_new"]) == (3, 1)
