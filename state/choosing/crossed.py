"""Effects of categories by region, device and time of day, and of products by region, found together with the products' own.

Residuals of product p in region r are u_p + v_{r,c(p)} + w_{r,p} + noise, with v ~ N(0, τ_v²) and w ~ N(0, τ_w²) about the
products' own effects u. All are found in turn: each is the best linear predictor given the others (Gauss-Seidel on the mixed model
equations; Robinson 1991, "That BLUP is a good thing", section 2; Breiman and Friedman 1985 call it backfitting). So what a region
explains is not in the product's own effect as well. Of a group's v each part has its own: by region, device and time of day.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Rows
from state.choosing.model_cells import Cells
from state.choosing.shrinkage import effect_variance, own_effects
from state.session.group import parts_of_group

Values = NDArray[np.float64]

MOST_TURNS = 60
"""Of finding the effects in turn. Those by region take some ten; parts that go together, such as a region where nine tenths of the
visitors have phones, take most."""
ENOUGH = 1e-3
"""How much a turn changes the effects, as a part of their size, when there is no need of another."""
SIZE = 0.3
"""How large the effects are expected to be, as a share of what is expected of the products' own."""
DRAWN = 0.1
"""The part of an effect's variance that is drawn. All items of a category share the effect, and each is drawn for itself: drawn in
full, what is not known of one number is paid for with every item."""
OF_PRODUCTS_DRAWN = 0.1
"""The same of a product's effect in a region."""
OF_CATEGORIES = ("region_category", "device_category", "hour_category")
"""Kinds of effects of categories, in the order of `parts_of_group`."""
OF_PRODUCTS = "region_product"


class OwnEffects(NamedTuple):
    """Sums of products over all regions, and their categories, (products,) each."""

    exposures: Values
    residuals: Values
    codes: Rows


class Effects:
    """Random effects, one for each `number` (n,) of the cells; they vary about what is common to all of the same of `codes`
    (size,), from which their variance is estimated.

    `exposures` (n,) are the cells', 0 where the effect is not known to be of any.
    """

    def __init__(self, number: Rows, codes: Rows, exposures: Values) -> None:
        self._number, self._codes = number, codes
        self._known = exposures > 0
        self.n = _summed(number, exposures, len(codes))
        self.mean, self.spread = np.zeros(len(codes)), 0.0

    def of_cells(self) -> Values:
        """Return the effect in each cell."""
        found: Values = self.mean[self._number]
        return found

    def fit(self, left: Values, noise: float, mean_reward: float) -> None:
        """Find the effects of what the others leave of the cells' rewards."""
        summed = _summed(self._number, left * self._known, len(self.n))
        self.spread = effect_variance(self.n, summed, self._codes, noise, mean_reward)
        self.mean = summed / (self.n + noise / self.spread)

    def variance(self, noise: float) -> Values:
        """Return what is not known of each effect."""
        variance: Values = noise / (self.n + noise / self.spread)
        return variance


class OfCategories(Effects):
    """Effects of categories by one part of the groups: `labels` (groups,) are its values by number, 0 where it is not known."""

    def __init__(self, labels: Rows, cells: Cells, category: Rows, categories: int) -> None:
        label = labels[cells.region]
        codes = np.arange((int(labels.max()) + 1) * categories) % categories
        super().__init__(label * categories + category, codes, cells.exposures * (label > 0))
        self._labels, self._categories = labels, categories

    def by_group(self, noise: float) -> Values:
        """Return means, and variances as they are drawn, (groups, codes, 2)."""
        found = np.stack([self.mean, DRAWN * self.variance(noise)], axis=1).reshape(-1, self._categories, 2)
        by_group: Values = found[self._labels]
        return by_group


class OfProducts(Effects):
    """Effects of products by region: `labels` (groups,) are the regions by number, `product` (n,) the products by number."""

    def __init__(self, labels: Rows, cells: Cells, product: Rows, categories: int) -> None:
        label = labels[cells.region]
        size = int(product.max()) + 1
        keys, number = np.unique(label * size + product, return_inverse=True)
        self._product = keys % size
        super().__init__(number, self._product, cells.exposures * (label > 0))  # how regions differ about each product
        self._labels, self._categories = labels, categories
        begins = np.searchsorted(keys, np.arange(int(labels.max()) + 2) * size)
        self._begins = np.column_stack([begins[:-1], begins[1:]])
        self._begins[0] = 0

    def by_group(self, noise: float) -> Values:
        """Return what holds for a product that the region has not shown, (groups, codes, 2): no mean, and a variance."""
        found = np.zeros((len(self._labels), self._categories, 2))
        found[..., 1] = OF_PRODUCTS_DRAWN * self.spread
        return found

    def own(self, noise: float) -> tuple[Rows, Values, Rows]:
        """Return the products that have an effect, (k,), its mean and what its variance is other than `by_group` says, (k, 2), and
        which of them are a group's: first and one after the last, (groups, 2)."""
        less = OF_PRODUCTS_DRAWN * (self.variance(noise) - self.spread)
        return self._product, np.column_stack([self.mean, less]), self._begins[self._labels]


Part = OfCategories | OfProducts


def parts_of_cells(cells: Cells, product: Rows, own: OwnEffects, categories: int, kinds: Collection[str]) -> list[Part]:
    """Return the effects to find, of these kinds; `product` (n,) is the number of each cell's in `own`."""
    labels, category = _labels(cells.regions), own.codes[product]
    parts: list[Part] = [
        OfCategories(of, cells, category, categories)
        for of, kind in zip(labels, OF_CATEGORIES, strict=True)
        if kind in kinds and of.any()
    ]
    if OF_PRODUCTS in kinds and labels[0].any() and len(product):
        parts.append(OfProducts(labels[0], cells, product, categories))
    return parts


def fit(
    parts: Sequence[Part], cells: Cells, product: Rows, own: OwnEffects, noise: float, mean_reward: float
) -> Values:
    """Find the parts' effects in turn with the products' own; return what they explain of each product's residuals."""
    size = len(own.exposures)
    spread = effect_variance(own.exposures, own.residuals, own.codes, noise, mean_reward)
    explained, together = np.zeros(size), np.zeros(len(product))
    for _ in range(MOST_TURNS):
        mean, _ = own_effects(own.exposures, own.residuals - explained, own.codes, noise, spread)
        left, before = cells.unexplained - cells.exposures * mean[product], together
        for part in parts:
            together = together - part.of_cells()
            part.fit(left - cells.exposures * together, noise, SIZE * mean_reward)
            together = together + part.of_cells()
        explained = _summed(product, cells.exposures * together, size)
        changed = together - before
        if changed @ changed <= ENOUGH**2 * (together @ together):
            break
    return explained


def _labels(groups: list[str]) -> list[Rows]:
    """Numbers of the groups' regions, devices and times of day, (groups,) each, from 1 on; 0 for what is empty."""
    named = [parts_of_group(group) for group in groups]
    found = []
    for part in range(len(OF_CATEGORIES)):
        number_of: dict[str, int] = {"": 0}
        labels = [number_of.setdefault(parts[part], len(number_of)) for parts in named]
        found.append(np.array(labels, dtype=np.int64))
    return found


def _summed(group: Rows, values: Values, groups: int) -> Values:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)
