"""Effects of a category in a region, next to the products' own: what visitors of a region like more or less than others do.

Residuals of product p in region r are u_p + v_{r,c(p)} + noise, with v ~ N(0, τ_v²) about the products' own effects u. Both are
found together, by turns: each is the best linear predictor given the other (Gauss-Seidel on the mixed model equations; Robinson
1991, "That BLUP is a good thing", section 2; Breiman and Friedman 1985 call it backfitting). So what a region explains is not
in the product's own effect as well.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Catalogue, Rows
from state.catalogue.name_column import plain_name
from state.choosing.shrinkage import effect_variance, own_effects
from state.model.cells import parts_of

Values = NDArray[np.float64]

TURNS = 6
"""Of finding the products' effects and the regions' in turn; what is left to find after them is less than their deviations."""
MOST_REGIONS = 256
"""Regions that have effects, those with the most exposures; others count as unknown."""
MOST_EFFECTS = 1 << 16
"""Regions × categories: where there are many categories, fewer regions have effects."""
SIZE = 0.3
"""How large the effects are expected to be, as a share of what is expected of the products' own."""
DRAWN = 0.1
"""The part of an effect's variance that is drawn. All items of a category share the effect, and each is drawn for itself: drawn in
full, what is not known of one number is paid for with every item."""


class Cells(NamedTuple):
    """Products in regions: the region's number from 1 on and the catalogue's row of each of n cells, with its exposures, what the
    features leave unexplained of its rewards, and its summed category shares, (n,) each. `regions` are names by number, of 0 empty.
    """

    regions: list[str]
    region: Rows
    rows: Rows
    exposures: Values
    unexplained: Values
    share: Values


class Regional(NamedTuple):
    """Effects of categories by region: mean, and variance as it is drawn, by the region's number and the category's code,
    (regions, codes, 2). The number 0 is that of a region of which nothing is known."""

    regions: list[str]
    effects: Values

    def of(self, region: str) -> Values:
        """Return mean and variance by code, (codes, 2); (0, 2) where the session has no region."""
        if not region or not len(self.effects):
            return self.effects[:0].reshape(0, 2)
        effects: Values = self.effects[self.regions.index(region) if region in self.regions else 0]
        return effects


NO_EFFECTS = Regional([""], np.zeros((0, 0, 2)))


class ModelCells:
    """The numbers of a model's cells. One model after the other has mostly the same cells in the same order, so only what is new of
    them is taken apart."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._parts: list[tuple[str, str]] = []

    def of(self, catalogue: Catalogue, cells: list[str], statistics: Values) -> Cells:
        """Return those cells whose product the catalogue has and whose region the compiled core can name."""
        known = len(self._cells)
        if cells[:known] != self._cells:
            known = 0
        self._parts = self._parts[:known] + [parts_of(cell) for cell in cells[known:]]
        self._cells = cells
        row_of = catalogue.row_of
        rows = np.array([row_of.get(product, -1) for _, product in self._parts], dtype=np.int64)
        most = min(MOST_REGIONS, MOST_EFFECTS // max(1, len(catalogue.category_ids)))
        number_of = _numbers([region for region, _ in self._parts], statistics[:, 0], most)
        region = np.array([number_of.get(name, 0) for name, _ in self._parts], dtype=np.int64)
        held = (rows >= 0) & (region > 0) & (statistics[:, 0] > 0)
        exposures, _, unexplained, share = statistics[held].T
        return Cells(["", *number_of], region[held], rows[held], exposures, unexplained, share)


def _numbers(regions: list[str], exposures: Values, most: int) -> dict[str, int]:
    """Numbers of at most so many regions, those with the most exposures first."""
    total: dict[str, float] = {}
    for region, count in zip(regions, exposures.tolist(), strict=True):
        total[region] = total.get(region, 0.0) + count
    shown = sorted((name for name in total if plain_name(name) is not None), key=lambda name: -total[name])
    return {name: number for number, name in enumerate(shown[:most], start=1)}


def regional_effects(
    cells: Cells, exposures: Values, residuals: Values, codes: Rows, categories: int, noise: float, mean_reward: float
) -> tuple[Regional, Values]:
    """Return the regions' effects, and what they explain of each product's residuals, (products,).

    `exposures`, `residuals` and `codes` (products,) are the products' own, over all regions; `cells.unexplained` are residuals of
    the same kind. `noise` is σ².
    """
    explained = np.zeros(len(exposures))
    if not len(cells.rows):
        return NO_EFFECTS, explained
    shown = np.flatnonzero(exposures > 0)  # the catalogue may be a hundred times as large
    place = np.minimum(np.searchsorted(shown, cells.rows), len(shown) - 1)
    is_shown = shown[place] == cells.rows if len(shown) else np.zeros(len(place), np.bool_)
    some = Cells(cells.regions, *(column[is_shown] for column in cells[1:]))
    effects, found = _found(
        some, place[is_shown], exposures[shown], residuals[shown], codes[shown], categories, noise, mean_reward
    )
    explained[shown] = found
    return Regional(cells.regions, effects), explained


def _found(
    cells: Cells,
    product: Rows,
    exposures: Values,
    residuals: Values,
    codes: Rows,
    categories: int,
    noise: float,
    mean_reward: float,
) -> tuple[Values, Values]:
    """Effects (regions, codes, 2), and what they explain of the residuals of each product that was shown; `product` (n,) is the
    number of each cell's among those."""
    size, regions = len(exposures), len(cells.regions)
    group = cells.region * categories + codes[product]
    n = _summed(group, cells.exposures, regions * categories)
    of_group = np.tile(np.arange(categories), regions)
    spread = effect_variance(exposures, residuals, codes, noise, mean_reward)
    effect, explained, spread_of_effects = np.zeros(len(n)), np.zeros(size), 0.0
    for _ in range(TURNS):
        own, _ = own_effects(exposures, residuals - explained, codes, noise, spread)
        left = _summed(group, cells.unexplained - cells.exposures * own[product], len(n))
        spread_of_effects = effect_variance(n, left, of_group, noise, SIZE * mean_reward)
        effect = left / (n + noise / spread_of_effects)
        explained = _summed(product, cells.exposures * effect[group], size)
    variance = DRAWN * noise / (n + noise / spread_of_effects)
    return np.stack([effect, variance], axis=1).reshape(regions, categories, 2), explained


def _summed(group: Rows, values: Values, groups: int) -> Values:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)
