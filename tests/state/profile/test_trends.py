"""Trends in a profile: ranked by trend × (1 + affinity), and only what can be shown."""

import pytest

from state.candidates.sources.popularity import Popular
from state.catalogue.product import Product
from state.profile.trends import Trends
from state.session.interest import Interest
from tests.state.shop import shop

STRANGER = Interest({}, {}, 0.0)
TRENDS = [("product-0", 50, 0.5), ("product-1", 40, 0.4), ("nowhere", 900, 1.0), ("product-2", 30, 0.3)]


def listed(interest: Interest, most: int = 5) -> list[str]:
    entries = Trends(shop().chooser.catalogue, most).of(Popular(region="EU", trends=TRENDS), interest)
    assert all(entry["region"] == "EU" for entry in entries)
    return [entry["product_id"] for entry in entries]


def test_a_stranger_sees_the_strongest_first() -> None:
    assert listed(Interest({}, {}, 0.0)) == ["product-0", "product-1", "product-2"]
    assert listed(Interest({}, {}, 0.0), most=1) == ["product-0"]
    assert listed(Interest({}, {}, 0.0), most=0) == []


def test_affinity_to_the_category_raises_a_trend() -> None:
    known = Interest({}, {"category-2": 1.0, "category-0": -5.0}, 1.0)
    assert listed(known) == ["product-2", "product-0", "product-1"]  # 0.3 × 2 > 0.5 × 1


def test_a_thumb_down_hides_it() -> None:
    assert "product-0" not in listed(Interest({}, {}, 0.0, frozenset({"product-0"})))


def test_scores_are_shares_of_what_trends() -> None:
    entries = Trends(shop().chooser.catalogue, 2).of(Popular(trends=TRENDS), STRANGER)
    assert [entry["score"] for entry in entries] == [
        pytest.approx(0.5 / 1.2, abs=1e-4),
        pytest.approx(0.4 / 1.2, abs=1e-4),
    ]
    assert [entry["count"] for entry in entries] == [50, 40]


def test_what_is_kept_ready_follows_the_catalogue_and_the_list_and_no_session() -> None:
    catalogue = shop().chooser.catalogue
    trends, popular = Trends(catalogue, 5), Popular(region="EU", trends=TRENDS)

    def products(of: Popular = popular, interest: Interest = STRANGER) -> list[str]:
        return [entry["product_id"] for entry in trends.of(of, interest)]

    assert products(interest=Interest({}, {"category-2": 9.0}, 1.0, frozenset({"product-1"}))) == [
        "product-2",
        "product-0",
    ]
    assert products() == ["product-0", "product-1", "product-2"]
    catalogue.remove("product-0")
    assert products() == ["product-1", "product-2"]
    catalogue.put(Product("nowhere", "category-0"))
    assert products() == ["nowhere", "product-1", "product-2"]
    assert products(Popular(region="EU", trends=TRENDS[1:2])) == ["product-1"]


def test_a_bound_on_the_regions_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.profile.trends.MOST_REGIONS", 3)
    trends = Trends(shop().chooser.catalogue, 5)
    for number in range(10):
        assert len(trends.of(Popular(region=f"r{number}", trends=TRENDS), STRANGER)) == 3
        assert len(trends._ready) <= 3
