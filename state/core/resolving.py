"""Answers to what the compiled core asks for: lists of the sources, admissions, moments, users."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.bundle import Bundle
from state.candidates.sources import names
from state.candidates.sources.popularity import LIFE_WINDOWS, Popular
from state.candidates.sources.shelf import LIKED_CATEGORIES, Shelf
from state.catalogue.name_column import plain_name
from state.core.lists import ALWAYS_MS, FoundList, Lists
from state.kernels.core.layout import (
    BOUGHT_WITH,
    BUNDLE_FIELDS,
    BUNDLES_OF,
    CATEGORY_ADMITTED,
    MOST_VIEWED,
    OF_MOMENT,
    POPULAR,
    REGION_ADMITTED,
    TRENDING,
    USER_HASH,
    VIEWED_WITH,
)
from state.kernels.core.naming import hash_bytes
from state.kernels.core.text import PADDING
from state.popularity.admission import Admission
from state.popularity.names import CATEGORY, MOMENT, WHOLE
from state.profile.bundle_proposals import DIGITS
from state.profile.trends import Trends
from state.session.log import user_hash
from state.session.record import ENTRY
from state.together.tally import BOUGHT

UNUSABLE = -1
"""In place of a number of trends, one of which has a name that the core cannot write."""

MOST_MOMENTS = 1_000
"""Lists of moments held, each with a number for every category: what a shop tells of moments may be different in every event."""


class Resolver:
    """Filler of the table of lists from the shelf; what has changed there is dropped from it."""

    def __init__(
        self,
        lists: Lists,
        shelf: Shelf,
        trends: Trends,
        admissions: tuple[Admission, Admission],
        admitted_for_ms: int,
        salt: bytes,
    ) -> None:
        self._lists = lists
        self._shelf = shelf
        self._trends = trends
        self._regions, self._categories = admissions
        self._admitted_for_ms = admitted_for_ms
        self._salt = salt
        self._seen_popular = self._seen_together = self._seen_bundles = 0
        self._seen_changes = -1
        self._pool: Any = None
        self._moments = 0

    def follow(self) -> None:
        """Drop what is not as it was: a record has come, or the catalogue's rows are others."""
        shelf, lists = self._shelf, self._lists
        if shelf.pool is not self._pool:
            self._pool = shelf.pool
            lists.drop_kinds(POPULAR, TRENDING, MOST_VIEWED, BOUGHT_WITH, VIEWED_WITH, BUNDLES_OF, OF_MOMENT)
        if shelf.popularity.changed.count != self._seen_popular:
            self._follow_popular(shelf.popularity.changed.since(self._seen_popular))
            self._seen_popular = shelf.popularity.changed.count
        if shelf.together.changed.count != self._seen_together:
            self._follow_together(shelf.together.changed.since(self._seen_together))
            self._seen_together = shelf.together.changed.count
        if shelf.bundles.changed.count != self._seen_bundles:
            self._follow_bundles(shelf.bundles.changed.since(self._seen_bundles))
            self._seen_bundles = shelf.bundles.changed.count
        if shelf.catalogue.changes != self._seen_changes:
            self._seen_changes = shelf.catalogue.changes
            lists.drop_kinds(TRENDING)

    def _follow_popular(self, keys: list[str] | None) -> None:
        if keys is None:
            self._lists.drop_kinds(POPULAR, TRENDING, MOST_VIEWED, OF_MOMENT)
            keys = self._shelf.popularity.names()
        for key in dict.fromkeys(keys):
            if key.startswith(MOMENT):
                self._lists.drop_kinds(OF_MOMENT)
            elif key.startswith(CATEGORY):
                self._renew(key.removeprefix(CATEGORY), MOST_VIEWED)
            else:
                self._renew("" if key == WHOLE else key, POPULAR, TRENDING)

    def _follow_together(self, pairs: list[tuple[str, str]] | None) -> None:
        if pairs is None:
            self._lists.drop_kinds(BOUGHT_WITH, VIEWED_WITH)
            pairs = self._shelf.together.names()
        for kind, product in pairs:
            self._renew(product, BOUGHT_WITH if kind == BOUGHT else VIEWED_WITH)

    def _follow_bundles(self, primaries: list[str] | None) -> None:
        if primaries is None:
            self._lists.drop_kinds(BUNDLES_OF)
            primaries = list(self._shelf.bundles.primaries)
        for product in primaries:
            self._renew(product, BUNDLES_OF)

    def _renew(self, name: str, *kinds: int) -> None:
        """Drops lists that are held, and knows of them."""
        for kind in kinds:
            self._lists.drop(kind, name.encode())
            self._lists.exists(kind, name.encode())

    def resolve(self, kind: int, name: bytes, now_ms: int) -> None:
        """Put into the table what is asked for.

        Raises:
            UnicodeDecodeError: the name is no text, because a state is damaged.
            ValueError: no such kind is known.
        """
        if kind == OF_MOMENT:
            self._moments += 1
            if self._moments > MOST_MOMENTS:
                self._lists.drop_kinds(OF_MOMENT)
                self._moments = 1
        self._lists.put(kind, name, self._find(kind, name.decode(), now_ms))

    def _find(self, kind: int, name: str, now_ms: int) -> FoundList:
        shelf = self._shelf
        if kind == REGION_ADMITTED:
            return self._admitted(self._regions, name, now_ms)
        if kind == CATEGORY_ADMITTED:
            return self._admitted(self._categories, name, now_ms)
        if kind == POPULAR:
            return self._popular(shelf.popularity.held(name), name)
        if kind == TRENDING:
            return self._trending(shelf.popularity.held(name), name)
        if kind == MOST_VIEWED:
            return self._most_viewed(shelf.popularity.held(CATEGORY + name), name)
        if kind == BOUGHT_WITH:
            return self._partners(names.BOUGHT_TOGETHER, name, shelf.together.bought_with(name))
        if kind == VIEWED_WITH:
            return self._partners(names.VIEWED_TOGETHER, name, shelf.together.viewed_with(name))
        if kind == BUNDLES_OF:
            return self._bundles(shelf.bundles.of_primary(name), now_ms)
        if kind == OF_MOMENT:
            of = shelf.moment(tuple(name.split(ENTRY)))
            return FoundList(values=of.values)
        if kind == USER_HASH:
            return FoundList(text=user_hash(name, self._salt).encode())
        raise ValueError(f"no kind of list has the number {kind}")

    def _admitted(self, admission: Admission, name: str, now_ms: int) -> FoundList:
        """An admission holds for a while; where there is none, every sight of the name counts, so it holds for this one."""
        if admission.admits(name, now_ms):
            return FoundList(until_ms=now_ms + self._admitted_for_ms, extra_n=1)
        return FoundList(until_ms=now_ms + 1)

    def _popular(self, popular: Popular | None, region: str) -> FoundList:
        if popular is None:
            return FoundList(until_ms=0)
        found = self._shelf.popular_rows(names.POPULAR, region, popular.items)
        categories = [category for category, _ in popular.categories[:LIKED_CATEGORIES]]
        extra, kept = named_categories(categories, self._shelf.catalogue.code_of)
        end_ms = _end_of(popular)
        return FoundList(found.rows, found.values, end_ms, extra, len(categories), kept=found, names=kept)

    def _trending(self, popular: Popular | None, region: str) -> FoundList:
        if popular is None:
            return FoundList(until_ms=0)
        found = self._shelf.trending_rows(region, popular.trends)
        ranked, listed = self._trends.usual(popular)
        catalogue = self._shelf.catalogue
        rows = [catalogue.row_of[product] for _, product, _ in ranked]
        extra = np.array(
            [(catalogue.category[row], count, row) for row, (_, _, count) in zip(rows, ranked, strict=True)], np.int64
        ).reshape(-1, 3)
        is_usable = all(catalogue.names.is_plain(row) for row in rows)
        return FoundList(
            found.rows,
            found.values,
            _end_of(popular),
            extra,
            len(ranked) if is_usable else UNUSABLE,
            np.array([value for value, _, _ in ranked], np.float64),
            msgspec.json.encode(listed),
            found,
        )

    def _most_viewed(self, popular: Popular | None, category: str) -> FoundList:
        if popular is None or not popular.items:
            return FoundList(until_ms=0)
        found = self._shelf.popular_rows(names.MOST_VIEWED, category, popular.items)
        return FoundList(found.rows, found.values, _end_of(popular), kept=found)

    def _partners(self, source: int, product: str, listed: Sequence[tuple[str, float]]) -> FoundList:
        found = self._shelf.partner_rows(source, product, listed)
        lifts: NDArray[np.float64] = np.array([lift for _, lift in listed], np.float64)
        hashes: NDArray[np.int64] = np.array([hash_bytes(name.encode()) for name, _ in listed], np.int64)
        return FoundList(found.rows, found.values, extra=hashes, extra_n=len(hashes), weights=lifts, kept=found)

    def _bundles(self, bundles: Sequence[Bundle], now_ms: int) -> FoundList:
        """Bundles of one primary product, the oldest first; asks for those parts that the catalogue does not hold."""
        catalogue, text = self._shelf.catalogue, bytearray()
        parts: list[tuple[int, int, int]] = []
        fields: list[tuple[int, ...]] = []

        def place(what: bytes) -> tuple[int, int]:
            at = len(text)
            text.extend(what + bytes(PADDING))
            return at, len(what)

        for bundle in bundles:
            first, products = len(parts), bundle.products
            parts += [(hash_bytes(name), *place(name)) for name in (product.encode() for product in products)]
            head = {
                "primary_product": bundle.primary_product,
                "bundle_items": bundle.bundle_items,
                "discount": round(bundle.discount, DIGITS),
            }
            json = msgspec.json.encode(head)[:-1] + b',"score":'
            until_ms = ALWAYS_MS if bundle.valid_until is None else min(bundle.valid_until, ALWAYS_MS)
            is_plain = all(plain_name(product) is not None for product in products)
            fields.append((until_ms, first, len(products), *place(bundle.bundle_id.encode()), *place(json), is_plain))
            if bundle.is_valid(now_ms):
                catalogue.want([product for product in products if product not in catalogue.row_of])
        return FoundList(
            np.array(parts, np.int64).reshape(-1, 3),
            np.array([bundle.discount for bundle in bundles], np.float64),
            extra=np.array(fields, np.int64).reshape(-1, BUNDLE_FIELDS),
            extra_n=len(bundles),
            text=bytes(text),
        )


def named_categories(categories: Sequence[str], code_of: Any) -> tuple[NDArray[np.int64], list[Any]]:
    """Return code, name and length of each category's name, (k, 3), and what holds the names."""
    kept = [np.frombuffer(category.encode() + bytes(32), np.uint8) for category in categories]
    rows = [
        (code_of(category), text.ctypes.data, len(text) - 32) for category, text in zip(categories, kept, strict=True)
    ]
    return np.array(rows, np.int64).reshape(-1, 3), kept


def _end_of(popular: Popular) -> int:
    return popular.window_end_ms + LIFE_WINDOWS * popular.window_ms
