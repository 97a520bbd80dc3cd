"""What a session operator holds of the shop and the model, as it comes by broadcast, and back from broadcast state."""

import re
from collections.abc import Iterable

import structlog

from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    CHANGE_SUFFIX,
    COMMAND_KEY,
    MODEL_KEY,
    MODEL_RECORD,
    POPULARITY_RECORD,
    PRODUCT_RECORD,
)
from operators.task import wall_clock_ms
from state.candidates.bundle import read_bundle
from state.catalogue.assortment.records import (
    CATEGORY_PREFIX,
    PRODUCT_PREFIX,
    product_key,
    read_category,
    read_listed_product,
)
from state.choosing.choice import Chooser
from state.codec import UnreadableError, reading
from state.events.rejection import Reason, Rejection
from state.feature_set import FEATURE_SET
from state.model.change import LiveModel
from state.model.model_input import Command, read_model_input
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.together.listing import list_key

_ARCHIVED = re.compile(rb"%s(:[^@+]+)?@\d+" % MODEL_KEY)
_COMMAND = re.compile(rb"%s(:[^@+]+)?" % COMMAND_KEY)
_LIVE = re.compile(rb"%s(?P<model>:[^@+]+)?(?P<suffix>%s)?" % (MODEL_KEY, re.escape(CHANGE_SUFFIX)))


logger = structlog.get_logger()


