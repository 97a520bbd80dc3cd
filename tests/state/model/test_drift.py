"""Drift is found where there is one, a watch survives a restart, and a turn of the half-life is exact."""

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest

from jobs.errors import ConfigurationError
from jobs.settings import settings_from
from state.configuration import Bandit
from state.feature_set import DIMENSION, FEATURE_SET, prior_of
from state.model.drift import DriftWatch, DriftWatches, shortened
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Example, Sums
from tests.state.model.test_learning import HOUR, base_of, made_examples
from tests.state.shop import T0, Visit, event, restored_merger, settings, shop

MINUTE = 60_000


def rewards_of(rate: float, count: int, seed: int = 1) -> list[float]:
    return [float(below) for below in np.random.default_rng(seed).random(count) < rate]


def bandit(drift: str = "shorten", **fields: Any) -> Bandit:
    return settings_from(
        {"bandit": {"drift": drift, "half_life": "8 h", "drift_least_half_life": "3 h", **fields}}
    ).bandit


def test_a_fall_of_rewards_is_found_and_a_steady_stream_is_not() -> None:
    watch = DriftWatch()
    steady = list(map(watch.observe, rewards_of(0.3, 5_000)))
    watch = DriftWatch.decode(watch.encode())
    fallen = list(map(watch.observe, rewards_of(0.1, 2_000)))
    assert sum(steady) == 0
    assert 0 < fallen.index(True) < 500
    assert watch.mean == pytest.approx(0.1, abs=0.03)


def test_each_variant_is_watched_on_its_own_and_a_restart_changes_nothing() -> None:
    through, restarted = DriftWatches(), DriftWatches()
    found: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
    for step, rate in enumerate([0.3] * 10 + [0.05] * 10):
        news = {"falling": rewards_of(rate, 100, step), "rising": rewards_of(0.35 - rate, 100, step)}
        for which, watches in enumerate((through, restarted)):
            watches.add(news)
            if which:
                restarted = watches = DriftWatches.decode(watches.encode())
            found[which].append(watches.observe(0.002, T0 + step))
    assert found[0] == found[1]
    assert through.watched == restarted.watched
    falling, rising = through.watched["falling"], through.watched["rising"]
    assert (falling.drifts, falling.falls, rising.falls) == (falling.falls, falling.drifts, 0)
    assert falling.falls > 0
    assert rising.drifts > 0
    assert falling.exposures == rising.exposures == 2_000
    assert falling.drifted_at_ms >= T0 + 10
    with pytest.raises(ValueError, match="version"):
        DriftWatches.decode(b"\x63")


def test_memory_becomes_shorter_but_not_too_short() -> None:
    hours = [shortened(bandit(), half_life and half_life * HOUR) / HOUR for half_life in (8, 4, 3, 2, None)]
    assert hours == [4, 3, 3, 2, 7 * 24]
    with pytest.raises(ConfigurationError, match=r"bandit\.drift_least_half_life"):
        bandit(drift_least_half_life="1 min")


def half_lives(turns: list[tuple[int, int | None]], newest: int | None, start_ms: int, end_ms: int) -> float:
    """Between two times, minute by minute under the half-life then in force."""
    total = 0.0
    for moment_ms in range(start_ms, end_ms, MINUTE):
        in_force = next((before for turned_ms, before in turns if moment_ms < turned_ms), newest)
        total += MINUTE / in_force if in_force else 0.0
    return total


def ridge(
    examples: list[Example], turns: list[tuple[int, int | None]], newest: int | None, now_ms: int, prior: Any = None
) -> Any:
    a, b = np.eye(DIMENSION), np.zeros(DIMENSION) if prior is None else prior.copy()
    for example in examples:
        weight = 2.0 ** -half_lives(turns, newest, example.exposed_at_ms, now_ms)
        a += weight * example.count * np.outer(example.features(), example.features())
        b += weight * example.reward * example.features()
    return np.linalg.solve(a, b)


