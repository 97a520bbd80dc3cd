"""Effects of categories and of products in a region, next to the products' own: what a region's visitors like more or less.

Where visits are told apart by device or time of day too, what stands here as a region is a group of all of these, see
`state/session/group.py`. How the effects are found says `state/choosing/crossed.py`.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Rows
from state.choosing.crossed import OfProducts, OwnEffects, fit, parts_of_cells
from state.choosing.model_cells import Cells
from state.session.group import SEPARATOR, region_alone

Values = NDArray[np.float64]


class Regional(NamedTuple):
    """Effects of categories by region: mean, and variance as it is drawn, by the region's number and the category's code,
    (regions, codes, 2). The number 0 is that of a region of which nothing is known; `regions` are numbers by name.

    `rows` (n,) are catalogue's rows of products that have an effect of their own in a region, `values` (n, 2) its mean and what its
    variance is other than that of a product of which nothing is known in the region, which is in `effects`; those of a region are
    the ones from `begins` (regions, 2) to below, by the region's number.
    """

    regions: dict[str, int]
    effects: Values
    rows: Rows
    values: Values
    begins: Rows

    def of(self, region: str) -> "InRegion":
        """Return what is known of the region; of a group that is not known, what its region has alone; `NOWHERE` for no region."""
        if not region or not len(self.effects):
            return NOWHERE
        number = self.regions.get(region)
        if number is None:
            number = self.regions.get(region_alone(region), 0) if SEPARATOR in region else 0
        span = slice(*self.begins[number].tolist())
        return InRegion(self.effects[number], span, self.rows[span], self.values[span])


class InRegion(NamedTuple):
    """Effects in one region: of categories by code, `effects` (codes, 2), and of products, `rows` (k,) and `values` (k, 2); `span`
    is where the products are in `Regional`."""

    effects: Values
    span: slice
    rows: Rows
    values: Values

    def means(self, codes: Rows, rows: Rows) -> Values:
        """Return the mean effects of products and of their categories together, (n,); 0 where there is none."""
        found: Values = np.zeros(len(rows))
        is_known = codes < len(self.effects)
        found[is_known] = self.effects[codes[is_known], 0]
        if len(self.rows):
            at = places_in(self.rows, rows)
            found += np.where(at >= 0, self.values[at, 0], 0.0)
        return found


NOWHERE = InRegion(np.zeros((0, 2)), slice(0, 0), np.zeros(0, np.int64), np.zeros((0, 2)))
NO_EFFECTS = Regional({"": 0}, np.zeros((0, 0, 2)), NOWHERE.rows, NOWHERE.values, np.zeros((1, 2), np.int64))


def places_in(ordered: Rows, rows: Rows) -> Rows:
    """Return where each of the rows (n,) is among those in ascending order; -1 for one that is not."""
    if not len(ordered):
        return np.full(len(rows), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
    return np.where(ordered[at] == rows, at, -1)


def regional_effects(
    cells: Cells,
    exposures: Values,
    residuals: Values,
    codes: Rows,
    categories: int,
    noise: float,
    mean_reward: float,
    kinds: Collection[str],
) -> tuple[Regional, Values]:
    """Return the regions' effects of these kinds, and what they explain of each product's residuals, (products,).

    `exposures`, `residuals` and `codes` (products,) are the products' own, over all regions; `cells.unexplained` are residuals of
    the same kind. `noise` is σ².
    """
    explained = np.zeros(len(exposures))
    if not len(cells.rows):
        return NO_EFFECTS, explained
    shown = np.flatnonzero(exposures > 0)  # the catalogue may be a hundred times as large
    place = places_in(shown, cells.rows)
    is_shown = place >= 0
    some = Cells(
        cells.regions,
        cells.region[is_shown],
        cells.rows[is_shown],
        cells.exposures[is_shown],
        cells.unexplained[is_shown],
        cells.share[is_shown],
    )
    product, regions = place[is_shown], {name: number for number, name in enumerate(cells.regions)}
    own = OwnEffects(exposures[shown], residuals[shown], codes[shown])
    parts = parts_of_cells(some, product, own, categories, kinds)
    explained[shown] = fit(parts, some, product, own, noise, mean_reward)
    effects = np.zeros((len(regions), categories, 2))
    for part in parts:
        effects += part.by_group(noise)
    of_products = next((part.own(noise) for part in parts if isinstance(part, OfProducts)), None)
    if of_products is None:
        none = np.zeros((len(regions), 2), np.int64)
        return Regional(regions, effects, NO_EFFECTS.rows, NO_EFFECTS.values, none), explained
    place_of, values, begins = of_products
    return Regional(regions, effects, shown[place_of], values, begins), explained
