"""`python -m benchmarks.lab.apprentice`: what the first pages cost where lists begin with the shop's own order, and where not.

Before its first event each visitor sees a list of the shop's own, which is told as an impression under a decision of the shop's.
Orders are of two kinds:

    bestsellers       products by their mean chance over all visitors: the best that one order for everybody can be
    good              by the visitor's own chances, each times a random factor: what a good recommender would show

and each is met three ways: by a page that shows it as it is, by ours from the start (`model`), and by ours as an apprentice to it.
Figures are shares of the way from uniform choice to the best slates by the number of the page, with the same visitors and luck.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: see `benchmarks.lab`

import argparse
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.method import Page
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.shares import interval, share
from benchmarks.lab.spec import shop
from benchmarks.lab.world import World
from state.events.event import Event

ORDERS = ("bestsellers", "good")
WAYS = ("the order itself", "model", "apprentice")
ENDS = (100, 400, 1_600, 100_000)
"""Pages up to which each part of a run goes."""
BLUR = 0.8
"""Standard deviation of the log of the factor in `good`."""
SAMPLED = 300
"""Visitors over whom a product's mean chance is taken."""
Vector = NDArray[np.float64]


class _Beside(Heliotrope):
    """Ours, beside an order of the shop's; or that order alone."""

    def __init__(self, world: World, seed: int, order: str, way: str) -> None:
        super().__init__({"bandit": {"start": "apprentice" if way == "apprentice" else "model"}}, seed)
        self._world, self._order, self._seed, self._way = world, order, seed, way
        truth = world.truth
        chances = [truth.chances(truth.visitor(10**6 + number), world.now_ms) for number in range(SAMPLED)]
        self._usual: Vector = np.mean(chances, axis=0)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        if self.job.session(event.session_id) is None:
            shown = self._of(event.session_id)[:40]
            seen = Event(
                session_id=event.session_id,
                event_id="shop",
                event_type="impression",
                timestamp=event.timestamp,
                decision_id="shop",
                shown=shown,
            )
            super().event(seen, now_ms)
        super().event(event, now_ms)

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        page = super().page(session_id, items, now_ms)
        return Page("shop", self._of(session_id)[:items]) if self._way == "the order itself" else page

    def _of(self, session_id: str) -> list[str]:
        """The shop's order for the session, of what is in the catalogue by now."""
        chances, number = self._world.chances(session_id), self._world.sessions[session_id]
        worth = self._usual
        if self._order == "good":
            worth = chances * np.exp(BLUR * np.random.default_rng([self._seed, 8, number]).normal(size=len(chances)))
        worth = np.where(chances > 0, worth, 0.0)
        return [self._world.truth.product_ids[row] for row in np.argsort(-worth, kind="stable").tolist()]


def run(shop_name: str, order: str, way: str, seed: int, visitors: int) -> tuple[list[float], float]:
    """Returns the share of the way in each part of a run, and the model's share of the places at its end."""
    world = World(shop(shop_name, seed, visitors), seed)
    method = _Beside(world, seed, order, way)
    pages = world.run(method)
    parts = zip((0, *ENDS), ENDS, strict=False)
    return [share(pages[begin:end]) for begin, end in parts if begin < len(pages)], method.job.chooser.share_of_model


def main() -> None:
    """Plays and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--shops", default="linear,one_item,by_region,new_products")
    arguments.add_argument("--seeds", type=int, default=4)
    arguments.add_argument("--first-seed", type=int, default=100)
    arguments.add_argument("--visitors", type=int, default=800)
    arguments.add_argument("--jobs", type=int, default=2)
    asked = arguments.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    print(
        "| shop | order | met by | " + " | ".join(f"to page {end:,}" for end in ENDS[:-1]) + " | later | the model's |"
    )
    print("|" + " --- |" * (len(ENDS) + 4))
    with ProcessPoolExecutor(asked.jobs) as pool:
        runs: dict[tuple[str, str, str], list[Any]] = {
            (name, order, way): [pool.submit(run, name, order, way, seed, asked.visitors) for seed in seeds]
            for name in asked.shops.split(",")
            for order in ORDERS
            for way in WAYS
        }
        for key, futures in runs.items():
            found = [future.result() for future in futures]
            parts = [interval(list(values)) for values in zip(*(shares for shares, _ in found), strict=True)]
            cells = [f"{part.mean:.2f} [{part.low:.2f}, {part.high:.2f}]" for part in parts]
            cells += ["–"] * (len(ENDS) - len(cells))
            of_model = np.mean([of_model for _, of_model in found]) if key[2] == "apprentice" else ""
            print(f"| {' | '.join((*key, *cells))} | {of_model if of_model == '' else f'{of_model:.2f}'} |", flush=True)


if __name__ == "__main__":
    main()
