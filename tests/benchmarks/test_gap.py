"""The gap table: its arithmetic, and that each piece takes away what it says."""

import numpy as np
import pytest

from benchmarks.lab.gap import OURS, PIECES, REPORTED, differs, markdown, run_piece, summary
from benchmarks.lab.oracle import OTHERS, OracleFeatures, with_coefficients
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.shares import Run
from benchmarks.lab.spec import Spec, shop
from benchmarks.lab.world import World
from state.choosing.features import Context
from state.session.interest import Interest

SEED = 100
SMALL = Spec("small", products=40, categories=4, visitors=15, shown=4)


def run(shop_name: str, piece: str, seed: int, value: float) -> Run:
    return Run(shop_name, piece, seed, 1, 1, value, value, [], 0.0)


def test_pieces_are_paired_by_seed_and_the_mean_is_over_shops() -> None:
    runs = [run(name, OURS, seed, 0.1 + seed / 10) for name in ("linear", "lost") for seed in (0, 1)]
    runs += [run("linear", "no_exploration", seed, 0.5 + seed / 10) for seed in (0, 1)]
    runs += [run("lost", "no_exploration", seed, 0.1 + seed / 10) for seed in (0, 1)]
    runs += [run("lost", REPORTED, seed, 0.3 + seed / 10) for seed in (0, 1)]
    results = summary(runs)
    lines = markdown(results).splitlines()
    place = PIECES.index("no_exploration") + 3
    cells = [[cell.strip() for cell in line.split("|")] for line in lines[: lines.index("")]]
    assert cells[2][1:3] == ["linear", "0.150 [0.100, 0.200] n=2"]
    assert [row[place] for row in cells[2:]] == [f"+{x} [+{x}, +{x}]" for x in ("0.400", "0.000", "0.200")]
    assert [row[PIECES.index(REPORTED) + 3] for row in cells[2:]] == [
        "–",
        "+0.200 [+0.200, +0.200]",
        "+0.100 [+0.100, +0.100]",
    ]


def test_clicks_are_reported_in_full_where_they_were_not() -> None:
    assert [differs(name, REPORTED, SEED) for name in ("linear", "position_bias", "delayed", "lost")] == [
        False,
        True,
        True,
        True,
    ]
    assert run_piece("lost", REPORTED, SEED, 10).pages == run_piece("lost", OURS, SEED, 10).pages


@pytest.mark.parametrize("piece", ["no_exploration", "attainable", "oracle_features"])
def test_a_piece_runs_with_the_visitors_of_ours(piece: str) -> None:
    ours, other = (run_piece("linear", name, SEED, 10) for name in (OURS, piece))
    assert other.method == piece
    assert (other.pages, [best for _, best in other.by_number]) == (ours.pages, [best for _, best in ours.by_number])
    assert other.share != ours.share


def test_all_candidates_are_all_products() -> None:
    world = World(SMALL, SEED)
    method = Heliotrope({"decisions": {"full_share": 1.0}}, SEED, candidates=4_000)
    world.run(method)
    asked = Context(Interest({}, {"category-1": 1.0}, 1.0, visits={"category-1": 1}), "", {}, world.now_ms)
    full = method.job.chooser.choose(asked, profile_version=1, cause=b"").full
    assert full is not None
    assert sorted(full.product_ids) == sorted(world.truth.product_ids)


def test_a_taught_model_is_of_others_and_learns_no_more() -> None:
    world = World(SMALL, SEED)
    method = with_coefficients(world, SEED)
    before = method.job.chooser.predictor
    world.run(method)
    assert before is not None
    assert method.job.chooser.predictor is before
    assert (
        before.statistics[:, 0].sum() > 2 * len(world.pages) * SMALL.shown
    )  # five times the visitors, not each looks as often
    others = World(SMALL, SEED, first_visitor=OTHERS)
    assert set(others.sessions).isdisjoint(world.sessions)
    assert np.array_equal(others.truth.price, world.truth.price)


def test_true_features_are_learned_from_clicks() -> None:
    world = World(shop("linear", SEED, 60), SEED)
    method = OracleFeatures(world, SEED)
    world.run(method)
    coefficients = np.linalg.solve(method._precision, method._rewards)
    terms = method._terms("session-0", world.truth.product_ids, world.now_ms)
    chances = world.chances("session-0")
    assert np.corrcoef(terms @ coefficients, chances)[0, 1] > 0.8
