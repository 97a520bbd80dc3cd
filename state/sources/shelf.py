"""What a session operator can offer: the sources of candidates together, and what they say of them."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice, zip_longest
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.catalogue import CREATED_MS, Catalogue, Rows
from state.configuration import Settings, Sources
from state.feature_set import REGIONAL_POPULARITY, TOGETHER, TRENDING
from state.interest import Interest
from state.sources import names
from state.sources.bundles import Bundles
from state.sources.popularity import Popular, PopularLists
from state.sources.store import RowCache, coded
from state.sources.together import Companions

OWN_LIMIT = 20
LEADING = 5
"""The session's own products whose companions are offered: the newest."""
LIKED_CATEGORIES = 3
LIKED_SHARE = 0.6
"""Of the candidates that the best rated products of the liked categories may fill where other sources lack."""
HALF_EVIDENCE = 2.0
"""Visits at which the sources that go by the session have half of their weight."""
STRONG_TOGETHER = 5.0
"""Lift of a companion whose feature is one half."""
MOST_MOMENTS = 200
"""Moments of which it is kept what they say of each category."""

Values = NDArray[np.float64]


class Asked(msgspec.Struct, frozen=True):
    """For whom candidates are sought: what the session likes, where and when it is, its user's own list, and what is `hidden`:
    not to be shown, beside what the visitor dislikes."""

    interest: Interest
    region: str = ""
    moment: Sequence[str] = ()
    now_ms: int = 0
    hidden: Collection[str] = ()


class Offers(NamedTuple):
    """Candidates in the order of preference, `rows` (k,) of the catalogue in the form of `coded`; `excluded` rows, which must not
    be shown; at least so many places for candidates from `anywhere` in the `pool`; `personal` (sources,), which sources go by what
    the session did; features of single rows `told` (t, 3), and what the `moment` (m,) says of categories by code.
    """

    rows: Rows
    pool: Rows
    excluded: Rows
    anywhere: int
    personal: NDArray[np.bool_]
    told: Values
    moment: Values


