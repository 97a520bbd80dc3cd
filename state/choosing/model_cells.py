"""The numbers of a model's cells, products in regions, by the catalogue's rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Catalogue, Rows
from state.catalogue.name_column import plain_name
from state.model.cells import parts_of
from state.session.group import SEPARATOR, region_alone

Values = NDArray[np.float64]

MOST_REGIONS = 256
"""Regions that have effects, those with the most exposures; others count as unknown."""
PART_ALONE = 4
"""A fourth of them at most stand for regions of groups that are not known."""
MOST_EFFECTS = 1 << 16
"""Regions × categories: where there are many categories, fewer regions have effects."""

LARGEST_REWARD = 40.0
"""What an exposure can leave unexplained: rewards lie in [-1, 1], and what is examined by a twentieth counts by as much. A cell has
more where nearly all that it had of exposures was taken back: a visitor's group had changed, and what was told in one was taken
back from another, at another age."""


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
        held &= np.abs(statistics[:, 2]) <= LARGEST_REWARD * statistics[:, 0]
        exposures, _, unexplained, share = statistics[held].T
        return Cells(["", *number_of], region[held], rows[held], exposures, unexplained, share)


def _numbers(regions: list[str], exposures: Values, most: int) -> dict[str, int]:
    """Numbers of at most so many regions, those with the most exposures first; of groups also their regions alone."""
    total: dict[str, float] = {}
    alone: dict[str, float] = {}
    for region, count in zip(regions, exposures.tolist(), strict=True):
        total[region] = total.get(region, 0.0) + count
        name = region_alone(region) if SEPARATOR in region else ""
        if name:
            alone[name] = alone.get(name, 0.0) + count
    kept = _most_shown(alone)[: most // PART_ALONE]
    named = dict.fromkeys([*_most_shown(total)[: most - len(kept)], *kept])
    return {name: number for number, name in enumerate(named, start=1)}


def _most_shown(total: dict[str, float]) -> list[str]:
    return sorted((name for name in total if plain_name(name) is not None), key=lambda name: -total[name])
