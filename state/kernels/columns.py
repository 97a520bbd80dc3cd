"""The columns and records that kernels read, by name: the one table of what stands where.

Features of a candidate are named by `state.feature_set.Feature`. Matrices of one type have named columns. What is passed by its
address alone is a record, with a dtype made from the fields that Python fills.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class ProductColumn(IntEnum):
    """Columns of `Rates.table`: what a choice needs of a product. The catalogue's come first."""

    PRICE = 0
    RATING = 1
    REVIEWS = 2
    RELATIVE_PRICE = 3
    CREATED_MS = 4
    CODE = 5
    EFFECT = 6
    EFFECT_VARIANCE = 7
    EXPOSURES = 8
    REWARDS = 9
    PRIOR = 10
    LOG_RATIO = 11
    RATE = 12
    UNCERTAINTY = 13


STATIC_COLUMNS = int(ProductColumn.EFFECT)
"""So many of the columns come from the catalogue."""
TABLE_COLUMNS = 16
"""64 bytes a row, as wide as a line of the cache."""
OWN_COLUMNS = (
    ProductColumn.EFFECT,
    ProductColumn.EFFECT_VARIANCE,
    ProductColumn.EXPOSURES,
    ProductColumn.REWARDS,
    ProductColumn.PRIOR,
)
"""What a product has shown on its own, in the order of `Described`."""


class CategoryColumn(IntEnum):
    """Columns of what a session knows of categories, (c, 4)."""

    CODE = 0
    SHARE = 1
    TASTE = 2
    UNREWARDED = 3


class KnownColumn(IntEnum):
    """Columns of what a session knows of listed products, (p, 3)."""

    ROW = 0
    AFFINITY = 1
    UNREWARDED = 2


class ListHead(IntEnum):
    """Numbers before a list's rows, see `CandidateLists.lists`."""

    SOURCE = 0
    MOST = 1
    FEATURE = 2
    PARTS = 3
    SIZE = 4


LIST_HEAD = len(ListHead)


class ListPart(IntEnum):
    """Numbers of a part of a list: the addresses of its rows and of the feature's values, and its length."""

    ROWS = 0
    VALUES = 1
    SIZE = 2


LIST_PART = len(ListPart)
CATEGORY_COLUMNS, KNOWN_COLUMNS = len(CategoryColumn), len(KnownColumn)


class Fixed(NamedTuple):
    """Numbers that are the same for many slates, all whole: addresses of arrays, their lengths, and sizes.

    `table`, `category`, `usable`, `stamp`, `code_slot` and `pool` are the catalogue's and the model's columns, `rows` the length of
    the catalogue's, `rated` that of the table; `theta`, `root` and `scalars` the model's (see `Scalars`). `product_names` and
    `category_names` are `NameColumn`s. `chosen` takes the rows of the items, `out` the slate.
    """

    table: int
    rated: int
    category: int
    usable: int
    stamp: int
    rows: int
    code_slot: int
    codes: int
    pool: int
    pool_size: int
    theta: int
    root: int
    draws: int
    slots: int
    caps: int
    scalars: int
    product_names: int
    category_names: int
    chosen: int
    out: int


class Scalars(NamedTuple):
    """Numbers of the policy and of a list's balance: scale of the draws, floor of exploration, weight of diversity, boosts."""

    scale: float
    floor: float
    weight: float
    newer: float
    rated: float
    viewed: float


class AskedHead(NamedTuple):
    """Session's numbers at the head of a buffer of float64.

    After it follow `categories` rows of `CategoryColumn`, `products` rows of `KnownColumn`, `excluded` rows of the catalogue, and
    `lists` numbers in the form of `CandidateLists.lists`. `uniforms` (limit + 2 slots,) and `normals`
    (draws (d + limit),) are addresses of random numbers; bit s of `personal` is set if source s goes by what the session did.
    `moment` is the address of `moment_size` numbers by category, `regional` that of `regional_size` pairs of them; `local_rows` and
    `local` those of `local_size` rows of the catalogue and of a pair of numbers of each.
    """

    now_ms: float
    last_code: float
    visits: float
    random: float
    limit: float
    personal: float
    moment: float
    moment_size: float
    regional: float
    regional_size: float
    local_rows: float
    local: float
    local_size: float
    uniforms: float
    normals: float
    mark: float
    categories: float
    products: float
    excluded: float
    lists: float


FIXED = np.dtype([(name, np.int64) for name in Fixed._fields])
SCALARS = np.dtype([(name, np.float64) for name in Scalars._fields])
ASKED = np.dtype([(name, np.float64) for name in AskedHead._fields])
ASKED_HEAD = len(AskedHead._fields)
