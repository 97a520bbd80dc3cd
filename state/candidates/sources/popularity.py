"""What is popular and trending, as a session operator holds it."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec

from state.journal import Journal
from state.popularity.listing import Listing, popular_json
from state.popularity.moments import ALL_MOMENTS, Moment, lift
from state.popularity.names import CATEGORY, MOMENT, WHOLE, is_region

MOST_LISTS = 20_000
MOST_LASTING = 1_000
MOST_LIFTS = 1_000
LIFE_WINDOWS = 2
"""A list is used until its window has been over for so many windows."""


class Popular(msgspec.Struct, frozen=True):
    """A region's list, best first: `items` (product, score, count), `trends` (product, count, score) and `categories` (category,
    score), where the scores of items and categories are shares of the `total` count in the window that ends at `window_end_ms`.

    `region` is whose list it is: `_all` where the region that was asked for has none.
    """

    region: str = ""
    items: list[tuple[str, float, int]] = []
    trends: list[tuple[str, int, float]] = []
    categories: list[tuple[str, float]] = []
    window_end_ms: int = 0
    window_ms: int = 0
    total: int = 0


class PopularLists:
    """The newest list of at most `max_lists` regions and categories and of the whole, and the moments.

    The longest unused list goes first, that of the whole never. A list is kept as its bytes until it is asked for. Whoever keeps
    records elsewhere, to give them back after a restart, learns from `take` which, and from `drain_forgotten` which no more: every
    other list comes again with the next slide of the windows. `changed` notes the key of each record that is taken.
    """

    def __init__(self, max_lists: int = MOST_LISTS) -> None:
        self._max_lists = max_lists
        self._whole: bytes | Popular = NOTHING
        self._lists: OrderedDict[str, bytes | Popular] = OrderedDict()
        self._moments: dict[str, Moment] = {}
        self._lifts: dict[tuple[str, ...], dict[str, float]] = {}
        self._lasting: dict[str, None] = {}
        self._forgotten: list[str] = []
        self.changed: Journal[str] = Journal()

    def __len__(self) -> int:
        """Lists held, except that of the whole."""
        return len(self._lists)

    def apply(self, key: str, payload: bytes | None) -> bool:
        """Take a record of the topic `popularity` in, None for one that ended; says whether it is to last over a restart.

        Raises:
            ValueError: there is no key, or the payload is none of ours or of a version that is not known; what was held stays.
        """
        if not key:
            raise ValueError("a popularity record has its list's name as its key")
        if key.startswith(MOMENT):
            self.changed.note(key)
            self._apply_moment(key.removeprefix(MOMENT), payload)
            return True
        if payload is not None:
            Listing.decode(payload)
        self.changed.note(key)
        if key == WHOLE:
            self._whole = payload or NOTHING
            return True
        if payload is None:
            self._lists.pop(key, None)
            return self._lasting.pop(key, "") is None
        self._lists[key] = payload
        self._lists.move_to_end(key)
        if len(self._lists) > self._max_lists:
            gone, _ = self._lists.popitem(last=False)
            self.changed.note(gone)
            if self._lasting.pop(gone, "") is None:
                self._forgotten.append(gone)
        return self._is_lasting(key)

    def drain_forgotten(self) -> list[str]:
        """Return keys of records that were to last, and are to no longer."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def of(self, region: str, now_ms: int) -> Popular:
        """Return the list of a region, or of a category (`@category/…`); that of the whole for a region without one; an empty one
        where there is none that is not older than `LIFE_WINDOWS` windows at the event time `now_ms`.

        The same object until another list has come.
        """
        found = self._fresh(region, now_ms)
        if found is None and not region.startswith(CATEGORY):
            found = self._fresh(WHOLE, now_ms)
        return NOTHING if found is None else found

    def held(self, name: str) -> Popular | None:
        """Return the newest list of a region or a category, however old; that of the whole for the empty name; None where there is
        none."""
        return self._read(name or WHOLE)

    def names(self) -> list[str]:
        """Return the keys of all lists held."""
        return [WHOLE, *self._lists]

    def lists_for_redis(self) -> Iterator[tuple[str, bytes]]:
        """Yield the lists of the regions and of the whole as Redis has them, with their names: those whose life is not over when
        the newest window ended."""
        held = {WHOLE: self._whole, **{name: found for name, found in self._lists.items() if is_region(name)}}
        lists = {name: _listing(found) for name, found in held.items() if found is not NOTHING}
        newest_ms = max((found.end_ms for found in lists.values()), default=0)
        for name, found in lists.items():
            if found.end_ms + LIFE_WINDOWS * found.window_ms > newest_ms:
                yield name, popular_json(name, found)

    def lift(self, moment: Sequence[str]) -> dict[str, float]:
        """Return what the moment says of categories, by their ids; see `state.popularity.moments.lift`. Empty while nothing is
        known."""
        names = tuple(moment)
        found = self._lifts.get(names)
        if found is None:
            if len(self._lifts) >= MOST_LIFTS:
                self._lifts.clear()
            known = [self._moments[name] for name in names if name and name in self._moments]
            found = self._lifts[names] = lift(known, self._moments.get(ALL_MOMENTS))
        return found

    def _fresh(self, name: str, now_ms: int) -> Popular | None:
        found = self._read(name)
        if found is None:
            return None
        return found if found.window_end_ms + LIFE_WINDOWS * found.window_ms > now_ms else None

    def _read(self, name: str) -> Popular | None:
        found = self._whole if name == WHOLE else self._lists.get(name)
        if found is None:
            return None
        if isinstance(found, bytes):
            found = _popular(name, Listing.decode(found))
            if name == WHOLE:
                self._whole = found
            else:
                self._lists[name] = found
        if name != WHOLE:
            self._lists.move_to_end(name)
        return found

    def _apply_moment(self, name: str, payload: bytes | None) -> None:
        if payload is None:
            self._moments.pop(name, None)
        else:
            self._moments[name] = Moment.decode(payload)
        self._lifts.clear()

    def _is_lasting(self, key: str) -> bool:
        """The first regions that come are to last, as many as there is room for: the records are in every checkpoint of every
        task."""
        if key in self._lasting:
            return True
        if len(self._lasting) >= MOST_LASTING or not is_region(key):
            return False
        self._lasting[key] = None
        return True


NOTHING = Popular()


def _popular(region: str, found: Listing) -> Popular:
    total = max(1, found.total)
    return Popular(
        region,
        [(product, count / total, count) for product, count in found.products],
        found.trends,
        [(category, count / total) for category, count in found.categories],
        found.end_ms,
        found.window_ms,
        found.total,
    )


def _listing(found: bytes | Popular) -> Listing:
    """The inverse of `_popular`, for what has been read already."""
    if isinstance(found, bytes):
        return Listing.decode(found)
    products = [(product, count) for product, _, count in found.items]
    categories = [(category, round(share * found.total)) for category, share in found.categories]
    return Listing(found.window_end_ms, found.window_ms, found.total, products, found.trends, categories)
