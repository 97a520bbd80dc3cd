"""The slate in one call against the same slate step by step."""

from typing import Any

import numpy as np
import pytest

from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.feature_set import DIMENSION
from state.kernels import describe, gather, thompson_slate, warm
from state.model.sums import Example
from state.session.interest import Interest
from state.session.slate import Slate
from tests.state.shop import T0, predictor_of, settings, shop

IDLE_RULE = {"bury": [{"category": "of no product", "factor": 0.5}]}
"""A rule that changes nothing, but asks for the steps."""
KNOWN = Interest(
    {"product-3": 2.0, "product-8": 0.5, "product-5": -1.0, "elsewhere": 1.0},
    {"category-3": 2.5, "category-0": 0.4},
    3.0,
    frozenset({"product-5"}),
    {"category-3": 3, "category-0": 1},
)
VARIETIES: dict[str, dict[str, Any]] = {
    "as configured": {},
    "none": {"category_share": 1.0, "personal_share": 1.0},
    "narrow": {"category_share": 0.05, "personal_share": 0.1},
    "diverse": {"diversity": 0.8},
    "all": {
        "category_share": 0.2,
        "personal_share": 0.3,
        "diversity": 0.3,
        "boosts": {"newer": 0.05, "rated": 0.02, "viewed": 0.1},
    },
}
CONTEXTS = {
    "a stranger": Context(Interest({}, {}, 0.0), "", {}, T0),
    "a regular": Context(
        KNOWN, "category-3", {"product-3": 2, "product-9": 1}, T0, {"category-3": 2, "": 1}, hidden={"product-6"}
    ),
}
AWKWARD = {"p": "c", "a" * 128: "c", 'q"': 'c"', "\\": "", "é": "b" * 128, "\n": "é"}
"""Products and their categories."""


class Chance:
    """A generator whose uniform numbers come in one order, however many are asked for at a time."""

    def __init__(self, seed: int) -> None:
        self._uniform, self._normal = np.random.default_rng(seed), np.random.default_rng(seed + 1)

    def random(self, size: int | tuple[int, ...] | None = None) -> Any:
        """One number says where in the table of normal numbers to begin: always at the same place."""
        return 0.0 if size is None else self._uniform.random(size)

    def standard_normal(self, size: int, dtype: Any, out: Any = None) -> Any:
        return self._normal.standard_normal(size, dtype=dtype, out=out)


def slate_of(
    context: Context, seed: int, products: int, rules: dict[str, Any], variety: dict[str, Any]
) -> tuple[Slate, list[float]]:
    configuration = settings(rules=rules, variety=variety, decisions={"full_share": 0.0}, bandit={"floor": 0.2})
    chooser = Chooser(configuration, Chance(seed), shop(products=products).chooser.shelf)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    learned = [
        Example(T0, f"product-{i % 12}", rng.random(DIMENSION).astype(np.float16).tobytes(), 1, i % 3 == 0, i % 3 == 0)
        for i in range(60)
    ]
    chooser.use_model(predictor_of(learned, DIMENSION))
    slate = chooser.choose(context, profile_version=1, cause=b"")
    return slate, chooser.predict(slate).tolist()


@pytest.mark.parametrize("who", CONTEXTS)
@pytest.mark.parametrize("products", [1, 15, 40, 400])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("variety", VARIETIES)
def test_one_call_draws_the_slate_that_the_steps_draw(who: str, products: int, seed: int, variety: str) -> None:
    (at_once, values), (by_steps, expected) = (
        slate_of(CONTEXTS[who], seed, products, rules, VARIETIES[variety]) for rules in ({}, IDLE_RULE)
    )
    for name in ("product_ids", "category_ids", "explored", "features", "pinned", "full"):
        assert getattr(at_once, name) == getattr(by_steps, name), name
    assert at_once.propensity == pytest.approx(by_steps.propensity, abs=1e-12)
    assert values == pytest.approx(expected, abs=1e-12)
    assert len(at_once.product_ids) == min(20, products - (2 if who != "a stranger" and products > 6 else 0))


def test_variety_changes_what_is_drawn() -> None:
    """So the test above compares five different things."""
    slates = {
        tuple(slate_of(CONTEXTS["a regular"], 1, 400, {}, variety)[0].product_ids) for variety in VARIETIES.values()
    }
    assert len(slates) == len(VARIETIES)


def test_the_default_takes_one_call_and_the_shops_own_rules_do_not() -> None:
    assert Chooser(settings(), np.random.default_rng(1))._slates is not None
    assert Chooser(settings(variety=VARIETIES["all"]), np.random.default_rng(1))._slates is not None
    only = {"only": [{"product": "p", "category": "c"}]}
    assert Chooser(settings(rules=only), np.random.default_rng(1))._slates is None


def test_names_that_the_kernel_cannot_write_are_those_of_the_catalogue() -> None:
    """Too long for it, or with what JSON writes otherwise."""
    at_once, by_steps = (slate_of_awkward_names(rules) for rules in ({}, IDLE_RULE))
    assert at_once.product_ids == by_steps.product_ids
    assert at_once.category_ids == by_steps.category_ids
    assert sorted(at_once.product_ids) == sorted(AWKWARD)


def slate_of_awkward_names(rules: dict[str, Any]) -> Slate:
    chooser = Chooser(settings(rules=rules, decisions={"full_share": 0.0}), Chance(1))  # type: ignore[arg-type]
    for product in AWKWARD:
        chooser.catalogue.put(Product(product, AWKWARD[product]))
    chooser.refresh(T0)
    return chooser.choose(CONTEXTS["a stranger"], profile_version=1, cause=b"")


def test_no_choice_waits_for_a_kernel_to_be_compiled() -> None:
    kernels: tuple[Any, ...] = (gather, describe, thompson_slate)
    warm()
    before = [kernel.signatures for kernel in kernels]
    for rules in ({}, IDLE_RULE):
        slate_of(CONTEXTS["a regular"], 1, 40, rules, {})
    assert before == [kernel.signatures for kernel in kernels]


def test_a_model_of_other_features_is_refused() -> None:
    x = np.zeros(16, dtype=np.float16).tobytes()
    with pytest.raises(ValueError, match="features"):
        shop().chooser.use_model(predictor_of([Example(T0, "product-1", x, 1, 0.5, 0.25)], 16))
