"""What the sources offer: in proportion to their weights, personal ones the more the session is known."""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from state.candidates.candidates import find_candidates
from state.candidates.sources import names
from state.candidates.sources.popularity import Popular
from state.candidates.sources.shelf import Asked, Shelf
from state.candidates.sources.store import resolved
from state.catalogue.product import Product
from state.choosing.features import Context, features
from state.choosing.rates import Rates
from state.configuration import Settings
from state.feature_set import NAMES
from state.session.interest import Interest
from state.together.listing import Pair, encode_list, list_key
from tests.state.shop import T0, settings

NOBODY = Interest({}, {}, 0.0)


def known(visits: int) -> Interest:
    return Interest({"p0-0": 1.0, "p0-1": 1.0}, {"c0": 2.0, "c1": 1.0}, 3.0, visits={"c0": visits})


class Fixed:
    """Stores that answer the same to everybody."""

    def __init__(self, popular: Popular, partners: list[tuple[str, float]], lift: dict[str, float]) -> None:
        self._popular, self._partners, self._lift = popular, partners, lift

    def of(self, region: str, now_ms: int) -> Popular:
        return Popular() if region.startswith("@") else self._popular

    def lift(self, moment: Any) -> dict[str, float]:
        return self._lift

    def bought_with(self, product_id: str) -> list[tuple[str, float]]:
        return self._partners if product_id == "p0-0" else []

    def viewed_with(self, product_id: str) -> list[tuple[str, float]]:
        return []


def filled(configuration: Settings | None = None, categories: int = 10, products: int = 60) -> Shelf:
    shelf = Shelf(configuration or settings())
    for category in range(categories):
        for i in range(products):
            shelf.catalogue.put(
                Product(
                    f"p{category}-{i}", f"c{category}", rating=1 + 4 * i / products, rating_count=99, created_at=T0 - i
                )
            )
    shelf.catalogue.refresh(T0)
    shelf.refresh()
    return shelf


def with_stores(shelf: Shelf) -> Shelf:
    popular = Popular(
        region="EU",
        items=[(f"p5-{i}", 0.1, 100 - i) for i in range(30)],
        trends=[(f"p6-{i}", 20, 0.5 - i / 100) for i in range(20)],
        categories=[("c5", 0.6), ("c6", 0.4)],
    )
    store = Fixed(popular, [(f"p7-{i}", 5.0) for i in range(10)], {"c3": 0.5})
    shelf.popularity = shelf.together = store  # type: ignore[assignment]
    return shelf


def found(shelf: Shelf, interest: Interest, limit: int = 100) -> Counter[str]:
    candidates = find_candidates(Asked(interest, "EU", ("time:night",)), shelf, limit, np.random.default_rng(1))
    assert len(set(candidates.rows.tolist())) == len(candidates) <= limit
    return Counter(names.SOURCES[code] for code in candidates.sources.tolist())


def test_personal_sources_grow_with_evidence_without_a_jump() -> None:
    shelf = with_stores(filled())
    shares = []
    for visits in range(1, 30):
        of = found(shelf, known(visits))
        shares.append(sum(of[name] for name in ("own", "best_rated", "newest", "bought_together")))
    assert all(-2 <= later - earlier <= 12 for earlier, later in pairwise(shares)), shares
    assert shares[-1] >= shares[0]
    assert found(shelf, known(1))["popular"] > found(shelf, known(29))["popular"]


def test_every_source_has_its_part() -> None:
    of = found(with_stores(filled()), known(6))
    assert {"own", "best_rated", "newest", "popular", "trending", "bought_together", "anywhere"} <= set(of)
    assert sum(of.values()) >= 95  # of those drawn at random some fall on the same product


@pytest.mark.parametrize("name", ["best_rated", "newest", "popular", "trending", "bought_together", "own"])
def test_a_source_can_be_switched_off(name: str) -> None:
    configuration = settings(candidates={"sources": {name: 0}})
    assert name not in found(with_stores(filled(configuration)), known(6))


