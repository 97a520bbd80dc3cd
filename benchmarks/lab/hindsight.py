"""What sets of columns could earn, had their coefficients been fitted to the truth: a bound for features, links and candidates.

    python -m benchmarks.lab.hindsight

Ours plays a shop. Of every page, from the `WARM`-th on, the candidates are kept with their features, as the model saw them at
the time, and with the truth's chance of a click. Each set of columns gets the coefficients that fit these chances best over half of
the visitors, the products of their slates weighing most. The others are then shown the best products by them. So nothing is lost to
noise, to exploration or to learning: what a set does not earn here, it cannot earn anywhere. The sets:

    features          those of the model
    odds              and shares of the categories by odds against the shop's, of what was done and of what was passed over
    prices            and what the prices of what was done and passed over say of the visitor
    pairs             and all products of two of them
    log               the features, with a log link: effects multiply
    region            the features, and how much the region likes each category
    appeal            the features, and the products' true appeal: as if the shop had been known
    taste             and the visitor's true match and attitude to prices: as if the visitor had been known too
    candidates        the best of the candidates: the limit of all of these
"""

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab import spec
from benchmarks.lab.method import Page
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.truth import REGIONS, Truth
from benchmarks.lab.world import World
from state.catalogue.catalogue import Catalogue
from state.choosing.features import Context
from state.feature_set import Feature
from state.kernels.columns import ProductColumn
from state.session.session import Session

Matrix = NDArray[np.float64]

FIRST_SEED, SEEDS, VISITORS = 100, 2, 800
WARM = 600
"""Pages before a model is worth looking at."""
UNSEEN_WEIGHT = 0.15
"""Weight of a candidate that was not in the slate."""
RIDGE = 1e-3
CONCENTRATION = 0.5
"""Views' worth of the belief that the visitor is like all others, in each category."""
OTHER_VIEWS = 3.0
"""The same of prices."""
STEPS = 25
"""Of Newton's method for the log link."""
PAIRED = (
    Feature.PRICE,
    Feature.RATING,
    Feature.REVIEWS,
    Feature.CATEGORY_SHARE,
    Feature.TASTE,
    Feature.TASTE_ROOT,
    Feature.RATE_LOG_RATIO,
    Feature.UNCERTAINTY,
    Feature.LAST_CATEGORY,
    Feature.CATEGORY_UNREWARDED,
    Feature.RELATIVE_PRICE,
    Feature.RELATIVE_PRICE_MATCH,
    Feature.REGIONAL_POPULARITY,
    Feature.TRENDING,
    Feature.ACQUAINTANCE,
    Feature.SHOWN_UNREWARDED,
    Feature.TOGETHER,
    Feature.PRODUCT_AFFINITY,
)


@dataclass(frozen=True)
class Seen:
    """A page's n candidates: features (n, d), chances (n,), whether they were in the slate, codes of categories, and columns of the
    sets by name (n, c); the values of the best and of a uniform slate."""

    session_id: str
    region: str
    x: Matrix
    chances: Matrix
    in_slate: NDArray[np.bool_]
    codes: NDArray[np.int64]
    more: dict[str, Matrix]
    best: float
    uniform: float


