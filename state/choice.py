"""Choosing a slate: candidates, features, prediction, policy."""

import numpy as np
from numpy.typing import NDArray

from state.candidates import find_candidates
from state.catalogue import Catalogue
from state.configuration import Settings
from state.features import FEATURE_SET, Candidates, Context, Features, Rates, features
from state.interest import Interest
from state.model import Predictor
from state.policy import policy_from
from state.slate import FullChoice, Slate

SMALLEST_ENGAGEMENT = 0.001
Values = NDArray[np.float64]


class Chooser:
    """The newest catalogue and model, and the policy that chooses with them."""

    def __init__(self, settings: Settings, rng: np.random.Generator) -> None:
        self.settings = settings
        self.rng = rng
        self.catalogue = Catalogue(settings.candidates.max_products, settings.candidates.per_category)
        self.policy = policy_from(settings.bandit)
        self.predictor: Predictor | None = None
        self.rates = Rates(self.catalogue, None)
        self.examination: list[float] = []

    def use_model(self, predictor: Predictor) -> None:
        """Scores with this model from now on."""
        self.predictor = predictor
        self.rates = Rates(self.catalogue, predictor)
        self.examination = predictor.examination if self.settings.exposure.model == "position" else []

    def refresh(self, now_ms: int) -> None:
        """Brings candidate lists up to date with the catalogue."""
        if self.catalogue.refresh(now_ms):
            self.rates = Rates(self.catalogue, self.predictor)

    def predict(self, x: Features) -> Values:
        """Predicted engagement (n,) for features (n, d); 0 before a model has come or for another feature set's features."""
        if self.predictor is None or x.shape[1:] != self.predictor.theta.shape:
            return np.zeros(len(x))
        return x.astype(np.float64) @ self.predictor.theta

    def choose(self, context: Context, *, profile_version: int, cause: bytes) -> Slate:
        """A new slate under a new decision id."""
        bandit = self.settings.bandit
        candidates = find_candidates(context.interest, self.catalogue, self.settings.candidates.max, self.rng)
        x = features(candidates, context, self.catalogue, self.rates)
        values = self.predict(x)
        if bandit.order_by == "score":
            values = raw_scores(values, candidates.product_ids, candidates.category_ids, context.interest)
        choice = self.policy.choose(values, self.settings.profile.items, self.rng)
        return Slate(
            decision_id=f"{context.now_ms:x}-{int(self.rng.integers(1 << 48)):012x}",
            published_at_ms=context.now_ms,
            profile_version=profile_version,
            model_version=self.predictor.model_version if self.predictor else 0,
            policy=bandit.policy,
            variant=bandit.variant,
            feature_set=FEATURE_SET,
            cause=cause,
            product_ids=[candidates.product_ids[i] for i in choice.order],
            category_ids=[candidates.category_ids[i] for i in choice.order],
            propensity=choice.propensity,
            explored=choice.explored,
            features=x[choice.order].tobytes() if choice.order else b"",
            full=self._full(candidates, x, values),
        )

    def _full(self, candidates: Candidates, x: Features, values: Values) -> FullChoice | None:
        share = self.settings.decisions.full_share
        if not len(values) or not share or self.rng.random() >= share:
            return None
        marginal = self.policy.distribution(values, ()).tolist()
        return FullChoice(candidates.product_ids, x.tobytes(), marginal)


def engagement(values: Values) -> Values:
    """Predictions as engagement, clipped to [0.001, 1]."""
    return np.clip(values, SMALLEST_ENGAGEMENT, 1.0)


def raw_scores(values: Values, product_ids: list[str], category_ids: list[str], interest: Interest) -> Values:
    """The source paper's score before normalisation, (n,).

    Σ over the session's events of weight × engagement × 0.9^k × (1 + relevance), where an event is relevant by ½ to its category
    and by ½ more to its product (a thumb down: less). The sum over events is the session's total plus half the affinities.
    """
    factor: Values = base_weight(interest) + personal_weight(product_ids, category_ids, interest).sum(axis=0)
    return engagement(values) * factor


def base_weight(interest: Interest) -> float:
    """What every candidate is scored with: the decayed weight of all events, 1 where there are none."""
    return interest.total or 1.0


def personal_weight(product_ids: list[str], category_ids: list[str], interest: Interest) -> Values:
    """Half the affinities, (2, n): by product and by category; together never below minus the base."""
    base = base_weight(interest)
    by_product = np.array([0.5 * interest.products.get(product, 0.0) for product in product_ids])
    by_category = np.array([0.5 * interest.categories.get(category, 0.0) for category in category_ids])
    floor = np.minimum(0.0, by_product + by_category + base)
    return np.stack([by_product - floor, by_category])
