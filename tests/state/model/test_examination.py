"""Whether what lies below a last click is learned: by evidence, from sums that hold for either."""

import msgspec
import numpy as np
import pytest

from state.feature_set import DIMENSION
from state.model.examination import SURE, evidence_for_cascade, examination_after
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Example, Sums
from tests.state.shop import HOUR, T0, restored_merger, settings

ITEMS, RATE = 6, 0.15


def impression(rng: np.random.Generator, *, acts_once: bool) -> list[Example]:
    """What the learner is told of an impression whose items are each liked at random."""
    clicked = [place for place in range(ITEMS) if rng.random() < RATE]
    clicked = clicked[:1] if acts_once else clicked
    found = []
    for place in range(ITEMS):
        reward = 0.2 if place in clicked else 0.0
        is_passed = bool(clicked) and place > max(clicked)
        is_below = bool(clicked) and place > min(clicked)
        x = np.concatenate([[1.0], rng.normal(size=DIMENSION - 1)]).astype(np.float16)
        marks = (int(is_passed), int(is_below), int(reward > 0), int(is_below and reward > 0))
        product = f"p{rng.integers(5)}"
        found.append(Example(T0, product, x.tobytes(), 1.0, reward, reward**2, -1, 1, reward, "north", *marks))
    return found


def visits(count: int, *, acts_once: bool, seed: int = 1) -> list[Example]:
    rng = np.random.default_rng(seed)
    return [example for _ in range(count) for example in impression(rng, acts_once=acts_once)]


def merged(examples: list[Example], merger: Merger | None = None, half_life: str | None = None) -> Merger:
    configuration = settings(bandit={"half_life": half_life})
    shard = LearnerShard.open("default/0", None, {}, DIMENSION, configuration.bandit, T0)
    shard.learn(examples)
    merger = merger or Merger(conditions_of(configuration), "here", T0)
    merger.absorb(shard.drain_update(), T0)
    return merger


@pytest.mark.parametrize(("acts_once", "expected"), [(True, "cascade"), (False, "all")])
def test_the_evidence_tells_who_acts_once_from_who_looks_at_all(acts_once: bool, expected: str) -> None:
    merger = merged(visits(300, acts_once=acts_once))
    evidence = evidence_for_cascade(merger.sums(), T0)
    assert (evidence > SURE) == acts_once
    assert (evidence < -SURE) == (not acts_once)
    assert merger.snapshot(T0).examination == expected


def test_little_evidence_changes_nothing() -> None:
    sums = merged(visits(5, acts_once=True)).sums()
    assert 0 < evidence_for_cascade(sums, T0) < SURE
    assert examination_after("all", sums, T0) == "all"
    assert examination_after("cascade", sums, T0) == "cascade"
    assert evidence_for_cascade(Sums(DIMENSION, None), T0) == 0


def test_what_is_forgotten_is_no_evidence() -> None:
    sums = merged(visits(300, acts_once=True), half_life="1 h").sums()
    now, later = evidence_for_cascade(sums, T0), evidence_for_cascade(sums, T0 + 3 * HOUR)
    assert later == pytest.approx(now / 8)


def test_under_the_cascade_the_model_is_that_of_what_was_looked_at() -> None:
    examples = visits(300, acts_once=True)
    plain = [msgspec.structs.replace(e, passed=0, below=0, rewarded=0, rewarded_below=0) for e in examples]
    looked_at = [of for of, example in zip(plain, examples, strict=True) if not example.passed]
    found, expected = merged(examples).snapshot(T0), merged(looked_at).snapshot(T0)
    assert (found.examination, expected.examination) == ("cascade", "all")
    np.testing.assert_allclose(Predictor(found).theta, Predictor(expected).theta, rtol=1e-9, atol=1e-12)
    assert Predictor(found).posterior.weight == pytest.approx(len(looked_at))
    for names, counts, residuals in (
        ("product_ids", "counts", "residuals"),
        ("cells", "cell_counts", "cell_residuals"),
    ):
        order, others = (np.argsort(getattr(snapshot, names)) for snapshot in (found, expected))
        assert sorted(getattr(found, names)) == sorted(getattr(expected, names))
        for column, kind in ((counts, "<f8"), (residuals, "<f4")):
            ours, theirs = (
                np.frombuffer(getattr(snapshot, column), dtype=kind).reshape(-1, 2)[at]
                for snapshot, at in ((found, order), (expected, others))
            )
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_sums_hold_all_and_so_the_choice_can_be_taken_back() -> None:
    once, all_looked_at = visits(300, acts_once=True), visits(900, acts_once=False, seed=2)
    merger = merged(once)
    assert merger.snapshot(T0).examination == "cascade"
    merger = merged(once + all_looked_at, merger)
    found = merger.snapshot(T0)
    plain = [msgspec.structs.replace(e, passed=0, below=0, rewarded=0, rewarded_below=0) for e in once + all_looked_at]
    assert found.examination == "all"
    np.testing.assert_allclose(
        Predictor(found).theta, Predictor(merged(plain).snapshot(T0)).theta, rtol=1e-9, atol=1e-12
    )


