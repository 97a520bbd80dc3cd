"""The shop's own rules: what is pinned, buried and blocked, from the configuration to the log."""

from typing import Any

import msgspec
import numpy as np
import pytest

from state.session.log import decision_record
from state.session.slate import Slate
from tests.state.policy.beliefs import shop_rules
from tests.state.shop import HOUR, T0, Visit, event, settings, shop

PIN = {"product": "product-9", "position": 2}


def visit_under(products: int = 40, **rules: Any) -> Visit:
    """A session with one view of product-1 of category-1, in a shop with rules."""
    visit = Visit(shop(settings(rules=rules), products=products))
    visit.send(event(event_id="first"))
    return visit


def shown(visit: Visit) -> list[str]:
    assert visit.profile is not None
    return [item["product_id"] for item in visit.profile["score_data"]]


def test_a_pin_stands_at_its_place_and_says_so_in_profile_and_log() -> None:
    visit = visit_under(pin=[PIN])
    assert visit.profile is not None
    item = visit.profile["score_data"][2]
    assert (item["product_id"], item["propensity"], item["pinned"], item["explored"]) == ("product-9", 1.0, True, False)
    assert [i["pinned"] for i in visit.profile["score_data"]].count(True) == 1
    assert shown(visit).count("product-9") == 1
    visit.send(visit.impression(1_000, items=5))
    logged = visit.records("decisions")[0]["items"]
    assert [i["pinned"] for i in logged] == [position == 2 for position in range(20)]
    assert logged[2]["propensity"] == 1.0


def test_a_pinned_exposure_is_learned_and_says_nothing_of_places() -> None:
    """It was seen, so its reward is true; it was not drawn alike for every place, so its place's examination is not estimated."""
    visit = visit_under(pin=[PIN])
    visit.send(visit.impression(1_000, items=5))
    visit.send(event("product_view", 2_000, product_id="product-9"))
    visit.pass_watermark(T0 + HOUR)
    learned = [e for e in visit.examples() if e.product_id == "product-9"]
    assert sum(e.count for e in learned) == 1
    assert sum(e.reward for e in learned) == pytest.approx(0.2)
    assert {e.position for e in learned} == {-1}


def test_a_pin_of_a_category_holds_while_the_newest_event_is_of_it() -> None:
    visit = visit_under(pin=[PIN | {"category": "category-2"}, {"product": "product-8", "position": 0}])
    assert shown(visit)[0] == "product-8"
    assert not any(i["pinned"] for i in (visit.profile or {})["score_data"][1:])
    visit.send(event("category_view", 1_000, category_id="category-2"))
    assert (shown(visit)[0], shown(visit)[2]) == ("product-8", "product-9")


def test_of_two_pins_for_a_place_the_first_that_applies_has_it() -> None:
    other = {"product": "product-3", "position": 2}
    assert shown(visit_under(pin=[PIN | {"category": "category-1"}, other]))[2] == "product-9"
    assert shown(visit_under(pin=[PIN | {"category": "category-2"}, other]))[2] == "product-3"


def test_a_pin_needs_a_listed_product_that_the_visitor_does_not_reject() -> None:
    assert not any(i["pinned"] for i in (visit_under(pin=[PIN | {"product": "gone"}]).profile or {})["score_data"])
    visit = visit_under(pin=[PIN])
    thumb = {"kind": "thumb", "value": -1}
    visit.send(event("feedback", 1_000, product_id="product-9", feedback=thumb))
    assert "product-9" not in shown(visit)


def test_pins_beyond_the_end_of_a_short_list_stand_at_its_end() -> None:
    pins = [{"product": "product-0", "position": 9}, {"product": "product-2", "position": 7}]
    visit = visit_under(products=5, pin=pins, block={"products": ["product-4"]})
    assert shown(visit)[2:] == ["product-2", "product-0"]


def test_blocked_products_and_categories_are_never_shown() -> None:
    block = {"products": ["product-1", "product-2"], "categories": ["category-3", "never-heard-of"]}
    visit = visit_under(block=block, pin=[{"product": "product-3", "position": 0}])
    for step in range(10):
        visit.send(event("product_view", 1_000 * step, product_id="product-3", event_id=f"v{step}"))
        assert len(shown(visit)) == 20
        assert not {"product-1", "product-2"} & set(shown(visit))
        assert not any(int(product.removeprefix("product-")) % 4 == 3 for product in shown(visit))


def test_what_is_for_one_category_only_is_shown_while_the_newest_event_is_of_it() -> None:
    only = [{"product": "product-9", "category": "category-2"}, {"product": "product-9", "category": "category-3"}]
    visit = visit_under(only=only, pin=[PIN | {"category": "category-3"}])
    assert "product-9" not in shown(visit)
    for step, category in enumerate(("category-2", "category-0", "category-3")):
        visit.send(event("category_view", 1_000 + step, category_id=category, event_id=f"c{step}"))
        assert len(shown(visit)) == 20
        if category == "category-0":
            assert "product-9" not in shown(visit)
    assert shown(visit)[2] == "product-9"


@pytest.mark.parametrize(("offset", "is_shown"), [(-1e-6, True), (-0.5, False)])
def test_what_is_buried_falls_below_what_is_worth_as_much(offset: float, is_shown: bool) -> None:
    """Before a model has come the prior puts a cheap product with the best rating of the category first."""
    rules = {"bury": [{"product": "product-9", "offset": offset}]}
    visit = Visit(shop(settings(bandit={"policy": "epsilon_greedy", "epsilon": 0.0, "floor": 0.0}, rules=rules)))
    visit.send(event())
    assert (shown(visit)[0] == "product-9") == is_shown
    assert ("product-9" in shown(visit)) == is_shown


def test_rules_hold_where_the_list_is_ordered_by_score() -> None:
    rules = {"pin": [PIN], "block": {"products": ["product-1"]}}
    visit = Visit(shop(settings(bandit={"order_by": "score"}, rules=rules)))
    visit.send(event())
    assert shown(visit)[2] == "product-9"
    assert "product-1" not in shown(visit)


def test_burying_lowers_scores_of_either_sign() -> None:
    rules = shop_rules(
        4, bury=[{"product": "product-0", "factor": 0.5}, {"category": "category-0", "factor": 0.5, "offset": -0.1}]
    )
    scores = np.array([[0.4, 0.4, -0.4, -0.4], [0.0, 0.8, 0.0, 0.8]])
    before = scores.copy()
    np.testing.assert_allclose(rules.rescore(scores, ()), [[0.0, 0.1, -0.7, -0.4], [-0.1, 0.3, -0.1, 0.8]], atol=1e-12)
    np.testing.assert_array_equal(scores, before)
    assert rules.rescore(scores.astype(np.float32), ()).dtype == np.float32


def test_without_rules_nothing_is_laid_over_the_choice_or_kept() -> None:
    visit = Visit(shop(settings(decisions={"full_share": 1.0})))
    visit.send(event())
    assert visit.session.slates[-1].pinned == []


def test_a_slate_from_before_there_were_pins_is_read_as_without() -> None:
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(visit_under().session.slates[-1]))
    older = fields[: Slate.__struct_fields__.index("pinned")]
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(older), type=Slate)
    assert not restored.is_pinned(0)
    assert b'"pinned":false' in decision_record("s", restored, None).value
