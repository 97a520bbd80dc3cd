"""How long each policy takes for a slate, propensities included: `python -m benchmarks.policies [--json FILE]`.

A slate of 20 from 100 and from 500 candidates with 32 features, from the candidates' beliefs to the choice; next to it the steps
before: finding candidates and computing their features; and the whole slate of the default policy. Figures are CPU time of the one
thread, the median of batches, so other load on the machine counts less; the fastest batch stands next to it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: "one core" must be one

import argparse
import json
import time
import typing
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from jobs.settings import settings_from
from state.candidates.candidates import find_candidates
from state.candidates.sources.shelf import Shelf
from state.catalogue.catalogue import Catalogue
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.features import Context, features
from state.choosing.rates import Rates
from state.configuration import Bandit, PolicyName, Settings
from state.policy import Belief, policy_from
from state.policy.normals import Normals
from state.session.interest import Interest

SLOTS = 20
DIMENSION = 32
SIZES = (100, 500)
LIMIT_US = {"thompson_linear": 500.0}
DEFAULT_LIMIT_US = 150.0
BATCHES = 25
NOW_MS = 1_763_770_000_000
NO_CAPS = {"category_share": 1.0, "personal_share": 1.0}
VARIETIES = {
    "slate": {},
    "slate, no variety": NO_CAPS,
    "slate, diversity": {"diversity": 0.2},
    "slate, boosts": {"boosts": {"newer": 0.05}},
}


class Timing(msgspec.Struct):
    """Microseconds of CPU time for one call."""

    name: str
    candidates: int
    median_us: float
    fastest_us: float
    limit_us: float | None


def belief_of(n: int, rng: np.random.Generator) -> Belief:
    """A belief such as 20,000 exposures leave: n products, some of them new."""
    x = rng.standard_normal((n, DIMENSION)).astype(np.float16).astype(np.float32)
    seen = rng.standard_normal((20_000, DIMENSION))
    precision = np.eye(DIMENSION) + seen.T @ seen
    exposures = rng.exponential(200.0, n) * (rng.random(n) < 0.9)
    rate = rng.beta(2, 20, n)
    return Belief(
        mean=rate + 0.01 * x[:, 0],
        x=x,
        whitener=np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(precision)).T),
        normals=Normals(rng),
        noise=0.03,
        own_variance=0.03 / (exposures + 30),
        exposures=exposures,
        rewards=exposures * rate,
        prior=np.full(n, 0.09),
        total=20_000.0,
    )


def timing(name: str, candidates: int, call: Callable[[], object], limit_us: float | None) -> Timing:
    """Times batches of about 5 ms each."""
    call()
    start = time.thread_time_ns()
    call()
    repeats = max(3, 5_000_000 // max(1, time.thread_time_ns() - start))
    batches = []
    for _ in range(BATCHES):
        start = time.thread_time_ns()
        for _ in range(repeats):
            call()
        batches.append((time.thread_time_ns() - start) / repeats / 1_000)
    return Timing(name, candidates, float(np.median(batches)), min(batches), limit_us)


def policy_timings(n: int) -> list[Timing]:
    """Every policy on one belief."""
    rng = np.random.default_rng(7)
    belief = belief_of(n, rng)
    rows = []
    for name in typing.get_args(PolicyName):
        policy = policy_from(Bandit(policy=name, river="river.linear_model.LinearRegression"))
        limit = LIMIT_US.get(name, DEFAULT_LIMIT_US) if n == SIZES[0] and name != "river" else None
        rows.append(timing(name, n, lambda p=policy: p.decide(belief, rng).choose(SLOTS, rng), limit))  # type: ignore[misc]
    return rows


def shelf_of_products() -> Shelf:
    """5,000 products in 50 categories."""
    catalogue = Catalogue(10_000, 300)
    for i in range(5_000):
        catalogue.put(Product(f"product-{i}", f"category-{i % 50}", price=1.0 + i, rating=1.0 + i % 5, rating_count=i))
    catalogue.refresh(NOW_MS)
    shelf = Shelf(Settings(), catalogue)
    shelf.refresh()
    return shelf


def visitor() -> Context:
    """A session of nine products in three categories."""
    products = {f"product-{50 * i + j}": 1.0 + i for i in range(3) for j in range(3)}
    categories = [f"category-{j}" for j in range(3)]
    interest = Interest(products, dict.fromkeys(categories, 2.0), 10.0, visits=dict.fromkeys(categories, 3))
    unrewarded = {"product-5": 2, "product-60": 1}
    return Context(interest, "category-1", unrewarded, NOW_MS, {"category-5": 2, "category-10": 1})


def preparation_timings(n: int) -> list[Timing]:
    """Candidates and features."""
    rng, shelf, context = np.random.default_rng(7), shelf_of_products(), visitor()
    catalogue = shelf.catalogue
    rates = Rates(catalogue, None)
    found = find_candidates(context.asked, shelf, n, rng)
    return [
        timing("candidates", n, lambda: find_candidates(context.asked, shelf, n, rng), None),
        timing("features", n, lambda: features(found, context, catalogue, rates), 60.0 if n == SIZES[0] else None),
    ]


def slate_timings(n: int) -> list[Timing]:
    """The default policy's slate from the session to the items, which is one call, with and without variety."""
    shelf, context, rows = shelf_of_products(), visitor(), []
    for name, variety in VARIETIES.items():
        sections = {"variety": variety, "candidates": {"max": n}, "decisions": {"full_share": 0.0}}
        chooser = Chooser(settings_from(sections), np.random.default_rng(7), shelf)
        rows.append(timing(name, n, lambda c=chooser: c.choose(context, profile_version=1, cause=b""), None))  # type: ignore[misc]
    return rows


def main() -> None:
    """Prints the table, and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [row for n in SIZES for row in [*preparation_timings(n), *slate_timings(n), *policy_timings(n)]]
    print(f"{'what':20} {'candidates':>10} {'median µs':>10} {'fastest µs':>11} {'limit µs':>9}")
    for row in rows:
        limit = f"{row.limit_us:.0f}" if row.limit_us else ""
        print(f"{row.name:20} {row.candidates:>10} {row.median_us:>10.0f} {row.fastest_us:>11.0f} {limit:>9}")
    if arguments.json:
        arguments.json.write_text(json.dumps(msgspec.to_builtins(rows), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