def test_a_choice_outlives_restarts_and_new_jobs() -> None:
    merger = merged(visits(300, acts_once=True))
    snapshot = Snapshot.decode(merger.snapshot(T0).encode())
    assert restored_merger(merger).snapshot(T0) == snapshot
    later = Merger(conditions_of(settings()), "later", T0 + HOUR)
    later.adopt(snapshot, T0 + HOUR)
    taken = later.snapshot(T0 + HOUR)
    assert taken.examination == "cascade"
    np.testing.assert_allclose(Predictor(taken).theta, Predictor(snapshot).theta, rtol=1e-9, atol=1e-12)


def test_a_job_that_learns_all_takes_over_what_fits_together_of_a_model_of_the_cascade() -> None:
    """A snapshot's counts of products are of what was looked at: its sums then have to be so too."""
    merger = merged(visits(300, acts_once=True))
    snapshot = Snapshot.decode(merger.snapshot(T0).encode())
    later = Merger(conditions_of(settings(exposure={"model": "all"})), "later", T0 + HOUR)
    later.adopt(snapshot, T0 + HOUR)
    taken = later.snapshot(T0 + HOUR)
    assert taken.examination == "all"
    assert evidence_for_cascade(later.sums(), T0) == pytest.approx(evidence_for_cascade(merger.sums(), T0))
    assert Predictor(taken).posterior.weight == pytest.approx(Predictor(snapshot).statistics[:, 0].sum())
    np.testing.assert_allclose(Predictor(taken).theta, Predictor(snapshot).theta, rtol=1e-9, atol=1e-12)
    found, expected = (
        dict(zip(of.product_ids, of.statistics.tolist(), strict=True)) for of in map(Predictor, (taken, snapshot))
    )
    assert found.keys() == expected.keys()
    assert all(found[product][:2] == pytest.approx(expected[product][:2]) for product in expected)


def test_a_job_that_goes_over_to_learning_all_does_so_at_once() -> None:
    merger = merged(visits(300, acts_once=True))
    assert merger.snapshot(T0).examination == "cascade"
    all_of_it = restored_merger(merger, conditions_of(settings(exposure={"model": "all"}))).snapshot(T0)
    assert all_of_it.examination == "all"
    assert Predictor(all_of_it).posterior.weight == pytest.approx(300 * ITEMS)


def test_a_base_of_the_cascade_stays_of_one_piece_when_the_evidence_turns() -> None:
    snapshot = Snapshot.decode(merged(visits(300, acts_once=True)).snapshot(T0).encode())
    later = Merger(conditions_of(settings()), "later", T0 + HOUR)
    later.adopt(snapshot, T0 + HOUR)
    later = merged(visits(1_500, acts_once=False, seed=2), later)
    turned = later.snapshot(T0 + HOUR)
    assert turned.examination == "all"
    found = Predictor(turned)
    assert found.posterior.weight == pytest.approx(found.statistics[:, 0].sum())


@pytest.mark.parametrize("overrides", [{"exposure": {"model": "all"}}, {"bandit": {"form": "disjoint"}}])
def test_only_auto_goes_by_evidence(overrides: dict[str, dict[str, str]]) -> None:
    bandit = overrides.get("bandit", {}) | {"policy": "lin_ucb"}
    configuration = settings(bandit=bandit, exposure=overrides.get("exposure", {}))
    merger = Merger(conditions_of(configuration), "here", T0)
    shard = LearnerShard.open("default/0", None, {}, DIMENSION, configuration.bandit, T0)
    shard.learn(visits(300, acts_once=True))
    merger.absorb(shard.drain_update(), T0)
    assert merger.snapshot(T0).examination == "all"


def test_a_model_of_all_goes_on_under_auto() -> None:
    """An upgrade keeps what was learned: the sums mean the same."""
    conditions = conditions_of(settings(exposure={"model": "all"}))
    assert conditions.learned_from == conditions_of(settings()).learned_from
    assert conditions.key == conditions_of(settings()).key
    assert conditions_of(settings(exposure={"model": "cascade"})).learned_from != conditions.learned_from