def test_a_weight_is_a_share() -> None:
    few = found(with_stores(filled(settings(candidates={"sources": {"popular": 0.5}}))), known(6))
    many = found(with_stores(filled(settings(candidates={"sources": {"popular": 4}}))), known(6))
    assert many["popular"] > 2 * few["popular"]


def test_a_source_that_is_empty_costs_only_its_own_items() -> None:
    of = found(filled(), known(6))
    assert sum(of.values()) >= 95  # of those drawn at random some fall on the same product
    assert "popular" not in of


def test_what_is_expected_of_most_fills_what_others_leave() -> None:
    shelf = filled()
    expected = resolved(shelf.catalogue.pool[-60:][::-1].copy())
    of = find_candidates(Asked(known(6), "EU"), shelf, 100, np.random.default_rng(1), expected=expected)
    offered = of.rows[of.sources == names.EXPECTED].tolist()
    assert offered == [row for row in expected.rows.tolist() if row in offered]
    assert len(offered) > shelf.quotas(6, 100, by_category=True)[names.EXPECTED]
    assert (of.sources == names.RANDOM).any()
    off = filled(settings(candidates={"sources": {"expected": 0}}))
    of = find_candidates(Asked(known(6), "EU"), off, 100, np.random.default_rng(1), expected=expected)
    assert not (of.sources == names.EXPECTED).any()


