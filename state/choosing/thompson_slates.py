"""Slates of linear Thompson sampling without rules of the shop's, which is the default: one call from candidates to slate.

It chooses as the steps of `Chooser` do one by one, which serve all other policies and rules. A test holds both to each other.
"""

from array import array
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.sources.shelf import CandidateLists, Shelf
from state.candidates.sources.store import NOTHING, Resolved
from state.catalogue.catalogue import Rows
from state.choosing.features import Context, known_categories, known_products
from state.choosing.rates import Rates
from state.choosing.variety import Mix
from state.feature_set import DIMENSION
from state.kernels import slate_bytes, thompson_slate
from state.kernels.columns import (
    CATEGORY_COLUMNS,
    FIXED,
    KNOWN_COLUMNS,
    SCALARS,
    AskedHead,
    Fixed,
    Scalars,
)
from state.model.posterior import Posterior
from state.policy.belief import root_of
from state.policy.normals import Normals
from state.policy.thompson import LinearThompson
from state.policy.uniforms import Uniforms
from state.session.slate import FullChoice

FLOAT_BYTES = 8


class Drawn(msgspec.Struct, array_like=True, gc=False):
    """k items in order: their names and those of their categories, the probability of each to stand there, whether another was
    better by value, the codes of their sources, k bytes, their features, k × d float16 bytes, and the rewards expected of
    them, k float64 bytes. `full`, `pinned` and `arms` as in a slate."""

    product_ids: list[str]
    category_ids: list[str]
    propensity: list[float]
    explored: list[bool]
    sources: bytes
    features: bytes
    values: bytes
    full: FullChoice | None = None
    pinned: list[bool] = []
    arms: bytes = b""


class _FixedFor(NamedTuple):
    """Of which arrays the addresses are known: the catalogue makes new ones of all its columns at a time."""

    category: Rows
    code_slot: Rows
    pool: Rows
    names: tuple[int, int]


_decoder = msgspec.msgpack.Decoder(Drawn)


class ThompsonSlates:
    """Drawer of slates of at most `slots` items under one posterior."""

    def __init__(
        self, policy: LinearThompson, shelf: Shelf, rng: np.random.Generator, normals: Normals, mix: Mix, slots: int
    ) -> None:
        self._mix = mix
        self._policy = policy
        self._shelf = shelf
        self._uniforms = Uniforms(rng)
        self._normals = normals
        self._slots = slots
        self._chosen = np.zeros(slots, dtype=np.int64)
        self._out = bytearray(slate_bytes(slots))
        self._fixed = np.zeros(0, dtype=FIXED)
        self._fixed_at = 0
        self._fixed_for: _FixedFor | None = None

    def use(self, posterior: Posterior, rates: Rates) -> None:
        """Draw from this posterior from now on.

        Raises:
            ValueError: it is another feature set's, and the kernel would read beyond its end.
        """
        if posterior.theta.shape != (DIMENSION,):
            raise ValueError(f"a model of {posterior.theta.shape} features, where there are {DIMENSION}")
        policy, mix = self._policy, self._mix
        self._theta, self._table = np.ascontiguousarray(posterior.theta, dtype=np.float64), rates.table
        self._regional = rates.regional
        self._root = root_of(posterior.whitener, posterior.noise, policy.scale)
        weight, boosts = mix.weight(posterior.mean_reward), mix.boosts.tolist()
        self._scalars = np.array([Scalars(policy.scale, policy.floor, weight, *boosts)], dtype=SCALARS)
        self._fixed_for = None

    def draw(self, context: Context, most: int, expected: Resolved = NOTHING) -> Drawn:
        """Return a slate of at most `most` candidates, of which the `expected` are some."""
        catalogue = self._shelf.catalogue
        catalogue.make_room()
        offered = self._shelf.lists_for(context.asked, most, (), expected)
        asked = array("d", self._asked(context, offered, most))
        asked.frombytes(offered.lists)
        self._fix()
        size = thompson_slate(self._fixed_at, asked.buffer_info()[0])
        drawn = _decoder.decode(memoryview(self._out)[: abs(size)])
        if size < 0:
            rows = self._chosen[: len(drawn.propensity)].tolist()
            drawn.product_ids = [catalogue.product_ids[row] for row in rows]
            drawn.category_ids = [catalogue.categories[row] for row in rows]
        return drawn

    def _asked(self, context: Context, offered: CandidateLists, most: int) -> list[float]:
        """What the session brings, as `thompson_slate` takes it, except the lists."""
        catalogue = self._shelf.catalogue
        categories, products = known_categories(context, catalogue), known_products(context, catalogue)
        regional = self._regional.of(context.group)
        head = AskedHead(
            now_ms=context.now_ms,
            last_code=catalogue.code_of(context.last_category),
            visits=sum(context.interest.visits.values()),
            random=offered.random,
            limit=most,
            personal=offered.personal,
            moment=offered.moment.address,
            moment_size=len(offered.moment.values),
            regional=_address(regional.effects),
            regional_size=len(regional.effects),
            local_rows=_address(regional.rows),
            local=_address(regional.values),
            local_size=len(regional.rows),
            uniforms=self._uniforms.allocate(most + 2 * self._slots),
            normals=self._normals.address(self._policy.draws * (DIMENSION + most)),
            mark=catalogue.next_mark(),
            categories=len(categories) // CATEGORY_COLUMNS,
            products=len(products) // KNOWN_COLUMNS,
            excluded=len(offered.excluded),
            lists=len(offered.lists) // FLOAT_BYTES,
        )
        return [*head, *categories, *products, *offered.excluded]

    def _fix(self) -> None:
        """Takes the addresses anew where any of the arrays is another."""
        catalogue, shelf = self._shelf.catalogue, self._shelf
        names = (catalogue.names.address, catalogue.names_of_codes.address)
        known = self._fixed_for
        if (
            known is not None
            and known.category is catalogue.category
            and known.code_slot is catalogue.code_slot
            and known.pool is shelf.pool
            and known.names == names
        ):
            return
        self._fixed_for = _FixedFor(catalogue.category, catalogue.code_slot, shelf.pool, names)
        fixed = Fixed(
            table=_address(self._table),
            rated=len(self._table),
            category=_address(catalogue.category),
            usable=_address(catalogue.active),
            stamp=_address(catalogue.stamp),
            rows=len(catalogue.stamp),
            code_slot=_address(catalogue.code_slot),
            codes=len(catalogue.code_slot),
            pool=_address(shelf.pool),
            pool_size=len(shelf.pool),
            theta=_address(self._theta),
            root=_address(self._root),
            draws=self._policy.draws,
            slots=self._slots,
            caps=_address(self._mix.caps),
            scalars=_address(self._scalars),
            product_names=names[0],
            category_names=names[1],
            chosen=_address(self._chosen),
            out=_address(np.frombuffer(self._out, dtype=np.uint8)),
        )
        self._fixed = np.array([fixed], dtype=FIXED)
        self._fixed_at = _address(self._fixed)


def _address(column: NDArray[Any]) -> int:
    """Where an array is in memory."""
    return column.ctypes.data
