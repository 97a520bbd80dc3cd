"""Batches of records to Kafka, each awaited until all of it is acknowledged.

librdkafka sends in threads of its own. One thread of ours takes its reports and passes them to the event loop, many at a time.
A batch fails as a whole: what of it had been written before is written again when the client repeats it, under the same event
ids, and the job drops the duplicates. While the broker is away no batch is taken in at all.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from serving.collection.kafka_options import producer_options
from serving.collection.metrics import BROKER_UP, QUEUED, UNDELIVERED
from state.configuration import Settings

MOST_RECORDS = 100_000
MOST_BYTES = 64 * 1024 * 1024
"""On their way at the same time; beyond that a batch is refused before any of it is sent."""
RECORD_OVERHEAD_BYTES = 128
POLL_SECONDS = 0.1
PROBE_SECONDS = 0.5
FLUSH_SLICE_SECONDS = 0.1


class UnavailableError(Exception):
    """Error of a batch that Kafka has not acknowledged. Repeat it later; `retry_after_s` says when at the earliest."""

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Record(NamedTuple):
    """One record: its key and value."""

    key: bytes
    value: bytes


class _Batch:
    """What of a batch is still on its way. Once it is sent only the thread of the reports changes it."""

    __slots__ = ("done", "error", "left", "records", "size")

    def __init__(self, records: int, size: int, done: "asyncio.Future[None]") -> None:
        self.records = self.left = records
        self.size, self.done = size, done
        self.error: KafkaError | None = None

    def reported(self, error: KafkaError | None, records: int = 1) -> bool:
        """Take the report of one record, or of several; return whether it was the last."""
        self.left -= records
        if error is not None and self.error is None:
            self.error = error
        return self.left == 0


class Producer:
    """Sender of batches to one topic, made and used in one event loop. `open` it first."""

    def __init__(self, settings: Settings, properties: Mapping[str, str], log: Any) -> None:
        self._topic = settings.kafka.topics.user_interactions
        self._options = producer_options(settings.kafka.bootstrap, properties, settings.serving.produce_timeout_ms)
        self._timeout_s = settings.serving.produce_timeout_ms / 1_000
        self._log = log
        self._records = self._bytes = 0
        self._finished: deque[_Batch] = deque()
        self._unsent: deque[tuple[_Batch, int]] = deque()
        self._away = True  # until the first look has found it
        self._broken = False
        self._closing = False
        self._client: Any = None
        self._reports: threading.Thread | None = None
        self._probe: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the client and the thread that takes its reports. A broker that is away is no error: see `is_away`."""
        self._loop = asyncio.get_running_loop()
        self._client = self._new_client()
        self._reports = threading.Thread(target=self._take_reports, name="kafka-reports", daemon=True)
        self._reports.start()
        self._probe = asyncio.create_task(self._look_for_the_broker())

    @property
    def is_away(self) -> bool:
        """Whether the broker did not answer lately."""
        return self._away

    async def send(self, records: Sequence[Record]) -> None:
        """Send a batch and return once all of it is acknowledged.

        Raises:
            UnavailableError: not all of it was, or nothing of it was sent because the broker is away or too much waits for it.
        """
        if not records:
            return
        if self._away or self._broken or self._closing:
            raise UnavailableError("Kafka does not answer")
        size = sum(len(record.key) + len(record.value) + RECORD_OVERHEAD_BYTES for record in records)
        if self._records + len(records) > MOST_RECORDS or self._bytes + size > MOST_BYTES:
            raise UnavailableError("too many events wait for Kafka")
        batch = _Batch(len(records), size, self._loop.create_future())
        self._count(len(records), size)
        self._produce(records, batch)
        await asyncio.shield(batch.done)  # a client that goes away does not stop what is on its way
        if batch.error is not None:
            UNDELIVERED.labels(batch.error.name()).inc()
            raise UnavailableError("Kafka did not acknowledge the events in time")

    async def close(self, timeout_s: float) -> None:
        """Wait for what is on its way, for no longer than `timeout_s`, and end the thread."""
        if self._probe is not None:
            self._probe.cancel()
        deadline = time.monotonic() + timeout_s
        while self._records and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        if self._records:
            self._log.error("events were not delivered before the end", records=self._records)
        self._closing = True
        if self._reports is not None:
            await asyncio.to_thread(self._reports.join, 2 * POLL_SECONDS + 1)

    async def check(self) -> None:
        """Check the broker and the topic, for `/readyz`.

        Raises:
            UnavailableError: the broker or the topic does not answer.
        """
        await self._ask()
        self._set_away(False)

    def _produce(self, records: Sequence[Record], batch: _Batch) -> None:
        def report(error: KafkaError | None, _message: Message) -> None:
            if batch.reported(error):
                self._finished.append(batch)

        produce, topic = self._client.produce, self._topic
        for sent, record in enumerate(records):
            try:
                produce(topic, record.value, record.key, on_delivery=report)
            except (BufferError, KafkaException) as error:
                self._log.error("the Kafka client refuses a record", error=type(error).__name__)
                self._unsent.append((batch, len(records) - sent))
                return

    def _take_reports(self) -> None:
        """The thread: polls, and hands over what is finished, many batches with one wake-up of the loop."""
        while not self._closing:
            self._client.poll(POLL_SECONDS)
            while self._unsent:
                batch, records = self._unsent.popleft()
                if batch.reported(KafkaError(KafkaError._QUEUE_FULL), records):
                    self._finished.append(batch)
            if self._finished:
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        while self._finished:
            batch = self._finished.popleft()
            self._count(-batch.records, -batch.size)
            if batch.error is not None:
                self._suspect()
            if not batch.done.done():
                batch.done.set_result(None)

    def _count(self, records: int, size: int) -> None:
        self._records += records
        self._bytes += size
        QUEUED.set(self._bytes)

    def _suspect(self) -> None:
        """After a failed delivery nothing more is taken in until the broker has answered."""
        self._set_away(True)

    def _set_away(self, away: bool) -> None:
        if away != self._away:
            self._log.warning("Kafka does not answer") if away else self._log.info("Kafka answers")
        self._away = away
        BROKER_UP.set(0 if away else 1)

    async def _look_for_the_broker(self) -> None:
        """Looks while the broker is away, and sees to a client that can no longer be used."""
        while True:
            if self._broken:
                await self._renew()
            if self._away:
                with suppress(UnavailableError):
                    await self._ask()
                    self._set_away(False)
            await asyncio.sleep(PROBE_SECONDS)

    async def _ask(self) -> None:
        try:
            found = await asyncio.to_thread(self._client.list_topics, self._topic, min(2.0, self._timeout_s))
        except KafkaException as error:
            raise UnavailableError("Kafka does not answer") from error
        topic = found.topics.get(self._topic)
        if topic is None or topic.error is not None:
            raise UnavailableError(f"the topic {self._topic} is not there")

    def _new_client(self) -> Any:
        return Client(self._options | {"error_cb": self._heard}, logger=logging.getLogger("librdkafka"))

    def _heard(self, error: KafkaError) -> None:
        """In the thread of the reports. Errors of single brokers are tried again by the client."""
        if error.fatal():
            self._broken = True
            self._log.error("the Kafka client must start anew", error=error.name())
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._loop.call_soon_threadsafe(self._set_away, True)
        elif error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._log.error("Kafka refuses the login", error=error.name())

    async def _renew(self) -> None:
        """Replaces a client after a fatal error: its idempotent sequence can go on no more."""
        old, self._client = self._client, self._new_client()
        self._broken = False
        await asyncio.to_thread(old.purge)
        await asyncio.to_thread(old.flush, FLUSH_SLICE_SECONDS)
