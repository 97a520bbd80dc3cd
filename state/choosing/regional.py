"""Effects of a category in a region, next to the products' own: what visitors of a region like more or less than others do.

Residuals of product p in region r are u_p + v_{r,c(p)} + noise, with v ~ N(0, τ_v²) about the products' own effects u. Both are
found together, by turns: each is the best linear predictor given the other (Gauss-Seidel on the mixed model equations; Robinson
1991, "That BLUP is a good thing", section 2; Breiman and Friedman 1985 call it backfitting). So what a region explains is not
in the product's own effect as well.

Where visits are told apart by device or time of day too, what stands here as a region is a group of all of these, see
`state/session/group.py`, and its v is the sum of one for each part, which are found in turn as well.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Catalogue, Rows
from state.catalogue.name_column import plain_name
from state.choosing.shrinkage import effect_variance, own_effects
from state.model.cells import parts_of
from state.session.group import SEPARATOR, parts_of_group, region_alone

Values = NDArray[np.float64]

TURNS = 6
"""Of finding the products' effects and the regions' in turn; what is left to find after them is less than their deviations."""
TURNS_OF_PARTS = 24
"""Where groups have several parts, which may go together: nine tenths of all phones in one region need so many."""
MOST_REGIONS = 256
"""Regions that have effects, those with the most exposures; others count as unknown."""
PART_ALONE = 4
"""A fourth of them at most stand for regions of groups that are not known."""
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
    (regions, codes, 2). The number 0 is that of a region of which nothing is known; `regions` are numbers by name."""

    regions: dict[str, int]
    effects: Values

    def of(self, region: str) -> Values:
        """Return mean and variance by code, (codes, 2); (0, 2) where the session has no region.

        A group that is not known has what its region has alone.
        """
        if not region or not len(self.effects):
            return self.effects[:0].reshape(0, 2)
        number = self.regions.get(region)
        if number is None:
            number = self.regions.get(region_alone(region), 0) if SEPARATOR in region else 0
        effects: Values = self.effects[number]
        return effects


NO_EFFECTS = Regional({"": 0}, np.zeros((0, 0, 2)))


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
    """Numbers of at most so many regions, those with the most exposures first; of groups also their regions alone."""
    total: dict[str, float] = {}
    alone: dict[str, float] = {}
    for region, count in zip(regions, exposures.tolist(), strict=True):
        total[region] = total.get(region, 0.0) + count
        if SEPARATOR in region:
            name = region_alone(region)
            alone[name] = alone.get(name, 0.0) + count
    kept = _most_shown(alone)[: most // PART_ALONE]
    named = dict.fromkeys([*_most_shown(total)[: most - len(kept)], *kept])
    return {name: number for number, name in enumerate(named, start=1)}


def _most_shown(total: dict[str, float]) -> list[str]:
    return sorted((name for name in total if plain_name(name) is not None), key=lambda name: -total[name])


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
    return Regional({name: number for number, name in enumerate(cells.regions)}, effects), explained


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
    """Effects (groups, codes, 2), and what they explain of the residuals of each product that was shown; `product` (n,) is the
    number of each cell's among those.

    Of a group's effect each part has its own, by region, by device and by time of day, which are found in turn as well.
    """
    size, category = len(exposures), codes[product]
    parts = [_Part(labels, cells, category, categories) for labels in _labels(cells.regions) if labels.any()]
    spread = effect_variance(exposures, residuals, codes, noise, mean_reward)
    explained = np.zeros(size)
    for _ in range(TURNS if len(parts) == 1 else TURNS_OF_PARTS):
        own, _ = own_effects(exposures, residuals - explained, codes, noise, spread)
        left = cells.unexplained - cells.exposures * own[product]
        for part in parts:
            others = sum((other.of_cells() for other in parts if other is not part), start=np.zeros(len(product)))
            part.fit(left - cells.exposures * others, noise, SIZE * mean_reward)
        together = sum((part.of_cells() for part in parts), start=np.zeros(len(product)))
        explained = _summed(product, cells.exposures * together, size)
    effects = np.zeros((len(cells.regions), categories, 2))
    for part in parts:
        effects += part.by_group(noise)
    return effects, explained


class _Part:
    """Effects of categories by one part of the groups: `labels` (groups,) are its values by number, 0 where it is not known."""

    def __init__(self, labels: Rows, cells: Cells, category: Rows, categories: int) -> None:
        self._labels, self._categories = labels, categories
        self._known = labels[cells.region] > 0
        self._cell = labels[cells.region] * categories + category
        size = (int(labels.max()) + 1) * categories
        self._n = _summed(self._cell, cells.exposures * self._known, size)
        self._codes = np.arange(size) % categories
        self._effect, self._spread = np.zeros(size), 0.0

    def of_cells(self) -> Values:
        """Return the effect in each cell."""
        found: Values = self._effect[self._cell]
        return found

    def fit(self, left: Values, noise: float, mean_reward: float) -> None:
        """Find the effects of what the others leave of the cells' rewards."""
        summed = _summed(self._cell, left * self._known, len(self._n))
        self._spread = effect_variance(self._n, summed, self._codes, noise, mean_reward)
        self._effect = summed / (self._n + noise / self._spread)

    def by_group(self, noise: float) -> Values:
        """Return means, and variances as they are drawn, (groups, codes, 2)."""
        variance = DRAWN * noise / (self._n + noise / self._spread)
        found = np.stack([self._effect, variance], axis=1).reshape(-1, self._categories, 2)
        by_group: Values = found[self._labels]
        return by_group


def _labels(groups: list[str]) -> list[Rows]:
    """Numbers of the groups' regions, devices and times of day, (groups,) each, from 1 on; 0 for what is empty."""
    named = [parts_of_group(group) for group in groups]
    found = []
    for part in range(3):
        number_of: dict[str, int] = {"": 0}
        labels = [number_of.setdefault(parts[part], len(number_of)) for parts in named]
        found.append(np.array(labels, dtype=np.int64))
    return found


def _summed(group: Rows, values: Values, groups: int) -> Values:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)
