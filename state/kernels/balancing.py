"""What keeps a list from being more of the same, and what a shop wants more of: caps, likeness and boosts."""

from typing import Any, NamedTuple

import numpy as np

from state.feature_set import Feature
from state.kernels.compiled import compiled

PRICE_REACH, RATING_REACH = 0.6931471805599453 / 8, 0.5
"""How far apart features of two products are that have nothing in common there: a factor of two in price, one star."""


class Balance(NamedTuple):
    """Part of the rules over n candidates that depends on which items stand above, in a form that kernels know.

    Attributes:
        codes: (n,) int64 categories; 0 if unknown, which is no category: nothing is held against it.
        personal: (n,) bool, whether what the session did led to the candidate.
        caps: (2,) int64, most items of one category in the list, and most personal ones.
        weight: what an item loses, in units of reward, if one just like it stands above; 0 for nothing.
        price, rating: (n,) float32, the features of these names.
    """

    codes: Any
    personal: Any
    caps: Any
    weight: float
    price: Any
    rating: Any


@compiled
def liken(penalty: Any, item: int, balance: Any) -> None:
    """Raise `penalty` (n,) float32 in place to what each of n candidates loses for its likeness to `item`, if that is more.

    The second term of maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
    reordering documents and producing summaries", section 2): `weight` times the largest similarity to any item above. Products of
    different categories, or of an unknown one, have none; within a category it is a half, a quarter more at the same price,
    falling to nothing at twice or half of it, and a quarter more at the same rating, falling to nothing a star apart.
    """
    codes, price, rating, weight = balance.codes, balance.price, balance.rating, np.float32(balance.weight)
    for i in range(len(penalty)):
        near_price = max(np.float32(0.0), np.float32(1.0) - abs(price[i] - price[item]) * np.float32(1 / PRICE_REACH))
        near_rating = max(
            np.float32(0.0), np.float32(1.0) - abs(rating[i] - rating[item]) * np.float32(1 / RATING_REACH)
        )
        likeness = np.float32(0.5) + np.float32(0.25) * (near_price + near_rating)
        lost = weight * likeness if codes[i] == codes[item] and codes[item] else np.float32(0.0)
        penalty[i] = max(penalty[i], lost)


@compiled
def boosts_of(x: Any, boosts: Any) -> Any:
    """Return what `boosts` (3,) for newer, better rated and more viewed products add to each expected reward, (n,) float32.

    By the features (d, n): all of it for what is new today, has five stars, or is the region's most popular; a part for others.
    """
    out = np.empty(x.shape[1], np.float32)
    newer, rated, viewed = np.float32(boosts[0]), np.float32(boosts[1]), np.float32(boosts[2])
    for i in range(len(out)):
        stars = np.float32(0.5) * (x[Feature.RATING, i] + np.float32(1.0))
        out[i] = newer * x[Feature.NOVELTY, i] + rated * stars + viewed * x[Feature.REGIONAL_POPULARITY, i]
    return out


@compiled
def open_next(eligible: Any, open_: Any, balance: Any, above: Any, shown: int, level: int) -> tuple[int, int]:
    """Set which candidates may stand next, (n,), and return how many, and how far the caps had to be given up for that.

    At level 0 both of the caps hold, at 1 only that of a category, at 2 none: see `Balance`. `above` (n,) is how many of the
    candidate's category stand above, `shown` how many personal ones.
    """
    codes, personal, caps, left = balance.codes, balance.personal, balance.caps, 0
    while True:
        for i in range(len(open_)):
            is_full = level < 2 and codes[i] != 0 and above[i] >= caps[0]
            eligible[i] = open_[i] and not is_full and not (level < 1 and personal[i] and shown >= caps[1])
            left += eligible[i]
        if left or level == 2:
            return left, level
        level += 1


@compiled
def closes_others(balance: Any, item: int, above: Any, shown: int) -> Any:
    """Return whether the item that was placed last filled its category's cap, or the personal one; `above` and `shown` count it."""
    codes, caps = balance.codes, balance.caps
    return (codes[item] != 0 and above[item] == caps[0]) or (balance.personal[item] and shown == caps[1])
