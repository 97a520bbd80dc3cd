"""For which configurations the compiled core stands: what it does is what the configuration says, or it does nothing."""

from collections.abc import Iterator

from state.choosing.variants import settings_by_variant
from state.configuration import Settings
from state.core.beliefs import WAYS
from state.feature_set import DIMENSION
from state.kernels.core.layout import CANDIDATES, DRAWS, EVENTS, ITEMS, OPEN, SAMPLED, WIDTH
from state.kernels.core.record import MOST_KNOWN
from state.session.exposure import largest_reward
from state.session.interest import weights_by_type
from state.users.warm_start import PRIOR_VIEWS

MOST_SUM = 4_000.0
"""Affinities are printed by whole numbers, which have room for so much."""
SMALLEST_REWARD = 1e-4
MOST_AFFINITIES = 50


def left_to_python(settings: Settings) -> dict[str, str]:
    """Return the variants whose sessions the Python core serves, each with the first key of its configuration that needs it."""
    reasons = {name: next(_reasons(own), None) for name, own in settings_by_variant(settings).items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def why_not_compiled(settings: Settings) -> str | None:
    """Return the first key of the configuration that needs the Python core for all sessions, None where the compiled one serves
    some."""
    left = left_to_python(settings)
    return next(iter(left.values())) if len(left) == 1 + len(settings.bandit.variants) else None


def _reasons(settings: Settings) -> Iterator[str]:
    bandit, session, variety = settings.bandit, settings.session, settings.variety
    conditions = {
        "bandit.policy": bandit.policy in WAYS,
        "bandit.form": bandit.form == "shared",
        "bandit.order_by": bandit.order_by == "value",
        "bandit.drift": bandit.drift == "ignore",
        "bandit.draws": WAYS.get(bandit.policy) != SAMPLED or bandit.draws <= DRAWS,
        "candidates.max": settings.candidates.max <= CANDIDATES,
        "consent.default": settings.consent.default == "granted",
        "exposure.model": settings.exposure.model in ("auto", "all"),
        "exposure.open_max": settings.exposure.open_max <= OPEN - 24,
        "profile.items": settings.profile.items <= ITEMS,
        "profile.affinities": settings.profile.affinities <= MOST_AFFINITIES,
        "reward.affinity_boost": not settings.reward.affinity_boost,
        "rules": not (settings.rules.pin or settings.rules.bury or settings.rules.only or _blocks(settings)),
        "session.decay.mode": session.decay.mode == "step",
        "session.max_events": session.max_events <= EVENTS - 2,
        "variety.diversity": not variety.diversity,
        "reward.weights": _weights_fit(settings),
        "features": DIMENSION <= WIDTH,
    }
    yield from (key for key, is_met in conditions.items() if not is_met)


def _blocks(settings: Settings) -> bool:
    return bool(settings.rules.block.products or settings.rules.block.categories)


def _weights_fit(settings: Settings) -> bool:
    """Whether every sum of weights can be printed, and no reward is too small to be written in decimals."""
    weights = weights_by_type(settings.reward.weights).values()
    longest = min(settings.session.max_events, 1 / max(1e-9, 1 - settings.session.decay.factor))
    smallest = min((weight for weight in weights if weight), default=1.0)
    known = MOST_KNOWN * PRIOR_VIEWS * settings.users.weight * (settings.reward.weights.product_view or 1.0)
    return (
        max(*weights, settings.reward.weights.bundle) * longest + known < MOST_SUM
        and smallest / largest_reward(settings.reward) >= SMALLEST_REWARD
    )
