"""The assortment: each product once, in its category, and what session operators hear of the category."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, wall_clock_ms
from state.catalogue.assortment.applying import Applied, Version, apply
from state.catalogue.assortment.category import Category
from state.catalogue.assortment.facts import read_stored, stored
from state.catalogue.assortment.message import read_messages
from state.catalogue.assortment.records import CategoryRecord, category_key
from state.configuration import Candidates
from state.configuration import Catalogue as Rules

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
LIST_TYPE = Types.ROW_NAMED(["key", "value"], [BYTES, BYTES])
"""Row(key, value) for the topic `candidate_lists`; a null value takes the former one away."""

CATEGORIES_HELD = 2_048
"""Categories whose lists an operator keeps unpacked; others are read from state when they change."""
JOURNAL_LENGTH = 1_000
"""Changes of a category's lists that are only noted before the lists are stored anew."""
REFILL_INTERVAL_MS = 5_000
PRODUCTS_PER_MS = 10
"""A category's products are all read again at most once in `REFILL_INTERVAL_MS`, and in 1 ms for each so many of them."""
MANY_CHANGES = 8
BUSY_INTERVAL_MS = 3_000
"""A category in which so many products changed since it was last told of is told of only so often. While a catalogue is loaded,
lists are out of date at once; they would take session operators and the topic more time than the products do."""


class Held:
    """A category in memory, with what is known only here: when it was published and refilled, whether it has news and of how many
    products, and when its timer is due, 0 where it has none."""

    def __init__(self, category: Category, newest: Version) -> None:
        self.category = category
        self.newest = newest
        self.published_ms = 0
        self.refilled_ms = 0
        self.timer_ms = 0
        self.has_news = True
        self.changes = 0
        self.journal = 0

    def due_ms(self, interval_ms: int) -> int:
        """Return when its news may be told, ms since the epoch."""
        busy_ms = BUSY_INTERVAL_MS if self.changes >= MANY_CHANGES else 0
        return self.published_ms + max(interval_ms, busy_ms)


class AssortmentOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by category; input: messages of the directory, gathered; output: LIST_TYPE.

    A map holds the category's products, two values its tally and its lists. As the lists are long, a change of them is noted in a
    journal of product ids first, and applied to the stored lists when they are next read. All of it ends with the last product.
    """

    def __init__(self, candidates: Candidates, settings: Rules, build_id: str) -> None:
        self._candidates = candidates
        self._interval_ms = settings.publish_interval_ms
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the category's state."""
        begin_task(self._build_id)
        products = MapStateDescriptor("products", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._products = runtime_context.get_map_state(products)
        self._tally = runtime_context.get_state(ValueStateDescriptor("tally", Types.PICKLED_BYTE_ARRAY()))
        self._lists = runtime_context.get_state(ValueStateDescriptor("lists", Types.PICKLED_BYTE_ARRAY()))
        journal = ListStateDescriptor("journal", Types.PICKLED_BYTE_ARRAY())
        self._journal = runtime_context.get_list_state(journal)
        self._counters = Counters(runtime_context.get_metrics_group())
        self._held: OrderedDict[str, Held] = OrderedDict()

    def process_element(self, value: Sequence[bytes], ctx: Any) -> Iterator[Row]:
        """Apply the changes; tell of removals at once, and of all else within the interval."""
        category_id = ctx.get_current_key()
        held = self._load(category_id)
        applied = apply(held.category, category_id, read_messages(value), self._read)
        held.newest.rise(applied.version)
        self._store(held, applied)
        yield from (Row(key, record) for key, record in applied.records)
        held.has_news = held.has_news or applied.has_news
        held.changes += len(applied.products)
        now_ms = wall_clock_ms()
        if applied.is_urgent:
            yield from self._publish(held, category_id, now_ms, ctx)
        elif applied.has_news:
            _wake(held, max(held.due_ms(self._interval_ms), now_ms + 1), ctx)
        self._counters.flush()

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Report of what is new; after a restart also where that is not known."""
        category_id, now_ms = ctx.get_current_key(), wall_clock_ms()
        held = self._load(category_id)
        if timestamp >= held.timer_ms:
            held.timer_ms = 0
        due_ms = held.due_ms(self._interval_ms)
        if held.has_news and now_ms >= due_ms:
            yield from self._publish(held, category_id, now_ms, ctx)
        elif held.has_news:
            _wake(held, due_ms, ctx)
        self._counters.flush()

    def _publish(self, held: Held, category_id: str, now_ms: int, ctx: Any) -> Iterator[Row]:
        tally = held.category.tally
        held.has_news, held.changes, held.published_ms = False, 0, now_ms
        self._counters.add("categories_published", 1)
        if not tally.products:
            self._clear(category_id)
            yield Row(category_key(category_id), None)
            return
        product_ids = self._selected(held, now_ms, ctx)
        facts = b"".join(map(held.category.facts.__getitem__, product_ids))
        means = (tally.products, tally.rated, tally.mean_rating, tally.priced, tally.mean_price)
        yield Row(
            category_key(category_id),
            CategoryRecord(category_id, held.newest.version, *means, product_ids, facts).encode(),
        )

    def _selected(self, held: Held, now_ms: int, ctx: Any) -> list[str]:
        """The category's candidates; where some may be missing, from all its products, but not too often."""
        selection = held.category.select()
        if selection.is_complete:
            return selection.product_ids
        wait_ms = max(REFILL_INTERVAL_MS, held.category.tally.products // PRODUCTS_PER_MS)
        if now_ms < held.refilled_ms + wait_ms:
            held.has_news = True
            self._counters.add("categories_incomplete", 1)
            _wake(held, held.refilled_ms + wait_ms, ctx)
            return selection.product_ids
        held.category.refill(map(read_stored, self._products.values()))
        held.refilled_ms = now_ms
        self._store_lists(held)
        self._counters.add("categories_refilled", 1)
        return held.category.select().product_ids

    def _read(self, product_id: str) -> bytes | None:
        data = self._products.get(product_id)
        return None if data is None else read_stored(data)[1]

    def _store(self, held: Held, applied: Applied) -> None:
        if applied.products:
            changed = {name: stored(name, facts) for name, facts in applied.products.items() if facts is not None}
            if changed:
                self._products.put_all(changed)
            for name, facts in applied.products.items():
                if facts is None:
                    self._products.remove(name)
        if applied.has_news:
            self._tally.update(held.newest.encode(held.category.tally))
        if applied.listed:
            held.journal += len(applied.listed)
            if held.journal > JOURNAL_LENGTH:
                self._store_lists(held)
            else:
                self._journal.add(_encoder.encode(applied.listed))

    def _store_lists(self, held: Held) -> None:
        self._lists.update(held.category.encode_lists())
        self._journal.clear()
        held.journal = 0

    def _load(self, category_id: str) -> Held:
        held = self._held.get(category_id)
        if held is None:
            newest, tally = Version.decode(self._tally.value())
            category = Category(self._candidates.per_category, self._candidates.newest_per_category, tally)
            held = self._held[category_id] = Held(category, newest)
            self._restore(held)
            if len(self._held) > CATEGORIES_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(category_id)
        return held

    def _restore(self, held: Held) -> None:
        lists = self._lists.value()
        if lists is not None:
            held.category.decode_lists(lists)
        for product_id in _noted(self._journal.get()):
            held.journal += 1
            held.category.change(product_id, self._read(product_id))

    def _clear(self, category_id: str) -> None:
        for state in (self._products, self._tally, self._lists, self._journal):
            state.clear()
        self._held.pop(category_id, None)


def _wake(held: Held, at_ms: int, ctx: Any) -> None:
    """Sees to a timer at that time or before: each one that is asked for is a crossing into the JVM."""
    if not held.timer_ms or at_ms < held.timer_ms:
        held.timer_ms = at_ms
        ctx.timer_service().register_processing_time_timer(at_ms)


def _noted(journal: Iterable[bytes]) -> dict[str, None]:
    return {product_id: None for entry in journal for product_id in _decoder.decode(entry)}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[str])
