"""The server as processes: what was answered 202 is in Kafka whatever ends, and nothing is left behind."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from serving.address import ServingError
from serving.server import serve
from state.configuration import Serving, Settings
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer
from tests.serving.live_server import LiveServer, live_server

SENDERS = 4
WAIT_SECONDS = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_ready(server: LiveServer) -> bool:
    with suppress(OSError), urlopen(f"{server.address}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def gauges_of(pid: int, folder: Path) -> list[Path]:
    return list(folder.glob(f"heliotrope-metrics-*/gauge_live*_{pid}.db"))


class Senders:
    """Threads that send batches one after the other, and keep what was answered 202; what fails is sent again under new ids."""

    def __init__(self, server: LiveServer) -> None:
        self.accepted: list[str] = []
        self.statuses: set[int] = set()
        self._server, self._stopped = server, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        batch = 0
        while not self._stopped.is_set():
            names = [f"{number}-{batch}-{one}" for one in range(10)]
            batch += 1
            events = [{"session_id": name, "event_type": "erase", "event_id": name} for name in names]
            with suppress(OSError, http.client.HTTPException):
                status = self._post({"events": events})
                self.statuses.add(status)
                if status == 202:
                    self.accepted += names

    def _post(self, body: dict[str, Any]) -> int:
        connection = http.client.HTTPConnection(self._server.host, self._server.port, timeout=30)
        try:
            connection.request("POST", "/v1/track", json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


@contextmanager
def serving(kafka: KafkaServer, redis: RedisServer, folder: Path, workers: int) -> Iterator[LiveServer]:
    sections: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap": kafka.bootstrap},
        "redis": {"url": redis.url},
        "serving": {"workers": workers},
    }
    with live_server(folder, **sections) as server:
        wait_until(lambda: is_ready(server))
        yield server


def assert_in_topic(kafka: KafkaServer, before: dict[int, int], accepted: list[str]) -> None:
    found = [json.loads(value)["event_id"] for _, value, _ in kafka.records(before)]
    assert set(accepted) - set(found) == set()
    assert len(found) == len(set(found)), "an event came twice though nobody repeated it"


def test_a_stop_under_load_loses_nothing_accepted(
    kafka_place: KafkaServer, redis_place: RedisServer, tmp_path: Path
) -> None:
    before = kafka_place.ends()
    with serving(kafka_place, redis_place, tmp_path, workers=2) as server:
        senders = Senders(server)
        senders.start()
        wait_until(lambda: len(senders.accepted) >= 300)
        status = server.stop()
        senders.stop()
    assert (status, senders.statuses <= {202, 503}) == (0, True)
    assert_in_topic(kafka_place, before, senders.accepted)


def test_a_killed_worker_comes_back_and_loses_nothing_accepted(
    kafka_place: KafkaServer, redis_place: RedisServer, tmp_path: Path
) -> None:
    before = kafka_place.ends()
    with serving(kafka_place, redis_place, tmp_path, workers=2) as server:
        senders = Senders(server)
        senders.start()
        wait_until(lambda: len(senders.accepted) >= 300)
        victim, other = server.workers()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len({*server.workers()} - {victim, other}) == 1)
        count = len(senders.accepted)
        wait_until(lambda: len(senders.accepted) >= count + 300)
        senders.stop()
        assert other in server.workers()
        assert gauges_of(victim, tmp_path), "the names of the files have changed: this shows nothing"
        urlopen(f"{server.address}/metrics", timeout=5).close()
        assert (gauges_of(victim, tmp_path), bool(gauges_of(other, tmp_path))) == ([], True)
    assert senders.statuses <= {202, 503}
    assert_in_topic(kafka_place, before, senders.accepted)


def test_workers_end_with_a_server_that_is_killed(redis_place: RedisServer, tmp_path: Path) -> None:
    with live_server(tmp_path, redis={"url": redis_place.url}) as server:
        workers = [psutil.Process(pid) for pid in server.workers()]
        parent = workers[0].parent()
        assert parent is not None
        parent.kill()
        assert psutil.wait_procs(workers, timeout=WAIT_SECONDS)[1] == []


def test_a_port_that_is_taken_is_no_port_to_share(redis_place: RedisServer, tmp_path: Path) -> None:
    with live_server(tmp_path, redis={"url": redis_place.url}) as server:
        second = Settings(serving=Serving(port=server.port))
        with pytest.raises(ServingError, match=r"serving\.port"):
            serve(second, lambda address: None)
        with socket.create_connection((server.host, server.port), timeout=5):
            pass
