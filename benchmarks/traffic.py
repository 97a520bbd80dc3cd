"""Seeded shop traffic: Zipf products, and sessions as long and as quick as those of a real shop's click file.

The shares below were counted in the Taobao file of 110,300 clicks by 66,454 users in 2 h 10 min: how many clicks a user has, how
often the next one stays in the category, what the clicks are, and how long they are apart (a log-normal through the median and
the upper quartile).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CATEGORIES = 100
PRODUCTS = 10_000
ZIPF_EXPONENT = 1.1
LENGTH_SHARES = (0.6422, 0.2040, 0.0822, 0.0367, 0.0166, 0.0088, 0.0042, 0.0022, 0.0015, 0.0006, 0.0010)
"""Of sessions with 1, 2, … 11 events; the last stands for all longer ones."""
SAME_CATEGORY = 0.366
EVENT_TYPES = ("product_view", "add_to_cart", "checkout", "feedback")
TYPE_SHARES = (0.892, 0.055, 0.022, 0.031)
MEDIAN_GAP_MS = 292_000
GAP_SIGMA = 1.48
SPAN_MS = 7_800_000
"""2 h 10 min, the span of the file."""

Numbers = NDArray[np.int64]


class Traffic(NamedTuple):
    """Events in the order of time: four arrays of the same length, and the seed that names them."""

    seed: int
    times_ms: Numbers
    sessions: Numbers
    products: Numbers
    types: Numbers


def traffic(count: int, start_ms: int, seed: int, *, span_ms: int = SPAN_MS, sessions: int | None = None) -> Traffic:
    """`count` events over `span_ms`.

    Sessions are as long as in the file; with `sessions` given, each event belongs to any of so many with equal probability.
    """
    rng = np.random.default_rng(seed)
    if sessions is None:
        owners, times = _real_sessions(count, span_ms, rng)
    else:
        owners, times = rng.integers(sessions, size=count), rng.integers(span_ms, size=count)
    order = np.lexsort((times, owners))
    products = _products(owners[order], rng)
    by_time = np.argsort(times[order], kind="stable")
    types = rng.choice(len(EVENT_TYPES), size=count, p=TYPE_SHARES)
    return Traffic(seed, (times[order] + start_ms)[by_time], owners[order][by_time], products[by_time], types)


def messages(events: Traffic) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each event's record."""
    columns = (events.times_ms.tolist(), events.sessions.tolist(), events.products.tolist(), events.types.tolist())
    for index, (time_ms, session, product, kind) in enumerate(zip(*columns, strict=True)):
        key = session_id(events.seed, session)
        name = EVENT_TYPES[kind]
        more = ',"feedback":{"kind":"thumb","value":1}' if name == "feedback" else ""
        value = (
            f'{{"session_id":"{key}","event_id":"{events.seed:04x}{index:012x}","event_type":"{name}","timestamp":{time_ms},'
            f'"product_id":"product-{product}","category_id":"category-{product % CATEGORIES}"{more}}}'
        )
        yield key.encode(), value.encode()


def session_id(seed: int, number: int) -> str:
    """The name of a session."""
    return f"{seed:04x}-{number:012x}"


def catalogue(seed: int) -> Iterator[dict[str, Any]]:
    """The products of the events, three in four with a rating."""
    rng = np.random.default_rng([seed, 1])
    prices = np.round(rng.lognormal(3.0, 0.8, PRODUCTS), 2).tolist()
    ratings = np.round(np.clip(rng.normal(4.0, 0.6, PRODUCTS), 1, 5), 1).tolist()
    counts = rng.geometric(0.01, PRODUCTS).tolist()
    rated = (rng.random(PRODUCTS) < 0.75).tolist()
    for index in range(PRODUCTS):
        product = {
            "product_id": f"product-{index}",
            "category_id": f"category-{index % CATEGORIES}",
            "title": f"Product number {index}",
            "price": prices[index],
        }
        yield product | ({"rating": ratings[index], "rating_count": counts[index]} if rated[index] else {})


def _real_sessions(count: int, span_ms: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Owners and times (n,) of sessions that begin at any time from which they end within the span."""
    shares = np.array(LENGTH_SHARES) / sum(LENGTH_SHARES)
    lengths = rng.choice(len(shares), size=count, p=shares) + 1
    owners = np.repeat(np.arange(count), lengths)[:count]
    gaps = np.minimum(rng.lognormal(np.log(MEDIAN_GAP_MS), GAP_SIGMA, count), span_ms / len(shares))
    is_first = np.r_[True, owners[1:] != owners[:-1]]
    since_start = np.cumsum(np.where(is_first, 0.0, gaps))
    since_start -= since_start[is_first][owners]
    last = np.r_[np.flatnonzero(is_first)[1:] - 1, count - 1]
    starts = rng.random(len(last)) * (span_ms - since_start[last] - 1)
    return owners, (starts[owners] + since_start).astype(np.int64)


def _products(owners: Numbers, rng: np.random.Generator) -> Numbers:
    """Products (n,) for events that are grouped by owner: the next one stays in the category as often as in the file."""
    count = len(owners)
    products = _zipf(PRODUCTS, count, rng)
    within = _zipf(PRODUCTS // CATEGORIES, count, rng)
    stays = np.r_[False, (owners[1:] == owners[:-1])] & (rng.random(count) < SAME_CATEGORY)
    leader = np.maximum.accumulate(np.where(stays, 0, np.arange(count)))
    return np.where(stays, products[leader] % CATEGORIES + CATEGORIES * within, products)


def _zipf(size: int, count: int, rng: np.random.Generator) -> Numbers:
    weights = np.arange(1, size + 1, dtype=np.float64) ** -ZIPF_EXPONENT
    return rng.choice(size, size=count, p=weights / weights.sum())