def test_the_first_pass_is_bounded_and_has_the_best_of_each_category(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.candidates.sources.shelf.FIRST_PASS", 60)
    shelf = filled()
    catalogue = shelf.catalogue
    worth = np.random.default_rng(3).random(len(shelf.catalogue.product_ids))
    worth[catalogue.category[: len(worth)] == 1] += 1.0
    assert not len(shelf.passed)
    shelf.rank(worth)
    rows = shelf.passed
    assert len(set(rows.tolist())) == len(rows) <= 60
    listed = catalogue.pool
    best = listed[np.argsort(-worth[listed])][:30]
    assert set(best.tolist()) <= set(rows.tolist())
    assert set(catalogue.category[rows].tolist()) == set(catalogue.category[listed].tolist())
    shelf.refresh()
    assert not len(shelf.passed)


def test_a_stranger_is_offered_what_is_liked_in_the_region() -> None:
    shelf = with_stores(filled())
    candidates = find_candidates(Asked(NOBODY, "EU"), shelf, 100, np.random.default_rng(1))
    best = [p for p, s in zip(candidates.product_ids, candidates.sources, strict=True) if s == names.BEST_RATED]
    assert best
    assert {product.split("-")[0] for product in best} == {"p5", "p6"}


def test_what_is_disliked_or_gone_is_not_found() -> None:
    shelf = with_stores(filled())
    shelf.catalogue.remove("p5-0")
    interest = Interest({"p0-0": 1.0}, {"c0": 1.0}, 1.0, frozenset({"p5-1"}))
    product_ids = find_candidates(Asked(interest, "EU"), shelf, 500, np.random.default_rng(1)).product_ids
    assert not {"p5-0", "p5-1"} & set(product_ids)
    assert "p5-2" in product_ids


def test_features_tell_what_the_stores_say() -> None:
    shelf = with_stores(filled())
    context = Context(known(3), "c0", {}, T0, {}, "EU", ("time:night",))
    candidates = find_candidates(context.asked, shelf, 100, np.random.default_rng(1))
    x = features(candidates, context, shelf.catalogue, Rates(shelf.catalogue, None)).astype(float)
    of = {product: dict(zip(NAMES, row, strict=True)) for product, row in zip(candidates.product_ids, x, strict=True)}
    assert of["p5-0"]["regional_popularity"] == pytest.approx(1.0)
    assert of["p5-4"]["regional_popularity"] == pytest.approx(0.96**0.5, abs=1e-3)
    assert of["p6-0"]["trending"] == pytest.approx(1.0)
    assert of["p7-0"]["together"] == pytest.approx(0.5)
    assert of["p0-0"]["together"] == 0
    assert {row["moment_match"] for product, row in of.items() if product.startswith("p3")} <= {0.5}
    assert {row["moment_match"] for product, row in of.items() if not product.startswith("p3")} == {0.0}


class Each(Fixed):
    """Stores that have a list for each of two products, and one of which they share a partner."""

    def bought_with(self, product_id: str) -> list[tuple[str, float]]:
        lists = {"p0-0": ["p7-0", "p7-1", "p7-2"], "p0-1": ["p8-0", "p7-1", "p8-1", "p8-2", "p8-3"]}
        strength = {"p0-0": 5.0, "p0-1": 15.0}
        return [(product, strength[product_id]) for product in lists.get(product_id, [])]


def test_partners_of_several_products_come_in_turn_and_the_strongest_tie_counts() -> None:
    shelf = filled(settings(candidates={"sources": {"bought_together": 2}}))
    shelf.popularity = shelf.together = Each(Popular(), [], {})  # type: ignore[assignment]
    context = Context(known(30), "c0", {}, T0)
    candidates = find_candidates(context.asked, shelf, 100, np.random.default_rng(1))
    by_source = zip(candidates.product_ids, candidates.sources.tolist(), strict=True)
    together = [product for product, source in by_source if source == names.BOUGHT_TOGETHER]
    assert together == ["p7-0", "p8-0", "p7-1", "p7-2", "p8-1", "p8-2", "p8-3"]
    x = features(candidates, context, shelf.catalogue, Rates(shelf.catalogue, None)).astype(float)
    told = dict(zip(candidates.product_ids, x[:, NAMES.index("together")].tolist(), strict=True))
    assert (told["p7-0"], told["p7-1"], told["p8-3"]) == (0.5, 0.75, 0.75)


def test_of_lists_in_turn_no_more_are_taken_than_the_source_may_give() -> None:
    shelf = filled(settings(candidates={"sources": {"bought_together": 0.5}}))
    shelf.popularity = shelf.together = Each(Popular(), [], {})  # type: ignore[assignment]
    assert shelf.quotas(30, 100, by_category=True)[names.BOUGHT_TOGETHER] == 4
    assert found(shelf, known(30))["bought_together"] == 3, "the fourth place falls on a partner of both"


def test_only_so_many_lists_of_categories_are_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.candidates.sources.shelf.MOST_OF_CATEGORIES", 2)
    shelf = filled()
    for visits in range(1, 6):
        assert found(shelf, known(visits))["best_rated"]
        assert 0 < len(shelf._of_category) <= 2


def test_an_item_says_what_it_goes_together_with() -> None:
    shelf = filled()
    for product, partners in (("p0-0", ["p7-3"]), ("p0-1", ["p7-3", "p7-4"])):
        pairs = [Pair(partner, 2.0, 5.0) for partner in partners]
        shelf.together.apply(list_key("viewed", product), encode_list(pairs))
    liked = Interest({"p0-0": 1.0, "p0-1": 1.0, "p0-2": 1.0}, {}, 3.0)
    assert shelf.because(liked) == {"p7-3": "p0-0", "p7-4": "p0-1"}, "the newest product comes first"


def test_what_a_moment_says_is_kept_until_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.candidates.sources.shelf.MOST_MOMENTS", 2)
    shelf = with_stores(filled())

    def told(name: str = "time:night") -> np.ndarray[Any, Any]:
        return shelf.lists_for(Asked(NOBODY, moment=(name,)), 100).moment.values

    first = told()
    assert first[shelf.catalogue.code_of("c3")] > 0
    assert told() is first
    shelf.catalogue.put(Product("new", "c-new"))
    assert len(told()) == len(first) + 1
    shelf.popularity = Fixed(Popular(), [], {"c-new": 0.25})  # type: ignore[assignment]
    assert told()[shelf.catalogue.code_of("c-new")] == 0.25
    assert told()[shelf.catalogue.code_of("c3")] == 0
    for number in range(5):
        told(f"weather:{number}")
        assert len(shelf._moments) <= 2
