"""What changed of a model, and its readers."""

import msgspec
import numpy as np
import pytest

from state.model.change import Change, LiveModel, Publication, patched, rows_by_product
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.state.model.test_learning import HOUR, made_examples
from tests.state.shop import T0, make_merger, settings


def taught(count: int, half_life_ms: int | None = None) -> tuple[Merger, LearnerShard]:
    merger = make_merger(half_life_ms)
    shard = LearnerShard("default/0", Sums(merger.conditions.dimension, half_life_ms))
    shard.learn(made_examples(1, count, span_ms=HOUR))
    merger.absorb(shard.drain_update(), T0)
    return merger, shard


def change_of(merger: Merger, base: Snapshot, now_ms: int, products: set[str]) -> bytes:
    return Change(base.model_version, merger.snapshot(now_ms, products).encode()).encode()


@pytest.mark.parametrize("half_life_ms", [None, HOUR])
def test_base_and_change_are_the_whole_model(half_life_ms: int | None) -> None:
    """Everything but the residuals of products that did not change, which stay those of the base."""
    merger, shard = taught(200, half_life_ms)
    base = merger.snapshot(T0)
    later = [e for e in made_examples(2, 300, span_ms=HOUR) if e.product_id in ("product-0", "product-3")]
    later += [msgspec.structs.replace(later[0], product_id="new")]
    shard.learn(later)
    merger.absorb(shard.drain_update(), T0)
    now_ms = T0 + 20_000
    live = LiveModel()
    assert live.apply(base.encode()) == base
    found = live.apply(change_of(merger, base, now_ms, {"product-0", "product-3", "new"}))
    assert found is not None
    whole = merger.snapshot(now_ms)
    assert found.model_version == whole.model_version == now_ms
    assert found.sums == whole.sums
    assert set(found.product_ids) == set(whole.product_ids)
    mine = dict(zip(found.product_ids, Predictor(found).statistics.tolist(), strict=True))
    theirs = dict(zip(whole.product_ids, Predictor(whole).statistics.tolist(), strict=True))
    for product, row in theirs.items():
        np.testing.assert_allclose(mine[product][:2], row[:2], rtol=1e-9)
        if product in ("product-0", "product-3", "new"):
            np.testing.assert_allclose(mine[product], row, rtol=1e-6)


def test_models_of_products_travel_as_changes_too() -> None:
    configuration = settings(bandit={"form": "disjoint"})
    merger = Merger(conditions_of(configuration), "here", T0)
    shard = LearnerShard.open("d/0", None, {}, merger.conditions.dimension, configuration.bandit, T0)
    for count in (100, 150):
        shard.learn(made_examples(count, count))
        if count == 100:
            merger.absorb(shard.drain_update(), T0)
            base = merger.snapshot(T0)
    update = shard.drain_update()
    merger.absorb(update, T0)
    found = patched(base, merger.snapshot(T0 + 1, set(update.products)), rows_by_product(base))
    whole = merger.snapshot(T0 + 1)
    mine, theirs = Predictor(found).arms, Predictor(whole).arms
    assert mine is not None
    assert theirs is not None
    for product, row in theirs.row_of.items():
        np.testing.assert_allclose(mine.theta[mine.row_of[product]], theirs.theta[row], rtol=1e-12)
    assert mine.noise == pytest.approx(theirs.noise)


def test_a_change_waits_for_its_base_and_gives_way_to_a_newer_one() -> None:
    merger, _ = taught(50)
    first, second = merger.snapshot(T0), merger.snapshot(T0 + 100)
    of_second = change_of(merger, second, T0 + 200, {"product-1"})
    live = LiveModel()
    assert live.apply(of_second) is None
    assert live.newest is None
    assert live.apply(first.encode()) == first
    newest = live.apply(second.encode())
    assert newest is not None
    assert newest.model_version == T0 + 200
    third = merger.snapshot(T0 + 300)
    assert live.apply(third.encode()) == third
    assert live.apply(of_second) is None
    assert live.newest == third


def test_a_change_of_another_jobs_model_is_not_mixed_with_this() -> None:
    merger, _ = taught(50)
    base = merger.snapshot(T0)
    other = msgspec.structs.replace(base, lineage="elsewhere")
    live = LiveModel()
    live.apply(base.encode())
    assert live.apply(Change(T0, other.encode()).encode()) is None


def test_what_cannot_be_read_leaves_the_reader_as_it_was() -> None:
    merger, _ = taught(50)
    base = merger.snapshot(T0)
    live = LiveModel()
    live.apply(base.encode())
    change = change_of(merger, base, T0 + 1, {"product-1"})
    for data in (b"?", b"+\x63rest", change[:-9], b"+\x01\x93"):
        with pytest.raises(ValueError, match=r"version|damaged"):
            live.apply(data)
    assert live.newest == base
    assert live.apply(change) is not None


def test_when_the_whole_goes_out() -> None:
    publication = Publication(interval_ms=30_000)
    assert publication.base_of(100.0, T0) is None
    publication.changed = {"p"}
    publication.whole(T0, 100.0)
    assert publication.changed == set()
    assert publication.base_of(109.0, T0 + 29_999) == T0
    assert publication.base_of(111.0, T0 + 10) is None  # a tenth more was learned
    assert publication.base_of(100.0, T0 + 30_000) is None
    publication.begin_anew()
    assert publication.base_of(100.0, T0 + 10) is None


def test_versions_advance_even_where_the_clock_does_not() -> None:
    publication = Publication(interval_ms=30_000)
    assert [publication.version(now_ms) for now_ms in (T0, T0, T0 - 500, T0 + 2)] == [T0, T0 + 1, T0 + 2, T0 + 3]
