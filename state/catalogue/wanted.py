"""What a session operator asks for because it does not hold it."""

from collections.abc import Iterable

PER_SECOND = 500
"""Products that one session operator asks for: all of them hear every answer."""
MOST_WAITING = 10_000
MOST_REMEMBERED = 50_000
ASK_AGAIN_MS = 60_000


class Wanted:
    """Products to ask for, each once in a minute, and so many in a second; the others wait, as far as there is room.

    Attributes:
        left_out: how often a product found no room to wait in.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._waiting: dict[str, None] = {}
        self._asked_ms: dict[str, int] = {}
        self._allowed = float(PER_SECOND)
        self._counted_ms = 0

    def __contains__(self, product_id: str) -> bool:
        """Whether it waits, or was asked for lately."""
        return product_id in self._asked_ms or product_id in self._waiting

    def note(self, product_ids: Iterable[str]) -> None:
        """Note products that are to be asked for."""
        for product_id in product_ids:
            if product_id in self._asked_ms or product_id in self._waiting:
                continue
            if len(self._waiting) < MOST_WAITING:
                self._waiting[product_id] = None
            else:
                self.left_out += 1

    def settle(self, product_id: str) -> None:
        """Note that the product has come."""
        self._asked_ms.pop(product_id, None)
        self._waiting.pop(product_id, None)

    def poll(self, now_ms: int) -> list[str]:
        """Return the products to ask for now."""
        self._forget(now_ms)
        if not self._waiting:
            return []
        self._allowed = min(PER_SECOND, self._allowed + PER_SECOND * max(0, now_ms - self._counted_ms) / 1_000)
        self._counted_ms = now_ms
        product_ids = list(self._waiting)[: int(self._allowed)]
        self._allowed -= len(product_ids)
        for product_id in product_ids:
            del self._waiting[product_id]
            self._asked_ms[product_id] = now_ms
        return product_ids

    def _forget(self, now_ms: int) -> None:
        """What was asked for long ago, or before too many others; the oldest come first."""
        while self._asked_ms:
            product_id = next(iter(self._asked_ms))
            if len(self._asked_ms) <= MOST_REMEMBERED and now_ms - self._asked_ms[product_id] < ASK_AGAIN_MS:
                return
            del self._asked_ms[product_id]
