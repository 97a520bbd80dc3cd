"""What the running job tells of the catalogue."""

import time

from kafka import KafkaConsumer

from benchmarks.stack import Stack
from state.catalogue.assortment.records import CATEGORY_PREFIX, CategoryRecord, read_category

PATIENCE_S = 600.0
SLOWEST_PER_S = 1_000
"""Products that come in on the busiest machine: so much longer is waited for a large catalogue."""
LOOK_EVERY_S = 1.0
"""To read the lists of all categories takes of the machine what the job is to have."""
SETTLE_S = 2.0
"""For the newest lists to reach the session operators."""


class Lists:
    """The newest record of each category, read from its topic."""

    def __init__(self, stack: Stack) -> None:
        self._consumer = KafkaConsumer(
            stack.candidate_lists,
            bootstrap_servers=stack.kafka,
            group_id=None,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=16 * 1024 * 1024,
        )
        self._unread: dict[bytes, bytes] = {}
        self._categories: dict[str, CategoryRecord] = {}
        self.records = self.bytes = 0

    def poll(self, timeout_ms: int = 50) -> None:
        """Takes what has come; it is read when it is asked for."""
        for batch in self._consumer.poll(timeout_ms=timeout_ms, max_records=10_000).values():
            for record in batch:
                self.records += 1
                self.bytes += len(record.value or b"")
                if record.key.startswith(CATEGORY_PREFIX) and record.value is not None:
                    self._unread[record.key] = record.value

    @property
    def categories(self) -> dict[str, CategoryRecord]:
        """The newest record of each category by its id."""
        for value in self._unread.values():
            category = read_category(value)
            self._categories[category.category_id] = category
        self._unread.clear()
        return self._categories

    def gather(self, seconds: float) -> None:
        """Takes what comes within the time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.poll(int(1_000 * left) + 1)

    @property
    def products(self) -> int:
        """As many as the categories say that they have."""
        return sum(category.products for category in self.categories.values())

    def close(self) -> None:
        """Leaves the broker."""
        self._consumer.close()


def await_catalogue(stack: Stack, products: int) -> None:
    """Returns once the job holds so many products and its session operators know their candidates.

    Raises:
        TimeoutError: it did not come to that.
    """
    lists, patience_s = Lists(stack), PATIENCE_S + products / SLOWEST_PER_S
    deadline = time.monotonic() + patience_s
    while lists.products < products:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the job holds {lists.products} of {products} products after {patience_s:.0f} s")
        lists.gather(LOOK_EVERY_S)
    lists.close()
    time.sleep(SETTLE_S)
