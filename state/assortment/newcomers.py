"""Which products a shard of the directory has surely never seen, without asking its state."""

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
        self._bits = bytearray(BITS // 8) if is_empty else None
        self._names = 0

    def is_new(self, product_id: str) -> bool:
        """Whether the product has surely not been asked about before; from now on it has."""
        bits = self._bits
        if bits is None:
            return False
        number, is_new = hash(product_id), False
        step = number >> 32 | 1
        for _ in range(PROBES):
            place, bit = number >> 3 & BITS // 8 - 1, 1 << (number & 7)
            if not bits[place] & bit:
                bits[place] |= bit
                is_new = True
            number += step
        self._names += is_new
        if self._names > MOST_NAMES:
            self._bits = None
        return is_new
