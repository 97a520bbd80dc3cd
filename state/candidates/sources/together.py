"""The partners of products, as a session operator holds them."""

from collections import OrderedDict
from collections.abc import Sequence

from state.journal import Journal
from state.together.listing import decode_list, read_key
from state.together.tally import BOUGHT, KINDS, VIEWED

Lifts = Sequence[tuple[str, float]]
_NONE: Lifts = ()


class TogetherLists:
    """Lists of partners by product, of at most so many products of each kind; the longest unused go first.

    `changed` notes kind and product of each list that comes or goes. A list is kept as its bytes until it is first asked for.
    Whoever holds the same elsewhere asks `drain_forgotten` what had to go.
    """

    def __init__(self, max_products: int) -> None:
        self._max_products = max_products
        self._lists: dict[str, OrderedDict[str, bytes | Lifts]] = {kind: OrderedDict() for kind in KINDS}
        self._forgotten: list[tuple[str, str]] = []
        self.changed: Journal[tuple[str, str]] = Journal()

    def __len__(self) -> int:
        """Lists held."""
        return sum(map(len, self._lists.values()))

    def apply(self, key: bytes, payload: bytes | None) -> bool:
        """Take a record of the topic `candidate_lists` in, None for a list that ended; False where the key is another's.

        Raises:
            ValueError: the payload is no list of a version that is known; what was held stays.
        """
        name = read_key(key)
        if name is None:
            return False
        kind, product_id = name
        lists = self._lists[kind]
        if payload is None:
            lists.pop(product_id, None)
            self.changed.note(name)
            return True
        decode_list(payload)
        self.changed.note(name)
        lists[product_id] = payload
        lists.move_to_end(product_id)
        if len(lists) > self._max_products:
            gone = (kind, lists.popitem(last=False)[0])
            self._forgotten.append(gone)
            self.changed.note(gone)
        return True

    def names(self) -> list[tuple[str, str]]:
        """Return kind and product of all lists held."""
        return [(kind, product) for kind, lists in self._lists.items() for product in lists]

    def bought_with(self, product_id: str) -> Lifts:
        """Return products that are bought together with this one more often than chance would bring, and their lifts, best
        first."""
        return self._list(BOUGHT, product_id)

    def viewed_with(self, product_id: str) -> Lifts:
        """Return products that are viewed in the same sessions, likewise."""
        return self._list(VIEWED, product_id)

    def drain_forgotten(self) -> list[tuple[str, str]]:
        """Return kinds and products of the lists that had to go since the last time."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def _list(self, kind: str, product_id: str) -> Lifts:
        lists = self._lists[kind]
        found = lists.get(product_id)
        if found is None:
            return _NONE
        lists.move_to_end(product_id)
        if isinstance(found, bytes):
            found = lists[product_id] = tuple((pair.product_id, pair.lift) for pair in decode_list(found))
        return found
