"""The items of a profile: scores, and the reasons that a visitor could be told.

Written as JSON piece by piece: these are most of a profile's bytes, and what is known of their length while they are written is
what keeps the profile within its bound.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.choice import base_weight, personal_weight
from state.features import NAMES
from state.interest import Interest
from state.kernels import explain
from state.slate import Slate

ITEMS_WITH_TWO_REASONS = 5
SCORE_BYTES = len('"score":0.123456,')
NO_ITEMS = msgspec.Raw(b"[]")

# Which features of the model stand for which reason that a visitor could be told.
FEATURE_REASONS = {
    "well_rated": ("rating", "reviews"),
    "popular": ("rate_log_ratio",),
    "new_arrival": ("novelty",),
    "price_match": ("price_match", "dearness_times_usual", "dearness_match"),
    "category_affinity": (
        "category_share",
        "category_known",
        "rate_times_category_share",
        "last_category",
        "taste",
        "taste_root",
        "rating_times_taste",
        "dearness_times_taste",
    ),
    "product_affinity": ("product_affinity", "product_seen"),
}
REASON_CODES = (*FEATURE_REASONS, "general", "exploration")
"""The closed set of reason codes."""

_CODES = tuple(FEATURE_REASONS)
_BY_PRODUCT = _CODES.index("product_affinity")
_BY_CATEGORY = _CODES.index("category_affinity")
_REASON_OF_FEATURE = np.array(
    [next((i for i, names in enumerate(FEATURE_REASONS.values()) if name in names), -1) for name in NAMES]
)
_NO_THETA = np.zeros(len(NAMES))
_EXPLORATION = '{"code":"exploration","share":1.0}'
_GENERAL = '{"code":"general","share":1.0}'

Values = NDArray[np.float64]


def score_data(slate: Slate, values: Values, theta: Values | None, interest: Interest, room: int) -> msgspec.Raw:
    """The slate's first items, as many as take at most `room` bytes, with scores that sum to 1 over them.

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) its coefficients, or (k, d) each item's own
    model's; None before there are any. Each item has one reason; the first few have a second one where there is room.
    """
    if not slate.product_ids:
        return NO_ITEMS
    told = _explained(slate, values, theta, interest)
    ids = [msgspec.json.encode(product).decode() for product in slate.product_ids]
    categories = [msgspec.json.encode(category).decode() for category in slate.category_ids]
    tails: list[str] = []
    for i, (_, code, term, _, _) in enumerate(told):
        reason = _EXPLORATION
        if not slate.explored[i]:
            reason = _reason(int(code), 1.0, ids[i], categories[i]) if term > 0 else _GENERAL
        tail = _tail(slate, i, reason)
        room -= len(ids[i].encode()) + SCORE_BYTES + len(tail.encode()) + len('{"product_id":,,')
        if room < 0:
            break
        tails.append(tail)
    _add_second_reasons(tails, slate, told, ids, categories, room)
    return _joined(ids, [line[0] for line in told[: len(tails)]], tails)


def _explained(slate: Slate, values: Values, theta: Values | None, interest: Interest) -> list[list[float]]:
    """For each item its score, its first and its second reason with their terms: see `explain`."""
    x = slate.matrix()
    if theta is None or x.shape[1:] != theta.shape[-1:]:
        x, theta = np.zeros((len(slate.product_ids), len(_NO_THETA)), dtype=np.float16), _NO_THETA
    personal = personal_weight(slate.product_ids, slate.category_ids, interest)
    explained: list[list[float]] = explain(
        x.astype(np.float32),
        np.atleast_2d(theta),
        _REASON_OF_FEATURE,
        values,
        base_weight(interest),
        personal,
        _BY_PRODUCT,
        _BY_CATEGORY,
    ).tolist()
    return explained


def _add_second_reasons(
    tails: list[str], slate: Slate, told: list[list[float]], ids: list[str], categories: list[str], room: int
) -> None:
    for i in range(min(len(tails), ITEMS_WITH_TWO_REASONS)):
        _, code, term, next_code, next_term = told[i]
        share = round(term / (term + max(0.0, next_term)), 2) if term > 0 else 1.0
        if slate.explored[i] or share >= 1:
            continue
        first = _reason(int(code), share, ids[i], categories[i])
        second = _reason(int(next_code), round(1 - share, 2), ids[i], categories[i])
        tail = _tail(slate, i, f"{first},{second}")
        room -= len(tail.encode()) - len(tails[i].encode())
        if room < 0:
            return
        tails[i] = tail


def _tail(slate: Slate, index: int, reasons: str) -> str:
    """An item's JSON behind its score."""
    explored = "true" if slate.explored[index] else "false"
    pinned = "true" if slate.pinned and slate.pinned[index] else "false"
    propensity = f"{slate.propensity[index]:.6f}"
    return f'"propensity":{propensity},"explored":{explored},"pinned":{pinned},"reasons":[{reasons}]}}'


def _reason(reason: int, share: float, product: str, category: str) -> str:
    if reason == _BY_CATEGORY and len(category) > 2:
        return f'{{"code":"category_affinity","share":{share},"category_id":{category}}}'
    if reason == _BY_PRODUCT:
        return f'{{"code":"product_affinity","share":{share},"product_id":{product}}}'
    return f'{{"code":"{_CODES[reason]}","share":{share}}}'


def _joined(ids: list[str], scores: list[float], tails: list[str]) -> msgspec.Raw:
    total = sum(scores)
    shares = [score / total for score in scores] if total > 0 else [1 / max(1, len(scores))] * len(scores)
    items = [
        f'{{"product_id":{product},"score":{share:.6f},{tail}'
        for product, share, tail in zip(ids, shares, tails, strict=False)
    ]
    return msgspec.Raw(f"[{','.join(items)}]".encode())
