"""For which configurations the compiled core stands, and what it leaves of those with variants."""

from typing import Any

import numpy as np
import pytest

from jobs.settings import settings_from
from operators.session.compiled import packer_for
from state.choosing.choice import Chooser
from state.core.eligibility import left_to_python, why_not_compiled
from state.session.session import Session

PRODUCT_RATES = {"share": 0.3, "policy": "thompson_beta"}
CONFIDENT = {"share": 0.3, "policy": "lin_ucb"}


@pytest.mark.parametrize(
    ("overrides", "why", "left"),
    [
        ({}, None, {}),
        ({"bandit": {"variants": {"a": CONFIDENT}}}, None, {}),
        ({"bandit": {"variants": {"a": CONFIDENT, "b": PRODUCT_RATES}}}, None, {"b": "bandit.policy"}),
        ({"bandit": {"policy": "ucb1", "variants": {"a": CONFIDENT}}}, None, {"default": "bandit.policy"}),
        ({"bandit": {"variants": {"a": {"share": 0.1, "draws": 1_000}}}}, None, {"a": "bandit.draws"}),
        ({"bandit": {"policy": "softmax", "draws": 1_000}}, None, {}),
        ({"bandit": {"policy": "bayes_ucb"}}, "bandit.policy", {"default": "bandit.policy"}),
        (
            {"bandit": {"variants": {"a": CONFIDENT}}, "session": {"decay": {"mode": "half_life"}}},
            "session.decay.mode",
            {"default": "session.decay.mode", "a": "session.decay.mode"},
        ),
    ],
)
def test_a_variant_that_needs_the_python_core_takes_no_other_along(
    overrides: dict[str, Any], why: str | None, left: dict[str, str]
) -> None:
    settings = settings_from(overrides)
    assert (why_not_compiled(settings), left_to_python(settings)) == (why, left)


def test_a_session_is_stored_in_the_form_of_the_core_that_serves_its_variant() -> None:
    settings = settings_from({"bandit": {"variants": {"a": CONFIDENT, "b": PRODUCT_RATES}}})
    chooser = Chooser(settings, np.random.default_rng(1))
    pack, forms = packer_for(chooser), set[tuple[str, int]]()
    for number in range(40):
        session_id = f"session-{number}"
        data = pack(session_id, Session.begin(1))
        forms.add((chooser.of(session_id).settings.bandit.variant, data[0]))
    assert forms == {("default", 2), ("a", 2), ("b", Session.begin(1).encode()[0])}
    assert Session.begin(1).encode()[0] != 2
