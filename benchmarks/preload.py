"""Filling topics before a measurement."""

from collections.abc import Iterable
from typing import Any

import msgspec
from kafka import KafkaProducer

from benchmarks.stack import Stack
from benchmarks.traffic import catalogue


def preload(stack: Stack, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> int:
    """Writes keys and values into the topic; returns how many."""
    producer = _producer(stack)
    count = 0
    for key, value in messages:
        producer.send(topic, key=key, value=value)
        count += 1
    producer.flush()
    producer.close()
    return count


def load_catalogue(stack: Stack, seed: int) -> int:
    """Writes the products of the traffic; returns how many."""

    def keyed(products: Iterable[dict[str, Any]]) -> Iterable[tuple[bytes, bytes]]:
        return ((str(product["product_id"]).encode(), msgspec.json.encode(product)) for product in products)

    return preload(stack, stack.settings.kafka.topics.products, keyed(catalogue(seed)))


def _producer(stack: Stack) -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=stack.kafka, linger_ms=50, batch_size=524_288, acks=1)