def on_minutes(examples: list[Example]) -> list[Example]:
    return [msgspec.structs.replace(e, exposed_at_ms=T0 + (e.exposed_at_ms - T0) // MINUTE * MINUTE) for e in examples]


@pytest.mark.parametrize("first", [8 * HOUR, None])
@pytest.mark.parametrize("form", ["shared", "disjoint"])
def test_a_turn_is_exact_for_what_came_before_after_and_late(first: int | None, form: str) -> None:
    """Drifts shorten the half-life twice. Examples arrive in any order around the turns, on top of an earlier job's model, and
    shard and merger are restored again and again; some examples are taken back after a turn."""
    half_life = None if first is None else first
    configuration = settings_from(
        {"bandit": {"ridge": 1.0, "drift": "shorten", "half_life": half_life, "drift_half_life": 6 * HOUR,
                    "drift_least_half_life": 2 * HOUR, "form": form}}
    )  # fmt: skip
    shard = LearnerShard.open("d/0", None, {}, DIMENSION, configuration.bandit, T0)
    merger = Merger(conditions_of(configuration), "here", T0)
    spans = (13 * HOUR, 27 * HOUR, 40 * HOUR)  # of what comes before the first turn, the second, and the end
    examples = [e for seed, span_ms in enumerate(spans) for e in on_minutes(made_examples(seed, 40, span_ms=span_ms))]
    unwanted = examples[5:10]
    turn_at = {39: T0 + spans[0], 79: T0 + spans[1]}
    earlier = [msgspec.structs.replace(e, exposed_at_ms=T0) for e in made_examples(2, 20)] if form == "shared" else []
    if earlier:
        base = base_of(earlier, first, learned_from=merger.conditions.learned_from)
        merger.adopt(msgspec.structs.replace(base, model_version=T0), T0)
    turns: list[tuple[int, int | None]] = []
    for index, example in enumerate(examples):
        shard.learn([example])
        if index in turn_at:
            turns.append((turn_at[index], shard.sums.half_life_ms))
            shard.drift.add({"default": [*rewards_of(0.5, 2_000), *rewards_of(0.0, 400)]})
            assert shard.observe(configuration.bandit, turn_at[index]) > 0
        if index % 9 == 0:
            merger.absorb(shard.drain_update(), T0 + 41 * HOUR)
            merger = restored_merger(merger)
            shard = LearnerShard.open("d/0", shard.encode(), {}, DIMENSION, configuration.bandit, T0 + 41 * HOUR)
    taken_back = [Example(e.exposed_at_ms, e.product_id, e.x, -1, -e.reward, -e.reward_squared) for e in unwanted]
    shard.learn(taken_back)
    merger.absorb(shard.drain_update(), T0 + 41 * HOUR)
    newest = 2 * HOUR if first else 3 * HOUR
    assert shard.sums.half_life_ms == newest
    now_ms = T0 + 42 * HOUR
    snapshot = Snapshot.decode(restored_merger(merger).snapshot(now_ms).encode())
    assert Sums.decode(snapshot.sums).half_life_ms == newest
    known = [*earlier, *[e for e in examples if e not in unwanted]]
    predictor = Predictor(snapshot)
    np.testing.assert_allclose(
        predictor.theta, ridge(known, turns, newest, now_ms, prior_of(FEATURE_SET, DIMENSION)), rtol=1e-8, atol=1e-11
    )
    weights = dict.fromkeys(snapshot.product_ids, 0.0)
    for example in known:
        weights[example.product_id] += 2.0 ** -half_lives(turns, newest, example.exposed_at_ms, now_ms)
    found = dict(zip(snapshot.product_ids, predictor.statistics[:, 0].tolist(), strict=True))
    assert found == pytest.approx(weights, rel=1e-8)
    if predictor.arms is not None:
        for product, row in predictor.arms.row_of.items():
            own = [e for e in known if e.product_id == product]
            expected = ridge(own, turns, newest, now_ms)
            np.testing.assert_allclose(predictor.arms.theta[row], expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("drift", "rates"), [("watch", (0.5, 0.0)), ("shorten", (0.0, 0.5)), ("shorten", (0.3, 0.3))])
def test_only_a_fall_shortens_and_only_where_configured(drift: str, rates: tuple[float, float]) -> None:
    configured = bandit(drift)
    shard = LearnerShard.open("d/0", None, {}, DIMENSION, configured, T0)
    shard.drift.add({"default": [*rewards_of(rates[0], 2_000), *rewards_of(rates[1], 2_000, seed=2)]})
    drifts = shard.observe(configured, T0)
    assert (drifts > 0) == (rates[0] != rates[1])
    assert shard.sums.half_life_ms == 8 * HOUR
    assert shard.observe(configured, T0) == 0


def test_what_drift_shortened_stays_so_until_the_configuration_changes() -> None:
    shard = LearnerShard.open("d/0", None, {}, DIMENSION, bandit(), T0)
    shard.drift.add({"default": [*rewards_of(0.5, 2_000), *rewards_of(0.0, 400)]})
    shard.observe(bandit(), T0)
    opened = partial(LearnerShard.open, "d/0", shard.encode(), {}, DIMENSION, now_ms=T0 + HOUR)
    assert shard.sums.half_life_ms == 4 * HOUR
    assert opened(bandit=bandit()).sums.half_life_ms == 4 * HOUR
    assert opened(bandit=bandit(half_life="9 h")).sums.half_life_ms == 9 * HOUR
    assert opened(bandit=bandit("watch")).sums.half_life_ms == 8 * HOUR


def test_statistics_that_a_drift_shortens_are_learned_in_one_shard() -> None:
    assert [conditions_of(settings(bandit={"drift": d})).shards for d in ("ignore", "watch", "shorten")] == [4, 4, 1]


@pytest.mark.parametrize("drift", ["ignore", "watch"])
def test_the_rewards_of_closed_exposures_reach_the_watch(drift: str) -> None:
    visit = Visit(shop(settings(bandit={"drift": drift, "variants": {"other": {"share": 1.0, "half_life": "7 d"}}})))
    visit.send(event())
    visit.send(visit.impression(1_000, items=3))
    assert visit.profile is not None
    shown = [item["product_id"] for item in visit.profile["score_data"][:3]]
    visit.send(event("add_to_cart", 2_000, product_id=shown[1]))
    visit.pass_watermark(T0 + HOUR)
    records = [r for e in visit.effects for r in e.records if r.kind == "examples"]
    watched = [(r.key, m) for r in records if isinstance(m := msgspec.msgpack.decode(r.value), dict)]
    key = visit.personalizer.chooser.of("session-1").drift_target
    assert (key is None) == (drift == "ignore")
    assert watched == ([] if key is None else [(f"{key[0]}/0".encode(), {"other": [0, 0.6, 0]})])