class Shelf:
    """The catalogue's candidates and the stores of the other sources, read for one session at a time.

    Lists of ids are turned into rows once, and again when the catalogue or the list has changed; what of them is not held is asked
    for.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue | None = None) -> None:
        candidates = settings.candidates
        new = Catalogue(candidates.max_products, candidates.per_category)
        self.catalogue = new if catalogue is None else catalogue
        self.popularity = PopularLists()
        self.together = Companions(settings.together.max_products)
        self.bundles = Bundles(settings.bundles.max)
        self._weights = _weights(candidates.sources)
        self._newest_most = candidates.newest_per_category
        self._rows = RowCache(self.catalogue)
        self._newest: dict[str, Rows] = {}
        self._rated: dict[str, Rows] = {}
        self._quotas_of: dict[tuple[int, int, bool], list[int]] = {}
        self._moments: dict[tuple[str, ...], tuple[dict[str, float], Values]] = {}
        self.pool: Rows = self.catalogue.pool

    def refresh(self) -> None:
        """After a change of the catalogue's lists."""
        self._rows.clear()
        self._rated.clear()
        newest = self._newest_by_category() if self._weights[names.NEWEST] else {}
        self._newest = {category: coded(names.NEWEST, rows.tolist()) for category, rows in newest.items()}
        self.pool = np.unique(np.concatenate([self.catalogue.pool, *newest.values()]))

    def offers(self, asked: Asked, limit: int, wanted: Sequence[str] = ()) -> Offers:
        """What there is for a session, `wanted` products first, for `limit` candidates."""
        interest = asked.interest
        popular = self.popularity.of(asked.region, asked.now_ms)
        own = own_products(interest)
        liked = _best(interest.categories)
        quotas = self._quotas(round(sum(interest.visits.values())), limit, by_category=bool(liked))
        parts: list[Rows] = [self._coded(names.RULES, wanted)] if wanted else []
        if own:
            parts.append(self._coded(names.OWN, own)[: quotas[names.OWN]])
        if interest.listed:
            parts.append(self._coded(names.USER_LISTS, interest.listed)[: quotas[names.USER_LISTS]])
        told: list[Values] = []
        self._add_companions(parts, told, own[:LEADING], quotas, asked.now_ms)
        self._add_popular(parts, told, popular, asked.region, quotas)
        self._add_categories(parts, liked or self._usual_categories(popular), quotas, limit, asked.now_ms)
        return Offers(
            np.concatenate(parts) if parts else _NO_ROWS,
            self.pool,
            self._excluded(interest.disliked, asked.hidden),
            quotas[names.ANYWHERE],
            _PERSONAL if liked else _PERSONAL_OF_NO_CATEGORY,
            np.concatenate(told) if told else _NOTHING_TOLD,
            self._of_moment(tuple(asked.moment)) if asked.moment else _NO_MOMENT,
        )

    def _excluded(self, disliked: Collection[str], hidden: Collection[str]) -> Rows:
        if not disliked and not hidden:
            return _NO_ROWS
        return np.array(self.catalogue.listed((*disliked, *hidden)), dtype=np.int64)

    def because(self, interest: Interest) -> dict[str, str]:
        """The companions of the session's newest products, each with the first that it goes with."""
        causes: dict[str, str] = {}
        for product in own_products(interest)[:LEADING]:
            for companions in (self.together.bought_with(product), self.together.viewed_with(product)):
                for companion, _ in companions:
                    causes.setdefault(companion, product)
        return causes

    def _quotas(self, visits: int, limit: int, *, by_category: bool) -> list[int]:
        """Places for each source, in proportion to the weights; those that go by the session count n/(n + 2) after n visits."""
        key = (visits, limit, by_category)
        quotas = self._quotas_of.get(key)
        if quotas is None:
            weights = self._weights.copy()
            personal = _PERSONAL if by_category else _PERSONAL_OF_NO_CATEGORY
            weights[personal] *= visits / (visits + HALF_EVIDENCE)
            quotas = np.ceil(weights * (limit / max(weights.sum(), 1e-9))).astype(int).tolist()
            self._quotas_of[key] = quotas
        return quotas

    def _coded(self, source: int, product_ids: Iterable[str]) -> Rows:
        return coded(source, self.catalogue.listed(product_ids))

    def _add_companions(
        self, parts: list[Rows], told: list[Values], leading: list[str], quotas: list[int], now_ms: int
    ) -> None:
        """What goes with the session's newest products, in turn."""
        for source, companions in (
            (names.BOUGHT_TOGETHER, self.together.bought_with),
            (names.VIEWED_TOGETHER, self.together.viewed_with),
        ):
            if not quotas[source]:
                continue
            found = [
                self._rows.of(source, product, listed, _lift_told)
                for product in leading
                if (listed := companions(product))
            ]
            if found:
                parts.append(_in_turn([entry.coded for entry in found], quotas[source]))
                told += [entry.told for entry in found]
        if quotas[names.BUNDLES] and leading:
            bundled = self.bundles.parts_with(leading, now_ms)
            if bundled:
                parts.append(self._rows.ask(names.BUNDLES, bundled)[: quotas[names.BUNDLES]])

    def _add_popular(
        self, parts: list[Rows], told: list[Values], popular: Popular, region: str, quotas: list[int]
    ) -> None:
        if popular.trends:
            entry = self._rows.of(names.TRENDING, region, popular.trends, _trend_told)
            parts.append(entry.coded[: quotas[names.TRENDING]])
            told.append(entry.told)
        if popular.items:
            entry = self._rows.of(names.POPULAR, region, popular.items, _popularity_told)
            parts.append(entry.coded[: quotas[names.POPULAR]])
            told.append(entry.told)

    def _add_categories(
        self, parts: list[Rows], categories: list[str], quotas: list[int], limit: int, now_ms: int
    ) -> None:
        """From each category's lists in equal parts; then more of the best rated, for places that other sources leave empty."""
        best, viewed_most, newest = (-(-quotas[source] // LIKED_CATEGORIES) for source in names.BY_CATEGORY)
        most = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
        more: list[Rows] = []
        for category in categories:
            rated = self._best_rated(category)
            parts.append(rated[:best])
            if best:
                more.append(rated[best:most])
            viewed = self.popularity.of(f"@category/{category}", now_ms).items if viewed_most else ()
            if viewed:
                parts.append(self._rows.of(names.MOST_VIEWED, category, viewed, _popularity_told).coded[:viewed_most])
            parts.append(self._newest.get(category, _NO_ROWS)[:newest])
        parts += more

    def _best_rated(self, category: str) -> Rows:
        """The category's best, coded."""
        kept = self._rated.get(category)
        if kept is None:
            start, size = self.catalogue.span_of.get(category, (0, 0))
            kept = self._rated[category] = coded(names.BEST_RATED, self.catalogue.pool[start : start + size].tolist())
        return kept

    def _usual_categories(self, popular: Popular) -> list[str]:
        """What to look at for somebody who likes nothing yet: what is liked in the region, else what is best rated."""
        return [category for category, _ in popular.categories[:LIKED_CATEGORIES]] or _best(
            self.catalogue.category_rating
        )

    def _of_moment(self, moment: tuple[str, ...]) -> Values:
        lift = self.popularity.lift(moment)
        if not lift:
            return _NO_MOMENT
        kept = self._moments.get(moment)
        if kept is not None and kept[0] is lift and len(kept[1]) == len(self.catalogue.category_ids):
            return kept[1]
        values = np.zeros(len(self.catalogue.category_ids))
        for category, value in lift.items():
            values[self.catalogue.code_of(category)] = value
        values[0] = 0.0
        if len(self._moments) >= MOST_MOMENTS:
            self._moments.clear()
        self._moments[moment] = (lift, values)
        return values

    def _newest_by_category(self) -> dict[str, Rows]:
        created = self.catalogue.static[: len(self.catalogue.product_ids), CREATED_MS]
        rows = np.flatnonzero(self.catalogue.active[: len(created)] & (created > 0))
        codes = self.catalogue.category[rows]
        order = np.lexsort((-created[rows], codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        parts = np.split(order, starts[1:]) if len(order) else []
        category_ids = self.catalogue.category_ids
        return {category_ids[codes[part[0]]]: rows[part[: self._newest_most]] for part in parts}


def own_products(interest: Interest) -> list[str]:
    """What the session likes, the newest first."""
    return [product for product, value in interest.products.items() if value > 0][:OWN_LIMIT]


def _weights(sources: Sources) -> Values:
    """The configured weight of each source by its number; a rule's wish is not weighed."""
    return np.array([getattr(sources, name, 0.0) for name in names.SOURCES], dtype=np.float64)


def _best(values: dict[str, float]) -> list[str]:
    liked = [(value, category) for category, value in values.items() if value > 0]
    if len(liked) > 1:
        liked.sort(reverse=True)
    return [category for _, category in liked[:LIKED_CATEGORIES]]


def _in_turn(lists: list[Rows], most: int) -> Rows:
    """The first of each, then the second of each, and so on, at most so many."""
    if len(lists) == 1:
        return lists[0][:most]
    turns = chain.from_iterable(zip_longest(*(rows[:most].tolist() for rows in lists)))
    return np.array(list(islice((row for row in turns if row is not None), most)), dtype=np.int64)


def _lift_told(rank: int, entry: tuple[str, float], best: tuple[str, float]) -> tuple[int, float]:
    return TOGETHER, entry[1] / (entry[1] + STRONG_TOGETHER)


def _popularity_told(rank: int, entry: tuple[str, float, int], best: tuple[str, float, int]) -> tuple[int, float]:
    """√ of the count as a share of the most popular product's."""
    return REGIONAL_POPULARITY, (entry[2] / max(1, best[2])) ** 0.5


def _trend_told(rank: int, entry: tuple[str, int, float], best: tuple[str, int, float]) -> tuple[int, float]:
    return TRENDING, min(1.0, entry[2] / max(best[2], 1e-9))


_NO_ROWS: Rows = np.zeros(0, dtype=np.int64)
_NO_MOMENT = np.zeros(0)
_NOTHING_TOLD = np.zeros((0, 3))
_PERSONAL = np.isin(np.arange(len(names.SOURCES)), (*names.OF_THE_SESSION, *names.BY_CATEGORY))
_PERSONAL_OF_NO_CATEGORY = np.isin(np.arange(len(names.SOURCES)), names.OF_THE_SESSION)
