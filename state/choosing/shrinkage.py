"""Normal random effects from sums: how much of what a group has shown is its own, and by how much groups differ."""

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Rows

Values = NDArray[np.float64]

PRIOR_SPREAD = 0.5
"""τ as a share of the mean reward before products have shown by how much they differ."""
PRIOR_SPREAD_PRODUCTS = 10.0
"""Products' worth of that in the estimate of τ²."""
SMALLEST_SPREAD = 0.1
"""τ is never less than this share of the mean reward: products that look alike so far must not freeze."""


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
