"""The counts of one product, as a row of state."""

import sys
from array import array
from itertools import islice

import msgspec

from state.codec import damaged, unpack
from state.decay import decay_between

_VERSION = b"\x01"
_COLUMNS = 3


class Partner:
    """Counts of a pair as of the row's landmark.

    `count` is at most `error` above the true one and never below it; `single` is what the partner itself counted when the pair
    was last seen.
    """

    __slots__ = ("count", "error", "single")

    def __init__(self, count: float, error: float, single: float) -> None:
        self.count = count
        self.error = error
        self.single = single

    @property
    def support(self) -> float:
        """What the pair has been seen at least."""
        return self.count - self.error


class Row:
    """A product's count, and those of at most so many partners, as of `landmark_ms`.

    Partners are held by space saving (Metwally, Agrawal, El Abbadi 2005, "Efficient computation of frequent and top-k elements in
    data streams"): a newcomer takes the place of the smallest count, and inherits it as its error. So the frequent ones stay, and
    nothing is taken for more than it is. While no more than `tracked` have come, the counts are exact.

    `period_ms` is when the last period began in which the product was seen; `listed` tells the list that was handed on
    last, empty for none, and `news` is what the product counted since it was looked at for that.
    """

    __slots__ = ("landmark_ms", "listed", "news", "partners", "period_ms", "single")

    def __init__(self, landmark_ms: int) -> None:
        self.landmark_ms = landmark_ms
        self.period_ms = -1
        self.single = 0.0
        self.news = 0.0
        self.listed = b""
        self.partners: dict[str, Partner] = {}

    def move(self, landmark_ms: int, half_life_ms: int) -> None:
        """Bring all counts to a landmark that is not earlier."""
        if landmark_ms == self.landmark_ms:
            return
        factor = decay_between(self.landmark_ms, landmark_ms, half_life_ms)
        self.landmark_ms = landmark_ms
        self.single *= factor
        self.news *= factor
        for partner in self.partners.values():
            partner.count *= factor
            partner.error *= factor
            partner.single *= factor

    def count(self, weight: float) -> None:
        """Count the product itself."""
        self.single += weight
        self.news += weight

    def add(self, other: str, count: float, single: float, tracked: int) -> None:
        """Count a pair; `single` is the other's own count by now."""
        known = self.partners.get(other)
        if known is not None:
            known.count += count
            known.single = single
        elif len(self.partners) < tracked:
            self.partners[other] = Partner(count, 0.0, single)
        else:
            counts = [partner.count for partner in self.partners.values()]
            floor = min(counts)
            del self.partners[next(islice(self.partners, counts.index(floor), None))]
            self.partners[other] = Partner(floor + count, floor, single)

    def encode(self) -> bytes:
        """Return versioned bytes; counts as float32, little endian."""
        partners = self.partners.values()
        numbers = array("f", bytes(4 * _COLUMNS * len(partners)))
        numbers[0::_COLUMNS] = array("f", [partner.count for partner in partners])
        numbers[1::_COLUMNS] = array("f", [partner.error for partner in partners])
        numbers[2::_COLUMNS] = array("f", [partner.single for partner in partners])
        if sys.byteorder == "big":
            numbers.byteswap()
        fields = (
            self.landmark_ms,
            self.period_ms,
            self.single,
            self.news,
            self.listed,
            list(self.partners),
            numbers.tobytes(),
        )
        return _VERSION + _encoder.encode(fields)

    @classmethod
    def decode(cls, data: bytes) -> "Row":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        what = "a row of partners"
        landmark_ms, period_ms, single, news, listed, others, packed = unpack(data, (_VERSION,), _decoder, what)
        if len(packed) != len(others) * _COLUMNS * 4:
            raise damaged(what, f"{len(others)} partners with {len(packed)} bytes of counts")
        row = cls(landmark_ms)
        row.period_ms, row.single, row.news, row.listed = period_ms, single, news, listed
        numbers = array("f")
        numbers.frombytes(packed)
        if sys.byteorder == "big":
            numbers.byteswap()
        for at, other in enumerate(others):
            row.partners[other] = Partner(*numbers[_COLUMNS * at : _COLUMNS * (at + 1)])
        return row


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[tuple[int, int, float, float, bytes, list[str], bytes]] = msgspec.msgpack.Decoder(
    tuple[int, int, float, float, bytes, list[str], bytes]
)
