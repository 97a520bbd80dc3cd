"""Which products were seen in which period: what was not seen for long is found without a scan.

A period is a half-life. A product is noted where it is first seen in a period, in chunks of ids that lie in state; so a chunk of a
period that is long over names all products that may be forgotten, and some that were seen again.
"""

import msgspec

from state.codec import reading

PERIODS_KEPT = 4
"""Half-lives after which a product that was not seen again is forgotten: its counts are below a sixteenth of what they were."""
CHUNK = 512


class Periods(msgspec.Struct, array_like=True):
    """`fresh` are the products first seen since `began_ms`, of those in no chunk yet; `chunks` counts chunks by period."""

    began_ms: int = 0
    fresh: list[str] = []
    chunks: dict[int, int] = {}

    @property
    def noted(self) -> int:
        """Products that are noted, each once for every period that it was seen in: there are no more rows than that."""
        return CHUNK * sum(self.chunks.values()) + len(self.fresh)

    def begin(self, began_ms: int) -> dict[str, bytes]:
        """End the period where another has begun; return its last chunk, if any, by name."""
        if began_ms <= self.began_ms:
            return {}
        chunk = self._collect(self.fresh) if self.fresh else {}
        self.began_ms, self.fresh = began_ms, []
        return chunk

    def full(self) -> dict[str, bytes]:
        """Return chunks that are full, by name."""
        chunks: dict[str, bytes] = {}
        while len(self.fresh) >= CHUNK:
            chunks |= self._collect(self.fresh[:CHUNK])
            self.fresh = self.fresh[CHUNK:]
        return chunks

    def due(self, now_ms: int, half_life_ms: int) -> str | None:
        """Return the name of a chunk of products that may be forgotten."""
        oldest = min(self.chunks, default=None)
        if oldest is None or oldest + (PERIODS_KEPT + 1) * half_life_ms > now_ms:
            return None
        return _name(oldest, self.chunks[oldest] - 1)

    def drop(self, name: str) -> None:
        """Drop a due chunk that was dealt with."""
        period_ms = period_of(name)
        self.chunks[period_ms] -= 1
        if not self.chunks[period_ms]:
            del self.chunks[period_ms]

    def _collect(self, products: list[str]) -> dict[str, bytes]:
        number = self.chunks.get(self.began_ms, 0)
        self.chunks[self.began_ms] = number + 1
        return {_name(self.began_ms, number): msgspec.msgpack.encode(products)}


def read_chunk(data: bytes) -> list[str]:
    """Return the products of a chunk."""
    with reading("a chunk of products"):
        return msgspec.msgpack.decode(data, type=list[str])


def period_of(name: str) -> int:
    """Return when the period of a chunk began, in ms."""
    return int(name.partition("/")[0])


def _name(period_ms: int, number: int) -> str:
    return f"{period_ms}/{number}"
