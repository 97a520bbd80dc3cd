"""Trends in a profile: ranked by trend × (1 + affinity), and only what can be shown."""

import pytest

from state.interest import Interest
from state.sources.popularity import Popular
from state.trends import trending
from tests.state.shop import shop

TRENDS = [("product-0", 50, 0.5), ("product-1", 40, 0.4), ("nowhere", 900, 1.0), ("product-2", 30, 0.3)]


def listed(interest: Interest, most: int = 5) -> list[str]:
    entries = trending(Popular(region="EU", trends=TRENDS), interest, shop().chooser.catalogue, most)
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
    entries = trending(Popular(trends=TRENDS), Interest({}, {}, 0.0), shop().chooser.catalogue, 2)
    assert [entry["score"] for entry in entries] == [
        pytest.approx(0.5 / 1.2, abs=1e-4),
        pytest.approx(0.4 / 1.2, abs=1e-4),
    ]
    assert [entry["count"] for entry in entries] == [50, 40]
