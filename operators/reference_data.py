"""The catalogue and the model as they reach a session operator by broadcast, and back from broadcast state."""

from collections.abc import Iterable

from operators.names import CHANGE_SUFFIX, MODEL_KEY, MODEL_RECORD, PRODUCT_RECORD
from state.change import LiveModel
from state.choice import Chooser
from state.features import FEATURE_SET
from state.model import Predictor
from state.product import read_product
from state.rejection import Reason, Rejection


class ReferenceData:
    """Feeds a chooser. Broadcast state holds one entry per product and two for the model (the whole, and what changed since),
    under the names that `take` returns."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._live = LiveModel()

    def take(self, kind: str, key: bytes | None, value: bytes | None) -> Rejection | str | None:
        """Takes a record in, and returns under which name broadcast state holds it: None for one that it does not hold.

        A record that cannot be used is rejected, and then broadcast state must not hold it either.
        """
        if kind == PRODUCT_RECORD:
            return self._take_product(key, value)
        if key in (MODEL_KEY, MODEL_KEY + CHANGE_SUFFIX) and value is not None:
            return self._take_model(key.removeprefix(MODEL_KEY).decode(), value)
        return None

    def restore(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Takes over broadcast state after a restart; returns the number of entries."""
        count = 0
        for key, value in entries:
            kind, _, name = key.partition("/")
            if kind.startswith(MODEL_RECORD):
                self.take(MODEL_RECORD, MODEL_KEY + kind.removeprefix(MODEL_RECORD).encode(), value)
            else:
                self.take(kind, name.encode(), value)
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

    def _take_model(self, part: str, value: bytes) -> Rejection | str:
        """A whole snapshot, or what changed since: `part` tells which, as the end of its key."""
        try:
            snapshot = self._live.take(value)
        except ValueError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        if snapshot is not None and snapshot.feature_set != FEATURE_SET:
            return Rejection(Reason.INVALID_VALUE, "feature_set", f"{snapshot.feature_set} is not {FEATURE_SET}")
        if snapshot is not None:
            self._chooser.use_model(Predictor(snapshot))
        return MODEL_RECORD + part
