"""Partners and bundles on the real stack: from checkouts and views to lists, from a bundle to a profile and out of it again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from state.together.listing import Pair, decode_list
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

PRODUCTS = ("camera", "lens", "strap", "tripod", "novel", "atlas")


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        for product_id in PRODUCTS:
            opened.product(product_id, category_id="studio")
        yield opened


def partners(shop: Shop, key: str) -> list[Pair]:
    """The newest list under the key, empty for none."""
    values = [record.value for record in shop.records("candidate_lists") if record.key == key.encode()]
    return decode_list(values[-1]) if values and values[-1] is not None else []


def test_checkouts_and_views_become_lists_of_partners(shop: Shop) -> None:
    for number in range(60):
        basket = ("camera", "lens") if number % 2 else ("novel", "atlas")
        items = [{"product_id": product_id} for product_id in (*basket, "strap")]
        shop.send(shop.session(), "checkout", items=items)
        visitor = shop.session()
        for product_id in basket:
            shop.send(visitor, product_id=product_id)
    shop.stack.wait_until(lambda: [p.product_id for p in partners(shop, "together/bought/camera")] == ["lens"])
    [pair] = partners(shop, "together/bought/camera")
    assert 3 <= pair.support <= 30 * 1.001  # as of a landmark, up to a thousandth of a half-life ago
    assert pair.lift >= 1.2
    shop.stack.wait_until(lambda: [p.product_id for p in partners(shop, "together/viewed/atlas")] == ["novel"])
    shop.stack.wait_until(lambda: partners(shop, "together/bought/strap") == [])


def suggestions(profile: dict[str, Any]) -> list[str]:
    return [bundle["primary_product"] for bundle in profile["bundled_discount_suggestions"]]


def offer(shop: Shop, bundle_id: str, primary: str, items: list[str], **fields: Any) -> None:
    bundle = {"bundle_id": bundle_id, "primary_product": primary, "bundle_items": items, "discount": 0.15} | fields
    shop.raw(json.dumps(bundle).encode(), bundle_id.encode(), "bundles")


def sees(shop: Shop, session: str, expected: list[str]) -> None:
    """Events may overtake what is broadcast: another view shows what has arrived by now."""

    def does() -> bool:
        shop.send(session, product_id="camera")
        profile = shop.profile(session)
        return profile is not None and suggestions(profile) == expected

    shop.stack.wait_until(does)


def test_a_bundle_is_offered_until_a_part_or_the_bundle_itself_is_gone(shop: Shop) -> None:
    session = shop.session()
    offer(shop, "kit", "camera", ["lens", "tripod"])
    sees(shop, session, ["camera"])
    profile = shop.profile(session)
    assert profile is not None
    [bundle] = profile["bundled_discount_suggestions"]
    assert (bundle["bundle_items"], bundle["discount"]) == (["lens", "tripod"], 0.15)
    assert 0 < bundle["score"] <= 1
    shop.unlist("tripod")
    sees(shop, session, [])
    shop.product("tripod", category_id="studio")
    sees(shop, session, ["camera"])
    offer(shop, "kit", "camera", ["lens", "tripod"], valid_until=now_ms() - 1)
    sees(shop, session, [])
    offer(shop, "kit", "camera", ["lens"])
    sees(shop, session, ["camera"])
    shop.raw(None, b"kit", "bundles")
    sees(shop, session, [])


def test_the_checkout_of_an_offered_bundle_weighs_more(shop: Shop) -> None:
    session = shop.session()
    offer(shop, "kit-2", "camera", ["lens", "tripod"])
    sees(shop, session, ["camera"])
    items = [{"product_id": product_id} for product_id in ("camera", "lens", "tripod", "novel")]
    shop.send(session, "checkout", items=items)
    profile = shop.profile_when(session, lambda found: found["last_event"]["event_type"] == "checkout")
    affinities = profile["affinities"]["products"]
    assert (affinities["lens"], affinities["tripod"], affinities["novel"]) == (8.0, 8.0, 5.0)
    assert suggestions(profile) == []
    shop.raw(None, b"kit-2", "bundles")


def test_a_bundle_that_breaks_a_rule_is_a_dead_letter(shop: Shop) -> None:
    offer(shop, "generous", "camera", ["lens"], discount=1.5)
    [record] = shop.records_when("dead_letters", lambda record: record.key == b"generous")
    letter = json.loads(record.value)
    assert (letter["reason"], letter["topic"]) == ("invalid_value", "bundles")
