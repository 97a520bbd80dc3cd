"""What a session operator can offer: the sources of candidates together, and what they say of them."""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from struct import Struct
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.sources import names
from state.candidates.sources.bundles import Bundles
from state.candidates.sources.popularity import Popular, PopularLists
from state.candidates.sources.store import NOTHING, Resolved, RowCache, resolved
from state.candidates.sources.together import TogetherLists
from state.catalogue.catalogue import UNLISTED, Catalogue, Rows
from state.configuration import Settings, Sources
from state.feature_set import Feature
from state.kernels.columns import ProductColumn
from state.popularity.names import CATEGORY
from state.session.interest import Interest, most_liked

OWN_LIMIT = 20
LEADING = 5
"""The session's own products whose partners are offered: the newest."""
LIKED_CATEGORIES = 3
LIKED_SHARE = 0.6
"""Of the candidates that the best rated products of the liked categories may fill where other sources lack."""
HALF_EVIDENCE = 2.0
"""Visits at which the sources that go by the session have half of their weight."""
FIRST_PASS = 1_000
"""Products that are looked at for the best of the whole shop."""
STRONG_TOGETHER = 5.0
"""Lift of a partner whose feature is one half."""
NO_FEATURE = -1
"""In place of a feature that a list tells."""
MOST_OF_CATEGORIES = 10_000
"""Lists of categories that are kept ready, some 1 KB each."""
MOST_MOMENTS = 200
"""Moments of which it is kept what they say of each category."""

Values = NDArray[np.float64]


class Asked(msgspec.Struct, frozen=True):
    """Request for candidates: what the session likes, where and when it is, its user's own list, and what is `hidden`: not to be
    shown, besides what the visitor dislikes."""

    interest: Interest
    region: str = ""
    moment: Sequence[str] = ()
    now_ms: int = 0
    hidden: Collection[str] = ()


class CandidateLists(NamedTuple):
    """Lists that there are for a session, as the kernels read them.

    `lists` are lists of the catalogue's rows in the order of preference, as float64: the number of the source, most rows to take
    of it, the feature that it tells or -1, the number of parts, and the length of the longest; then for each part the addresses of
    its rows and of what it tells of them, and its length. Of several parts rows are taken in turn. A list of no parts has its own
    length there, and then the rows themselves. `kept` holds what the addresses are of.

    `excluded` are rows that must not be shown; `random` is for how many candidates of the `pool` there is place at least. Bit s
    of `personal` is set where source s goes by what the session did. `moment` says what the moment does of categories.
    """

    lists: bytearray
    kept: list[Resolved]
    pool: Rows
    excluded: list[int]
    random: int
    personal: int
    moment: "OfMoment"

    @property
    def numbers(self) -> Values:
        """The `lists` as an array."""
        return np.frombuffer(self.lists) if self.lists else np.zeros(0)

    def are_personal(self, sources: Rows) -> NDArray[np.bool_]:
        """Return which of these sources, (n,), are."""
        return (self.personal >> sources & 1).astype(np.bool_)


class OfMoment(NamedTuple):
    """Lifts of a moment for each category by code, (codes,), and where that is in memory; `lift` is what it is made of."""

    lift: Mapping[str, float]
    values: Values
    address: int


class _OfCategory(NamedTuple):
    """A category's lists in the form of `CandidateLists.lists`: the best rated, more of them, the newest."""

    kept: list[Resolved]
    best: bytes
    more: bytes
    newest: bytes


