"""The trending products that a profile proposes."""

from typing import Any, NamedTuple

from state.candidates.sources.popularity import Popular
from state.catalogue.catalogue import Catalogue
from state.session.interest import Interest

DIGITS = 4
MOST_REGIONS = 1_000
"""Regions whose trends are kept ready; about 10 KB each."""

Ranked = list[tuple[float, str, int]]
"""What products are ranked by, negative, so that they sort as they are listed; the product; its count."""
Listed = list[dict[str, Any]]


class _Ready(NamedTuple):
    """The trends of a list that may be shown as of a state of the catalogue: `ranked` for somebody who likes nothing, the `indices`
    there of each category, and what is `listed` for that visitor."""

    popular: Popular
    changes: int
    ranked: Ranked
    indices: dict[str, list[int]]
    listed: Listed


class Trends:
    """Products, at most `most`, that trend in a region and may be shown, in the profile's form.

    They are ranked by trend × (1 + the session's affinity to the product's category), and `score` is each one's share of the sum of
    that over all that trend there. What does not go by the session is worked out once for each list and state of the catalogue.
    """

    def __init__(self, catalogue: Catalogue, most: int) -> None:
        self._catalogue = catalogue
        self._most = most
        self._ready: dict[str, _Ready] = {}

    def of(self, popular: Popular, interest: Interest) -> Listed:
        """Return the list for a session, to be read only."""
        if not popular.trends or not self._most:
            return []
        ready = self._ready_for(popular)
        ranked, indices = ready.ranked.copy(), ready.indices
        for category, affinity in interest.categories.items():
            if affinity > 0 and category in indices:
                for index in indices[category]:
                    value, product, count = ranked[index]
                    ranked[index] = (value * (1 + affinity), product, count)
        if interest.disliked:
            ranked = [entry for entry in ranked if entry[1] not in interest.disliked]
        return ready.listed if ranked == ready.ranked else self._listed(popular.region, ranked)

    def usual(self, popular: Popular) -> tuple[Ranked, Listed]:
        """Return what trends there and may be shown, and the list for somebody who likes nothing."""
        ready = self._ready_for(popular)
        return ready.ranked, ready.listed

    def _ready_for(self, popular: Popular) -> _Ready:
        """What is kept ready of a list, made anew if the list or the catalogue has changed."""
        ready = self._ready.get(popular.region)
        if ready is None or ready.popular is not popular or ready.changes != self._catalogue.changes:
            ready = self._make_ready(popular)
        return ready

    def _make_ready(self, popular: Popular) -> _Ready:
        catalogue = self._catalogue
        ranked = sorted(
            (-trend, product, count) for product, count, trend in popular.trends if catalogue.can_show((product,))
        )
        indices: dict[str, list[int]] = {}
        for index, (_, product, _) in enumerate(ranked):
            indices.setdefault(catalogue.category_of(product), []).append(index)
        if len(self._ready) >= MOST_REGIONS:
            self._ready.clear()
        listed = self._listed(popular.region, ranked)
        ready = self._ready[popular.region] = _Ready(popular, catalogue.changes, ranked, indices, listed)
        return ready

    def _listed(self, region: str, ranked: Ranked) -> Listed:
        ranked.sort()
        total = sum([value for value, _, _ in ranked]) or -1.0
        return [
            {"product_id": product, "region": region, "count": count, "score": round(value / total, DIGITS)}
            for value, product, count in ranked[: self._most]
        ]
