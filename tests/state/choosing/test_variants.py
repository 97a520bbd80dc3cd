"""Variants side by side: who belongs to which, who shares statistics, and what everybody learns."""

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from jobs.errors import ConfigurationError
from jobs.settings import load_settings, settings_from, to_tree
from state.choosing.variants import Assignment, learners_of, models_of, settings_by_variant
from state.configuration import Settings
from state.feature_set import DIMENSION
from state.model.predictor import Predictor
from state.model.sums import Example
from tests.state.model.test_learning import base_of, made_examples
from tests.state.shop import SESSION, T0, Visit, event, predictor_of, shop

GREEDY = {"share": 0.2, "policy": "epsilon_greedy", "epsilon": 0.05}
THOMPSON = {"share": 0.3, "policy": "thompson_linear", "half_life": "7 d"}

WRITTEN_DOWN = [
    "default",
    "greedy",
    "default",
    "default",
    "thompson",
    "default",
    "default",
    "thompson",
    "thompson",
    "default",
]


def configured(default_policy: str = "lin_ucb", **variants: Any) -> Settings:
    return settings_from({"bandit": {"policy": default_policy, "variants": variants}})


def test_sessions_fall_into_their_variants_shares() -> None:
    assignment = Assignment(configured(greedy=GREEDY, thompson=THOMPSON).bandit)
    found = [assignment.variant(f"visitor-{i}") for i in range(20_000)]
    for name, share in (("greedy", 0.2), ("thompson", 0.3), ("default", 0.5)):
        assert found.count(name) / len(found) == pytest.approx(share, abs=0.015)


def test_a_session_stays_in_its_variant_on_every_machine() -> None:
    """Names that were written down once: the hash may never change, or running experiments would be dealt anew."""
    assignment = Assignment(configured(greedy=GREEDY, thompson=THOMPSON).bandit)
    assert [assignment.variant(f"visitor-{i}") for i in range(10)] == WRITTEN_DOWN


def test_another_salt_deals_anew_and_a_further_variant_takes_only_from_the_rest() -> None:
    sessions = [f"visitor-{i}" for i in range(2_000)]
    one = Assignment(configured(greedy=GREEDY).bandit)
    other = Assignment(settings_from({"bandit": {"variants": {"greedy": GREEDY}, "variants_salt": "2"}}).bandit)
    both = sum(one.variant(s) == other.variant(s) == "greedy" for s in sessions)
    assert both / len(sessions) == pytest.approx(0.04, abs=0.015)
    further = Assignment(configured(greedy=GREEDY, thompson=THOMPSON).bandit)
    assert all(further.variant(s) == "greedy" for s in sessions if one.variant(s) == "greedy")


def test_a_variant_changes_what_it_says_and_nothing_else() -> None:
    settings = configured(greedy=GREEDY, thompson=THOMPSON)
    own = settings_by_variant(settings)
    assert list(own) == ["default", "greedy", "thompson"]
    greedy = own["greedy"].bandit
    assert (greedy.policy, greedy.epsilon, greedy.variant, greedy.variants) == ("epsilon_greedy", 0.05, "greedy", {})
    assert greedy.floor == settings.bandit.floor
    assert own["thompson"].bandit.half_life_ms == 7 * 24 * 3_600_000
    assert own["default"].bandit == msgspec.structs.replace(settings.bandit, variants={})


def test_a_variant_may_forget_nothing_where_the_others_do() -> None:
    settings = settings_from({"bandit": {"half_life": "7 d", "variants": {"keep": {"share": 0.1, "half_life": None}}}})
    assert settings_by_variant(settings)["keep"].bandit.half_life_ms is None


def test_statistics_are_shared_where_their_terms_agree() -> None:
    river = {"share": 0.1, "policy": "river", "river": "river.bandit.UCB", "river_parameters": {"delta": 0.1}}
    settings = configured(
        greedy=GREEDY,
        thompson=THOMPSON,
        also_weekly={"share": 0.1, "half_life": "7 d"},
        own_models={"share": 0.1, "form": "disjoint"},
        river=river,
    )
    models = models_of(settings)
    names = {variant: terms.variant for variant, terms in models.items()}
    assert names == {
        "default": "default", "greedy": "default", "thompson": "thompson", "also_weekly": "thompson",
        "own_models": "own_models", "river": "river",
    }  # fmt: skip
    assert {name: terms.shards for name, terms in models.items()}["river"] == 1
    learners = learners_of(settings)
    assert len(learners) == 4
    assert {bandit.variant for bandit in learners.values()} == set(names.values())
    assert models["default"].key == models_of(settings_from({"bandit": {"policy": "lin_ucb"}}))["default"].key