class Shelf:
    """The catalogue's candidates and the stores of the other sources, read for one session at a time.

    Lists of ids are turned into rows once, and again when the catalogue or the list has changed; what of them is not held is asked
    for.

    Attributes:
        pool: rows of all that is held for choices without a reason.
        passed: rows of which a first pass takes those that the model expects most of in a session, at most `FIRST_PASS`; empty
            before there is a model.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue | None = None) -> None:
        candidates = settings.candidates
        new = Catalogue(candidates.max_products, candidates.per_category)
        self.catalogue = new if catalogue is None else catalogue
        self.popularity = PopularLists()
        self.together = TogetherLists(settings.together.max_products)
        self.bundles = Bundles(settings.bundles.max)
        self._weights = _weights(candidates.sources)
        self._newest_most = candidates.newest_per_category
        self._rows = RowCache(self.catalogue)
        self._newest: dict[str, Rows] = {}
        self._of_category: dict[tuple[str, int, int, int], _OfCategory] = {}
        self._quotas_of: dict[tuple[int, int, bool], list[int]] = {}
        self._moments: dict[tuple[str, ...], OfMoment] = {}
        self.pool: Rows = self.catalogue.pool
        self.passed: Rows = NOTHING.rows
        self._best, self._category_at = self.catalogue.pool, self.catalogue.pool

    def refresh(self) -> None:
        """Forget what was made of the catalogue's lists, after a change of theirs."""
        self._rows.clear()
        self._of_category.clear()
        self.passed = NOTHING.rows
        self._newest = self._newest_by_category() if self._weights[names.NEWEST] else {}
        self.pool = np.unique(np.concatenate([self.catalogue.pool, *self._newest.values()]))
        self._best = self.catalogue.pool.copy()
        sizes = [size for _, size in self.catalogue.span_of.values()]
        self._category_at = np.repeat(np.arange(len(sizes)), sizes)

    def rank(self, worth: Values) -> None:
        """Put first in each category what is expected of most, in place of the best rated; `worth` is (rows,), and a row behind its
        end is worth as much as an unlisted product.

        The lists stay where they are in memory, so that whoever reads them has the new order at once. With them what the first pass
        looks at is another.
        """
        best = self.catalogue.pool
        known = np.where(best < len(worth), best, UNLISTED)
        self._best[:] = best[np.lexsort((-worth[known], self._category_at))]
        self.passed = self._first_pass(worth)

    def _first_pass(self, worth: Values) -> Rows:
        """Rows that are looked at for the best of the whole shop: half of them are those worth most, half the best of each
        category."""
        best, half = self._best, FIRST_PASS // 2
        if len(best) <= FIRST_PASS:
            return best
        less = -worth[np.where(best < len(worth), best, UNLISTED)]
        starts, sizes = zip(*self.catalogue.span_of.values(), strict=True)
        place = np.arange(len(best)) - np.repeat(starts, sizes)
        of_each = np.flatnonzero(place < max(1, half // len(sizes)))
        if len(of_each) > half:
            of_each = of_each[np.argpartition(less[of_each], half)[:half]]
        taken = np.zeros(len(best), dtype=np.bool_)
        taken[of_each] = True
        taken[np.argpartition(less, half)[:half]] = True
        return best[taken]

    def lists_for(
        self, asked: Asked, limit: int, wanted: Sequence[str] = (), expected: Resolved = NOTHING
    ) -> CandidateLists:
        """Return what there is for a session, for `limit` candidates: `wanted` products first, what is `expected` of most last."""
        interest = asked.interest
        popular = self.popularity.of(asked.region, asked.now_ms)
        own = own_products(interest)
        liked = _best(interest.categories)
        quotas = self.quotas(round(sum(interest.visits.values())), limit, by_category=bool(liked))
        lists = bytearray()
        kept: list[Resolved] = []
        listed = self.catalogue.listed
        if wanted:
            _add_rows(lists, names.RULES, len(wanted), listed(wanted))
        if own:
            _add_rows(lists, names.OWN, quotas[names.OWN], listed(own))
        if interest.listed:
            _add_rows(lists, names.USER_LISTS, quotas[names.USER_LISTS], listed(interest.listed))
        self._add_partners(lists, kept, own[:LEADING], quotas, asked.now_ms)
        self._add_popular(lists, kept, popular, asked.region, quotas)
        self._add_categories(lists, kept, liked or self._usual_categories(popular), quotas, limit, asked.now_ms)
        if quotas[names.EXPECTED] and len(expected.rows):
            _add(lists, kept, names.EXPECTED, len(expected.rows), [expected])
        return CandidateLists(
            lists,
            kept,
            self.pool,
            listed((*interest.disliked, *asked.hidden)) if interest.disliked or asked.hidden else [],
            quotas[names.RANDOM],
            _PERSONAL_BITS if liked else _PERSONAL_BITS_OF_NO_CATEGORY,
            self.moment(tuple(asked.moment)) if asked.moment else _NO_MOMENT,
        )

    def because(self, interest: Interest) -> dict[str, str]:
        """Return the partners of the session's newest products, each with the first that it goes with."""
        causes: dict[str, str] = {}
        for product in own_products(interest, LEADING):
            for partners in (self.together.bought_with(product), self.together.viewed_with(product)):
                for partner, _ in partners:
                    causes.setdefault(partner, product)
        return causes

    def quotas(self, visits: int, limit: int, *, by_category: bool) -> list[int]:
        """Return places for each source, in proportion to the weights; those by the session count n/(n + 2) after n visits."""
        key = (visits, limit, by_category)
        quotas = self._quotas_of.get(key)
        if quotas is None:
            weights = self._weights.copy()
            personal = _PERSONAL if by_category else _PERSONAL_OF_NO_CATEGORY
            weights[personal] *= visits / (visits + HALF_EVIDENCE)
            quotas = np.ceil(weights * (limit / max(weights.sum(), 1e-9))).astype(int).tolist()
            self._quotas_of[key] = quotas
        return quotas

    def _add_partners(
        self, lists: bytearray, kept: list[Resolved], leading: list[str], quotas: list[int], now_ms: int
    ) -> None:
        """What goes with the session's newest products, in turn."""
        for source, partners in (
            (names.BOUGHT_TOGETHER, self.together.bought_with),
            (names.VIEWED_TOGETHER, self.together.viewed_with),
        ):
            if not quotas[source]:
                continue
            found = [self.partner_rows(source, product, listed) for product in leading if (listed := partners(product))]
            if found:
                _add(lists, kept, source, quotas[source], found, Feature.TOGETHER)
        if quotas[names.BUNDLES] and leading:
            bundled = self.bundles.parts_with(leading, now_ms)
            if bundled:
                _add_rows(lists, names.BUNDLES, quotas[names.BUNDLES], self._rows.ask(bundled))

    def _add_popular(
        self, lists: bytearray, kept: list[Resolved], popular: Popular, region: str, quotas: list[int]
    ) -> None:
        if popular.trends:
            found = self.trending_rows(region, popular.trends)
            _add(lists, kept, names.TRENDING, quotas[names.TRENDING], [found], Feature.TRENDING)
        if popular.items:
            found = self.popular_rows(names.POPULAR, region, popular.items)
            _add(lists, kept, names.POPULAR, quotas[names.POPULAR], [found], Feature.REGIONAL_POPULARITY)

    def _add_categories(
        self,
        lists: bytearray,
        kept: list[Resolved],
        categories: list[str],
        quotas: list[int],
        limit: int,
        now_ms: int,
    ) -> None:
        """From each category's lists in equal parts; then more of the best rated, for places that other sources leave empty."""
        best, viewed_most, newest = [-(-quotas[source] // LIKED_CATEGORIES) for source in names.BY_CATEGORY]
        most = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
        more: list[bytes] = []
        for category in categories:
            of = self._of_category.get((category, best, newest, most)) or self._list(category, best, newest, most)
            lists += of.best
            viewed = self.popularity.of(CATEGORY + category, now_ms).items if viewed_most else ()
            if viewed:
                found = self.popular_rows(names.MOST_VIEWED, category, viewed)
                _add(lists, kept, names.MOST_VIEWED, viewed_most, [found])
            lists += of.newest
            more.append(of.more)
            kept += of.kept
        lists += b"".join(more)

    def _list(self, category: str, best: int, newest: int, most: int) -> "_OfCategory":
        """The category's lists, of which so many are taken, and of the best rated up to `most` once others lack."""
        rated, created = self.of_category(category)
        kept = [resolved(rated), resolved(rated[best:]), resolved(created)]
        packed = (
            _head(source, wanted, NO_FEATURE, 1, len(part.rows)) + part.part
            for source, wanted, part in zip(
                (names.BEST_RATED, names.BEST_RATED, names.NEWEST),
                (best, most - best if best else 0, newest),
                kept,
                strict=True,
            )
        )
        if len(self._of_category) >= MOST_OF_CATEGORIES:
            self._of_category.clear()
        found = self._of_category[category, best, newest, most] = _OfCategory(kept, *packed)
        return found

    def _usual_categories(self, popular: Popular) -> list[str]:
        """What to look at for somebody who likes nothing yet: what is liked in the region, else what is best rated."""
        return [category for category, _ in popular.categories[:LIKED_CATEGORIES]] or self.best_categories()

    def best_categories(self) -> list[str]:
        """Return what to look at where nothing is known of the region either: the best rated categories."""
        return _best(self.catalogue.category_rating)

    def of_category(self, category: str) -> tuple[Rows, Rows]:
        """Return a category's best rows, and its newest. The best are those of which most is expected, until there is a model those
        rated best."""
        start, size = self.catalogue.span_of.get(category, (0, 0))
        return self._best[start : start + size], self._newest.get(category, NOTHING.rows)

    def partner_rows(self, source: int, product: str, listed: Sequence[tuple[str, float]]) -> Resolved:
        """Return the rows of a product's partners, with the feature that their lifts are."""
        return self._rows.of(source, product, listed, _lift_feature)

    def trending_rows(self, region: str, trends: Sequence[tuple[str, int, float]]) -> Resolved:
        """Return the rows of what trends, with the feature that it tells."""
        return self._rows.of(names.TRENDING, region, trends, _trend_feature)

    def popular_rows(self, source: int, name: str, items: Sequence[tuple[str, float, int]]) -> Resolved:
        """Return the rows of what is popular in a region or category, with the feature that it tells."""
        return self._rows.of(source, name, items, _popularity_feature)

    def moment(self, moment: tuple[str, ...]) -> OfMoment:
        """Return what a moment says of each category."""
        lift = self.popularity.lift(moment)
        if not lift:
            return _NO_MOMENT
        kept = self._moments.get(moment)
        if kept is not None and kept.lift is lift and len(kept.values) == len(self.catalogue.category_ids):
            return kept
        values = np.zeros(len(self.catalogue.category_ids))
        for category, value in lift.items():
            values[self.catalogue.code_of(category)] = value
        values[0] = 0.0
        if len(self._moments) >= MOST_MOMENTS:
            self._moments.clear()
        found = self._moments[moment] = OfMoment(lift, values, values.ctypes.data)
        return found

    def _newest_by_category(self) -> dict[str, Rows]:
        created = self.catalogue.static[: len(self.catalogue.product_ids), ProductColumn.CREATED_MS]
        rows = np.flatnonzero(self.catalogue.active[: len(created)] & (created > 0))
        codes = self.catalogue.category[rows]
        order = np.lexsort((-created[rows], codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        parts = np.split(order, starts[1:]) if len(order) else []
        category_ids = self.catalogue.category_ids
        return {category_ids[codes[part[0]]]: rows[part[: self._newest_most]] for part in parts}


def own_products(interest: Interest, most: int = OWN_LIMIT) -> list[str]:
    """Return what the session likes, the newest first."""
    return list(islice((product for product, value in interest.products.items() if value > 0), most))


def _weights(sources: Sources) -> Values:
    """The configured weight of each source by its number; a rule's wish is not weighed."""
    return np.array([getattr(sources, name, 0.0) for name in names.SOURCES], dtype=np.float64)


def _best(values: dict[str, float]) -> list[str]:
    return [category for _, category in most_liked(values.items(), LIKED_CATEGORIES)]


def _add(
    lists: bytearray, kept: list[Resolved], source: int, most: int, parts: list[Resolved], feature: int = NO_FEATURE
) -> None:
    """Adds a list of these parts in the form of `CandidateLists.lists`, which tells the feature `feature`."""
    kept += parts
    lists += _head(source, most, feature, len(parts), max([len(part.rows) for part in parts]))
    for part in parts:
        lists += part.part


def _add_rows(lists: bytearray, source: int, most: int, rows: list[int]) -> None:
    """Adds a list of these rows."""
    lists += _head(source, most, NO_FEATURE, 0, len(rows)) + array("d", rows).tobytes()


def _lift_feature(rank: int, entry: tuple[str, float], best: tuple[str, float]) -> float:
    return entry[1] / (entry[1] + STRONG_TOGETHER)


def _popularity_feature(rank: int, entry: tuple[str, float, int], best: tuple[str, float, int]) -> float:
    """√ of the count as a share of the most popular product's."""
    return float((entry[2] / max(1, best[2])) ** 0.5)


def _trend_feature(rank: int, entry: tuple[str, int, float], best: tuple[str, int, float]) -> float:
    return min(1.0, entry[2] / max(best[2], 1e-9))


def _bits(sources: Iterable[int]) -> int:
    return sum(1 << source for source in sources)


_head = Struct("5d").pack
_NO_MOMENT = OfMoment({}, np.zeros(0), 0)
_PERSONAL = np.isin(np.arange(len(names.SOURCES)), (*names.OF_THE_SESSION, *names.BY_CATEGORY))
_PERSONAL_OF_NO_CATEGORY = np.isin(np.arange(len(names.SOURCES)), names.OF_THE_SESSION)
_PERSONAL_BITS = _bits((*names.OF_THE_SESSION, *names.BY_CATEGORY))
_PERSONAL_BITS_OF_NO_CATEGORY = _bits(names.OF_THE_SESSION)
