"""What the model knows of every listed product on its own: counts, rates, and the product's own effect."""

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import UNLISTED, Catalogue, Rows
from state.kernels.columns import OWN_COLUMNS, STATIC_COLUMNS, TABLE_COLUMNS, ProductColumn
from state.model.posterior import PRIOR_NOISE, PRIOR_REWARD
from state.model.predictor import Predictor

Values = NDArray[np.float64]

RATE_PRIOR = 20.0
"""Exposures' worth of the category's rate in a product's own."""
LARGEST_LOG_RATIO = 3.0
PRIOR_SPREAD = 0.5
"""τ as a share of the mean reward before products have shown by how much they differ."""
PRIOR_SPREAD_PRODUCTS = 10.0
"""Products' worth of that in the estimate of τ²."""
SMALLEST_SPREAD = 0.1
"""τ is never less than this share of the mean reward: products that look alike so far must not freeze."""


class ModelRows:
    """The catalogue's rows of a model's products. One model after the other has mostly the same products in the same order, so only
    what is new of them is looked up."""

    def __init__(self) -> None:
        self._product_ids: list[str] = []
        self._rows: Rows = np.zeros(0, dtype=np.int64)
        self._moves = -1

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
        table: (rows, 16) float32, all that a choice needs of a product in one place, see `ProductColumn`. Times of creation are
            right to minutes.
    """

    def __init__(self, catalogue: Catalogue, predictor: Predictor | None, rows: ModelRows | None = None) -> None:
        size, categories = len(catalogue.product_ids), len(catalogue.category_ids)
        codes = catalogue.category[:size]
        mean = predictor.posterior.mean_reward if predictor else PRIOR_REWARD
        self.exposures, self.rewards, unexplained, share = _by_row(catalogue, predictor, rows or ModelRows())
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


def own_effects(n: Values, residuals: Values, codes: Rows, noise: float, spread: float) -> tuple[Values, Values]:
    """Return posterior mean and variance of each product's own effect u, (products,) each.

    Residuals of product p in category c are u + noise with u ~ N(m_c, τ²): the best linear predictor of a normal random effect
    (Robinson 1991, "That BLUP is a good thing", section 5.2; Efron and Morris 1975 for the shrinkage) is, with κ = σ²/τ²,
    û = (Σ w residual + κ m_c)/(n + κ) with variance σ²/(n + κ); so τ² and the category's mean for a product that nobody has
    seen. m_c is the category's mean residual, shrunk to 0 by the same κ.
    """
    kappa = noise / spread
    total = np.bincount(codes, weights=residuals)
    count = np.bincount(codes, weights=n)
    category_mean = total / (count + kappa)
    return (residuals + kappa * category_mean[codes]) / (n + kappa), noise / (n + kappa)


def effect_variance(n: Values, residuals: Values, codes: Rows, noise: float, mean_reward: float) -> float:
    """Return τ², the variance of products' own effects within their category.

    The analysis-of-variance estimator for an unbalanced one-way layout (Searle, Casella, McCulloch 1992, "Variance components",
    section 3.6; DerSimonian and Laird 1986, eq. 8, is the case of one category): with Q = Σ n_p (ē_p - ē_c)² over P products in
    C categories, E Q = σ²(P - C) + τ² K and K = Σ_c (N_c - Σ n_p²/N_c). The estimate (Q - σ²(P - C))/K is unbiased and may be
    negative while little is known, so it is averaged with the prior (half the mean reward)², which weighs as ten products, and
    kept above (a tenth of the mean reward)². Weights that have decayed are taken as so many fewer exposures.
    """
    prior, floor = (PRIOR_SPREAD * mean_reward) ** 2, (SMALLEST_SPREAD * mean_reward) ** 2
    shown = n > 0
    n, residuals, codes = n[shown], residuals[shown], codes[shown]
    if not len(n):
        return prior
    count = np.bincount(codes, weights=n)
    total = np.bincount(codes, weights=residuals)
    present = count > 0
    q = float((residuals**2 / n).sum() - (total[present] ** 2 / count[present]).sum())
    k = float(count.sum() - (np.bincount(codes, weights=n**2)[present] / count[present]).sum())
    freedom = len(n) - int(present.sum())
    if k <= 0 or not freedom:
        return prior
    # How many products' worth the estimate is: one that is shown often says as much as if its effect were seen, one that is
    # hardly shown says nothing (the Fisher information about τ² of each, at the prior, against that).
    worth = freedom * float(((n / (n + noise / prior)) ** 2).mean())
    estimate = (q - noise * freedom) / k
    return max(floor, (worth * estimate + PRIOR_SPREAD_PRODUCTS * prior) / (worth + PRIOR_SPREAD_PRODUCTS))
