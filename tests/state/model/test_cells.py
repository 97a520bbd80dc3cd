"""Products in regions: counted next to the products, and apart from them in what is published."""

from typing import Any

import msgspec
import numpy as np
import pytest

from state.choosing.variants import learners_of
from state.codec import UnreadableError
from state.feature_set import DIMENSION
from state.model.cells import cell_of, is_cell, parts_of
from state.model.change import Change, LiveModel, Publication
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.product_sums import ProductSums
from state.model.snapshot import Snapshot
from state.model.snapshot_rows import SNAPSHOT_LIMIT_BYTES, product_rows, rows_within, within_limit
from state.model.sums import Example, Sums
from tests.state.shop import T0, Visit, event, make_merger, restored_merger, settings, shop

REGIONS = ("north", "south", "")
PRODUCTS = 6


def examples(count: int, seed: int = 1) -> list[Example]:
    rng = np.random.default_rng(seed)
    return [
        Example(
            T0,
            f"p{rng.integers(PRODUCTS)}",
            rng.normal(size=DIMENSION).astype(np.float16).tobytes(),
            1.0,
            reward := float(rng.random()),
            reward**2,
            region=REGIONS[rng.integers(len(REGIONS))],
        )
        for _ in range(count)
    ]


def shard_of(**bandit: object) -> LearnerShard:
    return LearnerShard.open("default/0", None, {}, DIMENSION, settings(bandit=bandit).bandit, T0)


def merged(learned: list[Example], merger: Merger | None = None) -> Merger:
    shard, merger = shard_of(), merger or make_merger()
    shard.learn(learned)
    merger.absorb(shard.drain_update(), T0)
    return merger


def counts_of(names: list[str], counts: bytes) -> dict[str, list[float]]:
    return dict(zip(names, np.frombuffer(counts, dtype="<f8").reshape(-1, 2).tolist(), strict=True))


def test_a_cells_name_is_no_products() -> None:
    name = cell_of("north", "p1")
    assert is_cell(name)
    assert parts_of(name) == ("north", "p1")
    assert not is_cell("p1")
    assert {parts_of(other) for other in ("p1", "\x1fnorth", "", "north\x1fp1")} == {("", "")}


def test_a_snapshot_counts_products_by_region_beside_the_products() -> None:
    learned = examples(200)
    snapshot = Snapshot.decode(merged(learned).snapshot(T0).encode())
    expected: dict[str, list[float]] = {}
    for example in learned:
        for name in {example.product_id, example.region and cell_of(example.region, example.product_id)} - {""}:
            row = expected.setdefault(name, [0.0, 0.0])
            row[0] += 1
            row[1] += example.reward
    found = counts_of(snapshot.product_ids, snapshot.counts) | counts_of(snapshot.cells, snapshot.cell_counts)
    assert sorted(snapshot.cells) == sorted(name for name in expected if is_cell(name))
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row)
    predictor = Predictor(snapshot)
    assert predictor.cell_statistics.shape == (2 * PRODUCTS, 4)


