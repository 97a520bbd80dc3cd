"""Choosing a slate: candidates, features, prediction, policy."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.candidates.candidates import Candidates, find_candidates
from state.candidates.sources.shelf import Shelf
from state.candidates.sources.store import NOTHING, Resolved
from state.catalogue.catalogue import UNLISTED, Rows
from state.choosing.features import Context, Described, described
from state.choosing.first_pass import FirstPass
from state.choosing.merchandise import Merchandise
from state.choosing.rates import ModelRows, Rates
from state.choosing.thompson_slates import Drawn, ThompsonSlates
from state.choosing.variants import Assignment, models_of, settings_by_variant
from state.choosing.variety import Mix
from state.choosing.worth import worth
from state.configuration import Settings
from state.feature_set import DIMENSION, FEATURE_SET, prior_of
from state.kernels import SMALLEST_ENGAGEMENT
from state.model.apprenticeship import share_of_model
from state.model.disjoint import Arms
from state.model.merger import ModelConditions
from state.model.posterior import Posterior
from state.model.predictor import Predictor
from state.model.river.codec import first_of
from state.model.river.learner import RiverLearner
from state.model.sums import Sums
from state.policy import Belief, Decision, Rules, combine, policy_from
from state.policy.interleaved import Interleaved
from state.policy.normals import Normals
from state.policy.river import RiverPolicy
from state.policy.thompson import LinearThompson
from state.session.interest import Interest
from state.session.slate import FullChoice, Slate

Values = NDArray[np.float64]
RANK_EVERY_MS = 5_000
ORDER_OFFERED = 40
"""Products of the shop's own order that a choice can follow."""


class PublishedScore(Rules):
    """Rules that rank by the published score, as the source paper does, in place of the expected reward.

    Σ over the session's events of weight × engagement × 0.9^k × (1 + relevance), where an event is relevant by ½ to its category
    and by ½ more to its product (a thumb down: less). The sum over events is the session's total plus half the affinities.
    """

    def __init__(self, product_ids: list[str], category_ids: list[str], interest: Interest) -> None:
        personal = personal_weight(product_ids, category_ids, interest).sum(axis=0)
        self._factor = np.maximum(0.0, base_weight(interest) + personal)

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """See `Rules.rescore`."""
        rescored: NDArray[Any] = engagement(scores) * self._factor.astype(scores.dtype)
        return rescored


