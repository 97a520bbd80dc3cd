"""Filling a host's file from the compacted topic of products: by the one worker that holds the lock, on and on.

It goes on from where the file stands. It reads the topic anew, and then drops what it did not meet, if the topic is another one or
was cut, or if the file is so old that removals may be compacted away (a topic keeps them for `delete.retention.ms`, 24 h).
"""

import fcntl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from serving.metadata import metrics
from serving.metadata.store import Change, Writer, change_of, now_ms
from state.catalogue.product import read_product
from state.events.rejection import Rejection

logger = structlog.get_logger("serving")

BATCH = 2_000
QUEUE_KILOBYTES = 16_384
POLL_S = 0.5
LOCK_EVERY_S = 2.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
ASK_S = 5.0
TOO_OLD_MS = 12 * 3_600_000
NOTE_EVERY_MS = 60_000


def consumer_options(bootstrap: str, security: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a consumer that commits nothing: the file holds its offsets."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "heliotrope-serving-metadata",
        "client.id": "heliotrope-serving",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": QUEUE_KILOBYTES,
        "log_level": 2,
        **security,
    }


class Feed:
    """Thread that fills the file; started by every worker, at work in one of each host."""

    def __init__(self, path: Path, topic: str, open_consumer: Callable[[], Consumer]) -> None:
        self._path = path
        self._topic = topic
        self._open_consumer = open_consumer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="product-metadata", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End at the next batch."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                if self._feed_if_first():
                    backoff_s = FIRST_BACKOFF_S
                self._stopping.wait(LOCK_EVERY_S)
            except Exception as error:  # whatever it is: without this thread products would stay as they are for ever
                metrics.FAILURES.labels(type(error).__name__).inc()
                logger.warning("products cannot be read for their titles", error=str(error), again_in_s=backoff_s)
                self._stopping.wait(backoff_s)
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    def _feed_if_first(self) -> bool:
        """Hold the lock and feed until the end; False at once if another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._feed()
        return True

    def _feed(self) -> None:
        writer, consumer = Writer(self._path), self._open_consumer()
        try:
            self._follow(consumer, writer, self._assign(consumer, writer))
        finally:
            writer.close()
            consumer.close()

    def _assign(self, consumer: Consumer, writer: Writer) -> frozenset[int]:
        """Choose where each partition is read from, and return the partitions."""
        topic_id, bounds = self._look(consumer)
        positions = writer.positions()
        if self._must_begin_anew(writer, topic_id, bounds, positions):
            writer.begin_round({"topic": topic_id})
            positions = {}
        starts = {number: max(positions.get(number, 0), first) for number, (first, _) in bounds.items()}
        consumer.assign([TopicPartition(self._topic, number, start) for number, start in starts.items()])
        writer.apply([], starts)
        return frozenset(bounds)

    def _look(self, consumer: Consumer) -> tuple[str, dict[int, tuple[int, int]]]:
        found = consumer.list_topics(
            self._topic, timeout=ASK_S
        )  # an id of the topic itself would say more; see decision 0031
        topic = found.topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        bounds = {}
        for number in topic.partitions:
            bounds[number] = consumer.get_watermark_offsets(TopicPartition(self._topic, number), timeout=ASK_S)
        return f"{found.cluster_id}/{self._topic}", bounds

    def _must_begin_anew(
        self, writer: Writer, topic_id: str, bounds: dict[int, tuple[int, int]], positions: dict[int, int]
    ) -> bool:
        if writer.fact("complete_round") != writer.round or writer.fact("topic") != topic_id:
            return True
        if now_ms() - int(writer.fact("complete_at_ms") or 0) > TOO_OLD_MS:
            return True
        return any(number not in bounds or position > bounds[number][1] for number, position in positions.items())

    def _follow(self, consumer: Consumer, writer: Writer, partitions: frozenset[int]) -> None:
        """Take in what comes, until the end is asked for or the topic has other partitions."""
        ended: set[int] = set()
        note_ms = 0
        while not self._stopping.is_set():
            changes, positions, at_end = _read(consumer.consume(BATCH, POLL_S))
            if positions:
                writer.apply(changes, positions)
                metrics.APPLIED.inc(len(changes))
            ended |= at_end
            if ended == partitions and now_ms() >= note_ms:
                if (
                    self._look(consumer)[1].keys() != partitions
                ):  # raises if the broker is away: then nothing is complete
                    return
                writer.end_round(now_ms())
                metrics.PRODUCTS.set(writer.count())
                note_ms = now_ms() + NOTE_EVERY_MS


def _read(records: list[Any]) -> tuple[list[Change], dict[int, int], set[int]]:
    """Return what the records change, up to where that is, and the partitions that are at their end."""
    changes: list[Change] = []
    positions: dict[int, int] = {}
    at_end: set[int] = set()
    for record in records:
        error = record.error()
        if error is None:
            positions[record.partition()] = record.offset() + 1
            change = _change_of(record.key(), record.value())
            if change is not None:
                changes.append(change)
        elif error.code() == KafkaError._PARTITION_EOF:
            at_end.add(record.partition())
        else:
            raise KafkaException(error)
    return changes, positions, at_end


def _change_of(key: bytes | None, value: bytes | None) -> Change | None:
    """Return what one record changes; what the job refuses changes nothing here either."""
    if value is None:
        with suppress(UnicodeDecodeError):
            return Change((key or b"").decode(), None)
        return None
    product = read_product(value)
    return None if isinstance(product, Rejection) else change_of(product)
