"""For which configurations the compiled core stands: what it does is what the configuration says, or it does nothing."""

from collections.abc import Iterator

from state.configuration import Settings
from state.feature_set import DIMENSION
from state.kernels.core.layout import CANDIDATES, DRAWS, EVENTS, ITEMS, OPEN, WIDTH
from state.kernels.core.record import MOST_KNOWN
from state.session.exposure import largest_reward
from state.session.interest import weights_by_type
from state.users.warm_start import PRIOR_VIEWS

MOST_SUM = 4_000.0
"""Affinities are printed by whole numbers, which have room for so much."""
SMALLEST_REWARD = 1e-4
MOST_AFFINITIES = 50


def why_not_compiled(settings: Settings) -> str | None:
    """Return the first key of the configuration that needs the Python core, None where the compiled one serves."""
    return next(_reasons(settings), None)


def _reasons(settings: Settings) -> Iterator[str]:
    bandit, session, variety = settings.bandit, settings.session, settings.variety
    conditions = {
        "bandit.policy": bandit.policy == "thompson_linear",
        "bandit.form": bandit.form == "shared",
        "bandit.order_by": bandit.order_by == "value",
        "bandit.variants": not bandit.variants,
        "bandit.drift": bandit.drift == "ignore",
        "bandit.draws": bandit.draws <= DRAWS,
        "candidates.max": settings.candidates.max <= CANDIDATES,
        "consent.default": settings.consent.default == "granted",
        "decisions.log": settings.decisions.log == "exposed",
        "exposure.model": settings.exposure.model == "all",
        "exposure.open_max": settings.exposure.open_max <= OPEN - 24,
        "profile.items": settings.profile.items <= ITEMS,
        "profile.affinities": settings.profile.affinities <= MOST_AFFINITIES,
        "reward.affinity_boost": not settings.reward.affinity_boost,
        "rules": not (settings.rules.pin or settings.rules.bury or settings.rules.only or _blocks(settings)),
        "session.decay.mode": session.decay.mode == "step",
        "session.max_events": session.max_events <= EVENTS - 2,
        "variety.boosts": not (variety.boosts.newer or variety.boosts.rated or variety.boosts.viewed),
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
    return max(weights) * longest + known < MOST_SUM and smallest / largest_reward(settings.reward) >= SMALLEST_REWARD
