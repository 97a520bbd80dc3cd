"""Features of a candidate in a context: what the shared linear model sees. Scaling is fixed for a feature-set version."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.candidates import Candidates
from state.candidates.sources.shelf import Asked
from state.catalogue.catalogue import Catalogue
from state.choosing.rates import Rates
from state.feature_set import DIMENSION, Feature
from state.kernels import NO_AFFINITY, Known, Scratch, describe, round_as_half
from state.kernels.columns import CATEGORY_COLUMNS, KNOWN_COLUMNS
from state.session.group import group_of
from state.session.interest import Interest

Features = NDArray[np.float16]
Rounded = NDArray[np.float32]

_NO_THETA = np.zeros(DIMENSION)
_NO_MOMENT = _NO_LISTS = np.zeros(0)


class Context(msgspec.Struct, frozen=True):
    """Session's side of a choice.

    `shown_unrewarded` counts by product how often it was shown without a reward, `category_unrewarded` the same by category.
    `region` and `moment` are the session's. `hidden` are products that are not to be shown, besides those that the visitor
    dislikes. `event_ms` is the time of the newest event, by which lists are fresh or old; 0 for the clock's, `now_ms`. `order` is
    the shop's own of what it would show, empty where there is none. `groups` says what sessions are told apart by, see
    `state/session/group.py`.
    """

    interest: Interest
    last_category: str
    shown_unrewarded: Mapping[str, int]
    now_ms: int
    category_unrewarded: Mapping[str, int] = {}
    region: str = ""
    moment: Sequence[str] = ()
    hidden: Collection[str] = ()
    event_ms: int = 0
    order: Sequence[str] = ()
    groups: int = 0

    @property
    def group(self) -> str:
        """The group by which effects of categories go."""
        return group_of(self.region, self.moment, self.groups)

    @property
    def asked(self) -> Asked:
        """What sources of candidates go by."""
        return Asked(self.interest, self.region, self.moment, self.event_ms or self.now_ms, self.hidden)


class Described(NamedTuple):
    """Description of n candidates: `columns` (d, n) their features, as float16 holds them, a row for each feature; `mean` (n,) the
    expected rewards; and what their products have shown on their own, a row (n,) each."""

    columns: Rounded
    mean: NDArray[np.float64]
    effect: NDArray[np.float64]
    effect_variance: NDArray[np.float64]
    exposures: NDArray[np.float64]
    rewards: NDArray[np.float64]
    prior: NDArray[np.float64]

    @property
    def x(self) -> Rounded:
        """The features of each candidate, (n, d), a view."""
        return self.columns.T

    @property
    def features(self) -> Features:
        """(n, d), the very numbers that are scored, logged and learned."""
        return self.columns.T.astype(np.float16, order="C")


def features(candidates: Candidates, context: Context, catalogue: Catalogue, rates: Rates) -> Features:
    """Return the n × d matrix of features in float16."""
    return described(candidates, context, catalogue, rates, _NO_THETA).features


def described(
    candidates: Candidates, context: Context, catalogue: Catalogue, rates: Rates, theta: NDArray[np.float64]
) -> Described:
    """Return all that a policy looks at, under the model's coefficients `theta` (d,)."""
    catalogue.make_room()
    offered, regional = candidates.offered, rates.regional.of(context.group)
    known = Known(
        np.array(known_categories(context, catalogue), dtype=np.float64).reshape(-1, CATEGORY_COLUMNS),
        np.array(known_products(context, catalogue), dtype=np.float64).reshape(-1, KNOWN_COLUMNS),
        float(context.now_ms),
        catalogue.code_of(context.last_category),
        float(sum(context.interest.visits.values())),
        offered.numbers if offered else _NO_LISTS,
        offered.moment.values if offered else _NO_MOMENT,
        regional.effects,
        regional.rows,
        regional.values,
    )
    scratch = Scratch(catalogue.code_slot, catalogue.stamp, catalogue.next_mark())
    columns, mean, own = describe(candidates.rows, rates.table, known, scratch, theta)
    if not len(catalogue):
        _fill_unlisted(columns, candidates.product_ids, context)
        mean = theta @ columns + own[0]
    return Described(columns, mean, *own)


def known_categories(context: Context, catalogue: Catalogue) -> list[float]:
    """Return what the session knows of categories, four numbers of each: the category's code, its share of what the session likes,
    its share of the visits with one more visit elsewhere, and how often it was shown in vain."""
    interest, code_of, unrewarded = context.interest, catalogue.code_of, context.category_unrewarded
    liked, visits = interest.categories, interest.visits
    total = sum([value for value in liked.values() if value > 0]) or 1.0
    visited = 1 + sum(visits.values())
    numbers: list[float] = []
    for name in {**liked, **visits, **unrewarded}:
        share = max(0.0, liked.get(name, 0.0)) / total
        numbers += (code_of(name), share, visits.get(name, 0) / visited, unrewarded.get(name, 0))
    return numbers


def known_products(context: Context, catalogue: Catalogue) -> list[float]:
    """Return what the session knows of listed products, three numbers of each: the product's row, its affinity, and how often it
    was shown in vain."""
    affinity, unrewarded, row_of = context.interest.products, context.shown_unrewarded, catalogue.row_of
    numbers: list[float] = []
    for name, value in affinity.items():
        row = row_of.get(name)
        if row is not None:
            numbers += (row, value, unrewarded.get(name, 0))
    for name, times in unrewarded.items():
        row = row_of.get(name)
        if row is not None and name not in affinity:
            numbers += (row, NO_AFFINITY, times)
    return numbers


def _fill_unlisted(columns: Rounded, product_ids: list[str], context: Context) -> None:
    """What the session knows of the products where none is listed, so that they have no rows of their own."""
    affinity = context.interest.products
    for index, product in enumerate(product_ids):
        columns[Feature.PRODUCT_AFFINITY, index] = np.tanh(affinity.get(product, 0.0) / 3)
        columns[Feature.PRODUCT_SEEN, index] = product in affinity
    round_as_half(columns.ravel())
