"""Sending with bounded memory: so many records and bytes on their way at most; a failed delivery is an error."""

from collections import deque
from types import TracebackType
from typing import Any, Self

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from cli.errors import UserError
from cli.kafka_client import open_producer, unreachable
from cli.options import Target

MAX_RECORDS_IN_FLIGHT = 20_000
MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024
RECORD_OVERHEAD_BYTES = 128  # of the batch and the record around key and value
ACKNOWLEDGE_TIMEOUT_S = 60.0


class Delivery:
    """Delivery of records in order per key; use as a context manager, which waits for what is on its way.

    Raises, from every method:
        UserError: a record could not be delivered.
    """

    def __init__(self, target: Target, linger_ms: int = 5, producer: Any = None) -> None:
        self._target = target
        self._producer = producer if producer is not None else open_producer(target, linger_ms)
        self._pending: deque[tuple[Any, int]] = deque()
        self._pending_bytes = 0
        self.acknowledged = 0

    def send(self, topic: str, value: bytes | None, key: bytes | None) -> None:
        """Queue a record; blocks while too much is on its way."""
        try:
            future = self._producer.send(topic, value=value, key=key)
        except KafkaTimeoutError:
            raise self._no_topic(topic) from None
        except MessageSizeTooLargeError:
            raise UserError("a record is larger than 2 MiB, which the topic does not take: split it") from None
        except KafkaError as error:
            raise unreachable(self._target, error) from None
        size = len(value or b"") + len(key or b"") + RECORD_OVERHEAD_BYTES
        self._pending.append((future, size))
        self._pending_bytes += size
        while self._pending and self._pending[0][0].is_done:
            self._settle()
        while len(self._pending) > MAX_RECORDS_IN_FLIGHT or self._pending_bytes > MAX_BYTES_IN_FLIGHT:
            self._settle()

    def flush(self) -> None:
        """Wait until everything is acknowledged."""
        try:
            self._producer.flush(timeout=ACKNOWLEDGE_TIMEOUT_S)
        except KafkaError as error:
            raise unreachable(self._target, error) from None
        while self._pending:
            self._settle()

    def _settle(self) -> None:
        future, size = self._pending.popleft()
        self._pending_bytes -= size
        try:
            future.get(timeout=ACKNOWLEDGE_TIMEOUT_S)
        except KafkaError as error:
            raise unreachable(self._target, error) from None
        self.acknowledged += 1

    def _no_topic(self, topic: str) -> UserError:
        return UserError(
            f"topic {topic} does not answer on {self._target.endpoints.kafka}: "
            "create it with `heliotrope up`, or correct kafka.topics"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for what is on its way, also after Ctrl-C; not after a failed delivery, which would only fail again."""
        try:
            if not isinstance(error, UserError):
                self.flush()
        finally:
            self._producer.close(timeout=5)
