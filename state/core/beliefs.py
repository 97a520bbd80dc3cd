"""What the compiled core knows of one variant: its policy, what its model believes, and the texts that name both."""

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.catalogue.name_column import NameColumn
from state.choosing.choice import Chooser
from state.choosing.first_pass import FirstPass
from state.choosing.rates import Rates
from state.choosing.regional import Regional
from state.core.held import Held
from state.core.name_index import NameIndex
from state.feature_set import DIMENSION
from state.kernels.columns import ProductColumn
from state.kernels.core import layout as d
from state.kernels.core.layout import GREEDY, OPTIMISTIC, SAMPLED, WEIGHTED
from state.policy.belief import root_of
from state.policy.epsilon_greedy import EpsilonGreedy
from state.session.record import policy_key

NOVELTY_MS = 30 * 24 * 3_600_000
NOVELTY_STEP_MS = 300_000
"""How new a product is goes by the clock, in steps of so long: it changes by a quarter of a step of float16 at most."""
WAYS = {
    "thompson_linear": SAMPLED,
    "lin_ucb": OPTIMISTIC,
    "uniform": GREEDY,
    "epsilon_greedy": GREEDY,
    "epsilon_decreasing": GREEDY,
    "epsilon_first": GREEDY,
    "softmax": WEIGHTED,
}
"""The policies that the compiled core has, and how each chooses."""


class Beliefs:
    """Keeper of one variant's part of a record of `WORLD`.

    `one` is the record, `number` tells it from those of other variants, `text` adds a text to those that the records name.
    """

    def __init__(
        self,
        chooser: Chooser,
        one: Any,
        number: int,
        held: Held,
        rng: np.random.Generator,
        text: Callable[[bytes], tuple[int, int]],
    ) -> None:
        self._chooser, self._one, self._number, self._held = chooser, one, number, held
        bandit = chooser.settings.bandit
        way = WAYS[bandit.policy]
        self._scale = bandit.confidence if way in (SAMPLED, OPTIMISTIC) else 0.0
        self._rates: Rates | None = None
        self._first: FirstPass | None = None
        self._features: NDArray[np.float32] = np.zeros((0, d.TABLE_COLUMNS), np.float32)
        self._rated_ms = 0
        self._region_names = NameColumn(1)
        one["way"], one["temperature"], one["floor"] = way, bandit.temperature, bandit.floor
        one["draws"] = {SAMPLED: bandit.draws, WEIGHTED: 0}.get(way, 1)
        one["random"] = [int(drawn) for drawn in rng.integers(1, 1 << 62, size=4)]
        policy = f',"policy":"{bandit.policy}","variant":"{bandit.variant}","model_version":'
        one["policy_off"], one["policy_len"] = text(policy.encode())
        one["key_off"], one["key_len"] = text(policy_key(bandit.policy, bandit.variant))
        one["name_off"], one["name_len"] = text(secrets.token_urlsafe(9).encode())

    def follow(self, now_ms: int) -> None:
        """Bring the record up to date with the model, and with the clock by which products are new."""
        rates, first = self._chooser.rates, self._chooser.first_pass
        if first is not self._first:
            self._first = first
            self._use_first(first)
        step_ms = now_ms - now_ms % NOVELTY_STEP_MS
        if rates is self._rates and step_ms == self._rated_ms:
            return
        is_new = rates is not self._rates
        self._rates, self._rated_ms = rates, step_ms
        if is_new:
            self._use(rates, step_ms)
        else:
            self._features[:, d.T_NOVELTY] = _novelty(rates.table, step_ms)

    def _use(self, rates: Rates, step_ms: int) -> None:
        one, predictor, posterior = self._one, self._chooser.predictor, self._chooser.posterior
        policy = self._chooser.policy
        if isinstance(policy, EpsilonGreedy):
            one["floor"] = policy.share(posterior.weight)
        one["coefficients"][:DIMENSION] = posterior.theta
        one["root"][:, :DIMENSION] = root_of(posterior.whitener, posterior.noise, self._scale)
        one["has_theta"] = predictor is not None
        one["model_version"] = predictor.model_version if predictor else 0
        self._features = _features(rates.table, step_ms, self._scale)
        one["features"], one["rated"] = self._put("features", self._features), len(self._features)
        one["own_effect"] = self._put("own effect", np.ascontiguousarray(rates.effect, dtype=np.float64))
        self._use_regional(rates.regional)

    def _use_first(self, first: FirstPass) -> None:
        one = self._one
        one["pass_products"], one["pass_n"] = self._put("first pass", first.products), len(first.rows)
        one["pass_rows"], one["pass_theta"] = self._put("rows of it", first.rows), self._put("theta of it", first.theta)
        one["pass_places"] = self._put("regions' products in it", first.places)
        one["pass_local"] = self._put("regions' effects of it", np.zeros(len(first.rows)))

    def _use_regional(self, regional: Regional) -> None:
        """Regions are few, so their names are entered anew with each model."""
        one = self._one
        count = len(regional.regions)
        names = self._region_names = NameColumn(count)
        for region, number in regional.regions.items():
            names.put(number, region)
        self._held.allow(f"region names of variant {self._number}", names.address, names.size)
        index = NameIndex()
        index.fill(names.address, count, np.ones(count, np.uint8))
        one["region_names"] = names.address
        one["region_index"], one["region_mask"] = self._put("region index", index.slots), index.mask
        effects = regional.effects.copy()
        effects[..., 1] *= self._scale**2
        one["regional"] = self._put("regional effects", effects)
        one["n_regions"], one["region_codes"] = effects.shape[:2]
        values = regional.values.copy()
        values[:, 1] *= self._scale**2
        one["local_rows"], one["local"] = (
            self._put("regions' products", regional.rows),
            self._put("their effects", values),
        )
        one["local_begins"] = self._put("regions' first products", regional.begins)

    def _put(self, name: str, array: NDArray[Any]) -> int:
        return self._held.put(f"{name} of variant {self._number}", array)


