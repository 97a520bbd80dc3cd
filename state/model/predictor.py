"""A snapshot made ready to score with."""

import numpy as np
from numpy.typing import NDArray

from state.codec import reading
from state.feature_set import own_rate_columns, prior_of
from state.model.apprenticeship import lead_of_model
from state.model.disjoint import Arms, arm_width
from state.model.posterior import Posterior
from state.model.snapshot import Snapshot
from state.model.snapshot_check import all_finite, check_snapshot, require
from state.model.sums import Sums


class Predictor:
    """A snapshot ready to score with. Making one is the test of a snapshot: what is wrong with it shows here, and not later.

    Raises:
        UnreadableError: the snapshot is not sound, or its sums cannot be factorised.

    Attributes:
        theta: (d,) coefficients; `own_rate` (3,) those of the features of the product's own rate.
        lead: standard errors by which the model's items earn more than those of the shop's own order.
        statistics: (products, 4) by `product_ids`: the snapshot's counts and residuals; `cell_statistics` the same by `cells`.
        arms: the products' own models in the disjoint form, else None.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        with reading("the model snapshot"), np.errstate(all="ignore"):
            self._use(snapshot, snapshot.seen(check_snapshot(snapshot)))
            self._check()

    def _use(self, snapshot: Snapshot, sums: Sums) -> None:
        self.model_version = snapshot.model_version
        prior = prior_of(snapshot.feature_set, sums.dimension)
        self.posterior = Posterior.of(sums, snapshot.ridge, snapshot.model_version, prior)
        self.examination: list[float] = sums.examination().tolist()
        self.theta = self.posterior.theta
        self.lead = lead_of_model(sums.fade(snapshot.model_version) * sums.compared, self.posterior.noise)
        own = own_rate_columns(snapshot.feature_set)
        self.own_rate = self.theta[own] if own else np.zeros(3)
        self.river = snapshot.river
        self.product_ids = snapshot.product_ids
        self.cells = snapshot.cells
        self.statistics = _statistics(snapshot.counts, snapshot.residuals)
        self.cell_statistics = _statistics(snapshot.cell_counts, snapshot.cell_residuals)
        self.arms: Arms | None = None
        if snapshot.form == "disjoint":
            table = np.frombuffer(snapshot.arms, dtype="<f8").reshape(-1, arm_width(sums.dimension))
            self.arms = Arms.of(self.product_ids, self.statistics[:, 0], table, sums.dimension, snapshot.ridge)

    def _check(self) -> None:
        """Refuses what came of numbers that each were fine."""
        posterior, arms = self.posterior, self.arms
        require(posterior.is_proper, "its sums cannot be factorised: no exposures sum up to them")
        require(
            all_finite(self.theta, posterior.whitener, posterior.noise, posterior.weight, self.examination),
            "its coefficients are not finite",
        )
        require(all_finite(self.statistics, self.cell_statistics), "a product's numbers are not finite")
        require(arms is None or all_finite(arms.theta, arms.covariance, arms.noise), "a product's model is not finite")
        require(arms is None or arms.is_proper, "a product's sums cannot be factorised")


def _statistics(counts: bytes, residuals: bytes) -> NDArray[np.float64]:
    of_counts, of_residuals = np.frombuffer(counts, dtype="<f8"), np.frombuffer(residuals, dtype="<f4")
    return np.column_stack([of_counts.reshape(-1, 2), of_residuals.reshape(-1, 2)])
