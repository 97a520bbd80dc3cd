"""STUB."""


class Companions:
    """STUB."""

    def bought_with(self, product_id: str) -> list[tuple[str, float]]:
        """STUB."""
        return []

    def viewed_with(self, product_id: str) -> list[tuple[str, float]]:
        """STUB."""
        return []
