"""What the model knows of every listed product on its own: counts, rates, and the product's own effect."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import UNLISTED, Catalogue, Rows
from state.choosing.crossed import OF_CATEGORIES
from state.choosing.model_cells import Cells, ModelCells
from state.choosing.regional import NO_EFFECTS, regional_effects
from state.choosing.shrinkage import effect_variance, own_effects
from state.kernels.columns import OWN_COLUMNS, STATIC_COLUMNS, TABLE_COLUMNS, ProductColumn
from state.model.posterior import PRIOR_NOISE, PRIOR_REWARD
from state.model.predictor import Predictor

Values = NDArray[np.float64]

RATE_PRIOR = 20.0
"""Exposures' worth of the category's rate in a product's own."""
LARGEST_LOG_RATIO = 3.0


class ModelRows:
    """The catalogue's rows of a model's products. One model after the other has mostly the same products in the same order, so only
    what is new of them is looked up."""

    def __init__(self) -> None:
        self._product_ids: list[str] = []
        self._rows: Rows = np.zeros(0, dtype=np.int64)
        self._moves = -1
        self.cells = ModelCells()

    def of(self, catalogue: Catalogue, product_ids: list[str]) -> Rows:
        """Return the rows of these products, (products,); -1 for one that is not held."""
        known = len(self._product_ids)
        if catalogue.moves != self._moves or product_ids[:known] != self._product_ids:
            known = 0
        row_of = catalogue.row_of
        new = [row_of.get(product, -1) for product in product_ids[known:]]
        self._rows = np.concatenate([self._rows[:known], np.array(new, dtype=np.int64)])
        self._product_ids, self._moves = product_ids, catalogue.moves
        return self._rows


class Rates:
    """Rates by catalogue row, (rows,) each, as of the snapshot; row 0 stands for a product that is not listed.

    Attributes:
        exposures, rewards: weighted count and sum.
        rate: reward per exposure, shrunk to the category's, `prior`, which is shrunk to the whole's.
        log_ratio: log of rate over the whole's, clipped and scaled to [-1, 1].
        uncertainty: 1/√(1 + exposures).
        effect, effect_variance: posterior of the product's own effect, what the features do not say of it.
        regional: the effects by region next to those, of the kinds that are asked for.
        table: (rows, 16) float32, all that a choice needs of a product in one place, see `ProductColumn`. Times of creation are
            right to minutes.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        predictor: Predictor | None,
        rows: ModelRows | None = None,
        *,
        kinds: Collection[str] = OF_CATEGORIES,
    ) -> None:
        rows = rows or ModelRows()
        size, categories = len(catalogue.product_ids), len(catalogue.category_ids)
        codes = catalogue.category[:size]
        mean = predictor.posterior.mean_reward if predictor else PRIOR_REWARD
        self.exposures, self.rewards, unexplained, share = _by_row(catalogue, predictor, rows)
        n = np.bincount(codes, weights=self.exposures, minlength=categories)
        r = np.bincount(codes, weights=self.rewards, minlength=categories)
        by_category = (r + RATE_PRIOR * mean) / (n + RATE_PRIOR)
        self.prior = np.clip(by_category, 0.0, 1.0)[codes]
        rate = (self.rewards + RATE_PRIOR * by_category[codes]) / (self.exposures + RATE_PRIOR)
        self.rate = np.clip(rate, 0.0, 1.0)
        self.log_ratio = _log_ratio(rate, mean)
        self.uncertainty = 1 / np.sqrt(1 + self.exposures)
        own = predictor.own_rate if predictor else np.zeros(3)
        unexplained = unexplained - own[2] * self.exposures * self.uncertainty
        typical = (
            unexplained - own[0] * self.exposures * _log_ratio(by_category, mean)[codes] - own[1] * self.prior * share
        )
        known = unexplained - own[0] * self.exposures * self.log_ratio - own[1] * self.rate * share
        noise = predictor.posterior.noise if predictor else PRIOR_NOISE
        self.regional = NO_EFFECTS
        if predictor is not None and predictor.cells and kinds:
            cells = self._unexplained(rows.cells.of(catalogue, predictor.cells, predictor.cell_statistics), own)
            self.regional, explained = regional_effects(
                cells, self.exposures, known, codes, categories, noise, mean, kinds
            )
            typical, known = typical - explained, known - explained
        self._compute_effects(typical, known, codes, noise, mean)
        self.table = np.zeros((size, TABLE_COLUMNS), dtype=np.float32)
        self.table[:, :STATIC_COLUMNS] = catalogue.static[:size]
        shown = (self.effect, self.effect_variance, self.exposures, self.rewards, self.prior)
        for column, values in zip(OWN_COLUMNS, shown, strict=True):
            self.table[:, column] = values
        self.table[:, ProductColumn.LOG_RATIO] = self.log_ratio
        self.table[:, ProductColumn.RATE] = self.rate
        self.table[:, ProductColumn.UNCERTAINTY] = self.uncertainty

    def _compute_effects(self, typical: Values, known: Values, codes: Rows, noise: float, mean: float) -> None:
        """The own effect's mean is what is left when the features know the product's rate as they do now; its variance is
        that of a product about a typical one of its category, which is what nobody knows of one that was never shown.

        Residuals are taken with the features of the present rate, not with those of the time of the exposure: what a product
        has earned since is in the features already, and would count twice.
        """
        left = effect_variance(self.exposures, known, codes, noise, mean)
        self.spread = effect_variance(self.exposures, typical, codes, noise, mean)
        self.effect, _ = own_effects(self.exposures, known, codes, noise, left)
        _, self.effect_variance = own_effects(self.exposures, typical, codes, noise, self.spread)

    def _unexplained(self, cells: Cells, own: Values) -> Cells:
        """Cells without what the features of the products' present rates explain of them."""
        n, rows = cells.exposures, cells.rows
        explained = own[0] * n * self.log_ratio[rows] + own[1] * self.rate[rows] * cells.share
        return cells._replace(unexplained=cells.unexplained - explained - own[2] * n * self.uncertainty[rows])

    def known(self, rows: Rows) -> Rows:
        """Return the rows to look up: a product newer than the snapshot's rates has those of an unlisted one."""
        return rows if not len(rows) or rows.max() < len(self.rate) else np.where(rows < len(self.rate), rows, UNLISTED)


def _log_ratio(rate: Values, mean: float) -> Values:
    ratio: Values = np.log(np.maximum(rate, 1e-6) / mean)
    return np.clip(ratio, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO) / LARGEST_LOG_RATIO


def _by_row(
    catalogue: Catalogue, predictor: Predictor | None, known: ModelRows
) -> tuple[Values, Values, Values, Values]:
    """The snapshot's four statistics, (rows,) each; 0 for a product that it does not have."""
    table = np.zeros((4, len(catalogue.product_ids)))
    if predictor is not None and predictor.product_ids:
        rows = known.of(catalogue, predictor.product_ids)
        listed = rows >= 0
        table[:, rows[listed]] = predictor.statistics[listed].T
        table[0] = np.maximum(0.0, table[0])
    return table[0], table[1], table[2], table[3]
