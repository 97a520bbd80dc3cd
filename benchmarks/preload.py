"""Filling topics before a measurement."""

import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from kafka import KafkaConsumer, TopicPartition

from benchmarks.stack import Stack
from benchmarks.traffic import catalogue
from benchmarks.wire import Connection, Message, batch, request

AT_ONCE = 4_000
"""Records in one request."""


def preload(stack: Stack, topic: str, messages: Iterable[Message]) -> int:
    """Writes keys and values into the topic, in order and a key always to the same partition; returns how many."""
    _await_leaders(stack, topic)
    connection, count = Connection(stack.kafka), 0
    for number, some in enumerate(_chunks(messages)):
        by_partition: dict[int, list[Message]] = {}
        for message in some:
            by_partition.setdefault(partition_of(message[0], stack.settings.kafka.partitions), []).append(message)
        now_ms = time.time_ns() // 1_000_000
        connection.send(request(topic, [(p, batch(m, now_ms)) for p, m in by_partition.items()], number))
        connection.read_answer()
        count += len(some)
    connection.close()
    return count


def load_catalogue(stack: Stack, topic: str = "") -> None:
    """Writes the products of the traffic to the topic of the stack, once; or to another."""
    if not topic:
        if stack.has_catalogue:
            return
        stack.has_catalogue = True
    products = ((str(product["product_id"]).encode(), msgspec.json.encode(product)) for product in catalogue(0))
    preload(stack, topic or stack.settings.kafka.topics.products, products)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key."""
    return zlib.crc32(key) % partitions


def _await_leaders(stack: Stack, topic: str) -> None:
    """Returns once every partition of the topic, which may be new, is led: a leader alone tells where a partition ends."""
    consumer = KafkaConsumer(bootstrap_servers=stack.kafka)
    try:
        consumer.end_offsets([TopicPartition(topic, number) for number in range(stack.settings.kafka.partitions)])
    finally:
        consumer.close()


def _chunks(messages: Iterable[Message]) -> Iterator[list[Message]]:
    left = iter(messages)
    while some := list(islice(left, AT_ONCE)):
        yield some
