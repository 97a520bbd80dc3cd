"""One category: its means over all products, and the best rated and the newest of them.

Quality is the Bayesian mean of `Catalogue`: (m·10 + rating·n)/(10 + n) for n ratings, with m the category's mean, here to the next
1/32 of a star. A product without ratings has quality m, and newer ones come first. So three lists do: of products with ratings,
whose order depends on m; of those without; and of the newest. Each holds twice as many as are shown, so that removals do not at
once make it too short. What is held is always right; where it might not be complete any more, the category asks to be filled anew.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from state.catalogue.assortment.facts import SIZE, Facts, unpack
from state.catalogue.assortment.shortlist import Key, Shortlist
from state.catalogue.assortment.tally import PRIOR_REVIEWS, Tally
from state.codec import reading
from state.codec import unpack as unpack_versioned

RESERVE = 2
_VERSION = b"\x01"
_INFINITY = float("inf")


class Selection(NamedTuple):
    """Products to be held as candidates, best rated first, then the newest of the others; and whether products that should be
    among them may be missing."""

    product_ids: list[str]
    is_complete: bool


class StoredLists(msgspec.Struct, array_like=True):
    """A category's lists in state: `facts` (33 bytes each) of all products held, and how far each list goes."""

    anchor: float
    product_ids: list[str]
    facts: bytes
    beyond: list[Key | None]