class ReferenceData:
    """Feed of a chooser. Broadcast state holds one entry per category, bundle, list of partners, popularity list that is to last
    and product that was asked for, and two per model (the whole, and what changed since), under the names that `take` returns and
    until `drain_forgotten` names them.
    """

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._live: dict[str, LiveModel] = {}
        self._forgotten: list[str] = []

    def apply(self, kind: str, key: bytes | None, value: bytes | None) -> Rejection | str | None:
        """Take a record in, and return under which name broadcast state holds it: None for one that it does not hold.

        A record that cannot be used is rejected, and then broadcast state must not hold it either.
        """
        if kind == BUNDLE_RECORD:
            return self._apply_bundle(key, value)
        if kind == CANDIDATES_RECORD:
            return self._apply_candidates(key or b"", value)
        if kind == POPULARITY_RECORD:
            return self._apply_popularity((key or b"").decode(errors="replace"), value)
        if value is None or _ARCHIVED.fullmatch(key or b""):
            return None
        if _COMMAND.fullmatch(key or b""):
            return _check_command(value)
        part = _LIVE.fullmatch(key or b"")
        if part is None:
            return Rejection(Reason.INVALID_VALUE, None, "the record's key names no model")
        try:
            return self._apply_model((part["model"] or b"").decode(), (part["suffix"] or b"").decode(), value)
        except UnicodeDecodeError as error:
            return Rejection(Reason.NOT_UTF8, "key", f"byte {error.start} is not UTF-8")

    def drain_forgotten(self) -> list[str]:
        """Return names that broadcast state is to hold no longer, as what they stood for had to make room."""
        forgotten, self._forgotten = self._forgotten, []
        for product_id in self._chooser.catalogue.drain_forgotten():
            forgotten.append(_name(CANDIDATES_RECORD, product_key(product_id)))
        for kind, product_id in self._chooser.shelf.together.drain_forgotten():
            forgotten.append(_name(CANDIDATES_RECORD, list_key(kind, product_id)))
        forgotten += (f"{POPULARITY_RECORD}/{key}" for key in self._chooser.shelf.popularity.drain_forgotten())
        return forgotten

    def restore(self, entries: Iterable[tuple[str, bytes]]) -> int:
        """Take over broadcast state after a restart; return the number of entries.

        An earlier release held each product here; now its category does. It may also have held what this one refuses.
        """
        count = 0
        for key, value in entries:
            try:
                found = self._restore_entry(key, value)
            except Exception:  # as for a record of the topic: one entry must not stop the job for ever
                logger.exception("an entry of broadcast state could not be restored", entry=key)
                found = None
            if found is None or isinstance(found, Rejection):
                self._forgotten.append(key)
            count += 1
        return count

    def _restore_entry(self, key: str, value: bytes) -> Rejection | str | None:
        kind, _, name = key.partition("/")
        if kind.startswith(MODEL_RECORD):
            model_key = MODEL_KEY + kind.removeprefix(MODEL_RECORD).encode()
            found = self.apply(MODEL_RECORD, model_key, value)
            return found if isinstance(found, Rejection) else key
        return None if kind == PRODUCT_RECORD else self.apply(kind, name.encode(), value)

    def _apply_bundle(self, key: bytes | None, value: bytes | None) -> Rejection | str:
        bundles = self._chooser.shelf.bundles
        if value is None:
            name = _name(BUNDLE_RECORD, key)
            bundles.remove(name.removeprefix(BUNDLE_RECORD + "/"))
            return name
        bundle = read_bundle(value)
        if isinstance(bundle, Rejection):
            return bundle
        if not bundles.put(bundle):
            self._forgotten += (f"{BUNDLE_RECORD}/{expired}" for expired in bundles.drop_expired(wall_clock_ms()))
            if not bundles.put(bundle):
                return Rejection(Reason.BUNDLES_FULL, None, "bundles.max are held already")
        return f"{BUNDLE_RECORD}/{bundle.bundle_id}"

    def _apply_candidates(self, key: bytes, value: bytes | None) -> Rejection | str | None:
        try:
            is_held = self._apply_listed(key, value)
        except ValueError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        return _name(CANDIDATES_RECORD, key) if is_held else None

    def _apply_listed(self, key: bytes, value: bytes | None) -> bool:
        """A category, a product that was asked for, or partners; whether broadcast state holds it."""
        catalogue = self._chooser.catalogue
        if key.startswith(CATEGORY_PREFIX):
            if value is None:
                catalogue.drop_category(key.removeprefix(CATEGORY_PREFIX).decode(errors="replace"))
            else:
                catalogue.apply_category(read_category(value))
            return True
        if not key.startswith(PRODUCT_PREFIX):
            return self._chooser.shelf.together.apply(key, value)
        product_id = key.removeprefix(PRODUCT_PREFIX).decode(errors="replace")
        if value is None:
            catalogue.remove(product_id)
            return True
        return catalogue.apply_product(product_id, read_listed_product(value))

    def _apply_popularity(self, key: str, value: bytes | None) -> Rejection | str | None:
        try:
            is_lasting = self._chooser.shelf.popularity.apply(key, value)
        except ValueError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        return f"{POPULARITY_RECORD}/{key}" if is_lasting else None

    def _apply_model(self, model: str, suffix: str, value: bytes) -> Rejection | str | None:
        """A whole snapshot, or with a suffix what changed since, of the default variant's model or of the one that is named."""
        name = model.removeprefix(":") or self._chooser.model
        if not self._chooser.knows(name):
            return None  # of an experiment that is over
        try:
            snapshot = self._live.setdefault(name, LiveModel()).apply(value)
            predictor = self._live[name].predictor
            if snapshot is not None and snapshot.feature_set != FEATURE_SET:
                return Rejection(Reason.INVALID_VALUE, "feature_set", f"{snapshot.feature_set} is not {FEATURE_SET}")
            if snapshot is not None and predictor is not None:
                with reading("the model snapshot"):
                    self._chooser.use_model(predictor, name)
        except UnreadableError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        return MODEL_RECORD + model + suffix


def _check_command(value: bytes) -> Rejection | None:
    """A command is the model operator's, which has no way to a dead letter: here only one that it cannot read is told of."""
    try:
        command = read_model_input(value)
        if isinstance(command, Command):
            Predictor(Snapshot.decode(command.snapshot))
    except UnreadableError as error:
        return Rejection(Reason.INVALID_VALUE, None, str(error))
    return None


def _name(kind: str, key: bytes | None) -> str:
    return f"{kind}/{(key or b'').decode(errors='replace')}"
