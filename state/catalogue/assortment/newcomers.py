"""Which products a shard of the directory has surely never seen, without asking its state."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

BITS = 2**22
"""512 KiB for each shard."""
PROBES = 4
MOST_NAMES = BITS // 8
"""Beyond so many products one of forty unseen ones would be taken for a known one."""


class Newcomers:
    """A Bloom filter (Bloom 1970, "Space/time trade-offs in hash coding with allowable errors"; its
    probes as in Kirsch and Mitzenmacher 2008) over the products that a shard has
    taken since it was empty. It knows nothing after a restart, or once it is full: then no product is surely new."""

    def __init__(self, is_empty: bool) -> None:
        self._bits = np.zeros(BITS // 8, dtype=np.uint8) if is_empty else None
        self._names = 0

    def add_new(self, product_ids: Collection[str]) -> list[bool]:
        """Add different products and return, for each, whether it has surely not been asked about before; from now on it has."""
        bits = self._bits
        if bits is None:
            return [False] * len(product_ids)
        numbers = np.fromiter(map(hash, product_ids), dtype=np.int64, count=len(product_ids)).view(np.uint64)
        steps = numbers >> np.uint64(32) | np.uint64(1)
        probed = numbers[:, None] + steps[:, None] * _PROBES
        octets, masks = (probed >> np.uint64(3)) & np.uint64(BITS // 8 - 1), _BIT[probed & np.uint64(7)]
        are_new: NDArray[np.bool_] = (bits[octets] & masks == 0).any(axis=1)
        np.bitwise_or.at(bits, octets, masks)
        self._names += int(are_new.sum())
        if self._names > MOST_NAMES:
            self._bits = None
        found: list[bool] = are_new.tolist()
        return found


_PROBES = np.arange(PROBES, dtype=np.uint64)
_BIT = (1 << np.arange(8)).astype(np.uint8)
