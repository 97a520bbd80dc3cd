"""A shard: the partners of a share of the products, of one kind, and how it goes on from gather to gather."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from state.codec import unpack
from state.configuration import Together
from state.decay import decay_between, landmark_of
from state.together.listing import digest_of, encode_list, list_key, partners_of
from state.together.periods import Periods, period_of
from state.together.row import Row
from state.together.tally import Allowance, Tally, span_of

_VERSION = b"\x01"
ROWS_IN_MEMORY = 4_096
"""Rows of a shard that need no reading when they are touched again."""
NEWS_SHARE = 0.05
"""A product is looked at again when so much of its count is new: the list of a much viewed one does not change with each view."""

Lists = list[tuple[bytes, bytes | None]]


class Head(msgspec.Struct, array_like=True):
    """Numbers that a shard holds next to its rows: `baskets` as of `landmark_ms`, and `pending`, products whose lists may have
    changed."""

    periods: Periods
    landmark_ms: int = 0
    baskets: float = 0.0
    pending: list[str] = []


class Shard:
    """Shard of the counts of one kind. Rows that are needed and not in memory are named by `missing` and handed in by `hold`; rows
    that changed are returned, to be stored. Products that were not seen for long are forgotten, see `state/together/periods.py`.

    With several shards to a kind each counts all baskets and single products, so that its lifts are exact, and pairs for the
    products that it owns.

    Attributes:
        allowance: the pairs that may be counted.
        left: how many of what is pending are of the round that has begun, 0 between rounds.
    """

    def __init__(self, name: str, head: Head, settings: Together) -> None:
        kind, number, of = name.split("/")
        self.kind, self._number, self._of = kind, int(number), int(of)
        self.head = head
        self._settings = settings
        self._rows: OrderedDict[str, Row] = OrderedDict()
        self._pending = dict.fromkeys(head.pending)
        self.allowance = Allowance(settings.max_pairs)
        self.left = 0

    @classmethod
    def open(cls, name: str, data: bytes | None, settings: Together) -> "Shard":
        """Return a shard named kind/number/of, from its state or new.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        if data is None:
            return cls(name, Head(Periods()), settings)
        return cls(name, unpack(data, (_VERSION,), _decoder, "a shard of partners"), settings)

    def encode(self) -> bytes:
        """Return the head's versioned bytes."""
        self.head.pending = self.pending
        return _VERSION + _encoder.encode(self.head)

    def tally(self, lines: Sequence[str], now_ms: int) -> Tally:
        """Return what the lines add, as of the newest landmark."""
        head, half_life_ms = self.head, self._settings.half_life_ms
        landmark_ms = max(head.landmark_ms, landmark_of(now_ms, span_of(half_life_ms)))
        if head.baskets:
            head.baskets *= decay_between(head.landmark_ms, landmark_ms, half_life_ms)
        head.landmark_ms = landmark_ms
        tally = Tally(landmark_ms, now_ms, half_life_ms)
        tally.add(self.kind, lines, self._number, self._of)
        return tally

    def missing(self, products: Iterable[str]) -> list[str]:
        """Return those whose rows are not in memory."""
        return [product for product in products if product not in self._rows]

    def hold(self, product: str, data: bytes | None) -> None:
        """Take a row into memory, a new one where there is none in state."""
        self._rows[product] = Row(self.head.landmark_ms) if data is None else Row.decode(data)

    def leave_out(self, tally: Tally, new: Sequence[str]) -> int:
        """Take those of the new products for which there is no room out of the tally, and return how many they are.

        A product's name is a visitor's: invented ones must not make the state grow without end.
        """
        gone = set(new[max(0, self._settings.max_counted - self.head.periods.noted) :])
        if gone:
            tally.leave_out(gone)
            for product in gone:
                del self._rows[product]
        return len(gone)

    def add(self, tally: Tally, now_ms: int) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Add what was tallied; return the rows and the chunks of `Periods` that are to be stored.

        All of `tally.singles` must be in memory.
        """
        half_life_ms, tracked = self._settings.half_life_ms, self._settings.tracked
        chunks = self.roll(now_ms)
        periods = self.head.periods
        self.head.baskets += tally.baskets
        for product, weight in tally.singles.items():
            row = self._rows[product]
            self._rows.move_to_end(product)
            row.move(tally.landmark_ms, half_life_ms)
            row.count(weight)
            if row.period_ms < periods.began_ms:
                row.period_ms = periods.began_ms
                periods.fresh.append(product)
        for product, others in tally.pairs.items():
            row = self._rows[product]
            for other, weight in others.items():
                row.add(other, weight, self._rows[other].single, tracked)
            self._pending[product] = None
        return {product: self._rows[product].encode() for product in tally.singles}, chunks | periods.full()

    @property
    def pending(self) -> list[str]:
        """Products whose lists may have changed."""
        return list(self._pending)

    def lists(self, most: int | None = None) -> tuple[Lists, dict[str, bytes]]:
        """Return the lists that changed of the first `most` that are pending, or of all, as records, None for one that is empty
        now; and the rows that are to be stored therefore.

        Those of `pending` must be in memory; they are not pending afterwards.
        """
        records: Lists = []
        changed: dict[str, bytes] = {}
        for product in self.pending[:most]:
            del self._pending[product]
            row = self._rows[product]
            row.move(self.head.landmark_ms, self._settings.half_life_ms)
            if row.news < NEWS_SHARE * row.single:
                continue
            row.news = 0.0
            self._refresh(row)
            pairs = partners_of(row, self.head.baskets, self._settings)
            digest = digest_of(pairs)
            if digest != row.listed:
                row.listed = digest
                records.append((list_key(self.kind, product), encode_list(pairs) if pairs else None))
            changed[product] = row.encode()
        return records, changed

    def roll(self, now_ms: int) -> dict[str, bytes]:
        """End the period where it is over; return its last chunk, to be stored."""
        half_life_ms = self._settings.half_life_ms
        return self.head.periods.begin(now_ms // half_life_ms * half_life_ms)

    def next_period_ms(self, now_ms: int) -> int:
        """Return when the period that runs is over."""
        return (now_ms // self._settings.half_life_ms + 1) * self._settings.half_life_ms

    def due_chunk(self, now_ms: int) -> str | None:
        """Return the name of a chunk of products that may be forgotten."""
        return self.head.periods.due(now_ms, self._settings.half_life_ms)

    def sweep(self, name: str, products: list[str]) -> tuple[Lists, list[str]]:
        """Forget those of a due chunk that were not seen since; return their lists' ends, and whose rows are to be removed.

        All of `products` must be in memory.
        """
        period_ms = period_of(name)
        gone = [product for product in products if self._rows[product].period_ms <= period_ms]
        records: Lists = [(list_key(self.kind, product), None) for product in gone if self._rows[product].listed]
        for product in gone:
            del self._rows[product]
            self._pending.pop(product, None)
        self.head.periods.drop(name)
        return records, gone

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held that could be forgotten."""
        return not self.head.periods.fresh and not self.head.periods.chunks

    def trim(self) -> None:
        """Keep the newest rows in memory, no more than allowed."""
        while len(self._rows) > ROWS_IN_MEMORY:
            self._rows.popitem(last=False)

    def _refresh(self, row: Row) -> None:
        """What partners counted themselves, where that is in memory; else it stays as of when the pair was last seen."""
        for other, partner in row.partners.items():
            known = self._rows.get(other)
            if known is not None:
                factor = decay_between(known.landmark_ms, row.landmark_ms, self._settings.half_life_ms)
                partner.single = known.single * factor


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Head)