def _features(table: NDArray[np.float32], now_ms: int, scale: float) -> NDArray[np.float32]:
    """What a choice needs of each product, (rows, 16), rounded where it is a feature as it stands."""
    found = np.zeros((len(table), d.TABLE_COLUMNS), np.float32)
    price, rate_log = table[:, ProductColumn.PRICE], table[:, ProductColumn.LOG_RATIO]
    found[:, d.T_PRICE], found[:, d.T_RATING] = price, table[:, ProductColumn.RATING]
    found[:, d.T_RELATIVE_PRICE] = table[:, ProductColumn.RELATIVE_PRICE]
    found[:, d.T_PRICE_SQUARED] = _half(price * price)
    found[:, d.T_REVIEWS] = _half(table[:, ProductColumn.REVIEWS] / np.float32(12.0))
    found[:, d.T_NOVELTY] = _novelty(table, now_ms)
    found[:, d.T_LOG_RATIO], found[:, d.T_UNCERTAINTY] = _half(rate_log), _half(table[:, ProductColumn.UNCERTAINTY])
    found[:, d.T_RATE], found[:, d.T_EFFECT] = table[:, ProductColumn.RATE], table[:, ProductColumn.EFFECT]
    found[:, d.T_DEVIATION] = scale * np.sqrt(table[:, ProductColumn.EFFECT_VARIANCE])
    found[:, d.T_CODE] = table[:, ProductColumn.CODE]
    return found


def _novelty(table: NDArray[np.float32], now_ms: int) -> NDArray[np.float32]:
    created = table[:, ProductColumn.CREATED_MS].astype(np.float64)
    return _half(np.where(created > 0, np.exp(np.minimum(0.0, created - now_ms) / NOVELTY_MS), 0.0))


def _half(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)
