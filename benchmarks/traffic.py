"""Seeded shop traffic: Zipf products, and sessions as long as those of a real shop's click file."""

from collections.abc import Iterator
from typing import Any

import numpy as np

CATEGORIES = 100
PRODUCTS = 10_000
ZIPF_EXPONENT = 1.1
MEAN_SESSION_EVENTS = 1.7
EVENT_TYPES = ("product_view", "add_to_cart", "checkout", "category_view")
TYPE_SHARES = (0.89, 0.06, 0.02, 0.03)


def events(count: int, start_ms: int, span_ms: int, seed: int, sessions: int | None = None) -> Iterator[dict[str, Any]]:
    """`count` events in the order of time, over `sessions` sessions (as many as the mean length gives, if None)."""
    rng = np.random.default_rng(seed)
    sessions = sessions or max(1, round(count / MEAN_SESSION_EVENTS))
    ranks = np.arange(1, PRODUCTS + 1, dtype=np.float64) ** -ZIPF_EXPONENT
    products = rng.choice(PRODUCTS, size=count, p=ranks / ranks.sum())
    owners = rng.integers(sessions, size=count)
    times = np.sort(rng.integers(span_ms, size=count)) + start_ms
    kinds = rng.choice(len(EVENT_TYPES), size=count, p=TYPE_SHARES)
    for index in range(count):
        product = int(products[index])
        yield {
            "event_id": f"{seed}-{index}",
            "session_id": f"bench-{owners[index]}",
            "event_type": EVENT_TYPES[kinds[index]],
            "timestamp": int(times[index]),
            "product_id": f"product-{product}",
            "category_id": f"category-{product % CATEGORIES}",
        }