class Category:
    """Category of which all products are counted, and few are held.

    Attributes:
        tally: counts and sums of all products.
        facts: of the products held, by id.
    """

    def __init__(self, best: int, newest: int, tally: Tally | None = None) -> None:
        self.tally = tally or Tally()
        self.facts: dict[str, bytes] = {}
        self._best, self._newest_most = best, newest
        self._anchor: float
        self._rated: Shortlist
        self._unrated: Shortlist
        self._newest: Shortlist
        self._empty(self.tally.anchor, [None, None, None])

    def put(self, product_id: str, facts: bytes, former: bytes | None) -> tuple[bool, bool]:
        """Add a product or replace its `former` facts; see `change`."""
        known = unpack(facts)
        if former is not None:
            self.tally.add(unpack(former), -1)
        self.tally.add(known)
        return self._change(product_id, facts, known)

    def remove(self, product_id: str, former: bytes) -> tuple[bool, bool]:
        """Take a product out; see `change`."""
        self.tally.add(unpack(former), -1)
        return self.change(product_id, None)

    def change(self, product_id: str, facts: bytes | None) -> tuple[bool, bool]:
        """Bring the lists up to date; `facts` is None for a product that is gone.

        Returns whether the lists changed, and whether a product that is shown must not be shown any longer.
        """
        return self._change(product_id, facts or b"", None if facts is None else unpack(facts))

    def select(self) -> Selection:
        """Return what is to be held as candidates."""
        anchor = self.tally.anchor
        if anchor != self._anchor and self._rated.beyond is None:
            self._anchor = anchor
            self._rated.reorder(self._rated_key(key[2], unpack(self.facts[key[2]])) for key in self._rated.keys)
        best, bounds = self._ranked(anchor)
        newest = self._newest.keys[: self._newest_most]
        is_complete = all(len(best) == self._best and best[-1] < bound for bound in bounds)
        if self._newest.beyond is not None:
            is_complete = is_complete and len(newest) == self._newest_most
        listed = dict.fromkeys([key[2] for key in best])
        listed.update(dict.fromkeys([key[2] for key in newest]))
        return Selection(list(listed), is_complete)

    def refill(self, products: Iterable[tuple[str, bytes]]) -> None:
        """Make the lists anew from all products of the category and their facts."""
        self.facts = {}
        self._empty(self.tally.anchor, [None, None, None])
        for product_id, facts in products:
            known = unpack(facts)
            if known.is_available:
                self._hold(product_id, facts, known)

    def encode_lists(self) -> bytes:
        """Return versioned bytes for Flink's state; the tally is kept apart, as it changes with each product."""
        lists = (self._rated, self._unrated, self._newest)
        stored = StoredLists(
            self._anchor, list(self.facts), b"".join(self.facts.values()), [each.beyond for each in lists]
        )
        return _VERSION + _encoder.encode(stored)

    def decode_lists(self, data: bytes) -> None:
        """Take over what `encode_lists` gave.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        stored = unpack_versioned(data, (_VERSION,), _decoder, "a category's lists")
        with reading("a category's lists"):
            self.facts = {}
            self._empty(stored.anchor, stored.beyond)
            for position, product_id in enumerate(stored.product_ids):
                facts = stored.facts[position * SIZE : (position + 1) * SIZE]
                self._hold(product_id, facts, unpack(facts))

    def _empty(self, anchor: float, beyond: list[Key | None]) -> None:
        self._anchor = anchor
        self._rated = Shortlist(RESERVE * self._best, beyond[0])
        self._unrated = Shortlist(RESERVE * self._best, beyond[1])
        self._newest = Shortlist(RESERVE * self._newest_most, beyond[2])

    def _change(self, product_id: str, facts: bytes, known: Facts | None) -> tuple[bool, bool]:
        held = self.facts.get(product_id)
        was_shown = held is not None and self._release(product_id, unpack(held))
        if known is None or not known.is_available:
            return held is not None, was_shown
        return self._hold(product_id, facts, known) or held is not None, False

    def _hold(self, product_id: str, facts: bytes, known: Facts) -> bool:
        """Returns whether the product is held."""
        held_by = [each for each in self._lists_of(product_id, known) if each[0].has_room(each[1])]
        if not held_by:
            return False
        self.facts[product_id] = facts
        left = [shortlist.put(key) for shortlist, key in held_by]
        for gone in {key[2] for key in left if key is not None}:
            self._let_go(gone)
        return product_id in self.facts

    def _release(self, product_id: str, known: Facts) -> bool:
        """Returns whether it was, or may have been, among those that are shown."""
        del self.facts[product_id]
        was_shown = False
        for shortlist, key in self._lists_of(product_id, known):
            position = shortlist.remove(key)
            shown = self._newest_most if shortlist is self._newest else self._best
            was_shown = was_shown or (position is not None and position < shown)
        return was_shown

    def _let_go(self, product_id: str) -> None:
        """Forgets a product that no list holds."""
        if not any(key in shortlist for shortlist, key in self._lists_of(product_id, unpack(self.facts[product_id]))):
            del self.facts[product_id]

    def _lists_of(self, product_id: str, known: Facts) -> list[tuple[Shortlist, Key]]:
        """The lists that a product belongs to, with its key there."""
        if known.reviews:
            held_by = [(self._rated, self._rated_key(product_id, known))]
        else:
            held_by = [(self._unrated, (0.0, _newer_first(known), product_id))]
        if known.created_ms > 0:
            held_by.append((self._newest, (-known.created_ms, 0.0, product_id)))
        return held_by

    def _rated_key(self, product_id: str, known: Facts, anchor: float | None = None) -> Key:
        mean = self._anchor if anchor is None else anchor
        return (-quality(known.rating, known.reviews, mean), _newer_first(known), product_id)

    def _ranked(self, anchor: float) -> tuple[list[Key], list[Key]]:
        """The best, and for each list that had to let products go, the key that none of those is before."""
        rated, bounds = self._rated.keys[: self._best], []
        if self._rated.beyond is not None:
            bounds.append(self._rated.beyond)
        if anchor != self._anchor:
            rated = sorted(self._rated_key(key[2], unpack(self.facts[key[2]]), anchor) for key in self._rated.keys)
            # The mean's weight in a quality is at most 1: so much better may be what was let go.
            rise = max(0.0, anchor - self._anchor)
            bounds = [(bound[0] - rise, -_INFINITY, "") for bound in bounds]
        before, behind = bisect_left(rated, (-anchor,)), bisect_left(rated, (-anchor, _INFINITY))
        unrated = [(-anchor, created, product_id) for _, created, product_id in self._unrated.keys[: self._best]]
        if self._unrated.beyond is not None:
            bounds.append((-anchor, *self._unrated.beyond[1:]))
        equal = sorted(rated[before:behind] + unrated) if behind > before else unrated
        return (rated[:before] + equal + rated[behind:])[: self._best], bounds


def quality(rating: float, reviews: float, mean: float) -> float:
    """Return the Bayesian mean of a product's ratings, with the category's mean as `PRIOR_REVIEWS` more."""
    return (mean * PRIOR_REVIEWS + rating * reviews) / (PRIOR_REVIEWS + reviews)


def _newer_first(known: Facts) -> float:
    return -known.created_ms if known.created_ms > 0 else 0.0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredLists)
