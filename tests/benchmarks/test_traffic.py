"""The benchmarks' traffic: the same from the same seed, and in the shape of a real shop's click file."""

from collections import Counter

import msgspec
import numpy as np
import pytest

from benchmarks.traffic import (
    CATEGORIES,
    LENGTH_SHARES,
    PRODUCTS,
    SAME_CATEGORY,
    SPAN_MS,
    Traffic,
    catalogue,
    messages,
    traffic,
)
from state.catalogue.product import Product, read_product
from state.events.event import Event, read_event

START_MS = 1_763_770_000_000
COUNT = 60_000


@pytest.fixture(scope="module", name="day")
def _day() -> Traffic:
    return traffic(COUNT, START_MS, seed=3)


def test_traffic_follows_from_its_seed(day: Traffic) -> None:
    assert list(messages(day))[:500] == list(messages(traffic(COUNT, START_MS, seed=3)))[:500]
    assert list(messages(day))[:500] != list(messages(traffic(COUNT, START_MS, seed=4)))[:500]


def test_events_are_in_the_order_of_time_and_within_the_span(day: Traffic) -> None:
    assert len(day.times_ms) == COUNT
    assert (np.diff(day.times_ms) >= 0).all()
    assert day.times_ms[0] >= START_MS
    assert day.times_ms[-1] < START_MS + SPAN_MS


def test_sessions_are_as_long_as_in_the_file(day: Traffic) -> None:
    lengths = Counter(Counter(day.sessions.tolist()).values())
    sessions = sum(lengths.values())
    for length, share in enumerate(LENGTH_SHARES[:4], start=1):
        assert lengths[length] / sessions == pytest.approx(share, abs=0.01)


def test_visitors_stay_in_the_category_as_often_as_in_the_file(day: Traffic) -> None:
    order = np.argsort(day.sessions, kind="stable")
    follows = day.sessions[order][1:] == day.sessions[order][:-1]
    categories = day.products[order] % CATEGORIES
    stays = (categories[1:] == categories[:-1])[follows].mean()
    by_chance = np.square(np.bincount(categories) / COUNT).sum()
    assert stays == pytest.approx(SAME_CATEGORY + (1 - SAME_CATEGORY) * by_chance, abs=0.02)


def test_products_are_skewed_and_listed(day: Traffic) -> None:
    counts = np.sort(np.bincount(day.products, minlength=PRODUCTS))[::-1]
    assert counts[:100].sum() > 0.4 * COUNT
    assert day.products.max() < PRODUCTS


def test_a_number_of_sessions_can_be_given() -> None:
    few = traffic(2_000, START_MS, seed=1, sessions=10)
    assert set(few.sessions.tolist()) == set(range(10))


def test_every_event_is_one_that_the_job_takes(day: Traffic) -> None:
    kinds = set()
    for key, value in list(messages(day))[:3_000]:
        event = read_event(value, now_ms=START_MS + SPAN_MS, max_bytes=65_536, max_future_ms=0)
        assert isinstance(event, Event)
        assert event.session_id.encode() == key
        kinds.add(event.event_type)
    assert kinds == {"product_view", "add_to_cart", "checkout", "feedback"}


def test_every_product_is_one_that_the_job_takes() -> None:
    products = [read_product(msgspec.json.encode(product)) for product in catalogue(0)]
    assert len({product.product_id for product in products if isinstance(product, Product)}) == PRODUCTS
