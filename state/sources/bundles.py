"""STUB."""

from collections.abc import Iterable


class BundleStore:
    """STUB."""

    def parts_with(self, product_ids: Iterable[str]) -> list[str]:
        """STUB."""
        return []
