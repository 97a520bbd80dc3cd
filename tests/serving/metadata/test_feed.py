"""The file of products follows the topic, on a real broker."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from serving.metadata import feed as module
from serving.metadata.feed import Feed, consumer_options
from serving.metadata.store import Change, Reader, Writer
from tests.kafka_server import KafkaServer

DEADLINE_S = 60.0


class Topic:
    """A topic of its own, and the file that follows it."""

    def __init__(self, server: KafkaServer, path: Path) -> None:
        self.name = f"products-{uuid.uuid4().hex}"
        self.path = path
        self._server = server
        self._admin = AdminClient({"bootstrap.servers": server.bootstrap})
        self._producer = Producer({"bootstrap.servers": server.bootstrap})
        self.create()

    def create(self) -> None:
        for created in self._admin.create_topics([NewTopic(self.name, 2, 1)]).values():
            created.result()

    def delete(self) -> None:
        for deleted in self._admin.delete_topics([self.name]).values():
            deleted.result()

    def send(self, product_id: str, **fields: Any) -> None:
        """A product, or without any field its removal."""
        value = json.dumps({"product_id": product_id, "category_id": "c", **fields}) if fields else None
        self.send_raw(product_id, value.encode() if value else None)

    def send_raw(self, key: str, value: bytes | None) -> None:
        self._producer.produce(self.name, value, key)
        self._producer.flush()

    @contextmanager
    def followed(self) -> Iterator[Feed]:
        feed = Feed(self.path, self.name, lambda: Consumer(consumer_options(self._server.bootstrap, {})))
        feed.start()
        try:
            yield feed
        finally:
            feed.stop()
            feed.join(DEADLINE_S)

    def titles(self, *product_ids: str) -> dict[str, str]:
        reader = Reader(self.path)
        try:
            return {name: json.loads(shown).get("title", "") for name, shown in reader.find(product_ids).items()}
        finally:
            reader.close()

    def fact(self, name: str) -> Any:
        writer = Writer(self.path)
        try:
            return writer.fact(name)
        finally:
            writer.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def topic(kafka_place: KafkaServer, tmp_path: Path) -> Topic:
    return Topic(kafka_place, tmp_path / "deep" / "products.sqlite")


def test_products_updates_and_removals_flow_into_the_file(topic: Topic) -> None:
    topic.send("a", title="A")
    topic.send("b", title="B")
    topic.send_raw("bad", b"no product")
    with topic.followed():
        until(lambda: topic.titles("a", "b", "bad") == {"a": "A", "b": "B"})
        topic.send("a", title="A2")
        topic.send("b")
        topic.send("c", title="C")
        until(lambda: topic.titles("a", "b", "c") == {"a": "A2", "c": "C"})


def test_it_goes_on_from_where_it_stood(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    topic.send("a", title="A")
    with topic.followed():
        until(lambda: topic.path.exists() and topic.fact("complete_at_ms") is not None)
    topic.send("a")
    topic.send("b", title="B")
    read: list[bytes] = []
    monkeypatch.setattr(module, "_change_of", lambda key, value: read.append(key))
    with topic.followed():
        until(lambda: len(read) == 2)
    assert sorted(read) == [b"a", b"b"]


def test_only_one_process_of_a_host_feeds_and_another_takes_over(topic: Topic) -> None:
    with topic.followed() as second:
        with topic.followed():
            topic.send("a", title="A")
            until(lambda: topic.titles("a") == {"a": "A"})
        topic.send("b", title="B")
        until(lambda: topic.titles("b") == {"b": "B"})
        assert second._thread.is_alive()


def test_a_file_that_is_too_old_reads_anew_and_forgets_what_is_gone(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.send("a", title="A")
    with topic.followed():
        until(lambda: topic.path.exists() and topic.fact("complete_at_ms") is not None)
    writer = Writer(topic.path)  # what the topic has no record of any more, as after compaction
    writer.apply([Change("ghost", b"{}")], {})
    writer.close()
    with topic.followed():
        topic.send("b", title="B")
        until(lambda: topic.titles("b") == {"b": "B"})
    assert set(topic.titles("a", "ghost")) == {"a", "ghost"}
    monkeypatch.setattr(module, "TOO_OLD_MS", -1)
    with topic.followed():
        until(lambda: set(topic.titles("a", "b", "ghost")) == {"a", "b"})


def test_a_topic_that_is_not_there_yet_is_waited_for(
    kafka_place: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_BACKOFF_S", 0.5)
    topic = Topic(kafka_place, tmp_path / "products.sqlite")
    topic.delete()
    with topic.followed() as feed:
        until(lambda: topic.path.exists())
        assert feed._thread.is_alive()
        until(lambda: _created(topic))
        topic.send("a", title="A")
        until(lambda: topic.titles("a") == {"a": "A"})


def _created(topic: Topic) -> bool:
    """Whether the topic could be created again: a broker takes a while to forget one."""
    try:
        topic.create()
    except Exception:
        return False
    return True
