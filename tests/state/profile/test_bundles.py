"""Bundles: how they are read, held, proposed and bought."""

from typing import Any

import msgspec
import numpy as np
import pytest

from state.candidates.bundle import Bundle, read_bundle
from state.candidates.sources.bundles import Bundles
from state.events.rejection import Rejection
from state.personalizer import Personalizer
from state.profile.bundle_proposals import Proposal, as_listed
from state.together.listing import Pair, encode_list, list_key
from tests.state.shop import T0, Visit, event, settings, shop

PRIMARY, ITEMS = "product-1", ["product-5", "product-6"]


def bundle(bundle_id: str = "b1", **fields: Any) -> Bundle:
    """Product 1 with 5 and 6 at 15 % off, for ever."""
    known = {"bundle_id": bundle_id, "primary_product": PRIMARY, "bundle_items": ITEMS, "discount": 0.15}
    return msgspec.convert(known | fields, Bundle)


def visit_of(*bundles: Bundle, **overrides: Any) -> Visit:
    personalizer = shop(settings(**overrides))
    for one in bundles:
        assert personalizer.chooser.shelf.bundles.put(one)
    return Visit(personalizer)


def offered(visit: Visit) -> list[dict[str, Any]]:
    assert visit.profile is not None
    return list(visit.profile["bundled_discount_suggestions"])


def test_a_bundle_is_read_to_the_letter() -> None:
    found = read_bundle(msgspec.json.encode(bundle(valid_until=T0)))
    assert found == bundle(valid_until=T0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"discount": -0.1}, "invalid_value"),
        ({"discount": 1.01}, "invalid_value"),
        ({"discount": "much"}, "wrong_type"),
        ({"bundle_items": []}, "invalid_value"),
        ({"bundle_items": [f"p{i}" for i in range(21)]}, "invalid_value"),
        ({"bundle_items": ["x", "x"]}, "invalid_value"),
        ({"bundle_items": [PRIMARY]}, "invalid_value"),
        ({"bundle_items": [""]}, "invalid_value"),
        ({"bundle_id": ""}, "invalid_value"),
        ({"primary_product": None}, "wrong_type"),
        ({"valid_until": "tomorrow"}, "wrong_type"),
        ({"valid_until": 0}, "invalid_value"),
    ],
)
def test_what_breaks_a_rule_is_refused(fields: dict[str, Any], reason: str) -> None:
    known = msgspec.to_builtins(bundle()) | fields
    answer = read_bundle(msgspec.json.encode(known))
    assert isinstance(answer, Rejection)
    assert answer.reason == reason
    assert isinstance(read_bundle(b"{"), Rejection)
    assert isinstance(read_bundle(b"x" * 70_000), Rejection)


def test_a_field_that_is_missing_is_named_as_for_an_event() -> None:
    answer = read_bundle(b'{"bundle_id": "b", "primary_product": "p", "bundle_items": ["q"]}')
    assert isinstance(answer, Rejection)
    assert (answer.reason, answer.field) == ("missing_field", "discount")


def test_the_store_has_a_bound_and_finds_by_primary_and_by_part() -> None:
    store = Bundles(2)
    assert store.put(bundle("b1"))
    assert store.put(bundle("b2", primary_product="product-9", valid_until=T0))
    assert not store.put(bundle("b3"))
    assert store.put(bundle("b1", bundle_items=["product-7"]))
    assert [one.bundle_id for one in store.of_primary(PRIMARY)] == ["b1"]
    assert [one.bundle_id for one in store.with_part("product-5")] == ["b2"]
    assert store.parts_with([PRIMARY, "product-9"], T0) == ["product-7", *ITEMS]
    assert store.parts_with([PRIMARY, "product-9"], T0 + 1) == ["product-7"]
    assert store.drop_expired(T0) == []
    assert store.drop_expired(T0 + 1) == ["b2"]
    assert store.put(bundle("b3"))
    for bundle_id in ("b1", "b3", "b3"):
        store.remove(bundle_id)
    assert len(store) == 0
    assert (store.of_primary(PRIMARY), store.with_part("product-5"), list(store.primaries)) == ([], [], [])


def test_a_bundle_of_what_the_session_cares_about_is_offered() -> None:
    visit = visit_of(bundle(), bundle("other", primary_product="product-2"))
    visit.send(event(at_ms=1))
    [suggestion] = offered(visit)
    assert suggestion == {"primary_product": PRIMARY, "bundle_items": ITEMS, "discount": 0.15, "score": 0.3833}


def test_no_part_that_is_absent_expired_disliked_or_blocked_is_offered() -> None:
    visit = visit_of(bundle(valid_until=T0 + 1_000))
    visit.send(event(at_ms=1))
    assert len(offered(visit)) == 1
    catalogue = visit.personalizer.chooser.catalogue
    catalogue.remove("product-6")
    visit.send(event(at_ms=2))
    assert offered(visit) == []
    visit = visit_of(bundle(valid_until=T0 + 1_000))
    visit.send(event(at_ms=1), event(at_ms=2_000))
    assert offered(visit) == []
    visit = visit_of(bundle())
    down = {"kind": "thumb", "value": -1}
    visit.send(event(at_ms=1), event("feedback", at_ms=2, product_id="product-6", feedback=down))
    assert offered(visit) == []
    for blocked in ({"products": ["product-5"]}, {"categories": ["category-2"]}):
        visit = visit_of(bundle(), rules={"block": blocked})
        visit.send(event(at_ms=1))
        assert offered(visit) == []


def test_what_the_catalogue_does_not_hold_is_asked_for() -> None:
    visit = visit_of(bundle(bundle_items=["product-5", "absent"]))
    visit.send(event(at_ms=1))
    assert offered(visit) == []
    assert visit.personalizer.chooser.catalogue.poll_wanted(T0) == ["absent"]