def test_cells_unexplained_rewards_are_taken_against_the_newest_coefficients() -> None:
    learned = examples(300)
    snapshot = merged(learned).snapshot(T0)
    theta = Predictor(snapshot).theta.copy()
    theta[[11, 12, 13]] = 0  # of the product's own rate: whoever reads the snapshot takes those off
    unexplained: dict[str, float] = {}
    for example in learned:
        if example.region:
            name = cell_of(example.region, example.product_id)
            unexplained[name] = unexplained.get(name, 0.0) + example.reward - float(example.features() @ theta)
    residuals = np.frombuffer(snapshot.cell_residuals, dtype="<f4").reshape(-1, 2)[:, 0]
    np.testing.assert_allclose(residuals, [unexplained[name] for name in snapshot.cells], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bandit", [{"effects": []}, {"form": "disjoint", "policy": "lin_ucb"}])
def test_no_cells_are_counted_where_no_effect_of_theirs_is_wanted(bandit: dict[str, object]) -> None:
    shard = shard_of(**bandit)
    shard.learn(examples(20))
    assert not any(map(is_cell, shard.drain_update().products))


@pytest.mark.parametrize(("form", "other"), [("shared", "disjoint"), ("disjoint", "shared")])
def test_a_variant_with_one_model_has_effects_beside_one_with_a_model_for_each_product(form: str, other: str) -> None:
    """Whichever of the two is the main one: sessions of both are told apart, and one learns by group."""
    variants = {"b": {"share": 0.5, "form": other}}
    configuration = settings(bandit={"form": form, "policy": "lin_ucb", "variants": variants})
    assert configuration.bandit.groups == settings().bandit.groups
    counted = {}
    for key, bandit in learners_of(configuration).items():
        shard = LearnerShard.open(f"{key}/0", None, {}, DIMENSION, bandit, T0)
        shard.learn(examples(20))
        counted[bandit.form] = any(map(is_cell, shard.drain_update().products))
    assert counted == {"shared": True, "disjoint": False}


def test_cells_come_back_from_state_and_from_a_snapshot() -> None:
    merger = merged(examples(100))
    assert restored_merger(merger).snapshot(T0) == merger.snapshot(T0)
    snapshot = merger.snapshot(T0)
    rows = product_rows(snapshot, Sums.decode(snapshot.sums))
    assert rows.cells == len(snapshot.cells) == 2 * PRODUCTS
    later = make_merger()
    later.start_from(snapshot, T0)
    again = merged(examples(100, seed=2), later).snapshot(T0)
    both = merged(examples(100) + examples(100, seed=2)).snapshot(T0)
    found, expected = counts_of(again.cells, again.cell_counts), counts_of(both.cells, both.cell_counts)
    assert found.keys() == expected.keys()
    for name, row in expected.items():
        assert found[name] == pytest.approx(row)


def test_a_change_carries_the_cells_that_changed() -> None:
    merger, live = merged(examples(100)), LiveModel()
    whole = merger.snapshot(T0)
    live.apply(whole.encode())
    shard = shard_of()
    shard.learn([Example(T0, "p0", np.ones(DIMENSION, np.float16).tobytes(), 1.0, 1.0, 1.0, region="west")])
    update = shard.drain_update()
    merger.absorb(update, T0)
    publication = Publication(30_000)
    publication.changed.update(update.products)
    change = merger.snapshot(T0 + 1, publication.changed)
    assert change.cells == [cell_of("west", "p0")]
    newest = live.apply(Change(whole.model_version, change.encode()).encode())
    expected = merger.snapshot(T0 + 1)
    assert newest is not None
    assert counts_of(newest.cells, newest.cell_counts) == counts_of(expected.cells, expected.cell_counts)
    assert counts_of(newest.product_ids, newest.counts) == counts_of(expected.product_ids, expected.counts)


def test_neither_products_nor_cells_push_the_others_out() -> None:
    """Twenty thousand invented regions cost cells alone."""
    merger = make_merger(max_products=10)
    merger = merged(examples(200), merger)
    invented = ProductSums(DIMENSION)
    for number in range(100):
        name = cell_of(f"invented-{number}", "p0")
        invented.add([name], np.array([[0.5, 0.0, 0.0]]), np.zeros((1, DIMENSION)))
    merger.products.merge(invented.drain(), 1.0)
    merger = merged(examples(10), merger)
    snapshot = merger.snapshot(T0)
    assert sorted(snapshot.product_ids) == [f"p{n}" for n in range(PRODUCTS)]
    assert len(snapshot.cells) == 10
    assert not any("invented" in cell for cell in snapshot.cells)


ODD = "\x1f"
HOSTILE = [
    {"region": "r" * 75, "device": "d" * 57},
    {"region": "r" * 128, "device": "phone"},
    {"region": "ö" * 128},
    {"region": ODD},
    {"region": f"north{ODD}p1", "device": f"{ODD}p2"},
    {"region": "north", "device": "\x1e"},
    {"product_id": f"{ODD}north{ODD}p1"},
    {"product_id": ODD},
    {"product_id": "\x1eproduct-1"},
    {"product_id": f"\x1e{ODD}north{ODD}p1"},
]


@pytest.mark.parametrize("told", HOSTILE, ids=repr)
@pytest.mark.parametrize("products", [40, 0])
def test_no_name_that_an_event_may_have_stops_a_model(told: dict[str, str], products: int) -> None:
    """From the event on, with a catalogue and without, where anything that is viewed may be shown."""
    visit = Visit(shop(products=products))
    place: dict[str, Any] = {"region": "north", **told}
    place.pop("product_id", None)
    visit.send(event(product_id=told.get("product_id", "product-0"), **place))
    for number in range(1, 4):
        visit.send(event(at_ms=20_000 * number, product_id=f"product-{number}", **place))
    slate = visit.session.slates[-1]
    visit.send(event("impression", 70_000, decision_id=slate.decision_id, shown=slate.product_ids, **place))
    visit.send(event(at_ms=80_000, **place))
    read = msgspec.msgpack.Decoder(list[Example])
    records = [record for effect in visit.effects for record in effect.records if record.kind == "examples"]
    learned = [example for record in records for example in read.decode(record.value)]
    assert learned
    merger = merged(learned)
    predictor = Predictor(Snapshot.decode(merger.snapshot(T0).encode()))
    assert predictor.posterior.weight == pytest.approx(sum(example.count for example in learned))
    assert {name for name in predictor.product_ids if not name.startswith("product-")} == set()


def test_names_that_an_earlier_release_let_in_are_left_out_and_counted() -> None:
    merger = merged(examples(50))
    row = next(iter(merger.products.rows([cell_of("north", "p1")]).values()))
    rows = merger.products.rows(merger.products.product_ids) | {cell_of("r" * 201, "p1"): row, ODD: row}
    restored = Merger.decode(merger.encode(), merger.conditions)
    assert restored.restore_products(rows) == 2
    assert Predictor(restored.snapshot(T0)).statistics.shape[0] == PRODUCTS
    shard = shard_of()
    shard.learn(examples(20))
    shard.pending.merge({ODD: row}, 1.0)
    restored.absorb(shard.drain_update(), T0)
    Predictor(restored.snapshot(T0))


@pytest.mark.parametrize("form", ["shared", "disjoint"])
def test_models_follow_a_rollback_although_sessions_take_back_what_came_before_it(form: str) -> None:
    """An exposure of a product that the older model does not know: what was shown in the end were others."""
    configuration = settings(bandit={"form": form, "policy": "lin_ucb"})
    shard = LearnerShard.open("default/0", None, {}, DIMENSION, configuration.bandit, T0)

    def absorb(merger: Merger, *learned: Example) -> Merger:
        shard.learn(learned)
        merger.absorb(shard.drain_update(), T0)
        return merger

    merger = absorb(Merger(conditions_of(configuration), "here", T0), *examples(900))
    archived = Snapshot.decode(merger.snapshot(T0).encode())
    told = msgspec.structs.replace(examples(1, seed=2)[0], product_id="newcomer", reward=0.0, reward_squared=0.0)
    merger = absorb(merger, told).replaced(archived, T0)
    absorb(merger, msgspec.structs.replace(told, count=-1.0))
    for only in (None, {"newcomer"}):
        snapshot = Snapshot.decode(merger.snapshot(T0, only).encode())
        found = Predictor(snapshot)
        assert found.statistics[snapshot.product_ids.index("newcomer"), :2].tolist() == [0.0, 0.0]
        assert found.arms is None or np.isfinite(found.arms.theta).all()
        assert found.posterior.weight == pytest.approx(899)
    again = [msgspec.structs.replace(example, product_id="newcomer") for example in examples(3, seed=4)]
    # more than was taken back, and yet no exposures that add up to what is left of the product's own sums
    absorb(merger, *again)
    known = Predictor(Snapshot.decode(merger.snapshot(T0).encode()))
    assert known.statistics[known.product_ids.index("newcomer"), 0] == pytest.approx(2)


def test_exposures_are_those_of_the_products() -> None:
    learned = examples(60)
    merger = merged(learned)
    assert merger.products.cells == 2 * PRODUCTS
    assert merger.products.exposures().sum() == len(learned)


def test_cells_take_a_quarter_of_a_snapshots_room_and_products_what_is_left() -> None:
    products = ProductSums(DIMENSION)
    for number in range(100):
        row = np.array([[100.0 - number, 0.0, 0.0]])
        products.add([f"p{number:04}"], row, np.zeros((1, DIMENSION)))
        products.add([cell_of("r", f"p{number:04}")], row, np.zeros((1, DIMENSION)))
    kept, cells = rows_within(products, 3_400, None)
    assert [products.product_ids[row] for row in cells] == [cell_of("r", f"p{n:04}") for n in range(850 // 37)]
    left = 3_400 - 37 * len(cells)
    assert [products.product_ids[row] for row in kept] == [f"p{n:04}" for n in range(left // 34)]


def test_a_snapshot_that_is_too_long_loses_the_least_shown_of_both() -> None:
    merger = make_merger()
    snapshot = merged(examples(50), merger).snapshot(T0)
    names = [f"{'long' * 25}{n}" for n in range(3_000)]
    counts = np.column_stack([np.arange(3_000.0), np.zeros(3_000)])
    rows = {"counts": counts.astype("<f8").tobytes(), "residuals": np.zeros((3_000, 2), "<f4").tobytes()}
    large = msgspec.structs.replace(
        snapshot,
        product_ids=names,
        cells=[cell_of("r", name) for name in names],
        cell_counts=rows["counts"],
        cell_residuals=rows["residuals"],
        **rows,
    )
    shorter = within_limit(large)
    assert len(shorter.encode()) <= SNAPSHOT_LIMIT_BYTES
    assert names[-1] in shorter.product_ids
    assert cell_of("r", names[-1]) in shorter.cells
    Predictor(shorter)


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": ["p1"]},
        {"cells": ["\x1fnorth\x1f"]},
        {"cells": ["\x1f\x1fp1"]},
        {"cells": [cell_of("north", "p" * 129)]},
        {"cells": [cell_of("north", "p1")] * 2, "cell_counts": bytes(32), "cell_residuals": bytes(16)},
        {"cell_counts": bytes(15)},
        {"cell_residuals": bytes(16)},
        {"cell_counts": np.array([np.nan, 0.0]).tobytes()},
        {"cell_counts": np.array([1e16, 0.0]).tobytes()},
    ],
)
def test_a_snapshot_with_unsound_cells_is_refused(changes: dict[str, object]) -> None:
    snapshot = merged(examples(50)).snapshot(T0)
    one = {"cells": [cell_of("north", "p1")], "cell_counts": bytes(16), "cell_residuals": bytes(8)}
    Predictor(msgspec.structs.replace(snapshot, **one))
    with pytest.raises(UnreadableError):
        Predictor(msgspec.structs.replace(snapshot, **one | changes))
