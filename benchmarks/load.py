"""Open-loop load: every event has a time at which it is due, and is sent then whatever became of the ones before.

python -m benchmarks.load --kafka HOST:PORT --topic NAME --partitions N --rate R --seconds S --seed N --begin SECONDS [--lasting]

Requests are encoded before the first is due, so that sending costs little of the cores that the job needs; events that are due
within one tick go out together at its end. Prints how the sending went as JSON.
"""

import argparse
import json
import threading
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.preload import partition_of
from benchmarks.traffic import Traffic, messages, session_id, traffic
from benchmarks.wire import Connection, Message, batch, request

THINK_S = 20
"""A lasting session acts every so many seconds on average."""
TICK_S = 0.005
Times = NDArray[np.float64]


def planned(rate: int, seconds: float, seed: int, begin: float, *, lasting: bool = False) -> tuple[Traffic, Times]:
    """The events, and when each is due, in seconds since the epoch.

    Sessions are as long as in the file that `traffic` follows; `lasting` ones go on from the first second to the last.
    """
    count = int(rate * seconds)
    due = begin + np.arange(count) / rate
    events = traffic(count, 0, seed, span_ms=int(seconds * 1_000), sessions=rate * THINK_S if lasting else None)
    return events._replace(times_ms=(due * 1_000).astype(np.int64)), due


def expected_versions(events: Traffic) -> list[tuple[str, int]]:
    """Session and profile version of each event: which of its session's events it is, from 1."""
    seen: dict[int, int] = {}
    versions = []
    for number in events.sessions.tolist():
        seen[number] = seen.get(number, 0) + 1
        versions.append((session_id(events.seed, number), seen[number]))
    return versions


def ticks(events: Traffic, due: Times, topic: str, partitions: int) -> list[tuple[float, bytes]]:
    """When to send, and what."""
    number_of = ((due - due[0]) // TICK_S).astype(np.int64).tolist()
    requests: list[tuple[float, bytes]] = []
    for number, some in _grouped(number_of, messages(events)):
        send_at = float(due[0]) + (number + 1) * TICK_S
        by_partition: dict[int, list[Message]] = {}
        for message in some:
            by_partition.setdefault(partition_of(message[0], partitions), []).append(message)
        time_ms = int(send_at * 1_000)
        batches = [(partition, batch(found, time_ms)) for partition, found in by_partition.items()]
        requests.append((send_at, request(topic, batches, len(requests))))
    return requests


def send(kafka: str, requests: list[tuple[float, bytes]]) -> dict[str, float]:
    """Sends each request at its time; how late, in ms, the latest and the 99th percentile were."""
    connection = Connection(kafka)
    answers = threading.Thread(target=connection.read_answers, args=(len(requests),))
    answers.start()
    late = np.zeros(len(requests))
    cpu, begun = time.process_time(), time.monotonic()
    for index, (send_at, data) in enumerate(requests):
        pause = send_at - time.time()
        if pause > 0:
            time.sleep(pause)
        connection.send(data)
        late[index] = time.time() - send_at
    cpu_share = (time.process_time() - cpu) / (time.monotonic() - begun)
    answers.join()
    connection.close()
    return {
        "late_p99_ms": round(float(np.percentile(late, 99)) * 1_000, 2),
        "late_max_ms": round(float(late.max()) * 1_000, 2),
        "cpu_share_of_a_core": round(cpu_share, 4),
    }


def _grouped(numbers: list[int], items: Iterator[Message]) -> Iterator[tuple[int, list[Message]]]:
    """Runs of items with the same number."""
    group: list[Message] = []
    last = numbers[0]
    for number, item in zip(numbers, items, strict=True):
        if number != last:
            yield last, group
            group, last = [], number
        group.append(item)
    yield last, group


def main() -> None:
    """Sends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--begin", type=float, required=True)
    parser.add_argument("--lasting", action="store_true", help="sessions that go on from beginning to end")
    options = parser.parse_args()
    events, due = planned(options.rate, options.seconds, options.seed, options.begin, lasting=options.lasting)
    requests = ticks(events, due, options.topic, options.partitions)
    print(json.dumps(send(options.kafka, requests)))


if __name__ == "__main__":
    main()
