"""Reading a topic from where one stands to its end, or on and on."""

from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, UnsupportedCodecError

from cli.errors import UserError
from cli.kafka_client import open_consumer, unreachable
from cli.options import Target

POLL_MS = 500
METADATA_TIMEOUT_MS = 10_000


class TopicReader:
    """Committed records of all partitions, oldest first within each; use as a context manager.

    Args:
        target: where the broker is.
        topic: its name.
        group: start where this consumer group's commits stand, else at the topic's beginning. Commits nothing itself.
        since_ms: without a group, start at the first records of that Kafka time, in ms since the epoch.

    Raises, from every method:
        UserError: the broker does not answer, or the topic does not exist.
    """

    def __init__(self, target: Target, topic: str, group: str | None = None, since_ms: int = 0) -> None:
        self._target = target
        self._consumer = open_consumer(target, group_id=group)
        try:
            numbers = self._consumer.partitions_for_topic(topic)
            if not numbers:
                raise UserError(
                    f"topic {topic} does not exist: create it with `heliotrope up`, or correct kafka.topics"
                )
            self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            self._consumer.assign(self._partitions)
            self._first: dict[Any, int] = self._consumer.beginning_offsets(self._partitions)
            self._end: dict[Any, int] = self._consumer.end_offsets(self._partitions)
            self._start = self._positions(group) if group is not None or not since_ms else self._at(since_ms)
            for partition, offset in self._start.items():
                self._consumer.seek(partition, offset)
        except (KafkaError, UserError) as error:
            self.close()
            raise error if isinstance(error, UserError) else unreachable(target, error) from None

    @property
    def waiting(self) -> int:
        """Offsets between start and end; transaction markers count as well."""
        return sum(max(0, self._end[partition] - self._start[partition]) for partition in self._partitions)

    @property
    def is_trimmed(self) -> bool:
        """Whether a partition is read from its beginning, and retention has taken what was before."""
        return any(0 < self._first[partition] >= self._start[partition] for partition in self._partitions)

    def to_end(self) -> Iterator[list[Any]]:
        """Yield batches of records up to the end as it was when the reader was made."""
        while not self._at_end():
            records = [record for record in self._poll() if record.offset < self._end[record_partition(record)]]
            if records:
                yield records

    def on_and_on(self) -> Iterator[list[Any]]:
        """Yield batches of records as they come, empty ones while none do; without end."""
        while True:
            yield self._poll()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(autocommit=False)

    def _positions(self, group: str | None) -> dict[Any, int]:
        if group is None:
            return self._first
        committed = {partition: self._consumer.committed(partition) for partition in self._partitions}
        return {partition: max(first, committed[partition] or 0) for partition, first in self._first.items()}

    def _at(self, since_ms: int) -> dict[Any, int]:
        """The first records that are not older; the end where all are."""
        found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, since_ms))
        return {p: self._end[p] if found.get(p) is None else found[p].offset for p in self._partitions}

    def _at_end(self) -> bool:
        return all(self._consumer.position(partition) >= end for partition, end in self._end.items())

    def _poll(self) -> list[Any]:
        try:
            batches = self._consumer.poll(timeout_ms=POLL_MS, max_records=2_000)
        except UnsupportedCodecError as error:
            raise UserError(f"the topic is compressed and cannot be read here ({error}): pip install lz4") from None
        except KafkaError as error:
            raise unreachable(self._target, error) from None
        return [record for records in batches.values() for record in records]

    def __enter__(self) -> "TopicReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def record_partition(record: Any) -> Any:
    """Return the topic and partition that a record was read from."""
    return TopicPartition(record.topic, record.partition)
