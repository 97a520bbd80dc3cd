"""What only the laboratory knows: products' appeal, visitors' taste, and the chance of every click."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.spec import Spec
from state.catalogue.product import Product

Vector = NDArray[np.float64]

OTHERS_MATCH = 0.08
SECOND_MATCH = 0.7
LIKED_FROM = 0.2
SPREAD = 0.3
"""Concentration of a `spread` taste (Dirichlet): the less, the fewer categories hold most of it."""
SENSITIVITIES = (0.0, 0.8, 1.6)
REGIONS = ("EU", "US", "APAC", "LATAM")
START_MS = 1_763_770_000_000


@dataclass(frozen=True)
class Visitor:
    """A person: match by category (C,) in [0, 1], how much a high price puts off, the price rank that suits best, region."""

    match: Vector
    sensitivity: float
    budget: float
    region: str


class Truth:
    """A shop of P products in C categories over `length_ms` of time. Deterministic by (spec, seed)."""

    def __init__(self, spec: Spec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self.length_ms = spec.visitors * spec.gap_ms
        rng = np.random.default_rng([seed, 1])
        n, c = spec.products, spec.categories
        sizes = rng.dirichlet(np.full(c, 3.0))
        self.category = np.concatenate([np.arange(c), rng.choice(c, size=n - c, p=sizes)])
        self.price = np.exp(rng.normal(3.0, 0.8, c)[self.category] + rng.normal(0.0, 0.6, n))
        self.relative_price = _ranks_within(self.category, self.price)
        self.visible = rng.beta(4.0, 2.0, n)
        self.reviews = np.exp(rng.normal(3.0, 1.5, n)).astype(np.int64)
        self._hidden = rng.random((spec.drifts + 1, n)) ** 1.5
        late = rng.random(n) < spec.arriving
        self.arrives_ms = START_MS + np.where(late, rng.random(n) * 0.7 * self.length_ms, 0).astype(np.int64)
        self.region_taste = rng.dirichlet(np.full(c, 0.4), size=len(REGIONS))
        self._local = rng.random((len(REGIONS), n)) ** 1.5
        order = rng.permutation(c)
        self.partner = np.empty(c, dtype=np.int64)
        self.partner[order] = np.roll(order, 1)
        self.product_ids = [f"product-{i}" for i in range(n)]
        self.row_of = {product: row for row, product in enumerate(self.product_ids)}
        self.members = [np.flatnonzero(self.category == code) for code in range(c)]

    def product(self, row: int) -> Product:
        """The product as the catalogue has it."""
        arrives_ms = int(self.arrives_ms[row])
        return Product(
            self.product_ids[row],
            f"category-{self.category[row]}",
            price=round(float(self.price[row]), 2),
            rating=round(1 + 4 * float(self.visible[row]), 1),
            rating_count=int(self.reviews[row]),
            created_at=arrives_ms if arrives_ms > START_MS else START_MS - 365 * 86_400_000,
        )

    def appeal(self, region: int, now_ms: int) -> Vector:
        """Each product's appeal (P,) in a region, in [0, 1]: partly its rating, the rest to be learned from clicks."""
        share, local = self.spec.hidden, self.spec.local
        hidden = (1 - local) * self._hidden[self.phase(now_ms)] + local * self._local[region]
        appeal: Vector = share * hidden + (1 - share) * self.visible
        return appeal

    def phase(self, now_ms: int) -> int:
        """Which deal of the hidden appeal holds."""
        return min(self.spec.drifts, max(0, (now_ms - START_MS) * (self.spec.drifts + 1) // self.length_ms))

    def visitor(self, number: int) -> Visitor:
        """The visitor of that number, the same whatever the method does."""
        rng = np.random.default_rng([self.seed, 2, number])
        c = self.spec.categories
        region = int(rng.integers(len(REGIONS)))
        if self.spec.taste == "two":
            first, second = rng.choice(c, size=2, replace=False, p=self.odds(region))
            if self.spec.partnered and rng.random() < self.spec.partnered:
                second = self.partner[first]
            match = np.full(c, OTHERS_MATCH)
            match[second], match[first] = SECOND_MATCH, 1.0
        else:
            match = self.spread_match(rng.dirichlet(np.full(c, SPREAD)), region)
        sensitivity = SENSITIVITIES[int(rng.integers(len(SENSITIVITIES)))]
        return Visitor(match, sensitivity, float(rng.random()), REGIONS[region])

    def odds(self, region: int) -> Vector:
        """The chance (C,) of each category to be the first of a visitor of `two` tastes."""
        regional = self.spec.regional
        odds = (1 - regional) / self.spec.categories + regional * self.region_taste[region]
        likely: Vector = odds / odds.sum()
        return likely

    def pair_odds(self, region: int) -> Vector:
        """The chance (C, C) of each first and second category of a visitor of `two` tastes: the first's partner, or another."""
        odds, partnered = self.odds(region), self.spec.partnered
        pairs: Vector = (1 - partnered) * odds[:, None] * odds[None, :] / (1 - odds[:, None])
        np.fill_diagonal(pairs, 0.0)
        pairs[np.arange(len(odds)), self.partner] += partnered * odds
        return pairs

    def spread_match(self, shares: Vector, region: int) -> Vector:
        """The match (…, C) of visitors of a `spread` taste, whose own shares of categories these are."""
        regional = self.spec.regional
        match: Vector = (1 - regional) * shares + regional * self.region_taste[region]
        match /= match.max(axis=-1, keepdims=True)
        return match

    def price_term(self, visitor: Visitor, rows: list[int]) -> Vector:
        """How much the prices of these products (n,) put the visitor off, as the link counts it."""
        rank = self.relative_price[rows]
        term: Vector = np.abs(rank - visitor.budget) if self.spec.link == "logistic" else visitor.sensitivity * rank
        return term

    def chances(self, visitor: Visitor, now_ms: int) -> Vector:
        """The chance (P,) that the visitor clicks each product on looking at it; 0 for one that is not in the catalogue yet."""
        match = visitor.match[self.category]
        region = REGIONS.index(visitor.region)
        clipped = self.chances_by(match, np.array(visitor.sensitivity), np.array(visitor.budget), region, now_ms)
        clipped[self.arrives_ms > now_ms] = 0.0
        return clipped

    def chances_by(self, match: Vector, sensitivity: Vector, budget: Vector, region: int, now_ms: int) -> Vector:
        """The chances (…, P) of a region's visitors whose match, sensitivity and budget these are, if all products had come.

        With match m, appeal a, price rank d, sensitivity s and budget w: `linear` 0.01 + 0.16 m + 0.12 a - 0.05 s d;
        `logistic` the inverse logit of -4.5 + 2.5 m + 2.5 a - 2|d - w|; `product` 0.45 (0.15 + 0.85 a) m e^(-s d).
        """
        appeal = self.appeal(region, now_ms)
        if self.spec.link == "linear":
            chances = 0.01 + 0.16 * match + 0.12 * appeal - 0.05 * sensitivity * self.relative_price
        elif self.spec.link == "logistic":
            logit = -4.5 + 2.5 * match + 2.5 * appeal - 2 * np.abs(self.relative_price - budget)
            chances = 1 / (1 + np.exp(-logit))
        else:
            chances = 0.45 * (0.15 + 0.85 * appeal) * match * np.exp(-sensitivity * self.relative_price)
        clipped: Vector = np.clip(self.spec.click_scale * chances, 0.002, 0.9)
        return clipped

    def examination(self) -> Vector:
        """The chance (K,) that a visitor looks at each position."""
        weights: Vector = self.spec.examination ** np.arange(self.spec.shown)
        return weights

    def slate_value(self, chances: Vector, rows: list[int]) -> float:
        """Expected clicks on products shown in that order."""
        return float(chances[rows] @ self.examination()[: len(rows)])

    def best_slate(self, chances: Vector) -> list[int]:
        """The slate of the largest value: the likeliest first."""
        count = min(self.spec.shown, len(chances))
        top = np.argpartition(-chances, count - 1)[:count]
        best: list[int] = top[np.argsort(-chances[top], kind="stable")].tolist()
        return best

    def uniform_value(self, chances: Vector, now_ms: int) -> float:
        """The mean value of a slate drawn uniformly from what is in the catalogue."""
        return float(chances[self.arrives_ms <= now_ms].mean() * self.examination().sum())


def _ranks_within(groups: NDArray[np.int64], values: Vector) -> Vector:
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        ranks[rows[np.argsort(values[rows], kind="stable")]] = np.arange(len(rows)) / max(1, len(rows) - 1)
    return ranks
