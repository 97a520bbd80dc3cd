"""What is true of a planted shop: all that could be foretold, with known probabilities, so that the best possible list is known.

What a visitor turns to next is drawn from a mixture: a product of a liked category, a partner of the last product, what is
popular in the region, something else of the last category, or a product once more.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.recommend.measure import LENGTH
from benchmarks.recommend.stream import Best
from state.catalogue.product import Product

Vector = NDArray[np.float64]
START_MS = 1_763_683_200_000
"""A midnight, UTC."""
HOUR_MS = 3_600_000
REGIONS = ("EU", "US", "APAC")
DAYPART_HOURS = 6


@dataclass(frozen=True)
class Plan:
    """What the shop is like.

    Attributes:
        zipf: exponent of popularity within a category.
        favourites: share of the products that are a region's own, `favoured` times as popular there.
        trends: products that rise at some time, in one region, for `trend_hours`, to a share `trend_share` of its popularity.
        moment: how many times as popular a category is at its own time of day.
        liked, partner, popular, similar, again: the mixture, in this order; what cannot be falls to the first.
        known: share of the sessions that are of a known user, of `users`.
    """

    products: int = 1_000
    categories: int = 25
    hours: int = 48
    sessions: int = 4_000
    views_mean: float = 6.0
    zipf: float = 1.0
    favourites: float = 0.05
    favoured: float = 8.0
    trends: int = 8
    trend_hours: int = 8
    trend_share: float = 0.15
    moment: float = 3.0
    liked: float = 0.4
    partner: float = 0.2
    popular: float = 0.2
    similar: float = 0.1
    again: float = 0.1
    known: float = 0.25
    users: int = 300


PARTNER_SHARES = (0.5, 0.3, 0.2)
TASTE = (0.65, 0.35)


class Visitor(NamedTuple):
    """Two liked categories, the region's code, and the user, "" for an unknown one."""

    taste: tuple[int, int]
    region: int
    user: str


class Shop:
    """All that is true of a planted shop. Deterministic by (plan, seed)."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        rng = np.random.default_rng([seed, 1])
        n, c = plan.products, plan.categories
        self.category = np.concatenate([np.arange(c), rng.choice(c, size=n - c, p=rng.dirichlet(np.full(c, 3.0)))])
        self.members = [np.flatnonzero(self.category == code) for code in range(c)]
        self.weight = np.zeros(n)
        for rows, size in zip(self.members, rng.dirichlet(np.full(c, 2.0)), strict=True):
            falling = (1.0 + rng.permutation(len(rows))) ** -plan.zipf
            self.weight[rows] = size * falling / falling.sum()
        self.partners = rng.integers(n, size=(n, len(PARTNER_SHARES)))
        self.daypart = rng.integers(24 // DAYPART_HOURS, size=c)
        self.favoured = np.where(rng.random((len(REGIONS), n)) < plan.favourites, plan.favoured, 1.0)
        self.rising = rng.integers(n, size=plan.trends)
        self.rises_in = rng.integers(len(REGIONS), size=plan.trends)
        self.rises_at = rng.integers(plan.hours - plan.trend_hours, size=plan.trends)
        self.rises_at[: plan.trends // 2] += (
            round(0.7 * plan.hours) - self.rises_at[: plan.trends // 2]
        )  # half are tested
        self.price = np.exp(rng.normal(3.0, 0.8, c)[self.category] + rng.normal(0.0, 0.5, n))
        self.rating = np.clip(rng.normal(3.8, 0.5, n), 1.0, 5.0)
        self.reviews = (2_000 * self.weight / self.weight.max() * rng.lognormal(0.0, 1.0, n)).astype(np.int64)
        self._popularity: dict[tuple[int, int], Vector] = {}

    def popularity(self, region: int, hour: int) -> Vector:
        """How likely each product is (P,) by popularity alone, in a region and hour."""
        key = (region, hour)
        if key not in self._popularity:
            now = self.daypart[self.category] == hour % 24 // DAYPART_HOURS
            weight = self.weight * self.favoured[region] * np.where(now, self.plan.moment, 1.0)
            is_on = (self.rises_in == region) & (self.rises_at <= hour) & (hour < self.rises_at + self.plan.trend_hours)
            for row in self.rising[is_on]:
                weight[row] += self.plan.trend_share * weight.sum()
            self._popularity[key] = weight / weight.sum()
        return self._popularity[key]

    def chances(self, visitor: Visitor, seen: list[int], at_ms: int) -> Vector:
        """How likely the visitor turns to each product (P,) next, after those in `seen`, the last at the end."""
        plan = self.plan
        popular = self.popularity(visitor.region, (at_ms - START_MS) // HOUR_MS)
        chances = plan.popular * popular
        liked = plan.liked
        if seen:
            np.add.at(chances, self.partners[seen[-1]], plan.partner * np.array(PARTNER_SHARES))
            rows = self.members[self.category[seen[-1]]]
            chances[rows] += plan.similar / len(rows)
            touched = np.unique(seen)
            chances[touched] += plan.again / len(touched)
        else:
            liked += plan.partner + plan.similar + plan.again
        for code, share in zip(visitor.taste, TASTE, strict=True):
            rows = self.members[code]
            chances[rows] += liked * share * popular[rows] / popular[rows].sum()
        return chances

    def product(self, row: int) -> Product:
        """The product as the catalogue has it: its reviews tell a little of its popularity, its rating nothing."""
        return Product(
            f"product-{row}",
            f"category-{self.category[row]}",
            price=round(float(self.price[row]), 2),
            rating=round(float(self.rating[row]), 1),
            rating_count=int(self.reviews[row]),
            created_at=START_MS - (1 + row % 400) * 24 * HOUR_MS,
        )


def best_of(chances: Vector, seen: list[int]) -> Best:
    """What the likeliest LENGTH products would bring."""
    new = chances.copy()
    new[seen] = 0.0
    return Best(*_best(new / new.sum()), *_best(chances))


def _best(chances: Vector) -> tuple[float, float]:
    top = -np.sort(-np.partition(chances, -LENGTH)[-LENGTH:])
    return float(top.sum()), float((top / np.arange(1, LENGTH + 1)).sum())
