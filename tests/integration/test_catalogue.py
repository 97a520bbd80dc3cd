"""The catalogue on the real stack: loaded, changed, taken out, sold out, and asked for."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from state.catalogue.assortment.records import CategoryRecord, category_key, product_key, read_category
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

FEW_SECONDS = 5.0
LISTED = 300
NEWEST = 50


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        yield opened


def category(shop: Shop, category_id: str) -> CategoryRecord | None:
    """The category's newest record."""
    found = [record.value for record in shop.records("candidate_lists") if record.key == category_key(category_id)]
    return read_category(found[-1]) if found and found[-1] is not None else None


def wait_for_products(shop: Shop, category_id: str, products: int, seconds: float = 60.0) -> CategoryRecord:
    def has_all() -> bool:
        record = category(shop, category_id)
        return record is not None and record.products == products

    shop.stack.wait_until(has_all, seconds)
    record = category(shop, category_id)
    assert record is not None
    return record


def shown(profile: dict[str, Any]) -> list[str]:
    return [item["product_id"] for item in profile["score_data"]]


def view(shop: Shop, session: str, product_id: str, category_id: str) -> dict[str, Any]:
    """Views a product, and returns the profile that follows."""
    before = shop.profile(session)
    event = shop.send(session, product_id=product_id, category_id=category_id)
    return shop.profile_when(
        session,
        lambda profile: profile["last_event"]["event_id"] == event["event_id"] and profile != before,
    )


def test_products_are_listed_changed_sold_out_and_removed_within_seconds(shop: Shop) -> None:
    name = f"shoes-{now_ms()}"
    for number in range(6):
        shop.product(f"{name}-{number}", category_id=name, rating=3.0 + number / 5, rating_count=50, price=10)
    wait_for_products(shop, name, 6)
    session = shop.session()
    best = f"{name}-5"

    def is_shown(product_id: str) -> bool:
        return product_id in shown(view(shop, session, f"{name}-0", name))

    shop.stack.wait_until(lambda: is_shown(best))
    began = time.monotonic()
    shop.product(best, category_id=name, rating=4.0, rating_count=50, price=10, in_stock=False)
    shop.stack.wait_until(lambda: not is_shown(best), FEW_SECONDS)
    assert not any(is_shown(best) for _ in range(20)), "in no profile after that"
    shop.product(best, category_id=name, rating=4.0, rating_count=50, price=10, stock=3)
    shop.stack.wait_until(lambda: is_shown(best), FEW_SECONDS)
    shop.unlist(best)
    shop.stack.wait_until(lambda: not is_shown(best), FEW_SECONDS)
    assert not any(is_shown(best) for _ in range(20))
    assert wait_for_products(shop, name, 5).mean_rating == pytest.approx(3.4)
    assert time.monotonic() - began < 6 * FEW_SECONDS


def test_a_category_that_is_larger_than_its_list_keeps_its_means_and_its_best(shop: Shop) -> None:
    name, products = f"socks-{now_ms()}", 1_000
    for number in range(products):
        fields: dict[str, Any] = {"product_id": f"{name}-{number:04}", "category_id": name}
        if number % 2:
            fields |= {"rating": 1 + number % 40 / 10, "rating_count": number}
        shop.queue(json.dumps(fields).encode(), fields["product_id"].encode(), "products")
    shop.flush()
    record = wait_for_products(shop, name, products)
    assert (record.rated, len(record.product_ids)) == (500, LISTED)
    rated = [1 + number % 40 / 10 for number in range(1, products, 2)]
    assert record.mean_rating == pytest.approx(sum(rated) / len(rated))
    for product_id in record.product_ids[:250]:
        shop.queue(None, product_id.encode(), "products")
    shop.flush()
    left = wait_for_products(shop, name, products - 250)
    assert not set(record.product_ids[:250]) & set(left.product_ids)

    def is_refilled() -> bool:
        found = category(shop, name)
        return found is not None and len(found.product_ids) == LISTED

    shop.stack.wait_until(is_refilled, 30)


def test_a_product_that_is_in_no_list_is_asked_for_and_shown(shop: Shop) -> None:
    name, products = f"hats-{now_ms()}", 400
    for number in range(products):
        fields = {
            "product_id": f"{name}-{number:04}",
            "category_id": name,
            "rating": 5 - number / 200,
            "rating_count": 99,
        }
        shop.queue(json.dumps(fields).encode(), str(fields["product_id"]).encode(), "products")
    shop.flush()
    last = f"{name}-{products - 1:04}"
    assert last not in wait_for_products(shop, name, products).product_ids
    session = shop.session()
    view(shop, session, last, name)
    shop.records_when("candidate_lists", lambda record: record.key == product_key(last))
    shop.stack.wait_until(lambda: last in shown(view(shop, session, last, name)), FEW_SECONDS)
    shop.unlist(last)
    shop.stack.wait_until(lambda: last not in shown(view(shop, session, last, name)), FEW_SECONDS)
    shop.records_when("candidate_lists", lambda record: record.key == product_key(last) and record.value is None)


def test_a_view_without_its_category_gets_it_once_the_product_has_come(shop: Shop) -> None:
    name = f"gloves-{now_ms()}"
    for number in range(301):
        fields = {
            "product_id": f"{name}-{number:04}",
            "category_id": name,
            "rating": 5 - number / 200,
            "rating_count": 99,
        }
        shop.queue(json.dumps(fields).encode(), str(fields["product_id"]).encode(), "products")
    shop.flush()
    wait_for_products(shop, name, 301)
    session, last = shop.session(), f"{name}-0300"
    shop.send(session, product_id=last, category_id=None)

    def knows_category() -> bool:
        shop.send(session, product_id="elsewhere", category_id="other")
        profile = shop.profile(session)
        return profile is not None and name in profile["affinities"]["categories"]

    shop.stack.wait_until(knows_category, 15)


def test_what_is_no_product_is_a_dead_letter(shop: Shop) -> None:
    key = f"nothing-{now_ms()}".encode()
    shop.raw(b'{"product_id": 7}', key, "products")
    [record] = shop.records_when("dead_letters", lambda record: record.key == key)
    letter = json.loads(record.value)
    assert (letter["reason"], letter["topic"]) == ("wrong_type", "products")
