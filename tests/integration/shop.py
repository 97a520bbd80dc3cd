"""A shop on the real stack: sends events, waits for profiles and records."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from kafka import KafkaConsumer, KafkaProducer

from tests.integration.conftest import Stack


class Shop:
    """Producer, reader and log consumer of one stack. Sessions get fresh names, so tests do not meet."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis = redis.Redis.from_url(stack.redis)
        self._producer = KafkaProducer(bootstrap_servers=stack.kafka, max_request_size=2 * 1024 * 1024)
        self._read: dict[str, list[Any]] = {}
        self._consumers: dict[str, Any] = {}
        self._listed: set[str] = set()

    @staticmethod
    def session() -> str:
        """A session that no other test uses."""
        return f"visitor-{uuid.uuid4().hex[:12]}"

    def queue(self, value: bytes | None, key: bytes | None, topic: str) -> None:
        """Sends a record with others; `flush` waits for all."""
        if topic == self.stack.settings.kafka.topics.products and value is not None and key is not None:
            self._listed.add(key.decode())
        self._producer.send(topic, value=value, key=key)

    def raw(self, value: bytes | None, key: bytes | None = None, topic: str = "user_interactions") -> None:
        """Sends a record as it is."""
        self._producer.send(topic, value=value, key=key)
        self._producer.flush()

    def places(self, topic: str, records: Sequence[tuple[bytes | None, bytes | None]]) -> list[tuple[int, int]]:
        """Sends records, (key, value), all at once; returns partition and offset of each."""
        futures = [self._producer.send(topic, key=key, value=value) for key, value in records]
        self._producer.flush()
        return [(future.get().partition, future.get().offset) for future in futures]

    def post(self, value: bytes, key: bytes) -> None:
        """Sends an event as it is, with many others, some time before `flush` returns."""
        self._producer.send("user_interactions", value=value, key=key)

    def flush(self) -> None:
        """Waits until all that was posted is in its topic."""
        self._producer.flush()

    def send(self, session_id: str, event_type: str = "product_view", **fields: Any) -> dict[str, Any]:
        """Sends an event and returns it."""
        event: dict[str, Any] = {
            "session_id": session_id,
            "event_type": event_type,
            "timestamp": now_ms(),
            "event_id": str(uuid.uuid4()),
        }
        if event_type == "product_view":
            event |= {"product_id": "kettle", "category_id": "kitchen"}
        event |= fields
        self.raw(json.dumps(event).encode(), session_id.encode())
        return event

    def product(self, product_id: str, **fields: Any) -> None:
        """Lists a product."""
        self._listed.add(product_id)
        product = {"product_id": product_id, "category_id": "kitchen"} | fields
        self.raw(json.dumps(product).encode(), product_id.encode(), self.stack.settings.kafka.topics.products)

    def unlist(self, product_id: str) -> None:
        """Takes a product off the list."""
        self.raw(None, product_id.encode(), self.stack.settings.kafka.topics.products)

    def unlist_all(self) -> None:
        """Takes off the list what was put there."""
        for product_id in self._listed:
            self.queue(None, product_id.encode(), self.stack.settings.kafka.topics.products)
        self.flush()

    def profile(self, session_id: str) -> dict[str, Any] | None:
        """The profile as it is now."""
        value: Any = self.redis.get(f"heliotrope:profile:{session_id}")
        return None if value is None else dict(json.loads(value))

    def profile_when(self, session_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits for a profile of which the condition holds."""
        self.stack.wait_until(lambda: (found := self.profile(session_id)) is not None and condition(found))
        found = self.profile(session_id)
        assert found is not None
        return found

    def profile_of_version(self, session_id: str, version: int) -> dict[str, Any]:
        """Waits for a profile of at least that version."""
        return self.profile_when(session_id, lambda profile: profile["version"] >= version)

    def records(self, topic: str) -> list[Any]:
        """All committed records of a topic so far."""
        if topic not in self._consumers:
            self._consumers[topic] = KafkaConsumer(
                topic,
                bootstrap_servers=self.stack.kafka,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
                group_id=None,
            )
            self._read[topic] = []
        for batch in self._consumers[topic].poll(timeout_ms=200).values():
            self._read[topic].extend(batch)
        return self._read[topic]

    def records_to_end(self, topic: str) -> list[Any]:
        """All records of a topic that is written outside of transactions, up to its end as it is now."""
        self.records(topic)
        consumer = self._consumers[topic]
        self.stack.wait_until(lambda: bool(self.records(topic) is not None and consumer.assignment()))
        ends = consumer.end_offsets(consumer.assignment())
        self.stack.wait_until(
            lambda: bool(
                self.records(topic) is not None and all(consumer.position(at) >= end for at, end in ends.items())
            )
        )
        return self._read[topic]

    def records_when(self, topic: str, matching: Callable[[Any], bool], count: int = 1) -> list[Any]:
        """Waits until so many records match."""
        self.stack.wait_until(lambda: sum(map(matching, self.records(topic))) >= count)
        return [record for record in self._read[topic] if matching(record)]

    def close(self) -> None:
        """Ends all connections."""
        self._producer.close()
        for consumer in self._consumers.values():
            consumer.close()
        self.redis.close()


@contextmanager
def open_shop(stack: Stack, keeps_products: bool = False) -> Iterator[Shop]:
    """A shop for one module's tests, whose products are off the list at the end: other modules count what is shown."""
    shop = Shop(stack)
    try:
        yield shop
    finally:
        if not keeps_products:
            shop.unlist_all()
        shop.close()


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