def test_a_primary_product_that_was_bought_is_not_offered_again() -> None:
    visit = visit_of(bundle())
    visit.send(event(at_ms=1), event("checkout", at_ms=2))
    assert offered(visit) == []


def test_scores_grow_with_affinity_togetherness_and_discount_and_stay_in_bounds() -> None:
    visit = visit_of(
        bundle("plain", discount=0.0, bundle_items=["product-8"]),
        bundle("cheap", discount=1.0, bundle_items=["product-9"]),
        bundle("together", discount=0.0, bundle_items=["product-10"]),
        bundle("weak", primary_product="product-2", discount=1.0, bundle_items=["product-9"]),
        profile={"bundles": 10, "max_bytes": 65_536},
    )
    pairs = encode_list([Pair("product-10", 50.0, 9.0)])
    visit.personalizer.chooser.shelf.together.apply(list_key("bought", PRIMARY), pairs)
    visit.send(event(at_ms=1, product_id="product-2"), event("add_to_cart", at_ms=2))
    scores = {suggestion["bundle_items"][0]: suggestion["score"] for suggestion in offered(visit)}
    assert scores["product-10"] == round((1 + 0.98) / 3, 4)
    assert [s["bundle_items"][0] for s in offered(visit)] == ["product-9", "product-10", "product-8", "product-9"]
    assert all(0 <= suggestion["score"] <= 1 for suggestion in offered(visit))


def test_the_checkout_of_an_offered_bundle_is_worth_more_in_whichever_order_it_came() -> None:
    items = [{"product_id": product} for product in (PRIMARY, *ITEMS, "product-9")]
    view, checkout = event(at_ms=1), event("checkout", at_ms=2, items=items, category_id=None)
    expected = {PRIMARY: 8.9, "product-5": 8.0, "product-6": 8.0, "product-9": 5.0}
    for events in ((view, checkout), (checkout, view)):
        visit = visit_of(bundle())
        visit.send(*events)
        assert visit.profile is not None
        assert visit.profile["affinities"]["products"] == expected
        assert visit.profile["affinities"]["categories"] == {"category-1": 8.9, "category-2": 8.0}
    assert visit_of(bundle()).send(view, checkout).counts["bundles_bought"] == 1


def test_a_bundle_that_was_never_offered_or_is_incomplete_is_a_plain_checkout() -> None:
    items = [{"product_id": product} for product in (PRIMARY, *ITEMS)]
    visit = visit_of(bundle())
    effect = visit.send(event("checkout", at_ms=2, items=items, product_id=None, category_id=None))
    assert effect.counts.get("bundles_bought", 0) == 0
    assert visit.profile is not None
    assert set(visit.profile["affinities"]["products"].values()) == {5.0}
    visit = visit_of(bundle())
    visit.send(event(at_ms=1), event("checkout", at_ms=2, items=items[:2], product_id=None, category_id=None))
    assert visit.profile is not None
    assert visit.profile["affinities"]["products"]["product-5"] == 5.0


def test_the_reward_of_an_exposure_stays_that_of_a_checkout() -> None:
    rewards = []
    for bundles in ((), (bundle(),)):
        visit = visit_of(*bundles, exposure={"mode": "explicit"})
        visit.send(event(at_ms=1))
        visit.send(visit.impression(2, items=20))
        assert visit.profile is not None
        items = [{"product_id": product} for product in (PRIMARY, *ITEMS)]
        visit.send(event("checkout", at_ms=3, items=items, product_id=None, category_id=None))
        outcomes = visit.records("outcomes")  # of those items that are in the list, which is another each time
        rewards.append({o["reward"] for o in outcomes if o["kind"] == "reward"})
    assert rewards[0] == rewards[1]
    assert rewards[0]


def test_bundles_take_no_more_than_their_part_of_a_profile() -> None:
    long = [Proposal(f"product-{n}", [f"product-{n}-{i}" for i in range(20)], 0.15, 0.5) for n in range(3)]
    for most in (2, 300, 420, 900, 5_000):
        listed = as_listed(long, most)
        assert len(msgspec.json.encode(listed)) <= most
        assert listed == long[: len(listed)]
    assert len(as_listed(long, 5_000)) == 3


def test_a_profile_with_bundles_has_room_for_its_items() -> None:
    """In the default configuration, with ids of 9 characters and long histories: the sizes are of 200 sessions."""
    sizes, items, counts = [], [], []
    personalizer = _full_shop()
    for number in range(200):
        rng, visit = np.random.default_rng(number), Visit(personalizer)
        for step in range(12):
            product, category = f"sku-{rng.integers(300):05}", f"cat-{rng.integers(8):03}"
            kind = "add_to_cart" if step % 5 == 4 else "product_view"
            visit.send(event(kind, at_ms=1_000 * step, product_id=product, category_id=category))
        assert visit.profile is not None
        sizes.append(len(msgspec.json.encode(visit.profile)))
        items.append(len(visit.profile["score_data"]))
        counts.append(len(offered(visit)))
    assert max(sizes) <= 4_096
    assert np.percentile(sizes, 95) <= 4_096
    assert min(items) >= 10
    assert np.mean(counts) > 2


def _full_shop() -> Personalizer:
    from state.catalogue.product import Product

    personalizer = shop(settings(), products=0)
    for number in range(300):
        product = Product(f"sku-{number:05}", f"cat-{number % 8:03}", price=10.0, rating=4.0, rating_count=9)
        personalizer.chooser.catalogue.put(product)
        parts = [f"sku-{(number + step) % 300:05}" for step in (1, 2, 3)]
        assert personalizer.chooser.shelf.bundles.put(Bundle(f"bundle-{number}", f"sku-{number:05}", parts, 0.15))
    return personalizer
