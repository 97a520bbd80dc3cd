"""Visits to a planted shop: sessions of views, carts and checkouts, drawn from the shop's own probabilities."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recommend.planted_shop import HOUR_MS, PARTNER_SHARES, REGIONS, START_MS, Plan, Shop, Visitor, best_of
from benchmarks.recommend.stream import Listed, Stream, split_at_ms
from state.events.event import Event, Line

REGION_SHARES = (0.5, 0.3, 0.2)
ADDS_TO_CART, CHECKS_OUT, BUYS_PARTNER = 0.15, 0.5, 0.5
BEGINS_WITH_CATEGORY = 0.15
PAUSE_MS = (15_000, 90_000)


@dataclass
class Visit:
    """A session as it goes. A view in `events` comes with what was seen before it."""

    name: str
    visitor: Visitor
    at_ms: int
    seen: list[int] = field(default_factory=list)
    events: list[tuple[Event, list[int] | None]] = field(default_factory=list)


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
        if rng.random() < BUYS_PARTNER:
            cart.append(int(rng.choice(shop.partners[cart[-1]], p=PARTNER_SHARES)))
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
