"""All methods by name."""

from typing import Any, get_args

from benchmarks.lab.ceiling import Attainable
from benchmarks.lab.joining import JOIN_MS
from benchmarks.lab.method import Method
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.river_policies import FACTORIES, RiverPolicy
from benchmarks.lab.simple import Optimum, Popularity, Uniform
from benchmarks.lab.vowpal import VARIANTS, VowpalWabbit
from benchmarks.lab.world import World
from state.configuration import PolicyName

OURS = ("heliotrope", *(name for name in get_args(PolicyName) if name not in ("uniform", "river")))
"""`heliotrope` is the configuration's defaults; a policy's own name is that policy with all other defaults."""
ATTAINABLE = "attainable"
KNOWING = ("optimum", ATTAINABLE)
"""These know the truth: about the visitor too, or about the shop only."""
SIMPLE = ("uniform", "popularity", *KNOWING)
NAMES = (*SIMPLE, *OURS, *VARIANTS, *FACTORIES)
DELAYS_JOINED = 3
"""Where clicks are delayed, the competitors wait for so many mean delays."""

TOO_MANY_FOR_RIVER = ("many_arms",)
"""river scans all arms in Python for every slot, and keeps a matrix per arm for LinUCB: hours for thousands of products."""


def is_feasible(name: str, shop_name: str) -> bool:
    """Whether a method can be run in a shop in reasonable time."""
    return name not in FACTORIES or shop_name not in TOO_MANY_FOR_RIVER


def make_method(name: str, world: World, seed: int, overrides: dict[str, Any] | None = None) -> Method:
    """The method for one run of one world; `overrides` are Heliotrope's configuration by section.

    Raises:
        KeyError: no method has that name.
    """
    spec = world.truth.spec
    join_ms = JOIN_MS + DELAYS_JOINED * spec.delay_ms
    if name == "heliotrope":
        return Heliotrope(overrides or {}, seed)
    if name in OURS:
        changed = dict(overrides or {})
        changed["bandit"] = {"policy": name, **changed.get("bandit", {})}
        return Heliotrope(changed, seed)
    if name in VARIANTS:
        return VowpalWabbit(VARIANTS[name], seed, join_ms)
    if name in FACTORIES:
        return RiverPolicy(name, seed, join_ms)
    if name == "optimum":
        return Optimum(world)
    if name == ATTAINABLE:
        return Attainable(world.truth, seed)
    return {"uniform": Uniform, "popularity": Popularity}[name](seed)
