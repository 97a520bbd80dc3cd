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

    Raises, from every method:
        UserError: the broker does not answer, or the topic does not exist.
    """

    def __init__(self, target: Target, topic: str, group: str | None = None) -> None:
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
            self._start = self._positions(group)
            for partition, offset in self._start.items():
                self._consumer.seek(partition, offset)
            self._end: dict[Any, int] = self._consumer.end_offsets(self._partitions)
        except (KafkaError, UserError) as error:
            self.close()
            raise error if isinstance(error, UserError) else unreachable(target, error) from None

    @property
    def waiting(self) -> int:
        """Offsets between start and end; transaction markers count as well."""
        return sum(max(0, self._end[partition] - self._start[partition]) for partition in self._partitions)

    def to_end(self) -> Iterator[list[Any]]:
        """Batches of records up to the end as it was when the reader was made."""
        while not self._at_end():
            records = [record for record in self._poll() if record.offset < self._end[record_partition(record)]]
            if records:
                yield records

    def on_and_on(self) -> Iterator[list[Any]]:
        """Batches of records as they come, empty ones while none do; without end."""
        while True:
            yield self._poll()

    def close(self) -> None:
        """Leaves the broker."""
        self._consumer.close(autocommit=False)

    def _positions(self, group: str | None) -> dict[Any, int]:
        beginnings: dict[Any, int] = self._consumer.beginning_offsets(self._partitions)
        if group is None:
            return beginnings
        committed = {partition: self._consumer.committed(partition) for partition in self._partitions}
        return {partition: max(first, committed[partition] or 0) for partition, first in beginnings.items()}

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
    """The topic and partition that a record was read from."""
    return TopicPartition(record.topic, record.partition)
