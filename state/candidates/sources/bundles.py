"""The shop's bundles, as a session operator holds them."""

from collections.abc import Iterable, KeysView

from state.candidates.bundle import Bundle
from state.journal import Journal

MOST_BOUGHT = 5
"""Bundles of one checkout that are told apart: a session remembers them."""


class Bundles:
    """Bundles, at most so many, by id and by primary product. Memory is about 1 KB for each.

    `changed` notes the primary product of each bundle that comes or goes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bundles: dict[str, Bundle] = {}
        self._by_primary: dict[str, list[Bundle]] = {}
        self._by_part: dict[str, list[Bundle]] = {}
        self._earliest_end_ms = 0
        self.changed: Journal[str] = Journal()

    def __len__(self) -> int:
        """Bundles held."""
        return len(self._bundles)

    def put(self, bundle: Bundle) -> bool:
        """Add or replace a bundle; False where there is no room for another."""
        if bundle.bundle_id not in self._bundles and len(self._bundles) >= self._most:
            return False
        self.remove(bundle.bundle_id)
        self.changed.note(bundle.primary_product)
        self._earliest_end_ms = min(self._earliest_end_ms, bundle.valid_until or self._earliest_end_ms)
        self._bundles[bundle.bundle_id] = bundle
        self._by_primary.setdefault(bundle.primary_product, []).append(bundle)
        for product_id in bundle.products:
            self._by_part.setdefault(product_id, []).append(bundle)
        return True

    def remove(self, bundle_id: str) -> None:
        """Take a bundle out of every later proposal."""
        bundle = self._bundles.pop(bundle_id, None)
        if bundle is not None:
            self.changed.note(bundle.primary_product)
            _remove_from(self._by_primary, bundle.primary_product, bundle)
            for product_id in bundle.products:
                _remove_from(self._by_part, product_id, bundle)

    def drop_expired(self, now_ms: int) -> list[str]:
        """Make room: removes the bundles that have expired, and return their ids."""
        if now_ms <= self._earliest_end_ms:
            return []
        expired = [bundle_id for bundle_id, bundle in self._bundles.items() if not bundle.is_valid(now_ms)]
        for bundle_id in expired:
            self.remove(bundle_id)
        self._earliest_end_ms = min((b.valid_until for b in self._bundles.values() if b.valid_until), default=_NEVER_MS)
        return expired

    @property
    def primaries(self) -> KeysView[str]:
        """Primary products of the bundles held."""
        return self._by_primary.keys()

    def of_primary(self, product_id: str) -> list[Bundle]:
        """Return bundles with this primary product, expired ones too."""
        return self._by_primary.get(product_id, _NONE)

    def with_part(self, product_id: str) -> list[Bundle]:
        """Return bundles with this product in any place, expired ones too."""
        return self._by_part.get(product_id, _NONE)

    def parts_with(self, product_ids: Iterable[str], now_ms: int) -> list[str]:
        """Return the items of valid bundles whose primary product is one of these, each once, in the order of `product_ids`."""
        if not self._bundles:
            return []
        return list(
            dict.fromkeys(
                item
                for product_id in product_ids
                for bundle in self._by_primary.get(product_id, _NONE)
                if bundle.is_valid(now_ms)
                for item in bundle.bundle_items
            )
        )

    def bought_in(self, products: Iterable[str], at_ms: int) -> list[list[str]]:
        """Return the products of each bundle that was valid then and is complete among these, the primary first; at most
        MOST_BOUGHT."""
        if not self._bundles:
            return []
        held = set(products)
        return [
            bundle.products
            for product_id in sorted(held)
            for bundle in self._by_primary.get(product_id, _NONE)
            if bundle.is_valid(at_ms) and held.issuperset(bundle.bundle_items)
        ][:MOST_BOUGHT]


def _remove_from(index: dict[str, list[Bundle]], product_id: str, bundle: Bundle) -> None:
    left = [other for other in index[product_id] if other.bundle_id != bundle.bundle_id]
    if left:
        index[product_id] = left
    else:
        del index[product_id]


_NONE: list[Bundle] = []
_NEVER_MS = 2**63
