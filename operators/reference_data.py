"""The catalogue and the model as they reach a session operator by broadcast, and back from broadcast state."""

from collections.abc import Iterable

from operators.names import MODEL_KEY, MODEL_RECORD, PRODUCT_RECORD
from state.choice import Chooser
from state.features import FEATURE_SET
from state.model import Predictor, Snapshot
from state.product import read_product
from state.rejection import Reason, Rejection


class ReferenceData:
    """Feeds a chooser. Broadcast state holds one entry per product and one for the model, under the names that `take` returns."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser

    def take(self, kind: str, key: bytes | None, value: bytes | None) -> Rejection | str | None:
        """Takes a record in, and returns under which name broadcast state holds it: None for one that it does not hold.

        A record that cannot be used is rejected, and then broadcast state must not hold it either.
        """
        if kind == PRODUCT_RECORD:
            return self._take_product(key, value)
        if key == MODEL_KEY and value is not None:
            return self._take_model(value)
        return None

    def restore(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Takes over broadcast state after a restart; returns the number of entries."""
        count = 0
        for key, value in entries:
            kind, _, name = key.partition("/")
            self.take(kind, MODEL_KEY if kind == MODEL_RECORD else name.encode(), value)
            count += 1
        return count

    def _take_product(self, key: bytes | None, value: bytes | None) -> Rejection | str:
        if value is None:
            product_id = (key or b"").decode(errors="replace")
            self._chooser.catalogue.remove(product_id)
            return f"{PRODUCT_RECORD}/{product_id}"
        product = read_product(value)
        if isinstance(product, Rejection):
            return product
        if not self._chooser.catalogue.put(product):
            return Rejection(Reason.CATALOGUE_FULL, None, "candidates.max_products are listed already")
        return f"{PRODUCT_RECORD}/{product.product_id}"

    def _take_model(self, value: bytes) -> Rejection | str:
        try:
            snapshot = Snapshot.decode(value)
        except ValueError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        if snapshot.feature_set != FEATURE_SET:
            return Rejection(Reason.INVALID_VALUE, "feature_set", f"{snapshot.feature_set} is not {FEATURE_SET}")
        self._chooser.use_model(Predictor(snapshot))
        return MODEL_RECORD
