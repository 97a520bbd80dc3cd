"""Both cores do the same: the Python core is the specification, and the compiled one is held to it by whatever may happen.

Each list of acts is played on both, and all that follows from each input is compared. At the end it is asserted that every way
through the compiled core had its share.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.candidates.bundle import MOST_ITEMS
from state.candidates.sources.bundles import MOST_BOUGHT
from state.kernels.core import interest, layout, proposals, record
from state.kernels.core.layout import COUNTERS
from state.profile import bundle_proposals
from state.profile.profile import BUNDLES_PART
from state.session.interest import CHECKOUT
from state.users import warm_start
from tests.state.core.scene import ACTS, Act, Scene

SHOPS: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    {"session": {"max_events": 6}},
    {"exposure": {"open_max": 4, "mode": "explicit"}},
    {"profile": {"min_interval": 2_000}},
    {"reward": {"aggregate": "max"}, "exposure": {"mode": "implicit"}, "users": {"weight": 1.0}},
    {"reward": {"aggregate": "sum", "weights": {"bundle": 2}}, "profile": {"items": 5, "affinities": 3, "bundles": 20}},
    {"profile": {"max_bytes": 1_100}, "candidates": {"max": 30}, "users": {"weight": 0.0}},
    {"variety": {"times_shown": 2, "hide_bought": False, "category_share": 0.2, "personal_share": 0.3}},
    {"popularity": {"max_regions": 2, "max_categories": 2, "admission_support": 10**9}},
    {"session": {"max_events": 3, "decay": {"factor": 0.5}}, "decisions": {"full_share": 0.2}},
    {
        "bandit": {
            "variants": {
                "confident": {"share": 0.2, "policy": "lin_ucb", "half_life": "7 d"},
                "soft": {"share": 0.2, "policy": "softmax", "temperature": 0.1},
                "greedy": {"share": 0.2, "policy": "epsilon_decreasing"},
                "bold": {"share": 0.1, "confidence": 1.0, "draws": 8},
                "other": {"share": 0.1, "policy": "thompson_beta"},
            }
        },
        "variety": {"category_share": 0.2, "personal_share": 0.3, "boosts": {"newer": 0.1, "rated": 0.1}},
    },
    {
        "bandit": {
            "policy": "lin_ucb",
            "effects": ["region_category", "region_product", "device_category", "hour_category"],
        },
        "decisions": {"log": "published"},
    },
    {"bandit": {"effects": ["device_category", "hour_category"]}},
)
MOST_ACTS = 60
_act = st.builds(
    Act,
    st.sampled_from([what for what, share in ACTS.items() for _ in range(share)]),
    st.integers(0, 2),
    st.integers(0, 2**32 - 1),
)
_seen: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _every_way_has_its_share() -> Iterator[None]:
    """After all tests of this module: nothing of what the cores share was left out."""
    yield
    if _seen["whole"]:
        missing = [name for name in (*COUNTERS, *EXPECTED) if not _seen[name]]
        assert not missing, f"never came about: {missing}; of {dict(_seen)}"
        assert _seen["way: compiled"] > 3 * _seen["way: python"], dict(_seen)
        assert _seen["with a bundle: compiled"] > _seen["with a bundle: python"], dict(_seen)
        assert _seen["proposed: compiled"] > _seen["proposed: python"], dict(_seen)
        assert _seen["with a hint: compiled"] > _seen["with a hint: python"] > 0, dict(_seen)


EXPECTED = (
    *(
        f"compiled: {what}"
        for what in (
            "product_view",
            "category_view",
            "add_to_cart",
            "checkout",
            "impression",
            "feedback",
            "hover",
            "dwell",
            "search",
            "2",  # timers
            "3",  # pending publications
            "4",  # repeated ones
        )
    ),
    "compiled: beyond ASCII",
    "compiled: escaped",
    "compiled: context",
    "way: compiled",
    "way: python",
    "way: python publication",
    "way: hello",
    "converted to form 1",
    "converted to form 2",
    "crash",
    "model",
    "pending",
    "examples",
    "credited",
    "evicted",
    "erase",
    "consent",
    "from bundles",
    "hints_taken",
    "hints_forgotten",
    "overload 1",
    "overload 2",
    *(f"way: compiled: {policy}" for policy in ("thompson_linear", "lin_ucb", "softmax", "epsilon_decreasing")),
)
"""What else has to come about; the counters of the compiled core come on top."""


def test_bundles_have_the_same_bounds() -> None:
    found = (layout.MOST_BOUGHT, layout.MOST_PARTS, layout.PRIMARIES, layout.CONSIDERED)
    assert found == (MOST_BOUGHT, MOST_ITEMS + 1, bundle_proposals.PRIMARIES, bundle_proposals.CONSIDERED)
    assert proposals.BUNDLES_PART == BUNDLES_PART
    assert record.CHECKOUT_KIND == CHECKOUT


def test_what_is_known_of_a_user_weighs_the_same() -> None:
    known = (interest.PRIOR_VIEWS, interest.PRIOR_EVENTS)
    assert known == (warm_start.PRIOR_VIEWS, warm_start.PRIOR_EVENTS)


@pytest.mark.parametrize("shop", range(len(SHOPS)))
@settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(acts=st.lists(_act, min_size=MOST_ACTS, max_size=MOST_ACTS), seed=st.integers(0, 1_000))
def test_both_cores_do_the_same(shop: int, acts: list[Act], seed: int) -> None:
    scene = Scene(SHOPS[shop], seed)
    for number, act in enumerate(acts):
        try:
            scene.play(act)
        except Exception as error:
            error.add_note(
                f"found again by: scene = Scene({SHOPS[shop]}, {seed}); for act in {acts[: number + 1]}: scene.play(act)"
            )
            raise
    scene.finish()
    _seen.update(scene.seen)
    _seen["whole"] += shop == len(SHOPS) - 1
