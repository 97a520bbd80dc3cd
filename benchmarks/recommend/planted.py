"""A planted shop: everything that could be foretold is put there, with known probabilities, so the best possible list is known.

What a visitor turns to next is drawn from a mixture: a product of a liked category, a companion of the last product, what is
popular in the region, something else of the last category, or a product once more.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.recommend.measure import LENGTH
from benchmarks.recommend.stream import Best, Listed, Stream, split_at_ms
from state.event import Event, Line
from state.product import Product

Vector = NDArray[np.float64]
START_MS = 1_763_683_200_000
"""A midnight, UTC."""
HOUR_MS = 3_600_000
REGIONS = ("EU", "US", "APAC")
REGION_SHARES = (0.5, 0.3, 0.2)
DAYPART_HOURS = 6


@dataclass(frozen=True)
class Plan:
    """What the shop is like.

    Attributes:
        zipf: exponent of popularity within a category.
        favourites: share of the products that are a region's own, `favoured` times as popular there.
        trends: products that rise at some time, in one region, for `trend_hours`, to a share `trend_share` of its popularity.
        moment: how many times as popular a category is at its own time of day.
        liked, companion, popular, similar, again: the mixture, in this order; what cannot be falls to the first.
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
    companion: float = 0.2
    popular: float = 0.2
    similar: float = 0.1
    again: float = 0.1
    known: float = 0.25
    users: int = 300


COMPANION_SHARES = (0.5, 0.3, 0.2)
TASTE = (0.65, 0.35)
ADDS_TO_CART, CHECKS_OUT, BUYS_COMPANION = 0.15, 0.5, 0.5
BEGINS_WITH_CATEGORY = 0.15
PAUSE_MS = (15_000, 90_000)


class Visitor(NamedTuple):
    """Two liked categories, the region's code, and the user, "" for an unknown one."""

    taste: tuple[int, int]
    region: int
    user: str


@dataclass
class Visit:
    """A session as it goes. A view in `events` comes with what was seen before it."""

    name: str
    visitor: Visitor
    at_ms: int
    seen: list[int] = field(default_factory=list)
    events: list[tuple[Event, list[int] | None]] = field(default_factory=list)


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
        self.companions = rng.integers(n, size=(n, len(COMPANION_SHARES)))
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
            np.add.at(chances, self.companions[seen[-1]], plan.companion * np.array(COMPANION_SHARES))
            rows = self.members[self.category[seen[-1]]]
            chances[rows] += plan.similar / len(rows)
            touched = np.unique(seen)
            chances[touched] += plan.again / len(touched)
        else:
            liked += plan.companion + plan.similar + plan.again
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


def planted(seed: int, plan: Plan | None = None) -> Stream:
    """The shop's events by seed."""
    plan = plan or Plan()
    shop = Shop(plan, seed)
    rng = np.random.default_rng([seed, 2])
    users = [_visitor(shop, rng, 0, f"user-{number}") for number in range(plan.users)]
    found: list[tuple[Event, Visitor, list[int] | None]] = []
    for number, at_ms in enumerate(np.sort(_begins(plan, rng)).tolist()):
        visitor = users[int(rng.integers(plan.users))] if rng.random() < plan.known else None
        visit = Visit(f"{seed}-{number}", visitor or _visitor(shop, rng, at_ms, ""), at_ms)
        _browse(shop, visit, rng)
        found += ((event, visit.visitor, before) for event, before in visit.events)
    found.sort(key=lambda entry: entry[0].timestamp)
    begin_ms = split_at_ms([event.timestamp for event, _, _ in found])
    best = {
        index: best_of(shop.chances(visitor, before, event.timestamp), before)
        for index, (event, visitor, before) in enumerate(found)
        if before is not None and event.timestamp >= begin_ms
    }
    return Stream(
        "planted",
        [Listed(0, shop.product(row)) for row in range(plan.products)],
        HOUR_MS,
        [event for event, _, _ in found],
        frozenset({"product_view"}),
        {},
        f"{plan.sessions:,} sessions in {plan.hours} h, {plan.products:,} products, {len(REGIONS)} regions",
        best,
    )


def _begins(plan: Plan, rng: np.random.Generator) -> NDArray[np.int64]:
    """When sessions begin: more in the day than at night."""
    hours = np.arange(plan.hours)
    busy = 1.0 - 0.7 * np.cos(2 * np.pi * (hours % 24) / 24)
    hour = rng.choice(hours, size=plan.sessions, p=busy / busy.sum())
    begins: NDArray[np.int64] = START_MS + hour * HOUR_MS + rng.integers(HOUR_MS, size=plan.sessions)
    return begins


def _visitor(shop: Shop, rng: np.random.Generator, at_ms: int, user: str) -> Visitor:
    region = int(rng.choice(len(REGIONS), p=REGION_SHARES))
    hour = max(0, (at_ms - START_MS) // HOUR_MS)
    by_category = np.bincount(shop.category, weights=shop.popularity(region, hour))
    first, second = rng.choice(shop.plan.categories, size=2, replace=False, p=by_category / by_category.sum()).tolist()
    return Visitor((first, second), region, user)


def _browse(shop: Shop, visit: Visit, rng: np.random.Generator) -> None:
    if rng.random() < BEGINS_WITH_CATEGORY:
        _emit(visit, "category_view", rng, category_id=f"category-{visit.visitor.taste[0]}")
    cart: list[int] = []
    for _ in range(1 + int(rng.geometric(1 / shop.plan.views_mean))):
        chances = shop.chances(visit.visitor, visit.seen, visit.at_ms)
        row = int(rng.choice(len(chances), p=chances / chances.sum()))
        _emit(visit, "product_view", rng, list(visit.seen), **_named(shop, row))
        visit.seen.append(row)
        if rng.random() < ADDS_TO_CART:
            _emit(visit, "add_to_cart", rng, **_named(shop, row))
            cart.append(row)
    if cart and rng.random() < CHECKS_OUT:
        if rng.random() < BUYS_COMPANION:
            cart.append(int(rng.choice(shop.companions[cart[-1]], p=COMPANION_SHARES)))
        _emit(visit, "checkout", rng, items=[Line(f"product-{row}") for row in dict.fromkeys(cart)])


def _named(shop: Shop, row: int) -> dict[str, Any]:
    return {"product_id": f"product-{row}", "category_id": f"category-{shop.category[row]}"}


def _emit(
    visit: Visit, event_type: Any, rng: np.random.Generator, before: list[int] | None = None, /, **fields: Any
) -> None:
    visitor = visit.visitor
    event = Event(
        visit.name,
        event_type,
        visit.at_ms,
        f"{visit.name}-{len(visit.events)}",
        region=REGIONS[visitor.region],
        user_id=visitor.user or None,
        **fields,
    )
    visit.events.append((event, before))
    visit.at_ms += int(rng.integers(*PAUSE_MS))
