"""Tracked events while broker, worker, server and Redis fail: `python -m benchmarks.serving.collection_faults`.

For each fault, with one worker and with two: 10,000 events in batches of 10, sent by clients that repeat under the same event
ids what was not answered 202. At three tenths the fault begins. At the end the topic is read: each event that was answered 202 must
be in it. Counted are answers, of each attempt, and records of attempts that were not answered 202, which the job drops by their
ids. The exit status is 1 if an event is missing. The result goes to benchmarks/results/serving-collection-faults.json.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from benchmarks.machine import machine
from benchmarks.serving.collection import until_ready
from benchmarks.serving.repeating_clients import BATCH, Account, consent, send_all, wait_for
from tests.kafka_server import KafkaServer, kafka_server
from tests.redis_server import RedisServer, redis_server
from tests.serving.live_server import LiveServer, live_server

RESULTS = Path(__file__).parents[1] / "results" / "serving-collection-faults.json"
TOPIC = "user_interactions"
LONGEST_S = 120.0
"""For one fault; what is not accepted by then is given up, and counted."""
DOWN_S = 3.0
STALL_S = 7.0
"""Longer than the 5 s that the server waits for Kafka, so that batches fail under way."""
KEEP = ("--appendonly", "yes", "--appendfsync", "always")
"""What sessions have consented to outlives the crash of this Redis."""


class World(NamedTuple):
    """What runs, and can be hit. `restart` ends the server by SIGTERM and starts it on the same port."""

    kafka: KafkaServer
    redis: RedisServer
    server: LiveServer
    restart: Callable[[], None]


def broker_killed(world: World) -> None:
    """SIGKILL, and a start on the same data."""
    world.kafka.kill()
    time.sleep(DOWN_S)
    world.kafka.start()


def broker_stopped(world: World) -> None:
    """SIGSTOP: connections stay, nothing is answered."""
    world.kafka.stall()
    time.sleep(STALL_S)
    world.kafka.wake()


def worker_killed(world: World) -> None:
    """SIGKILL of one worker; the server starts another."""
    os.kill(world.server.workers()[0], signal.SIGKILL)


def server_restarted(world: World) -> None:
    """SIGTERM, and a start."""
    world.restart()


def redis_killed(world: World) -> None:
    """SIGKILL, and a start with what it had written."""
    world.redis.kill()
    time.sleep(DOWN_S)
    world.redis.start(*KEEP)


FAULTS: dict[str, tuple[Callable[[World], None], str]] = {
    "broker killed": (broker_killed, "granted"),
    "broker stopped": (broker_stopped, "granted"),
    "worker killed": (worker_killed, "granted"),
    "server stopped by SIGTERM": (server_restarted, "granted"),
    "Redis killed, consent granted": (redis_killed, "granted"),
    "Redis killed, consent denied": (redis_killed, "denied"),
}


def ids_in_topic(kafka: KafkaServer, since: dict[int, int], run: str) -> Counter[str]:
    """Return how often each event of a run is in the topic, as a reader of committed records sees it."""
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        places = [TopicPartition(TOPIC, number) for number in since]
        consumer.assign(places)
        for place in places:
            consumer.seek(place, since[place.partition])
        ends, found, deadline = consumer.end_offsets(places), Counter[str](), time.monotonic() + LONGEST_S
        while any(consumer.position(place) < ends[place] for place in places):
            assert time.monotonic() < deadline, "the topic cannot be read to its end"
            for records in consumer.poll(timeout_ms=500).values():
                found.update(json.loads(record.value)["event_id"] for record in records)
        return Counter({name: count for name, count in found.items() if name.startswith(f"{run}-")})
    finally:
        consumer.close()


async def send_through(world: World, fault: Callable[[World], None], run: str, options: argparse.Namespace) -> Account:
    """Send all, hit it in the middle, and return what was answered."""
    account, address = Account(), (world.server.host, world.server.port)
    try:
        async with asyncio.timeout(LONGEST_S):
            sending = asyncio.create_task(
                send_all(address, run, options.events // BATCH, options.rate, options.connections, account)
            )
            await wait_for(account, options.events * 3 // 10)
            await asyncio.to_thread(fault, world)
            await sending
    except TimeoutError:
        print(f"{run}: given up after {LONGEST_S:.0f} s", file=sys.stderr)
    return account


def measure(kafka: KafkaServer, name: str, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """One fault with a server and a Redis of its own."""
    fault, default = FAULTS[name]
    run = f"{name}-{workers}-{time.time_ns()}".replace(" ", "-").replace(",", "")
    with tempfile.TemporaryDirectory() as folder, redis_server() as redis, ExitStack() as running:
        redis.start(*KEEP)
        serving: dict[str, Any] = {"workers": workers, "metadata": False}
        tree = {"kafka": {"bootstrap": kafka.bootstrap}, "redis": {"url": redis.url}, "consent": {"default": default}}
        server = running.enter_context(live_server(Path(folder), serving=serving, **tree))
        port = server.port

        def restart() -> None:
            server.stop()
            running.enter_context(live_server(Path(folder), serving=serving | {"port": port}, **tree))

        server.wait_for_workers(workers)
        until_ready(server)
        asyncio.run(consent(server.host, port))
        before, began = kafka.ends(), time.monotonic()
        account = asyncio.run(send_through(World(kafka, redis, server, restart), fault, run, options))
        found = ids_in_topic(kafka, before, run)
    return {"fault": name, "workers": workers, **counts(account, found, options.events), **lasted(began)}


def counts(account: Account, found: Counter[str], events: int) -> dict[str, int]:
    """Hold the answers against the topic."""
    others = sum(count for status, count in account.attempts.items() if status not in ("202", "503", "none"))
    return {
        "events": events,
        "answered_202": len(account.accepted) + account.withheld,
        "of_these_withheld": account.withheld,
        "answered_202_but_not_in_the_topic": len(account.accepted - found.keys()),
        "attempts_answered_503": account.attempts["503"],
        "attempts_without_an_answer": account.attempts["none"],
        "attempts_answered_otherwise": others,
        "in_the_topic_though_not_answered_202": found.total() - len(account.accepted & found.keys()),
        "never_answered_202": events - len(account.accepted) - account.withheld,
    }


def lasted(began: float) -> dict[str, float]:
    """Return how long it took, as a field."""
    return {"seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=150, help="batches a second")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, kafka_server(Path(folder)) as kafka:
        for workers in options.workers:
            for name in options.faults:
                found.append(measure(kafka, name, workers, options))
                print(json.dumps(found[-1]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "faults": found}, indent=2) + "\n")
    missing = sum(one["answered_202_but_not_in_the_topic"] for one in found)
    print(f"{missing} events were answered 202 and are not in the topic")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
