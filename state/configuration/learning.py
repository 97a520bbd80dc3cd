"""Sections of how the choice is made and learned: exposure, reward, bandit and its variants, decision log."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from state.configuration.groups import DEVICE, HOUR, REGION
from state.configuration.types import (
    HOUR_MS,
    MINUTE_MS,
    Fraction,
    Millis,
    Name,
    NonNegative,
    OpenFraction,
    Positive,
    PositiveMillis,
    Section,
)

Effect = Literal["region_category", "region_product", "device_category", "hour_category"]
PolicyName = Literal[
    "epsilon_greedy",
    "epsilon_decreasing",
    "epsilon_first",
    "ucb1",
    "bayes_ucb",
    "lin_ucb",
    "thompson_beta",
    "thompson_linear",
    "softmax",
    "uniform",
    "river",
]


class Exposure(Section, frozen=True):
    """Settings of what counts as seen."""

    mode: Literal["auto", "explicit", "implicit"] = "auto"
    model: Literal["auto", "all", "cascade", "position"] = "auto"
    implicit_items: Annotated[int, Meta(ge=1, le=20)] = 5
    implicit_dwell_ms: Millis = 500
    open_max: Annotated[int, Meta(ge=1, le=128)] = 32


class Weights(Section, frozen=True):
    """Weights of events as signs of interest; the same numbers are rewards where an exposure precedes."""

    category_view: NonNegative = 0.5
    product_view: NonNegative = 1.0
    add_to_cart: NonNegative = 3.0
    checkout: NonNegative = 5.0
    thumb: NonNegative = 3.0
    bundle: NonNegative = 8.0


class Reward(Section, frozen=True):
    """Settings of how outcomes are credited to exposures."""

    weights: Weights = Weights()
    aggregate: Literal["max", "sum", "first"] = "first"
    affinity_boost: NonNegative = 0.0
    window_ms: PositiveMillis = 30 * MINUTE_MS
    disorder_ms: Millis = 10 * MINUTE_MS


SHARED_RIDGE, DISJOINT_RIDGE = 30.0, 1.0
"""`bandit.ridge` where it is null. The prior of the shared form is the mean over many shops; a product's own model begins with
less evidence, and differs more."""


class Bandit(Section, frozen=True):
    """The policy and its learner."""

    policy: PolicyName = "thompson_linear"
    epsilon: Fraction = 0.2
    epsilon_tau: Positive = 5_000.0
    explore_first: NonNegative = 1_000.0
    floor: Fraction = 0.005
    confidence: NonNegative = 0.3
    temperature: Annotated[float, Meta(ge=0.0001, le=1_000)] = 0.02
    prior_exposures: Annotated[float, Meta(ge=1, le=1e6)] = 20.0
    draws: Annotated[int, Meta(ge=2, le=1_024)] = 32
    river: str = ""
    river_parameters: dict[str, str | float | int | bool | None] = {}
    start: Literal["model", "apprentice"] = "model"
    order_by: Literal["value", "score"] = "value"
    form: Literal["shared", "disjoint"] = "shared"
    effects: tuple[Effect, ...] = ("region_category", "region_product", "device_category")
    disjoint_products: Annotated[int, Meta(ge=1, le=1_000)] = 100
    ridge: Positive | None = None
    half_life_ms: Annotated[int, Meta(ge=1)] | None = None
    drift: Literal["ignore", "watch", "shorten"] = "ignore"
    drift_delta: OpenFraction = 0.002
    drift_half_life_ms: PositiveMillis = 7 * 24 * HOUR_MS
    drift_least_half_life_ms: PositiveMillis = 12 * HOUR_MS
    publish_interval_ms: Annotated[int, Meta(ge=50, le=60_000)] = 1_000
    snapshot_interval_ms: Annotated[int, Meta(ge=50, le=HOUR_MS)] = 30_000
    shards: Annotated[int, Meta(ge=1, le=1_024)] = 4
    max_products: Annotated[int, Meta(ge=1, le=20_000)] = 10_000
    variant: Name = "default"
    variants: Annotated[dict[Name, dict[str, Any]], Meta(max_length=8)] = {}
    variants_salt: str = ""
    seed: Annotated[int, Meta(ge=0)] | None = None
    lineage: Annotated[str, Meta(max_length=64)] = ""

    @property
    def prior_weight(self) -> float:
        """How many exposures the prior weighs along each feature: `ridge`, else what the form has by default."""
        if self.ridge is not None:
            return self.ridge
        return SHARED_RIDGE if self.form == "shared" else DISJOINT_RIDGE

    @property
    def groups(self) -> int:
        """What sessions are told apart by for effects, as bits, see `state/session/group.py`; 0 for nothing, as where products have
        models of their own in all variants."""
        bits = {"region_category": REGION, "region_product": REGION, "device_category": DEVICE, "hour_category": HOUR}
        groups = 0
        forms = {self.form, *(variant.get("form") for variant in self.variants.values())}
        for name in self.effects if "shared" in forms else ():
            groups |= bits[name]
        return groups


class Variant(Bandit, frozen=True):
    """An arm of an experiment: its share of the sessions, and what of `bandit` is other for it."""

    share: Fraction = 0.0


NOT_FOR_VARIANTS = frozenset(
    {
        "drift",
        "drift_delta",
        "drift_half_life_ms",
        "drift_least_half_life_ms",
        "publish_interval_ms",
        "snapshot_interval_ms",
        "shards",
        "max_products",
        "effects",
        "start",
        "variant",
        "variants",
        "variants_salt",
        "seed",
        "lineage",
    }
)
"""Attributes of `Bandit` that are the same for all variants."""


class Decisions(Section, frozen=True):
    """Settings of what is written to the decision log."""

    log: Literal["exposed", "published"] = "exposed"
    full_share: Fraction = 0.01
