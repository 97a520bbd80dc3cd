"""Features of a candidate in a context: what the shared linear model sees. Scaling is fixed for a feature-set version."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.catalogue import PRICE, RATING, REVIEWS, UNLISTED, Catalogue, Rows
from state.interest import Interest
from state.model import Predictor

FEATURE_SET = "shop-1"
NAMES = (
    "bias",
    "price",
    "price_squared",
    "rating",
    "reviews",
    "novelty",
    "category_share",
    "category_known",
    "product_affinity",
    "product_seen",
    "last_category",
    "rate_log_ratio",
    "rate_times_category_share",
    "uncertainty",
    "shown_in_vain",
    "price_match",
)
DIMENSION = len(NAMES)
"""d, the number of features."""
Features = NDArray[np.float16]

NOVELTY_MS = 30 * 24 * 3_600_000
RATE_PRIOR = 20.0
"""Exposures' worth of the category's rate in a product's own."""
LARGEST_LOG_RATIO = 3.0


class Context(msgspec.Struct, frozen=True):
    """What a session brings to the choice."""

    interest: Interest
    last_category: str
    shown_in_vain: Mapping[str, int]
    now_ms: int


class Candidates(msgspec.Struct, frozen=True):
    """n candidates: catalogue rows, and their ids and categories, all of length n and in the same order."""

    rows: Rows
    product_ids: list[str]
    category_ids: list[str]


class Rates:
    """Every listed product's exposures and rate of reward, the latter shrunk to its category's, which is shrunk to the whole."""

    def __init__(self, catalogue: Catalogue, predictor: Predictor | None) -> None:
        size = len(catalogue.product_ids)
        self.mean = predictor.mean_reward if predictor else 0.05
        exposures, rewards = np.zeros(size), np.zeros(size)
        for product, count, reward in predictor.rates if predictor else ():
            row = catalogue.row_of.get(product)
            if row is not None:
                exposures[row], rewards[row] = max(0.0, count), reward
        codes = catalogue.category[:size]
        n = np.bincount(codes, weights=exposures, minlength=len(catalogue.category_ids))
        r = np.bincount(codes, weights=rewards, minlength=len(catalogue.category_ids))
        by_category = (r + RATE_PRIOR * self.mean) / (n + RATE_PRIOR)
        rate = (rewards + RATE_PRIOR * by_category[codes]) / (exposures + RATE_PRIOR)
        self.exposures = exposures
        self.rate = np.clip(rate, 0.0, 1.0)
        self.log_ratio = np.clip(np.log(np.maximum(rate, 1e-6) / self.mean), -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO) / 3


def features(candidates: Candidates, context: Context, catalogue: Catalogue, rates: Rates) -> Features:
    """The n × d matrix of features in float16: the very numbers that are scored, logged and learned."""
    rows, interest = candidates.rows, context.interest
    x = np.zeros((len(rows), DIMENSION), dtype=np.float32)
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    scale = 1 / sum(liked.values()) if liked else 0.0
    static = catalogue.static[rows]
    price = static[:, PRICE]
    rated_rows = np.where(rows < len(rates.rate), rows, UNLISTED)  # a product newer than the rates has the overall rate
    share = np.array([liked.get(category, 0.0) * scale for category in candidates.category_ids], dtype=np.float32)
    x[:, 0] = 1
    x[:, 1] = price
    x[:, 2] = price * price
    x[:, 3] = (static[:, RATING] - 3) / 2
    x[:, 4] = static[:, REVIEWS] / 12
    created_ms = catalogue.created_ms[rows]
    x[:, 5] = np.where(created_ms > 0, np.exp(-np.maximum(0, context.now_ms - created_ms) / NOVELTY_MS), 0)
    x[:, 6] = share
    x[:, 7] = share > 0
    x[:, 8] = np.tanh([interest.products.get(product, 0.0) / 3 for product in candidates.product_ids])
    x[:, 9] = [product in interest.products for product in candidates.product_ids]
    x[:, 10] = [category == context.last_category != "" for category in candidates.category_ids]
    x[:, 11] = rates.log_ratio[rated_rows]
    x[:, 12] = rates.rate[rated_rows] * share
    x[:, 13] = 1 / np.sqrt(1 + rates.exposures[rated_rows])
    x[:, 14] = [min(context.shown_in_vain.get(product, 0), 4) / 4 for product in candidates.product_ids]
    x[:, 15] = _price_match(price, rows, interest, catalogue)
    return x.astype(np.float16)


def _price_match(
    price: NDArray[np.float32], rows: Rows, interest: Interest, catalogue: Catalogue
) -> NDArray[np.float32] | float:
    """Minus the distance to the mean (log) price of the products that the session looked at."""
    seen = catalogue.listed(product for product, value in interest.products.items() if value > 0)
    if not seen:
        return 0.0
    usual = float(catalogue.static[seen, PRICE].mean())
    return np.where(rows == UNLISTED, np.float32(0), -np.abs(price - np.float32(usual)) * 2)