@pytest.mark.parametrize(
    ("bandit", "message"),
    [
        ({"variants": {"b": {"share": 0.7}, "c": {"share": 0.6}}}, "bandit.variants: their shares must sum"),
        ({"variants": {"b": {"share": 1.5}}}, "bandit.variants.b.share: "),
        ({"variants": {"b": {}}}, "bandit.variants.b.share: must say"),
        ({"variants": {"b": {"share": 0.1, "epsilom": 1}}}, "unknown key bandit.variants.b.epsilom: did you mean"),
        ({"variants": {"b": {"share": 0.1, "policy": "best"}}}, "bandit.variants.b.policy: "),
        ({"variants": {"b": {"share": 0.1, "half_life": "1 min"}}}, "bandit.variants.b.half_life: must be at least"),
        ({"variants": {"b": {"share": 0.1, "half_life": "soon"}}}, "bandit.variants.b.half_life: "),
        ({"variants": {"b": {"share": 0.1, "policy": "river"}}}, "bandit.variants.b.river: "),
        ({"variants": {"b": {"share": 0.1, "shards": 2}}}, "bandit.variants.b.shards: is the same for all"),
        ({"variants": {"b": {"share": 0.1, "variants": {}}}}, "bandit.variants.b.variants: is the same for all"),
        ({"variants": {"default": {"share": 0.1}}}, "bandit.variants.default: is bandit.variant's name"),
        ({"variants": {f"v{i}": {"share": 0.1} for i in range(9)}}, "bandit.variants: "),
        ({"variants": {"a/b": {"share": 0.1}}}, "bandit.variants"),
        ({"variants": {"b": {"share": 0.1, "form": "disjoint", "disjoint_products": 900}}},
         "bandit.variants.b.disjoint_products: must be at most"),
        ({"variants": {"b": 3}}, "bandit.variants.b must be a section"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_variant_is_named(bandit: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        settings_from({"bandit": bandit})


def test_variants_can_be_set_key_by_key_and_written_down() -> None:
    sets = ["bandit.variants.b.share=0.25", "bandit.variants.b.half_life=7 d", "bandit.variants.b.policy=softmax"]
    settings = load_settings(None, sets, environ={})
    assert settings.bandit.variants == {"b": {"share": 0.25, "half_life": 7 * 24 * 3_600_000, "policy": "softmax"}}
    assert settings_from(to_tree(settings)) == settings


def test_each_session_is_served_by_its_variant_and_teaches_all_statistics() -> None:
    settings = configured(greedy=GREEDY, thompson={**THOMPSON, "share": 0.8})
    personalizer = shop(settings)
    visit = Visit(personalizer)
    visit.send(event())
    assert visit.profile is not None
    assert (visit.profile["variant"], visit.profile["policy"]) == ("thompson", "thompson_linear")
    visit.send(visit.impression(1_000), event(at_ms=2_000, product_id="product-2"))
    examples = [record for effect in visit.effects for record in effect.records if record.kind == "examples"]
    keys = {record.key.decode().rpartition("/")[0] for record in examples}
    assert keys == {terms.key for terms in models_of(settings).values()}
    assert len({record.value for record in examples}) == len(examples) / 2
    [decision] = visit.records("decisions")
    assert (decision["variant"], decision["policy"]) == ("thompson", "thompson_linear")
    assert personalizer.chooser.of(SESSION) is not personalizer.chooser


def test_a_model_reaches_the_variants_that_choose_by_it() -> None:
    chooser = shop(configured(greedy=GREEDY, thompson=THOMPSON)).chooser
    shared, weekly = Predictor(base_of(made_examples(1, 30))), Predictor(base_of(made_examples(2, 30)))
    by_variant = {chooser.of(f"visitor-{i}").settings.bandit.variant: chooser.of(f"visitor-{i}") for i in range(50)}
    chooser.use_model(shared)
    chooser.use_model(weekly, "thompson")
    found = {name: own.predictor for name, own in by_variant.items()}
    assert found == {"default": shared, "greedy": shared, "thompson": weekly}
    assert by_variant["greedy"].rates is chooser.rates
    assert chooser.knows("thompson")
    assert not chooser.knows("greedy")  # it has no statistics of its own
    assert all(own.catalogue is chooser.catalogue for own in by_variant.values())


def test_rates_follow_the_catalogue_for_all_variants() -> None:
    personalizer = shop(configured(greedy=GREEDY, thompson=THOMPSON), products=3)
    chooser = personalizer.chooser
    x = np.zeros(DIMENSION, dtype=np.float16).tobytes()
    chooser.use_model(predictor_of([Example(T0, "product-1", x, 1, 0.5, 0.25)], DIMENSION), "thompson")
    chooser.catalogue.remove("product-2")
    chooser.refresh(T0 + 1_000)
    for i in range(50):
        own = chooser.of(f"visitor-{i}")
        row = chooser.catalogue.row_of["product-1"]
        assert own.rates.exposures[row] == (1.0 if own.settings.bandit.variant == "thompson" else 0.0)
