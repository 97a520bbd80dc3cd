"""The shops of the laboratory. They differ in what makes a visitor click, so that no setting is tuned to one of them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Link = Literal["linear", "logistic", "product"]
Taste = Literal["two", "spread"]
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Spec:
    """What a shop is like; all that is random follows from the spec and a seed.

    Attributes:
        link: how match, appeal and price make the chance of a click; see `Truth.chances`.
        taste: visitors like two categories, or all of them to differing degrees.
        shown: products on a page, K.
        examination: the chance that a visitor looks at position k is examination^k.
        regional: share of a visitor's taste that the region explains.
        local: share of a product's hidden appeal that each region has of its own.
        partnered: share of the visitors of `two` tastes whose second category is the one that goes with their first.
        told: what events tell a visitor's region as: `region`, or `device`, as if visitors differed by that.
        drifts: how often the hidden appeal of all products is dealt anew, evenly over the run.
        arriving: share of the products that come into the catalogue during the run.
        hidden: share of a product's appeal that its rating does not show.
        delay_ms: mean delay of clicks and carts on their way to the method.
        lost: share of clicks and carts that never arrive.
        lands_anywhere: visitors come from outside, on any product, and have not browsed when they ask for the first page; others
            look around first.
        acts_once: visitors act on the first item of a page that they like, and look no further.
    """

    name: str
    products: int = 300
    categories: int = 12
    link: Link = "product"
    taste: Taste = "two"
    visitors: int = 800
    pages_mean: float = 4.0
    shown: int = 5
    examination: float = 1.0
    regional: float = 0.0
    local: float = 0.0
    partnered: float = 0.0
    told: Literal["region", "device"] = "region"
    drifts: int = 0
    arriving: float = 0.0
    hidden: float = 0.65
    click_scale: float = 1.0
    delay_ms: int = 0
    lost: float = 0.0
    lands_anywhere: bool = False
    acts_once: bool = False
    gap_ms: int = 2_000


_BY_REGION = Spec(
    "by_region",
    products=240,
    link="logistic",
    taste="spread",
    shown=6,
    regional=0.8,
    lands_anywhere=True,
    acts_once=True,
)
SHOPS = (
    Spec("linear", link="linear", taste="spread"),
    Spec("logistic", products=500, categories=20, link="logistic", taste="spread", shown=8, regional=0.5),
    Spec("drifting", products=150, categories=8, drifts=2, hidden=0.9),
    Spec("many_arms", products=5_000, categories=60, link="product", shown=8),
    Spec("new_products", products=400, link="logistic", arriving=0.5, hidden=0.8),
    Spec("position_bias", shown=10, examination=0.75),
    Spec("delayed", link="linear", delay_ms=5 * MINUTE_MS),
    Spec("lost", link="logistic", taste="spread", lost=0.4),
    Spec("one_item", shown=8, acts_once=True),
    _BY_REGION,
    replace(_BY_REGION, name="by_device", told="device"),
    Spec("by_place", products=150, categories=8, hidden=0.9, local=0.8),
    Spec("in_pairs", partnered=0.8, lands_anywhere=True),
)


def unseen(seed: int) -> Spec:
    """A shop that nobody has looked at: its very form is drawn from the seed."""
    rng = np.random.default_rng([seed, 99])
    links: tuple[Link, ...] = ("linear", "logistic", "product")
    tastes: tuple[Taste, ...] = ("two", "spread")
    categories = int(rng.integers(5, 40))
    return Spec(
        "unseen",
        products=int(categories * rng.integers(8, 60)),
        categories=categories,
        link=links[int(rng.integers(3))],
        taste=tastes[int(rng.integers(2))],
        shown=int(rng.integers(5, 11)),
        examination=float(rng.choice([1.0, 0.9])),
        regional=float(rng.choice([0.0, 0.5])),
        hidden=float(rng.uniform(0.4, 0.9)),
        click_scale=float(rng.uniform(0.5, 1.2)),
        pages_mean=float(rng.uniform(3, 7)),
    )


def shop(name: str, seed: int, visitors: int | None = None) -> Spec:
    """The shop of that name; `visitors` makes a run shorter or longer."""
    spec = unseen(seed) if name == "unseen" else next(spec for spec in SHOPS if spec.name == name)
    return spec if visitors is None else replace(spec, visitors=visitors)


NAMES = (*(spec.name for spec in SHOPS), "unseen")