class Chooser:
    """The newest catalogue and model, and the policy that chooses with them.

    Holds the choosers of the other variants; they share its catalogue, and those with the same statistics their model.

    Attributes:
        model: the name of the statistics that it chooses by.
        learners: the keys and shards of all statistics, each of which learns every exposure.
        drift_target: the key of its statistics and its name, where drift is watched.
    """

    def __init__(self, settings: Settings, rng: np.random.Generator, shelf: Shelf | None = None) -> None:
        self.settings = settings
        self.rng = rng
        self._name = secrets.token_urlsafe(9)  # never seeded: a decision's name is used once, also after a restart
        self._named = 0
        self._normals = Normals(rng)
        self.shelf = shelf or Shelf(settings)
        self.catalogue = self.shelf.catalogue
        self.policy = policy_from(settings.bandit)
        self.merchandise = Merchandise(settings.rules, self.catalogue)
        self.mix = Mix(settings.variety, settings.profile.items)
        self.predictor: Predictor | None = None
        self._model_rows: dict[str, ModelRows] = {}
        self._kinds = settings.bandit.effects if settings.bandit.groups else ()
        self.rates = Rates(self.catalogue, None)
        self.examination: list[float] = []
        self._prior = Posterior.of(
            Sums(DIMENSION, None), settings.bandit.prior_weight, 0, prior_of(FEATURE_SET, DIMENSION)
        )
        self.arms = Arms.prior(DIMENSION, settings.bandit.prior_weight) if settings.bandit.form == "disjoint" else None
        self._ranked = (0, self.shelf.pool)
        self._first_pass = FirstPass(self.shelf.passed, self.rates, self._prior.theta)
        self._slates = self._slates_at_once()
        self._use_rates(self.rates)
        self._newest: tuple[str, Values] = ("", np.zeros(0))
        models = models_of(settings)
        self.model = settings.bandit.variant
        self.learners = [(terms.key, terms.shards) for terms in dict.fromkeys(models.values())]
        self.drift_target = self._drift_target(models)
        self._assignment = Assignment(settings.bandit)
        self._others = {
            name: Chooser(own, rng, self.shelf)
            for name, own in settings_by_variant(settings).items()
            if name != self.model
        }
        for name, other in self._others.items():
            other.model, other.learners, other.drift_target = (
                models[name].variant,
                self.learners,
                other._drift_target(models),
            )
        self._all = (self, *self._others.values())
        self._main = self
        for other in self._others.values():
            other._main = self
        self._last: tuple[str, Chooser] = ("", self)

    def of(self, session_id: str) -> "Chooser":
        """Return the chooser of the session's variant."""
        if not self._others:
            return self
        if session_id != self._last[0]:  # an input asks several times
            self._last = (session_id, self._others.get(self._assignment.variant(session_id), self))
        return self._last[1]

    def of_all_variants(self) -> tuple["Chooser", ...]:
        """Return the choosers of all variants, this one's first."""
        return self._all

    def knows(self, model: str) -> bool:
        """Return whether a variant chooses by the statistics of that name."""
        return any(chooser.model == model for chooser in self._all)

    def use_model(self, predictor: Predictor, model: str | None = None) -> None:
        """Score with this model from now on, as do all variants that choose by it; None: that of this chooser itself."""
        name = model or self.model
        rates = self._rates_of(name, predictor)
        users = [chooser for chooser in self._all if chooser.model == name]
        learners = [chooser._learner_in(predictor) for chooser in users]
        for chooser, learner in zip(users, learners, strict=True):
            chooser._use(predictor, rates, learner)
        if self in users:
            self._rank()

    @property
    def share_of_model(self) -> float:
        """The part of the places of lists that is the model's while the shop's own order is followed, in (0, 1]; by the statistics
        of the main variant, which learn what all do."""
        main = self._main.predictor
        return share_of_model(main.lead if main else 0.0)

    @property
    def is_apprentice(self) -> bool:
        """Whether lists follow the shop's own order in part, as the model has not shown yet that it earns more."""
        return self.settings.bandit.start == "apprentice" and self.share_of_model < 1.0

    def _rates_of(self, model: str, predictor: Predictor | None) -> Rates:
        rows = self._model_rows.setdefault(model, ModelRows())
        return Rates(self.catalogue, predictor, rows, kinds=self._kinds)

    def _learner_in(self, predictor: Predictor) -> RiverLearner | None:
        """The model's river learner, if this chooser's policy has use for it: that of another, from before a change of
        configuration, is left. Raises UnreadableError before anything is replaced."""
        if not predictor.river or not isinstance(self.policy, RiverPolicy):
            return None
        if first_of(predictor.river) != self.policy.learner.made_from:
            return None
        return RiverLearner.decode(predictor.river, self.policy.learner.made_from)

    def _use(self, predictor: Predictor, rates: Rates, learner: RiverLearner | None) -> None:
        self.predictor = predictor
        self.arms = predictor.arms
        self._use_rates(rates)
        if learner is not None and isinstance(self.policy, RiverPolicy):
            self.policy.use_learner(learner)
        self.examination = predictor.examination if self.settings.exposure.model == "position" else []

    def _use_rates(self, rates: Rates) -> None:
        self.rates = rates
        if self._slates is not None:
            self._slates.use(self.posterior, rates)

    def _rank(self) -> None:
        """Puts first in each category what the model expects most of; now and then, as there may be very many of them.

        Of several variants' models the first one's counts: the others share its shelf."""
        predictor, pool = self.predictor, self.shelf.pool
        if predictor is None or self.arms is not None:
            return
        ranked_ms, ranked = self._ranked
        if pool is not ranked or predictor.model_version >= ranked_ms + RANK_EVERY_MS:
            self._ranked = (predictor.model_version, pool)
            self.shelf.rank(worth(self.rates.table, self.posterior.theta))

    def _slates_at_once(self) -> ThompsonSlates | None:
        """What draws slates in one call where policy, form and rules allow it."""
        bandit, policy = self.settings.bandit, self.policy
        if not isinstance(policy, LinearThompson) or bandit.form != "shared" or bandit.order_by != "value":
            return None
        if not self.merchandise.is_idle:
            return None
        return ThompsonSlates(policy, self.shelf, self.rng, self._normals, self.mix, self.settings.profile.items)

    @property
    def first_pass(self) -> FirstPass:
        """What looks for the products that the newest model expects most of; of no products where each has a model of its own."""
        known, rows = self._first_pass, self.shelf.passed
        if known.rates is not self.rates or known.passed is not rows:
            known = self._first_pass = FirstPass(
                rows if self.arms is None else NOTHING.rows, self.rates, self.posterior.theta
            )
        return known

    def _expected(self, context: Context, most: int) -> Resolved:
        return self.first_pass.best(context, self.catalogue, most)

    def coverage(self) -> float:
        """Return the share of the products listed that the newest model knows an exposure of."""
        exposed = self.rates.exposures > 0
        listed = self.catalogue.active[: len(exposed)]
        return float((exposed & listed).sum()) / max(1, len(self.catalogue))

    def refresh(self, now_ms: int) -> None:
        """Bring candidate lists up to date with the catalogue."""
        if self.catalogue.refresh(now_ms):
            self.shelf.refresh()
            predictors = {chooser.model: chooser.predictor for chooser in self._all}
            rates = {model: self._rates_of(model, predictor) for model, predictor in predictors.items()}
            for chooser in self._all:
                chooser._use_rates(rates[chooser.model])
            self._rank()

    def predict(self, slate: Slate, group: str = "") -> Values:
        """Return expected rewards (k,) of a slate's items in a session of that group; 0 before a model has come or for another
        feature set's features."""
        if slate.decision_id == self._newest[0]:
            return self._newest[1]
        x = slate.matrix() if slate.product_ids else np.zeros((0, 0))
        if self.predictor is None or x.shape[1:] != self.predictor.theta.shape:
            return np.zeros(len(x))
        if self.arms is not None:
            return self.arms.believe(slate.product_ids, x.astype(np.float64))[0]
        return x.astype(np.float64) @ self.predictor.theta + self.effects(slate.product_ids, group)

    def effects(self, product_ids: Sequence[str], group: str) -> Values:
        """Return what the newest model has learned of products beside their features, (k,): the effects of their own and those of
        their categories in the group."""
        row_of, rates = self.catalogue.row_of, self.rates
        rows = np.array([row_of.get(product, UNLISTED) for product in product_ids], dtype=np.int64)
        effect: Values = rates.effect.take(rates.known(rows))
        return effect + rates.regional.of(group).means(self.catalogue.category[rows], rows)

    def coefficients(self, slate: Slate) -> Values | None:
        """Return θ (d,), or one for each item (k, d) where products have models of their own; None before a model has come."""
        if self.predictor is None:
            return None
        return self.predictor.theta if self.arms is None else self.arms.coefficients(slate.product_ids)

    def choose(self, context: Context, *, profile_version: int, cause: bytes, most: int | None = None) -> Slate:
        """Return a new slate under a new decision id, of at most `most` candidates instead of `candidates.max`."""
        bandit = self.settings.bandit
        most = most or self.settings.candidates.max
        share = self.settings.decisions.full_share
        is_full = bool(share) and self.rng.random() < share
        follows = self.is_apprentice and bool(context.order)
        if self._slates is not None and not is_full and not follows and len(self.catalogue):
            picked = self._slates.draw(context, most, self._expected(context, most))
        else:
            picked = self._choose_by_steps(context, most, is_full)
        slate = Slate(
            decision_id=self._next_name(),
            published_at_ms=context.now_ms,
            profile_version=profile_version,
            model_version=self.predictor.model_version if self.predictor else 0,
            policy=bandit.policy,
            variant=bandit.variant,
            feature_set=FEATURE_SET,
            cause=cause,
            product_ids=picked.product_ids,
            category_ids=picked.category_ids,
            propensity=picked.propensity,
            explored=picked.explored,
            features=picked.features,
            full=picked.full,
            pinned=picked.pinned,
            sources=picked.sources,
            arms=picked.arms,
        )
        self._newest = (slate.decision_id, np.frombuffer(picked.values))
        return slate

    def _choose_by_steps(self, context: Context, most: int, is_full: bool) -> Drawn:
        """A slate by any policy, under any rules."""
        considered = self.consider(context, most)
        candidates, belief, x = considered.candidates, considered.belief, considered.found.features
        decision, slots = self.decide(considered), self.settings.profile.items
        if isinstance(decision, Interleaved):
            choice, arms = decision.interleave(slots, self.rng)
        else:
            choice, arms = decision.choose(slots, self.rng), b""
        codes, product_ids = candidates.some(choice.order)
        return Drawn(
            product_ids,
            [self.catalogue.category_ids[code] for code in codes],
            choice.propensity,
            choice.explored,
            candidates.sources[choice.order].astype(np.uint8).tobytes(),
            x[choice.order].tobytes() if choice.order else b"",
            belief.mean[choice.order].tobytes(),
            FullChoice(candidates.product_ids, x.tobytes(), decision.distribution(()).tolist()) if is_full else None,
            choice.pinned if True in choice.pinned else [],
            arms if any(arms) else b"",
        )

    def decide(self, considered: "Considered") -> Decision:
        """Return the policy's decision; one that follows the shop's own order in part while the model is an apprentice to it."""
        decision = self.policy.decide(considered.belief, self.rng, considered.rules)
        return Interleaved(decision, considered.order, self.share_of_model) if considered.order else decision

    def consider(self, context: Context, most: int) -> "Considered":
        """Return all that goes into a choice of at most `most` candidates, before the policy decides."""
        followed = context.order[:ORDER_OFFERED] if self.is_apprentice else ()
        wanted = [*self.merchandise.wanted(context.last_category), *followed]
        expected = self._expected(context, most)
        candidates = find_candidates(context.asked, self.shelf, most, self.rng, wanted, expected)
        found = described(candidates, context, self.catalogue, self.rates, self.posterior.theta)
        index_of = {product: index for index, product in enumerate(candidates.product_ids)} if followed else {}
        order = [index_of[product] for product in dict.fromkeys(followed) if product in index_of]
        rules = self._rules(candidates, found, context)
        return Considered(candidates, found, self.belief(candidates, found), rules, order)

    def terms(self, considered: "Considered") -> tuple[Values, Values]:
        """Return what the model's expected rewards are sums of: features × coefficients (n, d), and the products' own effects
        (n,)."""
        found = considered.found
        if self.arms is None:
            return found.x * self.posterior.theta, found.effect
        return found.x * self.arms.coefficients(considered.candidates.product_ids), np.zeros(len(found.x))

    @property
    def posterior(self) -> Posterior:
        """What the newest model believes, the prior before there is one."""
        return self.predictor.posterior if self.predictor else self._prior

    def belief(self, candidates: Candidates, found: Described) -> Belief:
        """Return what the newest model says of the candidates."""
        posterior, x, mean, own_variance = self.posterior, found.x, found.mean, found.effect_variance
        whitener, noise = posterior.whitener, posterior.noise
        if self.arms is not None:
            mean, own_variance = self.arms.believe(candidates.product_ids, x.astype(np.float64))
            x, whitener, noise = x[:, :0], whitener[:0, :0], self.arms.noise
        return Belief(
            mean=mean,
            x=x,
            whitener=whitener,
            noise=noise,
            own_variance=own_variance,
            exposures=found.exposures,
            rewards=found.rewards,
            prior=found.prior,
            total=posterior.weight,
            product_ids=candidates.product_ids if self.settings.bandit.policy == "river" else (),
            normals=self._normals,
        )

    def _next_name(self) -> str:
        self._named += 1
        return f"{self._name}{self._named:x}"

    def _drift_target(self, models: dict[str, ModelConditions]) -> tuple[str, str] | None:
        bandit = self.settings.bandit
        return None if bandit.drift == "ignore" else (models[bandit.variant].key, bandit.variant)

    def _rules(self, candidates: Candidates, found: Described, context: Context) -> Rules:
        """The shop's rules and variety change expected rewards, so they come before what makes a score of them."""
        ours = self.merchandise.rules(candidates, context.last_category)
        ours = self.mix.over(ours, candidates, found.columns, self.posterior.mean_reward)
        if self.settings.bandit.order_by != "score":
            return ours
        return combine(
            ours, PublishedScore(candidates.product_ids, self._categories(candidates.codes), context.interest)
        )

    def _categories(self, codes: Rows) -> list[str]:
        category_ids = self.catalogue.category_ids
        return [category_ids[code] for code in codes.tolist()]


class Considered(NamedTuple):
    """Grounds of a decision: n candidates, what is known and what is believed of them, and the rules that act in the choice.

    `order` are those of the shop's own order, which is followed in part; empty where none is.
    """

    candidates: Candidates
    found: Described
    belief: Belief
    rules: Rules
    order: Sequence[int] = ()


def engagement(values: NDArray[Any]) -> NDArray[Any]:
    """Return predictions as engagement, clipped to [0.001, 1]."""
    return np.clip(values, SMALLEST_ENGAGEMENT, 1.0)


def base_weight(interest: Interest) -> float:
    """Return what every candidate is scored with: the decayed weight of all events, 1 where there are none."""
    return interest.total or 1.0


def personal_weight(product_ids: list[str], category_ids: list[str], interest: Interest) -> Values:
    """Return half the affinities, (2, n): by product and by category."""
    products, categories = interest.products, interest.categories
    return np.array(
        [
            [0.5 * products.get(product, 0.0) for product in product_ids],
            [0.5 * categories.get(category, 0.0) for category in category_ids],
        ]
    )
