"""The newest dead letters of the topic, read anew for each look: an operator's page is no consumer that must keep up."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from jobs.kafka_security import read_security
from jobs.secrets import kafka_client_properties
from serving.collection.kafka_options import security_options
from serving.problems import Refusal
from state.configuration import Settings
from state.events.dead_letter import Tally

MOST_READ = 400
MOST_SHOWN = 20
READ_SECONDS = 5.0
PAYLOAD_CHARACTERS = 300


class _Record(NamedTuple):
    """A record as the tally takes it."""

    timestamp: int
    key: bytes | None
    value: bytes | None


def newest_dead_letters(settings: Settings) -> dict[str, Any]:
    """Read the newest few hundred; blocks for some seconds at most.

    Raises:
        Refusal: 503, the broker does not answer.
    """
    topic, deadline_s = settings.kafka.topics.dead_letters, time.monotonic() + READ_SECONDS
    consumer = Consumer(_options(settings.kafka.bootstrap, kafka_client_properties(settings)))
    try:
        ranges = _ranges(consumer, topic)
        tally = _read(consumer, ranges, deadline_s)
    except KafkaException as error:
        raise Refusal(503, f"Kafka does not answer ({error.args[0].name()})", headers={"retry-after": "5"}) from None
    finally:
        consumer.close()
    return _tree(tally, sum(high - low for low, _, high in ranges.values()))


def _options(bootstrap: str, properties: Mapping[str, str]) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "heliotrope-operator",
        "group.id": "heliotrope-operator",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "log_level": 2,
        **security_options(read_security(properties)),
    }


def _ranges(consumer: Consumer, topic: str) -> dict[TopicPartition, tuple[int, int, int]]:
    """For each partition its first offset, where to begin, and its end."""
    partitions = consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions
    ranges = {}
    for number in partitions:
        partition = TopicPartition(topic, number)
        low, high = consumer.get_watermark_offsets(partition, timeout=READ_SECONDS)
        ranges[partition] = (low, max(low, high - MOST_READ // len(partitions)), high)
    return ranges


def _read(consumer: Consumer, ranges: dict[TopicPartition, tuple[int, int, int]], deadline_s: float) -> Tally:
    tally = Tally(MOST_SHOWN)
    for partition, (_, start, _) in ranges.items():
        partition.offset = start
    left = {partition.partition for partition, (_, start, high) in ranges.items() if start < high}
    consumer.assign(list(ranges))
    while left and (wait_s := deadline_s - time.monotonic()) > 0:
        for message in consumer.consume(MOST_READ, min(wait_s, 0.5)):
            if (error := message.error()) is None:
                tally.add(_Record(message.timestamp()[1], message.key(), message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise KafkaException(error)
    return tally


def _tree(tally: Tally, total: int) -> dict[str, Any]:
    letters = [
        {
            "at": at,
            "reason": letter.reason,
            "field": letter.field,
            "detail": letter.detail[:PAYLOAD_CHARACTERS],
            "origin": f"{letter.topic}/{letter.partition}@{letter.offset}",
            "bytes": letter.payload_bytes,
            "payload": letter.payload[:PAYLOAD_CHARACTERS].decode("utf-8", "backslashreplace"),
        }
        for at, _, letter in reversed(tally.latest())
    ]
    return {"total": total, "reasons": dict(tally.reasons.most_common(32)), "newest": letters}
