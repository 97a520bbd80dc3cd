"""A real broker for tests that need no Flink: one of its own, which can be stalled, killed and started again."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from cli.stack import brokers, jars
from cli.stack.java import find_java_home
from cli.stack.layout import prepare
from cli.stack.ports import choose
from cli.stack.services import STORAGE_TOOL, kafka_command
from cli.stack.topics import broker_answers, create_topics
from jobs.settings import load_settings
from tests.server_process import ServerProcess

MEMORY_MB = 256
START_SECONDS = 180


class KafkaServer(ServerProcess):
    """Keeps its port and its data over its lives."""

    def __init__(self, folder: Path) -> None:
        self._layout, self._java = prepare(folder / "broker"), find_java_home("")
        self._jars = [jar for jar in jars.installed() if "flink" not in jar.name]
        taken = set[int]()
        port, controller = (choose(0, "local.kafka_port", taken) for _ in range(2))
        brokers.write_kafka(self._layout, port, controller)
        self._properties = str(self._layout.run / "kafka.properties")
        self.bootstrap = f"127.0.0.1:{port}"
        command = kafka_command(self._java, self._layout, self._jars, STORAGE_TOOL, 64)
        format_it = [*command, "format", "-t", brokers.CLUSTER_ID, "-c", self._properties]
        subprocess.run(format_it, check=True, capture_output=True, env=os.environ)

    def start(self) -> None:
        """Starts it, waits until it answers, and creates what topics are missing."""
        with (self._layout.logs / "kafka.out").open("ab") as out:
            command = kafka_command(self._java, self._layout, self._jars, "kafka.Kafka", MEMORY_MB)
            self._process = subprocess.Popen((*command, self._properties), stdout=out, stderr=out)
        settings = load_settings(None, ["kafka.partitions=2"], environ={})
        deadline = time.monotonic() + START_SECONDS
        while not broker_answers(settings, self.bootstrap, 5_000):
            assert self._process.poll() is None, f"see {self._layout.logs}"
            assert time.monotonic() < deadline, f"see {self._layout.logs}"
            time.sleep(0.2)
        create_topics(settings, self.bootstrap)

    def ends(self, topic: str = "user_interactions") -> dict[int, int]:
        """The end of each partition of a topic."""
        consumer = self._consumer()
        try:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            return {place.partition: end for place, end in consumer.end_offsets(places).items()}
        finally:
            consumer.close()

    def records(self, since: dict[int, int], topic: str = "user_interactions") -> list[tuple[bytes, bytes, int]]:
        """All records after those ends, as (key, value, partition)."""
        consumer, ends = self._consumer(), self.ends(topic)
        try:
            consumer.assign([TopicPartition(topic, number) for number in since])
            for number, offset in since.items():
                consumer.seek(TopicPartition(topic, number), offset)
            found: list[tuple[bytes, bytes, int]] = []
            while sum(ends.values()) - sum(since.values()) > len(found):
                for records in consumer.poll(timeout_ms=1_000).values():
                    found += [(record.key, record.value, record.partition) for record in records]
            return found
        finally:
            consumer.close()

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)


@contextmanager
def kafka_server(folder: Path) -> Iterator[KafkaServer]:
    """A broker that runs."""
    server = KafkaServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
