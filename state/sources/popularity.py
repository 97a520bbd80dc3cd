"""STUB."""

from collections.abc import Sequence

import msgspec


class Popular(msgspec.Struct, frozen=True):
    """STUB."""

    region: str = ""
    items: list[tuple[str, float, int]] = []
    trends: list[tuple[str, int, float]] = []
    categories: list[tuple[str, float]] = []
    window_end_ms: int = 0


class PopularLists:
    """STUB."""

    def of(self, region: str, now_ms: int) -> Popular:
        """STUB."""
        return Popular()

    def lift(self, moment: Sequence[str]) -> dict[str, float]:
        """STUB."""
        return {}