class _Watched(Heliotrope):
    """Ours, with what it chooses from kept."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__({}, seed)
        self._world = world
        self.pages: list[Seen] = []

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        page = super().page(session_id, items, now_ms)
        session = self.job.session(session_id)
        assert session is not None
        self.pages.append(self._seen(session_id, session, now_ms))
        return page

    def _seen(self, session_id: str, session: Session, now_ms: int) -> Seen:
        truth, chooser = self._world.truth, self.job.chooser
        context = self.job.personalizer.publisher.context(session, now_ms)
        considered = chooser.consider(context, self.settings.candidates.max)
        product_ids = considered.candidates.product_ids
        rows = [truth.row_of[product] for product in product_ids]
        chances = self._world.chances(session_id)
        shown = set(session.slates[-1].product_ids)
        x = considered.found.x.astype(np.float64)
        codes = considered.candidates.codes
        return Seen(
            session_id,
            session.region,
            x,
            chances[rows],
            np.array([product in shown for product in product_ids]),
            codes,
            {
                "odds": _odds(context, chooser.catalogue, x, codes, chooser.posterior.mean_reward),
                "prices": _prices(context, chooser.catalogue, x),
                **_true(truth, session_id, self._world, rows, x, now_ms),
            },
            truth.slate_value(chances, truth.best_slate(chances)),
            truth.uniform_value(chances, now_ms),
        )


def _odds(context: Context, catalogue: Catalogue, x: Matrix, codes: NDArray[np.int64], mean: float) -> Matrix:
    """How much likelier each category is for this visitor than for others: views against their share of the shop, and exposures in
    vain for the rewards that they would have had."""
    size = np.bincount(catalogue.category[: len(catalogue.product_ids)], minlength=len(catalogue.category_ids))
    viewed, in_vain = np.zeros(len(size)), np.zeros(len(size))
    for name, times in context.interest.visits.items():
        viewed[catalogue.code_of(name)] += times
    for name, shown in context.category_unrewarded.items():
        in_vain[catalogue.code_of(name)] += shown
    expected = viewed.sum() * size / max(1, size.sum()) + mean * in_vain
    odds = ((CONCENTRATION + viewed) / (CONCENTRATION + expected))[codes]
    share = odds / (odds + 4)
    return np.column_stack([np.log(odds), share, np.sqrt(share), share * x[:, Feature.RATE_LOG_RATIO]])


def _prices(context: Context, catalogue: Catalogue, x: Matrix) -> Matrix:
    """The relative price, what was liked of it and by how much that is other than what was shown in vain, with their products."""
    prices, row_of = catalogue.static[:, ProductColumn.RELATIVE_PRICE], catalogue.row_of
    liked = [prices[row_of[p]] for p, value in context.interest.products.items() if value > 0 and p in row_of]
    in_vain = [(prices[row_of[p]], times) for p, times in context.shown_unrewarded.items() if p in row_of]
    weight = OTHER_VIEWS + len(liked)
    usual = sum(price - 0.5 for price in liked) / weight
    offered = sum(price * times for price, times in in_vain) / max(1, sum(times for _, times in in_vain))
    apart = sum(price - offered for price in liked) / weight if in_vain else 0.0
    own = x[:, Feature.RELATIVE_PRICE] - 0.5
    columns = np.column_stack([own * own, own * usual, own * own * len(liked) / weight, own * apart])
    return np.column_stack([columns, columns * x[:, Feature.CATEGORY_SHARE, None]])


def _true(truth: Truth, session_id: str, world: World, rows: list[int], x: Matrix, now_ms: int) -> dict[str, Matrix]:
    visitor = truth.visitor(world.sessions[session_id])
    appeal = truth.appeal(REGIONS.index(visitor.region), now_ms)[rows]
    match = visitor.match[truth.category[rows]]
    price = truth.price_term(visitor, rows)
    by_appeal = np.column_stack([appeal, appeal * x[:, Feature.TASTE], appeal * x[:, Feature.CATEGORY_SHARE]])
    return {
        "appeal": by_appeal,
        "taste": np.column_stack([by_appeal, match, np.sqrt(match), match * appeal, price, price * match]),
    }


Columns = Callable[[Seen], Matrix]


def _sets(by_region: dict[str, Matrix]) -> dict[str, Columns]:
    first, second = np.triu_indices(len(PAIRED))

    def pairs(page: Seen) -> Matrix:
        some = page.x[:, PAIRED]
        return np.column_stack([page.x, some[:, first] * some[:, second]])

    def with_more(name: str) -> Columns:
        return lambda page: np.column_stack([page.x, page.more[name]])

    return {
        "features": lambda page: page.x,
        "odds": with_more("odds"),
        "prices": with_more("prices"),
        "pairs": pairs,
        "log": lambda page: page.x,
        "region": lambda page: np.column_stack([page.x, by_region[page.region][page.codes]]),
        "appeal": with_more("appeal"),
        "taste": with_more("taste"),
    }


def _by_region(pages: list[Seen]) -> dict[str, Matrix]:
    """By how much more than all visitors those of a region like each category: mean chances in slates, shrunk by 30 products."""
    size = 1 + max(int(page.codes.max()) for page in pages)
    counts = {page.region: np.zeros((2, size)) for page in pages}
    for page in pages:
        of, codes = counts[page.region], page.codes[page.in_slate]
        np.add.at(of[0], codes, 1.0)
        np.add.at(of[1], codes, page.chances[page.in_slate])
    whole = sum(counts.values(), np.zeros((2, size)))
    usual = (whole[1] + 20 * whole[1].sum() / whole[0].sum()) / (whole[0] + 20)
    return {region: (of[1] + 30 * usual) / (of[0] + 30) - usual for region, of in counts.items()}


def hindsight(shop: str, seed: int, visitors: int) -> dict[str, float]:
    """The share of the way from uniform choice to the best slates of each set of columns."""
    world = World(spec.shop(shop, seed, visitors), seed)
    ours = _Watched(world, seed)
    world.run(ours)
    pages = ours.pages[WARM:]
    sessions = sorted({page.session_id for page in pages})
    half = set(np.random.default_rng([seed, 70]).permutation(sessions)[: len(sessions) // 2].tolist())
    fitted, left = ([page for page in pages if (page.session_id in half) == is_in] for is_in in (True, False))
    examined = world.truth.examination()
    shares = {}
    for name, columns in _sets(_by_region(fitted)).items():
        theta = _fit(fitted, columns, is_log=name == "log")
        shares[name] = _share(left, (columns(page) @ theta for page in left), examined)
    shares["candidates"] = _share(left, (page.chances for page in left), examined)
    return shares


def _share(pages: list[Seen], scores: Iterable[Matrix], examined: Matrix) -> float:
    got = 0.0
    for page, score in zip(pages, scores, strict=True):
        top = np.argsort(-score, kind="stable")[: len(examined)]
        got += float(page.chances[top] @ examined[: len(top)])
    uniform, best = sum(page.uniform for page in pages), sum(page.best for page in pages)
    return (got - uniform) / (best - uniform)


def _fit(pages: list[Seen], columns: Columns, *, is_log: bool) -> Matrix:
    """Weighted least squares, or a Poisson regression by Newton's method (McCullagh and Nelder 1989, section 2.5)."""
    x = np.concatenate([columns(page) for page in pages])
    weights = np.concatenate([np.where(page.in_slate, 1.0, UNSEEN_WEIGHT) for page in pages])
    chances = np.concatenate([page.chances for page in pages])
    ridge = RIDGE * np.eye(x.shape[1])
    if not is_log:
        weighted = x.T * weights
        solution: Matrix = np.linalg.solve(weighted @ x + ridge, weighted @ chances)
        return solution
    theta = np.zeros(x.shape[1])
    theta[Feature.BIAS] = np.log(np.average(chances, weights=weights))
    for _ in range(STEPS):
        expected = np.exp(np.clip(x @ theta, -12.0, 0.0))
        theta += np.linalg.solve((x.T * (weights * expected)) @ x + ridge, x.T @ (weights * (chances - expected)))
    return theta


def main() -> None:
    """Prints the mean over the seeds by shop, and over the shops."""
    options = _options()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        runs = {
            shop: [pool.submit(hindsight, shop, seed, options.visitors) for seed in seeds] for shop in options.shops
        }
        found = {shop: [run.result() for run in of_shop] for shop, of_shop in runs.items()}
    means = {
        shop: {name: sum(run[name] for run in of_shop) / len(of_shop) for name in of_shop[0]}
        for shop, of_shop in found.items()
    }
    names = list(next(iter(means.values())))
    print(" | ".join(["| shop", *names]) + " |")
    print("| --- " * (1 + len(names)) + "|")
    for shop, shares in means.items():
        print(" | ".join([f"| {shop}", *(f"{shares[name]:.3f}" for name in names)]) + " |")
    mean = [sum(shares[name] for shares in means.values()) / len(means) for name in names]
    print(" | ".join(["| mean", *(f"{value:.3f}" for value in mean)]) + " |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab.hindsight",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shops", nargs="+", default=list(spec.NAMES), choices=spec.NAMES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--visitors", type=int, default=VISITORS)
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
